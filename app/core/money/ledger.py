"""The ledger of charges: one row per call that may cost money, written before the call."""

from decimal import Decimal

from app.core.log import add_log
from app.core.money.budgets import (
    BudgetReached,
    has_limits,
    note_near_budgets,
    others_go_on,
    require_affordable,
)
from app.core.pauses import pause_in_transaction
from app.core.people import find_payer
from app.core.records.rows import PAYER, read_records
from app.domain import ImageRequest, Models, Record, Status
from app.domain.ledger import Budget, ReportedUsage, usage_text
from app.engine.connection import Connection, transaction
from app.engine.values import micros, object_of, object_text, utc_now
from app.errors import Billed, Message, message

_LOCK = "/* FOR UPDATE */"  # of the rows of a SELECT; see ``dialect``
_OUTCOME = {Billed.NO: "not_billed", Billed.YES: "billed", Billed.UNKNOWN: "unknown"}


class BatchNotActive(Exception):
    """The batch was paused or cancelled after the record was claimed; nothing is submitted."""


class LeaseLost(Exception):
    """Our lease expired and another worker claimed the record (suspend, or clock change)."""


def open_charge(
    db: Connection,
    record: Record,
    *,
    price: Decimal | None,
    budget: Decimal | None,
    is_free: bool = False,
) -> int:
    """Insert the charge for submitting this record, at this price in CNY; returns the charge's id.

    ``price=None`` is an unknown price, refused under a budget. ``budget`` is BUDGET, the total
    budget until another is set on the page. Only a charge with ``is_free`` and price 0 may be submitted
    again after a crash.
    Raises, with nothing written, LeaseLost when the record was claimed again, BatchNotActive, or
    BudgetReached when charged, unknown and open charges leave too little of a budget.

    Without any limit charges are opened beside each other: the batch, the budgets and the limits of people
    are written by exclusive transactions only, so what is read of them holds until this one has committed.
    Under a limit nobody may spend between the sum and the charge: it is opened in an exclusive transaction.
    """
    with transaction(db, shared=True):
        charge = _open_charge(db, record, price, budget, is_free=is_free)
    if charge is None:
        with transaction(db):
            charge = _open_charge(db, record, price, budget, is_free=is_free)
    assert charge is not None
    return charge


def _open_charge(
    db: Connection, record: Record, price: Decimal | None, budget: Decimal | None, *, is_free: bool
) -> int | None:
    """See ``open_charge``; None, with nothing written, when it needs an exclusive transaction."""
    row = db.execute(
        f"""
        SELECT status, attempts, {PAYER} AS person_id,
            (SELECT state FROM batches WHERE id = batch_id) AS state
        FROM generation_records
        WHERE id = :id {_LOCK}
        """,
        {"id": record.id},
    ).fetchone()
    if row is None or (row["status"], row["attempts"]) != (Status.RUNNING, record.attempts):
        raise LeaseLost
    if row["state"] not in (None, "active"):
        raise BatchNotActive
    person_id = row["person_id"]
    budgets: list[Budget] = []
    if has_limits(db, person_id=person_id, default=budget):
        if db.is_shared:
            return None
        budgets = require_affordable(db, price, batch_id=record.batch_id, person_id=person_id, default=budget)
    charge = db.execute(
        """
        INSERT INTO charges
            (record_id, batch_id, person_id, model, price_micros, is_priced, is_free, opened_at)
        VALUES (:record_id, :batch_id, :person_id, :model, :price, :is_priced, :is_free, :now)
        RETURNING id
        """,
        {
            "record_id": record.id,
            "batch_id": record.batch_id,
            "person_id": person_id,
            "model": record.model,
            "price": micros(price or Decimal(0)),
            "is_priced": price is not None,
            "is_free": is_free and price == 0,
            "now": utc_now(),
        },
    ).fetchall()[0]
    note_near_budgets(db, budgets, price or Decimal(0), batch_id=record.batch_id)
    return int(charge["id"])


