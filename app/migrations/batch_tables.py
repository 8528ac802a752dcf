"""Make a table of each batch of an earlier version: its records are the pictures of its rows."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from app.core.records.mapping import read_records
from app.core.tables.rows import insert_rows, insert_table
from app.domain import Record, fingerprint, own_column_names
from app.domain.tables import Row, Table, sent_words, typed_fields
from app.engine.connection import Connection, last_version
from app.engine.connection import Row as StoredBatch

# Called with the number of records done, and of all.
Progress = Callable[[int, int], object]

_OF_A_TABLE = "source = 'batch' AND table_id IS NULL"
_SAME = ("id", "name", "created_at", "filled_on", "workbook_id")


def add_tables_of_batches(db: Connection, report: Progress) -> None:
    """Give each batch that has none a table with its id, name and time; inside a transaction.

    A row asks for what its newest record asked for, in the words that were typed as far as they are known.
    """
    batches = db.execute(f"SELECT * FROM batches WHERE {_OF_A_TABLE} ORDER BY created_at, id").fetchall()
    records = f"FROM generation_records WHERE batch_id IN (SELECT id FROM batches WHERE {_OF_A_TABLE})"
    total, done = int(db.execute(f"SELECT count(*) AS number {records}").fetchone()["number"]), 0
    report(done, total)
    version = last_version(db)
    for batch in batches:
        done += _add_table(db, batch, version)
        report(done, total)
    db.execute(
        f"""
        INSERT INTO row_pictures (row_id, record_id, batch_id)
        SELECT table_rows.id, generation_records.id, batch_id
        FROM batches
        JOIN generation_records ON generation_records.batch_id = batches.id
        JOIN table_rows ON table_rows.table_id = batches.id AND number = row_number
        WHERE {_OF_A_TABLE.replace("table_id", "batches.table_id")}
        """
    )
    db.execute(
        f"""
        INSERT INTO table_workbooks (table_id, workbook_id, imported_at)
        SELECT id, workbook_id, created_at
        FROM batches
        WHERE {_OF_A_TABLE} AND workbook_id IS NOT NULL
        """
    )
    db.execute(f"UPDATE batches SET table_id = id WHERE {_OF_A_TABLE}")


def _add_table(db: Connection, batch: StoredBatch, version: int) -> int:
    """Add the table of a batch -> the number of its records."""
    of_batch = {"id": batch["id"]}
    records = read_records(db, "WHERE batch_id = :id ORDER BY id", of_batch)
    sql = "SELECT id, fingerprint FROM generation_records WHERE batch_id = :id"
    prints = dict(map(tuple, db.execute(sql, of_batch).fetchall()))
    models = [record.model for record in records]
    same: dict[str, Any] = {name: batch[name] for name in _SAME}
    table = Table(
        **same,
        updated_at=batch["created_at"],
        version=version,
        model=max(set(models), key=models.count, default=""),
        own_columns=own_column_names(record.columns for record in records),
    )
    made: dict[int, list[Record]] = {}
    for record in records:
        made.setdefault(record.row_number, []).append(record)
    insert_table(db, table)
    newest = [max(of_row, key=lambda one: (one.deleted_at is None, one.id)) for of_row in made.values()]
    rows = [_row_of(record, place, prints[record.id], table) for place, record in enumerate(newest, 1)]
    insert_rows(db, table.id, rows, version)
    return len(records)


def _row_of(record: Record, place: int, row_fingerprint: str, table: Table) -> Row:
    request = replace(record.row_request, sample_images=record.sample_images)
    if request.seed is not None and fingerprint(replace(record.row_request, seed=None)) == row_fingerprint:
        request = replace(request, seed=None)  # the model chose it
    fields = typed_fields(request, record.extras, record.row_number, table)
    return Row(
        id=-place,
        position=place,
        number=record.row_number,
        cells={**fields, "columns": record.columns} if table.workbook_id else {},
        fields=fields,
        columns=record.columns,
        sent=sent_words(request, record.extras),
        filename=request.filename,
        num_images=request.num_images,
        is_seeded=request.seed is not None,
        fingerprint=row_fingerprint,
    )
