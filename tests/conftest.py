"""What tests share: settings in a folder of their own, a database, a bucket, a simple card."""

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

import database
from app.config import Settings
from app.domain import ASPECT_RATIOS, RESOLUTION_AREAS, ModelSetup, ModelSpec, exact_size
from tests.environment import isolate_environment
from tests.fakes.clock import Clock
from tests.fakes.oss import FakeOss, clocked_datetime

isolate_environment()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The demo model, everything kept under the test's own folder."""
    return Settings(
        database_path=tmp_path / "generation_records.db",
        output_dir=tmp_path / "output",
        samples_dir=tmp_path / "samples",
    )


@pytest.fixture
def db(settings: Settings) -> Iterator[database.Connection]:
    """A connection to an empty database."""
    database.open_database(settings.database_path)
    with closing(database.connect(settings.database_path)) as connection:
        yield connection


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of OSS: of the fake, of oss2, and of what is told it."""
    made = Clock()
    monkeypatch.setattr("oss2.auth.datetime", clocked_datetime(made))
    return made


@pytest.fixture
def oss(clock: Clock) -> Iterator[FakeOss]:
    """A bucket that lives by that time."""
    with FakeOss(clock=clock) as service:
        yield service


@pytest.fixture
def spec() -> ModelSpec:
    """A model that takes everything, at ¥0.22 a picture."""
    return ModelSpec(
        name="test",
        label="测试模型",
        model_id="test-1",
        sizes={(r, k): exact_size(r, area) for r in ASPECT_RATIOS for k, area in RESOLUTION_AREAS.items()},
        prompt_limit=800,
        max_references=4,
        reference_form="any",
        negative_prompt="field",
        takes_seed=True,
        takes_steps=True,
        prices=dict.fromkeys(RESOLUTION_AREAS, Decimal("0.22")),
        setup=ModelSetup(title="测试模型", about="什么都会。", variables={}),
    )
