"""Records cancelled before submission, singly or by batch, and their undo."""

import pytest

import database
from app.domain import BatchStatus, Models, ModelSpec, PauseCause, Status
from app.errors import Billed, Conflict, ModelError, NotFound
from tests.core.queue import queue
from tests.core.queue.queue import CAT, LOST, MODELS, NOW, REFUSED, SAVED, add, claimed, submitted
from tests.specs import ANY
from tools import orders


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
    assert orders.uncancel(db, batch_id, models=MODELS).number == 1
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
    assert orders.uncancel(db, batch_id, models=MODELS).number == 2
    assert queue.statuses(db, ids) == [Status.CANCELLED, Status.QUEUED, Status.QUEUED]


def states(db: database.Connection, *batch_ids: str) -> list[BatchStatus]:
    return [database.get_batch(db, batch_id).status for batch_id in batch_ids]


def test_cancelling_a_batch_touches_no_other_and_no_submitted_record(db: database.Connection) -> None:
    batch_id, ids = add(db, CAT, CAT, CAT, CAT)
    submitted(db)
    database.requeue_record(db, submitted(db, "t-2"), not_before=NOW + 60)
    claimed(db)
    other, others = add(db, CAT)
    claimed(db)
    cancelled = database.cancel_batch(db, batch_id)
    assert (cancelled.number, cancelled.ids) == (1, tuple(ids[2:]))
    assert queue.statuses(db, ids) == [Status.RUNNING, Status.QUEUED, Status.RUNNING, Status.CANCELLED]
    assert queue.statuses(db, others) == [Status.RUNNING]
    assert states(db, other) == [BatchStatus.RUNNING]


def test_a_finished_or_unknown_batch_has_nothing_to_cancel(db: database.Connection) -> None:
    batch_id, _ = add(db)
    database.finish_record(db, claimed(db), SAVED)
    for unchanged in (batch_id, "none"):
        cancelled = database.cancel_batch(db, unchanged)
        assert (cancelled.number, cancelled.ids, cancelled.was_paused) == (0, (), False)
    assert states(db, batch_id) == [BatchStatus.FINISHED]


@pytest.mark.parametrize("is_paused", [False, True])
def test_cancelling_tells_whether_the_batch_was_paused(db: database.Connection, is_paused: bool) -> None:
    batch_id, ids = add(db, CAT, CAT)
    if is_paused:
        database.pause_batch(db, batch_id)
    assert database.cancel_record(db, ids[0])[1].was_paused is is_paused
    assert database.cancel_batch(db, batch_id).was_paused is is_paused


@pytest.mark.parametrize("status", ["running", "success", "failed", "unknown", "cancelled"])
def test_only_a_waiting_record_is_cancelled(db: database.Connection, status: str) -> None:
    _, ids = add(db, CAT, CAT)
    db.execute(
        "UPDATE generation_records SET status = :status WHERE id = :id", {"status": status, "id": ids[0]}
    )
    with pytest.raises(Conflict):
        database.cancel_record(db, ids[0])
    assert queue.statuses(db, ids) == [Status(status), Status.QUEUED]


def test_a_record_in_the_trash_is_not_cancelled(db: database.Connection) -> None:
    _, ids = add(db)
    db.execute("UPDATE generation_records SET deleted_at = '2026-01-01'")
    with pytest.raises(NotFound):
        database.cancel_record(db, ids[0])


@pytest.mark.parametrize("status", ["held", "queued", "running"])
def test_a_batch_goes_on_while_one_record_is_left(db: database.Connection, status: str) -> None:
    _, others = add(db)
    batch_id, ids = add(db, CAT, CAT)
    db.execute(
        "UPDATE generation_records SET status = :status WHERE id = :id", {"status": status, "id": ids[0]}
    )
    database.cancel_record(db, ids[1])
    state = db.execute("SELECT state FROM batches WHERE id = :id", {"id": batch_id}).fetchone()["state"]
    assert state == ("paused" if status == "held" else "active")
    database.cancel_record(db, others[0])
    assert states(db, batch_id) != [BatchStatus.CANCELLED]


def test_the_last_record_of_a_batch_ends_it_although_others_wait_elsewhere(db: database.Connection) -> None:
    other, _ = add(db)
    batch_id, ids = add(db)
    database.cancel_record(db, ids[0])
    assert states(db, other, batch_id) == [BatchStatus.QUEUED, BatchStatus.CANCELLED]


