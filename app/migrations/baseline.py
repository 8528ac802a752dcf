"""Bring a file to the schema of ``schema.sql``: add what is missing and fill new derived tables."""

import re
import sqlite3
from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path

from app.core.queue.fold import SUMS, filled
from app.engine.values import quoted

FIRST_ROWS = {
    "change_counter": "INSERT INTO change_counter (value) VALUES (1)",
    "search_state": "INSERT INTO search_state (normaliser) VALUES ('')",
    "output_copy_scan": "INSERT INTO output_copy_scan (up_to) VALUES (0)",
    "people": "INSERT INTO people (name, folded_name, role, created_at) VALUES ('主人', '主人', 'owner', '')",
}
_OWN = "name NOT LIKE 'sqlite_%' AND name NOT LIKE 'record_search_%'"


def add_tables(db: sqlite3.Connection) -> list[str]:
    """Create the missing tables, empty, and add missing columns -> the names of the new tables."""
    new = []
    with closing(_new_file()) as wanted:
        for table, sql in _objects(wanted, "table").items():
            if there := columns(db, table):
                for name, definition in columns(wanted, table).items():
                    if name not in there:
                        db.execute(f"ALTER TABLE {table} ADD COLUMN {definition}")
            else:
                db.execute(sql)
                new.append(table)
    return new


def fill_tables(db: sqlite3.Connection, new: Collection[str]) -> None:
    """Fill those of the new tables that have initial rows or sums of other tables."""
    for table, sql in _FILLED.items():
        if table in new:
            db.execute(sql)
    db.execute(
        """
        INSERT INTO charge_totals (outcome, number, micros)
        VALUES ('open', 0, 0), ('billed', 0, 0), ('not_billed', 0, 0), ('unknown', 0, 0)
        ON CONFLICT DO NOTHING
        """
    )


def drop_objects(db: sqlite3.Connection, dropped: Mapping[str, str]) -> None:
    """Drop what exists of these: kind (TABLE, INDEX, TRIGGER) -> names, separated by spaces."""
    for kind, names in dropped.items():
        for name in names.split():
            db.execute(f"DROP {kind} IF EXISTS {name}")


def drop_other_objects(db: sqlite3.Connection) -> None:
    """Drop the triggers of the schema, and those of its indexes that the file has in another form."""
    with closing(_new_file()) as wanted:
        indexes = _objects(wanted, "index")
        other = [
            name
            for name, sql in _objects(db, "index").items()
            if name in indexes and _plain(sql) != _plain(indexes[name])
        ]
        drop_objects(db, {"TRIGGER": " ".join(_objects(wanted, "trigger")), "INDEX": " ".join(other)})


def _plain(sql: str) -> str:
    return re.sub(r'[\s"]+', "", sql)


def add_indexes(db: sqlite3.Connection) -> None:
    """Create the missing indexes and triggers."""
    with closing(_new_file()) as wanted:
        for kind in ("index", "trigger"):
            there = _objects(db, kind)
            for name, sql in _objects(wanted, kind).items():
                if name not in there:
                    db.execute(sql)


def all_columns() -> dict[str, list[str]]:
    """The tables of the schema: name -> its columns."""
    with closing(_new_file()) as wanted:
        return {table: list(columns(wanted, table)) for table in _objects(wanted, "table")}


def columns(db: sqlite3.Connection, table: str) -> dict[str, str]:
    """Column -> its definition; empty when there is no such table."""
    rows = db.execute(f"PRAGMA table_info({quoted(table)})").fetchall()
    return {
        name: f"{quoted(name)} {kind}{' NOT NULL' * required}{f' DEFAULT {default}' if default else ''}"
        for _, name, kind, required, default, _ in rows
    }


def _new_file() -> sqlite3.Connection:
    """An empty database in memory with the schema."""
    db = sqlite3.connect(":memory:")
    db.executescript(Path(__file__).with_name("schema.sql").read_text(encoding="utf-8"))
    return db


def _objects(db: sqlite3.Connection, kind: str) -> dict[str, str]:
    sql = f"SELECT name, sql FROM sqlite_schema WHERE type = :kind AND sql IS NOT NULL AND {_OWN}"
    return dict(db.execute(sql, {"kind": kind}).fetchall())


_FILLED = {
    **FIRST_ROWS,
    **{table: filled(table) for table in SUMS},
    "reference_uses": """
        INSERT INTO reference_uses (name, record_id)
        SELECT name.value, records.id
        FROM generation_records AS records,
            json_each(CASE WHEN json_valid(sample_images) THEN sample_images ELSE '[]' END) AS image,
            json_each(json_array(
                json_extract(image.value, '$.sha256'), json_extract(image.value, '$.url'))) AS name
        WHERE sample_images <> '[]' AND image.type = 'object' AND coalesce(name.value, '') <> ''
        ON CONFLICT DO NOTHING
    """,
}
