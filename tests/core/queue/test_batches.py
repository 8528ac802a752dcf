"""The states of a batch: what a pause, a resume and an end change, of which batches and records."""

import pytest

import database
from app.core.pauses import finish_if_done, reopen
from app.domain import BatchStatus, Models, ModelSpec, PauseCause, Status
from app.errors import Conflict
from tests.core.queue.queue import (
    BILLED,
    CAT,
    NOW,
    REFUSED,
    SAVED,
    add,
    add_sample,
    claim,
    claimed,
    log,
    submitted,
)
from tools import orders


def fetchable(db: database.Connection) -> dict[str, int]:
    """Task id -> whether it is fetched while its batch is paused."""
    sql = "SELECT task_id, fetch_while_paused FROM generation_records WHERE task_id IS NOT NULL ORDER BY id"
    return {row["task_id"]: row["fetch_while_paused"] for row in db.execute(sql)}


def state(db: database.Connection, batch_id: str) -> tuple[str, str, str]:
    row = db.execute(
        "SELECT state, paused_cause, paused_reason FROM batches WHERE id = :id", {"id": batch_id}
    ).fetchone()
    return tuple(row)


def queue_submitted(db: database.Connection, *task_ids: str) -> None:
    for task_id in task_ids:
        record = submitted(db, task_id)
        database.requeue_record(db, record, not_before=NOW + 60)


@pytest.mark.parametrize(
    ("model", "stops", "fetched"),
    [(None, True, ["t-4"]), ("test-1", True, ["t-2", "t-4"]), (None, False, ["t-1", "t-2", "t-4"])],
)
def test_a_pause_stops_fetching_only_for_its_batch_and_model_and_cause(
    db: database.Connection, model: str | None, stops: bool, fetched: list[str]
) -> None:
    batch_id, ids = add(db, CAT, CAT, CAT)
    queue_submitted(db, "t-1", "t-2")
    submitted(db, "t-3")  # under way
    db.execute("UPDATE generation_records SET model = 'other' WHERE id = :id", {"id": ids[1]})
    db.execute("UPDATE generation_records SET fetch_while_paused = 1 WHERE id = :id", {"id": ids[2]})
    add(db)
    queue_submitted(db, "t-4")
    database.pause_batch(db, batch_id, "密钥不对", cause=PauseCause.KEY, stops_fetching=stops, model=model)
    found = fetchable(db)
    assert found.pop("t-3") == 1
    assert [task_id for task_id, is_fetched in found.items() if is_fetched] == fetched


@pytest.mark.parametrize(
    ("before", "stops", "reason", "after"),
    [
        (("active", "", ""), False, "新的", ("paused", "key", "新的")),
        (("paused", "disk", "旧的"), False, "新的", ("paused", "disk", "旧的")),
        (("paused", "disk", "旧的"), True, "新的", ("paused", "key", "新的")),
        (("paused", "disk", "新的"), True, "新的", ("paused", "disk", "新的")),
        (("paused", "sample", "旧的"), True, "新的", ("paused", "sample", "旧的")),
        (("finished", "", ""), True, "新的", ("finished", "", "")),
        (("cancelled", "", ""), True, "新的", ("cancelled", "", "")),
    ],
)
def test_which_batches_a_pause_changes(
    db: database.Connection,
    spec: ModelSpec,
    before: tuple[str, str, str],
    stops: bool,
    reason: str,
    after: tuple[str, str, str],
) -> None:
    batch_id, _ = add(db)
    other, _ = add(db)
    db.execute(
        "UPDATE batches SET state = :state, paused_cause = :cause, paused_reason = :reason WHERE id = :id",
        {"state": before[0], "cause": before[1], "reason": before[2], "id": batch_id},
    )
    database.pause_batch(db, batch_id, reason, cause=PauseCause.KEY, stops_fetching=stops)
    assert state(db, batch_id) == after
    assert state(db, other) == ("active", "", "")
    assert (log(db, batch_id)[-1:] == [f"已暂停：{reason}"]) is (before != after)


def test_a_pause_of_the_user_has_no_reason(db: database.Connection) -> None:
    batch_id, _ = add(db)
    database.pause_batch(db, batch_id)
    assert log(db, batch_id)[-1] == "已暂停"


