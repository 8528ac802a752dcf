"""From a request to a picture: orders it from the image model in use, once, and collects it.

The face of ``app/providers/``. Says when a failed step may be tried again; keeps nothing itself.
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
MAX_FREE_RETRIES = 2  # the service may still be at the picture that was given up
_LONGEST_PAUSE = 60.0
_MOST_DOUBLINGS = 10  # a service may ask for patience a thousand times

# For an order that nobody is charged for, by cause: what to look at.
_TO_LOOK_AT = {
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
    """Where the two facts are written that must survive a crash."""

    def note_send(self, price: Decimal | None, *, is_free: bool) -> None:
        """Before the send; None: its price is not known. ``is_free``: nobody can be charged for it.

        May raise Conflict: no money for it.
        """

    def keep_ticket(self, ticket: str) -> None:
        """Before anybody waits."""


def open_provider(settings: Settings) -> Provider:
    """The image model that IMAGE_MODEL names."""
    return providers.open_provider(settings)


def check_budget(settings: Settings, card: ModelSpec) -> None:
    """Refuse a BUDGET without a known price. Raises SettingError naming the variable to fill."""
    if settings.budget is not None and not card.is_priced:
        raise SettingError(
            "PRICE_PER_IMAGE",
            f"设置了 BUDGET，又不知道 {card.name} 每张多少钱，请填每张的价格（元），不收费就填 0",
        )


def list_specs(settings: Settings) -> list[ModelSpec]:
    """What every image model accepts and costs, keys or no keys."""
    return providers.list_specs(settings)


def generate(
    model: Provider,
    request: ImageRequest,
    references: Callable[[], Sequence[Reference]],
    *,
    ledger: Ledger,
    pause: Sleep,
    ticket: str | None = None,
) -> GeneratedImage:
    """One picture for one request. With a ticket it is only collected, never ordered again.

    ``references`` is asked for when the order goes out, not before. Raises ModelError; InvalidRequest before
    anything is noted or sent, when the model never makes such a picture.
    """
    if ticket is None:
        for problem in model.card.unsupported(request):
            raise problem
        attached = references()
        ledger.note_send(model.card.price(request), is_free=model.card.is_free(request))
        order = model.submit(request, attached)
        if order.image is not None:
            return order.image
        ticket = order.task_id or ""
        ledger.keep_ticket(ticket)
    return model.fetch(ticket, pause)


def seconds_before_retry(error: ModelError, *, retries: int, throttled: int) -> float | None:
    """How long to wait before the same step is tried again; None: it must not be.

    Asking for fewer calls is no failure and is waited out; anything else is tried 5 times.
    """
    if not error.retryable or (not error.throttled and retries >= MAX_RETRIES):
        return None
    earlier = min(throttled if error.throttled else retries, _MOST_DOUBLINGS)
    return float(min(2.0**earlier, _LONGEST_PAUSE) * random.uniform(0.8, 1.2))  # noqa: S311 - only spreads calls


def when_given_up(error: ModelError) -> ModelError:
    """The error after the last try: what is gone was charged, and can only be ordered anew, by a person."""
    if not error.gone:
        return error
    text = "图片的下载地址已失效，图片取不回来了；这一张已计费，重新生成会再付一次"
    return ModelError(text, cause="expired", billed=Billed.YES)


def as_free_retry(error: ModelError, *, retries: int) -> ModelError:
    """The error of an order that nobody is charged for: what was lost is made again, twice; then it failed.

    It is the service's: the line to it stood, so that the batch need not pause and the next picture may come.
    """
    return ModelError(
        _TO_LOOK_AT.get(error.cause, error.message),
        cause="service" if error.cause == "network" else error.cause,
        billed=Billed.NO,
        retryable=error.cause != "storage" and retries < MAX_FREE_RETRIES,
    )
