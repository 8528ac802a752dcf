"""Which table an imported file may be a version of, and what its lines say of the pictures of a batch."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from app.core.queue.runs import find_workbook
from app.domain import WorkbookFile
from app.domain.times import utc_text
from app.engine.connection import Connection, transaction
from app.engine.values import object_of, object_text
from app.errors import InvalidRequest, Message, NotFound

_TABLES_SAMPLED = 300  # the last changed ones
_FIRST_ROWS, _EVERY = 8, 16  # of each table these first rows, and every so many


def find_tables_of_file(db: Connection, *, batch_id: str, workbook_id: str) -> list[str]:
    """The tables of the batch (or the table) named in a file, and that this very file was imported into,
    the newest first."""
    rows = db.execute(
        """
        SELECT tables.id
        FROM tables
        WHERE deleted_at IS NULL AND (
            id = :batch_id
            OR id = (SELECT table_id FROM batches WHERE batches.id = :batch_id)
            OR id IN (SELECT table_id FROM table_workbooks WHERE workbook_id = :workbook_id))
        ORDER BY updated_at DESC, id DESC
        LIMIT 10
        """,
        {"batch_id": batch_id, "workbook_id": workbook_id},
    ).fetchall()
    return [row["id"] for row in rows]


def sample_cells(db: Connection) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """(table id, cells of a row as they stood in its file): some rows of the last changed tables."""
    rows = db.execute(
        """
        SELECT table_id, cells
        FROM table_rows
        WHERE id IN (
            SELECT id
            FROM (
                SELECT id, row_number() OVER (PARTITION BY table_id ORDER BY position, id) AS place
                FROM table_rows
                WHERE table_id IN (
                    SELECT id
                    FROM tables
                    WHERE deleted_at IS NULL AND workbook_id IS NOT NULL
                    ORDER BY updated_at DESC, id DESC
                    LIMIT :tables)
            ) AS placed
            WHERE place <= :first OR place % :every = 0
        ) AND cells <> '' AND removed_at IS NULL
        """,
        {"tables": _TABLES_SAMPLED, "first": _FIRST_ROWS, "every": _EVERY},
    )
    return ((row["table_id"], object_of(row["cells"])) for row in rows.fetchall())


def batch_of_table(db: Connection, table_id: str, named: str) -> str | None:
    """The run of a table with this id, else its last one; None when there was none."""
    sql = """
        SELECT id
        FROM batches
        WHERE table_id = :table
        ORDER BY CASE WHEN id = :named THEN 0 ELSE 1 END, created_at DESC, id DESC
        LIMIT 1
    """
    row = db.execute(sql, {"table": table_id, "named": named}).fetchone()
    return row["id"] if row else None


_UNUSED_DAYS = 7
_UNUSED_BYTES = 500 * 2**20  # of all that nothing refers to; the newest are kept
_IS_UNUSED = """
    NOT EXISTS (SELECT 1 FROM batches WHERE batches.workbook_id = workbooks.id)
    AND NOT EXISTS (SELECT 1 FROM tables WHERE tables.workbook_id = workbooks.id)
    AND NOT EXISTS (SELECT 1 FROM table_workbooks WHERE table_workbooks.workbook_id = workbooks.id)
"""


def add_workbook(
    db: Connection,
    file: WorkbookFile,
    *,
    notes: Sequence[Message] = (),
    cells: Mapping[int, Mapping[str, Any]] = MappingProxyType({}),
    now: datetime,
) -> None:
    """Store an imported file; one that is there becomes new again, old unused ones go. ``now`` is in UTC.

    ``cells`` are those of its lines, as rows of a table remember them.
    """
    with transaction(db):
        db.execute(
            """
            INSERT INTO workbooks (id, filename, sheet, header_row, notes, cells, content, imported_at)
            VALUES (:id, :filename, :sheet, :header_row, :notes, :cells, :content, :now)
            ON CONFLICT (id) DO UPDATE
            SET filename = excluded.filename, sheet = excluded.sheet, header_row = excluded.header_row,
                notes = excluded.notes, cells = excluded.cells, imported_at = excluded.imported_at
            """,
            {
                "id": file.id,
                "filename": file.filename,
                "sheet": file.sheet,
                "header_row": file.header_row,
                "notes": json.dumps([note.to_json() for note in notes]),
                "cells": object_text({str(line): cells[line] for line in cells}),
                "content": file.content,
                "now": utc_text(now),
            },
        )
        db.execute(
            f"""
            DELETE FROM workbooks
            WHERE id IN (
                SELECT id
                FROM (
                    SELECT id, sum(length(content)) OVER (ORDER BY imported_at DESC, id) AS bytes
                    FROM workbooks
                    WHERE {_IS_UNUSED}) AS unused
                WHERE bytes > :most)
            """,
            {"most": _UNUSED_BYTES},
        )


def get_workbook_file(db: Connection, workbook_id: str) -> WorkbookFile:
    """The stored file. Raises NotFound."""
    row = db.execute(
        "SELECT id, filename, sheet, header_row, content FROM workbooks WHERE id = :id", {"id": workbook_id}
    ).fetchone()
    if row is None:
        raise NotFound("这份表格已经不在了，请重新导入")
    return WorkbookFile(**dict(row))


def workbook_cells(db: Connection, workbook_id: str | None) -> dict[int, dict[str, Any]]:
    """The cells of the lines of a stored file, by line; empty for a file that an earlier version stored."""
    row = db.execute("SELECT cells FROM workbooks WHERE id = :id", {"id": workbook_id}).fetchone()
    return {int(line): cells for line, cells in object_of(row["cells"] if row else "").items()}


def check_workbook(db: Connection, workbook_id: str | None) -> None:
    """Raise InvalidRequest for an unknown id; inside the transaction that refers to it."""
    if workbook_id is not None and find_workbook(db, workbook_id) is None:
        raise InvalidRequest("workbook", "没有找到这份表格，请重新导入后再提交")


def forget_workbooks(db: Connection, *, now: datetime) -> int:
    """Delete files imported more than 7 days ago that nothing refers to -> how many."""
    unused = f"imported_at < :since AND {_IS_UNUSED}"
    since = {"since": utc_text(now - timedelta(days=_UNUSED_DAYS))}
    if db.execute(f"SELECT 1 FROM workbooks WHERE {unused} LIMIT 1", since).fetchone() is None:
        return 0
    with transaction(db, durable=False):
        return db.execute(f"DELETE FROM workbooks WHERE {unused}", since).rowcount
