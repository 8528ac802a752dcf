"""Which table an imported file may be a version of, and what its lines say of the pictures of a batch."""

from collections.abc import Iterable, Mapping
from typing import Any

from app.db.connection import Connection
from app.db.row_mapping import IN_IDS, SqlList, object_of
from app.db.versions import update_records

SET_PICK = "pick = :pick, pick_person_id = :person"
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


def picks_of(db: Connection, record_ids: Iterable[int]) -> dict[int, str]:
    """The choices of those of these records that have ended."""
    rows = db.execute(
        f"""
        SELECT id, pick
        FROM generation_records
        WHERE id {IN_IDS} AND status NOT IN ('held', 'queued', 'running')
        """,
        {"ids": SqlList(record_ids)},
    )
    return {row["id"]: row["pick"] for row in rows.fetchall()}


def set_picks(db: Connection, picks: Mapping[int, str], person_id: int | None) -> dict[int, tuple[str, str]]:
    """Set the choices of ended records by this person -> those that changed: (before, now); inside a
    transaction."""
    before = picks_of(db, picks) if picks else {}
    changed = {
        record_id: (old, picks[record_id]) for record_id, old in before.items() if old != picks[record_id]
    }
    for pick in {now for _, now in changed.values()}:
        ids = [record_id for record_id, (_, now) in changed.items() if now == pick]
        fields = {"pick": pick, "person": person_id}
        update_records(db, SET_PICK, f"id {IN_IDS}", {**fields, "ids": SqlList(ids)})
    return changed
