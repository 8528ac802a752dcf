"""The part of the database's shape that remembers orders by their request keys.

``request_keys``  a line for each key: the digest of what was asked, the answer as JSON, when (Unix seconds)
"""

import sqlite3


def add_request_keys(db: sqlite3.Connection) -> None:
    """The migration that makes the table; no earlier order had a key."""
    db.execute(
        """
        CREATE TABLE request_keys (
            key TEXT PRIMARY KEY,
            digest TEXT NOT NULL,
            answer TEXT NOT NULL,
            used_at REAL NOT NULL
        ) WITHOUT ROWID
        """
    )
    db.execute("CREATE INDEX request_keys_used ON request_keys (used_at)")
