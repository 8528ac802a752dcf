"""The image models, one file a service: the only rooms that know ``requests``; see ``generator``.

A new one stands here, and with its settings in ``config``; what it has to offer stands in ``door``.
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
    """The image model that IMAGE_MODEL names; it may be used from any thread."""
    return _PROVIDERS[settings.image_model](settings)


def list_specs(settings: Settings) -> list[ModelSpec]:
    """What every image model accepts and costs under these settings, keys or no keys."""
    return [open_one(settings).card for open_one in _PROVIDERS.values()]
