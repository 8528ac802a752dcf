"""Batches: records submitted together, their state, counts, costs and workbook."""

import json
from collections.abc import Iterable
from decimal import Decimal
from itertools import count

from app.core.records.rows import read_records
from app.domain import (
    MAX_BATCH_NAME_LENGTH,
    Batch,
    BatchModel,
    BatchStatus,
    Pick,
    Record,
    Status,
    StoredWorkbook,
)
from app.engine.connection import Connection, Row
from app.engine.values import IN_IDS, SqlList, priced, to_message
from app.errors import Message, NotFound

# Failed records whose retry does not cause a second charge: not charged yet, or fetched by their task id.
NOT_CHARGED = """
    status = 'failed' AND deleted_at IS NULL
    AND (task_id IS NOT NULL OR (cost_micros = 0 AND cost_unpriced = 0))
"""
_STORED = (
    *("id", "name", "number_in_minute", "created_at", "total", "version", "source"),
    *("paused_cause", "table_id"),
)


def get_batch(db: Connection, batch_id: str) -> Batch:
    """The batch with its counts, costs and estimated seconds left. Raises NotFound."""
    return _to_batch(db, _batch_row(db, batch_id))


def get_batch_version(db: Connection, batch_id: str) -> int:
    """The batch's version, which grows with every change of it, its records or its log. Raises NotFound."""
    return int(_batch_row(db, batch_id)["version"])


def _batch_row(db: Connection, batch_id: str) -> Row:
    sql = f"SELECT *, {NUMBER_IN_MINUTE} AS number_in_minute FROM batches WHERE id = :id"
    row: Row | None = db.execute(sql, {"id": batch_id}).fetchone()
    if row is None:
        raise NotFound("没有这个批次，它可能来自另一个数据库")
    return row


def list_batches(db: Connection, *, limit: int, offset: int = 0, source: str | None = None) -> list[Batch]:
    """Batches, newest first; only those of ``source`` if given."""
    which = "WHERE source = :source ORDER BY created_at DESC, id DESC" if source else "ORDER BY id DESC"
    columns = f"*, {NUMBER_IN_MINUTE} AS number_in_minute"
    sql = f"SELECT {columns} FROM batches {which} LIMIT :limit OFFSET :offset"
    rows = db.execute(sql, {"limit": limit, "offset": offset, "source": source}).fetchall()
    return [_to_batch(db, row) for row in rows]


def count_batches(db: Connection, *, source: str | None = None) -> int:
    """The number of batches; only those of ``source`` if given."""
    sql = f"SELECT count(*) AS number FROM batches {'WHERE source = :source' if source else ''}"
    return int(db.execute(sql, {"source": source}).fetchone()["number"])


def list_batch_records(db: Connection, batch_id: str, *, since: int = 0) -> list[Record]:
    """Records of a batch changed after version ``since``, in order of insertion."""
    return read_records(
        db,
        "WHERE batch_id = :id AND version > :since AND deleted_at IS NULL ORDER BY id",
        {"id": batch_id, "since": since},
    )


def count_open_work(db: Connection) -> tuple[int, int, int]:
    """(running, queued, total) of the active batches, in images, held ones apart; all 0 without any."""
    row = db.execute(
        """
        SELECT
            count(*) FILTER (WHERE generation_records.status = 'running') AS running,
            count(*) FILTER (WHERE generation_records.status = 'queued') AS queued,
            (SELECT coalesce(sum(total), 0) FROM batches WHERE state = 'active')
                - count(*) FILTER (WHERE generation_records.status = 'held') AS total
        FROM batches
        JOIN generation_records ON generation_records.batch_id = batches.id
        WHERE batches.state = 'active' AND generation_records.status IN ('held', 'queued', 'running')
        """
    ).fetchone()
    return int(row["running"]), int(row["queued"]), int(row["total"])


