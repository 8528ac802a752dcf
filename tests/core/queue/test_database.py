"""The database: reserved names, the queue with its leases, the ledger."""

import threading
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

import database
from app.config import Settings
from app.domain import MAX_SEED, BatchStatus, ImageRequest, Models, Record, Status
from app.errors import Billed, Conflict, ModelError, NotFound, StorageError, message
from tests.core.queue import queue
from tests.core.queue.queue import CAT, LOST, MODELS, NOW, PRICE, REFUSED, SAVED
from tests.specs import ANY
from tools import orders

LATER = NOW + 60  # when a lease of NOW has expired
BUSY = ModelError("太多", cause="limit", billed=Billed.NO, retryable=True, throttled=True)


@pytest.fixture
def reaped(db: database.Connection) -> Record:
    """A record as the worker knows it that was suspended between charge and task id until its lease ended."""
    queue.add(db)
    record = queue.charged(db)
    assert database.reap_stalled(db, now=LATER) == 1
    return record


@pytest.fixture
def sleeper(db: database.Connection) -> Record:
    """A record as a suspended worker knows it, whose lease has ended."""
    queue.add(db)
    return queue.claimed(db)


def test_a_row_with_three_images_becomes_three_records(db: database.Connection) -> None:
    batch_id, ids = queue.add(db, replace(CAT, num_images=3))
    records = database.list_batch_records(db, batch_id)
    assert [record.id for record in records] == ids
    assert [record.picture_number for record in records] == [1, 2, 3]
    assert {record.num_images for record in records} == {3}
    assert queue.stems(db) == ["猫_1", "猫_2", "猫_3"]


@pytest.mark.parametrize(
    ("seed", "seeds"), [(None, [None] * 3), (5, [5, 6, 7]), (MAX_SEED, [MAX_SEED, 0, 1])]
)
def test_images_of_one_row_do_not_share_its_seed(
    db: database.Connection, seed: int | None, seeds: list[int | None]
) -> None:
    queue.add(db, replace(CAT, num_images=3, seed=seed))
    assert queue.column(db, "seed") == seeds


def test_no_file_name_is_reserved_twice(db: database.Connection) -> None:
    queue.add(db, *[CAT] * 3)
    queue.add(db, stems=["猫"])
    queue.add(db, stems=["狗"], taken="狗")
    queue.add(db, *[CAT] * 5, stems=["鸟", "鸟-2", "鸟", "Cat", "cat"])
    assert queue.stems(db) == ["猫", "猫-2", "猫-3", "猫-4", "狗-2", "鸟", "鸟-2", "鸟-3", "Cat", "cat-2"]


def test_ten_thousand_images_of_one_name_are_reserved_at_once(db: database.Connection) -> None:
    queue.add(db, *[replace(CAT, num_images=10)] * 1000)
    assert len(set(queue.stems(db))) == 10_000


def test_two_workers_never_get_the_same_record(settings: Settings, db: database.Connection) -> None:
    _, ids = queue.add(db, *[CAT] * 60)
    got: list[int] = []

    def take_all(own: database.Connection, _number: int) -> None:
        while (record := queue.claim(own)) is not None:
            got.append(record.id)

    queue.in_threads(settings, 4, take_all)
    assert sorted(got) == ids


def test_a_live_lease_holds_and_an_expired_one_is_released(db: database.Connection, sleeper: Record) -> None:
    database.extend_leases(db, [sleeper.id], owner="me", until=NOW + 30)
    database.extend_leases(db, [sleeper.id], owner="other", until=NOW + 50)
    assert queue.claim(db, NOW + 25) is None
    assert queue.claimed(db, NOW + 31).attempts == sleeper.attempts + 1


@pytest.mark.sqlite
def test_extending_leases_waits_for_no_disk(db: database.Connection, sleeper: Record) -> None:
    db.execute("PRAGMA synchronous = FULL")
    database.extend_leases(db, [sleeper.id], owner="me", until=NOW + 30)
    assert db.execute("PRAGMA synchronous").fetchone()[0] == 1  # NORMAL


def test_throttling_does_not_count_as_a_try(db: database.Connection) -> None:
    queue.add(db)
    for throttled in (True, True, False):
        error = ModelError("太多", cause="limit", billed=Billed.NO, retryable=True, throttled=throttled)
        database.requeue_record(db, queue.claimed(db), not_before=0, error=error)
    after = queue.claimed(db)
    assert (after.retries, after.throttle_count) == (1, 2)


