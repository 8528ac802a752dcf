"""Tables and their rows."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.core.records.rows import free_ids
from app.core.tables.changes import KEPT_DAYS, save_change
from app.domain.tables import Row, Table
from app.domain.times import utc_text
from app.engine.connection import Connection, next_version, transaction
from app.engine.values import IN_IDS, SqlList, object_text, objects_of
from app.errors import Message, NotFound

_TABLE = (
    *("id", "name", "created_at", "updated_at", "version", "model", "filled_on"),
    *("own_columns", "workbook_id", "checked_with", "archived_at", "deleted_at", "recipe"),
)
_ROW = (
    *("id", "position", "number", "cells", "fields", "own_columns", "sent", "filename", "num_images"),
    *("is_seeded", "fingerprint", "price_micros", "problems", "is_gone", "removed_at", "version"),
    *("product", "role"),
)
_TOLD = ("name", "model", "own_columns", "archived_at", "deleted_at")  # of a change, in the history
_OBJECTS = slice(_ROW.index("cells"), _ROW.index("sent") + 1)
_STORED_ROW = f"""
    INSERT INTO table_rows (table_id, {", ".join(_ROW)})
    VALUES (:table_id, :{", :".join(_ROW)})
    ON CONFLICT (id) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in _ROW[1:])}
