"""Migration: undo for the trash.

``generation_records.deletion``  id of the call that moved the record to the trash, for its undo
"""

import sqlite3


def add_deletions(db: sqlite3.Connection) -> None:
    """Add the column; earlier deletions cannot be undone as one call."""
    db.execute("ALTER TABLE generation_records ADD COLUMN deletion INTEGER")
    db.execute("CREATE INDEX records_of_deletion ON generation_records (deletion) WHERE deletion IS NOT NULL")
