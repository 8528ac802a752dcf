"""The worker, turn by turn against the fake Jimeng: every outcome and its charge."""

import itertools
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import pytest

import database
from app.domain import BatchStatus, BudgetScope, PauseCause, Record, SavedImage, Status
from app.errors import Billed, DatabaseError, DiskError, ModelError, StorageError, StoreLost
from app.images import store
from app.runtime import Runtime
from app.worker.availability import DiskSpace
from app.worker.concurrency import AdaptiveLimit
from app.worker.decision import MAX_RETRIES, seconds_before_retry
from tests.harness import Harness, restart_after_crash, run_once, running
from tools.fakes.service import Call
from tools.waiting import TIMEOUT, wait_until


def test_images_of_any_ratio_and_resolution_are_saved_and_charged_once(harness: Harness) -> None:
    wanted = [("1:1", "1K"), ("16:9", "2K"), ("2:3", "4K")]
    for ratio, resolution in wanted:
        record = harness.make(f"{ratio} 的山 {resolution}", aspect_ratio=ratio, resolution=resolution)
        size = harness.engine.provider.spec.sizes[ratio, resolution]
        assert (record.status, str(record.error)) == (Status.SUCCESS, "")
        assert (record.width, record.height) == (size.width, size.height)
        assert (harness.settings.output_dir / record.filename).is_file()
        assert store.thumbnail_path(harness.settings.output_dir, record.id).is_file()
        assert record.cost == Decimal("0.22")
    assert harness.service.charges == len(wanted)
    assert harness.outcomes() == ["billed"] * len(wanted)


def test_a_refused_prompt_says_why_and_costs_nothing(harness: Harness) -> None:
    record = harness.make("违禁的画面")
    assert record.status is Status.FAILED
    assert record.cause == "moderation"
    assert "50412" in str(record.error)
    assert (record.cost, record.at_stake) == (Decimal(0), Decimal(0))
    assert harness.outcomes() == ["not_billed"]


def test_an_image_refused_once_by_moderation_is_resubmitted(harness: Harness) -> None:
    began = time.time()
    record = harness.make("审图一次")
    assert record.status is Status.QUEUED
    assert record.not_before > began
    harness.hurry()
    assert harness.step()
    assert harness.record(record.id).status is Status.SUCCESS
    assert harness.outcomes() == ["not_billed", "billed"]


def test_an_image_refused_repeatedly_fails(harness: Harness) -> None:
    record = harness.make("必拒的画")
    for _ in range(MAX_RETRIES):
        harness.hurry()
        harness.step()
    assert harness.record(record.id).status is Status.FAILED
    assert set(harness.outcomes()) == {"not_billed"}


def test_the_charge_is_open_when_the_submission_arrives(harness: Harness) -> None:
    seen: list[tuple[int, str, int, str]] = []

    def observe(_call: Call) -> bool:
        with closing(database.connect(harness.settings.database)) as db:
            rows = db.execute("SELECT record_id, model, price_micros, outcome FROM charges").fetchall()
        seen.extend(tuple(row) for row in rows)
        return False

    harness.service.fail_next("busy", when=observe)
    record = harness.make("猫")
    assert seen == [(record.id, record.model, 220_000, "open")]


def test_the_task_id_is_stored_before_polling_begins(harness: Harness) -> None:
    seen: list[str] = []

    def observe(_call: Call) -> bool:
        with closing(database.connect(harness.settings.database)) as db:
            seen.extend(row["task_id"] for row in db.execute("SELECT task_id FROM generation_records"))
        return False

    harness.service.fail_next("busy", step="poll", when=observe)
    harness.make("猫")
    assert seen[0] == harness.service.submissions[0].task_id


def test_throttling_is_waited_out_and_halves_the_concurrency(harness: Harness) -> None:
    harness.engine.limit = AdaptiveLimit(8)
    harness.service.fail_next("busy", times=8)
    record = harness.make("猫")
    for _ in range(8):
        assert harness.record(record.id).status is Status.QUEUED
        harness.hurry()
        harness.step()
    assert harness.record(record.id).status is Status.SUCCESS
    assert harness.engine.limit.allowed < 8
    assert harness.service.charges == 1


