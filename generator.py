"""Submit a request to an image provider, once, and fetch the image.

The public API of ``app.providers``; stores nothing and retries nothing.
"""

from collections.abc import Sequence

from app.config import Settings
from app.domain import GeneratedImage, ImageRequest, ModelSpec, Reference
from app.errors import SettingError
from app.providers import (
    OpenedProvider,
    list_specs,
    list_variables,
    model_variable,
    open_provider,
    open_providers,
)
from app.providers.base import Provider, Sleep, SubmitResult
from app.providers.latency import LatencyEstimate
from app.providers.webhook import NotDelivered, Webhook

__all__ = [
    "LatencyEstimate",
    "NotDelivered",
    "OpenedProvider",
    "Provider",
    "Sleep",
    "SubmitResult",
    "Webhook",
    "check_budget",
    "fetch",
    "list_specs",
    "list_variables",
    "model_variable",
    "open_provider",
    "open_providers",
    "submit",
]


def check_budget(settings: Settings, spec: ModelSpec) -> None:
    """Reject a BUDGET without a known price. Raises SettingError naming the variable to set."""
    if settings.budget is not None and not spec.is_priced:
        raise SettingError(
            f"{spec.name.upper()}_PRICE",
            "设置了 BUDGET，又不知道 {model} 每张多少钱，请填每张的价格（元），不收费就填 0",
            model=spec.name,
        )


def submit(provider: Provider, request: ImageRequest, references: Sequence[Reference]) -> SubmitResult:
    """Submit one image, at its price; never repeated inside. Returns a task id or the image itself.

    Raises ModelError, whose ``billed`` says whether the call was charged.
    """
    return provider.submit(request, references)


def fetch(provider: Provider, task_id: str, sleep: Sleep) -> GeneratedImage:
    """Wait for a submitted image and fetch it. Free, and may be repeated. Raises ModelError."""
    return provider.fetch(task_id, sleep)