def pause_over_budget(
    db: Connection, record: Record, price: Decimal | None, budget: Decimal | None, *, now: float
) -> None:
    """Pause the record's batch if a budget still refuses the charge: it may have been raised meanwhile.

    While a batch buys for others too, only what this person's limit refuses waits. ``now`` is Unix time.
    """
    with transaction(db):
        person_id = find_payer(db, record.id)
        try:
            require_affordable(db, price, batch_id=record.batch_id, person_id=person_id, default=budget)
        except BudgetReached as reached:
            if record.batch_id and not others_go_on(db, record.batch_id, person_id, reached, now=now):
                pause_in_transaction(db, record.batch_id, reached.message, cause=reached.cause)


def withdraw_charge(db: Connection, record: Record) -> None:
    """Close the charge of a claim that sent nothing, if there is one, as not billed."""
    with transaction(db):
        if still_owned(db, record):
            close_charges(db, record.id, Billed.NO, "interrupted")


def save_task_id(
    db: Connection,
    record: Record,
    task_id: str,
    usage: ReportedUsage | None = None,
    *,
    watermark: bool | None = None,
) -> None:
    """Store the provider's task id before polling starts, what it reports of the call, and whether it was
    asked for its visible mark.

    The id is not stored when the claim was lost: the record then holds the new owner's task id.
    """
    with transaction(db, shared=True):
        is_owned = still_owned(db, record)
        if usage:
            _store_usage(db, record, usage)
        if not is_owned:
            return
        fields = {"record_id": record.id, "task_id": task_id}
        db.execute(
            """
            UPDATE charges
            SET task_id = :task_id
            WHERE id = (SELECT max(id) FROM charges WHERE record_id = :record_id)
            """,
            fields,
        )
        marks = object_text({"visible": watermark})
        db.execute(
            "UPDATE generation_records SET task_id = :task_id, marks = :marks WHERE id = :record_id",
            fields | {"marks": marks},
        )


def save_usage(db: Connection, record: Record, usage: ReportedUsage) -> None:
    """Store what the service reports of a submission that has no task id."""
    with transaction(db, shared=True):
        still_owned(db, record)  # locks it; what was reported of the call is true in any case
        _store_usage(db, record, usage)


def _store_usage(db: Connection, record: Record, usage: ReportedUsage) -> None:
    """Store the counts and the cost with their charge, and warn in the batch's log when the counts differ
    from the order."""
    if usage.cost is not None:
        sql = "UPDATE charges SET price_micros = :price, is_priced = 1 WHERE id = :id"
        db.execute(sql, {"id": usage.charge_id, "price": micros(usage.cost)})
        recompute_costs(db, record.id)
    if not usage.counts:
        return
    fields = {"id": usage.charge_id, "usage": object_text(usage.counts), "differs": usage.differs}
    db.execute("UPDATE charges SET usage = :usage, usage_differs = :differs WHERE id = :id", fields)
    if usage.differs:
        text = "{place}：{reported}，和下单的不同（1 张，{n} 张参考图），请核对账单"
        values = {"place": record.label, "reported": usage_text(usage.counts), "n": usage.references}
        add_log(db, record.batch_id, "warning", message(text, **values), record.id)


def list_differing_usage(db: Connection, record_id: int) -> list[Message]:
    """What the service reported of the record's charges that differs from what was ordered."""
    sql = "SELECT usage FROM charges WHERE record_id = :id AND usage_differs = 1 ORDER BY id"
    return [usage_text(object_of(row["usage"])) for row in db.execute(sql, {"id": record_id}).fetchall()]


def still_owned(db: Connection, record: Record, *statuses: Status) -> bool:
    """Whether this claim is still valid: same attempt, and one of these statuses.

    By default RUNNING and UNKNOWN: a worker that was only suspended may still finish its record.

    First in every transaction of a claim: it locks the record's row, whether or not the claim is valid. So
    the transactions of one record, its charges and its copies follow one another, where those of other
    records run beside them, and each statement after this one sees all that the earlier ones committed.
    """
    sql = f"SELECT status, attempts FROM generation_records WHERE id = :id {_LOCK}"
    row = db.execute(sql, {"id": record.id}).fetchone()
    if row is None or row["attempts"] != record.attempts:
        return False
    return row["status"] in (statuses or (Status.RUNNING, Status.UNKNOWN))


