"""Charges with unknown outcome, resolved by the user: fetch, resubmit, or write off."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.db.batch_log import add_log
from app.db.batches import check_model
from app.db.connection import transaction
from app.db.ledger import recompute_costs
from app.db.request_keys import RequestKey, find_answer, keep_answer
from app.db.requeue import list_supported, requeue
from app.db.row_mapping import RECORD, message_json, priced, to_record
from app.db.versions import touch
from app.domain import ModelSpec, Status
from app.domain.ledger import UnresolvedCharge, UnresolvedCounts
from app.errors import Conflict, message

_UNRESOLVED = "id IN (SELECT record_id FROM charges WHERE outcome = 'unknown')"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequeueResult:
    """How many records were requeued, and how many of them wait because their batch is paused."""

    records: int
    waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """How many records were resolved, the amount in CNY, and the id for ``undo_resolution``.

    ``amount`` is None when some price is unknown.
    """

    records: int
    amount: Decimal | None
    undo: int


def list_unresolved(db: sqlite3.Connection, *, limit: int) -> list[UnresolvedCharge]:
    """Unresolved charges, one entry per record, newest first."""
    rows = db.execute(
        """
        SELECT doubts.*, batches.name AS batch_name, batches.state AS batch_state
        FROM (
            SELECT record_id, batch_id, max(opened_at) AS opened_at, count(*) AS charges,
                sum(price_micros) AS micros, sum(NOT is_priced) AS unpriced
            FROM charges
            WHERE outcome = 'unknown'
            GROUP BY record_id
            ORDER BY max(id) DESC
            LIMIT :limit
        ) AS doubts
        LEFT JOIN batches ON batches.id = doubts.batch_id
        """,
        {"limit": limit},
    ).fetchall()
    sql = f"SELECT {RECORD} FROM generation_records WHERE id IN (SELECT value FROM json_each(?))"
    found = db.execute(sql, [json.dumps([row["record_id"] for row in rows])]).fetchall()
    records = {row["id"]: to_record(row) for row in found}
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


def count_unresolved(db: sqlite3.Connection, *, model: str) -> UnresolvedCounts:
    """Totals of the unresolved charges, and how many can be fetched from ``model`` or resubmitted."""
    row = db.execute(
        f"""
        SELECT
            (SELECT count(DISTINCT record_id) FROM charges WHERE outcome = 'unknown') AS records,
            (SELECT micros FROM charge_totals WHERE outcome = 'unknown') AS micros,
            (SELECT unpriced FROM charge_totals WHERE outcome = 'unknown') AS unpriced,
            count(*) FILTER (WHERE task_id IS NOT NULL AND model = :model) AS collectable,
            count(*) FILTER (WHERE task_id IS NULL) AS orderable,
            sum(at_stake_micros) FILTER (WHERE task_id IS NULL) AS orderable_micros,
            sum(at_stake_unpriced) FILTER (WHERE task_id IS NULL) AS orderable_unpriced
        FROM generation_records
        WHERE {_UNRESOLVED} AND status = 'unknown' AND batch_id IS NOT NULL
        """,
        {"model": model},
    ).fetchone()
    return UnresolvedCounts(
        records=row["records"],
        at_stake=priced(row["micros"], row["unpriced"]),
        collectable=row["collectable"],
        orderable=row["orderable"],
        orderable_at_stake=priced(row["orderable_micros"], row["orderable_unpriced"]),
    )


def refetch(db: sqlite3.Connection, ids: Sequence[int] | None, *, spec: ModelSpec) -> RequeueResult:
    """Fetch submitted records again by task id; nothing is resubmitted. ``ids=None``: all with a task id.

    Paused and cancelled batches stay so. Raises Conflict when a listed record cannot be fetched.
    """
    with transaction(db):
        rows = _select_unknown(db, ids, "task_id IS NOT NULL AND model = :model", spec)
        if ids is not None and len(rows) < len(set(ids)):
            raise Conflict("有的图片没有编号可以取回，或不是现在的模型下的单，请刷新后再选")

        def begin(batch_id: str, batch_ids: list[int], state: str) -> None:
            requeue(db, batch_ids, spec=spec)
            if state == "finished":
                _set_state(db, batch_id, "active")
            add_log(db, batch_id, "info", message("取回 {n} 张，不会再下单", n=len(batch_ids)))

        return _requeue_by_batch(db, rows, begin)


def resubmit(
    db: sqlite3.Connection, ids: Sequence[int] | None, *, spec: ModelSpec, key: RequestKey | None = None
) -> RequeueResult:
    """Submit these records again, at their price. ``ids=None``: all without a task id.

    A paused batch stays paused with its requeued records, since resuming would start its other records.
    Without ``ids``, records that the model does not support are skipped. Raises Conflict when a listed record
    is not ``unknown``, or when the model supports none. A used ``key`` queues nothing.
    """
    with transaction(db):
        if first := find_answer(db, key):
            return RequeueResult(**first)
        rows = _select_unknown(db, ids, "1" if ids is not None else "task_id IS NULL", spec)
        if ids is not None and len(rows) < len(set(ids)):
            raise Conflict("只有结果未知的图片可以在这里重新下单，请刷新后再选")
        if ids is None:
            able = set(list_supported(db, [row["id"] for row in rows], spec=spec))
            rows = [row for row in rows if row["id"] in able] or rows

        def begin(batch_id: str, batch_ids: list[int], state: str) -> None:
            db.execute(
                "UPDATE generation_records SET task_id = NULL WHERE id IN (SELECT value FROM json_each(?))",
                [json.dumps(batch_ids)],
            )
            requeue(db, batch_ids, spec=spec)
            check_model(db, batch_id, spec.model_id)
            if state != "paused":
                _set_state(db, batch_id, "active")
            add_log(db, batch_id, "info", message("重新下单 {n} 张，之前的可能已计费", n=len(batch_ids)))

        done = _requeue_by_batch(db, rows, begin)
        waiting = sum(1 for row in rows if row["state"] == "paused")
        keep_answer(db, key, {"records": done.records, "waiting": waiting})
        return RequeueResult(records=done.records, waiting=waiting)


def resolve_charges(db: sqlite3.Connection, ids: Sequence[int] | None, *, billed: bool) -> Resolution:
    """Resolve unknown charges as charged or not charged, as the user states. ``ids=None``: all.

    Records with status ``unknown`` end as cancelled, cause ``dropped``: never resubmitted automatically.
    Raises Conflict when none of the listed records is unresolved.
    """
    with transaction(db):
        only = {"ids": json.dumps(ids) if ids is not None else None}
        condition = (
            "outcome = 'unknown' AND (:ids IS NULL OR record_id IN (SELECT value FROM json_each(:ids)))"
        )
        sums = "sum(price_micros) AS micros, sum(NOT is_priced) AS unpriced"
        sql = f"SELECT record_id, {sums} FROM charges WHERE {condition} GROUP BY record_id"
        rows = db.execute(sql, only).fetchall()
        if ids is not None and not rows:
            raise Conflict("这些图片没有待定的账，请刷新后再看")
        sql = "INSERT INTO resolutions (billed) VALUES (?) RETURNING id"
        undo = int(db.execute(sql, [billed]).fetchall()[0]["id"])
        db.execute(
            f"UPDATE charges SET outcome = :outcome, resolution_id = :undo WHERE {condition}",
            only | {"outcome": "billed" if billed else "not_billed", "undo": undo},
        )
        _cancel_resolved(db, [row["record_id"] for row in rows], undo, billed)
    amount = priced(sum(row["micros"] for row in rows), sum(row["unpriced"] for row in rows))
    return Resolution(records=len(rows), amount=amount, undo=undo)


def undo_resolution(db: sqlite3.Connection, undo: int) -> int:
    """Make the charges of one resolution unresolved again -> how many records; requeued ones continue."""
    with transaction(db):
        sql = "SELECT DISTINCT record_id FROM charges WHERE resolution_id = :undo"
        ids = [row["record_id"] for row in db.execute(sql, {"undo": undo}).fetchall()]
        db.execute(
            "UPDATE charges SET outcome = 'unknown', resolution_id = NULL WHERE resolution_id = :undo",
            {"undo": undo},
        )
        db.execute(
            """
            UPDATE generation_records
            SET status = 'unknown', error = earlier.error, error_message = earlier.error_message,
                cause = earlier.cause
            FROM resolved_records AS earlier
            WHERE earlier.resolution_id = :undo AND earlier.record_id = generation_records.id
              AND generation_records.status = 'cancelled' AND generation_records.cause = 'dropped'
            """,
            {"undo": undo},
        )
        _recompute_and_log(db, ids, "撤销放弃 {number} 张，结果又是未知")
        db.execute("DELETE FROM resolved_records WHERE resolution_id = :undo", {"undo": undo})
        db.execute("DELETE FROM resolutions WHERE id = :undo", {"undo": undo})
    return len(ids)


def _cancel_resolved(db: sqlite3.Connection, ids: Sequence[int], undo: int, billed: bool) -> None:
    """Cancel the ``unknown`` records, saving their error and cause for the undo."""
    charge = message("账单里有这一笔" if billed else "账单里没有这一笔")
    error = message("已放弃，{charge}", charge=charge)
    fields = {
        "ids": json.dumps(ids),
        "undo": undo,
        "error": str(error),
        "message": message_json(error),
        "unknown": Status.UNKNOWN,
        "cancelled": Status.CANCELLED,
    }
    mine = "status = :unknown AND id IN (SELECT value FROM json_each(:ids))"
    db.execute(
        f"""
        INSERT INTO resolved_records (resolution_id, record_id, error, error_message, cause)
        SELECT :undo, id, error, error_message, cause
        FROM generation_records
        WHERE {mine}
        """,
        fields,
    )
    db.execute(
        f"""
        UPDATE generation_records
        SET status = :cancelled, error = :error, error_message = :message, cause = 'dropped'
        WHERE {mine}
        """,
        fields,
    )
    _recompute_and_log(db, ids, "放弃 {number} 张结果未知的，{charge}", charge=charge)


def _recompute_and_log(db: sqlite3.Connection, ids: Sequence[int], text: str, **values: object) -> None:
    """Recompute the records' costs and add a line with their number to each batch's log."""
    for record_id in ids:
        recompute_costs(db, record_id)
    touch(db, ids)
    rows = db.execute(
        """
        SELECT batch_id, count(*) AS number
        FROM generation_records
        WHERE id IN (SELECT value FROM json_each(?)) AND batch_id IS NOT NULL
        GROUP BY batch_id
        """,
        [json.dumps(ids)],
    ).fetchall()
    for row in rows:
        add_log(db, row["batch_id"], "info", message(text, number=row["number"], **values))


def _select_unknown(
    db: sqlite3.Connection, ids: Sequence[int] | None, condition: str, spec: ModelSpec
) -> list[sqlite3.Row]:
    """The ``unknown`` records among ``ids`` (None: all) -> rows of id, batch_id and the batch's state."""
    which = _UNRESOLVED if ids is None else "id IN (SELECT value FROM json_each(:ids))"
    return db.execute(
        f"""
        SELECT records.id, records.batch_id, batches.state
        FROM (
            SELECT id, batch_id
            FROM generation_records
            WHERE status = 'unknown' AND {condition} AND {which}
        ) AS records
        JOIN batches ON batches.id = records.batch_id
        ORDER BY records.id
        """,
        {"ids": json.dumps(ids), "model": spec.model_id},
    ).fetchall()


def _requeue_by_batch(
    db: sqlite3.Connection, rows: Sequence[sqlite3.Row], begin: Callable[[str, list[int], str], None]
) -> RequeueResult:
    """Call ``begin`` per batch, and restore the records that are in the trash."""
    groups: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        groups.setdefault((row["batch_id"], row["state"]), []).append(row["id"])
    for (batch_id, state), ids in groups.items():
        begin(batch_id, ids, state)
        db.execute(
            "UPDATE generation_records SET deleted_at = NULL WHERE id IN (SELECT value FROM json_each(?))",
            [json.dumps(ids)],
        )
    return RequeueResult(records=len(rows))


def _set_state(db: sqlite3.Connection, batch_id: str, state: str) -> None:
    db.execute("UPDATE batches SET state = ? WHERE id = ?", [state, batch_id])
