"""A person's monthly limit: whose a charge is, and that the limit holds whatever buys at once."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

import database
from app.config import Settings
from app.core.money import budgets as db_budgets
from app.core.people import find_payer
from app.domain import BudgetScope
from app.errors import Billed
from app.orders.place import place
from app.orders.repeats import Refetch, Retry
from tests.core.money.test_budgets import submitting
from tests.core.queue import queue
from tests.core.queue.queue import CAT, LOST, MODELS, NOW, PRICE, REFUSED, claim
from tests.core.queue.test_batches import state

LIMIT = 2 * PRICE


def person(db: database.Connection, name: str = "小周", limit: Decimal | None = LIMIT) -> int:
    added = db.execute(
        """
        INSERT INTO people (name, folded_name, role, month_limit_micros)
        VALUES (:name, :name, 'member', :limit)
        RETURNING id
        """,
        {"name": name, "limit": None if limit is None else int(limit * 1_000_000)},
    ).fetchone()
    return int(added["id"])


def add(db: database.Connection, person_id: int | None, number: int) -> tuple[str, list[int]]:
    placed = place(db, replace(queue.submission(*[CAT] * number), person_id=person_id))
    return placed.batch_id, placed.ids


def run_of(db: database.Connection, person_id: int | None, number: int = 3) -> str:
    return add(db, person_id, number)[0]


def spent_by(db: database.Connection, person_id: int) -> Decimal:
    (budget,) = database.person_budget(db, person_id)
    return budget.spent


def charges(db: database.Connection) -> list[int | None]:
    return [row["person_id"] for row in db.execute("SELECT person_id FROM charges ORDER BY id").fetchall()]


def test_a_charge_is_of_who_pays_for_its_record_at_that_time(db: database.Connection) -> None:
    first, second = person(db), person(db, "小李")
    batch_id = run_of(db, first)
    queue.charged(db)
    database.pause_batch(db, batch_id)
    database.resume_batch(db, batch_id, models=MODELS.ids, person_id=second)
    queue.charged(db)
    queue.charged(db)
    run_of(db, None, 1)
    queue.charged(db)
    assert charges(db) == [first, second, second, None]
    assert (spent_by(db, first), spent_by(db, second)) == (PRICE, 2 * PRICE)


def test_the_refusal_names_the_limit_and_who_raises_it_and_pauses_the_run(db: database.Connection) -> None:
    batch_id = run_of(db, person(db))
    queue.charged(db)
    queue.charged(db)
    record = queue.claimed(db)
    with pytest.raises(database.BudgetReached) as refused:
        queue.charge(db, record)
    database.pause_over_budget(db, record, PRICE, None, now=NOW)
    text = "小周 这个月的上限 ¥0.44 只剩 ¥0.00，不够再做一张，请主人在「人员」里调高再继续"
    assert str(refused.value.message) == text
    assert state(db, batch_id) == ("paused", "limit", text)
    assert len(charges(db)) == 2


def test_the_limit_of_one_stops_no_other_and_nobody_at_the_machine(db: database.Connection) -> None:
    first, second = person(db, limit=PRICE), person(db, "小李", limit=PRICE)
    for each in (first, second, None):
        run_of(db, each, 1)
        queue.charged(db)
    run_of(db, None, 1)
    queue.charged(db)
    for each in (first, second):
        run_of(db, each, 1)
        with pytest.raises(database.BudgetReached, match=r"^小[周李] 这个月的上限"):
            queue.charged(db)


def test_a_raised_limit_lets_the_run_go_on_and_none_is_no_limit(db: database.Connection) -> None:
    who = person(db, limit=Decimal(0))
    run_of(db, who)
    record = queue.claimed(db)
    for limit in (100_000, 0):
        db.execute(
            "UPDATE people SET month_limit_micros = :limit WHERE id = :id", {"limit": limit, "id": who}
        )
        with pytest.raises(database.BudgetReached):
            queue.charge(db, record)
    db.execute("UPDATE people SET month_limit_micros = NULL WHERE id = :id", {"id": who})
    queue.charge(db, record)


@pytest.mark.parametrize(
    ("end", "spent"),
    [
        (lambda db, record: database.fail_record(db, record, REFUSED), Decimal(0)),
        (lambda db, record: database.fail_record(db, record, LOST), PRICE),
        (lambda db, record: database.fail_record(db, record, queue.BILLED), PRICE),
    ],
)
def test_what_is_or_may_be_charged_counts(
    db: database.Connection, end: Callable[..., Any], spent: Decimal
) -> None:
    who = person(db)
    run_of(db, who, 1)
    end(db, queue.charged(db))
    assert spent_by(db, who) == spent


def test_only_this_month_counts(db: database.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    start = datetime(2026, 10, 31, 18, 30, tzinfo=UTC)
    monkeypatch.setattr(db_budgets, "month_start", lambda: start)
    who = person(db, limit=Decimal(10))
    run_of(db, who)
    for at in ("2026-10-31 18:29:59.999", "2026-10-31 18:30:00.000", "2026-11-30 10:00:00.000"):
        record = queue.charged(db)
        db.execute("UPDATE charges SET opened_at = ? WHERE record_id = ?", [at, record.id])
    assert spent_by(db, who) == 2 * PRICE


def test_the_tightest_is_named_whether_a_limit_or_a_budget(db: database.Connection) -> None:
    who = person(db)
    run_of(db, who)
    queue.charged(db)
    queue.charged(db)
    database.set_budgets(db, {BudgetScope.TOTAL: LIMIT + PRICE / 2})
    with pytest.raises(database.BudgetReached, match=r"^小周 这个月的上限"):
        queue.charged(db)
    db.execute("UPDATE generation_records SET status = 'queued' WHERE status = 'running'")
    db.execute("UPDATE people SET month_limit_micros = 630000 WHERE id = :id", {"id": who})
    with pytest.raises(database.BudgetReached, match=r"^总预算"):
        queue.charged(db)


def test_an_unknown_price_is_refused_under_a_limit_only(db: database.Connection) -> None:
    run_of(db, person(db), 1)
    with pytest.raises(database.BudgetReached, match=r"^小周 有每月上限"):
        queue.charged(db, price=None)
    run_of(db, person(db, "小李", None), 1)
    queue.charged(db, price=None)


def test_four_fifths_are_told_once_a_person(db: database.Connection) -> None:
    for name in ("小周", "小李"):
        run_of(db, person(db, name, 5 * PRICE), 5)
        for _ in range(5):
            queue.charged(db)
    rows = db.execute("SELECT content FROM notifications WHERE event = 'budget' ORDER BY id").fetchall()
    told = [json.loads(row["content"]) for row in rows]
    assert [(each["person"], each["spent"]) for each in told] == [("小周", "0.88"), ("小李", "0.88")]


def test_whoever_resumes_a_run_has_to_be_able_to_pay_for_it(db: database.Connection) -> None:
    poor, rich = person(db, limit=Decimal(0)), person(db, "小李")
    batch_id = run_of(db, poor)
    check: Any = {"models": MODELS, "budget": None}
    with pytest.raises(database.BudgetReached):
        database.check_affordable(db, batch_id, person_id=poor, **check)
    database.check_affordable(db, batch_id, person_id=rich, **check)
    database.check_affordable(db, batch_id, person_id=None, **check)


def test_the_limit_holds_for_who_was_switched_off_in_mid_run(db: database.Connection) -> None:
    who = person(db)
    run_of(db, who)
    queue.charged(db)
    db.execute("UPDATE people SET active = 0 WHERE id = :id", {"id": who})
    queue.charged(db)
    with pytest.raises(database.BudgetReached, match=r"^小周 这个月的上限"):
        queue.charged(db)


def test_another_connection_sees_the_charge_before_it_opens_one(
    db: database.Connection, other: database.Connection
) -> None:
    who = person(db, limit=PRICE)
    run_of(db, who)
    run_of(db, who)
    records = [queue.claimed(db), queue.claimed(other)]
    queue.charge(db, records[0])
    with pytest.raises(database.BudgetReached):
        queue.charge(other, records[1])
    assert spent_by(other, who) == PRICE


def test_threads_of_two_processes_exceed_no_limit(settings: Settings, db: database.Connection) -> None:
    who = person(db, limit=Decimal(5))
    run_of(db, who, 20)
    run_of(db, who, 20)
    run_of(db, None, 5)
    with submitting(settings) as submit:
        submit()
    assert spent_by(db, who) == Decimal("4.84")
    assert charges(db).count(None) == 5
    assert claim(db) is None


@pytest.mark.sqlite
def test_the_month_of_a_person_is_read_from_an_index_alone(db: database.Connection) -> None:
    sql = f"EXPLAIN QUERY PLAN {db_budgets._SPENT_BY_PERSON}"
    plan = db.execute(sql, {"person_id": 1, "start": "2026-11-01 00:00:00"}).fetchall()
    assert [row["detail"] for row in plan] == [
        "SEARCH charges USING COVERING INDEX charges_of_person (person_id=? AND opened_at>?)"
    ]


def test_a_retry_counts_for_who_asks_and_fetching_for_who_ordered(db: database.Connection) -> None:
    first, second = person(db), person(db, "小李")
    batch_id = run_of(db, first, 2)
    for task_id in ("", "t-1"):
        record = queue.fail(db, Billed.UNKNOWN if task_id else Billed.NO, task_id=task_id)
    place(db, Refetch(models=MODELS, ids=[record], person_id=second))
    assert find_payer(db, record) == first
    place(db, Retry(models=MODELS, batch_id=batch_id, person_id=second))
    assert [find_payer(db, each) for each in (record - 1, record)] == [second, first]


def give(db: database.Connection, record_id: int, person_id: int) -> None:
    db.execute(f"UPDATE generation_records SET person_id = {person_id} WHERE id = {record_id}")


def refuse(db: database.Connection, now: float = NOW) -> None:
    """What a worker does with the next record, whose charge is refused."""
    record = queue.claimed(db, now)
    with pytest.raises(database.BudgetReached):
        queue.charge(db, record)
    database.requeue_record(db, record, not_before=0.0)
    database.pause_over_budget(db, record, PRICE, None, now=now)


@pytest.mark.parametrize(
    "end",
    [
        lambda db, record: database.finish_record(db, record, queue.SAVED),
        lambda db, record: database.fail_record(db, record, REFUSED),
    ],
    ids=["made", "failed"],
)
def test_a_run_goes_on_for_others_while_a_limit_is_reached_and_pauses_at_once_after_them(
    db: database.Connection, end: Callable[..., Any]
) -> None:
    batch_id, ids = add(db, person(db, limit=Decimal(0)), 3)
    give(db, ids[1], person(db, "小李", limit=None))
    refuse(db)
    assert state(db, batch_id) == ("active", "", "")
    waits = database.get_record(db, ids[2])
    assert (waits.cause, str(waits.error).startswith("小周 这个月的上限 ¥0 只剩")) == ("limit", True)
    other = queue.charged(db)
    assert other.id == ids[1]
    assert claim(db) is None
    end(db, other)
    database.fold_changes(db, at_once=True)
    refuse(db)
    assert state(db, batch_id)[:2] == ("paused", "limit")


def test_only_the_limit_of_who_pays_counts(db: database.Connection) -> None:
    people = (person(db), person(db, "小李", limit=None), None)
    limited = [db_budgets.has_limits(db, person_id=each, default=None) for each in people]
    assert limited == [True, False, False]


def test_a_run_goes_on_while_a_picture_of_another_is_made_and_what_ended_stays(
    db: database.Connection,
) -> None:
    batch_id, ids = add(db, person(db, limit=Decimal(0)), 3)
    give(db, ids[0], person(db, "小李", limit=None))
    queue.charged(db)
    queue.end(db, REFUSED)
    refuse(db)
    assert (state(db, batch_id)[0], database.get_record(db, ids[1]).cause) == ("active", "moderation")


def test_a_run_pauses_although_others_buy_in_another_run_and_are_fetched_in_it(
    db: database.Connection,
) -> None:
    other = person(db, "小李", limit=None)
    batch_id, ids = add(db, person(db, limit=Decimal(0)), 2)
    give(db, ids[1], other)
    queue.set_fields(db, "task_id = 't-1'", ids[1])
    add(db, other, 1)
    refuse(db)
    assert state(db, batch_id)[:2] == ("paused", "limit")


def test_a_run_of_two_people_pauses_when_both_are_at_their_limits(db: database.Connection) -> None:
    batch_id, ids = add(db, person(db, limit=Decimal(0)), 2)
    give(db, ids[1], person(db, "小李", limit=Decimal(0)))
    refuse(db)
    assert state(db, batch_id)[0] == "active"
    refuse(db)
    assert state(db, batch_id)[:2] == ("paused", "limit")


@pytest.mark.parametrize(
    ("other", "is_due"),
    [
        ("status = 'success'", True),
        ("status = 'queued'", False),
        ("status = 'running', cause = 'limit'", False),
    ],
)
def test_what_waits_for_a_limit_is_due_when_nothing_else_of_its_run_is_open(
    db: database.Connection, other: str, is_due: bool
) -> None:
    batch_id, ids = add(db, None, 2)
    _, of_another_run = add(db, None, 2)
    queue.set_fields(db, f"cause = 'limit', not_before = {NOW}", ids[0], of_another_run[0])
    queue.set_fields(db, other, ids[1])
    with database.transaction(db):
        database.finish_if_done(db, batch_id)
    assert queue.column(db, "not_before") == [0 if is_due else NOW, 0, NOW, 0]
