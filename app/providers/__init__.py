"""Image providers, one module per service: the only package that uses ``requests``; see ``generator``.

A new provider implements ``base.Provider`` and is registered here; its settings belong in ``config``.
"""

from collections.abc import Callable

from app.config import Settings
from app.domain import ModelSpec
from app.providers.base import Provider
from app.providers.demo import Demo
from app.providers.jimeng import Jimeng
from app.providers.openai_images import OpenAIImages
from app.providers.sdapi import SdApi
from app.providers.seedream import Seedream

_PROVIDERS: dict[str, Callable[[Settings], Provider]] = {
    "jimeng": Jimeng,
    "seedream": Seedream,
    "openai": OpenAIImages,
    "sdapi": SdApi,
    "demo": Demo,
}


def open_provider(settings: Settings) -> Provider:
    """Open the provider named by IMAGE_MODEL; it is thread-safe."""
    return _PROVIDERS[settings.image_model](settings)


def list_specs(settings: Settings) -> list[ModelSpec]:
    """Return the spec of every image model under these settings, whether or not its keys are set."""
    return [open_one(settings).spec for open_one in _PROVIDERS.values()]
