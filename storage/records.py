"""Records as people look for them: one, a page of them, how many; deleted and restored."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from domain import Record
from errors import NotFound
from storage.connection import next_version, transaction
from storage.rows import RECORD, to_record

_ENDED = ("success", "failed", "unknown", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """What to look for; an empty field does not narrow. ``search`` is a part of a prompt."""

    search: str = ""
    statuses: tuple[str, ...] = ()
    batch_id: str = ""


def get_record(db: sqlite3.Connection, record_id: int) -> Record:
    """One record, not a deleted one. Raises NotFound."""
    row = db.execute(
        f"SELECT {RECORD} FROM generation_records WHERE id = :id AND deleted_at IS NULL",
        {"id": record_id},
    ).fetchone()
    if row is None:
        raise NotFound("没有这条记录，它可能已被删除")
    return to_record(row)


def list_records(
    db: sqlite3.Connection, wanted: RecordFilter, *, limit: int = 20, offset: int = 0
) -> list[Record]:
    """A page of records, newest first."""
    where, fields = _where(wanted)
    rows = db.execute(
        f"""
        SELECT {RECORD}
        FROM generation_records
        WHERE {where}
        ORDER BY id DESC
        LIMIT :limit OFFSET :offset
        """,
        fields | {"limit": limit, "offset": offset},
    ).fetchall()
    return [to_record(row) for row in rows]


def count_records(db: sqlite3.Connection, wanted: RecordFilter) -> int:
    """How many records there are in all pages."""
    where, fields = _where(wanted)
    row = db.execute(f"SELECT count(*) FROM generation_records WHERE {where}", fields).fetchone()
    return int(row[0])


def list_single_records(db: sqlite3.Connection, *, since: int = 0, limit: int = 60) -> list[Record]:
    """The newest records of the single-picture page changed after ``since``, newest first."""
    rows = db.execute(
        f"""
        SELECT {RECORD}
        FROM generation_records
        WHERE batch_id IN (
            SELECT id
            FROM batches
            WHERE source = 'single'
            ORDER BY created_at DESC
            LIMIT :limit
        )
        AND version > :since AND deleted_at IS NULL
        ORDER BY id DESC
        LIMIT :limit
        """,
        {"since": since, "limit": limit},
    ).fetchall()
    return [to_record(row) for row in rows]


def delete_records(db: sqlite3.Connection, ids: Sequence[int]) -> int:
    """Into the trash -> how many; a record under way stays. Its file stays until the trash is emptied."""
    return _set_deleted(
        db, ids, "CURRENT_TIMESTAMP", "deleted_at IS NULL AND status NOT IN ('queued', 'running')"
    )


def restore_records(db: sqlite3.Connection, ids: Sequence[int]) -> int:
    """Out of the trash again -> how many."""
    return _set_deleted(db, ids, "NULL", "deleted_at IS NOT NULL")


def _set_deleted(db: sqlite3.Connection, ids: Sequence[int], value: str, condition: str) -> int:
    with transaction(db):
        version = next_version(db)
        sql = f"""
            UPDATE generation_records
            SET deleted_at = {value}, version = :version
            WHERE id = :id AND {condition}
        """
        return sum(db.execute(sql, {"id": i, "version": version}).rowcount for i in ids)


def _where(wanted: RecordFilter) -> tuple[str, dict[str, object]]:
    statuses = wanted.statuses or _ENDED
    fields: dict[str, object] = {f"status_{n}": status for n, status in enumerate(statuses)}
    conditions = ["deleted_at IS NULL", f"status IN ({', '.join(':' + name for name in fields)})"]
    if wanted.batch_id:
        conditions.append("batch_id = :batch_id")
        fields["batch_id"] = wanted.batch_id
    if wanted.search:
        conditions.append("instr(lower(prompt), lower(:search)) > 0")
        fields["search"] = wanted.search
    return " AND ".join(conditions), fields
