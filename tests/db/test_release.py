"""A release is one transaction."""

from contextlib import closing

import pytest

import app.db.release
import database
from app.config import Settings
from app.domain import Models, ModelSpec, PauseCause, Status
from tests.db.test_cancellation import statuses
from tests.db.test_samples import add_sample, finish


def held_rows(db: database.Connection, batch_id: str) -> list[database.ReleaseRow]:
    return [
        database.ReleaseRow(records=records, request=records[0].row_request, templates={})
        for records in database.list_held(db, batch_id).rows
    ]


@pytest.mark.parametrize("step", ["touch", "_update_batch", "finish_if_done", "save_answer"])
def test_a_crash_during_a_release_leaves_all_as_it_was(
    db: database.Connection,
    spec: ModelSpec,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    batch_id, ids = add_sample(db, spec)
    finish(db, number=2)
    before = statuses(db, ids)

    def crash(*_: object, **__: object) -> None:
        raise SystemExit

    monkeypatch.setattr(app.db.release, step, crash)
    with closing(database.connect(settings.database)) as other, pytest.raises(SystemExit):
        database.release_rows(
            other, batch_id, held_rows(db, batch_id), models=Models([spec]), prefix="a", suffix="b"
        )
    batch = database.get_batch(db, batch_id)
    assert (statuses(db, ids), batch.paused_cause, batch.prefix) == (before, PauseCause.SAMPLE, "")


def test_rows_that_changed_since_they_were_read_are_not_released(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add_sample(db, spec)
    rows = held_rows(db, batch_id)
    database.cancel_record(db, ids[1])
    assert database.release_rows(db, batch_id, rows, models=Models([spec]), prefix="", suffix="") is None
    assert database.get_record(db, ids[2]).status is Status.HELD
    released = database.release_rows(
        db, batch_id, held_rows(db, batch_id), models=Models([spec]), prefix="", suffix=""
    )
    assert released is not None
    assert released.number == 3


def test_a_release_of_bought_rows_alone_finishes_the_batch(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add_sample(db, spec, rows=2, sample=1)
    finish(db)
    add_sample(db, spec, rows=1, sample=1)
    released = database.release_rows(
        db, batch_id, held_rows(db, batch_id), models=Models([spec]), prefix="", suffix=""
    )
    assert released is not None
    assert released.number == 0
    assert database.get_record(db, ids[1]).cause == "bought"
    assert database.get_batch(db, batch_id).status == "finished"
