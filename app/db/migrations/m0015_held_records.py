"""Migration from version 14: held records, picks, stop rules, budgets, notifications, model statistics."""

import sqlite3

from app.db.migrations import m0016_models
from app.db.migrations.baseline import add_indexes, add_tables, drop_objects, fill_tables
from app.db.migrations.legacy_import import set_aside_names

_NEW_TABLES = ("budgets", "notifications", "model_statistics")
_NEW_COLUMNS = {
    "generation_records": ("pick", "position"),
    "batches": ("stop_after", "outcomes", "paused_cause", "filled_on"),
}
_INDEX = "records_picked"
# Replaced by those of ``schema.sql``, whose conditions exclude held records.
_DROPPED = {
    "TRIGGER": """
        count_added count_changed count_removed search_added search_changed search_removed search_shown
        search_batch_renamed
    """,
    "INDEX": "records_open records_visible records_facets records_created",
}


def upgrade(db: sqlite3.Connection) -> None:
    """Add what the file lacks."""
    set_aside(db)
    drop_objects(db, _DROPPED)
    fill_tables(db, add_tables(db))
    add_indexes(db)


def set_aside(db: sqlite3.Connection) -> None:
    """Rename what another program gave one of our new names."""
    set_aside_names(db, index=_INDEX, tables=_NEW_TABLES, new_columns=_NEW_COLUMNS)
    m0016_models.set_aside(db)
