"""A studio."""

from dataclasses import replace

import pytest

from app.config import Settings
from tests.rounds.harness import Studio


@pytest.fixture
def studio(settings: Settings) -> Studio:
    return Studio(replace(settings, image_model="demo"))


def pytest_itemcollected(item: pytest.Item) -> None:
    """What a client may not do is the same on both stores; what is stored is tested on both."""
    if item.path.stem not in ("test_rounds", "test_submission"):
        item.add_marker(pytest.mark.sqlite)