def test_a_record_with_an_open_charge_and_no_task_id_is_not_claimed_again(db: database.Connection) -> None:
    queue.add(db)
    record = queue.charged(db)
    assert queue.claim(db, LATER) is None
    assert database.reap_stalled(db, now=LATER) == 1
    after = database.get_record(db, record.id)
    assert after.status is Status.UNKNOWN
    assert "可能已计费" in str(after.error)
    assert (after.cost, after.at_stake) == (Decimal(0), PRICE)


def test_a_suspended_worker_still_finishes_its_record(db: database.Connection, reaped: Record) -> None:
    assert database.finish_record(db, reaped, SAVED)
    after = database.get_record(db, reaped.id)
    assert (after.status, after.cost, after.at_stake) == (Status.SUCCESS, PRICE, Decimal(0))


@pytest.mark.parametrize("again", [False, True])
def test_the_outcome_a_suspended_worker_reports_resolves_the_charge(
    db: database.Connection, reaped: Record, again: bool
) -> None:
    refused = ModelError("没有下单", cause="limit", billed=Billed.NO, retryable=again)
    if again:
        database.requeue_record(db, reaped, not_before=0, error=refused)
    else:
        database.fail_record(db, reaped, refused)
    assert queue.outcomes(db) == ["not_billed"]
    assert database.get_record(db, reaped.id).at_stake == Decimal(0)


def test_an_unresolved_charge_survives_a_retry_that_failed(db: database.Connection, reaped: Record) -> None:
    assert reaped.batch_id
    queue.retry(db, reaped.batch_id, [reaped.id])
    database.fail_record(db, queue.claimed(db), REFUSED)
    assert queue.outcomes(db) == ["unknown"]
    assert database.get_record(db, reaped.id).at_stake == PRICE


def test_a_record_with_a_task_id_is_claimed_by_the_next_worker(db: database.Connection) -> None:
    queue.add(db)
    queue.submitted(db, "14790660436661235288")
    assert queue.claimed(db, LATER).task_id == "14790660436661235288"


def test_a_task_id_that_arrives_after_the_lease_expired_is_stored_with_its_charge(
    db: database.Connection, reaped: Record
) -> None:
    database.save_task_id(db, reaped, "147")
    assert database.get_record(db, reaped.id).task_id == "147"
    assert queue.column(db, "task_id", "charges") == ["147"]


def test_a_worker_without_the_lease_does_not_overwrite_the_task_id(
    db: database.Connection, reaped: Record
) -> None:
    assert reaped.batch_id
    queue.retry(db, reaped.batch_id, [reaped.id])
    database.save_task_id(db, queue.charged(db, LATER), "other")
    database.save_task_id(db, reaped, "sleeper")
    assert database.get_record(db, reaped.id).task_id == "other"
    assert queue.column(db, "task_id", "charges") == [None, "other"]


def test_a_worker_without_the_lease_neither_ends_nor_requeues_the_record(
    db: database.Connection, sleeper: Record
) -> None:
    other = queue.claimed(db, LATER)
    database.requeue_record(db, sleeper, not_before=0.0, error=BUSY)
    assert queue.status_of(db, other.id) is Status.RUNNING
    assert queue.claim(db, LATER) is None
    assert not database.finish_record(db, sleeper, SAVED)
    assert database.finish_record(db, other, SAVED)
    assert not database.finish_record(db, sleeper, SAVED)
    assert not database.fail_record(db, sleeper, REFUSED)
    assert queue.status_of(db, other.id) is Status.SUCCESS


def test_a_worker_without_the_lease_neither_opens_nor_withdraws_a_charge(
    db: database.Connection, sleeper: Record
) -> None:
    other = queue.claimed(db, LATER)
    with pytest.raises(database.LeaseLost):
        queue.charge(db, sleeper)
    assert queue.outcomes(db) == []
    queue.charge(db, other)
    database.withdraw_charge(db, sleeper)
    assert queue.outcomes(db) == ["open"]
    database.withdraw_charge(db, other)
    assert queue.outcomes(db) == ["not_billed"]


