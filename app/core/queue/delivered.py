"""The records that a batch delivers: those of its rows, and those that its rows share."""

from collections.abc import Collection
from dataclasses import replace
from decimal import Decimal

from app.core.records.mapping import read_records
from app.core.records.records import records_of
from app.domain import Record
from app.engine.connection import Connection
from app.engine.values import IN_IDS, SqlList, object_of

_SHARED = """
    row_pictures
    JOIN table_rows ON table_rows.id = row_pictures.row_id
    JOIN generation_records AS records ON records.id = row_pictures.record_id
    WHERE row_pictures.batch_id = :id AND row_pictures.is_shared = 1
"""
# Of each row what sorts it as its table does, else by record id.
_PLACES = f"""
    SELECT row_number, min(place) AS place
    FROM (
        SELECT records.row_number, coalesce(table_rows.position, records.id) AS place
        FROM generation_records AS records
        LEFT JOIN row_pictures ON row_pictures.record_id = records.id
            AND row_pictures.batch_id = records.batch_id AND row_pictures.is_shared = 0
        LEFT JOIN table_rows ON table_rows.id = row_pictures.row_id
        WHERE records.batch_id = :id
        UNION ALL
        SELECT table_rows.number, table_rows.position
        FROM {_SHARED}
    ) AS pictures
    GROUP BY row_number
"""


def list_delivered_records(db: Connection, batch_id: str) -> list[Record]:
    """The records of a batch, and those that its rows share, in the order of the rows.

    One that a row shares has the number, name and own columns of that row, and costs nothing there.
    """
    places = dict(db.execute(_PLACES, {"id": batch_id}).fetchall())
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
