"""Migration from any earlier version: 0.1.0 (1 to 11), and those after it that were not released (12 to 17).

What has another name or form now is renamed or dropped, and what the file lacks of ``schema.sql`` is added.
Tables and columns of other programs whose names are ours from now on are renamed ``earlier_…``.
"""

import sqlite3

from app.db.fingerprints import add_fingerprints
from app.db.migrations.baseline import (
    add_indexes,
    add_tables,
    columns,
    drop_objects,
    drop_other_objects,
    fill_tables,
)
from app.db.migrations.batch_tables import Progress, add_tables_of_batches
from app.db.migrations.legacy_import import set_aside_names, set_aside_tables
from app.db.sqlite_connection import SqliteConnection

# What 0.1.0 calls otherwise.
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
        copies_waiting records_amiss records_ordered records_shown sends_in_doubt sends_of_batch
        sends_of_record sends_of_time sends_outcome sends_settled
    """,
    "TRIGGER": """
        count_gone count_new search_gone search_new sends_added sends_changed sends_removed uses_forgotten
        uses_noted
    """,
}
# What was added together: an index of it, its tables, its columns. A file that lacks the index has none of
# it, and what bears one of these names is another program's.
_ADDED: tuple[tuple[str, tuple[str, ...], dict[str, tuple[str, ...]]], ...] = (
    (
        "records_fingerprint",
        ("workbooks", "counts_by_day", "record_search"),
        {
            "generation_records": ("fingerprint", "own_columns", "templates"),
            "batches": ("workbook_id",),
        },
    ),
    (
        "records_picked",
        ("budgets", "notifications", "model_statistics"),
        {
            "generation_records": ("pick", "position"),
            "batches": ("stop_after", "outcomes", "paused_cause", "filled_on"),
        },
    ),
    (
        "records_claimable",
        ("presets",),
        {
            "generation_records": ("options", "marks"),
            "batches": ("copied_from",),
            "charges": ("usage", "usage_differs"),
        },
    ),
    ("sessions_expiring", ("sessions", "login_attempts", "workers"), {}),
    (
        "rows_of_table",
        ("tables", "table_rows", "row_pictures", "table_workbooks", "table_changes"),
        {"batches": ("table_id",), "generation_records": ("searched_columns",), "workbooks": ("cells",)},
    ),
)


def upgrade(db: SqliteConnection, report: Progress) -> None:
    """Bring the file to ``schema.sql``, with a fingerprint of every record and a table of every batch."""
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
    for index, tables, new_columns in _ADDED:
        set_aside_names(db, index=index, tables=tables, new_columns=new_columns)
    drop_other_objects(db)
    if columns(db, "prompt_search"):  # until version 13; the index of texts is filled again in the background
        drop_objects(db, {"TABLE": "prompt_search search_backlog"})
    _add(db)
    add_tables_of_batches(db, report)


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


def _add(db: SqliteConnection) -> None:
    """Add missing tables, columns, fingerprints, indexes and triggers.

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
    add_fingerprints(db)  # before their index: a million records are faster without it
    add_indexes(db)
