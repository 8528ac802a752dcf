"""Fixtures of the tests of the database."""

from collections.abc import Iterator
from contextlib import closing

import pytest

import database
from app.config import Settings


@pytest.fixture
def other(settings: Settings, db: database.Connection) -> Iterator[database.Connection]:
    """Another connection to the database of ``db``, as another process has."""
    with closing(of_another_process(settings)) as found:
        yield found


def of_another_process(settings: Settings) -> database.Connection:
    """A connection that shares no session with those of the same process."""
    url = settings.database_url
    return database.connect(f"{url}?connect_timeout=9" if url else settings.database)
