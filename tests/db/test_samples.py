"""Batches of which a sample is tried first: states, counts, cancellation and undo."""

from contextlib import closing
from pathlib import Path

import pytest

import database
from app.config import Settings
from app.domain import BatchStatus, ImageRequest, Models, ModelSpec, PauseCause, Status
from app.errors import Billed, Conflict, ModelError
from tests.db.test_cancellation import statuses
from tests.db.test_database import NOW, SAVED, claim, claimed

REFUSED = ModelError("违规", cause="moderation", billed=Billed.NO)


def add_sample(
    db: database.Connection, spec: ModelSpec, *, rows: int = 6, sample: int = 2, pictures: int = 1
) -> tuple[str, list[int]]:
    """A batch of equal rows, whose first and last ones are tried first."""
    submission = database.Submission(
        requests=[ImageRequest(prompt="猫", num_images=pictures)] * rows,
        models=Models([spec]),
        stems=["猫"] * rows,
        is_taken=lambda _: False,
        sample=sample,
    )
    return database.add_batch(db, submission)[:2]


def finish(db: database.Connection, *, number: int = 1) -> None:
    for _ in range(number):
        database.finish_record(db, claimed(db), SAVED)


def test_only_the_rows_of_the_sample_are_queued_with_all_their_pictures(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add_sample(db, spec, rows=4, pictures=2)
    queued, held = [Status.QUEUED] * 2, [Status.HELD] * 2
    assert statuses(db, ids) == [*queued, *held, *held, *queued]
    stems = {database.get_record(db, record_id).reserved_stem for record_id in ids}
    assert len(stems) == len(ids)
    batch = database.get_batch(db, batch_id)
    assert (batch.status, batch.total, batch.counts[Status.HELD]) == (BatchStatus.QUEUED, 8, 4)
    claimed(db)
    assert database.get_batch(db, batch_id).status is BatchStatus.RUNNING


def test_a_sample_of_as_many_rows_as_there_are_holds_nothing(
    db: database.Connection, spec: ModelSpec
) -> None:
    _, ids = add_sample(db, spec, rows=3, sample=3)
    assert statuses(db, ids) == [Status.QUEUED] * 3


def test_rows_that_are_left_out_are_no_part_of_the_sample(db: database.Connection, spec: ModelSpec) -> None:
    cat = ImageRequest(prompt="猫")
    database.add_batch(
        db, database.Submission(requests=[cat], models=Models([spec]), stems=["a"], is_taken=lambda _: False)
    )
    submission = database.Submission(
        requests=[cat, *(ImageRequest(prompt=name) for name in "一二三"), cat],
        models=Models([spec]),
        stems=["a"] * 5,
        is_taken=lambda _: False,
        skips=[True] * 5,
        sample=2,
    )
    _, ids, skipped = database.add_batch(db, submission)
    assert [row.row for row in skipped] == [1, 5]
    assert statuses(db, ids) == [Status.QUEUED, Status.HELD, Status.QUEUED]


def test_a_done_sample_pauses_its_batch_and_says_so(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add_sample(db, spec)
    finish(db)
    assert database.get_batch(db, batch_id).paused_cause == ""
    database.fail_record(db, claimed(db), REFUSED)
    batch = database.get_batch(db, batch_id)
    assert (batch.status, batch.paused_cause) == (BatchStatus.PAUSED, PauseCause.SAMPLE)
    assert str(batch.paused_reason) == "先试的 2 行做完了，看过再放行其余 4 行"
    assert (batch.done, batch.eta_seconds) == (2, None)
    assert claim(db) is None
    assert statuses(db, ids[1:5]) == [Status.HELD] * 4
    assert [str(line.text) for line in database.list_log(db, batch_id)][-1] == str(batch.paused_reason)


def test_held_records_count_neither_as_open_work_nor_as_trouble(
    db: database.Connection, spec: ModelSpec
) -> None:
    add_sample(db, spec)
    claimed(db)
    assert database.count_open_work(db) == (1, 1, 2)
    database.fail_record(db, database.get_record(db, 1), REFUSED)
    finish(db)
    assert database.count_open_work(db) == (0, 0, 0)
    assert not any(database.get_paused_batch(db))


def test_a_batch_paused_by_its_user_waits_for_its_release_when_its_sample_is_done(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, _ = add_sample(db, spec)
    first, second = claimed(db), claimed(db)
    database.pause_batch(db, batch_id)
    database.finish_record(db, first, SAVED)
    assert database.get_batch(db, batch_id).status is BatchStatus.RUNNING
    database.finish_record(db, second, SAVED)
    assert database.get_batch(db, batch_id).paused_cause == PauseCause.SAMPLE


def test_a_batch_with_only_held_records_is_not_resumed(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = add_sample(db, spec)
    finish(db, number=2)
    with pytest.raises(Conflict, match="放行"):
        database.resume_batch(db, batch_id, models=[spec.model_id])
    assert database.get_batch(db, batch_id).paused_cause == PauseCause.SAMPLE


def test_a_retry_in_the_sample_runs_and_leaves_the_held_records(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add_sample(db, spec)
    database.fail_record(db, claimed(db), REFUSED)
    finish(db)
    assert database.retry_records(db, batch_id, models=Models([spec])).number == 1
    assert database.get_batch(db, batch_id).status is BatchStatus.RUNNING
    finish(db)
    assert database.get_batch(db, batch_id).paused_cause == PauseCause.SAMPLE
    assert statuses(db, ids[1:5]) == [Status.HELD] * 4


@pytest.mark.parametrize("done", [0, 1, 2])
def test_cancelling_cancels_the_held_records_and_its_undo_holds_them_again(
    db: database.Connection, spec: ModelSpec, done: int
) -> None:
    batch_id, ids = add_sample(db, spec)
    finish(db, number=done)
    before = statuses(db, ids)
    cancelled = database.cancel_batch(db, batch_id)
    assert cancelled.number == 6 - done
    assert database.get_batch(db, batch_id).status is BatchStatus.CANCELLED
    requeued = database.uncancel_records(
        db, batch_id, [*cancelled.ids], models=Models([spec]), paused=cancelled.was_paused
    )
    assert (requeued.number, statuses(db, ids)) == (6 - done, before)
    batch = database.get_batch(db, batch_id)
    assert batch.paused_cause == (PauseCause.SAMPLE if done == 2 else "")
    finish(db, number=2 - done)
    assert database.get_batch(db, batch_id).paused_cause == PauseCause.SAMPLE


def test_a_cancelled_batch_is_paused_again_by_the_undo(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = add_sample(db, spec)
    database.pause_batch(db, batch_id)
    cancelled = database.cancel_batch(db, batch_id)
    database.uncancel_records(
        db, batch_id, [*cancelled.ids], models=Models([spec]), paused=cancelled.was_paused
    )
    batch = database.get_batch(db, batch_id)
    assert (batch.status, batch.paused_cause) == (BatchStatus.PAUSED, PauseCause.USER)
    assert claim(db) is None


def test_cancelling_the_last_record_of_the_sample_waits_for_the_release(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add_sample(db, spec)
    finish(db)
    database.cancel_record(db, ids[-1])
    batch = database.get_batch(db, batch_id)
    assert (batch.status, batch.paused_cause) == (BatchStatus.PAUSED, PauseCause.SAMPLE)


def test_one_held_record_is_cancelled_and_restored(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add_sample(db, spec)
    finish(db, number=2)
    _, cancelled = database.cancel_record(db, ids[2])
    reason = database.get_batch(db, batch_id).paused_reason
    assert str(reason) == "先试的 2 行做完了，看过再放行其余 3 行"
    database.uncancel_records(db, batch_id, [*cancelled.ids], models=Models([spec]))
    assert database.get_record(db, ids[2]).status is Status.HELD
    assert str(database.get_batch(db, batch_id).paused_reason).endswith("其余 4 行")


def test_a_record_that_a_suspended_worker_returns_reopens_its_batch(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, _ = add_sample(db, spec, sample=1)
    record = claimed(db)
    database.open_charge(db, record, price=None, budget=None)
    database.reap_stalled(db, now=NOW + 3_600)
    assert database.get_batch(db, batch_id).paused_cause == PauseCause.SAMPLE
    error = ModelError("稍后再试", cause="service", billed=Billed.NO, retryable=True)
    database.requeue_record(db, record, not_before=0, error=error)
    assert database.get_batch(db, batch_id).status is BatchStatus.QUEUED
    finish(db)
    assert database.get_batch(db, batch_id).paused_cause == PauseCause.SAMPLE


def test_a_late_problem_of_a_suspended_worker_does_not_hide_that_rows_wait(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, _ = add_sample(db, spec, sample=1)
    finish(db)
    database.pause_batch(db, batch_id, "磁盘满了", cause=PauseCause.DISK, stops_fetching=True)
    assert database.get_batch(db, batch_id).paused_cause == PauseCause.SAMPLE


def test_held_rows_are_under_way_for_equal_rows(db: database.Connection, spec: ModelSpec) -> None:
    add_sample(db, spec, rows=3, sample=1)
    submission = database.Submission(
        requests=[ImageRequest(prompt="猫", num_images=3)],
        models=Models([spec]),
        stems=["x"],
        is_taken=lambda _: False,
        skips=[True],
    )
    assert database.add_batch(db, submission).batch_id == ""


@pytest.mark.sqlite
def test_in_a_backup_a_batch_with_held_records_warns_of_paying_twice(
    db: database.Connection, spec: ModelSpec, settings: Settings, tmp_path: Path
) -> None:
    batch_id, ids = add_sample(db, spec)
    finish(db, number=2)
    database.back_up(settings.database_path, tmp_path / "copy.db")
    with closing(database.connect(tmp_path / "copy.db")) as copy:
        batch = database.get_batch(copy, batch_id)
        assert batch.paused_cause == PauseCause.SAMPLE
        assert "备份" in str(batch.paused_reason)
        assert statuses(copy, ids[1:5]) == [Status.HELD] * 4
