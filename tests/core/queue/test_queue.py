"""The limits of leases, delays and crashes; a record beside others in the queue; received images."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

import database
from app.domain import PauseCause, Record, Status
from app.errors import Billed, ModelError
from tests.core.queue.queue import (
    BILLED,
    CAT,
    LATE,
    LOST,
    NOW,
    PRICE,
    REFUSED,
    SAVED,
    add,
    charged,
    claim,
    claimed,
    log,
    outcomes,
    submitted,
)

BUSY = ModelError("太多", cause="limit", billed=Billed.NO, retryable=True, throttled=True)


@pytest.mark.parametrize(
    ("now", "is_free"), [(NOW + 20, False), (NOW + 20.5, True), (NOW - 40, False), (NOW - 40.5, True)]
)
def test_a_lease_holds_until_its_end_and_at_most_a_minute_ahead(
    db: database.Connection, now: float, is_free: bool
) -> None:
    add(db)
    claimed(db)  # for 20 s
    assert database.has_claimable(db, model="test-1", now=now) is is_free
    assert (claim(db, now) is not None) is is_free


@pytest.mark.parametrize(
    ("now", "is_due"), [(NOW - 1, False), (NOW, True), (NOW - 120, False), (NOW - 120.5, True)]
)
def test_a_delay_lasts_until_its_end_and_at_most_two_minutes(
    db: database.Connection, now: float, is_due: bool
) -> None:
    add(db)
    database.requeue_record(db, claimed(db), not_before=NOW, error=BUSY)
    assert (claim(db, now) is not None) is is_due


def test_a_record_is_claimed_again_after_five_crashes_and_no_more(db: database.Connection) -> None:
    add(db)
    claims = [claim(db, NOW + 60 * number) is not None for number in range(8)]
    assert claims == [True] * 6 + [False] * 2
    assert database.reap_stalled(db, now=NOW + 600) == 1


def test_only_an_expired_claim_counts_as_a_crash(db: database.Connection) -> None:
    add(db)
    database.requeue_record(db, claimed(db), not_before=0)
    assert claimed(db).crash_count == 0
    assert claimed(db, NOW + 60).crash_count == 1


def test_the_open_charge_of_another_record_keeps_none_back(db: database.Connection) -> None:
    add(db, CAT, CAT)
    charged(db)
    other = claimed(db)
    assert claimed(db, NOW + 60).id == other.id


def test_another_paused_batch_keeps_no_record_back(db: database.Connection) -> None:
    paused, _ = add(db)
    database.pause_batch(db, paused)
    add(db)
    record = claimed(db)
    assert claimed(db, NOW + 60).id == record.id


def test_an_own_record_is_not_claimed_again_while_its_machine_slept(db: database.Connection) -> None:
    add(db)
    record = claimed(db)
    again = {"model": "test-1", "now": NOW + 60, "claimed_ids": [record.id]}
    assert not database.has_claimable(db, **again)  # type: ignore[arg-type]
    assert database.claim_record(db, owner="me", lease=20.0, **again) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("state", ["active", "paused", "cancelled"])
def test_a_submitted_record_is_fetched_in_every_state_of_its_batch_once_it_is_due(
    db: database.Connection, state: str
) -> None:
    batch_id, _ = add(db)
    late = ModelError("稍后", cause="network", billed=Billed.NO, retryable=True, task_valid=True)
    database.requeue_record(db, submitted(db), not_before=NOW + 5, error=late)
    db.execute("UPDATE batches SET state = :state WHERE id = :id", {"state": state, "id": batch_id})
    assert claim(db) is None
    assert database.claim_record(db, model="other", owner="me", now=NOW + 5, lease=20.0) is None
    assert claimed(db, NOW + 5).task_id == "t-1"


def test_what_waits_for_its_batch_is_not_claimed_beside_one_that_is_fetched(db: database.Connection) -> None:
    """Neither a record without a task id, nor one that is not to be fetched, nor an ended one."""
    batch_id, ids = add(db, *[CAT] * 4)
    for task_id in ("t-1", "t-2", "t-3"):
        database.requeue_record(db, submitted(db, task_id), not_before=NOW + 60)
    database.pause_batch(db, batch_id)
    db.execute("UPDATE generation_records SET fetch_while_paused = 0 WHERE id = :id", {"id": ids[1]})
    db.execute("UPDATE generation_records SET status = 'success' WHERE id = :id", {"id": ids[2]})
    db.execute("UPDATE generation_records SET not_before = 0")
    assert claimed(db).id == ids[0]
    assert claim(db) is None


@pytest.mark.parametrize("status", ["held", "running"])
def test_only_queued_records_of_active_batches_are_claimed(db: database.Connection, status: str) -> None:
    add(db)
    db.execute("UPDATE generation_records SET status = :status, lease_until = 1e9", {"status": status})
    db.execute("UPDATE generation_records SET lease_until = :until", {"until": NOW + 20})
    assert claim(db) is None


def test_a_batch_with_nothing_to_claim_does_not_hide_the_next(db: database.Connection) -> None:
    add(db, source="single")
    database.requeue_record(db, claimed(db), not_before=NOW + 5, error=BUSY)
    _, ids = add(db)
    assert claimed(db).id == ids[0]


def test_records_under_way_at_another_model_or_ended_give_no_batch_precedence(
    db: database.Connection,
) -> None:
    _, first = add(db, *[CAT] * 4)
    _, second = add(db, CAT, CAT)
    running = (
        "UPDATE generation_records SET status = 'running', model = 'other', lease_until = :t WHERE id = :id"
    )
    db.execute(running, {"t": NOW + 20, "id": first[0]})
    ended = "UPDATE generation_records SET status = 'success' WHERE id IN (:one, :two)"
    db.execute(ended, {"one": first[1], "two": first[2]})
    assert [claimed(db).id, claimed(db).id] == [first[3], second[0]]


def test_a_record_that_was_claimed_again_is_neither_ended_nor_released_by_its_first_worker(
    db: database.Connection,
) -> None:
    add(db)
    sleeper = claimed(db)
    claimed(db, NOW + 60)
    assert not database.requeue_record(db, sleeper, not_before=0)
    assert not database.fail_record(db, sleeper, BILLED)
    assert database.get_record(db, sleeper.id).status is Status.RUNNING


def test_a_free_record_is_queued_again_when_its_worker_stops(db: database.Connection) -> None:
    add(db)
    record = charged(db, price=PRICE * 0, is_free=True)
    assert database.requeue_record(db, record, not_before=0)
    assert database.get_record(db, record.id).status is Status.QUEUED


def test_a_free_request_that_is_made_again_after_its_worker_stopped_counts_once(
    db: database.Connection,
) -> None:
    add(db)
    database.requeue_record(db, charged(db, price=PRICE * 0, is_free=True), not_before=0)
    database.finish_record(db, charged(db, price=PRICE * 0, is_free=True), SAVED)
    assert outcomes(db) == ["not_billed", "billed"]


def test_a_worker_that_stops_ends_only_its_own_ambiguous_record(db: database.Connection) -> None:
    add(db, CAT, CAT)
    charged(db)
    other = claimed(db)
    assert database.requeue_record(db, other, not_before=0)


def test_the_reason_of_a_delay_is_logged_once_and_not_when_the_worker_stops(db: database.Connection) -> None:
    add(db)
    record = claimed(db)
    database.requeue_record(db, record, not_before=0)
    assert not any("稍后再试" in line for line in log(db, record.batch_id))
    database.requeue_record(db, claimed(db), not_before=0, error=BUSY)
    assert log(db, record.batch_id)[-1] == "第 1 行：稍后再试，太多"


def test_a_record_that_is_cancelled_with_its_batch_is_not_said_to_be_tried_again(
    db: database.Connection,
) -> None:
    batch_id, _ = add(db)
    record = claimed(db)
    _, (other,) = add(db)
    database.cancel_batch(db, batch_id)
    assert not database.requeue_record(db, record, not_before=0, error=BUSY)
    assert database.get_record(db, other).status is Status.QUEUED
    assert not any("稍后再试" in line for line in log(db, batch_id))


@pytest.mark.parametrize(
    ("error", "expected"), [(BUSY, (0, 1, "limit")), (REFUSED, (1, 0, "moderation")), (None, (0, 0, ""))]
)
def test_what_delayed_a_record_is_counted_and_kept(
    db: database.Connection, error: ModelError | None, expected: tuple[int, int, str]
) -> None:
    add(db)
    record = claimed(db)
    database.requeue_record(db, record, not_before=0, error=error)
    after = database.get_record(db, record.id)
    assert (after.retries, after.throttle_count, after.cause) == expected
    assert str(after.error) == str(error or "")


def test_a_requeued_record_leaves_the_others_running(db: database.Connection) -> None:
    add(db, CAT, CAT)
    first, second = submitted(db, "t-1"), submitted(db, "t-2")
    gone = ModelError("没了", cause="task", billed=Billed.NO, retryable=True)
    database.requeue_record(db, first, not_before=0, error=gone)
    records = [database.get_record(db, record.id) for record in (first, second)]
    assert [record.status for record in records] == [Status.QUEUED, Status.RUNNING]
    assert [record.task_id for record in records] == [None, "t-2"]
    assert outcomes(db) == ["not_billed", "open"]


def test_an_ended_record_leaves_the_others_running(db: database.Connection) -> None:
    add(db, CAT, CAT, CAT)
    first, second, third = submitted(db, "t-1"), submitted(db, "t-2"), submitted(db, "t-3")
    database.fail_record(db, first, LATE)
    database.finish_record(db, second, SAVED)
    records = [database.get_record(db, record.id) for record in (first, second, third)]
    assert [record.status for record in records] == [Status.UNKNOWN, Status.SUCCESS, Status.RUNNING]
    assert [record.task_id for record in records] == ["t-1", "t-2", "t-3"]
    assert [record.filename for record in records] == ["", "猫.png", ""]


def interrupted(db: database.Connection, record: Record) -> Record:
    """The record after its worker crashed so often that it is given up."""
    db.execute("UPDATE generation_records SET crash_count = 5 WHERE id = :id", {"id": record.id})
    database.reap_stalled(db, now=NOW + 60)
    return database.get_record(db, record.id)


def test_a_record_that_was_given_up_is_unknown_only_if_it_may_be_charged(db: database.Connection) -> None:
    add(db, *[CAT] * 5)
    database.extend_leases(db, [charged(db).id], owner="me", until=NOW + 90)
    sent = submitted(db)
    free = charged(db, price=PRICE * 0, is_free=True)
    refused = charged(db)
    database.requeue_record(db, refused, not_before=0, error=REFUSED)
    refused, untouched = claimed(db), claimed(db)
    ends = [interrupted(db, record) for record in (sent, free, refused, untouched)]
    assert [record.status for record in ends] == [Status.UNKNOWN, *[Status.FAILED] * 3]
    assert ends[0].task_id == "t-1"
    assert outcomes(db) == ["open", "unknown", "not_billed", "not_billed"]


@pytest.mark.parametrize("is_interrupted", [True, False])
def test_an_interruption_says_nothing_of_the_rows(db: database.Connection, is_interrupted: bool) -> None:
    batch_id, _ = add(db, CAT, CAT)
    rule = '{"refused": 1, "of": 1, "failed": 1.0, "last": 1}'
    db.execute("UPDATE batches SET stop_after = :rule", {"rule": rule})
    record = charged(db)
    if is_interrupted:
        database.reap_stalled(db, now=NOW + 60)
    else:
        database.fail_record(db, record, LOST)
    assert (database.get_batch(db, batch_id).paused_cause == PauseCause.STOP_RULE) is not is_interrupted


@pytest.mark.parametrize("status", ["queued", "running", "success", "cancelled"])
def test_an_image_is_said_to_be_unused_unless_it_is_that_of_its_record_or_may_become_so(
    db: database.Connection, status: str
) -> None:
    batch_id, _ = add(db)
    sleeper = claimed(db)
    claimed(db, NOW + 60)
    db.execute("UPDATE generation_records SET status = :status, filename = '狗.png'", {"status": status})
    assert not database.finish_record(db, sleeper, SAVED)
    is_unused = "第 1 行：又收到一张图片，可能已计费，没有用上（猫.png）" in log(db, batch_id)
    assert is_unused is (status in ("success", "cancelled"))


def test_an_image_that_is_saved_twice_under_its_name_is_used(db: database.Connection) -> None:
    batch_id, _ = add(db)
    record = claimed(db)
    database.finish_record(db, record, SAVED)
    assert not database.finish_record(db, record, SAVED)
    assert not any("没有用上" in line for line in log(db, batch_id))


def test_whether_an_image_is_used_is_asked_of_its_own_record(db: database.Connection) -> None:
    batch_id, _ = add(db, CAT, CAT)
    record, _ = claimed(db), claimed(db)
    database.finish_record(db, record, SAVED)
    assert not database.finish_record(db, record, replace(SAVED, filename="别的.png"))
    assert any("没有用上（别的.png）" in line for line in log(db, batch_id))


def test_a_finished_record_has_the_seed_that_was_used_or_keeps_its_own(db: database.Connection) -> None:
    add(db, replace(CAT, seed=5), replace(CAT, seed=6))
    first, second = claimed(db), claimed(db)
    database.finish_record(db, first, replace(SAVED, seed=7))
    database.finish_record(db, second, SAVED)
    assert [database.get_record(db, record.id).seed for record in (first, second)] == [7, 6]


def test_a_refused_key_stops_the_fetching_of_what_was_submitted(db: database.Connection) -> None:
    batch_id, _ = add(db, CAT, CAT)
    database.requeue_record(db, submitted(db), not_before=NOW + 60)
    wrong_key = ModelError("密钥不对", cause="key", billed=Billed.UNKNOWN, pauses_batch=True)
    database.fail_record(db, charged(db), wrong_key)
    batch = database.get_batch(db, batch_id)
    assert (batch.paused_cause, str(batch.paused_reason)) == (PauseCause.KEY, "密钥不对")
    rows = db.execute("SELECT fetch_while_paused FROM generation_records WHERE task_id = 't-1'").fetchall()
    assert [row["fetch_while_paused"] for row in rows] == [0]


def test_a_worker_is_told_that_its_ambiguous_record_was_not_queued(db: database.Connection) -> None:
    add(db)
    assert not database.requeue_record(db, charged(db), not_before=0)


@pytest.mark.parametrize("to_bucket", [False, True])
def test_an_image_is_copied_to_the_bucket_only_where_that_is_asked(
    db: database.Connection, to_bucket: bool
) -> None:
    add(db)
    record = claimed(db)
    finish = partial(database.finish_record, to_bucket=True) if to_bucket else database.finish_record
    assert finish(db, record, SAVED)
    assert (database.get_output_copy(db, now=NOW) is not None) is to_bucket


def test_the_message_of_a_delay_and_of_an_end_is_kept_for_other_languages(db: database.Connection) -> None:
    add(db)
    error = ModelError("没有答完（{reason}）", reason="断了", cause="network", billed=Billed.NO)
    record = claimed(db)
    database.requeue_record(db, record, not_before=0, error=error)
    assert database.get_record(db, record.id).error == error.message
    database.fail_record(db, claimed(db), error)
    assert database.get_record(db, record.id).error == error.message


def test_the_log_says_whether_a_record_failed_or_is_unknown(db: database.Connection) -> None:
    batch_id, _ = add(db, CAT, CAT)
    assert database.fail_record(db, charged(db), LOST)
    assert database.fail_record(db, charged(db), BILLED)
    assert [line for line in log(db, batch_id) if "行：" in line] == [
        "第 1 行：结果未知，断了",
        "第 2 行：失败，坏了",
    ]


@pytest.mark.parametrize("stop", [database.pause_batch, database.cancel_batch])
def test_what_a_dead_worker_had_submitted_is_fetched_by_the_next_although_its_batch_was_stopped(
    db: database.Connection, stop: Callable[[database.Connection, str], object]
) -> None:
    batch_id, _ = add(db)
    submitted(db)
    stop(db, batch_id)
    assert database.reap_stalled(db, now=NOW + 60) == 0
    assert claimed(db, NOW + 60).task_id == "t-1"


def test_nothing_is_submitted_for_a_cancelled_batch(db: database.Connection) -> None:
    add(db)
    db.execute("UPDATE batches SET state = 'cancelled'")
    db.execute("UPDATE generation_records SET fetch_while_paused = 1")
    assert claim(db) is None
