"""The change counter: what a page is told after the version it knows."""

from collections.abc import Iterator

import pytest

import database
from app.domain import ImageRequest, Models, ModelSpec, Record, SavedImage
from app.errors import Billed, ModelError

PRICED = ModelError("断了", cause="network", billed=Billed.UNKNOWN)
BUSY = ModelError("太忙", cause="busy", billed=Billed.NO, retryable=True)
SAVED = SavedImage(filename="猫.png", width=8, height=8, format="png", file_size=9, sha256="ab")


def add(db: database.Connection, spec: ModelSpec, number: int = 1) -> tuple[str, list[int]]:
    return database.add_batch(
        db,
        database.Submission(
            requests=[ImageRequest(prompt="猫")] * number,
            models=Models([spec]),
            stems=["猫"] * number,
            is_taken=lambda stem: False,
            source="single",
        ),
    )[:2]


def submit(db: database.Connection, spec: ModelSpec) -> Record:
    record = database.claim_record(db, model=spec.model_id, owner="me", now=1e9, lease=20.0)
    assert record is not None
    database.open_charge(db, record, price=spec.prices["2K"], budget=None)
    return record


def changed(db: database.Connection, batch_id: str, since: int) -> list[int]:
    assert database.get_batch_version(db, batch_id) > since
    return [record.id for record in database.list_batch_records(db, batch_id, since=since)]


def test_a_resolved_charge_of_a_finished_record_is_reported(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, spec)
    database.fail_record(db, submit(db, spec), PRICED)
    database.resubmit(db, ids, models=Models([spec]))
    database.finish_record(db, submit(db, spec), SAVED)
    db.execute("UPDATE charges SET outcome = 'unknown' WHERE id = 1")
    since = database.last_version(db)
    undo = database.resolve_charges(db, ids, billed=False).undo
    assert changed(db, batch_id, since) == ids
    since = database.last_version(db)
    database.undo_resolution(db, undo)
    assert changed(db, batch_id, since) == ids


def test_each_part_of_a_large_deletion_gets_a_later_version(
    db: database.Connection, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.db.records._CHANGED_AT_ONCE", 2)
    _, ids = add(db, spec, 5)
    for _ in ids:
        database.fail_record(db, submit(db, spec), PRICED)
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


def test_a_deletion_is_undone_completely_although_its_records_changed(
    db: database.Connection, spec: ModelSpec
) -> None:
    _, ids = add(db, spec, 2)
    for _ in ids:
        database.fail_record(db, submit(db, spec), PRICED)
    _, undo = database.delete_with_undo(db, ids)
    database.mark_favourite(db, ids[:1], True)
    assert database.undo_delete(db, undo) == 2
    database.delete_records(db, ids)
    assert database.undo_delete(db, undo) == 0


def test_a_delayed_retry_started_at_once_is_reported(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, spec)
    database.requeue_record(db, submit(db, spec), not_before=1e10, error=BUSY)
    database.pause_batch(db, batch_id)
    since = database.last_version(db)
    database.resume_batch(db, batch_id, models=[spec.model_id])
    assert changed(db, batch_id, since) == ids
