"""Migration from any earlier version (1 to 12): standard names for our own tables and columns.

Tables and columns of other programs whose names are ours from now on are renamed ``earlier_…``.
"""

import sqlite3

from app.db.migrations import m0014_rows
from app.db.migrations.baseline import add_indexes, add_tables, columns, drop_objects, fill_tables
from app.db.migrations.legacy_import import set_aside_tables

_TABLES = {
    "sends": "charges",
    "sends_totals": "charge_totals",
    "sends_by_hour": "charges_by_hour",
    "settlements": "resolutions",
    "settled_records": "resolved_records",
    "copies_noted": "output_copy_scan",
}
_COLUMNS = {
    "generation_records": {
        "ticket": "task_id",
        "lapses": "crash_count",
        "throttled": "throttle_count",
        "file_stem": "reserved_stem",
        "collecting": "fetch_while_paused",
        "deletion": "deletion_id",
    },
    "charges": {"ticket": "task_id", "sent_at": "opened_at", "settlement_id": "resolution_id"},
    "resolved_records": {"settlement_id": "resolution_id"},
    "search_state": {"folding": "normaliser"},
}
_NEW_COLUMNS = {"generation_records": "error_message", "batches": "paused_message", "batch_log": "message"}
_DROPPED = {
    "INDEX": """
        batches_active batches_source copies_waiting records_amiss records_ordered records_shown records_sums
        sends_in_doubt sends_of_batch sends_of_record sends_of_time sends_outcome sends_settled
    """,
    "TRIGGER": """
        count_changed count_gone count_new search_changed search_gone search_new sends_added sends_changed
        sends_removed uses_forgotten uses_noted
    """,
}


def upgrade(db: sqlite3.Connection) -> None:
    """Rename, and add what the file lacks."""
    drop_objects(db, _DROPPED)
    if columns(db, "sends"):  # version 12 has the new names
        db.execute("PRAGMA writable_schema = ON")  # then views that are broken already do not stop a renaming
        _rename_tables(db)
        for table, renamed in _COLUMNS.items():
            for old, name in renamed.items():
                _rename_column(db, table, old, name)
        for table, name in _NEW_COLUMNS.items():
            _rename_column(db, table, name, f"earlier_{name}")
        db.execute("PRAGMA writable_schema = OFF")
    m0014_rows.set_aside(db)  # the schema that is added here has its names already
    _add(db)


def _rename_tables(db: sqlite3.Connection) -> None:
    there = {old: name for old, name in _TABLES.items() if columns(db, old)}
    set_aside_tables(db, there.values())
    for old, name in there.items():
        db.execute(f"ALTER TABLE {old} RENAME TO {name}")


def _rename_column(db: sqlite3.Connection, table: str, old: str, name: str) -> None:
    there = {column.lower() for column in columns(db, table)}
    if old not in there:
        return
    if name in there:
        _rename_column(db, table, name, f"earlier_{name}")
    db.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {name}")


def _add(db: sqlite3.Connection) -> None:
    """Add missing tables, columns, indexes and triggers.

    A renaming leaves the foreign keys of other tables behind: those tables are copied into new ones.
    """
    tied = [
        table
        for table in ("charges", "resolved_records")
        if db.execute(f"PRAGMA foreign_key_list({table})").fetchone()
    ]
    for table in tied:
        db.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    new = add_tables(db)
    for table in tied:
        names = ", ".join(columns(db, f"old_{table}"))
        db.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM old_{table}")
        db.execute(f"DROP TABLE old_{table}")
    fill_tables(db, new)
    add_indexes(db)
