"""Rows of a batch: how many there are of each group, and the records of a page of them.

A row belongs to a group by its pictures, those in the trash aside:

    all      one was queued or made: not only held or cancelled ones
    keep     one was kept
    reject   every picture made was rejected
    none     none was kept, and one made is not rejected
    failed   one failed, or its outcome is unknown
    held     one waits to be released
"""

from collections.abc import Sequence

from app.db.connection import Connection
from app.db.row_mapping import IN_IDS, SqlList, read_records
from app.domain import Record


def _some(condition: str) -> str:
    """Whether a picture of the row meets the condition."""
    return f"(count(*) FILTER (WHERE {condition}) > 0)"


_KEPT = _some("status = 'success' AND pick = 'keep'")
_CONDITIONS = {
    "all": _some("status NOT IN ('held', 'cancelled')"),
    "keep": _KEPT,
    "reject": _some("status = 'success'") + " AND NOT " + _some("status = 'success' AND pick <> 'reject'"),
    "none": _some("status = 'success' AND pick = ''") + " AND NOT " + _KEPT,
    "failed": _some("status IN ('failed', 'unknown')"),
    "held": _some("status = 'held'"),
}
ROW_GROUPS = tuple(_CONDITIONS)
_OF_BATCH = "FROM generation_records WHERE batch_id = :id AND deleted_at IS NULL"


def count_batch_rows(db: Connection, batch_id: str) -> dict[str, int]:
    """The number of rows of each group."""
    columns = ", ".join(f"{condition} AS in_{group}" for group, condition in _CONDITIONS.items())
    sums = ", ".join(f"count(*) FILTER (WHERE in_{group}) AS {group}_rows" for group in ROW_GROUPS)
    sql = f"SELECT {sums} FROM (SELECT {columns} {_OF_BATCH} GROUP BY row_number) AS of_rows"
    row = db.execute(sql, {"id": batch_id}).fetchone()
    return {group: int(row[f"{group}_rows"]) for group in ROW_GROUPS}


def list_row_numbers(
    db: Connection, batch_id: str, *, group: str = "all", limit: int, offset: int = 0
) -> list[int]:
    """A page of the numbers of the rows in a group, in the order in which they were submitted."""
    sql = f"""
        SELECT row_number
        {_OF_BATCH}
        GROUP BY row_number
        HAVING {_CONDITIONS[group]}
        ORDER BY min(id)
        LIMIT :limit OFFSET :offset
    """
    rows = db.execute(sql, {"id": batch_id, "limit": limit, "offset": offset})
    return [int(row["row_number"]) for row in rows]


def list_row_records(
    db: Connection, batch_id: str, numbers: Sequence[int], *, since: int = 0
) -> dict[int, list[Record]]:
    """Those of these rows that changed after version ``since``: number -> records by picture number.

    The list is empty when all pictures of the row were moved to the trash.
    """
    fields = {"id": batch_id, "ids": SqlList(numbers), "since": since}
    sql = f"""
        SELECT DISTINCT row_number
        FROM generation_records
        WHERE batch_id = :id AND version > :since AND row_number {IN_IDS}
    """
    changed = {int(row["row_number"]) for row in db.execute(sql, fields)}
    records: dict[int, list[Record]] = {number: [] for number in numbers if number in changed}
    clauses = f"""
        WHERE batch_id = :id AND deleted_at IS NULL AND row_number {IN_IDS}
        ORDER BY picture_number, id
    """
    for record in read_records(db, clauses, {"id": batch_id, "ids": SqlList(changed)}):
        records[record.row_number].append(record)
    return records
