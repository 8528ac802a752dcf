"""Submit a request to an image provider, once, and fetch the image.

The public API of ``app.providers``, whose services are registered here; stores nothing and retries nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from app.config import SERVICES, SETTINGS, Settings
from app.domain import GeneratedImage, ImageRequest, ModelSpec, Reference
from app.errors import SettingError
from app.providers import bailian, cutout, gemini, jimeng, seedream, tokenhub
from app.providers.base import Provider, Sleep, SubmitResult
from app.providers.demo import Demo
from app.providers.kit import Family
from app.providers.openai_images import OpenAIImages
from app.providers.polling import LatencyEstimate
from app.providers.sdapi import SdApi
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
    "model_variable",
    "open_provider",
    "open_providers",
    "submit",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    """A provider.

    ``models`` are those that its keys are good for, of which ``is_offered`` says which the configured service
    has. ``is_built_in``: it needs no keys and has no settings, and makes one picture at a time.
    """

    open: Callable[[Settings], Provider]
    models: Mapping[str, Family] = field(default_factory=dict)
    is_offered: Callable[[Settings, str], bool] = lambda _settings, _model: True
    is_built_in: bool = False


_SERVICES: dict[str, _Service] = {
    "jimeng": _Service(open=cutout.open_jimeng, models=jimeng.MODELS),
    "seedream": _Service(open=seedream.Seedream, models=seedream.MODELS, is_offered=seedream.is_of_service),
    "bailian": _Service(open=bailian.Bailian, models=bailian.MODELS),
    "gemini": _Service(open=gemini.Gemini, models=gemini.MODELS),
    "tokenhub": _Service(open=tokenhub.TokenHub, models=tokenhub.MODELS),
    "openai": _Service(open=OpenAIImages),
    "sdapi": _Service(open=SdApi),
    "demo": _Service(open=Demo),
    "white-ground": _Service(open=cutout.WhiteGround, is_built_in=True),
}
_SHARED_SETTINGS = ("model_timeout", "usd_cny", "watermark")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedProvider:
    """A client of one model, thread-safe, with how many of its images may be under way.

    ``settings`` are those it was opened with: of other providers' settings they have the defaults.
    """

    provider: Provider
    settings: Settings
    concurrency: int


def open_providers(settings: Settings, earlier: Iterable[OpenedProvider] = ()) -> list[OpenedProvider]:
    """Open a client of every model that can be ordered from: the default first, even without its keys.

    The configured model of a provider is followed by the others that its keys are good for. A client of
    ``earlier`` is used again when its settings have not changed.
    """
    opened = {each.settings: each.provider for each in earlier}
    return [
        OpenedProvider(
            provider=opened.get(own) or _open(own),
            settings=own,
            concurrency=1 if _SERVICES[name].is_built_in else settings.concurrency_of(name),
        )
        for name in sorted(_SERVICES, key=lambda name: name != settings.image_model)
        if name == settings.image_model or _SERVICES[name].is_built_in or settings.is_ready(name)
        for own in _settings_of(name, settings)
    ]


def open_provider(settings: Settings) -> Provider:
    """Open the configured model of the provider that IMAGE_MODEL names."""
    return _open(_settings_of(settings.image_model, settings)[0])


@lru_cache(maxsize=1)  # the clients compute all their sizes
def list_specs(settings: Settings) -> tuple[ModelSpec, ...]:
    """The spec of every model of every provider that has settings, whether or not its keys are set.

    Of each provider the configured model is the first.
    """
    names = (name for name, service in _SERVICES.items() if not service.is_built_in)
    return tuple(_open(own).spec for name in names for own in _settings_of(name, settings))


def model_variable(provider: str) -> str:
    """The variable of the id of a provider's configured model; empty when it has none."""
    return next((name for name in SERVICES[provider] if SETTINGS[name].kind == "model"), "")


def _open(settings: Settings) -> Provider:
    return _SERVICES[settings.image_model].open(settings)


def _settings_of(name: str, settings: Settings) -> list[Settings]:
    """The settings of each model of a provider; the price that is set is that of the configured model."""
    own = [
        each
        for each in SERVICES.get(name, ())
        if each not in (f"{name.upper()}_PRICE", f"{name.upper()}_CONCURRENCY")
    ]
    values = {each.lower(): getattr(settings, each.lower()) for each in (*own, *_SHARED_SETTINGS)}
    values |= {"image_model": name, "price_per_image": settings.price_of(name)}
    configured = Settings(**values)
    service, variable = _SERVICES[name], model_variable(name).lower() if name in SERVICES else ""
    values["price_per_image"] = None
    return [
        configured,
        *(
            Settings(**values | {variable: model})
            for model, family in service.models.items()
            if model != values[variable] and not family.retirement and service.is_offered(configured, model)
        ),
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