def _to_batch(db: Connection, row: Row) -> Batch:
    groups = db.execute(
        """
        SELECT status, model, count(*) AS number, sum(cost_micros) AS cost,
            sum(cost_unpriced) AS cost_unpriced, sum(at_stake_micros) AS at_stake,
            sum(at_stake_unpriced) AS at_stake_unpriced
        FROM generation_records
        WHERE batch_id = :id
        GROUP BY status, model
        """,
        {"id": row["id"]},
    ).fetchall()
    counts = dict.fromkeys(Status, 0)
    for group in groups:
        counts[Status(group["status"])] += int(group["number"])
    return Batch(
        **{name: row[name] for name in _STORED},
        status=_batch_status(row["state"], counts),
        ahead=count_ahead(db, row["id"]) if counts[Status.QUEUED] else 0,
        paused_reason=to_message(row["paused_reason"], row["paused_message"]),
        counts=counts,
        cost=_sum_of("cost", groups),
        at_stake=_sum_of("at_stake", groups),
        estimated_cost=priced(row["estimated_micros"], not row["is_priced"]),
        eta_seconds=_seconds_to_go(db, row, groups, counts),
        retryable=_count_retryable(db, row["id"]) if counts[Status.FAILED] else 0,
        workbook=find_workbook(db, row["workbook_id"]) if row["workbook_id"] else None,
        picks=_count_picks(db, row["id"]),
        models=_models_of(groups),
    )


def find_workbook(db: Connection, workbook_id: str | None) -> StoredWorkbook | None:
    """The workbook without its content; None when there is none."""
    row = db.execute(
        "SELECT id, filename, notes FROM workbooks WHERE id = :id", {"id": workbook_id}
    ).fetchone()
    if row is None:
        return None
    notes = tuple(Message.from_json(note) for note in json.loads(row["notes"]))
    return StoredWorkbook(id=row["id"], filename=row["filename"], notes=notes)


def _models_of(groups: list[Row]) -> list[BatchModel]:
    by_model: dict[str, list[Row]] = {}
    for group in groups:
        by_model.setdefault(group["model"], []).append(group)
    found = [
        BatchModel(model=model, total=sum(g["number"] for g in own), cost=_sum_of("cost", own))
        for model, own in by_model.items()
    ]
    return sorted(found, key=lambda one: (-one.total, one.model))


def _count_picks(db: Connection, batch_id: str) -> dict[Pick, int]:
    rows = db.execute(
        """
        SELECT pick, count(*) AS number
        FROM generation_records INDEXED BY records_picked_of_batch
        WHERE batch_id = :id AND pick <> '' AND pick IN ('keep', 'reject') AND deleted_at IS NULL
        GROUP BY pick
        """,
        {"id": batch_id},
    ).fetchall()
    return dict.fromkeys(Pick, 0) | {Pick(row["pick"]): int(row["number"]) for row in rows}


def _count_retryable(db: Connection, batch_id: str) -> int:
    row = db.execute(
        f"SELECT count(*) AS number FROM generation_records WHERE batch_id = :id AND {NOT_CHARGED}",
        {"id": batch_id},
    ).fetchone()
    return int(row["number"])


def _sum_of(name: str, groups: list[Row]) -> Decimal | None:
    return priced(sum(g[name] for g in groups), sum(g[f"{name}_unpriced"] for g in groups))


def _batch_status(state: str, counts: dict[Status, int]) -> BatchStatus:
    if counts[Status.QUEUED]:
        if state == "paused":
            return BatchStatus.PAUSED
        begun = sum(counts.values()) > counts[Status.QUEUED] + counts[Status.HELD]
        return BatchStatus.RUNNING if begun else BatchStatus.QUEUED
    if counts[Status.RUNNING]:
        return BatchStatus.RUNNING
    if counts[Status.HELD]:
        return BatchStatus.PAUSED
    return BatchStatus.CANCELLED if state == "cancelled" else BatchStatus.FINISHED


