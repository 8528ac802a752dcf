"""Charges beside others: what the outcome of one does to earlier ones of its record, and to other records."""

import re
from decimal import Decimal

import pytest

import database
from app.core.money.ledger import list_differing_usage
from app.domain import BudgetScope, Models, ModelSpec, Status
from app.domain.ledger import ReportedUsage
from app.errors import Billed, ModelError
from tests.core.queue.queue import (
    BILLED,
    CAT,
    LATE,
    LOST,
    NOW,
    PRICE,
    SAVED,
    add,
    charged,
    claim,
    claimed,
    outcomes,
    spent,
    submitted,
)
from tools import orders

REFUSED = ModelError("没有下单", cause="limit", billed=Billed.NO)


def task_ids(db: database.Connection) -> list[str | None]:
    return [row["task_id"] for row in db.execute("SELECT task_id FROM charges ORDER BY id")]


def test_what_happens_to_one_record_leaves_the_others_as_they_are(db: database.Connection) -> None:
    add(db, *[CAT] * 4)
    first, second, third, fourth = (charged(db) for _ in range(4))
    database.save_task_id(db, second, "t-2", watermark=True)
    assert task_ids(db) == [None, "t-2", None, None]
    stored = [database.get_record(db, record.id) for record in (first, second, third)]
    assert [record.task_id for record in stored] == [None, "t-2", None]
    assert [record.marks["visible"] for record in stored] == [None, True, None]
    database.finish_record(db, second, SAVED)
    database.fail_record(db, third, LOST)
    database.fail_record(db, fourth, BILLED)
    assert outcomes(db) == ["open", "billed", "unknown", "billed"]
    ended = [database.get_record(db, record.id) for record in (first, second, third, fourth)]
    assert [record.cost for record in ended] == [0, PRICE, 0, PRICE]
    assert [record.at_stake for record in ended] == [0, 0, PRICE, 0]


def test_costs_of_priced_and_unpriced_charges_are_kept_apart(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db)
    for price, error in ((PRICE, LOST), (None, LOST), (PRICE, BILLED)):
        database.fail_record(db, charged(db, price=price), error)
        orders.retry(db, batch_id, ids, models=Models([spec]))
    columns = "cost_micros, cost_unpriced, at_stake_micros, at_stake_unpriced"
    row = db.execute(f"SELECT {columns} FROM generation_records").fetchone()
    assert tuple(row) == (220_000, 0, 220_000, 1)
    database.fail_record(db, charged(db, price=None), BILLED)
    row = db.execute(f"SELECT {columns} FROM generation_records").fetchone()
    assert tuple(row) == (220_000, 1, 220_000, 1)


@pytest.mark.parametrize("is_free", [False, True])
def test_a_charge_that_was_not_billed_stays_so_when_a_picture_is_found(
    db: database.Connection, is_free: bool
) -> None:
    add(db)
    record = charged(db, price=Decimal(0) if is_free else PRICE, is_free=is_free)
    database.requeue_record(db, record, not_before=0, error=REFUSED)
    database.finish_record(db, claimed(db), SAVED)
    assert outcomes(db) == ["not_billed"]


def test_a_withdrawn_charge_stays_not_billed_when_a_picture_is_found(db: database.Connection) -> None:
    add(db)
    record = charged(db)
    database.withdraw_charge(db, record)
    database.finish_record(db, record, SAVED)
    assert outcomes(db) == ["not_billed"]


def test_a_picture_overrides_what_the_user_has_stated_of_its_charge_only(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db)
    database.fail_record(db, charged(db), LOST)
    orders.retry(db, batch_id, ids, models=Models([spec]))
    last = submitted(db)
    database.fail_record(db, last, LATE)
    database.resolve_charges(db, ids, billed=False)
    assert outcomes(db) == ["not_billed"] * 2
    statuses = (Status.CANCELLED,)
    assert not database.finish_record(db, last, SAVED)
    assert database.finish_record(db, last, SAVED, statuses=statuses)
    assert outcomes(db) == ["not_billed", "billed"]


def test_an_earlier_unresolved_charge_stays_so_whatever_a_new_task_gives(
    db: database.Connection, spec: ModelSpec
) -> None:
    _, ids = add(db)
    database.fail_record(db, submitted(db, "t-1"), LATE)
    orders.resubmit(db, ids, models=Models([spec]))
    database.fail_record(db, submitted(db, "t-2"), LATE)
    orders.refetch(db, ids, models=Models([spec]))
    database.fail_record(db, claimed(db), REFUSED)
    assert outcomes(db) == ["unknown", "not_billed"]


