"""Budgets: the limits set on the page, what counts against them, and the check before a charge."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from app.core.notices import note_budget
from app.core.records.rows import PAYER, has_record, update_records
from app.domain.batches import PauseCause
from app.domain.ledger import Budget, BudgetScope
from app.engine.connection import Connection, transaction
from app.engine.values import message_json, micros, yuan
from app.errors import Conflict, message

_LIMIT_SECONDS = 60.0
_COMMITTED = "outcome IN ('open', 'billed', 'unknown')"
_SPENT = {
    BudgetScope.TOTAL: f"SELECT sum(micros) AS micros FROM charge_totals WHERE {_COMMITTED}",
    # From the hourly sums; where a month begins within an hour of UTC, up to its end from the charges.
    BudgetScope.MONTH: f"""
        SELECT sum(micros) AS micros
        FROM (
            SELECT micros FROM charges_by_hour WHERE hour >= :hour AND {_COMMITTED}
            UNION ALL
            SELECT price_micros FROM charges WHERE opened_at >= :start AND opened_at < :hour AND {_COMMITTED}
        ) AS sums
    """,
    BudgetScope.BATCH: f"""
        SELECT sum(price_micros) AS micros FROM charges WHERE batch_id = :batch_id AND {_COMMITTED}
    """,
}
_SPENT_BY_PERSON = f"""
    SELECT sum(price_micros) AS micros
    FROM charges
    WHERE person_id = :person_id AND opened_at >= :start AND {_COMMITTED}
