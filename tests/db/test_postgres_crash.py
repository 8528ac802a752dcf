"""What a crash of PostgreSQL may not undo, since the processes that use it go on."""

from contextlib import closing

import pytest

import database
from app.config import Settings
from app.domain import ImageRequest, Models, ModelSpec, Record
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.postgres


def add_record(db: database.Connection, spec: ModelSpec) -> None:
    requests = [ImageRequest(prompt="江南水乡")]
    submission = database.Submission(
        requests=requests, models=Models([spec]), stems=["一"], is_taken=lambda _: False
    )
    database.add_batch(db, submission)


def claim(settings: Settings, owner: str) -> Record | None:
    with closing(database.connect(settings.database)) as db:
        return database.claim_record(db, model="test-1", owner=owner, now=0.0, lease=20.0)


def test_a_claim_and_the_change_counter_outlive_a_crash(
    postgres: PostgresServer, settings: Settings, db: database.Connection, spec: ModelSpec
) -> None:
    """Else a second process would claim the record too, as the same attempt, and both would submit it."""
    add_record(db, spec)
    claimed = claim(settings, "one")
    version = database.last_version(db)
    postgres.kill()
    postgres.start()
    assert claimed is not None
    assert claim(settings, "other") is None
    assert database.last_version(db) == version
