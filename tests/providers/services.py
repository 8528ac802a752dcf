"""Every image service: its fake, its provider, and what its answers and failures become."""

import io
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image

import generator
from app.config import Settings
from app.domain import ImageRequest
from app.errors import ModelError
from app.providers.bailian import Bailian
from app.providers.gemini import Gemini
from app.providers.http import Response
from app.providers.jimeng import Jimeng
from app.providers.openai_images import OpenAIImages
from app.providers.sdapi import SdApi
from app.providers.seedream import Seedream
from app.providers.tokenhub import TokenHub
from tools.fakes import bailian, gemini, jimeng, openai_images, sdapi, seedream, tokenhub
from tools.fakes.service import FakeService

FAKES: dict[str, type[FakeService]] = {
    "jimeng": jimeng.FakeJimeng,
    "seedream": seedream.FakeSeedream,
    "bailian": bailian.FakeBailian,
    "gemini": gemini.FakeGemini,
    "tokenhub": tokenhub.FakeTokenHub,
    "openai": openai_images.FakeOpenAIImages,
    "sdapi": sdapi.FakeSdApi,
}
READERS: dict[str, Callable[[Response], object]] = {
    "jimeng": Jimeng(Settings())._task_id,
    "seedream": Seedream(Settings())._read,
    "bailian": Bailian(Settings())._read,
    "gemini": Gemini(Settings())._read,
    "tokenhub": TokenHub(Settings())._read,
    "openai": OpenAIImages(Settings())._read,
    "sdapi": SdApi(Settings(price_per_image=Decimal("0.1")))._read,
}
_KEYS = (jimeng.SECRET_KEY, seedream.KEY, bailian.KEY, gemini.KEY, tokenhub.KEY, openai_images.KEY)
FOX = ImageRequest(prompt="一只红狐狸", aspect_ratio="16:9")


def opened(service: FakeService, **more: object) -> Any:
    """The provider of a fake, with ``more`` settings changed."""
    return generator.open_provider(Settings(**service.settings(**more)))


def answer(status: int, fields: Mapping[str, Any]) -> Response:
    """A response with this JSON object."""
    return Response(status=status, headers={}, content=json.dumps(fields).encode())


def outcome(service: str, status: int, fields: Mapping[str, Any]) -> ModelError:
    """The error of this response to a submission, raised or returned."""
    try:
        found = READERS[service](answer(status, fields))
    except ModelError as error:
        found = error
    assert isinstance(found, ModelError)
    return found


def failure(call: Callable[[], object]) -> ModelError:
    """The error of a call, which shows no key."""
    with pytest.raises(ModelError) as caught:
        call()
    assert not any(key in str(caught.value) for key in _KEYS)
    return caught.value


def size_of(content: bytes) -> tuple[int, int]:
    """The size of a whole image."""
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return image.size
