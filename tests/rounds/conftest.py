"""A studio."""

from dataclasses import replace

import pytest

from app.config import Settings
from tests.rounds.harness import Studio


@pytest.fixture
def studio(settings: Settings) -> Studio:
    return Studio(replace(settings, image_model="demo"))