"""


def add_table(db: Connection, table: Table, rows: Sequence[Row], person_id: int | None = None) -> Table:
    """Store a new table of this person with its rows -> the table; inside a transaction."""
    added = replace(table, version=next_version(db))
    insert_table(db, added, person_id)
    if added.workbook_id:
        add_table_workbook(db, added.id, added.workbook_id, datetime.now(UTC))
    insert_rows(db, added.id, rows, added.version)
    return added


def insert_table(db: Connection, table: Table, person_id: int | None = None) -> None:
    """Store a new table of this person; inside a transaction."""
    names = (*_TABLE, "person_id")
    fields = _stored(table) | {"person_id": person_id}
    db.execute(f"INSERT INTO tables ({', '.join(names)}) VALUES (:{', :'.join(names)})", fields)


def update_table(db: Connection, table: Table) -> None:
    """Store a table again; inside a transaction."""
    assignments = ", ".join(f"{name} = :{name}" for name in _TABLE[1:])
    db.execute(f"UPDATE tables SET {assignments} WHERE id = :id", _stored(table))


def _stored(table: Table) -> dict[str, Any]:
    fields = {name: getattr(table, name) for name in _TABLE}
    return fields | {"own_columns": json.dumps([*table.own_columns], ensure_ascii=False)}


def get_table(db: Connection, table_id: str, *, deleted: bool = False) -> Table:
    """A table; a deleted one only with ``deleted``. Raises NotFound."""
    row = db.execute("SELECT * FROM tables WHERE id = :id", {"id": table_id}).fetchone()
    if row is None or (row["deleted_at"] is not None and not deleted):
        raise NotFound("没有这个表格，它可能已被删除")
    return to_table(row)


def to_table(row: Any) -> Table:
    """A stored table."""
    names = tuple(map(str, json.loads(row["own_columns"] or "[]")))
    return Table(**{name: row[name] for name in _TABLE if name != "own_columns"}, own_columns=names)


def insert_rows(db: Connection, table_id: str, rows: Sequence[Row], version: int) -> list[int]:
    """Store new rows with this version -> their ids; inside a transaction."""
    ids = free_ids(db, "table_rows", len(rows))
    new = zip(ids, rows, strict=True)
    update_rows(db, table_id, [replace(row, id=row_id, version=version) for row_id, row in new])
    return ids


def update_rows(db: Connection, table_id: str, rows: Iterable[Row]) -> None:
    """Store rows with ids, again if they are there; inside a transaction."""
    stored = []
    for row in rows:
        problems = [[name, sentence.to_json()] for name, sentence in row.problems]
        stored.append(
            {
                "table_id": table_id,
                "id": row.id,
                "position": row.position,
                "number": row.number,
                "cells": object_text(row.cells),
                "fields": object_text(row.fields) or "{}",
                "own_columns": object_text(row.columns),
                "sent": object_text(row.sent),
                "filename": row.filename,
                "num_images": row.num_images,
                "is_seeded": row.is_seeded,
                "fingerprint": row.fingerprint,
                "price_micros": row.price_micros,
                "problems": json.dumps(problems, ensure_ascii=False) if problems else "",
                "is_gone": row.is_gone,
                "removed_at": row.removed_at,
                "version": row.version,
                "product": row.product,
                "role": row.role,
            }
        )
    db.executemany(_STORED_ROW, stored)


def touch_rows(db: Connection, row_ids: Iterable[int], version: int) -> None:
    """Give these rows a version, so that pages that poll see them; inside a transaction."""
    sql = f"UPDATE table_rows SET version = :version WHERE id {IN_IDS}"
    db.execute(sql, {"version": version, "ids": SqlList(row_ids)})


def read_rows(db: Connection, table_id: str, ids: Collection[int] | None = None) -> list[Row]:
    """The rows of a table in their order; with ``ids`` only these, removed ones too."""
    which = "removed_at IS NULL" if ids is None else f"id {IN_IDS}"
    rows = db.execute(
        f"""
        SELECT {", ".join(_ROW)}
        FROM table_rows
        WHERE table_id = :table_id AND {which}
        ORDER BY position, id
        """,
        {"table_id": table_id, "ids": SqlList(ids or ())},
    ).fetchall()
    objects = {"": {}, **objects_of(text for row in rows for text in tuple(row)[_OBJECTS])}
    found = []
    for row in rows:
        row_id, position, number, cells, fields, columns, sent, filename, num_images, is_seeded, *rest = row
        fingerprint, price_micros, problems, is_gone, removed_at, version, product, role = rest
        made = Row(
            id=row_id,
            position=position,
            number=number,
            cells=objects[cells],
            fields=objects[fields],
            columns=objects[columns],
            sent=objects[sent],
            filename=filename,
            num_images=num_images,
            is_seeded=bool(is_seeded),
            fingerprint=fingerprint,
            price_micros=price_micros,
            problems=tuple((field, Message.from_json(said)) for field, said in json.loads(problems))
            if problems
            else (),
            is_gone=bool(is_gone),
            removed_at=removed_at,
            version=version,
            product=product,
            role=role,
        )
        found.append(made)
    return found


def list_order(db: Connection, table_id: str) -> list[tuple[int, float, bool]]:
    """Of each row in its order: id, position, whether it is empty."""
    rows = db.execute(
        """
        SELECT id, position, CASE WHEN fingerprint = '' AND problems = '' THEN 1 ELSE 0 END AS is_empty
        FROM table_rows
        WHERE table_id = :id AND removed_at IS NULL
        ORDER BY position, id
        """,
        {"id": table_id},
    ).fetchall()
    return [(row_id, position, bool(is_empty)) for row_id, position, is_empty in rows]


def list_products(db: Connection, table_id: str) -> dict[int, list[int]]:
    """The ids of the rows that a recipe made, removed ones too, by product."""
    found: dict[int, list[int]] = defaultdict(list)
    sql = "SELECT id, product FROM table_rows WHERE table_id = :id AND product > 0 ORDER BY id"
    for row_id, product in db.execute(sql, {"id": table_id}).fetchall():
        found[product].append(row_id)
    return found


def list_equal_rows(
    db: Connection, table_id: str, prints: Collection[str]
) -> list[tuple[int, int, str, int]]:
    """The rows with these fingerprints in their order: id, number, fingerprint, pictures wanted."""
    rows = db.execute(
        f"""
        SELECT id, number, fingerprint, num_images
        FROM table_rows
        WHERE table_id = :id AND removed_at IS NULL AND fingerprint {IN_IDS} AND fingerprint <> ''
        ORDER BY position, id
        """,
        {"id": table_id, "ids": SqlList(prints)},
    ).fetchall()
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def rows_to_check_again(db: Connection, table_id: str, *, word: str) -> list[int]:
    """The ids of the rows in whose typed fields this word stands."""
    return _rows_like(db, table_id, fields=f"%{word}%")


def rows_with_problem(db: Connection, table_id: str, field: str, *, among: str = "") -> list[int]:
    """The ids of the rows that have a problem with this field, in whose typed fields ``among`` stands."""
    return _rows_like(db, table_id, problems=f'%["{field}", %', fields=f"%{among}%")


def _rows_like(db: Connection, table_id: str, **patterns: str) -> list[int]:
    conditions = " AND ".join(f"{column} LIKE :{column}" for column in patterns)
    sql = f"SELECT id FROM table_rows WHERE table_id = :id AND removed_at IS NULL AND {conditions}"
    return [row["id"] for row in db.execute(sql, {"id": table_id, **patterns}).fetchall()]


def last_row(db: Connection, table_id: str) -> tuple[int, float, int]:
    """(the number of rows, the last position, the highest number that a row has or had)."""
    row = db.execute(
        """
        SELECT count(*) FILTER (WHERE removed_at IS NULL) AS rows, coalesce(max(position), 0) AS position,
            coalesce(max(number), 0) AS number
        FROM table_rows
        WHERE table_id = :id
        """,
        {"id": table_id},
    ).fetchone()
    return int(row["rows"]), float(row["position"]), int(row["number"])


def list_changed_rows(db: Connection, table_id: str, since: int) -> tuple[list[int], list[int]]:
    """Rows changed after version ``since``, or by a picture they show since: (ids, ids of removed ones)."""
    rows = db.execute(
        """
        SELECT id, removed_at
        FROM table_rows
        WHERE table_id = :id AND version > :since
        UNION
        SELECT table_rows.id, table_rows.removed_at
        FROM table_rows
        CROSS JOIN row_pictures ON row_pictures.row_id = table_rows.id
        CROSS JOIN generation_records ON generation_records.id = row_pictures.record_id
        WHERE table_id = :id AND removed_at IS NULL AND generation_records.version > :since
        UNION
        SELECT table_rows.id, table_rows.removed_at
        FROM table_rows
        CROSS JOIN generation_records ON generation_records.fingerprint = table_rows.fingerprint
        WHERE table_id = :id AND removed_at IS NULL AND table_rows.fingerprint <> ''
            AND generation_records.version > :since
        """,
        {"id": table_id, "since": since},
    ).fetchall()
    changed = [row["id"] for row in rows if row["removed_at"] is None]
    return changed, [row["id"] for row in rows if row["removed_at"] is not None]


def add_table_workbook(db: Connection, table_id: str, workbook_id: str, now: datetime) -> None:
    """Note that a table came from this version of a workbook; inside a transaction."""
    db.execute(
        """
        INSERT INTO table_workbooks (table_id, workbook_id, imported_at)
        VALUES (:table, :workbook, :now)
        ON CONFLICT DO NOTHING
        """,
        {"table": table_id, "workbook": workbook_id, "now": utc_text(now)},
    )


def copy_rows(db: Connection, source_id: str, table_id: str, version: int) -> None:
    """Add the rows of another table, without its pictures; inside a transaction."""
    names = ", ".join(name for name in _ROW if name not in ("id", "version", "removed_at"))
    db.execute(
        f"""
        INSERT INTO table_rows (table_id, version, {names})
        SELECT :table, :version, {names}
        FROM table_rows
        WHERE table_id = :source AND removed_at IS NULL
        ORDER BY position, id
        """,
        {"table": table_id, "version": version, "source": source_id},
    )


def mark_table(db: Connection, table: Table, person_id: int | None = None, **changes: Any) -> Table:
    """Store a table with these changes by this person and a new version -> the table."""
    told = {
        name: (old, changes[name])
        for name in _TOLD
        if (old := getattr(table, name)) != changes.get(name, old)
    }
    with transaction(db):
        changed = replace(table, version=next_version(db), **changes)
        update_table(db, changed)
        if told and person_id:
            save_change(db, table.id, changed.version, {"rows": {}, "table": told}, person_id)
    return changed


def forget_tables(db: Connection, *, now: datetime) -> int:
    """Delete the tables that were deleted more than 30 days ago, what undoes older changes, and older
    deliveries of no table -> tables."""
    fields = {"before": utc_text(now - timedelta(days=KEPT_DAYS))}
    gone = "SELECT id FROM tables WHERE deleted_at < :before"
    alone = "table_id IS NULL AND created_at < :before"
    old = f"SELECT 1 FROM table_changes WHERE at < :before UNION ALL SELECT 1 FROM deliveries WHERE {alone}"
    old += f" UNION ALL {gone} LIMIT 1"
    if db.execute(old.replace("SELECT id", "SELECT 1"), fields).fetchone() is None:
        return 0
    with transaction(db, durable=False):
        db.execute(f"DELETE FROM table_changes WHERE at < :before OR table_id IN ({gone})", fields)
        of_rows = f"SELECT id FROM table_rows WHERE table_id IN ({gone})"
        db.execute(f"DELETE FROM row_pictures WHERE row_id IN ({of_rows})", fields)
        db.execute(f"UPDATE batches SET table_id = NULL WHERE table_id IN ({gone})", fields)
        db.execute(f"DELETE FROM deliveries WHERE {alone}", fields)
        for name in ("table_rows", "table_workbooks", "deliveries", "rounds"):
            db.execute(f"DELETE FROM {name} WHERE table_id IN ({gone})", fields)
        db.execute("DELETE FROM delivery_files WHERE delivery_id NOT IN (SELECT id FROM deliveries)")
        for name in ("round_pictures", "round_marks"):
            db.execute(f"DELETE FROM {name} WHERE round_id NOT IN (SELECT id FROM rounds)")
        return db.execute("DELETE FROM tables WHERE deleted_at < :before", fields).rowcount


def table_of_batch(db: Connection, batch_id: str | None) -> str:
    """The id of the table whose rows a batch makes; empty: of none."""
    row = db.execute("SELECT table_id FROM batches WHERE id = :id", {"id": batch_id}).fetchone()
    return (row and row["table_id"]) or ""


def newest_run(db: Connection, table_id: str) -> str | None:
    """The id of the newest run of a table that has not ended, else of the newest; None without any."""
    row = db.execute(
        """
        SELECT id
        FROM batches
        WHERE table_id = :id
        ORDER BY CASE WHEN state IN ('finished', 'cancelled') THEN 1 ELSE 0 END, created_at DESC, id DESC
        LIMIT 1
        """,
        {"id": table_id},
    ).fetchone()
    return row and str(row["id"])


def row_ids_of(db: Connection, table_id: str, numbers: Collection[int]) -> dict[int, int]:
    """The ids of the rows of a table by their numbers."""
    sql = f"SELECT number, id FROM table_rows WHERE table_id = :id AND number {IN_IDS}"
    return dict(map(tuple, db.execute(sql, {"id": table_id, "ids": SqlList(numbers)}).fetchall()))