def _seconds_to_go(db: Connection, batch: Row, groups: list[Row], counts: dict[Status, int]) -> int | None:
    """Records to be made until its last ÷ records running × mean duration of the last 40, or else what the
    model is known to take; independent of pauses. The other batches at its model, which share it evenly, make
    as many of their own meanwhile, if they have as many.
    """
    left = counts[Status.QUEUED] + counts[Status.RUNNING]
    if not (left and counts[Status.RUNNING]):
        return None
    model = max(groups, key=lambda group: (group["status"] == "running") * group["number"])["model"]
    others = [each for each in list_in_turn(db, model) if each["id"] != batch["id"]]
    rivals = [each for each in others if each["priority"] >= batch["priority"]]
    to_make = left + sum(min(each["queued"] + each["running"], left) for each in rivals)
    running = counts[Status.RUNNING] + sum(each["running"] for each in others)
    row = db.execute(
        """
        SELECT avg(86400.0 * (julianday(finished_at) - julianday(started_at))) AS seconds
        FROM (
            SELECT started_at, finished_at
            FROM generation_records
            WHERE batch_id = :id AND status = 'success' AND started_at IS NOT NULL
            ORDER BY id DESC
            LIMIT 40
        ) AS latest
        """,
        {"id": batch["id"]},
    ).fetchone()
    seconds = row["seconds"] or _learnt_seconds(db, batch["id"])
    return None if seconds is None else round(to_make * float(seconds) / running)


def _learnt_seconds(db: Connection, batch_id: str) -> float | None:
    """What an image of the model in use usually takes, while the batch has none yet."""
    row = db.execute(
        """
        SELECT seconds
        FROM model_statistics
        WHERE model = (
            SELECT model FROM generation_records WHERE batch_id = :id AND status = 'running' LIMIT 1)
        """,
        {"id": batch_id},
    ).fetchone()
    return row["seconds"] if row else None


_MAX_COUNTER_LENGTH = 10  # of `` (1234567)``

# A batch without a name is known by its time: which of those of its source and minute it is, from 1.
NUMBER_IN_MINUTE = """(
    SELECT count(*)
    FROM batches AS other
    WHERE other.source = batches.source
      AND other.created_at BETWEEN substr(batches.created_at, 1, 16) AND batches.created_at
      AND (other.created_at < batches.created_at OR other.id <= batches.id)
      AND other.name = ''
)"""


def list_batch_names(db: Connection, batch_ids: Iterable[str]) -> dict[str, str]:
    """The names of these batches; those without one are left out."""
    rows = db.execute(
        f"SELECT id, name FROM batches WHERE id {IN_IDS} AND name <> ''", {"ids": SqlList(batch_ids)}
    )
    return {row["id"]: row["name"] for row in rows}


def free_name(db: Connection, name: str) -> str:
    """The name, with the first counter from `` (2)`` on that makes it unique; inside a transaction.

    A long name is cut where the counter would exceed MAX_BATCH_NAME_LENGTH.
    """
    stem = name[: MAX_BATCH_NAME_LENGTH - _MAX_COUNTER_LENGTH]
    sql = "SELECT name FROM batches WHERE substr(name, 1, length(:stem)) = :stem"
    taken = {row["name"] for row in db.execute(sql, {"stem": stem}).fetchall()}
    if not name or name not in taken:
        return name
    numbered = (f"{stem} ({number})" for number in count(2))
    return next(each for each in numbered if each not in taken)


def count_ahead(db: Connection, batch_id: str) -> int:
    """The pictures of other batches that are claimed before the next of this one; 0 while one is running."""
    row = db.execute(
        """
        SELECT min(model) AS model
        FROM generation_records
        WHERE batch_id = :id AND status = 'queued' AND NOT EXISTS (
            SELECT 1 FROM generation_records WHERE batch_id = :id AND status = 'running')
        """,
        {"id": batch_id},
    ).fetchone()
    batches = list_in_turn(db, row["model"]) if row["model"] is not None else []
    at = next((at for at, each in enumerate(batches) if each["id"] == batch_id), 0)
    first = [int(each["queued"]) for each in batches[:at] if each["priority"] > batches[at]["priority"]]
    return sum(first) + sum(bool(each["queued"]) for each in batches[len(first) : at])


def list_in_turn(db: Connection, model: str) -> list[Row]:
    """The active batches in the order of their next claims (see ``queue``), with their records of a model."""
    mine = "FROM generation_records WHERE batch_id = batches.id AND model = :model AND status ="
    sql = f"""
        SELECT id, priority, (SELECT count(*) {mine} 'running') AS running,
            (SELECT count(*) {mine} 'queued') AS queued
        FROM batches
        WHERE state = 'active'
        ORDER BY priority DESC, running, version
    """
    return db.execute(sql, {"model": model}).fetchall()
