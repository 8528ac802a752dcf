"""Batches of which a sample is tried first: states, counts, cancellation and undo."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

import database
from app.config import Settings
from app.domain import BatchStatus, ImageRequest, PauseCause, Status
from app.errors import Billed, Conflict, ModelError
from app.orders.place import place
from tests.core.queue import queue
from tests.core.queue.queue import CAT, NOW, REFUSED, SAVED
from tests.specs import ANY


def test_only_the_rows_of_the_sample_are_queued_with_all_their_pictures(db: database.Connection) -> None:
    batch_id, ids = queue.add_sample(db, rows=4, pictures=2)
    queued, held = [Status.QUEUED] * 2, [Status.HELD] * 2
    assert queue.statuses(db, ids) == [*queued, *held, *held, *queued]
    assert len(set(queue.stems(db))) == len(ids)
    batch = database.get_batch(db, batch_id)
    assert (batch.status, batch.total, batch.counts[Status.HELD]) == (BatchStatus.QUEUED, 8, 4)
    queue.claimed(db)
    assert queue.batch_status(db, batch_id) is BatchStatus.RUNNING


def test_rows_that_are_left_out_are_no_part_of_the_sample(db: database.Connection) -> None:
    queue.add(db)
    rows = [CAT, *(ImageRequest(prompt=name) for name in "一二三"), CAT]
    placed = place(db, queue.submission(*rows, skips=[True] * 5, sample=2))
    assert [row.row for row in placed.skipped] == [1, 5]
    assert queue.statuses(db, placed.ids) == [Status.QUEUED, Status.HELD, Status.QUEUED]


def test_a_done_sample_pauses_its_batch_and_says_so(db: database.Connection) -> None:
    batch_id, ids = queue.add_sample(db)
    queue.make(db)
    assert queue.cause(db, batch_id) == ""
    database.fail_record(db, queue.claimed(db), REFUSED)
    batch = database.get_batch(db, batch_id)
    assert (batch.status, batch.paused_cause) == (BatchStatus.PAUSED, PauseCause.SAMPLE)
    assert str(batch.paused_reason) == "先试的 2 行做完了，看过再放行其余 4 行"
    assert (batch.done, batch.eta_seconds) == (2, None)
    assert queue.claim(db) is None
    assert queue.statuses(db, ids[1:5]) == [Status.HELD] * 4
    assert queue.log(db, batch_id)[-1] == str(batch.paused_reason)


def test_held_records_count_neither_as_open_work_nor_as_trouble(db: database.Connection) -> None:
    queue.add_sample(db)
    queue.claimed(db)
    assert database.count_open_work(db) == (1, 1, 2)
    database.fail_record(db, database.get_record(db, 1), REFUSED)
    queue.make(db)
    assert database.count_open_work(db) == (0, 0, 0)
    assert [each.is_problem for each in database.list_pauses(db).values()] == [False]


def test_a_batch_paused_by_its_user_waits_for_its_release_when_its_sample_is_done(
    db: database.Connection,
) -> None:
    batch_id, _ = queue.add_sample(db)
    first, second = queue.claimed(db), queue.claimed(db)
    database.pause_batch(db, batch_id)
    database.finish_record(db, first, SAVED)
    assert queue.batch_status(db, batch_id) is BatchStatus.RUNNING
    database.finish_record(db, second, SAVED)
    assert queue.cause(db, batch_id) == PauseCause.SAMPLE


def test_a_batch_with_only_held_records_is_not_resumed(db: database.Connection) -> None:
    batch_id, _ = queue.add_sample(db)
    queue.end(db, None, None)
    with pytest.raises(Conflict, match="放行"):
        database.resume_batch(db, batch_id, models=[ANY.model_id])
    assert queue.cause(db, batch_id) == PauseCause.SAMPLE


def test_a_retry_in_the_sample_runs_and_leaves_the_held_records(db: database.Connection) -> None:
    batch_id, ids = queue.add_sample(db)
    database.fail_record(db, queue.claimed(db), REFUSED)
    queue.make(db)
    assert queue.retry(db, batch_id).number == 1
    assert queue.batch_status(db, batch_id) is BatchStatus.RUNNING
    queue.make(db)
    assert queue.cause(db, batch_id) == PauseCause.SAMPLE
    assert queue.statuses(db, ids[1:5]) == [Status.HELD] * 4


@pytest.mark.parametrize("done", [0, 1, 2])
def test_cancelling_cancels_the_held_records_and_its_undo_holds_them_again(
    db: database.Connection, done: int
) -> None:
    batch_id, ids = queue.add_sample(db)
    queue.end(db, *[None] * done)
    before = queue.statuses(db, ids)
    cancelled = database.cancel_batch(db, batch_id)
    assert cancelled.number == 6 - done
    assert queue.batch_status(db, batch_id) is BatchStatus.CANCELLED
    assert queue.undo(db, batch_id, cancelled) == 6 - done
    assert queue.statuses(db, ids) == before
    assert queue.cause(db, batch_id) == (PauseCause.SAMPLE if done == 2 else "")
    queue.end(db, *[None] * (2 - done))
    assert queue.cause(db, batch_id) == PauseCause.SAMPLE


def test_cancelling_the_last_record_of_the_sample_waits_for_the_release(db: database.Connection) -> None:
    batch_id, ids = queue.add_sample(db)
    queue.make(db)
    database.cancel_record(db, ids[-1])
    assert queue.batch_status(db, batch_id) is BatchStatus.PAUSED
    assert queue.cause(db, batch_id) == PauseCause.SAMPLE


def test_one_held_record_is_cancelled_and_restored(db: database.Connection) -> None:
    batch_id, ids = queue.add_sample(db)
    queue.end(db, None, None)
    _, cancelled = database.cancel_record(db, ids[2])
    reason = database.get_batch(db, batch_id).paused_reason
    assert str(reason) == "先试的 2 行做完了，看过再放行其余 3 行"
    queue.undo(db, batch_id, cancelled)
    assert queue.status_of(db, ids[2]) is Status.HELD
    assert str(database.get_batch(db, batch_id).paused_reason).endswith("其余 4 行")


def test_a_record_that_a_suspended_worker_returns_reopens_its_batch(db: database.Connection) -> None:
    batch_id, _ = queue.add_sample(db, sample=1)
    record = queue.charged(db, price=None)
    database.reap_stalled(db, now=NOW + 3_600)
    assert queue.cause(db, batch_id) == PauseCause.SAMPLE
    error = ModelError("稍后再试", cause="service", billed=Billed.NO, retryable=True)
    database.requeue_record(db, record, not_before=0, error=error)
    assert queue.batch_status(db, batch_id) is BatchStatus.QUEUED
    queue.make(db)
    assert queue.cause(db, batch_id) == PauseCause.SAMPLE


def test_a_late_problem_of_a_suspended_worker_does_not_hide_that_rows_wait(db: database.Connection) -> None:
    batch_id, _ = queue.add_sample(db, sample=1)
    queue.make(db)
    database.pause_batch(db, batch_id, "磁盘满了", cause=PauseCause.DISK, stops_fetching=True)
    assert queue.cause(db, batch_id) == PauseCause.SAMPLE


def test_held_rows_are_under_way_for_equal_rows(db: database.Connection) -> None:
    queue.add_sample(db, rows=3, sample=1)
    assert queue.add(db, replace(CAT, num_images=3), skips=[True]) == ("", [])


@pytest.mark.sqlite
def test_in_a_backup_a_batch_with_held_records_warns_of_paying_twice(
    db: database.Connection, settings: Settings, tmp_path: Path
) -> None:
    batch_id, ids = queue.add_sample(db)
    queue.end(db, None, None)
    database.back_up(settings.database_path, tmp_path / "copy.db")
    with closing(database.connect(tmp_path / "copy.db")) as copy:
        batch = database.get_batch(copy, batch_id)
        assert batch.paused_cause == PauseCause.SAMPLE
        assert "备份" in str(batch.paused_reason)
        assert queue.statuses(copy, ids[1:5]) == [Status.HELD] * 4