def test_a_lost_response_is_unknown_and_never_resubmitted(harness: Harness) -> None:
    harness.service.fail_next("reset")
    record = harness.make("断线的猫")
    assert record.status is Status.UNKNOWN
    assert record.at_stake == Decimal("0.22")
    assert "可能已计费" in str(record.error)
    harness.hurry()
    assert not harness.step()
    assert len(harness.service.submissions) == 1


def test_a_wrong_key_pauses_the_batch_with_one_sentence_and_fails_no_record(harness: Harness) -> None:
    harness.service.fail_next("key", times=1)
    batch_id, ids = harness.ask("一", "二", "三")
    assert harness.step()
    assert not harness.step()
    batch = harness.batch(batch_id)
    assert batch.status is BatchStatus.PAUSED
    assert "Access Key ID" in str(batch.paused_reason)
    assert harness.statuses(ids) == [Status.QUEUED] * 3
    harness.resume(batch_id)
    harness.run()
    assert harness.service.charges == 3


def test_failed_fetches_of_a_cancelled_batch_are_repeated_with_delays(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise ModelError("密钥不对", cause="key", billed=Billed.NO, pauses_batch=True, task_valid=True)

    monkeypatch.setattr(harness.engine.provider, "fetch", refuse)
    batch_id, ids = harness.ask("猫")
    harness.step()
    database.cancel_batch(harness.db, batch_id)
    harness.hurry()
    assert harness.step()
    assert not harness.step()
    assert harness.record(ids[0]).task_id
    assert len(harness.service.submissions) == 1


def test_an_unreachable_service_pauses_instead_of_failing_every_record(harness: Harness) -> None:
    harness.service.stop()
    batch_id, _ = harness.ask("一", "二")
    for _ in range(20):
        harness.hurry()
        harness.step()
    batch = harness.batch(batch_id)
    assert (batch.status, batch.counts[Status.FAILED]) == (BatchStatus.PAUSED, 0)
    assert set(harness.outcomes()) == {"not_billed"}


def test_a_budget_raised_meanwhile_does_not_pause_a_batch_that_was_resumed(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the worker waits for a locked database after it found the budget spent."""
    harness.restart(budget=Decimal("0.10"))
    batch_id, _ = harness.ask("猫")
    requeue = database.requeue_record

    def requeue_late(*args: Any, **fields: Any) -> None:
        database.set_budgets(harness.db, {BudgetScope.TOTAL: None})
        requeue(*args, **fields)

    monkeypatch.setattr(database, "requeue_record", requeue_late)
    assert harness.step()
    assert harness.batch(batch_id).status is not BatchStatus.PAUSED
    assert harness.outcomes() == []


def test_the_budget_pauses_the_batch_and_is_not_exceeded(harness: Harness) -> None:
    harness.restart(budget=Decimal("0.50"))
    batch_id, _ = harness.ask("一", "二", "三")
    for _ in range(5):
        harness.step()
    batch = harness.batch(batch_id)
    assert (batch.status, batch.cost) == (BatchStatus.PAUSED, Decimal("0.44"))
    assert "总预算 ¥0.50 只剩 ¥0.06" in str(batch.paused_reason)
    assert batch.paused_cause == PauseCause.BUDGET
    assert harness.service.charges == 2


@pytest.mark.parametrize("kind", ["dead_url", "half", "garbled"])
def test_an_image_that_did_not_arrive_is_fetched_again_and_not_resubmitted(
    harness: Harness, kind: str
) -> None:
    harness.service.fail_next(kind, step="download")
    record = harness.make("猫")
    for _ in range(3):
        harness.hurry()
        harness.step()
    assert harness.record(record.id).status is Status.SUCCESS
    assert len(harness.service.submissions) == 1
    assert harness.outcomes() == ["billed"]
    assert not list(harness.settings.output_dir.glob("**/*.part"))


def test_a_permanently_corrupt_image_keeps_its_task_id_so_a_retry_fetches_it(harness: Harness) -> None:
    harness.service.fail_next("half", step="download", times=MAX_RETRIES + 1)
    record = harness.make("猫")
    for _ in range(MAX_RETRIES):
        harness.hurry()
        harness.step()
    failed = harness.record(record.id)
    assert (failed.status, failed.cost) == (Status.FAILED, Decimal("0.22"))
    harness.retry(failed)
    harness.step()
    assert harness.record(record.id).status is Status.SUCCESS
    assert len(harness.service.submissions) == 1


def test_an_unsupported_size_is_never_submitted(harness: Harness) -> None:
    _, ids = harness.ask("猫")
    harness.db.execute("UPDATE generation_records SET resolution = '8K'")  # queued when it had one
    harness.step()
    record = harness.record(ids[0])
    assert (record.status, record.cause) == (Status.FAILED, "request")
    assert "没有 1:1 的 8K" in str(record.error)
    assert (harness.outcomes(), harness.service.submissions) == ([], [])


def test_an_image_that_is_too_large_is_charged_once_and_fetched_when_asked(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as small:
        small.setattr("app.providers.downloads._MAX_BYTES", 1_000)
        record = harness.make("猫")
        harness.run()
    record = harness.record(record.id)
    assert (record.status, record.cause, bool(record.task_id)) == (Status.FAILED, "download", True)
    assert (harness.service.count("submit"), harness.service.count("download")) == (1, 3)
    assert "可以取回" in str(record.error)
    harness.retry(record)
    harness.run()
    assert harness.record(record.id).status is Status.SUCCESS
    assert (harness.service.charges, harness.outcomes()) == (1, ["billed"])


@pytest.mark.parametrize("kind", ["half", "garbled"])
def test_a_corrupt_image_that_cannot_be_fetched_again_is_unknown_and_not_resubmitted(
    byte_harness: Harness, kind: str
) -> None:
    byte_harness.service.fail_next(kind)
    record = byte_harness.make("猫")
    assert (record.status, record.cause) == (Status.UNKNOWN, "broken")
    assert "可能已计费" in str(record.error)
    byte_harness.hurry()
    assert not byte_harness.step()
    assert len(byte_harness.service.submissions) == 1
    assert byte_harness.outcomes() == ["unknown"]


@pytest.mark.parametrize(
    ("fixture", "status"), [("harness", Status.FAILED), ("byte_harness", Status.UNKNOWN)]
)
def test_a_paid_image_in_an_unsupported_format_is_quarantined_and_not_resubmitted(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, fixture: str, status: Status
) -> None:
    monkeypatch.setattr(store, "MAX_PIXELS", 10)
    used: Harness = request.getfixturevalue(fixture)
    record = used.make("猫")
    assert (record.status, record.cause) == (status, "broken")
    name = re.search(r"原文件已放在「output/unopened/(\d+\.\w+)」", str(record.error))
    assert name
    assert (used.settings.output_dir / "unopened" / name[1]).stat().st_size > 1000
    used.hurry()
    assert not used.step()
    assert len(used.service.submissions) == 1


def crash_before_finish(harness: Harness) -> Record:
    """The worker crashes when the image is on disk; the next one is started."""
    died = harness.crash(database, "finish_record")
    restart_after_crash(harness)
    return died


def test_an_image_saved_by_a_crashed_worker_is_adopted(byte_harness: Harness) -> None:
    died = crash_before_finish(byte_harness)
    assert died.status is Status.RUNNING
    byte_harness.reap()
    record = byte_harness.record(died.id)
    assert (record.status, byte_harness.files()) == (Status.SUCCESS, [record.filename])
    assert byte_harness.outcomes() == ["billed"]
    path = byte_harness.settings.output_dir / record.filename
    assert (record.sha256, record.file_size) == (store.sha256_of(path), path.stat().st_size)


def test_a_record_whose_worker_crashed_before_saving_is_unknown(byte_harness: Harness) -> None:
    died = crash_before_finish(byte_harness)
    (byte_harness.settings.output_dir / byte_harness.files()[0]).unlink()
    byte_harness.reap()
    assert byte_harness.record(died.id).status is Status.UNKNOWN
    assert not byte_harness.step()
    assert (len(byte_harness.service.submissions), byte_harness.outcomes()) == (1, ["unknown"])


@pytest.mark.parametrize("has_task_id", [True, False])
def test_partial_files_of_a_crashed_worker_are_removed_when_its_lease_is_reaped(
    harness: Harness, has_task_id: bool
) -> None:
    _, ids = harness.ask("猫")
    crash = database.claim_record(harness.db, model="jimeng_t2i_v40", owner="dead", now=0.0, lease=12.0)
    assert crash
    harness.maintenance.clean_up_after_crash()
    database.open_charge(harness.db, crash, price=Decimal("0.22"), budget=None)
    if has_task_id:
        database.save_task_id(harness.db, crash, "14790660436661235288")
    part = harness.settings.output_dir / ".0123456789abcdef.part"
    part.parent.mkdir(exist_ok=True)
    part.write_bytes(b"half")
    assert not harness.maintenance.clean_up_after_crash()
    if has_task_id:
        assert harness.step()
    else:
        assert harness.reap() == 1
    assert harness.maintenance.clean_up_after_crash()
    assert not part.exists()
    assert harness.record(ids[0]).status is Status.UNKNOWN


@pytest.mark.parametrize("task_id", ["", "147"])
def test_a_record_left_by_a_crashed_worker_of_another_model_waits_for_that_model(
    harness: Harness, task_id: str
) -> None:
    batch_id, ids = harness.ask("猫")
    harness.db.execute("UPDATE generation_records SET model = 'another'")
    crash = database.claim_record(harness.db, model="another", owner="dead", now=0.0, lease=12.0)
    assert crash
    if task_id:
        database.open_charge(harness.db, crash, price=Decimal("0.22"), budget=None)
        database.save_task_id(harness.db, crash, task_id)
    harness.reap()
    record, batch = harness.record(ids[0]), harness.batch(batch_id)
    assert (record.status, record.task_id or "") == (Status.QUEUED, task_id)
    assert (batch.status, "another" in str(batch.paused_reason)) == (BatchStatus.PAUSED, True)


def test_no_record_is_given_up_while_the_output_folder_is_missing(byte_harness: Harness) -> None:
    died = crash_before_finish(byte_harness)
    away = byte_harness.settings.output_dir.rename(byte_harness.settings.output_dir.with_name("away"))
    with pytest.raises(StorageError):
        byte_harness.reap()
    assert byte_harness.record(died.id).status is Status.RUNNING
    away.rename(byte_harness.settings.output_dir)
    byte_harness.reap()
    assert byte_harness.record(died.id).status is Status.SUCCESS


def test_while_the_output_folder_is_missing_the_task_id_is_kept_and_the_batch_pauses(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = crash_before_finish(harness)
    harness.settings.output_dir.rename(harness.settings.output_dir.with_name("away"))
    harness.settings.output_dir.write_text("a file in its place")
    monkeypatch.setattr("app.worker.saving._RETRY_SECONDS", -1.0)
    assert harness.step()
    record = harness.record(died.id)
    assert (record.status, record.task_id) == (Status.QUEUED, died.task_id)
    assert harness.batch(record.batch_id).status is BatchStatus.PAUSED


def test_an_image_saved_before_a_crash_is_not_fetched_again(harness: Harness) -> None:
    died = crash_before_finish(harness)
    calls_before = len(harness.service.calls)
    assert harness.step()
    assert harness.record(died.id).status is Status.SUCCESS
    assert len(harness.service.calls) == calls_before
    assert len(harness.files()) == 1


def test_the_record_stores_the_real_size_of_the_delivered_image(harness: Harness) -> None:
    harness.service.fail_next("wrong_size", step="download")
    record = harness.make("猫")
    assert (record.width, record.height) == (64, 64)


def test_a_timed_out_record_is_unknown_and_can_be_fetched_later(harness: Harness) -> None:
    record = harness.make_too_slowly("慢慢画的猫")
    assert (record.status, record.cause) == (Status.UNKNOWN, "timeout")
    assert record.task_id
    harness.retry(record)
    harness.step()
    after = harness.record(record.id)
    assert (after.status, after.at_stake, after.cost) == (Status.SUCCESS, Decimal(0), Decimal("0.22"))
    assert len(harness.service.submissions) == 1


@pytest.fixture
def full_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full when the first image is saved, which leaves a part of it."""
    keep, refusals = store.save_image, iter(["磁盘已满"])

    def save(*args: Any, output_dir: Path, **fields: Any) -> SavedImage:
        for text in refusals:
            (output_dir / f".{'0a' * 8}.part").touch()
            raise DiskError(text)
        return keep(*args, output_dir=output_dir, **fields)

    monkeypatch.setattr(store, "save_image", save)


@pytest.mark.usefixtures("full_once")
def test_a_full_disk_pauses_and_the_paid_image_is_saved_once_there_is_space(harness: Harness) -> None:
    batch_id, ids = harness.ask("一", "二")
    harness.step()
    assert harness.record(ids[0]).status is Status.SUCCESS
    assert harness.files() == [harness.record(ids[0]).filename]
    assert str(harness.batch(batch_id).paused_reason) == "磁盘已满"
    assert harness.service.charges == 1


def test_low_disk_space_pauses_every_batch_until_there_is_space_again(harness: Harness) -> None:
    free = 123_456_789
    harness.restart(disk=DiskSpace([harness.settings.output_dir], free=lambda _: free))
    batches = [harness.ask("一", "二")[0], harness.ask("三")[0]]
    for _ in range(4):
        harness.step()
    shown = [harness.batch(batch_id) for batch_id in batches]
    assert {batch.status for batch in shown} == {BatchStatus.PAUSED}
    assert {str(batch.paused_reason).split("，")[0] for batch in shown} == {"磁盘只剩 123 MB"}
    assert (harness.service.submissions, harness.outcomes()) == ([], [])
    free = 10**12
    harness.runtime.disk.invalidate()
    harness.resume(batches[0])
    harness.run()
    assert harness.batch(batches[0]).status is BatchStatus.FINISHED
    assert harness.service.charges == 2


def test_submitted_records_are_fetched_despite_low_disk_space(harness: Harness) -> None:
    record = harness.make_too_slowly("慢慢画的猫")
    harness.restart(disk=DiskSpace([harness.settings.output_dir], free=lambda _: 0))
    harness.retry(record)
    harness.step()
    assert harness.record(record.id).status is Status.SUCCESS


@pytest.mark.usefixtures("full_once")
def test_a_paid_image_that_cannot_be_fetched_again_waits_for_the_disk_although_no_pause_can_be_written(
    byte_harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object, **__: object) -> NoReturn:
        raise DatabaseError("locked")

    monkeypatch.setattr(database, "pause_batch", locked)
    monkeypatch.setattr("app.worker.saving._RETRY_SECONDS", -1.0)
    assert byte_harness.make("猫").status is Status.SUCCESS
    assert byte_harness.outcomes() == ["billed"]


def stop_on_full_disk(harness: Harness) -> Callable[..., NoReturn]:
    """The disk is full, and the worker is stopped at that time."""

    def full_and_stopping(*_: object, **__: object) -> NoReturn:
        harness.runtime.stop(0.0)
        raise DiskError("磁盘已满")

    return full_and_stopping


def test_stopping_on_a_full_disk_requeues_the_record_with_its_task_id(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id, ids = harness.ask("猫")
    with monkeypatch.context() as full:
        full.setattr(store, "save_image", stop_on_full_disk(harness))
        harness.step()
    assert harness.record(ids[0]).status is Status.QUEUED
    assert "磁盘已满" in str(harness.batch(batch_id).paused_reason)
    harness.restart()
    harness.resume(batch_id)
    harness.step()
    assert harness.record(ids[0]).status is Status.SUCCESS
    assert len(harness.service.submissions) == 1


def test_stopping_on_a_full_disk_never_resubmits_a_record_without_a_task_id(
    byte_harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "save_image", stop_on_full_disk(byte_harness))
    record = byte_harness.make("猫")
    assert (record.status, record.cause) == (Status.UNKNOWN, "storage")
    assert byte_harness.outcomes() == ["unknown"]


def test_a_requeue_is_written_however_long_the_database_is_locked(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    requeue, refusals = database.requeue_record, iter(["locked"])

    def locked_once(*args: object, **kwargs: object) -> None:
        for text in refusals:
            raise DatabaseError(text)
        requeue(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(database, "requeue_record", locked_once)
    harness.service.fail_next("busy")
    assert harness.make("猫").status is Status.QUEUED
    assert harness.outcomes() == ["not_billed"]


def test_a_thread_that_cannot_connect_at_its_start_tries_again(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL may have no connection left at that moment."""
    connect, refused = database.connect, set[str]()

    def connect_at_the_second_try(target: database.Target) -> database.Connection:
        name = threading.current_thread().name
        if name.startswith(harness.engine.spec.name) and name not in refused:
            refused.add(name)
            raise StoreLost("数据库连不上")
        return connect(target)

    monkeypatch.setattr(database, "connect", connect_at_the_second_try)
    _, ids = harness.ask("猫")
    with running(harness.runtime):
        wait_until(lambda: harness.record(ids[0]).status is Status.SUCCESS)
        wait_until(lambda: len(refused) == harness.engine.threads)
        assert harness.runtime.threads.are_running


def test_stopping_finishes_what_it_can_in_time_and_starts_nothing_new(harness: Harness) -> None:
    harness.service.latency, ended = 3600.0, threading.Event()
    harness.engine.limit = AdaptiveLimit(1)
    _, ids = harness.ask("一", "二")
    harness.runtime.start()
    wait_until(lambda: harness.record(ids[0]).task_id is not None)
    harness.runtime.stop_in_background(TIMEOUT, ended.set)
    harness.service.latency = 0.0
    assert ended.wait(2 * TIMEOUT)
    assert harness.statuses(ids) == [Status.SUCCESS, Status.QUEUED]
    assert len(harness.service.submissions) == 1


def test_two_workers_on_one_file_never_submit_the_same_record(harness: Harness) -> None:
    harness.ask(*[f"猫 {n}" for n in range(12)])

    def run(_: int) -> None:
        runtime = Runtime(harness.settings)
        with closing(database.connect(harness.settings.database)) as db:
            while run_once(runtime, db):
                pass

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(run, range(3)))
    assert harness.service.charges == 12
    assert len(harness.files()) == 12


def test_no_record_is_claimed_while_every_slot_is_taken(harness: Harness) -> None:
    _, ids = harness.ask("猫")
    harness.engine.limit = AdaptiveLimit(1)
    assert harness.engine.limit.acquire()
    assert not harness.step()
    assert harness.record(ids[0]).status is Status.QUEUED
    harness.engine.limit.release()
    assert harness.step()
    assert harness.record(ids[0]).status is Status.SUCCESS
    assert harness.engine.limit.under_way == 0


def test_concurrency_is_halved_once_per_burst_and_raised_slowly() -> None:
    pace = AdaptiveLimit(8)
    for _ in range(5):
        pace.on_throttled()
    assert pace.allowed == 4.0
    for _ in range(8):
        pace.on_success()
    assert 4.5 < pace.allowed < 6.0
    for _ in range(200):
        pace.on_success()
    assert pace.allowed == 8.0


def test_concurrency_never_falls_below_one() -> None:
    pace = AdaptiveLimit(1)
    pace.on_throttled()
    assert pace.acquire()
    assert not pace.acquire()
    pace.release()
    assert pace.acquire()


def test_retry_delays_grow_and_end() -> None:
    error = ModelError("稍后", cause="service", billed=Billed.NO, retryable=True)
    waits = [seconds_before_retry(error, retries=n, throttled=0) or 0.0 for n in range(6)]
    assert waits[5] == 0.0
    assert all(earlier < later for earlier, later in itertools.pairwise(waits[:5]))


def test_a_retry_after_of_days_is_honoured() -> None:
    error = ModelError("稍后", cause="limit", billed=Billed.NO, retryable=True, throttled=True)
    assert 40 < (seconds_before_retry(error, retries=0, throttled=5_000) or 0.0) < 80


def test_a_single_picture_and_a_small_batch_are_submitted_soon_beside_a_large_one(harness: Harness) -> None:
    harness.ask(*(f"山 {n}" for n in range(50)))
    for _ in range(2):
        harness.step()
    harness.ask("甲", "乙", "丙")
    harness.client().post("/api/batches", json={"rows": [{"prompt": "急"}], "source": "single"})
    for _ in range(7):
        harness.step()
    submitted = [order.body["prompt"] for order in harness.service.submissions]
    assert submitted == ["山 0", "山 1", "急", "山 2", "甲", "山 3", "乙", "山 4", "丙"]
    assert harness.service.charges == 9


def test_a_record_whose_claim_was_lost_is_not_logged_as_requeued(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    def lose_claim(_moment: str, _call: Call) -> None:
        with closing(database.connect(harness.settings.database)) as other:
            other.execute("UPDATE generation_records SET attempts = attempts + 1")

    with caplog.at_level("INFO"):
        harness.service.fail_next("busy")
        harness.make("猫")
        assert "event=requeued" in caplog.text
        caplog.clear()
        harness.service.fail_next("busy")
        harness.service.observer = lose_claim
        assert harness.make("狗").status is Status.RUNNING  # of the one that has the claim now
        assert "event=requeued" not in caplog.text
