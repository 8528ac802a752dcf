"""Migration: request keys (idempotency keys) of submissions.

``request_keys``  one row for each key: digest of the request, response as JSON, time (Unix seconds)
"""

import sqlite3


def add_request_keys(db: sqlite3.Connection) -> None:
    """Add the table, initially empty."""
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
