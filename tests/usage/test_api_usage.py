"""The ledger: sums, unresolved charges, and manual resolutions."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from flask.testing import FlaskClient

import database
from app.config import Settings
from app.domain import BatchStatus, ImageRequest, Models, Record, Status
from app.errors import Billed, Conflict, ModelError
from app.usage.sql import count_failures, list_charges, spend_by_batch, spend_by_span, total_spend
from tests.core.queue import queue
from tests.core.queue.queue import MODELS, PRICE, REFUSED, SAVED
from tests.specs import ANY
from tests.web.harness import get
from tools import orders
from web_app import create_app

MODEL = ANY.model_id
EVER = ("2000-01-01", "2100-01-01")


def cats(db: database.Connection, number: int = 1, name: str = "") -> tuple[str, list[int]]:
    """A batch of so many rows -> its id, and those of its records."""
    return queue.add(db, *(ImageRequest(prompt=f"猫 {n}") for n in range(number)), name=name)


def unknown_record(db: database.Connection, task_id: str = "") -> tuple[str, int]:
    """A record of unknown outcome -> its batch and its id."""
    batch_id, _ = cats(db)
    return batch_id, queue.fail(db, Billed.UNKNOWN, task_id=task_id)


def finish(db: database.Connection, record: Record) -> None:
    assert database.finish_record(db, record, SAVED)


def test_confirmed_and_possible_charges_are_separate(db: database.Connection) -> None:
    cats(db, 4)
    finish(db, queue.charged(db))
    queue.fail(db, Billed.UNKNOWN)
    database.fail_record(db, queue.charged(db), REFUSED)
    queue.charged(db)
    spent = total_spend(db)
    assert (spent.billed, spent.unknown, spent.open) == (PRICE, PRICE, PRICE)
    assert (spent.pictures, spent.unknown_charges, spent.open_charges, spent.unpaid_charges) == (1, 1, 1, 1)
    assert queue.spent(db) == 3 * PRICE


@pytest.mark.parametrize("clock", ["16:00:00", "18:30:00"], ids=["whole hours", "half hours, as in India"])
def test_costs_are_summed_by_period_and_model(db: database.Connection, clock: str) -> None:
    cats(db, 3)
    times = ("2026-03-01 15:59:59.999", f"2026-03-01 {clock}.000", f"2026-03-02 {clock}.000")
    for moment in times:
        finish(db, queue.charged(db))
        db.execute("UPDATE charges SET opened_at = ? WHERE id = (SELECT max(id) FROM charges)", [moment])
    days = [f"2026-{day} {clock}" for day in ("02-28", "03-01", "03-02", "03-03")]
    spans = spend_by_span(db, days)
    assert [span[MODEL].pictures for span in spans] == [1, 1, 1]
    assert spans[0][MODEL].billed == PRICE


def test_a_batch_has_its_totals(db: database.Connection) -> None:
    first, _ = cats(db, 2, name="春季")
    finish(db, queue.charged(db))
    queue.fail(db, Billed.UNKNOWN)
    second, _ = cats(db)
    found = spend_by_batch(db, *EVER, limit=9)
    assert [(b.id, b.name, b.spent.billed, b.spent.unknown) for b in found] == [
        (second, "", Decimal(0), Decimal(0)),
        (first, "春季", PRICE, PRICE),
    ]
    assert spend_by_batch(db, EVER[1], EVER[1], limit=9) == []


def test_failures_are_counted_by_cause(db: database.Connection) -> None:
    cats(db, 3)
    for cause in ("moderation", "network", "moderation"):
        error = ModelError("坏了", cause=cause, billed=Billed.NO)
        database.fail_record(db, queue.charged(db), error)
    assert count_failures(db, *EVER) == {"moderation": 2, "network": 1}


def test_ledger_lines_include_purged_records(db: database.Connection) -> None:
    batch_id, ids = cats(db, 2, name="春季")
    finish(db, queue.submitted(db, "t-1"))
    queue.fail(db, Billed.UNKNOWN)
    db.execute("DELETE FROM generation_records WHERE id = ?", [ids[1]])
    lines = list(list_charges(db, *EVER))
    assert [(line.record_id, line.task_id, line.billed, line.at_stake) for line in lines] == [
        (ids[0], "t-1", PRICE, Decimal(0)),
        (ids[1], "", Decimal(0), PRICE),
    ]
    assert [(line.prompt, line.row_number, line.batch_name) for line in lines] == [
        ("猫 0", 1, "春季"),
        ("", None, "春季"),
    ]
    assert lines[0].batch_id == batch_id


def test_unresolved_charges_are_listed_newest_first_even_for_purged_records(db: database.Connection) -> None:
    _, old = unknown_record(db, task_id="t-1")
    _, new = unknown_record(db)
    db.execute("DELETE FROM generation_records WHERE id = ?", [new])
    unresolved = database.list_unresolved(db, limit=9)
    assert [(d.record_id, d.at_stake, d.collectable, d.orderable) for d in unresolved] == [
        (new, PRICE, False, False),
        (old, PRICE, True, True),
    ]
    counts = database.count_unresolved(db, models=[MODEL])
    assert (counts.records, counts.at_stake, counts.collectable, counts.orderable) == (2, 2 * PRICE, 1, 0)


def test_fetching_submits_nothing_and_resolves_the_charge(db: database.Connection) -> None:
    batch_id, record_id = unknown_record(db, task_id="t-1")
    assert orders.refetch(db, [record_id], models=MODELS).number == 1
    record = queue.claimed(db)
    assert record.task_id == "t-1"
    finish(db, record)
    assert queue.outcomes(db) == ["billed"]
    assert database.get_batch(db, batch_id).status is BatchStatus.FINISHED
    assert database.list_unresolved(db, limit=9) == []


@pytest.mark.parametrize("state", ["paused", "cancelled"])
def test_fetching_starts_nothing_else_of_a_paused_batch(db: database.Connection, state: str) -> None:
    batch_id, ids = cats(db, 2)
    queue.fail(db, Billed.UNKNOWN, task_id="t-1")
    if state == "paused":
        database.pause_batch(db, batch_id, "预算已到")
    else:
        database.cancel_batch(db, batch_id)
    orders.refetch(db, None, models=MODELS)
    assert database.has_claimable(db, model=MODEL, now=queue.NOW)
    record = queue.claimed(db)
    assert record.id == ids[0]
    assert queue.claim(db) is None


def test_a_fetch_that_pauses_its_batch_waits_with_it(db: database.Connection) -> None:
    batch_id, _ = unknown_record(db, task_id="t-1")
    database.resume_batch(db, batch_id, models=[MODEL])
    db.execute("UPDATE batches SET state = 'paused'")
    orders.refetch(db, None, models=MODELS)
    record = queue.claimed(db)
    trouble = ModelError("断网", cause="network", billed=Billed.NO, task_valid=True)
    database.requeue_record(db, record, not_before=queue.NOW, error=trouble)
    database.pause_batch(db, batch_id, "断网", stops_fetching=True)
    assert queue.claim(db) is None


def test_records_without_a_task_id_or_of_another_model_cannot_be_fetched(db: database.Connection) -> None:
    _, without = unknown_record(db)
    _, other = unknown_record(db, task_id="t-1")
    another = replace(ANY, model_id="another")
    with pytest.raises(Conflict):
        orders.refetch(db, [without], models=MODELS)
    with pytest.raises(Conflict):
        orders.refetch(db, [other], models=Models([another]))
    assert orders.refetch(db, None, models=Models([another])).number == 0


def test_resubmitting_leaves_the_earlier_charge_unresolved(db: database.Connection) -> None:
    _, record_id = unknown_record(db, task_id="t-1")
    assert orders.resubmit(db, [record_id], models=MODELS).number == 1
    record = queue.submitted(db, "t-2")
    assert record.task_id is None
    finish(db, record)
    assert queue.outcomes(db) == ["unknown", "billed"]
    [charge] = database.list_unresolved(db, limit=9)
    assert (charge.at_stake, charge.is_unknown, charge.collectable) == (PRICE, False, False)


def test_resubmitting_all_takes_only_records_that_cannot_be_fetched(db: database.Connection) -> None:
    unknown_record(db, task_id="t-1")
    _, without = unknown_record(db)
    assert orders.resubmit(db, None, models=MODELS).number == 1
    assert database.get_record(db, without).status is Status.QUEUED


def test_resubmitting_does_not_resume_a_paused_batch(db: database.Connection) -> None:
    batch_id, ids = cats(db, 2)
    queue.fail(db, Billed.UNKNOWN)
    database.pause_batch(db, batch_id)
    done = orders.resubmit(db, ids[:1], models=MODELS)
    assert (done.number, done.waiting) == (1, 1)
    assert queue.claim(db) is None


@pytest.mark.parametrize(("billed", "outcome"), [(True, "billed"), (False, "not_billed")])
def test_a_written_off_charge_counts_as_the_user_states(
    db: database.Connection, billed: bool, outcome: str
) -> None:
    batch_id, record_id = unknown_record(db, task_id="t-1")
    settled = database.resolve_charges(db, [record_id], billed=billed)
    assert (settled.records, settled.amount) == (1, PRICE)
    record = database.get_record(db, record_id)
    assert (record.status, record.cause) == (Status.CANCELLED, "dropped")
    assert (record.cost, record.at_stake) == (PRICE if billed else Decimal(0), Decimal(0))
    assert queue.spent(db) == (PRICE if billed else 0)
    [line] = list_charges(db, *EVER)
    assert line.outcome == outcome
    assert line.resolved_at
    assert "放弃 1 张" in str(database.list_log(db, batch_id)[-1].text)


def test_a_written_off_record_is_never_resubmitted_automatically(db: database.Connection) -> None:
    batch_id, record_id = unknown_record(db)
    database.resolve_charges(db, None, billed=False)
    assert orders.retry(db, batch_id, models=MODELS).number == 0
    assert queue.claim(db) is None
    with pytest.raises(Conflict):
        orders.resubmit(db, [record_id], models=MODELS)


def test_writing_off_can_be_undone(db: database.Connection) -> None:
    _, record_id = unknown_record(db, task_id="t-1")
    before = database.get_record(db, record_id)
    settled = database.resolve_charges(db, None, billed=True)
    assert database.undo_resolution(db, settled.undo) == 1
    after = database.get_record(db, record_id)
    assert (after.status, after.error, after.cause) == (Status.UNKNOWN, before.error, before.cause)
    assert (after.cost, after.at_stake) == (Decimal(0), PRICE)
    assert orders.refetch(db, [record_id], models=MODELS).number == 1
    assert database.undo_resolution(db, settled.undo) == 0


def test_a_charge_of_a_finished_record_is_resolved_without_changing_the_image(
    db: database.Connection,
) -> None:
    _, record_id = unknown_record(db)
    orders.resubmit(db, None, models=MODELS)
    finish(db, queue.charged(db))
    database.resolve_charges(db, [record_id], billed=False)
    record = database.get_record(db, record_id)
    assert (record.status, record.cost, record.at_stake) == (Status.SUCCESS, PRICE, Decimal(0))
    with pytest.raises(Conflict):
        database.resolve_charges(db, [record_id], billed=False)


def test_an_image_that_arrives_late_overrides_a_manual_resolution_for_good(db: database.Connection) -> None:
    batch_id, record_id = unknown_record(db, task_id="t-1")
    settled = database.resolve_charges(db, None, billed=False)
    orders.retry(db, batch_id, [record_id], models=MODELS)
    finish(db, queue.claimed(db))
    assert database.undo_resolution(db, settled.undo) == 0
    assert queue.outcomes(db) == ["billed"]
    assert database.get_record(db, record_id).cost == PRICE


def test_a_failure_does_not_override_a_manual_resolution(db: database.Connection) -> None:
    batch_id, record_id = unknown_record(db, task_id="t-1")
    database.resolve_charges(db, None, billed=True)
    orders.retry(db, batch_id, [record_id], models=MODELS)
    record = queue.claimed(db)
    database.fail_record(db, record, REFUSED)
    assert queue.outcomes(db) == ["billed"]


@pytest.mark.sqlite  # PostgreSQL chooses by the size of the table
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT outcome, count(*), sum(price_micros) FROM charges WHERE batch_id = 'a' GROUP BY outcome",
        "SELECT count(DISTINCT record_id) FROM charges WHERE outcome = 'unknown'",
    ],
)
def test_sums_are_read_from_an_index_alone(db: database.Connection, sql: str) -> None:
    plan = " ".join(row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}"))
    assert "COVERING INDEX" in plan


def test_totals_follow_every_change_of_the_ledger(db: database.Connection) -> None:
    cats(db, 3)
    finish(db, queue.charged(db))
    queue.fail(db, Billed.UNKNOWN)
    queue.charged(db)
    database.resolve_charges(db, None, billed=True)
    db.execute("DELETE FROM charges WHERE outcome = 'open'")
    [by_hour] = spend_by_span(db, ["2000-01-01 00:00:00", "2100-01-01 00:00:00"])
    [by_line] = spend_by_span(db, ["2000-01-01 00:00:01", "2100-01-01 00:00:00"])
    assert by_hour == by_line == {MODEL: total_spend(db)}


def test_budgets_are_set_one_by_one_and_removed(settings: Settings) -> None:
    client = create_app(replace(settings, budget=Decimal(50))).test_client()
    assert get(client, "/api/budgets")["budgets"] == {"total": 50.0, "month": None, "batch": None}
    client.put("/api/budgets", json={"month": 20.5, "batch": 3})
    client.put("/api/budgets", json={"total": None})
    answer = get(client, "/api/budgets")
    assert answer["budgets"] == {"total": None, "month": 20.5, "batch": 3.0}
    assert (answer["spent"], answer["unresolved"]) == ({"total": 0.0, "month": 0.0}, 0.0)
    assert get(client, "/api/models")["budget"] is None


@pytest.mark.sqlite
@pytest.mark.parametrize("wrong", [0.005, float("nan"), float("inf")])
def test_a_wrong_budget_is_refused_with_one_sentence(client: FlaskClient, wrong: float) -> None:
    refused = client.put("/api/budgets", json={"total": 7, "month": wrong})
    assert refused.status_code == 400
    assert refused.get_json()["field"] == "month"
    assert re.search("本月预算.*应为 0–10000000 的", refused.get_json()["error"])
    assert get(client, "/api/budgets")["budgets"]["total"] is None


def test_a_budget_is_refused_while_the_price_is_unknown(settings: Settings) -> None:
    settings = replace(settings, image_model="openai", openai_base_url="http://127.0.0.1:9/v1")
    client = create_app(settings).test_client()
    refused = client.put("/api/budgets", json={"batch": 5})
    assert (refused.status_code, "先在「模型与密钥」里填价格" in refused.get_json()["error"]) == (409, True)
    assert client.put("/api/budgets", json={"batch": None}).status_code == 200


def test_what_a_batch_used_is_told_with_its_id(db: database.Connection, settings: Settings) -> None:
    batch_id, _ = unknown_record(db)
    cats(db)
    queue.charged(db)
    answer = get(create_app(settings).test_client(), f"/api/budgets?batch_id={batch_id}")
    assert answer["spent"] == {"total": 0.44, "month": 0.44, "batch": 0.22}
    assert answer["unresolved"] == 0.22
