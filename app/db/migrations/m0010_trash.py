"""The part of the database's shape that belongs to the trash.

``generation_records.deletion``  the call that moved the record to the trash; its undo takes out exactly these
"""

import sqlite3


def add_deletions(db: sqlite3.Connection) -> None:
    """The migration that adds the column; no earlier call can be undone any more."""
    db.execute("ALTER TABLE generation_records ADD COLUMN deletion INTEGER")
    db.execute("CREATE INDEX records_of_deletion ON generation_records (deletion) WHERE deletion IS NOT NULL")