def test_an_error_before_the_next_order_resolves_no_charge_of_a_lost_answer(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db)
    database.fail_record(db, charged(db), LOST)
    orders.retry(db, batch_id, ids, models=Models([spec]))
    database.fail_record(db, claimed(db), REFUSED)
    assert outcomes(db) == ["unknown"]


def test_a_failed_record_is_not_finished_by_its_last_claim(db: database.Connection) -> None:
    add(db)
    record = charged(db)
    database.fail_record(db, record, REFUSED)
    assert not database.finish_record(db, record, SAVED)
    assert database.get_record(db, record.id).status is Status.FAILED
    assert database.finish_record(db, record, SAVED, statuses=(Status.FAILED,))


def test_only_free_charges_without_a_task_are_closed_after_a_crash(db: database.Connection) -> None:
    add(db, CAT, CAT, CAT)
    sent, other = charged(db, price=Decimal(0), is_free=True), charged(db, price=Decimal(0), is_free=True)
    priced = charged(db)
    database.save_task_id(db, sent, "t-1")
    database.save_task_id(db, priced, "t-3")
    for _ in range(3):
        claim(db, NOW + 60)
    assert database.get_record(db, other.id).attempts == 2
    assert outcomes(db) == ["open", "not_billed", "open"]


def test_a_crash_closes_no_free_charge_that_has_ended_or_is_of_another_record(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db)
    database.fail_record(db, charged(db, price=Decimal(0), is_free=True), BILLED)
    orders.retry(db, batch_id, ids, models=Models([spec]))
    charged(db, price=Decimal(0), is_free=True)
    add(db)
    other = charged(db, price=Decimal(0), is_free=True)
    database.extend_leases(db, [other.id], owner="me", until=NOW + 90)
    claimed(db, NOW + 60)
    assert outcomes(db) == ["billed", "not_billed", "open"]


def test_whether_a_charge_is_free_is_asked_of_its_own_record(db: database.Connection) -> None:
    add(db, CAT, CAT)
    free, priced = charged(db, price=Decimal(0), is_free=True), charged(db)
    assert [database.is_free_charge(db, record.id) for record in (free, priced)] == [True, False]
    assert not database.is_free_charge(db, 10**9)


def test_an_unknown_price_warns_of_no_budget(db: database.Connection) -> None:
    add(db)
    assert database.open_charge(db, claimed(db), price=None, budget=None)


def test_a_charge_is_not_free_unless_it_is_said_to_be(db: database.Connection) -> None:
    add(db)
    record = claimed(db)
    database.open_charge(db, record, price=Decimal(0), budget=None)
    assert not database.is_free_charge(db, record.id)


def test_a_record_whose_batch_is_gone_is_charged(db: database.Connection) -> None:
    batch_id, _ = add(db)
    record = claimed(db)
    db.execute("DELETE FROM batches WHERE id = :id", {"id": batch_id})
    assert database.open_charge(db, record, price=PRICE, budget=None)


def test_another_batch_decides_nothing_about_a_charge(db: database.Connection) -> None:
    paused, _ = add(db)
    add(db)
    database.claim_record(db, model="test-1", owner="other", now=NOW, lease=20.0)
    record = claimed(db)
    database.pause_batch(db, paused)
    assert database.open_charge(db, record, price=PRICE, budget=None)


def test_reported_counts_stand_with_their_own_charge(db: database.Connection) -> None:
    add(db, CAT, CAT)
    records = claimed(db), claimed(db)
    charges = [database.open_charge(db, record, price=PRICE, budget=None) for record in records]
    for record, charge, number in zip(records, charges, (1, 2), strict=True):
        usage = ReportedUsage(charge_id=charge, counts={"generated_images": number}, references=0)
        database.save_usage(db, record, usage)
    assert [len(list_differing_usage(db, record.id)) for record in records] == [0, 1]


@pytest.mark.parametrize("estimate", [PRICE, None])
def test_what_the_service_says_that_it_costs_is_booked(
    db: database.Connection, estimate: Decimal | None
) -> None:
    add(db)
    record = claimed(db)
    charge = database.open_charge(db, record, price=estimate, budget=None)
    usage = ReportedUsage(charge_id=charge, counts={"tokens": 7}, references=0, cost=Decimal("0.123456"))
    database.save_usage(db, record, usage)
    database.finish_record(db, record, SAVED)
    assert database.get_record(db, record.id).cost == Decimal("0.123456")
    assert spent(db) == Decimal("0.123456")


