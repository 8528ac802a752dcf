"""The image models, one file a service: the only rooms that know ``requests``; see ``generator``.

A new one stands here, and with its settings in ``config``; what it has to offer stands in ``door``.
"""

from collections.abc import Callable

from app.config import Settings
from app.domain import ModelCard
from app.providers.base import ImageModel
from app.providers.demo import Demo
from app.providers.jimeng import Jimeng
from app.providers.openai_images import OpenAIImages
from app.providers.sdapi import SdApi
from app.providers.seedream import Seedream

_MODELS: dict[str, Callable[[Settings], ImageModel]] = {
    "jimeng": Jimeng,
    "seedream": Seedream,
    "openai": OpenAIImages,
    "sdapi": SdApi,
    "demo": Demo,
}


def open_model(settings: Settings) -> ImageModel:
    """The image model that IMAGE_MODEL names; it may be used from any thread."""
    return _MODELS[settings.image_model](settings)


def list_cards(settings: Settings) -> list[ModelCard]:
    """What every image model accepts and costs under these settings, keys or no keys."""
    return [open_one(settings).card for open_one in _MODELS.values()]