@pytest.mark.parametrize("cause", ["dropped", "bought", "held"])
@pytest.mark.parametrize("is_named", [False, True])
def test_what_was_not_cancelled_by_the_user_is_not_queued_again(
    db: database.Connection, spec: ModelSpec, cause: str, is_named: bool
) -> None:
    """What was held is held again."""
    batch_id, ids = add(db, CAT, CAT)
    other, others = add(db, CAT)
    database.cancel_batch(db, batch_id)
    database.cancel_batch(db, other)
    db.execute(
        "UPDATE generation_records SET cause = :cause WHERE id IN (:own, :other)",
        {"cause": cause, "own": ids[0], "other": others[0]},
    )
    requeued = orders.uncancel(db, batch_id, ids if is_named else None, models=Models([spec]))
    is_held = cause == "held"
    assert requeued.number == 1 + is_held
    assert queue.statuses(db, ids) == [Status.HELD if is_held else Status.CANCELLED, Status.QUEUED]
    assert queue.statuses(db, others) == [Status.CANCELLED]
    assert states(db, other) == [BatchStatus.CANCELLED]


def test_only_the_named_held_records_are_held_again(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, CAT, CAT, CAT)
    db.execute("UPDATE generation_records SET status = 'held'")
    database.cancel_batch(db, batch_id)
    db.execute("UPDATE generation_records SET deleted_at = '2026-01-01' WHERE id = :id", {"id": ids[2]})
    assert orders.uncancel(db, batch_id, ids[:1], models=Models([spec])).number == 1
    assert orders.uncancel(db, batch_id, models=Models([spec])).number == 1
    rows = db.execute("SELECT status FROM generation_records ORDER BY id").fetchall()
    assert [row["status"] for row in rows] == ["held", "held", "cancelled"]
    log = queue.log(db, batch_id)
    assert log.count("恢复 1 张，等放行") == 2


def test_what_is_queued_and_what_is_held_again_are_counted_apart(db: database.Connection) -> None:
    batch_id, _ = queue.add_sample(db, rows=3, sample=1)
    database.cancel_batch(db, batch_id)
    orders.uncancel(db, batch_id, models=MODELS)
    assert queue.log(db, batch_id)[-2:] == ["重试 1 张", "恢复 2 张，等放行"]


def test_a_paused_batch_stays_so_when_records_are_held_again(db: database.Connection) -> None:
    batch_id, ids = queue.add_sample(db, rows=3, sample=1)
    held = next(each for each in ids if queue.status_of(db, each) is Status.HELD)
    database.pause_batch(db, batch_id)
    _, cancelled = database.cancel_record(db, held)
    assert queue.undo(db, batch_id, cancelled) == 1
    assert (queue.status_of(db, held), queue.claim(db)) == (Status.HELD, None)


def test_a_cancelled_failure_keeps_its_cause(db: database.Connection) -> None:
    _, ids = add(db)
    busy = ModelError("太多", cause="limit", billed=Billed.NO, throttled=True)
    database.requeue_record(db, claimed(db), not_before=0, error=busy)
    database.cancel_record(db, ids[0])
    assert database.get_record(db, ids[0]).cause == "limit"


def test_undoing_leaves_out_what_was_bought_only_where_that_is_asked(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db)
    database.cancel_batch(db, batch_id)
    add(db)
    undone = orders.uncancel(db, batch_id, ids, models=Models([spec]), skips=True)
    assert (undone.number, len(undone.skipped)) == (0, 1)
    assert states(db, batch_id) == [BatchStatus.CANCELLED]
    assert orders.uncancel(db, batch_id, ids, models=Models([spec])).number == 1


@pytest.mark.parametrize("skips_bought", [False, True])
def test_an_undo_completes_fingerprints_before_its_transaction_where_they_are_compared(
    db: database.Connection, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch, skips_bought: bool
) -> None:
    calls: list[bool] = []
    monkeypatch.setattr(database, "complete_fingerprints", lambda db: calls.append(db.in_transaction))
    batch_id, _ = add(db)
    database.cancel_batch(db, batch_id)
    orders.uncancel(db, batch_id, models=Models([spec]), skips=skips_bought)
    assert calls == [False] * skips_bought