@pytest.mark.sqlite
def test_claiming_and_reaping_read_only_open_records(db: database.Connection) -> None:
    _, ids = queue.add(db, CAT, CAT)
    with database.transaction(db):
        db.execute(
            """
            WITH RECURSIVE earlier (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM earlier LIMIT 3000)
            INSERT INTO generation_records (status, model, batch_id)
            SELECT 'success', 'test-1', number / 100 FROM earlier
            """
        )
    queue.claimed(db)
    with queue.ticks_of(db) as ticks:
        assert database.has_claimable(db, model="test-1", now=NOW)
        assert database.reap_stalled(db, now=NOW) == 0
        assert database.list_reapable(db, now=NOW) == []
    assert len(ticks) < 3
    assert queue.claimed(db).id == ids[1]


@pytest.mark.sqlite
def test_the_newest_batches_and_the_next_backup_are_found_without_a_full_scan(
    db: database.Connection,
) -> None:
    count = "WITH RECURSIVE earlier (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM earlier LIMIT 3000)"
    with database.transaction(db):
        db.execute(
            f"""
            {count}
            INSERT INTO batches (id, name, source, state, total, estimated_micros, version, created_at)
            SELECT printf('b%04d', n), '', iif(n % 100, 'single', 'batch'), 'finished', 1, 0, 1,
                datetime('2026-01-01', n || ' minutes')
            FROM earlier
            """
        )
        db.execute(
            f"{count} INSERT INTO output_copies (record_id, filename) SELECT n, n || '.png' FROM earlier"
        )
    with queue.ticks_of(db) as ticks:
        newest = database.list_batches(db, limit=3)
        of_workbooks = database.list_batches(db, limit=3, source="batch")
        copy = database.get_output_copy(db, now=NOW)
    assert len(ticks) < 3
    assert [batch.id for batch in newest] == ["b3000", "b2999", "b2998"]
    assert [batch.id for batch in of_workbooks] == ["b3000", "b2900", "b2800"]
    assert copy is not None
    assert copy.record_id == 3000


def test_a_charge_is_free_only_at_no_price_and_only_the_last_one_counts(db: database.Connection) -> None:
    batch_id, ids = queue.add(db)
    for price, is_free in ((Decimal(0), True), (PRICE, False)):
        record = queue.charged(db, price=price, is_free=True)
        assert database.is_free_charge(db, record.id) is is_free
        database.fail_record(db, record, REFUSED)
        queue.retry(db, batch_id, ids)


def test_an_image_found_after_a_crash_closes_its_free_charge_as_billed(db: database.Connection) -> None:
    queue.add(db)
    queue.charged(db, price=Decimal(0), is_free=True)
    again = queue.claimed(db, LATER)
    assert queue.outcomes(db) == ["not_billed"]
    database.finish_record(db, again, SAVED)
    assert queue.outcomes(db) == ["billed"]


def test_a_worker_that_stops_after_its_order_leaves_the_result_unknown(db: database.Connection) -> None:
    queue.add(db)
    record = queue.charged(db)
    database.requeue_record(db, record, not_before=0.0)
    assert queue.status_of(db, record.id) is Status.UNKNOWN
    assert (queue.outcomes(db), queue.claim(db)) == (["unknown"], None)


def test_a_fetched_result_that_was_not_billed_resolves_its_unknown_charge(db: database.Connection) -> None:
    _, ids = queue.add(db)
    late = ModelError("太慢", cause="timeout", billed=Billed.UNKNOWN, task_valid=True)
    database.fail_record(db, queue.submitted(db), late)
    assert queue.outcomes(db) == ["unknown"]
    orders.refetch(db, ids, models=MODELS)
    database.fail_record(db, queue.claimed(db), REFUSED)
    assert queue.outcomes(db) == ["not_billed"]


def test_a_crash_before_the_order_is_repeated_although_an_earlier_order_is_unknown(
    db: database.Connection,
) -> None:
    batch_id, ids = queue.add(db)
    database.fail_record(db, queue.charged(db), LOST)
    queue.retry(db, batch_id, ids)
    queue.claimed(db)
    assert database.reap_stalled(db, now=LATER) == 0
    assert queue.claimed(db, LATER).id == ids[0]


def test_a_batch_goes_on_although_the_model_of_an_ended_record_is_gone(db: database.Connection) -> None:
    _, ids = queue.add(db, CAT, CAT)
    queue.make(db)
    queue.set_fields(db, "model = 'gone'", ids[0])
    assert database.pause_other_models(db, models=[ANY.model_id], now=NOW) == 0
    assert queue.claimed(db).id == ids[1]


