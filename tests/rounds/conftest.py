"""A studio."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.config import Settings
from tests.rounds.harness import Studio


@pytest.fixture
def studio(settings: Settings) -> Iterator[Studio]:
    yield Studio(replace(settings, image_model="demo", output_dir=settings.output_dir))
