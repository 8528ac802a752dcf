"""The change counter: what a page is told after the version it knows."""

from collections.abc import Iterator

import pytest

import database
from app.domain import Pick
from app.errors import Billed, ModelError
from tests.core.queue.queue import CAT, LOST, MODELS, SAVED, add, charged
from tests.specs import ANY
from tools import orders

BUSY = ModelError("太忙", cause="busy", billed=Billed.NO, retryable=True)


def changed(db: database.Connection, batch_id: str, since: int) -> list[int]:
    assert database.get_batch_version(db, batch_id) > since
    return [record.id for record in database.list_batch_records(db, batch_id, since=since)]


def test_a_resolved_charge_of_a_finished_record_is_reported(db: database.Connection) -> None:
    batch_id, ids = add(db)
    database.fail_record(db, charged(db), LOST)
    orders.resubmit(db, ids, models=MODELS)
    database.finish_record(db, charged(db), SAVED)
    db.execute("UPDATE charges SET outcome = 'unknown' WHERE id = 1")
    since = database.last_version(db)
    undo = database.resolve_charges(db, ids, billed=False).undo
    assert changed(db, batch_id, since) == ids
    since = database.last_version(db)
    database.undo_resolution(db, undo)
    assert changed(db, batch_id, since) == ids


def test_each_part_of_a_large_deletion_gets_a_later_version(
    db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.core.records.records.CHANGED_AT_ONCE", 2)
    _, ids = add(db, *[CAT] * 5, source="single")
    for _ in ids:
        database.fail_record(db, charged(db), LOST)
    seen: list[int] = []

    def chosen() -> Iterator[int]:
        for record_id in ids:
            seen.append(database.last_version(db))  # once the parts before it are committed
            yield record_id

    number, undo = database.delete_with_undo(db, chosen())  # type: ignore[arg-type]
    assert number == 5
    removed = database.list_single_records(db, since=seen[2], deleted=True)
    assert [record.id for record in removed] == [ids[4], ids[3], ids[2]]
    assert database.undo_delete(db, undo) == 5


def test_a_deletion_is_undone_completely_although_its_records_changed(db: database.Connection) -> None:
    _, ids = add(db, *[CAT] * 2, source="single")
    for _ in ids:
        database.fail_record(db, charged(db), LOST)
    _, undo = database.delete_with_undo(db, ids)
    database.pick_records(db, ids[:1], Pick.KEEP)
    assert database.undo_delete(db, undo) == 2
    database.delete_records(db, ids)
    assert database.undo_delete(db, undo) == 0


def test_a_delayed_retry_started_at_once_is_reported(db: database.Connection) -> None:
    batch_id, ids = add(db)
    database.requeue_record(db, charged(db), not_before=1e10, error=BUSY)
    database.pause_batch(db, batch_id)
    since = database.last_version(db)
    database.resume_batch(db, batch_id, models=[ANY.model_id])
    assert changed(db, batch_id, since) == ids