def test_what_was_sent_to_a_model_that_is_gone_is_not_queued_again(db: database.Connection) -> None:
    queue.add(db)
    record = queue.charged(db)
    database.pause_other_models(db, models=["another"], now=LATER)
    assert queue.status_of(db, record.id) is Status.RUNNING
    database.reap_stalled(db, now=LATER)
    assert queue.status_of(db, record.id) is Status.UNKNOWN
    assert queue.outcomes(db) == ["unknown"]


def test_the_charge_stays_open_while_the_result_can_be_fetched(db: database.Connection) -> None:
    queue.add(db)
    cut = ModelError("断了", cause="network", billed=Billed.NO, task_valid=True, retryable=True)
    database.requeue_record(db, queue.submitted(db), not_before=0.0, error=cut)
    assert queue.outcomes(db) == ["open"]


def test_a_failed_record_keeps_its_task_id_only_while_that_is_valid(db: database.Connection) -> None:
    queue.add(db, CAT, CAT)
    for is_valid in (True, False):
        record = queue.submitted(db)
        gone = ModelError("坏了", cause="download", billed=Billed.YES, task_valid=is_valid)
        database.fail_record(db, record, gone)
        assert bool(database.get_record(db, record.id).task_id) is is_valid


def test_after_the_clock_is_set_back_old_leases_and_delays_do_not_block(db: database.Connection) -> None:
    queue.add(db, CAT, CAT)
    dead, busy = queue.claimed(db), queue.claimed(db)
    database.requeue_record(db, busy, not_before=LATER)
    assert queue.claim(db, NOW - 3) is None
    assert {queue.claimed(db, NOW - 3600).id, queue.claimed(db, NOW - 3600).id} == {dead.id, busy.id}


@pytest.mark.parametrize(
    ("stop", "end"),
    [(database.pause_batch, Status.QUEUED), (database.cancel_batch, Status.CANCELLED)],
    ids=["paused", "cancelled"],
)
def test_a_record_of_a_dead_worker_is_not_submitted_for_a_paused_batch(
    db: database.Connection, stop: Callable[[database.Connection, str], object], end: Status
) -> None:
    batch_id, ids = queue.add(db)
    record = queue.claimed(db)
    stop(db, batch_id)
    with pytest.raises(database.BatchNotActive):
        queue.charge(db, record)
    assert queue.outcomes(db) == []
    assert queue.claim(db, LATER) is None
    assert database.reap_stalled(db, now=LATER) == 1
    assert queue.status_of(db, ids[0]) is end
    assert queue.claim(db, NOW + 120) is None


@pytest.mark.parametrize(
    ("next_record", "error"), [(queue.claimed, None), (queue.claimed, BUSY), (queue.charged, BUSY)]
)
def test_a_requeued_record_of_a_cancelled_batch_is_cancelled(
    db: database.Connection,
    next_record: Callable[[database.Connection], Record],
    error: ModelError | None,
) -> None:
    batch_id, ids = queue.add(db)
    record = next_record(db)
    database.cancel_batch(db, batch_id)
    database.requeue_record(db, record, not_before=NOW, error=error)
    assert queue.status_of(db, ids[0]) is Status.CANCELLED
    assert queue.batch_status(db, batch_id) is BatchStatus.CANCELLED
    assert queue.outcomes(db) == ["not_billed"] * (next_record is queue.charged)


def test_a_record_whose_workers_keep_crashing_fails(db: database.Connection) -> None:
    _, ids = queue.add(db)
    now = NOW
    while queue.claim(db, now) is not None:
        now += 60
    database.reap_stalled(db, now=now)
    assert queue.status_of(db, ids[0]) is Status.FAILED


def test_a_finished_record_closes_its_charge_and_its_batch(db: database.Connection) -> None:
    batch_id, _ = queue.add(db)
    record = queue.charged(db)
    database.finish_record(db, record, replace(SAVED, seed=7))
    after, batch = database.get_record(db, record.id), database.get_batch(db, batch_id)
    assert (after.width, after.seed, after.image_path) == (2048, 7, "/output/猫.png")
    assert queue.outcomes(db) == ["billed"]
    assert (batch.status, batch.cost) == (BatchStatus.FINISHED, PRICE)
    assert batch.counts[Status.SUCCESS] == 1