def is_free_charge(db: Connection, record_id: int) -> bool:
    """Whether the record's last charge was marked free when it was opened."""
    sql = "SELECT is_free FROM charges WHERE record_id = :id ORDER BY id DESC LIMIT 1"
    row = db.execute(sql, {"id": record_id}).fetchone()
    return row is not None and bool(row["is_free"])


def close_free_charges(db: Connection, record_id: int) -> None:
    """Close the free charges that a worker left open when it crashed or stopped; inside a transaction."""
    db.execute(
        """
        UPDATE charges
        SET outcome = 'not_billed', cause = 'interrupted', closed_at = :now
        WHERE record_id = :record_id AND outcome = 'open' AND is_free = 1 AND task_id IS NULL
        """,
        {"record_id": record_id, "now": utc_now()},
    )


def close_charges(db: Connection, record_id: int, billed: Billed, cause: str = "") -> None:
    """Set the outcome of the record's open charges; inside a transaction.

    Also resolves the last charge with unknown outcome when the image arrived, when its stored task id gives
    the result, or when its worker was only suspended. An arrived image also overrides a manual resolution,
    and the closing of an interrupted free charge.
    """
    db.execute(
        """
        UPDATE charges
        SET outcome = :outcome, cause = :cause, closed_at = :now, resolution_id = NULL
        WHERE record_id = :record_id
          AND (outcome = 'open' OR (
              (outcome = 'unknown' OR resolution_id IS NOT NULL OR (is_free = 1 AND cause = 'interrupted'))
              AND id = (SELECT max(id) FROM charges WHERE record_id = :record_id)
              AND (:outcome = 'billed' OR (
                  outcome = 'unknown'
                  AND (task_id = (SELECT task_id FROM generation_records WHERE id = :record_id)
                       OR (cause = 'interrupted' AND 'unknown' = (
                           SELECT status FROM generation_records WHERE id = :record_id)))))))
        """,
        {"record_id": record_id, "outcome": _OUTCOME[billed], "cause": cause, "now": utc_now()},
    )
    recompute_costs(db, record_id)


def recompute_costs(db: Connection, record_id: int) -> None:
    """Recompute the record's charged and unresolved amounts from its charges; inside a transaction."""
    db.execute(
        """
        UPDATE generation_records
        SET cost_micros = sums.cost, cost_unpriced = sums.cost_unpriced,
            at_stake_micros = sums.at_stake, at_stake_unpriced = sums.at_stake_unpriced
        FROM (
            SELECT
                coalesce(sum(price_micros) FILTER (WHERE outcome = 'billed'), 0) AS cost,
                count(*) FILTER (WHERE outcome = 'billed' AND is_priced = 0) AS cost_unpriced,
                coalesce(sum(price_micros) FILTER (WHERE outcome = 'unknown'), 0) AS at_stake,
                count(*) FILTER (WHERE outcome = 'unknown' AND is_priced = 0) AS at_stake_unpriced
            FROM charges
            WHERE record_id = :record_id
        ) AS sums
        WHERE id = :record_id
        """,
        {"record_id": record_id},
    )


def check_affordable(
    db: Connection,
    batch_id: str,
    *,
    models: Models,
    budget: Decimal | None,
    person_id: int | None = None,
    released: ImageRequest | None = None,
) -> None:
    """Raises BudgetReached when a batch that this person resumes would be paused again at once.

    That is so when its next record must be submitted and costs more than a budget leaves. ``released`` is
    what comes next of a release.
    """
    waiting = read_records(
        db,
        """
        WHERE batch_id = :id AND status = 'queued' AND fetch_while_paused = 0
        ORDER BY task_id IS NULL, id
        LIMIT 1
        """,
        {"id": batch_id},
    )
    following = released or (waiting[0].request if waiting else None)
    if following and (released or not waiting[0].task_id):
        price = models.price(following)
        require_affordable(db, price, batch_id=batch_id, person_id=person_id, default=budget)
