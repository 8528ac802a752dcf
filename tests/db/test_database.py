"""The database: reserved names, the queue with its leases, the ledger."""

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

import database
from app.config import Settings
from app.db.sqlite_connection import SqliteConnection
from app.domain import MAX_SEED, BatchStatus, ImageRequest, Models, ModelSpec, Record, SavedImage, Status
from app.errors import Billed, Conflict, ModelError, NotFound, StorageError, message

NOW = 1_000_000.0
SAVED = SavedImage(filename="猫.png", width=2048, height=2048, format="png", file_size=9, sha256="ab")


def add(
    db: database.Connection,
    spec: ModelSpec,
    *requests: ImageRequest,
    stems: Sequence[str] = (),
    taken: str = "",
) -> tuple[str, list[int]]:
    requests = requests or (ImageRequest(prompt="一只猫"),)
    return database.add_batch(
        db,
        database.Submission(
            requests=requests,
            models=Models([spec]),
            stems=stems or ["猫"] * len(requests),
            is_taken=lambda stem: stem == taken,
        ),
    )[:2]


def claim(db: database.Connection, now: float = NOW) -> Record | None:
    return database.claim_record(db, model="test-1", owner="me", now=now, lease=20.0)


def claimed(db: database.Connection, now: float = NOW) -> Record:
    record = claim(db, now)
    assert record is not None
    return record


def submitted(db: database.Connection, task_id: str = "t-1") -> Record:
    """The next record, ordered: it has a ticket and is waited for."""
    record = claimed(db)
    database.open_charge(db, record, price=Decimal("0.22"), budget=None)
    database.save_task_id(db, record, task_id)
    return record


def stems(db: database.Connection) -> list[str]:
    return [
        row["reserved_stem"] for row in db.execute("SELECT reserved_stem FROM generation_records ORDER BY id")
    ]


def outcomes(db: database.Connection) -> list[str]:
    return [row["outcome"] for row in db.execute("SELECT outcome FROM charges ORDER BY id")]


def test_a_row_with_three_images_becomes_three_records(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, spec, ImageRequest(prompt="猫", num_images=3))
    records = database.list_batch_records(db, batch_id)
    assert [record.id for record in records] == ids
    assert [record.picture_number for record in records] == [1, 2, 3]
    assert {record.num_images for record in records} == {3}
    assert stems(db) == ["猫_1", "猫_2", "猫_3"]


@pytest.mark.parametrize(
    ("seed", "seeds"), [(None, [None] * 3), (5, [5, 6, 7]), (MAX_SEED, [MAX_SEED, 0, 1])]
)
def test_images_of_one_row_do_not_share_its_seed(
    db: database.Connection, spec: ModelSpec, seed: int | None, seeds: list[int | None]
) -> None:
    batch_id, _ = add(db, spec, ImageRequest(prompt="猫", num_images=3, seed=seed))
    assert [record.seed for record in database.list_batch_records(db, batch_id)] == seeds


def test_no_file_name_is_reserved_twice(db: database.Connection, spec: ModelSpec) -> None:
    add(db, spec, *[ImageRequest(prompt="猫")] * 3)
    add(db, spec, ImageRequest(prompt="猫"), stems=["猫"])
    add(db, spec, ImageRequest(prompt="猫"), stems=["狗"], taken="狗")
    assert stems(db) == ["猫", "猫-2", "猫-3", "猫-4", "狗-2"]


def test_names_that_differ_only_in_letter_case_are_not_both_reserved(
    db: database.Connection, spec: ModelSpec
) -> None:
    add(db, spec, ImageRequest(prompt="x"), ImageRequest(prompt="y"), stems=["Cat", "cat"])
    assert stems(db) == ["Cat", "cat-2"]


def test_ten_thousand_images_of_one_name_are_reserved_at_once(
    db: database.Connection, spec: ModelSpec
) -> None:
    add(db, spec, *[ImageRequest(prompt="猫", num_images=10)] * 1000)
    assert len(set(stems(db))) == 10_000


