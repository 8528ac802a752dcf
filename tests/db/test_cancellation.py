"""Records cancelled before submission, singly or by batch, and their undo."""

import pytest

import database
from app.domain import BatchStatus, ImageRequest, Models, ModelSpec, Status
from app.errors import Billed, Conflict, ModelError, NotFound
from tests.db.test_database import NOW, add, claim, claimed, submitted

CAT = ImageRequest(prompt="猫")


def statuses(db: database.Connection, ids: list[int]) -> list[Status]:
    return [database.get_record(db, record_id).status for record_id in ids]


def test_cancelling_one_record_leaves_the_others_in_the_queue(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec, CAT, CAT, CAT)
    named, cancelled = database.cancel_record(db, ids[1])
    assert (named, cancelled.ids) == (batch_id, (ids[1],))
    assert statuses(db, ids) == [Status.QUEUED, Status.CANCELLED, Status.QUEUED]
    assert database.get_batch(db, batch_id).status is BatchStatus.RUNNING
    assert [claimed(db).id, claimed(db).id] == [ids[0], ids[2]]


def test_cancelling_the_last_waiting_record_leaves_a_claimed_one_to_be_made(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec, CAT, CAT)
    record = claimed(db)
    database.cancel_record(db, ids[1])
    assert database.get_batch(db, batch_id).status is BatchStatus.RUNNING
    assert database.open_charge(db, record, price=spec.price(CAT), budget=None)


def test_undoing_the_cancellation_of_the_last_record_of_a_paused_batch_pauses_it_again(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec)
    database.pause_batch(db, batch_id)
    _, cancelled = database.cancel_record(db, ids[0])
    database.uncancel_records(db, batch_id, ids, models=Models([spec]), paused=cancelled.was_paused)
    assert database.get_batch(db, batch_id).status is BatchStatus.PAUSED
    assert claim(db) is None


def test_undoing_a_cancellation_does_not_pause_a_batch_that_was_resumed_since(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec, CAT, CAT)
    database.pause_batch(db, batch_id)
    _, cancelled = database.cancel_record(db, ids[1])
    database.resume_batch(db, batch_id, models=[spec.model_id])
    database.uncancel_records(db, batch_id, ids[1:], models=Models([spec]), paused=cancelled.was_paused)
    assert [claimed(db).id, claimed(db).id] == ids


def test_a_cancelled_record_in_the_trash_stays_there_when_the_batch_goes_on(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec, CAT, CAT)
    database.cancel_batch(db, batch_id)
    database.delete_records(db, ids[:1])
    assert database.uncancel_records(db, batch_id, models=Models([spec])).number == 1
    assert database.get_record(db, ids[0], trash=True).status is Status.CANCELLED
    assert claimed(db).id == ids[1]


def test_cancelling_the_last_waiting_record_ends_its_batch(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, spec)
    database.cancel_record(db, ids[0])
    assert database.get_batch(db, batch_id).status is BatchStatus.CANCELLED
    assert claim(db) is None


def test_a_submitted_record_is_not_cancelled(db: database.Connection, spec: ModelSpec) -> None:
    _, ids = add(db, spec)
    record = submitted(db)
    with pytest.raises(Conflict):
        database.cancel_record(db, ids[0])
    database.requeue_record(db, record, not_before=0)
    with pytest.raises(Conflict):
        database.cancel_record(db, ids[0])
    with pytest.raises(NotFound):
        database.cancel_record(db, 10**9)


def test_undo_requeues_exactly_the_records_that_call_cancelled(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec, CAT, CAT, CAT, CAT)
    database.fail_record(db, claimed(db), ModelError("违规", cause="moderation", billed=Billed.NO))
    database.cancel_record(db, ids[1])
    cancelled = database.cancel_batch(db, batch_id)
    assert cancelled.ids == (ids[2], ids[3])
    assert database.uncancel_records(db, batch_id, [*cancelled.ids], models=Models([spec])).number == 2
    assert statuses(db, ids) == [Status.FAILED, Status.CANCELLED, Status.QUEUED, Status.QUEUED]


def test_undo_requeues_a_record_that_was_claimed_when_its_batch_was_cancelled(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec, CAT, CAT)
    record = claimed(db)
    cancelled = database.cancel_batch(db, batch_id)
    assert cancelled.number == 1
    database.requeue_record(db, record, not_before=NOW)
    assert statuses(db, ids) == [Status.CANCELLED, Status.CANCELLED]
    assert database.uncancel_records(db, batch_id, [*cancelled.ids], models=Models([spec])).number == 2
    assert statuses(db, ids) == [Status.QUEUED, Status.QUEUED]


def test_a_record_restored_to_a_paused_batch_waits(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = add(db, spec, CAT, CAT)
    database.pause_batch(db, batch_id)
    cancelled = database.cancel_batch(db, batch_id)
    assert cancelled.was_paused
    database.uncancel_records(
        db, batch_id, [*cancelled.ids], models=Models([spec]), paused=cancelled.was_paused
    )
    assert database.get_batch(db, batch_id).status is BatchStatus.PAUSED
    assert claim(db) is None


def test_without_ids_undo_requeues_all_cancelled_records_but_none_written_off(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec, CAT, CAT, CAT)
    record = claimed(db)
    database.open_charge(db, record, price=spec.price(CAT), budget=None)
    database.fail_record(db, record, ModelError("断了", cause="network", billed=Billed.UNKNOWN))
    database.resolve_charges(db, [record.id], billed=False)
    database.cancel_batch(db, batch_id)
    assert database.uncancel_records(db, batch_id, models=Models([spec])).number == 2
    assert statuses(db, ids) == [Status.CANCELLED, Status.QUEUED, Status.QUEUED]
