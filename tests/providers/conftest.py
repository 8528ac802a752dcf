"""The fake service of a test, its provider, and a worker without pauses."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from app.providers import deadlines
from app.worker.pipeline import Pipeline
from tests.providers.services import FAKES, opened
from tools.fakes.clock import Clock
from tools.fakes.images import make_image
from tools.fakes.service import FakeService


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Iterator[FakeService]:
    """The service that the module names as SERVICE, or that is the parameter of the test."""
    with FAKES[getattr(request, "param", None) or request.module.SERVICE]() as running:
        yield running


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker counts its pauses between polls and downloads, and does not wait."""
    monkeypatch.setattr(Pipeline, "_sleep", lambda _pipeline, _seconds: None)


@pytest.fixture
def deadline_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that the deadlines of calls follow."""
    clock = Clock()
    monkeypatch.setattr(deadlines, "time", SimpleNamespace(monotonic=clock))
    return clock


@pytest.fixture
def one_picture(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The small picture that the service answers with, whatever is ordered."""
    picture = make_image(8, 8)
    monkeypatch.setattr(service, "image_of", lambda _order: picture)
    return picture


@pytest.fixture
def model(service: FakeService) -> Any:
    """The provider of the fake service."""
    return opened(service)
