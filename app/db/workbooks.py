"""Imported spreadsheet files, kept while a table or a batch refers to them."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from app.db.connection import Connection, transaction
from app.db.row_mapping import object_of, object_text
from app.domain import StoredWorkbook, WorkbookFile
from app.domain.times import utc_text
from app.errors import InvalidRequest, Message, NotFound

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


def find_workbook(db: Connection, workbook_id: str | None) -> StoredWorkbook | None:
    """The workbook without its content; None when there is none."""
    row = db.execute(
        "SELECT id, filename, notes FROM workbooks WHERE id = :id", {"id": workbook_id}
    ).fetchone()
    if row is None:
        return None
    notes = tuple(Message.from_json(note) for note in json.loads(row["notes"]))
    return StoredWorkbook(id=row["id"], filename=row["filename"], notes=notes)


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
