"""Charges with unknown outcome: which there are, and those that the user writes off."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.core.log import add_log
from app.core.money.ledger import recompute_costs
from app.core.records.rows import IN_MODELS, read_records, touch, update_records
from app.domain.ledger import UnresolvedCharge, UnresolvedCounts
from app.engine.connection import Connection, transaction
from app.engine.values import IN_IDS, SqlList, message_json, priced, utc_now
from app.errors import Conflict, message

_UNRESOLVED = "id IN (SELECT record_id FROM charges WHERE outcome = 'unknown')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """How many records were resolved, the amount in CNY, and the id for ``undo_resolution``.

    ``amount`` is None when some price is unknown.
    """

    records: int
    amount: Decimal | None
    undo: int


def list_unresolved(db: Connection, *, limit: int) -> list[UnresolvedCharge]:
    """Unresolved charges, one entry per record, newest first."""
    rows = db.execute(
        """
        SELECT unresolved.*, batches.name AS batch_name, batches.state AS batch_state
        FROM (
            SELECT record_id, min(batch_id) AS batch_id, max(opened_at) AS opened_at,
                count(*) AS charges, max(id) AS newest,
                sum(price_micros) AS micros, sum(1 - is_priced) AS unpriced
            FROM charges
            WHERE outcome = 'unknown'
            GROUP BY record_id
            ORDER BY max(id) DESC
            LIMIT :limit
        ) AS unresolved
        LEFT JOIN batches ON batches.id = unresolved.batch_id
        ORDER BY unresolved.newest DESC
        """,
        {"limit": limit},
    ).fetchall()
    ids = SqlList(row["record_id"] for row in rows)
    records = {record.id: record for record in read_records(db, f"WHERE id {IN_IDS}", {"ids": ids})}
    return [
        UnresolvedCharge(
            record_id=row["record_id"],
            record=records.get(row["record_id"]),
            batch_name=row["batch_name"] or "",
            batch_paused=row["batch_state"] == "paused",
            opened_at=row["opened_at"],
            charges=row["charges"],
            at_stake=priced(row["micros"], row["unpriced"]),
        )
        for row in rows
    ]


def count_unresolved(db: Connection, *, models: Iterable[str]) -> UnresolvedCounts:
    """Totals of the unresolved charges, and how many can be fetched from ``models`` or resubmitted."""
    row = db.execute(
        f"""
        SELECT
            (SELECT count(DISTINCT record_id) FROM charges WHERE outcome = 'unknown') AS records,
            (SELECT coalesce(sum(micros), 0) FROM charge_totals WHERE outcome = 'unknown') AS micros,
            (SELECT coalesce(sum(unpriced), 0) FROM charge_totals WHERE outcome = 'unknown') AS unpriced,
            count(*) FILTER (WHERE task_id IS NOT NULL AND model {IN_MODELS}) AS collectable,
            count(*) FILTER (WHERE task_id IS NULL) AS orderable,
            sum(at_stake_micros) FILTER (WHERE task_id IS NULL) AS orderable_micros,
            sum(at_stake_unpriced) FILTER (WHERE task_id IS NULL) AS orderable_unpriced
        FROM generation_records
        WHERE {_UNRESOLVED} AND status = 'unknown' AND batch_id IS NOT NULL
        """,
        {"models": SqlList(models)},
    ).fetchone()
    return UnresolvedCounts(
        records=row["records"],
        at_stake=priced(row["micros"], row["unpriced"]),
        collectable=row["collectable"],
        orderable=row["orderable"],
        orderable_at_stake=priced(row["orderable_micros"], row["orderable_unpriced"]),
    )


def resolve_charges(db: Connection, ids: Sequence[int] | None, *, billed: bool) -> Resolution:
    """Resolve unknown charges as charged or not charged, as the user states. ``ids=None``: all.

    Records with status ``unknown`` end as cancelled, cause ``dropped``: never resubmitted automatically.
    Raises Conflict when none of the listed records is unresolved.
    """
    with transaction(db):
        only = {"ids": None if ids is None else SqlList(ids)}
        condition = f"outcome = 'unknown' AND (:ids IS NULL OR record_id {IN_IDS})"
        sums = "sum(price_micros) AS micros, sum(1 - is_priced) AS unpriced"
        sql = f"SELECT record_id, {sums} FROM charges WHERE {condition} GROUP BY record_id"
        rows = db.execute(sql, only).fetchall()
        if ids is not None and not rows:
            raise Conflict("这些图片没有待确认的费用，请刷新后再看")
        sql = "INSERT INTO resolutions (at, billed) VALUES (:now, :billed) RETURNING id"
        undo = int(db.execute(sql, {"now": utc_now(), "billed": billed}).fetchall()[0]["id"])
        db.execute(
            f"UPDATE charges SET outcome = :outcome, resolution_id = :undo WHERE {condition}",
            only | {"outcome": "billed" if billed else "not_billed", "undo": undo},
        )
        _cancel_resolved(db, [row["record_id"] for row in rows], undo, billed)
    amount = priced(sum(row["micros"] for row in rows), sum(row["unpriced"] for row in rows))
    return Resolution(records=len(rows), amount=amount, undo=undo)


def undo_resolution(db: Connection, undo: int) -> int:
    """Make the charges of one resolution unresolved again -> how many records; requeued ones continue."""
    with transaction(db):
        sql = "SELECT DISTINCT record_id FROM charges WHERE resolution_id = :undo"
        ids = [row["record_id"] for row in db.execute(sql, {"undo": undo}).fetchall()]
        db.execute(
            "UPDATE charges SET outcome = 'unknown', resolution_id = NULL WHERE resolution_id = :undo",
            {"undo": undo},
        )
        update_records(
            db,
            """
            status = 'unknown', (error, error_message, cause) = (
                SELECT earlier.error, earlier.error_message, earlier.cause
                FROM resolved_records AS earlier
                WHERE resolution_id = :undo AND record_id = generation_records.id)
            """,
            """
            status = 'cancelled' AND cause = 'dropped'
            AND id IN (SELECT record_id FROM resolved_records WHERE resolution_id = :undo)
            """,
            {"undo": undo},
        )
        _recompute_and_log(db, ids, "撤销放弃 {number} 张，结果又是未知")
        db.execute("DELETE FROM resolved_records WHERE resolution_id = :undo", {"undo": undo})
        db.execute("DELETE FROM resolutions WHERE id = :undo", {"undo": undo})
    return len(ids)


def _cancel_resolved(db: Connection, ids: Sequence[int], undo: int, billed: bool) -> None:
    """Cancel the ``unknown`` records, saving their error and cause for the undo."""
    charge = message("账单里有这一笔" if billed else "账单里没有这一笔")
    error = message("已放弃，{charge}", charge=charge)
    fields = {"ids": SqlList(ids), "undo": undo, "error": str(error), "message": message_json(error)}
    mine = f"status = 'unknown' AND id {IN_IDS}"
    db.execute(
        f"""
        INSERT INTO resolved_records (resolution_id, record_id, error, error_message, cause)
        SELECT :undo, id, error, error_message, cause
        FROM generation_records
        WHERE {mine}
        """,
        fields,
    )
    update_records(
        db, "status = 'cancelled', error = :error, error_message = :message, cause = 'dropped'", mine, fields
    )
    _recompute_and_log(db, ids, "放弃 {number} 张结果未知的，{charge}", charge=charge)


def _recompute_and_log(db: Connection, ids: Sequence[int], text: str, **values: object) -> None:
    """Recompute the records' costs and add a line with their number to each batch's log."""
    for record_id in ids:
        recompute_costs(db, record_id)
    touch(db, ids)
    rows = db.execute(
        f"""
        SELECT batch_id, count(*) AS number
        FROM generation_records
        WHERE id {IN_IDS}
        GROUP BY batch_id
        """,
        {"ids": SqlList(ids)},
    ).fetchall()
    for row in rows:
        add_log(db, row["batch_id"], "info", message(text, number=row["number"], **values))
