"""A batch pauses by itself when its stop rule says so."""

import database
from app.domain import BatchStatus, PauseCause, Status, StopRule
from tests.core.orders.test_release import release
from tests.core.queue import queue
from tests.core.queue.queue import CAT, LOST, REFUSED, SAVED
from tests.specs import ANY

RULE = StopRule(refused=2, of=4, failed=0.5, last=8)


def add_ruled(
    db: database.Connection, rows: int = 10, rule: StopRule | None = RULE, sample: int | None = None
) -> tuple[str, list[int]]:
    return queue.add(db, *[CAT] * rows, stop_rule=rule, sample=sample)


def test_refusals_among_the_first_pause_the_batch(db: database.Connection) -> None:
    batch_id, _ = add_ruled(db)
    queue.end(db, REFUSED, None)
    assert queue.cause(db, batch_id) == ""
    queue.end(db, REFUSED)
    batch = database.get_batch(db, batch_id)
    assert (batch.status, batch.paused_cause) == (BatchStatus.PAUSED, PauseCause.STOP_RULE)
    assert str(batch.paused_reason).startswith("前 3 张里有 2 张没有通过内容审核")
    assert queue.claim(db) is None
    assert queue.log(db, batch_id)[-1].startswith("已暂停：前 3 张里有 2 张")
    pause = database.list_pauses(db)[batch_id]
    assert (pause.reason, pause.is_problem) == (batch.paused_reason, True)


def test_failures_of_any_cause_pause_the_batch(db: database.Connection) -> None:
    batch_id, _ = add_ruled(db)
    queue.end(db, None, LOST, LOST, REFUSED)
    assert queue.cause(db, batch_id) == ""
    queue.end(db, LOST)
    assert queue.cause(db, batch_id) == PauseCause.STOP_RULE
    reason = database.get_batch(db, batch_id).paused_reason
    assert str(reason).startswith("最近 5 张里有 4 张没有成功：网络连接中断 3 张、内容审核没有通过 1 张")


def test_resuming_starts_the_rule_anew(db: database.Connection) -> None:
    batch_id, _ = add_ruled(db)
    queue.end(db, REFUSED, REFUSED)
    for _ in range(2):
        database.resume_batch(db, batch_id, models=[ANY.model_id])
        queue.end(db, REFUSED)
        assert queue.cause(db, batch_id) == ""
        queue.end(db, REFUSED)
        assert queue.cause(db, batch_id) == PauseCause.STOP_RULE


def test_retrying_an_ended_batch_starts_the_rule_anew(db: database.Connection) -> None:
    batch_id, _ = add_ruled(db, 2)
    queue.end(db, REFUSED, REFUSED)
    assert queue.batch_status(db, batch_id) is BatchStatus.FINISHED
    queue.retry(db, batch_id)
    queue.end(db, REFUSED)
    assert queue.cause(db, batch_id) == ""


def test_a_release_starts_the_rule_anew(db: database.Connection) -> None:
    batch_id, _ = add_ruled(db, 4, sample=2)
    queue.end(db, REFUSED)
    release(db, batch_id)
    queue.end(db, REFUSED)
    assert queue.cause(db, batch_id) == ""


def test_a_batch_with_nothing_left_to_submit_is_not_paused(db: database.Connection) -> None:
    finished, _ = add_ruled(db, 2)
    queue.end(db, REFUSED, REFUSED)
    assert queue.batch_status(db, finished) is BatchStatus.FINISHED
    sample, _ = add_ruled(db, 4, sample=2)
    queue.end(db, REFUSED, REFUSED)
    assert queue.cause(db, sample) == PauseCause.SAMPLE


def test_cancelled_pictures_do_not_count(db: database.Connection) -> None:
    batch_id, ids = add_ruled(db)
    for record_id in ids[5:]:
        database.cancel_record(db, record_id)
    queue.end(db, REFUSED)
    assert queue.cause(db, batch_id) == ""


def test_what_was_under_way_ends_in_the_paused_batch(db: database.Connection) -> None:
    batch_id, ids = add_ruled(db)
    running = [queue.claimed(db) for _ in range(4)]
    for record in running[:3]:
        database.fail_record(db, record, REFUSED)
    database.finish_record(db, running[3], SAVED)
    assert queue.cause(db, batch_id) == PauseCause.STOP_RULE
    assert queue.statuses(db, ids[:4]) == [Status.FAILED] * 3 + [Status.SUCCESS]
    assert sum(line.startswith("已暂停") for line in queue.log(db, batch_id)) == 1


def test_without_a_rule_nothing_pauses(db: database.Connection) -> None:
    batch_id, _ = add_ruled(db, 12, rule=None)
    queue.end(db, *[REFUSED] * 11)
    assert queue.cause(db, batch_id) == ""


def test_a_picture_that_another_server_calls_interrupted_does_not_count(db: database.Connection) -> None:
    """As when the clock of that server is ahead: the record is still under way."""
    batch_id, _ = add_ruled(db, rule=StopRule(refused=9, of=9, failed=0.5, last=2))
    for _ in range(3):
        record = queue.charged(db, price=None)
        database.reap_stalled(db, now=1e12)
        assert database.finish_record(db, record, SAVED)
    assert queue.cause(db, batch_id) == ""


def test_the_outcomes_of_one_batch_are_not_those_of_another(db: database.Connection) -> None:
    first, _ = add_ruled(db, 2)
    second, _ = add_ruled(db, 2, rule=None)
    for _ in range(4):
        queue.end(db, REFUSED)
    assert [queue.cause(db, batch_id) for batch_id in (first, second)] == ["", ""]
    rows = db.execute("SELECT id, outcomes FROM batches").fetchall()
    assert {row["id"]: bool(row["outcomes"]) for row in rows} == {first: True, second: False}


def test_what_waits_in_another_batch_pauses_none(db: database.Connection) -> None:
    """Nor what is fetched."""
    batch_id, _ = add_ruled(db, 3)
    claims = [queue.claimed(db) for _ in range(3)]
    add_ruled(db, 3, rule=None)
    database.open_charge(db, claims[2], price=None, budget=None)
    database.save_task_id(db, claims[2], "t-1")
    database.requeue_record(db, claims[2], not_before=0)
    for record in claims[:2]:
        database.fail_record(db, record, REFUSED)
    assert queue.cause(db, batch_id) == ""


def test_a_batch_that_its_user_has_cancelled_is_not_paused(db: database.Connection) -> None:
    batch_id, _ = add_ruled(db, 4)
    claims = [queue.claimed(db) for _ in range(3)]
    database.cancel_batch(db, batch_id)
    db.execute("UPDATE generation_records SET status = 'queued' WHERE status = 'cancelled'")
    for record in claims:
        database.fail_record(db, record, REFUSED)
    assert queue.cause(db, batch_id) == ""


def test_a_record_of_no_batch_is_counted_nowhere(db: database.Connection) -> None:
    batch_id, _ = add_ruled(db, 3)
    record = queue.claimed(db)
    db.execute("UPDATE generation_records SET batch_id = NULL WHERE id = :id", {"id": record.id})
    database.fail_record(db, database.get_record(db, record.id), REFUSED)
    assert db.execute("SELECT outcomes FROM batches").fetchone()["outcomes"] == ""
    assert queue.cause(db, batch_id) == ""