def test_a_resumed_batch_tries_its_own_records_at_once(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = add(db, CAT, CAT, CAT)
    queue_submitted(db, "t-1")
    database.requeue_record(db, claimed(db), not_before=NOW + 60, error=REFUSED)
    running = claimed(db)
    db.execute("UPDATE generation_records SET retries = 3, not_before = :later", {"later": NOW + 60})
    other, others = add(db)
    database.requeue_record(db, claimed(db), not_before=NOW + 60, error=REFUSED)
    for paused in (batch_id, other):
        database.pause_batch(db, paused, "磁盘满了", cause=PauseCause.DISK, stops_fetching=True)
    database.resume_batch(db, batch_id, models=[spec.model_id])
    assert fetchable(db) == {"t-1": 1}
    rows = db.execute("SELECT id, retries, not_before FROM generation_records").fetchall()
    waits = [row["id"] for row in rows if row["not_before"]]
    assert waits == [running.id, *others]
    assert {row["retries"] for row in rows if row["id"] not in (running.id, *others)} == {0}
    assert state(db, other)[0] == "paused"
    assert log(db, batch_id)[-1] == "继续生成"


@pytest.mark.parametrize("before", ["active", "finished", "cancelled"])
def test_only_a_paused_batch_is_resumed(db: database.Connection, spec: ModelSpec, before: str) -> None:
    batch_id, ids = add(db)
    database.requeue_record(db, claimed(db), not_before=NOW + 60, error=REFUSED)
    db.execute("UPDATE batches SET state = :state", {"state": before})
    database.resume_batch(db, batch_id, models=[spec.model_id])
    assert database.get_record(db, ids[0]).not_before == NOW + 60
    assert (state(db, batch_id)[0], "继续生成" in log(db, batch_id)) == (before, False)


def test_a_batch_that_was_paused_and_is_done_finishes_when_it_is_resumed(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, _ = add(db)
    db.execute("UPDATE generation_records SET status = 'success'")
    database.pause_batch(db, batch_id)
    database.resume_batch(db, batch_id, models=[spec.model_id])
    assert state(db, batch_id)[0] == "finished"


@pytest.mark.parametrize(("status", "may_resume"), [("queued", True), ("running", True), ("success", False)])
def test_a_batch_with_held_records_is_resumed_while_others_are_left(
    db: database.Connection, spec: ModelSpec, status: str, may_resume: bool
) -> None:
    batch_id, _ = add_sample(db, rows=2, sample=1)
    db.execute("UPDATE generation_records SET status = :status WHERE status = 'queued'", {"status": status})
    database.pause_batch(db, batch_id)
    if not may_resume:
        with pytest.raises(Conflict, match="放行"):
            database.resume_batch(db, batch_id, models=[spec.model_id])
    else:
        database.resume_batch(db, batch_id, models=[spec.model_id])
    assert (state(db, batch_id)[0] == "active") is may_resume


@pytest.mark.parametrize(
    ("before", "status", "after"),
    [
        *(("active", "success", "finished"), ("paused", "success", "finished")),
        *(("cancelled", "success", "cancelled"), ("finished", "success", "finished")),
        *(("active", "queued", "active"), ("active", "running", "active"), ("active", "held", "paused")),
    ],
)
def test_a_batch_ends_once_nothing_of_it_is_left(
    db: database.Connection, before: str, status: str, after: str
) -> None:
    add(db)
    batch_id, _ = add(db)
    other, _ = add(db)
    db.execute("UPDATE batches SET state = :state WHERE id = :id", {"state": before, "id": batch_id})
    db.execute(
        "UPDATE generation_records SET status = :status WHERE batch_id = :id",
        {"status": status, "id": batch_id},
    )
    with database.transaction(db):
        finish_if_done(db, batch_id)
        finish_if_done(db, None)
    assert state(db, batch_id)[0] == after
    assert state(db, other)[0] == "active"
    assert ("批次完成" in log(db, batch_id)) is (before != after == "finished")


def test_a_sample_tells_how_many_of_its_own_rows_were_tried_and_wait(db: database.Connection) -> None:
    add_sample(db, rows=3, sample=1)
    db.execute("UPDATE batches SET state = 'cancelled'")
    batch_id, ids = add_sample(db, rows=5, sample=2, pictures=2)
    other, _ = add(db)
    db.execute("UPDATE generation_records SET status = 'running' WHERE id = :id", {"id": ids[0]})
    database.cancel_record(db, ids[1])
    for record_id in ids[-2:]:
        database.cancel_record(db, record_id)
    database.finish_record(db, database.get_record(db, ids[0]), SAVED)
    reason = "先试的 1 行做完了，看过再放行其余 3 行"
    assert state(db, batch_id) == ("paused", "sample", reason)
    assert state(db, other) == ("active", "", "")
    assert log(db, batch_id).count(reason) == 1
    with database.transaction(db):
        finish_if_done(db, batch_id)
    assert log(db, batch_id).count(reason) == 1


@pytest.mark.parametrize(
    ("before", "cause", "after"),
    [
        *(("finished", "", "active"), ("paused", "sample", "active"), ("paused", "user", "paused")),
        *(("cancelled", "", "cancelled"), ("active", "", "active")),
    ],
)
def test_which_batches_new_work_reopens(db: database.Connection, before: str, cause: str, after: str) -> None:
    batch_id, _ = add(db)
    other, _ = add(db)
    db.execute("UPDATE batches SET state = :state, paused_cause = :cause", {"state": before, "cause": cause})
    with database.transaction(db):
        reopen(db, batch_id)
    assert state(db, batch_id)[0] == after
    assert state(db, other)[0] == before


def test_only_failures_of_the_batch_that_were_not_charged_count_as_retryable(
    db: database.Connection, spec: ModelSpec
) -> None:
    add(db)
    database.fail_record(db, claimed(db), REFUSED)
    batch_id, _ = add(db, CAT, CAT)
    charged = claimed(db)
    database.open_charge(db, charged, price=spec.price(CAT), budget=None)
    database.fail_record(db, charged, BILLED)
    database.fail_record(db, claimed(db), REFUSED)
    batch = database.get_batch(db, batch_id)
    assert (batch.retryable, batch.status, batch.counts[Status.FAILED]) == (1, BatchStatus.FINISHED, 2)
    assert claim(db) is None
    assert orders.retry(db, batch_id, models=Models([spec])).number == 1
    assert database.get_batch(db, batch_id).retryable == 0


def test_what_a_pause_kept_from_being_fetched_is_fetched_in_the_next_pause(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, _ = add(db)
    database.requeue_record(db, submitted(db), not_before=0)
    database.pause_batch(db, batch_id, "磁盘满了", cause=PauseCause.DISK, stops_fetching=True)
    assert claim(db) is None
    database.resume_batch(db, batch_id, models=[spec.model_id])
    database.pause_batch(db, batch_id)
    assert claimed(db).task_id == "t-1"
