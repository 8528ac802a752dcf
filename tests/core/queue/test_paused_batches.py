"""Paused, cancelled and finished batches: submitted records are fetched, retried ones wait."""

from dataclasses import replace
from decimal import Decimal

import pytest

import database
from app.domain import BatchStatus, ImageRequest, Models, ModelSpec, Size, Status
from app.errors import Billed, Conflict, ModelError
from tests.core.queue import queue
from tests.core.queue.queue import NOW, SAVED
from tools import orders

PRICE = Decimal("0.22")
REFUSED = ModelError("违规", cause="moderation", billed=Billed.NO)


@pytest.mark.parametrize("reason", ["", "预算已到"])
def test_a_submitted_record_is_fetched_although_its_batch_is_paused(
    db: database.Connection, spec: ModelSpec, reason: str
) -> None:
    batch_id, ids = queue.add(db, *[ImageRequest(prompt="猫")] * 2)
    record = queue.submitted(db)
    database.pause_batch(db, batch_id, reason)
    database.requeue_record(db, record, not_before=0.0)  # the worker stops
    again = queue.claimed(db)
    assert (again.id, again.task_id) == (ids[0], "t-1")
    assert queue.claim(db) is None


def test_a_fetch_that_failed_in_a_paused_batch_is_repeated(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = queue.add(db)
    record = queue.submitted(db)
    database.pause_batch(db, batch_id)
    away = ModelError("断了", cause="network", billed=Billed.NO, task_valid=True, retryable=True)
    database.requeue_record(db, record, not_before=NOW + 2, error=away)
    assert queue.claim(db, NOW + 1) is None
    assert queue.claimed(db, NOW + 3).id == ids[0]


def test_a_blocked_fetch_waits_until_the_batch_is_resumed(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = queue.add(db)
    wrong_key = ModelError("密钥不对", cause="key", billed=Billed.NO, pauses_batch=True, task_valid=True)
    database.requeue_record(db, queue.submitted(db), not_before=0.0, error=wrong_key)
    database.pause_batch(db, batch_id, "密钥不对", stops_fetching=True)
    assert queue.claim(db) is None
    database.resume_batch(db, batch_id, models=["test-1"])
    database.pause_batch(db, batch_id)
    assert queue.claimed(db).id == ids[0]


def test_a_retry_in_a_paused_batch_starts_nothing_else(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = queue.add(db, *[ImageRequest(prompt="猫")] * 3)
    database.fail_record(db, queue.claimed(db), REFUSED)
    database.pause_batch(db, batch_id)
    assert orders.retry(db, batch_id, models=Models([spec])).number == 1
    batch = database.get_batch(db, batch_id)
    assert (batch.status, batch.counts[Status.QUEUED]) == (BatchStatus.PAUSED, len(ids))
    assert queue.claim(db) is None
    database.resume_batch(db, batch_id, models=["test-1"])
    assert queue.claim(db) is not None


def test_a_pause_ends_with_the_last_image(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = queue.add(db)
    record = queue.submitted(db)
    database.pause_batch(db, batch_id, "磁盘已满", stops_fetching=True)
    assert str(database.list_pauses(db)[batch_id].reason) == "磁盘已满"
    database.finish_record(db, record, SAVED)
    batch = database.get_batch(db, batch_id)
    assert (batch.status, str(batch.paused_reason)) == (BatchStatus.FINISHED, "")
    assert database.list_pauses(db) == {}
    assert str(database.list_log(db, batch_id)[-1].text) == "批次完成"


def test_resuming_a_batch_with_nothing_left_finishes_it(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = queue.add(db)
    database.finish_record(db, queue.submitted(db), SAVED)
    # As earlier versions left it.
    db.execute("UPDATE batches SET state = 'paused', paused_reason = '磁盘已满'")
    database.resume_batch(db, batch_id, models=["test-1"])
    assert database.get_batch(db, batch_id).status is BatchStatus.FINISHED
    assert database.count_open_work(db) == (0, 0, 0)


def test_a_late_cancel_changes_nothing(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = queue.add(db)
    database.finish_record(db, queue.submitted(db), SAVED)
    before = database.get_batch_version(db, batch_id)
    assert database.cancel_batch(db, batch_id).number == 0
    batch = database.get_batch(db, batch_id)
    assert (batch.status, batch.version) == (BatchStatus.FINISHED, before)


def test_another_model_makes_only_supported_rows_and_drops_unsupported_fields(
    db: database.Connection, spec: ModelSpec
) -> None:
    large = ImageRequest(prompt="猫", aspect_ratio="1:1", resolution="4K", seed=7, steps=9)
    batch_id, ids = queue.add(db, large)
    database.fail_record(db, queue.claimed(db), REFUSED)
    small = {("1:1", "2K"): Size(width=2048, height=2048)}
    plain = replace(spec, model_id="test-2", sizes=small, takes_seed=False, takes_steps=False)
    with pytest.raises(Conflict, match=r"第 1 行：.*没有 1:1 的 4K.*换回 test-1"):
        orders.retry(db, batch_id, models=Models([plain]))
    saved = database.get_record(db, ids[0])
    assert (saved.status, saved.model, saved.seed, saved.steps) == (Status.FAILED, "test-1", 7, 9)
    orders.retry(db, batch_id, models=Models([replace(plain, sizes=spec.sizes)]))
    again = database.get_record(db, ids[0])
    assert (again.status, again.model, again.seed, again.steps) == (Status.QUEUED, "test-2", None, None)


def test_only_failures_the_model_supports_are_retried(db: database.Connection, spec: ModelSpec) -> None:
    requests = [ImageRequest(prompt="猫", resolution=resolution) for resolution in ("4K", "2K")]
    batch_id, ids = queue.add(db, *requests)
    for _ in requests:
        database.fail_record(db, queue.claimed(db), REFUSED)
    small = replace(spec, model_id="test-2", sizes={("1:1", "2K"): Size(width=2048, height=2048)})
    assert orders.retry(db, batch_id, models=Models([small])).number == 1
    assert [database.get_record(db, each).status for each in ids] == [Status.FAILED, Status.QUEUED]


def test_resubmitting_never_mixes_two_models_in_a_batch(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = queue.add(db, *[ImageRequest(prompt="猫")] * 2)
    record = queue.claimed(db)
    database.open_charge(db, record, price=PRICE, budget=None)
    database.fail_record(db, record, ModelError("断了", cause="network", billed=Billed.UNKNOWN))
    other = replace(spec, model_id="test-2")
    with pytest.raises(Conflict, match="test-1"):
        orders.resubmit(db, ids[:1], models=Models([other]))
    assert database.get_record(db, ids[0]).status is Status.UNKNOWN
    assert database.get_batch(db, batch_id).counts[Status.QUEUED] == 1


def test_a_reaped_record_that_is_requeued_reopens_its_batch(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = queue.add(db)
    sleeper = queue.claimed(db)
    database.open_charge(db, sleeper, price=PRICE, budget=None)
    database.reap_stalled(db, now=NOW + 60)
    assert database.get_batch(db, batch_id).status is BatchStatus.FINISHED
    database.save_task_id(db, sleeper, "late")
    database.requeue_record(db, sleeper, not_before=0.0)
    again = queue.claimed(db, NOW + 61)
    assert (again.id, again.task_id) == (ids[0], "late")


def test_a_blocking_problem_is_shown_for_a_manually_paused_batch_too(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, _ = queue.add(db)
    database.pause_batch(db, batch_id)
    database.pause_batch(db, batch_id, "密钥不对", stops_fetching=True)
    assert str(database.list_pauses(db)[batch_id].reason) == "密钥不对"
    database.pause_batch(db, batch_id, "预算已到")
    assert str(database.list_pauses(db)[batch_id].reason) == "密钥不对"


def test_the_version_of_a_batch_only_grows(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = queue.add(db, *[ImageRequest(prompt="猫")] * 3)
    for _ in ids:
        database.fail_record(db, queue.claimed(db), REFUSED)
    before = database.get_batch_version(db, batch_id)
    _, undo = database.delete_with_undo(db, ids)
    assert database.get_batch_version(db, batch_id) > before
    assert database.undo_delete(db, undo) == len(ids)
