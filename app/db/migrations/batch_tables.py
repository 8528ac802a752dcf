"""Make a table of each batch of an earlier version: its records are the pictures of its rows."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from app.db.connection import Connection, Row
from app.db.row_mapping import object_text, read_records
from app.db.versions import free_ids, last_version
from app.domain import Record, RowExtras, fingerprint, own_column_names
from app.domain.tables import typed_fields

# Called with the number of records done, and of all.
Progress = Callable[[int, int], object]

_OF_A_TABLE = "source = 'batch' AND table_id IS NULL"
_ROW_COLUMNS = (
    *("id", "table_id", "position", "number", "cells", "fields", "own_columns", "filename", "num_images"),
    *("is_seeded", "fingerprint", "version"),
)
_TABLE_COLUMNS = (
    *("id", "name", "created_at", "updated_at", "version", "model", "prefix", "suffix", "filled_on"),
    *("own_columns", "workbook_id"),
)


def add_tables_of_batches(db: Connection, report: Progress) -> None:
    """Give each batch that has none a table with its id, name and time; inside a transaction.

    A row asks for what its newest record asked for, in the words that were typed as far as they are known.
    """
    batches = db.execute(f"SELECT * FROM batches WHERE {_OF_A_TABLE} ORDER BY created_at, id").fetchall()
    sql = f"""
        SELECT count(*) AS number
        FROM generation_records
        WHERE batch_id IN (SELECT id FROM batches WHERE {_OF_A_TABLE})
    """
    total, done = int(db.execute(sql).fetchone()["number"]), 0
    report(done, total)
    version = last_version(db)
    for batch in batches:
        done += _add_table(db, batch, version)
        report(done, total)
    db.execute(
        """
        INSERT INTO table_workbooks (table_id, workbook_id, imported_at)
        SELECT id, workbook_id, created_at
        FROM batches
        WHERE source = 'batch' AND table_id IS NULL AND workbook_id IS NOT NULL
        """
    )
    db.execute(f"UPDATE batches SET table_id = id WHERE {_OF_A_TABLE}")


def _add_table(db: Connection, batch: Row, version: int) -> int:
    """Add the table of a batch -> the number of its records."""
    of_batch = {"id": batch["id"]}
    records = read_records(db, "WHERE batch_id = :id ORDER BY id", of_batch)
    sql = "SELECT id, fingerprint FROM generation_records WHERE batch_id = :id"
    prints = dict(db.execute(sql, of_batch).fetchall())
    pictures: dict[int, list[Record]] = {}
    for record in records:
        pictures.setdefault(record.row_number, []).append(record)
    models = [record.model for record in records]
    table = {
        **{name: batch[name] for name in _TABLE_COLUMNS if name in batch.keys()},  # noqa: SIM118
        "updated_at": batch["created_at"],
        "version": version,
        "model": max(set(models), key=models.count, default=""),
        "own_columns": json.dumps(own_column_names(record.columns for record in records), ensure_ascii=False),
    }
    row_ids = free_ids(db, "table_rows", len(pictures))
    rows, links = [], []
    for position, (row_id, (number, made)) in enumerate(zip(row_ids, pictures.items(), strict=True), 1):
        newest = max(made, key=lambda record: (record.deleted_at is None, record.id))
        fields = _fields_of(newest, prints[newest.id], table)
        rows.append(
            {
                "id": row_id,
                "table_id": batch["id"],
                "position": position,
                "number": number,
                "cells": object_text({**fields, "columns": newest.columns}) if batch["workbook_id"] else "",
                "fields": json.dumps(fields, ensure_ascii=False, separators=(",", ":")),
                "own_columns": object_text(newest.columns),
                "filename": newest.requested_filename,
                "num_images": newest.num_images,
                "is_seeded": "seed" in fields,
                "fingerprint": prints[newest.id],
                "version": version,
            }
        )
        links += [{"row": row_id, "record": record.id, "batch": batch["id"]} for record in made]
    _insert(db, "tables", _TABLE_COLUMNS, [table])
    _insert(db, "table_rows", _ROW_COLUMNS, rows)
    sql = "INSERT INTO row_pictures (row_id, record_id, batch_id) VALUES (:row, :record, :batch)"
    db.executemany(sql, links)
    return len(records)


def _insert(db: Connection, table: str, names: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    db.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES (:{', :'.join(names)})", rows)


def _fields_of(record: Record, row_fingerprint: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a row as typed, as far as the record shows it."""
    request = replace(record.row_request, sample_images=record.sample_images)
    if request.seed is not None and fingerprint(replace(record.row_request, seed=None)) == row_fingerprint:
        request = replace(request, seed=None)  # the model chose it
    extras = RowExtras(templates=record.templates, position=record.position)
    affixes = {"prefix": table["prefix"], "suffix": table["suffix"]}
    return typed_fields(request, extras, model=table["model"], **affixes)
