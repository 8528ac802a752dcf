"""Image providers, one module per service: the only package that uses ``requests``; see ``generator``.

A new provider implements ``base.Provider`` and is registered here; its settings belong in ``config``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

from app.config import Settings
from app.domain import ModelSpec
from app.providers import bailian, cutout, gemini, jimeng, seedream, tokenhub
from app.providers.base import Provider
from app.providers.demo import Demo
from app.providers.openai_images import OpenAIImages
from app.providers.sdapi import SdApi


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    """A provider: its client, the beginnings of the names of its settings, and the setting of the model's id.

    ``other_models`` are the ids, beside the configured one, that its keys are good for. ``is_built_in``: it
    needs no keys and has no settings, and makes one picture at a time.
    """

    open: Callable[[Settings], Provider]
    prefixes: tuple[str, ...] = ()
    model_field: str = ""
    other_models: Callable[[Settings], Iterable[str]] = lambda _settings: ()
    is_built_in: bool = False


_SERVICES: dict[str, _Service] = {
    "jimeng": _Service(
        open=cutout.open_jimeng,
        prefixes=("volcengine_", "jimeng_"),
        model_field="jimeng_req_key",
        other_models=jimeng.other_models,
    ),
    "seedream": _Service(
        open=seedream.Seedream,
        prefixes=("ark_", "seedream_"),
        model_field="seedream_model",
        other_models=seedream.other_models,
    ),
    "bailian": _Service(
        open=bailian.Bailian,
        prefixes=("dashscope_", "bailian_"),
        model_field="bailian_model",
        other_models=bailian.other_models,
    ),
    "gemini": _Service(
        open=gemini.Gemini,
        prefixes=("gemini_",),
        model_field="gemini_image_model",
        other_models=gemini.other_models,
    ),
    "tokenhub": _Service(
        open=tokenhub.TokenHub,
        prefixes=("tokenhub_",),
        model_field="tokenhub_image_model",
        other_models=tokenhub.other_models,
    ),
    "openai": _Service(open=OpenAIImages, prefixes=("openai_",), model_field="openai_image_model"),
    "sdapi": _Service(open=SdApi, prefixes=("sdapi_",)),
    "demo": _Service(open=Demo),
    "white-ground": _Service(open=cutout.WhiteGround, is_built_in=True),
}
_SHARED_SETTINGS = ("image_model", "model_timeout", "price_per_image", "usd_cny", "watermark")


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


def list_specs(settings: Settings) -> list[ModelSpec]:
    """The spec of every model of every provider that has settings, whether or not its keys are set.

    Of each provider the configured model is the first.
    """
    names = (name for name, service in _SERVICES.items() if not service.is_built_in)
    return [_open(own).spec for name in names for own in _settings_of(name, settings)]


def list_variables(provider: str) -> list[str]:
    """The variables of a provider's own settings, in the order of Settings."""
    prefixes = _SERVICES[provider].prefixes
    return [each.name.upper() for each in fields(Settings) if prefixes and each.name.startswith(prefixes)]


def model_variable(provider: str) -> str:
    """The variable of the id of a provider's configured model; empty when it has none."""
    return _SERVICES[provider].model_field.upper()


def _open(settings: Settings) -> Provider:
    return _SERVICES[settings.image_model].open(settings)


def _settings_of(name: str, settings: Settings) -> list[Settings]:
    """The settings of each model of a provider; the price that is set is that of the configured model."""
    service = _SERVICES[name]
    values = {
        each.name: getattr(settings, each.name)
        for each in fields(Settings)
        if each.name.startswith(service.prefixes) or each.name in _SHARED_SETTINGS
    }
    values |= {f"{name}_price": None, f"{name}_concurrency": None} if service.prefixes else {}
    values |= {"image_model": name, "price_per_image": settings.price_of(name)}
    configured = Settings(**values)
    others = service.other_models(configured)
    values["price_per_image"] = None
    return [configured, *(Settings(**values | {service.model_field: model}) for model in others)]
