"""Migration from version 13: imported workbooks are kept with their batches."""

import sqlite3

from app.db.migrations.baseline import add_indexes, add_tables, fill_tables


def upgrade(db: sqlite3.Connection) -> None:
    """Add what the file lacks."""
    fill_tables(db, add_tables(db))
    add_indexes(db)
