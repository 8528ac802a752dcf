"""Records that are queued again: which, with what request, and in which state of their batch."""

from dataclasses import replace
from decimal import Decimal

import pytest

import database
from app.domain import BatchStatus, Models, ModelSpec, SkippedRow, Status
from app.errors import Billed, Conflict
from app.orders.place import place
from app.orders.repeats import Retry
from tests.core.queue.queue import (
    BILLED,
    CAT,
    DOG,
    LATE,
    LOST,
    add,
    charged,
    claimed,
    fail,
    log,
    make,
    statuses,
    submitted,
)
from tools import orders


def fail_all(db: database.Connection, number: int) -> None:
    for _ in range(number):
        fail(db, Billed.NO)


def test_a_record_that_another_program_adds_at_the_last_moment_counts_as_bought(
    db: database.Connection, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id, _ = add(db, CAT)
    fail_all(db, 1)
    _, (other,) = add(db, CAT)
    db.execute("UPDATE generation_records SET fingerprint = '' WHERE id = :id", {"id": other})
    calls = iter([lambda _: None, database.complete_fingerprints])
    monkeypatch.setattr(database, "complete_fingerprints", lambda db: next(calls)(db))
    done = orders.retry(db, batch_id, models=Models([spec]), skips=True)
    assert (done.ids, done.skipped) == ([], [SkippedRow(row=1, records=[other])])


def test_a_retry_of_a_batch_leaves_other_batches_and_other_ends_alone(
    db: database.Connection, spec: ModelSpec
) -> None:
    other, others = add(db, CAT)
    fail_all(db, 1)
    batch_id, ids = add(db, *[CAT] * 4)
    fail_all(db, 1)
    database.fail_record(db, charged(db), LOST)
    make(db)
    database.cancel_record(db, ids[3])
    assert orders.retry(db, batch_id, models=Models([spec])).number == 1
    assert statuses(db, ids) == [Status.QUEUED, Status.UNKNOWN, Status.SUCCESS, Status.CANCELLED]
    assert statuses(db, others) == [Status.FAILED]
    assert database.get_batch(db, other).status is BatchStatus.FINISHED
    assert log(db, batch_id)[-1] == "重试 1 张"


def test_a_batch_without_failures_has_nothing_to_retry(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = add(db, CAT)
    make(db)
    before = log(db, batch_id)
    assert orders.retry(db, batch_id, models=Models([spec])).number == 0
    assert log(db, batch_id) == before


def test_a_retry_leaves_out_what_the_model_does_not_support_unless_nothing_else_is_left(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, CAT, CAT)
    fail_all(db, 2)
    db.execute("UPDATE generation_records SET aspect_ratio = '5:1' WHERE id = :id", {"id": ids[0]})
    assert orders.retry(db, batch_id, models=Models([spec])).number == 1
    assert statuses(db, ids) == [Status.FAILED, Status.QUEUED]
    with pytest.raises(Conflict, match=r"第 1 行：现在的模型不能重试"):
        orders.retry(db, batch_id, models=Models([spec]))


def test_what_the_model_does_not_support_is_still_fetched(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, CAT)
    fail(db, Billed.NO, task_id="t-1")
    db.execute("UPDATE generation_records SET aspect_ratio = '5:1'")
    assert orders.retry(db, batch_id, models=Models([spec])).number == 1
    record = database.get_record(db, ids[0])
    assert (record.task_id, record.aspect_ratio) == ("t-1", "5:1")


def test_a_record_goes_to_another_model_without_what_that_does_not_take(
    db: database.Connection, spec: ModelSpec
) -> None:
    asked = replace(CAT, seed=7, steps=20, num_images=2)
    batch_id, ids = add(db, asked)
    fail_all(db, 2)
    plain = replace(spec, model_id="plain", takes_seed=False, takes_steps=False)
    assert orders.retry(db, batch_id, ids[:1], models=Models([plain])).number == 1
    first, second = (database.get_record(db, each) for each in ids)
    assert (first.model, first.seed, first.steps) == ("plain", None, None)
    assert (second.model, second.seed, second.steps) == ("test-1", 8, 20)
    prints = db.execute("SELECT fingerprint FROM generation_records ORDER BY id").fetchall()
    assert prints[0]["fingerprint"] != prints[1]["fingerprint"]


def test_a_fetched_record_keeps_its_model_and_its_fingerprint(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, replace(CAT, seed=7, steps=20))
    fail(db, Billed.NO, task_id="t-1")
    db.execute("UPDATE generation_records SET fingerprint = 'of its row'")
    before = db.execute("SELECT fingerprint, seed, steps FROM generation_records").fetchone()
    orders.retry(db, batch_id, ids, models=Models([spec]))
    after = db.execute("SELECT fingerprint, seed, steps FROM generation_records").fetchone()
    assert tuple(after) == tuple(before)


def test_a_retried_record_begins_anew(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, CAT)
    fail_all(db, 1)
    db.execute(
        "UPDATE generation_records SET retries = 4, throttle_count = 9, crash_count = 4, pick = 'keep'"
    )
    orders.retry(db, batch_id, ids, models=Models([spec]))
    record = database.get_record(db, ids[0])
    counts = (record.retries, record.throttle_count, record.crash_count, record.pick)
    assert counts == (0, 0, 0, "")
    assert (str(record.error), record.cause, record.finished_at) == ("", "", None)


@pytest.mark.parametrize("is_paused", [False, True])
def test_a_retry_that_waits_for_its_batch_says_so(
    db: database.Connection, spec: ModelSpec, is_paused: bool
) -> None:
    batch_id, _ = add(db, CAT, CAT)
    fail_all(db, 1)
    if is_paused:
        database.pause_batch(db, batch_id)
    orders.retry(db, batch_id, models=Models([spec]))
    assert log(db, batch_id)[-1] == ("重试 1 张，等批次继续" if is_paused else "重试 1 张")


def test_a_retry_that_is_only_fetched_waits_for_nothing(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = add(db, CAT, CAT)
    fail(db, Billed.NO, task_id="t-1")
    database.pause_batch(db, batch_id)
    orders.retry(db, batch_id, models=Models([spec]))
    assert log(db, batch_id)[-1] == "重试 1 张"
    assert claimed(db).task_id == "t-1"


def test_nothing_to_queue_leaves_a_paused_batch_as_it_is(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = add(db, CAT)
    database.pause_batch(db, batch_id)
    before = log(db, batch_id)
    assert orders.retry(db, batch_id, models=Models([spec])).number == 0
    assert log(db, batch_id) == before


@pytest.mark.parametrize(
    ("state", "paused", "fetch_only", "expected"),
    [
        ("active", False, False, ("active", "", "seen")),
        ("active", True, False, ("active", "", "seen")),
        ("finished", False, False, ("active", "", "")),
        ("finished", True, False, ("paused", "user", "")),
        ("cancelled", False, False, ("active", "", "")),
        ("cancelled", False, True, ("cancelled", "", "seen")),
        ("finished", False, True, ("active", "", "")),
        ("paused", False, False, ("paused", "key", "seen")),
        ("paused", True, False, ("paused", "key", "seen")),
        ("sample", False, False, ("active", "", "")),
        ("sample", True, False, ("paused", "user", "")),
    ],
)
def test_the_state_of_a_batch_with_records_queued_again(
    db: database.Connection, state: str, paused: bool, fetch_only: bool, expected: tuple[str, str, str]
) -> None:
    batch_id, _ = add(db, CAT)
    other, _ = add(db, CAT)
    cause = {"paused": "key", "sample": "sample"}.get(state, "")
    db.execute("UPDATE batches SET outcomes = 'seen'")
    db.execute(
        "UPDATE batches SET state = :state, paused_cause = :cause WHERE id = :id",
        {"state": "paused" if cause else state, "cause": cause, "id": batch_id},
    )
    db.execute("UPDATE batches SET state = 'finished' WHERE id = :id", {"id": other})
    with database.transaction(db):
        is_paused = database.activate_batch(db, batch_id, paused=paused, fetch_only=fetch_only)
    row = db.execute(
        "SELECT state, paused_cause, outcomes FROM batches WHERE id = :id", {"id": batch_id}
    ).fetchone()
    assert tuple(row) == expected
    assert is_paused is (expected[0] == "paused")
    unchanged = db.execute("SELECT state, outcomes FROM batches WHERE id = :id", {"id": other}).fetchone()
    assert tuple(unchanged) == ("finished", "seen")


def test_fetching_asks_for_no_model_of_the_other_records(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, CAT, CAT)
    database.fail_record(db, submitted(db), LATE)
    db.execute("UPDATE generation_records SET model = 'gone' WHERE id = :id", {"id": ids[1]})
    with pytest.raises(Conflict, match="gone"):
        orders.retry(db, batch_id, ids[:1], models=Models([spec]))
    assert orders.refetch(db, ids[:1], models=Models([spec])).number == 1


def test_only_the_models_that_make_what_is_retried_are_asked_for(
    db: database.Connection, spec: ModelSpec
) -> None:
    """Not those of charged failures, of what is fetched, or of records in the trash."""
    rows: list[dict[str, object]] = [{}, {"cost_micros": 1}, {"task_id": "t"}, {"deleted_at": "2026-01-01"}]
    batch_id, ids = add(db, *[CAT] * len(rows))
    for name, (record_id, more) in zip("abcd", zip(ids, rows, strict=True), strict=True):
        values = {"model": name, "status": "failed", **more}
        assignments = ", ".join(f"{each} = :{each}" for each in values)
        db.execute(f"UPDATE generation_records SET {assignments} WHERE id = :id", values | {"id": record_id})
    asked: list[str] = []
    order = Retry(
        models=Models([replace(spec, model_id=name) for name in "abcd"]),
        batch_id=batch_id,
        require=lambda requests: asked.extend(request.model for request in requests),
    )
    assert place(db, order).ids == [ids[0], ids[2]]
    assert asked == ["a"]


def test_a_row_of_two_pictures_with_new_words_is_left_out_by_picture(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, replace(DOG, num_images=2))
    fail_all(db, 2)
    _, cats = add(db, CAT)
    done = orders.retry(
        db,
        batch_id,
        ids,
        models=Models([spec]),
        changes={each: {"prompt": "猫"} for each in ids},
        skips=True,
    )
    assert (done.number, done.skipped) == (1, [SkippedRow(row=1, records=cats)])


def test_what_was_fetched_in_vain_is_billed_or_not_as_the_service_says(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, CAT)
    database.fail_record(db, submitted(db), LATE)
    orders.retry(db, batch_id, ids, models=Models([spec]))
    database.fail_record(db, claimed(db), BILLED)
    record = database.get_record(db, ids[0])
    assert (record.cost, record.at_stake, record.task_id) == (Decimal("0.22"), Decimal(0), None)


@pytest.mark.parametrize("skips_bought", [False, True])
def test_a_retry_completes_fingerprints_before_its_transaction_where_they_are_compared(
    db: database.Connection, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch, skips_bought: bool
) -> None:
    calls: list[bool] = []
    monkeypatch.setattr(database, "complete_fingerprints", lambda db: calls.append(db.in_transaction))
    batch_id, _ = add(db, CAT)
    fail_all(db, 1)
    orders.retry(db, batch_id, models=Models([spec]), skips=skips_bought)
    assert calls == [False] * skips_bought


def test_a_batch_whose_failures_are_in_the_trash_has_nothing_to_retry(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, _ = add(db, CAT)
    database.delete_records(db, [fail(db, Billed.NO)])
    assert orders.retry(db, batch_id, models=Models([spec])).number == 0