@pytest.mark.parametrize(
    ("billed", "status", "outcome"),
    [
        (Billed.NO, Status.FAILED, "not_billed"),
        (Billed.YES, Status.FAILED, "billed"),
        (Billed.UNKNOWN, Status.UNKNOWN, "unknown"),
    ],
)
def test_a_failure_records_whether_it_was_charged(
    db: database.Connection, billed: Billed, status: Status, outcome: str
) -> None:
    queue.add(db)
    record = queue.charged(db)
    database.fail_record(db, record, ModelError("提示词未通过审核", cause="moderation", billed=billed))
    after = database.get_record(db, record.id)
    assert (after.status, str(after.error)) == (status, "提示词未通过审核")
    assert queue.outcomes(db) == [outcome]


def test_undoing_a_write_off_restores_the_message_of_the_error(db: database.Connection) -> None:
    queue.add(db)
    record = queue.charged(db)
    error = ModelError("没有答完（{reason}）", reason="断了", cause="network", billed=Billed.UNKNOWN)
    database.fail_record(db, record, error)
    undo = database.resolve_charges(db, [record.id], billed=True).undo
    written_off = message("已放弃，{charge}", charge=message("账单里有这一笔"))
    assert database.get_record(db, record.id).error == written_off
    database.undo_resolution(db, undo)
    assert database.get_record(db, record.id).error == error.message


def test_concurrent_charges_do_not_exceed_the_budget(settings: Settings, db: database.Connection) -> None:
    queue.add(db, *[CAT] * 12)
    records = [queue.claimed(db) for _ in range(12)]
    start, refused = threading.Barrier(12), []

    def try_charge(own: database.Connection, number: int) -> None:
        start.wait()
        try:
            queue.charge(own, records[number], budget=Decimal(1))
        except database.BudgetReached:
            refused.append(number)

    queue.in_threads(settings, 12, try_charge)
    assert (queue.spent(db), len(refused)) == (4 * PRICE, 8)


def test_a_requeue_keeps_the_task_id_only_when_it_is_still_valid(db: database.Connection) -> None:
    for usable, task_id in ((True, "T1"), (False, None)):
        queue.add(db)
        error = ModelError("稍后", cause="service", billed=Billed.NO, retryable=True, task_valid=usable)
        database.requeue_record(db, queue.submitted(db, "T1"), not_before=NOW + 5, error=error)
        assert queue.claim(db, NOW + 4) is None
        assert queue.claimed(db, NOW + 6).task_id == task_id


def test_a_paused_batch_starts_nothing_until_it_is_resumed(db: database.Connection) -> None:
    batch_id, _ = queue.add(db)
    database.pause_batch(db, batch_id, "密钥不对")
    assert queue.claim(db) is None
    batch = database.get_batch(db, batch_id)
    assert (batch.status, str(batch.paused_reason)) == (BatchStatus.PAUSED, "密钥不对")
    database.resume_batch(db, batch_id, models=["test-1"])
    assert queue.claim(db) is not None


def test_a_record_queued_for_one_model_is_never_claimed_by_another(db: database.Connection) -> None:
    batch_id, _ = queue.add(db)
    assert queue.claim(db, model="other") is None
    assert database.pause_other_models(db, models=["other"], now=NOW) == 1
    assert "test-1" in str(database.get_batch(db, batch_id).paused_reason)
    with pytest.raises(Conflict, match="现在用不了"):
        database.resume_batch(db, batch_id, models=["other"])
    database.resume_batch(db, batch_id, models=["test-1"])
    assert queue.claim(db) is not None


@pytest.mark.parametrize("is_crashed", [True, False])
def test_what_was_sent_to_one_model_is_never_fetched_by_another(
    db: database.Connection, is_crashed: bool
) -> None:
    batch_id, ids = queue.add(db)
    record = queue.submitted(db)
    if not is_crashed:
        database.cancel_batch(db, batch_id)
        database.requeue_record(db, record, not_before=0.0)
    assert queue.claim(db, LATER, model="other") is None
    assert queue.claimed(db, LATER).id == ids[0]


def test_a_task_id_of_another_model_is_not_requeued(db: database.Connection) -> None:
    batch_id, ids = queue.add(db)
    expired = ModelError("没有下载成功", cause="download", billed=Billed.YES, task_valid=True)
    database.fail_record(db, queue.submitted(db, "147"), expired)
    with pytest.raises(Conflict, match="test-1"):
        orders.retry(db, batch_id, ids, models=Models([replace(ANY, model_id="another")]))
    assert queue.status_of(db, ids[0]) is Status.FAILED
    assert queue.retry(db, batch_id, ids).number == 1