def test_a_batch_is_resumed_by_what_waits_in_it(db: database.Connection, spec: ModelSpec) -> None:
    """Not by records of other batches, or by its ended ones, that have a task id."""
    others, _ = add(db)
    waits = submitted(db)
    database.requeue_record(db, waits, not_before=0)
    db.execute("UPDATE generation_records SET fetch_while_paused = 0")
    batch_id, _ = add(db, CAT, CAT)
    database.pause_batch(db, others)
    database.finish_record(db, submitted(db, "t-2"), SAVED)
    db.execute("UPDATE generation_records SET fetch_while_paused = 0")
    database.pause_batch(db, batch_id)
    database.set_budgets(db, {BudgetScope.TOTAL: PRICE})
    with pytest.raises(database.BudgetReached):
        database.check_affordable(db, batch_id, models=Models([spec]), budget=None)
    database.check_affordable(db, others, models=Models([spec]), budget=None)


def test_the_charge_that_spends_80_percent_of_a_budget_is_told_once(db: database.Connection) -> None:
    add(db, *[CAT] * 3)
    database.set_budgets(db, {BudgetScope.TOTAL: Decimal("0.55")})
    told = []
    for _ in range(2):
        charged(db)
        rows = db.execute("SELECT event FROM notifications").fetchall()
        told.append([row["event"] for row in rows])
    assert told == [[], ["budget"]]
    db.execute("DELETE FROM notifications")
    charged(db, price=Decimal("0.01"))
    assert db.execute("SELECT event FROM notifications").fetchall() == []


def test_what_costs_nothing_is_made_although_a_budget_is_used_up(db: database.Connection) -> None:
    add(db, CAT, CAT)
    database.set_budgets(db, dict.fromkeys(BudgetScope, PRICE))
    charged(db)
    assert charged(db, price=Decimal(0))
    assert {budget.left for budget in database.list_budgets(db, default=None).values()} == {0, PRICE}


def test_a_batch_with_nothing_queued_is_resumed_by_what_is_released(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, _ = add(db)
    charged(db)
    database.set_budgets(db, {BudgetScope.TOTAL: PRICE})
    database.check_affordable(db, batch_id, models=Models([spec]), budget=None)
    with pytest.raises(database.BudgetReached):
        database.check_affordable(db, batch_id, models=Models([spec]), budget=None, released=CAT)


def test_a_failed_fetch_overrides_nothing_that_the_user_has_stated(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db)
    database.fail_record(db, submitted(db), LATE)
    database.resolve_charges(db, ids, billed=True)
    orders.retry(db, batch_id, ids, models=Models([spec]))
    record = claimed(db)
    assert record.task_id == "t-1"
    database.fail_record(db, record, REFUSED)
    assert outcomes(db) == ["billed"]


def test_what_is_fetched_during_the_pause_does_not_make_a_resume_worthwhile(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, _ = add(db, CAT, CAT)
    database.requeue_record(db, submitted(db), not_before=NOW + 60)
    database.pause_batch(db, batch_id)
    database.set_budgets(db, {BudgetScope.TOTAL: PRICE})
    with pytest.raises(database.BudgetReached):
        database.check_affordable(db, batch_id, models=Models([spec]), budget=None)


def test_a_worker_cannot_take_back_that_an_outcome_is_unknown(db: database.Connection) -> None:
    add(db)
    record = charged(db)
    database.fail_record(db, record, LOST)
    database.fail_record(db, record, REFUSED)
    assert outcomes(db) == ["unknown"]


@pytest.mark.parametrize("scope", list(BudgetScope))
def test_an_unknown_price_exceeds_every_budget(db: database.Connection, scope: BudgetScope) -> None:
    add(db)
    database.set_budgets(db, {scope: Decimal(1_000)})
    with pytest.raises(database.BudgetReached, match="不知道这个模型每张多少钱"):
        charged(db, price=None)
    assert outcomes(db) == []


def test_a_budget_is_told_once_in_all_a_month_or_a_batch(db: database.Connection) -> None:
    batches = [add(db)[0] for _ in range(2)]
    database.set_budgets(db, {BudgetScope.BATCH: PRICE})
    charged(db)
    charged(db)
    add(db)
    database.set_budgets(db, {BudgetScope.TOTAL: 3 * PRICE, BudgetScope.MONTH: 3 * PRICE})
    charged(db)
    keys = [row["key"] for row in db.execute("SELECT key FROM notifications ORDER BY id").fetchall()]
    assert sorted(keys[:2]) == sorted(f"budget:batch:{batch_id}:0.22" for batch_id in batches)
    told = [re.sub(r"\d{4}-\d\d", "month", key) for key in keys if "batch" not in key]
    assert sorted(told) == ["budget:month:month:0.66", "budget:total::0.66"]
