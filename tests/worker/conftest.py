"""Workers with fake services; nothing waits for the first poll of a task."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import database
from app.config import Settings
from app.providers import latency
from tests.harness import Harness, open_harness
from tools.fakes.openai_images import FakeOpenAIImages
from tools.fakes.service import FakeService

OpenFor = Callable[..., Harness]


@pytest.fixture(autouse=True)
def _first_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the latency of a model is unknown, its tasks are polled at once, not after a second."""
    monkeypatch.setattr(latency, "_FIRST_TURN", 0.0)


@pytest.fixture
def open_for(settings: Settings, db: database.Connection) -> Iterator[OpenFor]:
    """Opens a worker for a kind of fake service, which ends with the test."""
    with ExitStack() as fakes:

        def opened(kind: type[FakeService], **changes: Any) -> Harness:
            return open_harness(settings, fakes.enter_context(kind()), db, **changes)

        yield opened


@pytest.fixture
def byte_harness(open_for: OpenFor) -> Harness:
    """A worker with a service that returns the image itself, without a task id."""
    return open_for(FakeOpenAIImages)