def test_records_are_claimed_in_the_order_of_their_rows(db: database.Connection, spec: ModelSpec) -> None:
    _, ids = add(db, spec, *[ImageRequest(prompt="猫")] * 3)
    assert [claimed(db).id for _ in ids] == ids
    assert claim(db) is None


def test_a_single_image_does_not_wait_behind_a_large_batch(db: database.Connection, spec: ModelSpec) -> None:
    add(db, spec, *[ImageRequest(prompt="猫")] * 3)
    _, ids, _ = database.add_batch(
        db,
        database.Submission(
            requests=[ImageRequest(prompt="急")],
            models=Models([spec]),
            stems=["急"],
            is_taken=lambda _: False,
            source="single",
        ),
    )
    assert claimed(db).id == ids[0]


def test_two_workers_never_get_the_same_record(
    settings: Settings, db: database.Connection, spec: ModelSpec
) -> None:
    add(db, spec, *[ImageRequest(prompt="猫")] * 60)
    got: list[int] = []

    def take_all() -> None:
        with closing(database.connect(settings.database)) as own:
            while (record := claim(own)) is not None:
                got.append(record.id)

    threads = [threading.Thread(target=take_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(set(got))
    assert len(got) == 60


def test_a_live_lease_holds_and_an_expired_one_is_released(db: database.Connection, spec: ModelSpec) -> None:
    add(db, spec)
    record = claimed(db)
    database.extend_leases(db, [record.id], owner="me", until=NOW + 30)
    assert claim(db, NOW + 25) is None
    assert claimed(db, NOW + 31).attempts == record.attempts + 1


@pytest.mark.sqlite
def test_extending_leases_waits_for_no_disk(db: database.Connection, spec: ModelSpec) -> None:
    add(db, spec)
    db.execute("PRAGMA synchronous = FULL")
    database.extend_leases(db, [claimed(db).id], owner="me", until=NOW + 30)
    assert db.execute("PRAGMA synchronous").fetchone()[0] == 1  # NORMAL


def test_only_its_owner_extends_a_lease(db: database.Connection, spec: ModelSpec) -> None:
    add(db, spec)
    record = claimed(db)
    database.extend_leases(db, [record.id], owner="other", until=NOW + 50)
    assert claimed(db, NOW + 25).id == record.id


def test_throttling_does_not_count_as_a_try(db: database.Connection, spec: ModelSpec) -> None:
    add(db, spec)
    for throttled in (True, True, False):
        error = ModelError("太多", cause="limit", billed=Billed.NO, retryable=True, throttled=throttled)
        database.requeue_record(db, claimed(db), not_before=0, error=error)
    after = claimed(db)
    assert (after.retries, after.throttle_count) == (1, 2)


def test_a_record_with_an_open_charge_and_no_task_id_is_not_claimed_again(
    db: database.Connection, spec: ModelSpec
) -> None:
    add(db, spec)
    record = claimed(db)
    database.open_charge(db, record, price=Decimal("0.22"), budget=None)
    assert claim(db, NOW + 60) is None
    assert database.reap_stalled(db, now=NOW + 60) == 1
    after = database.get_record(db, record.id)
    assert after.status is Status.UNKNOWN
    assert "可能已计费" in str(after.error)
    assert (after.cost, after.at_stake) == (Decimal(0), Decimal("0.22"))


def test_a_suspended_worker_still_finishes_its_record(db: database.Connection, spec: ModelSpec) -> None:
    add(db, spec)
    record = claimed(db)
    database.open_charge(db, record, price=Decimal("0.22"), budget=None)
    database.reap_stalled(db, now=NOW + 60)
    assert database.finish_record(db, record, SAVED)
    after = database.get_record(db, record.id)
    assert (after.status, after.cost, after.at_stake) == (Status.SUCCESS, Decimal("0.22"), Decimal(0))


@pytest.mark.parametrize("again", [False, True])
def test_the_outcome_a_suspended_worker_reports_resolves_the_charge(
    db: database.Connection, spec: ModelSpec, again: bool
) -> None:
    add(db, spec)
    record = claimed(db)
    database.open_charge(db, record, price=Decimal("0.22"), budget=None)
    database.reap_stalled(db, now=NOW + 60)
    refused = ModelError("没有下单", cause="limit", billed=Billed.NO, retryable=again)
    if again:
        database.requeue_record(db, record, not_before=0, error=refused)
    else:
        database.fail_record(db, record, refused)
    assert outcomes(db) == ["not_billed"]
    assert database.get_record(db, record.id).at_stake == Decimal(0)


def test_an_unresolved_charge_survives_a_retry_that_failed(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, spec)
    database.open_charge(db, claimed(db), price=Decimal("0.22"), budget=None)
    database.reap_stalled(db, now=NOW + 60)
    database.retry_records(db, batch_id, ids, models=Models([spec]))
    refused = ModelError("参考图没有了", cause="request", billed=Billed.NO)
    database.fail_record(db, claimed(db), refused)
    assert outcomes(db) == ["unknown"]
    assert database.get_record(db, ids[0]).at_stake == Decimal("0.22")


def test_a_record_with_a_task_id_is_claimed_by_the_next_worker(
    db: database.Connection, spec: ModelSpec
) -> None:
    add(db, spec)
    record = claimed(db)
    database.open_charge(db, record, price=Decimal("0.22"), budget=None)
    database.save_task_id(db, record, "14790660436661235288")
    assert claimed(db, NOW + 60).task_id == "14790660436661235288"


def test_a_task_id_that_arrives_after_the_lease_expired_is_stored_with_its_charge(
    db: database.Connection, spec: ModelSpec
) -> None:
    add(db, spec)
    sleeper = claimed(db)
    database.open_charge(db, sleeper, price=Decimal("0.22"), budget=None)
    database.reap_stalled(db, now=NOW + 60)
    database.save_task_id(db, sleeper, "147")
    assert database.get_record(db, sleeper.id).task_id == "147"
    assert db.execute("SELECT task_id FROM charges").fetchone()["task_id"] == "147"


def test_a_worker_without_the_lease_does_not_overwrite_the_task_id(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec)
    sleeper = claimed(db)
    database.open_charge(db, sleeper, price=Decimal("0.22"), budget=None)
    database.reap_stalled(db, now=NOW + 60)
    database.retry_records(db, batch_id, ids, models=Models([spec]))
    other = claimed(db, NOW + 60)
    database.open_charge(db, other, price=Decimal("0.22"), budget=None)
    database.save_task_id(db, other, "other")
    database.save_task_id(db, sleeper, "sleeper")
    assert database.get_record(db, ids[0]).task_id == "other"
    assert [row["task_id"] for row in db.execute("SELECT task_id FROM charges ORDER BY id")] == [
        None,
        "other",
    ]


def test_a_worker_without_the_lease_cannot_finish_the_record(
    db: database.Connection, spec: ModelSpec
) -> None:
    add(db, spec)
    sleeper = claimed(db)
    other = claimed(db, NOW + 60)
    assert database.finish_record(db, other, SAVED)
    assert not database.finish_record(db, sleeper, SAVED)
    assert not database.fail_record(db, sleeper, ModelError("晚了", cause="network", billed=Billed.NO))
    assert database.get_record(db, other.id).status is Status.SUCCESS


@pytest.mark.sqlite
def test_claiming_and_reaping_read_only_open_records(db: database.Connection, spec: ModelSpec) -> None:
    _, ids = add(db, spec, *[ImageRequest(prompt="猫")] * 2)
    with database.transaction(db):
        db.execute(
            """
            WITH RECURSIVE earlier (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM earlier LIMIT 3000)
            INSERT INTO generation_records (status, model, batch_id)
            SELECT 'success', 'test-1', number / 100 FROM earlier
            """
        )
    claimed(db)
    ticks: list[int] = []
    assert isinstance(db, SqliteConnection)
    db.set_progress_handler(lambda: ticks.append(1), 1000)
    assert database.has_claimable(db, model="test-1", now=NOW)
    assert database.reap_stalled(db, now=NOW) == 0
    assert database.list_reapable(db, now=NOW) == []
    db.set_progress_handler(None, 0)
    assert len(ticks) < 3
    assert claimed(db).id == ids[1]


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
    ticks: list[int] = []
    assert isinstance(db, SqliteConnection)
    db.set_progress_handler(lambda: ticks.append(1), 1000)
    newest = database.list_batches(db, limit=3)
    of_workbooks = database.list_batches(db, limit=3, source="batch")
    copy = database.get_output_copy(db, now=NOW)
    db.set_progress_handler(None, 0)
    assert len(ticks) < 3
    assert [batch.id for batch in newest] == ["b3000", "b2999", "b2998"]
    assert [batch.id for batch in of_workbooks] == ["b3000", "b2900", "b2800"]
    assert copy is not None
    assert copy.record_id == 3000


def test_a_worker_without_the_lease_cannot_open_a_charge(db: database.Connection, spec: ModelSpec) -> None:
    add(db, spec)
    sleeper = claimed(db)
    other = claimed(db, NOW + 60)
    with pytest.raises(database.LeaseLost):
        database.open_charge(db, sleeper, price=Decimal("0.22"), budget=None)
    assert outcomes(db) == []
    database.open_charge(db, other, price=Decimal("0.22"), budget=None)
    assert outcomes(db) == ["open"]


def test_a_charge_is_free_only_at_no_price_and_only_the_last_one_counts(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec)
    for price, is_free in ((Decimal(0), True), (Decimal("0.22"), False)):
        record = claimed(db)
        database.open_charge(db, record, price=price, budget=None, is_free=True)
        assert database.is_free_charge(db, record.id) is is_free
        database.fail_record(db, record, ModelError("坏了", cause="service", billed=Billed.NO))
        database.retry_records(db, batch_id, ids, models=Models([spec]))


def test_an_image_found_after_a_crash_closes_its_free_charge_as_billed(
    db: database.Connection, spec: ModelSpec
) -> None:
    add(db, spec)
    database.open_charge(db, claimed(db), price=Decimal(0), budget=None, is_free=True)
    again = claimed(db, NOW + 60)
    assert outcomes(db) == ["not_billed"]
    database.finish_record(db, again, SAVED)
    assert outcomes(db) == ["billed"]


def test_a_worker_that_stops_after_its_order_leaves_the_result_unknown(
    db: database.Connection, spec: ModelSpec
) -> None:
    _, ids = add(db, spec)
    record = claimed(db)
    database.open_charge(db, record, price=Decimal("0.22"), budget=None)
    database.requeue_record(db, record, not_before=0.0)
    assert database.get_record(db, ids[0]).status is Status.UNKNOWN
    assert (outcomes(db), claim(db)) == (["unknown"], None)


def test_a_fetched_result_that_was_not_billed_resolves_its_unknown_charge(
    db: database.Connection, spec: ModelSpec
) -> None:
    _, ids = add(db, spec)
    late = ModelError("太慢", cause="timeout", billed=Billed.UNKNOWN, task_valid=True)
    database.fail_record(db, submitted(db), late)
    assert outcomes(db) == ["unknown"]
    database.refetch(db, ids, models=Models([spec]))
    database.fail_record(db, claimed(db), ModelError("违规", cause="moderation", billed=Billed.NO))
    assert outcomes(db) == ["not_billed"]


def test_a_crash_before_the_order_is_repeated_although_an_earlier_order_is_unknown(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec)
    record = claimed(db)
    database.open_charge(db, record, price=Decimal("0.22"), budget=None)
    database.fail_record(db, record, ModelError("断了", cause="network", billed=Billed.UNKNOWN))
    database.retry_records(db, batch_id, ids, models=Models([spec]))
    claimed(db)
    assert database.reap_stalled(db, now=NOW + 60) == 0
    assert claimed(db, NOW + 60).id == ids[0]


def test_a_batch_goes_on_although_the_model_of_an_ended_record_is_gone(
    db: database.Connection, spec: ModelSpec
) -> None:
    _, ids = add(db, spec, *[ImageRequest(prompt="猫")] * 2)
    database.finish_record(db, claimed(db), SAVED)
    db.execute("UPDATE generation_records SET model = 'gone' WHERE id = :id", {"id": ids[0]})
    assert database.pause_other_models(db, models=[spec.model_id], now=NOW) == 0
    assert claimed(db).id == ids[1]


def test_what_was_sent_to_a_model_that_is_gone_is_not_queued_again(
    db: database.Connection, spec: ModelSpec
) -> None:
    _, ids = add(db, spec)
    database.open_charge(db, claimed(db), price=Decimal("0.22"), budget=None)
    database.pause_other_models(db, models=["another"], now=NOW + 60)
    assert database.get_record(db, ids[0]).status is Status.RUNNING
    database.reap_stalled(db, now=NOW + 60)
    assert database.get_record(db, ids[0]).status is Status.UNKNOWN
    assert outcomes(db) == ["unknown"]


def test_a_worker_without_the_lease_does_not_requeue_the_record(
    db: database.Connection, spec: ModelSpec
) -> None:
    add(db, spec)
    sleeper = claimed(db)
    other = claimed(db, NOW + 60)
    busy = ModelError("稍后", cause="limit", billed=Billed.NO, throttled=True)
    database.requeue_record(db, sleeper, not_before=0.0, error=busy)
    assert database.get_record(db, other.id).status is Status.RUNNING
    assert claim(db, NOW + 60) is None


def test_the_charge_stays_open_while_the_result_can_be_fetched(
    db: database.Connection, spec: ModelSpec
) -> None:
    add(db, spec)
    cut = ModelError("断了", cause="network", billed=Billed.NO, task_valid=True, retryable=True)
    database.requeue_record(db, submitted(db), not_before=0.0, error=cut)
    assert outcomes(db) == ["open"]


def test_a_failed_record_keeps_its_task_id_only_while_that_is_valid(
    db: database.Connection, spec: ModelSpec
) -> None:
    add(db, spec, *[ImageRequest(prompt="猫")] * 2)
    for is_valid in (True, False):
        record = submitted(db)
        gone = ModelError("坏了", cause="download", billed=Billed.YES, task_valid=is_valid)
        database.fail_record(db, record, gone)
        assert bool(database.get_record(db, record.id).task_id) is is_valid


def test_a_worker_without_the_lease_withdraws_no_charge_of_another(
    db: database.Connection, spec: ModelSpec
) -> None:
    add(db, spec)
    sleeper = claimed(db)
    other = claimed(db, NOW + 60)
    database.open_charge(db, other, price=Decimal("0.22"), budget=None)
    database.withdraw_charge(db, sleeper)
    assert outcomes(db) == ["open"]
    database.withdraw_charge(db, other)
    assert outcomes(db) == ["not_billed"]


def test_after_the_clock_is_set_back_old_leases_and_delays_do_not_block(
    db: database.Connection, spec: ModelSpec
) -> None:
    add(db, spec, *[ImageRequest(prompt="猫")] * 2)
    dead, busy = claimed(db), claimed(db)
    database.requeue_record(db, busy, not_before=NOW + 60)
    assert claim(db, NOW - 3) is None
    assert {claimed(db, NOW - 3600).id, claimed(db, NOW - 3600).id} == {dead.id, busy.id}


@pytest.mark.parametrize(("state", "end"), [("paused", Status.QUEUED), ("cancelled", Status.CANCELLED)])
def test_a_record_of_a_dead_worker_is_not_submitted_for_a_paused_batch(
    db: database.Connection, spec: ModelSpec, state: str, end: Status
) -> None:
    batch_id, ids = add(db, spec)
    claimed(db)
    (database.pause_batch if state == "paused" else database.cancel_batch)(db, batch_id)
    assert claim(db, NOW + 60) is None
    assert database.reap_stalled(db, now=NOW + 60) == 1
    assert database.get_record(db, ids[0]).status is end
    assert claim(db, NOW + 120) is None


def test_a_requeued_record_of_a_cancelled_batch_is_cancelled(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec)
    record = claimed(db)
    database.open_charge(db, record, price=Decimal("0.22"), budget=None)
    database.cancel_batch(db, batch_id)
    busy = ModelError("太多", cause="limit", billed=Billed.NO, retryable=True, throttled=True)
    database.requeue_record(db, record, not_before=NOW, error=busy)
    assert database.get_record(db, ids[0]).status is Status.CANCELLED
    assert database.get_batch(db, batch_id).status is BatchStatus.CANCELLED
    assert outcomes(db) == ["not_billed"]


def test_a_record_whose_workers_keep_crashing_fails(db: database.Connection, spec: ModelSpec) -> None:
    add(db, spec)
    now = NOW
    while claim(db, now) is not None:
        now += 60
    database.reap_stalled(db, now=now)
    assert database.list_records(db, database.RecordFilter())[0].status is Status.FAILED


def test_a_finished_record_closes_its_charge_and_its_batch(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = add(db, spec)
    record = claimed(db)
    database.open_charge(db, record, price=Decimal("0.22"), budget=None)
    database.finish_record(db, record, replace(SAVED, seed=7))
    after, batch = database.get_record(db, record.id), database.get_batch(db, batch_id)
    assert (after.width, after.seed, after.image_path) == (2048, 7, "/output/猫.png")
    assert outcomes(db) == ["billed"]
    assert (batch.status, batch.cost, batch.counts[Status.SUCCESS]) == (
        BatchStatus.FINISHED,
        Decimal("0.22"),
        1,
    )


@pytest.mark.parametrize(
    ("billed", "status", "outcome"),
    [
        (Billed.NO, Status.FAILED, "not_billed"),
        (Billed.YES, Status.FAILED, "billed"),
        (Billed.UNKNOWN, Status.UNKNOWN, "unknown"),
    ],
)
def test_a_failure_records_whether_it_was_charged(
    db: database.Connection, spec: ModelSpec, billed: Billed, status: Status, outcome: str
) -> None:
    add(db, spec)
    record = claimed(db)
    database.open_charge(db, record, price=Decimal("0.22"), budget=None)
    database.fail_record(db, record, ModelError("提示词未通过审核", cause="moderation", billed=billed))
    after = database.get_record(db, record.id)
    assert (after.status, str(after.error)) == (status, "提示词未通过审核")
    assert outcomes(db) == [outcome]


def test_undoing_a_write_off_restores_the_message_of_the_error(
    db: database.Connection, spec: ModelSpec
) -> None:
    add(db, spec)
    record = claimed(db)
    database.open_charge(db, record, price=Decimal("0.22"), budget=None)
    error = ModelError("没有答完（{reason}）", reason="断了", cause="network", billed=Billed.UNKNOWN)
    database.fail_record(db, record, error)
    undo = database.resolve_charges(db, [record.id], billed=True).undo
    written_off = message("已放弃，{charge}", charge=message("账单里有这一笔"))
    assert database.get_record(db, record.id).error == written_off
    database.undo_resolution(db, undo)
    assert database.get_record(db, record.id).error == error.message


def test_the_budget_is_never_exceeded(db: database.Connection, spec: ModelSpec) -> None:
    add(db, spec, *[ImageRequest(prompt="猫")] * 3)
    for _ in range(2):
        database.open_charge(db, claimed(db), price=Decimal("0.22"), budget=Decimal("0.50"))
    with pytest.raises(database.BudgetReached, match=r"总预算 ¥0\.50 只剩 ¥0.06"):
        database.open_charge(db, claimed(db), price=Decimal("0.22"), budget=Decimal("0.50"))
    assert database.committed_spend(db) == Decimal("0.44")


def test_concurrent_charges_do_not_exceed_the_budget(
    settings: Settings, db: database.Connection, spec: ModelSpec
) -> None:
    add(db, spec, *[ImageRequest(prompt="猫")] * 12)
    records = [claimed(db) for _ in range(12)]
    start, refused = threading.Barrier(12), []

    def try_charge(record: Record) -> None:
        with closing(database.connect(settings.database)) as own:
            start.wait()
            try:
                database.open_charge(own, record, price=Decimal("0.22"), budget=Decimal("1"))
            except database.BudgetReached:
                refused.append(record.id)

    threads = [threading.Thread(target=try_charge, args=[record]) for record in records]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (database.committed_spend(db), len(refused)) == (Decimal("0.88"), 8)


def test_a_requeue_keeps_the_task_id_only_when_it_is_still_valid(
    db: database.Connection, spec: ModelSpec
) -> None:
    for usable, task_id in ((True, "T1"), (False, None)):
        add(db, spec)
        record = claimed(db)
        database.open_charge(db, record, price=Decimal("0.22"), budget=None)
        database.save_task_id(db, record, "T1")
        error = ModelError("稍后", cause="service", billed=Billed.NO, retryable=True, task_valid=usable)
        database.requeue_record(db, record, not_before=NOW + 5, error=error)
        assert claim(db, NOW + 4) is None
        assert claimed(db, NOW + 6).task_id == task_id


def test_a_paused_batch_starts_nothing_until_it_is_resumed(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = add(db, spec)
    database.pause_batch(db, batch_id, "密钥不对")
    assert claim(db) is None
    batch = database.get_batch(db, batch_id)
    assert (batch.status, str(batch.paused_reason)) == (BatchStatus.PAUSED, "密钥不对")
    database.resume_batch(db, batch_id, models=["test-1"])
    assert claim(db) is not None


def test_a_record_queued_for_one_model_is_never_claimed_by_another(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, _ = add(db, spec)
    assert database.claim_record(db, model="other", owner="me", now=NOW, lease=20.0) is None
    assert database.pause_other_models(db, models=["other"], now=NOW) == 1
    assert "test-1" in str(database.get_batch(db, batch_id).paused_reason)
    with pytest.raises(Conflict, match="现在用不了"):
        database.resume_batch(db, batch_id, models=["other"])
    database.resume_batch(db, batch_id, models=["test-1"])
    assert claim(db) is not None


@pytest.mark.parametrize("is_crashed", [True, False])
def test_what_was_sent_to_one_model_is_never_fetched_by_another(
    db: database.Connection, spec: ModelSpec, is_crashed: bool
) -> None:
    batch_id, ids = add(db, spec)
    record = submitted(db)
    if not is_crashed:
        database.cancel_batch(db, batch_id)
        database.requeue_record(db, record, not_before=0.0)
    assert database.claim_record(db, model="other", owner="me", now=NOW + 60, lease=20.0) is None
    assert claimed(db, NOW + 60).id == ids[0]


def test_a_task_id_of_another_model_is_not_requeued(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, spec)
    record = submitted(db, "147")
    expired = ModelError("没有下载成功", cause="download", billed=Billed.YES, task_valid=True)
    database.fail_record(db, record, expired)
    with pytest.raises(Conflict, match="test-1"):
        database.retry_records(db, batch_id, ids, models=Models([replace(spec, model_id="another")]))
    assert database.get_record(db, ids[0]).status is Status.FAILED
    assert database.retry_records(db, batch_id, ids, models=Models([spec])).number == 1


def test_cancelling_keeps_submitted_records(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = add(db, spec, *[ImageRequest(prompt="猫")] * 3)
    record = submitted(db, "T")
    database.requeue_record(db, record, not_before=0)
    assert database.cancel_batch(db, batch_id).number == 2
    assert claimed(db).task_id == "T"
    assert claim(db) is None


@pytest.mark.parametrize("stop", [database.pause_batch, database.cancel_batch])
def test_no_charge_is_opened_for_a_batch_paused_or_cancelled_after_the_claim(
    db: database.Connection, spec: ModelSpec, stop: Callable[[database.Connection, str], object]
) -> None:
    batch_id, _ = add(db, spec)
    record = claimed(db)
    stop(db, batch_id)
    with pytest.raises(database.BatchNotActive):
        database.open_charge(db, record, price=Decimal("0.22"), budget=None)
    assert outcomes(db) == []


@pytest.mark.parametrize("error", [None, ModelError("稍后", cause="limit", billed=Billed.NO, throttled=True)])
def test_a_record_released_after_its_batch_was_cancelled_is_cancelled(
    db: database.Connection, spec: ModelSpec, error: ModelError | None
) -> None:
    batch_id, ids = add(db, spec)
    record = claimed(db)
    database.cancel_batch(db, batch_id)
    database.requeue_record(db, record, not_before=NOW, error=error)
    assert database.get_record(db, ids[0]).status is Status.CANCELLED


def test_retry_requeues_failed_records_and_unknown_ones_only_by_id(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec, *[ImageRequest(prompt="猫")] * 2)
    for billed in (Billed.NO, Billed.UNKNOWN):
        record = claimed(db)
        database.open_charge(db, record, price=Decimal("0.22"), budget=None)
        database.fail_record(db, record, ModelError("坏了", cause="service", billed=billed))
    assert database.retry_records(db, batch_id, models=Models([spec])).number == 1
    assert database.get_record(db, ids[1]).status is Status.UNKNOWN
    assert database.retry_records(db, batch_id, [ids[1]], models=Models([spec])).number == 1
    with pytest.raises(Conflict):
        database.retry_records(db, batch_id, [ids[1]], models=Models([spec]))


def test_an_unknown_charge_stays_unresolved_when_the_record_is_resubmitted(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec)
    record = claimed(db)
    database.open_charge(db, record, price=Decimal("0.22"), budget=None)
    database.fail_record(db, record, ModelError("断了", cause="network", billed=Billed.UNKNOWN))
    database.retry_records(db, batch_id, ids, models=Models([spec]))
    record = claimed(db)
    database.open_charge(db, record, price=Decimal("0.22"), budget=None)
    database.finish_record(db, record, SAVED)
    assert outcomes(db) == ["unknown", "billed"]
    after = database.get_record(db, ids[0])
    assert (after.cost, after.at_stake) == (Decimal("0.22"), Decimal("0.22"))


def test_only_what_changed_since_a_version_is_listed(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, spec, *[ImageRequest(prompt="猫")] * 3)
    version = database.get_batch_version(db, batch_id)
    assert database.list_batch_records(db, batch_id, since=version) == []
    record = claimed(db)
    assert [r.id for r in database.list_batch_records(db, batch_id, since=version)] == [ids[0]]
    database.finish_record(db, record, SAVED)
    assert database.get_batch_version(db, batch_id) > version
    assert "已保存" in str(database.list_log(db, batch_id, since=version)[0].text)


def test_queued_records_are_listed_only_when_requested(db: database.Connection, spec: ModelSpec) -> None:
    add(db, spec, *[ImageRequest(prompt="猫")] * 2)
    database.finish_record(db, claimed(db), SAVED)
    everything = database.RecordFilter()
    assert database.count_records(db, everything) == 1
    assert database.count_records(db, database.RecordFilter(statuses=("queued",))) == 1


def test_a_deleted_record_can_be_restored(db: database.Connection, spec: ModelSpec) -> None:
    _, ids = add(db, spec)
    assert database.delete_records(db, ids) == 0  # still queued: not one to delete
    database.finish_record(db, claimed(db), SAVED)
    assert database.delete_records(db, ids) == 1
    with pytest.raises(NotFound):
        database.get_record(db, ids[0])
    assert database.restore_records(db, ids) == 1
    assert database.get_record(db, ids[0]).filename == "猫.png"


def test_a_prompt_is_data_and_never_sql(db: database.Connection, spec: ModelSpec) -> None:
    prompt = '\'); DROP TABLE generation_records; -- %_"猫"'
    _, ids = add(db, spec, ImageRequest(prompt=prompt))
    assert database.get_record(db, ids[0]).prompt == prompt


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