"""


class BudgetReached(Conflict):
    """One more image would exceed a budget."""

    cause = PauseCause.BUDGET


class LimitReached(BudgetReached):
    """… the monthly limit of the person."""

    cause = PauseCause.LIMIT


def list_budgets(
    db: Connection, *, default: Decimal | None, batch_id: str | None = None
) -> dict[BudgetScope, Budget]:
    """The three budgets. ``default`` (BUDGET) is the total's limit until one is set.

    Without ``batch_id`` nothing is spent of the budget of a batch.
    """
    limits, spent_of = _limits(db, default), _spent_of(batch_id)
    return {
        scope: Budget(scope=scope, limit=limit, spent=_spent(db, scope, spent_of))
        for scope, limit in limits.items()
    }


def set_budgets(db: Connection, limits: Mapping[BudgetScope, Decimal | None]) -> None:
    """Store these limits, in CNY; None is no limit. Others stay as they are."""
    with transaction(db):
        db.executemany(
            """
            INSERT INTO budgets (name, micros)
            VALUES (:name, :micros)
            ON CONFLICT (name) DO UPDATE SET micros = excluded.micros
            """,
            [
                {"name": scope, "micros": None if limit is None else micros(limit)}
                for scope, limit in limits.items()
            ],
        )


def person_budget(db: Connection, person_id: int | None) -> list[Budget]:
    """The limit of a person in this month, which holds also for who is switched off; empty without one."""
    row = db.execute(
        "SELECT name, month_limit_micros AS micros FROM people WHERE id = :id", {"id": person_id}
    ).fetchone()
    if row is None or row["micros"] is None:
        return []
    spent = db.execute(_SPENT_BY_PERSON, _spent_of(None) | {"person_id": person_id}).fetchone()["micros"]
    return [
        Budget(
            scope=BudgetScope.MONTH,
            limit=yuan(row["micros"]),
            spent=yuan(spent),
            person=row["name"],
            person_id=person_id,
        )
    ]


def has_limits(db: Connection, *, person_id: int | None, default: Decimal | None) -> bool:
    """Whether a charge for this person counts against any limit; ``default`` as in ``list_budgets``."""
    number, of_total = db.execute(
        """
        SELECT
            (SELECT count(*) FROM budgets WHERE micros IS NOT NULL)
            + (SELECT count(*) FROM people WHERE id = :id AND month_limit_micros IS NOT NULL),
            (SELECT count(*) FROM budgets WHERE name = 'total')
        """,
        {"id": person_id},
    ).fetchone()
    return number > 0 or (default is not None and not of_total)


def require_affordable(
    db: Connection,
    price: Decimal | None,
    *,
    batch_id: str | None,
    person_id: int | None,
    default: Decimal | None,
) -> list[Budget]:
    """The budgets with a limit, before a charge of this price (CNY), which none of them refuses.

    Raises BudgetReached, naming the budget, when the charge would exceed one; an unknown price exceeds every
    budget. Inside the transaction that inserts the charge nothing can be spent in between.
    """
    limited = {scope: limit for scope, limit in _limits(db, default).items() if limit is not None}
    of_person = person_budget(db, person_id)
    if of_person and price is None:
        raise LimitReached(
            "{name} 有每月上限，又不知道这个模型每张多少钱：请主人在「模型与密钥」里填它的价格",
            name=of_person[0].person,
        )
    if limited and price is None:
        raise BudgetReached(
            "设了预算，又不知道这个模型每张多少钱：在「模型与密钥」里填它的价格，或在「用量」里去掉预算"
        )
    spent_of = _spent_of(batch_id)
    budgets = [Budget(scope=s, limit=n, spent=_spent(db, s, spent_of)) for s, n in limited.items()]
    budgets += of_person
    exceeded = [budget for budget in budgets if price and budget.left is not None and price > budget.left]
    if exceeded:
        least = min(exceeded, key=lambda budget: budget.left or 0)
        amounts = {"limit": least.limit_text, "left": f"{least.left:.2f}"}
        if least.person:
            text = "{name} 这个月的上限 ¥{limit} 只剩 ¥{left}，不够再做一张，请主人在「人员」里调高再继续"
            raise LimitReached(text, name=least.person, **amounts)
        text = "{budget} ¥{limit} 只剩 ¥{left}，不够再做一张，请调高预算再继续"
        raise BudgetReached(text, budget=message(least.label), **amounts)
    return budgets


def note_near_budgets(
    db: Connection, budgets: Iterable[Budget], price: Decimal, *, batch_id: str | None
) -> None:
    """Tell of the budgets of which this charge spends 80 %; inside its transaction."""
    for budget in budgets:
        spent = replace(budget, spent=budget.spent + price)
        if spent.is_near and not budget.is_near:
            month = f"{datetime.now():%Y-%m}" + (f":{budget.person_id}" if budget.person else "")
            periods = {BudgetScope.MONTH: month, BudgetScope.BATCH: batch_id or ""}
            note_budget(db, spent, period=periods.get(budget.scope, ""), batch_id=batch_id)


def others_go_on(
    db: Connection, batch_id: str, person_id: int | None, reached: BudgetReached, *, now: float
) -> bool:
    """Whether a batch goes on for others when a limit is reached: only what is this person's waits then.

    It is tried again after a minute (``now`` is Unix time), so that a raised limit lets it go on. Inside a
    transaction.
    """
    fields: dict[str, object] = {"id": batch_id, "person": person_id}
    to_submit = f"batch_id = :id AND task_id IS NULL AND coalesce({PAYER}, 0)"
    others = f"{to_submit} <> :person AND status IN ('queued', 'running') AND cause <> '{PauseCause.LIMIT}'"
    if not isinstance(reached, LimitReached) or not has_record(db, others, fields):
        return False
    fields |= {"until": now + _LIMIT_SECONDS, "cause": PauseCause.LIMIT}
    fields |= {"error": str(reached), "message": message_json(reached.message)}
    update_records(
        db,
        "not_before = :until, cause = :cause, error = :error, error_message = :message",
        f"{to_submit} = :person AND status = 'queued'",
        fields,
    )
    return True


def _limits(db: Connection, default: Decimal | None) -> dict[BudgetScope, Decimal | None]:
    limits: dict[BudgetScope, Decimal | None] = dict.fromkeys(BudgetScope) | {BudgetScope.TOTAL: default}
    for row in db.execute("SELECT name, micros FROM budgets").fetchall():
        limits[BudgetScope(row["name"])] = None if row["micros"] is None else yuan(row["micros"])
    return limits


def _spent(db: Connection, scope: BudgetScope, fields: Mapping[str, object]) -> Decimal:
    return yuan(db.execute(_SPENT[scope], fields).fetchone()["micros"])


def _spent_of(batch_id: str | None) -> dict[str, object]:
    """The parameters of _SPENT: the batch, and the start of this month in UTC."""
    start = month_start()
    hour = start if start.minute == 0 else start + timedelta(hours=1)
    return {"batch_id": batch_id, "start": f"{start:%Y-%m-%d %H:%M:%S}", "hour": f"{hour:%Y-%m-%d %H}"}


def month_start() -> datetime:
    """The start, in UTC, of the present calendar month of this machine's time zone."""
    return datetime.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