def test_cancelling_keeps_submitted_records(db: database.Connection) -> None:
    batch_id, _ = queue.add(db, *[CAT] * 3)
    database.requeue_record(db, queue.submitted(db, "T"), not_before=0)
    assert database.cancel_batch(db, batch_id).number == 2
    assert queue.claimed(db).task_id == "T"
    assert queue.claim(db) is None


def test_retry_requeues_failed_records_and_unknown_ones_only_by_id(db: database.Connection) -> None:
    batch_id, ids = queue.add(db, CAT, CAT)
    for error in (REFUSED, LOST):
        database.fail_record(db, queue.charged(db), error)
    assert queue.retry(db, batch_id).number == 1
    assert queue.status_of(db, ids[1]) is Status.UNKNOWN
    assert queue.retry(db, batch_id, [ids[1]]).number == 1
    with pytest.raises(Conflict):
        queue.retry(db, batch_id, [ids[1]])


def test_an_unknown_charge_stays_unresolved_when_the_record_is_resubmitted(db: database.Connection) -> None:
    batch_id, ids = queue.add(db)
    database.fail_record(db, queue.charged(db), LOST)
    queue.retry(db, batch_id, ids)
    database.finish_record(db, queue.charged(db), SAVED)
    assert queue.outcomes(db) == ["unknown", "billed"]
    after = database.get_record(db, ids[0])
    assert (after.cost, after.at_stake) == (PRICE, PRICE)


def test_only_what_changed_since_a_version_is_listed(db: database.Connection) -> None:
    batch_id, ids = queue.add(db, *[CAT] * 3)
    version = database.get_batch_version(db, batch_id)
    assert database.list_batch_records(db, batch_id, since=version) == []
    record = queue.claimed(db)
    assert [r.id for r in database.list_batch_records(db, batch_id, since=version)] == [ids[0]]
    database.finish_record(db, record, SAVED)
    assert database.get_batch_version(db, batch_id) > version
    assert "已保存" in str(database.list_log(db, batch_id, since=version)[0].text)


def test_a_picture_of_another_size_than_asked_is_told(db: database.Connection) -> None:
    batch_id, ids = queue.add(db, *[replace(CAT, aspect_ratio="4:3", resolution="800x600")] * 2)
    for saved in (SAVED, replace(SAVED, filename="b.png", width=800, height=600)):
        database.finish_record(db, queue.charged(db), saved)
    lines = [line for line in database.list_log(db, batch_id) if "已保存" in str(line.text)]
    told = [(line.level, str(line.text).partition("要的是 ")[2]) for line in lines]
    assert told == [("warning", "800x600"), ("info", "")]
    sizes = [database.get_record(db, record_id).missed_size for record_id in ids]
    assert [str(size or "") for size in sizes] == ["800x600", ""]


def test_a_deleted_record_can_be_restored(db: database.Connection) -> None:
    _, ids = queue.add(db)
    assert database.delete_records(db, ids) == 0  # still queued: not one to delete
    queue.make(db)
    assert database.delete_records(db, ids) == 1
    with pytest.raises(NotFound):
        database.get_record(db, ids[0])
    assert database.restore_records(db, ids) == 1
    assert database.get_record(db, ids[0]).filename == "1.png"


def test_a_prompt_is_data_and_never_sql(db: database.Connection) -> None:
    prompt = '\'); DROP TABLE generation_records; -- %_"猫"'
    _, ids = queue.add(db, ImageRequest(prompt=prompt))
    assert database.get_record(db, ids[0]).prompt == prompt


@pytest.mark.sqlite
def test_reopening_changes_nothing_and_makes_no_backup(settings: Settings, db: database.Connection) -> None:
    database.open_database(settings.database)
    assert not list(settings.database_path.parent.glob("*.backup-*"))


def test_a_file_that_is_no_database_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "broken.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StorageError, match="有损坏"):
        database.open_database(path)


@pytest.mark.sqlite
def test_a_file_of_a_newer_version_is_refused(settings: Settings, db: database.Connection) -> None:
    db.execute("PRAGMA user_version = 999")
    with pytest.raises(StorageError, match="更新的版本"):
        database.open_database(settings.database)
