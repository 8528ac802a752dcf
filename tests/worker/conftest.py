"""Workers with fake services, and the leases of servers that were killed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

import database
from app.config import Settings
from tests.harness import Harness, open_harness
from tools.fakes.openai_images import FakeOpenAIImages
from tools.fakes.service import FakeService
from tools.server_process import ServerProcess

OpenFor = Callable[..., Harness]


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


def expire_leases(server: ServerProcess) -> None:
    """End the leases of a server that was killed, which would hold for twelve seconds."""
    target = server.variables.get("DATABASE_URL") or Path(server.variables["DATABASE_PATH"])
    with closing(database.connect(target)) as db:
        db.execute(
            "UPDATE generation_records SET lease_until = 0 WHERE lease_owner LIKE :owner",
            {"owner": f"%-{server.pid}-%"},
        )
