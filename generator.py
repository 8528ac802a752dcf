"""Submit a request to the configured image provider, once, and fetch the image.

The public API of ``app/providers/``. Decides when a failed step may be retried; stores nothing.
"""

import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

from app import providers
from app.config import Settings
from app.domain import GeneratedImage, ImageRequest, ModelSpec, Reference
from app.errors import Billed, ModelError, SettingError
from app.providers.base import Provider, Sleep

MAX_RETRIES = 5
MAX_FREE_RETRIES = 2  # the service may still be working on the abandoned request
_LONGEST_PAUSE = 60.0
_MOST_DOUBLINGS = 10  # bounds the exponent: a service may throttle a call a thousand times

# What to check when a request that is never charged fails, by cause.
_ADVICE_BY_CAUSE = {
    "network": "图片服务没有答完（断线或超时），请检查它是否还在运行，画得慢就调大 MODEL_TIMEOUT",
    "service": "图片服务的答复无法识别，请检查它是否还在运行",
    "broken": "图片服务返回的图片打不开，请检查它是否正常",
}

__all__ = [
    "Ledger",
    "Provider",
    "Sleep",
    "as_free_retry",
    "check_budget",
    "generate",
    "list_specs",
    "open_provider",
    "seconds_before_retry",
    "when_given_up",
]


class Ledger(Protocol):
    """Stores the charge and the task id, which must survive a crash."""

    def note_send(self, price: Decimal | None, *, is_free: bool) -> None:
        """Record a charge before submitting. ``price`` is None when unknown; ``is_free``: never charged.

        Raises Conflict when the budget does not allow it.
        """

    def keep_ticket(self, task_id: str) -> None:
        """Save the task id before waiting for the result."""


def open_provider(settings: Settings) -> Provider:
    """Open the provider named by IMAGE_MODEL."""
    return providers.open_provider(settings)


def check_budget(settings: Settings, spec: ModelSpec) -> None:
    """Reject a BUDGET without a known price. Raises SettingError naming the variable to set."""
    if settings.budget is not None and not spec.is_priced:
        raise SettingError(
            "PRICE_PER_IMAGE",
            "设置了 BUDGET，又不知道 {model} 每张多少钱，请填每张的价格（元），不收费就填 0",
            model=spec.name,
        )


def list_specs(settings: Settings) -> list[ModelSpec]:
    """Return the spec of every image model, whether or not its keys are set."""
    return providers.list_specs(settings)


def generate(
    model: Provider,
    request: ImageRequest,
    references: Callable[[], Sequence[Reference]],
    *,
    ledger: Ledger,
    sleep: Sleep,
    task_id: str | None = None,
) -> GeneratedImage:
    """Generate one image. With a task id it is only fetched, never submitted again.

    ``references`` is called just before submitting. Raises ModelError; InvalidRequest, before
    anything is recorded or sent, when the model does not support the request.
    """
    if task_id is None:
        for problem in model.spec.unsupported(request):
            raise problem
        attached = references()
        ledger.note_send(model.spec.price(request), is_free=model.spec.is_free(request))
        order = model.submit(request, attached)
        if order.image is not None:
            return order.image
        task_id = order.task_id or ""
        ledger.keep_ticket(task_id)
    return model.fetch(task_id, sleep)


def seconds_before_retry(error: ModelError, *, retries: int, throttled: int) -> float | None:
    """Return the seconds to wait before retrying the step; None: do not retry.

    Throttling is retried without limit, any other error MAX_RETRIES times.
    """
    if not error.retryable or (not error.throttled and retries >= MAX_RETRIES):
        return None
    earlier = min(throttled if error.throttled else retries, _MOST_DOUBLINGS)
    return float(min(2.0**earlier, _LONGEST_PAUSE) * random.uniform(0.8, 1.2))  # noqa: S311 - only spreads calls


def when_given_up(error: ModelError) -> ModelError:
    """Return the final error after the last retry: a lost result was charged; only a user may resubmit."""
    if not error.gone:
        return error
    text = "图片的下载地址已失效，图片取不回来了；这一张已计费，重新生成会再付一次"
    return ModelError(text, cause="expired", billed=Billed.YES)


def as_free_retry(error: ModelError, *, retries: int) -> ModelError:
    """Return the error for a request that is never charged: retryable up to MAX_FREE_RETRIES times.

    A network error becomes a service error: the connection was made, so the batch need not pause.
    """
    return ModelError(
        _ADVICE_BY_CAUSE.get(error.cause, error.message),
        cause="service" if error.cause == "network" else error.cause,
        billed=Billed.NO,
        retryable=error.cause != "storage" and retries < MAX_FREE_RETRIES,
    )
