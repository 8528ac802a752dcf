"""Migration to 25 from 0.1.0 (1 to 11), from 0.2.0 (18, 19) and from what was not released after it.

What has another name or form now is renamed or dropped, and what the file lacks of ``schema.sql`` is added.
Tables and columns of other programs whose names are ours from now on are renamed ``earlier_…``.
"""

import re
import sqlite3

from app.core.orders.fingerprints import add_fingerprints
from app.engine.sqlite import SqliteConnection
from app.engine.values import quoted
from app.migrations.baseline import (
    add_indexes,
    add_tables,
    columns,
    drop_objects,
    drop_other_objects,
    fill_tables,
)
from app.migrations.earlier_tables import Progress, add_tables_of_batches, make_recipes
from app.migrations.legacy_import import set_aside_columns, set_aside_tables, take_over_users

KEEP_FAVOURITES = "UPDATE generation_records SET pick = 'keep' WHERE favourite = 1 AND pick = ''"
_0_2_0 = (18, 19)
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
_DROPPED = {
    "INDEX": """
        copies_waiting records_amiss records_ordered records_shown sends_in_doubt sends_of_batch
        sends_of_record sends_of_time sends_outcome sends_settled
    """,
    "TRIGGER": """
        count_gone count_new search_gone search_new sends_added sends_changed sends_removed uses_forgotten
        uses_noted
    """,
    "TABLE": "prompt_search",  # the index of texts is filled again in the background
}
# What was added after 0.1.0, and after 0.2.0: what bears one of these names is another program's.
_NEW_TABLES = (
    *("workbooks", "counts_by_day", "record_search", "budgets", "notifications", "model_statistics"),
    *("sessions", "login_attempts", "workers", "tables", "table_rows", "row_pictures"),
    *("table_workbooks", "table_changes"),
)
_NEW_COLUMNS = {
    "generation_records": """
        error_message fingerprint own_columns templates pick position options marks searched_columns
    """,
    "batches": "paused_message workbook_id stop_after outcomes paused_cause filled_on copied_from table_id",
    "batch_log": "message",
    "charges": "usage usage_differs",
}
_TABLES_SINCE_0_2_0 = (
    *("delivery_profiles", "deliveries", "delivery_files", "recipes", "rounds", "round_pictures"),
    *("round_marks", "people", "tokens", "setting_changes"),
)


def upgrade(db: SqliteConnection, report: Progress) -> None:
    """Bring the file to ``schema.sql``; one of 0.1.0 also gets fingerprints, and a table of every batch."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    db.execute("PRAGMA writable_schema = ON")  # then views that are broken do not stop it
    if columns(db, "sends"):
        _rename(db)
    if version <= _0_2_0[1]:
        set_aside_tables(db, _TABLES_SINCE_0_2_0)
    drop_other_objects(db)
    drop_objects(
        db, {"TABLE": "record_counts counts_by_day search_backlog"}
    )  # they have the column favourite
    new = _add_tables(db)
    _drop_favourite(db)
    fill_tables(db, new)
    db.execute("UPDATE search_state SET normaliser = ''")  # so that the index of texts is made anew
    if version < _0_2_0[0]:
        add_fingerprints(db)  # before their index: a million records are faster without it
    add_indexes(db)
    if version < _0_2_0[0]:
        add_tables_of_batches(db, report)
    elif "prefix" in columns(db, "tables"):
        make_recipes(db)
    if "people" in new:
        take_over_users(db)
    db.execute("PRAGMA writable_schema = OFF")


def _rename(db: sqlite3.Connection) -> None:
    """Give what 0.1.0 has its present names."""
    drop_objects(db, _DROPPED)
    there = {old: name for old, name in _TABLES.items() if columns(db, old)}
    set_aside_tables(db, there.values())
    for old, name in there.items():
        db.execute(f"ALTER TABLE {old} RENAME TO {name}")
    for table, renamed in _COLUMNS.items():
        for old, name in renamed.items():
            if old in columns(db, table):
                set_aside_columns(db, table, [name])
                db.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {name}")
    set_aside_tables(db, _NEW_TABLES)
    for table, names in _NEW_COLUMNS.items():
        set_aside_columns(db, table, names.split())


def _add_tables(db: SqliteConnection) -> list[str]:
    """Add missing tables and columns -> the new tables.

    A renaming leaves the foreign keys of other tables behind: those tables are copied into new ones.
    """
    names = ("charges", "resolved_records")
    tied = [name for name in names if db.execute(f"PRAGMA foreign_key_list({name})").fetchone()]
    for table in tied:
        db.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    new = add_tables(db)
    for table in tied:
        copied = ", ".join(columns(db, f"old_{table}"))
        db.execute(f"INSERT INTO {table} ({copied}) SELECT {copied} FROM old_{table}")
        db.execute(f"DROP TABLE old_{table}")
    return new


def _drop_favourite(db: sqlite3.Connection) -> None:
    """Drop the column, which mirrored ``pick``, and what reads it; favourites of 0.1.0 are kept."""
    db.execute(KEEP_FAVOURITES)
    sql = """
        SELECT type, name, sql
        FROM sqlite_schema
        WHERE tbl_name = 'generation_records' AND type IN ('index', 'trigger') AND sql IS NOT NULL
    """
    for kind, name, definition in db.execute(sql).fetchall():
        if re.search(r"\bfavourite\b", definition, re.IGNORECASE):
            db.execute(f"DROP {kind} {quoted(name)}")
    db.execute("ALTER TABLE generation_records DROP COLUMN favourite")
