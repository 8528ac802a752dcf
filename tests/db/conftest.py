"""Fixtures of the tests of the database."""

from collections.abc import Iterator
from contextlib import closing

import pytest

import database
from app.config import Settings


@pytest.fixture
def other(settings: Settings, db: database.Connection) -> Iterator[database.Connection]:
    """Another connection to the database of ``db``, as another process has."""
    with closing(database.connect(settings.database)) as found:
        yield found
