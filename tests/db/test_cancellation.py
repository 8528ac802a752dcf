"""Records cancelled before submission, singly or by batch, and their undo."""

import pytest

import database
from app.domain import BatchStatus, PauseCause, Status
from app.errors import Conflict, NotFound
from tests.db import queue
from tests.db.queue import CAT, LOST, MODELS, NOW, REFUSED
from tests.specs import ANY


def test_cancelling_one_record_leaves_the_others_in_the_queue(db: database.Connection) -> None:
    batch_id, ids = queue.add(db, CAT, CAT, CAT)
    named, cancelled = database.cancel_record(db, ids[1])
    assert (named, cancelled.ids) == (batch_id, (ids[1],))
    assert queue.statuses(db, ids) == [Status.QUEUED, Status.CANCELLED, Status.QUEUED]
    assert queue.batch_status(db, batch_id) is BatchStatus.RUNNING
    assert [queue.claimed(db).id, queue.claimed(db).id] == [ids[0], ids[2]]


def test_cancelling_the_last_waiting_record_leaves_a_claimed_one_to_be_made(db: database.Connection) -> None:
    batch_id, ids = queue.add(db, CAT, CAT)
    record = queue.claimed(db)
    database.cancel_record(db, ids[1])
    assert queue.batch_status(db, batch_id) is BatchStatus.RUNNING
    queue.charge(db, record)


def test_undoing_a_cancellation_does_not_pause_a_batch_that_was_resumed_since(
    db: database.Connection,
) -> None:
    batch_id, ids = queue.add(db, CAT, CAT)
    database.pause_batch(db, batch_id)
    _, cancelled = database.cancel_record(db, ids[1])
    database.resume_batch(db, batch_id, models=[ANY.model_id])
    queue.undo(db, batch_id, cancelled)
    assert [queue.claimed(db).id, queue.claimed(db).id] == ids


def test_a_cancelled_record_in_the_trash_stays_there_when_the_batch_goes_on(db: database.Connection) -> None:
    batch_id, ids = queue.add(db, CAT, CAT)
    database.cancel_batch(db, batch_id)
    database.delete_records(db, ids[:1])
    assert database.uncancel_records(db, batch_id, models=MODELS).number == 1
    assert database.get_record(db, ids[0], trash=True).status is Status.CANCELLED
    assert queue.claimed(db).id == ids[1]


def test_cancelling_the_last_waiting_record_ends_its_batch(db: database.Connection) -> None:
    batch_id, ids = queue.add(db)
    database.cancel_record(db, ids[0])
    assert queue.batch_status(db, batch_id) is BatchStatus.CANCELLED
    assert queue.claim(db) is None


def test_a_submitted_record_is_not_cancelled(db: database.Connection) -> None:
    _, ids = queue.add(db)
    record = queue.submitted(db)
    with pytest.raises(Conflict):
        database.cancel_record(db, ids[0])
    database.requeue_record(db, record, not_before=0)
    with pytest.raises(Conflict):
        database.cancel_record(db, ids[0])
    with pytest.raises(NotFound):
        database.cancel_record(db, 10**9)


def test_undo_requeues_exactly_the_records_that_call_cancelled(db: database.Connection) -> None:
    batch_id, ids = queue.add(db, CAT, CAT, CAT, CAT)
    queue.end(db, REFUSED)
    database.cancel_record(db, ids[1])
    cancelled = database.cancel_batch(db, batch_id)
    assert cancelled.ids == (ids[2], ids[3])
    assert queue.undo(db, batch_id, cancelled) == 2
    assert queue.statuses(db, ids) == [Status.FAILED, Status.CANCELLED, Status.QUEUED, Status.QUEUED]


def test_undo_requeues_a_record_that_was_claimed_when_its_batch_was_cancelled(
    db: database.Connection,
) -> None:
    batch_id, ids = queue.add(db, CAT, CAT)
    record = queue.claimed(db)
    cancelled = database.cancel_batch(db, batch_id)
    assert cancelled.number == 1
    database.requeue_record(db, record, not_before=NOW)
    assert queue.statuses(db, ids) == [Status.CANCELLED, Status.CANCELLED]
    assert queue.undo(db, batch_id, cancelled) == 2
    assert queue.statuses(db, ids) == [Status.QUEUED, Status.QUEUED]


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("of_batch", [True, False])
def test_a_record_restored_to_a_paused_batch_waits(
    db: database.Connection, rows: int, of_batch: bool
) -> None:
    batch_id, ids = queue.add(db, *[CAT] * rows)
    database.pause_batch(db, batch_id)
    cancelled = database.cancel_batch(db, batch_id) if of_batch else database.cancel_record(db, ids[0])[1]
    queue.undo(db, batch_id, cancelled)
    assert queue.batch_status(db, batch_id) is BatchStatus.PAUSED
    assert queue.cause(db, batch_id) == PauseCause.USER
    assert queue.claim(db) is None


def test_without_ids_undo_requeues_all_cancelled_records_but_none_written_off(
    db: database.Connection,
) -> None:
    batch_id, ids = queue.add(db, CAT, CAT, CAT)
    record = queue.charged(db)
    database.fail_record(db, record, LOST)
    database.resolve_charges(db, [record.id], billed=False)
    database.cancel_batch(db, batch_id)
    assert database.uncancel_records(db, batch_id, models=MODELS).number == 2
    assert queue.statuses(db, ids) == [Status.CANCELLED, Status.QUEUED, Status.QUEUED]
