"""Rows of a batch: how many there are of each group, and the records of a page of them.

A row belongs to a group by its pictures, those in the trash aside:

    all      one was queued or made: not only held or cancelled ones
    keep     one was kept
    reject   every picture made was rejected
    none     none was kept, and one made is not rejected
    failed   one failed, or its outcome is unknown
    held     one waits to be released
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from decimal import Decimal
from operator import attrgetter

from app.db.connection import Connection
from app.db.records import records_of
from app.db.row_mapping import IN_IDS, SqlList, object_of, read_records
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
_SHARED = """
    row_pictures
    JOIN table_rows ON table_rows.id = row_pictures.row_id
    JOIN generation_records AS records ON records.id = row_pictures.record_id
    WHERE row_pictures.batch_id = :id AND row_pictures.is_shared = 1
"""
# The pictures of the rows, bought or shared. place: sorts the rows as their table does, else by record id.
_PICTURES = f"""
    SELECT records.id, records.row_number, records.status, records.pick, records.version, records.deleted_at,
        coalesce(table_rows.position, records.id) AS place
    FROM generation_records AS records
    LEFT JOIN row_pictures ON row_pictures.record_id = records.id AND row_pictures.batch_id = records.batch_id
        AND row_pictures.is_shared = 0
    LEFT JOIN table_rows ON table_rows.id = row_pictures.row_id
    WHERE records.batch_id = :id
    UNION ALL
    SELECT records.id, table_rows.number, records.status, records.pick, records.version, records.deleted_at,
        table_rows.position
    FROM {_SHARED}
"""
_OF_BATCH = f"FROM ({_PICTURES}) AS pictures WHERE deleted_at IS NULL"


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
        ORDER BY min(place), row_number
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
        FROM ({_PICTURES}) AS pictures
        WHERE version > :since AND row_number {IN_IDS}
    """
    changed = {int(row["row_number"]) for row in db.execute(sql, fields)}
    records: dict[int, list[Record]] = {number: [] for number in numbers if number in changed}
    clauses = f"WHERE batch_id = :id AND deleted_at IS NULL AND row_number {IN_IDS}"
    bought = read_records(db, clauses, {"id": batch_id, "ids": SqlList(changed)})
    found = [*bought, *_list_shared(db, batch_id, changed)]
    for record in sorted(found, key=attrgetter("picture_number", "id")):
        records[record.row_number].append(record)
    return records


def list_delivered_records(db: Connection, batch_id: str) -> list[Record]:
    """The records of a batch, and those that its rows share, in the order of the rows.

    One that a row shares has the number, name and own columns of that row, and costs nothing there.
    """
    sql = f"SELECT row_number, min(place) AS place FROM ({_PICTURES}) AS pictures GROUP BY row_number"
    places = dict(db.execute(sql, {"id": batch_id}).fetchall())
    bought = read_records(db, "WHERE batch_id = :id AND deleted_at IS NULL", {"id": batch_id})
    found = [*bought, *_list_shared(db, batch_id, places)]
    return sorted(found, key=lambda record: (places[record.row_number], record.row_number, record.id))


def _list_shared(db: Connection, batch_id: str, numbers: Collection[int]) -> list[Record]:
    """The pictures that were made for another row, as those of these rows, the trash aside."""
    rows = db.execute(
        f"""
        SELECT records.id, table_rows.number, table_rows.filename, table_rows.own_columns,
            table_rows.num_images
        FROM {_SHARED} AND records.deleted_at IS NULL AND table_rows.number {IN_IDS}
        """,
        {"id": batch_id, "ids": SqlList(numbers)},
    ).fetchall()
    records = {record.id: record for record in records_of(db, list({row["id"] for row in rows}))}
    return [
        replace(
            records[row["id"]],
            batch_id=batch_id,
            row_number=int(row["number"]),
            num_images=int(row["num_images"]),
            requested_filename=row["filename"],
            columns=object_of(row["own_columns"]),
            cost=Decimal(0),
            at_stake=Decimal(0),
        )
        for row in rows
    ]
