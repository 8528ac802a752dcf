"""Whether the database can be read and written just now, found out without keeping anybody waiting."""

import sqlite3
from contextlib import closing
from pathlib import Path

_SECONDS = 1.0


def is_healthy(path: Path) -> bool:
    """Whether the file is there, is a database of ours, and lets itself be written to within a second."""
    try:
        with closing(_connect(path)) as db:
            db.execute("SELECT id FROM generation_records LIMIT 1").fetchone()
            db.execute("BEGIN IMMEDIATE")
            db.execute("UPDATE change_counter SET value = value")
            db.execute("ROLLBACK")
    except sqlite3.Error:
        return False
    return True


def _connect(path: Path) -> sqlite3.Connection:
    """A connection that makes no file where none is, and does not wait in the line of our own writers."""
    address = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(address, uri=True, timeout=_SECONDS, isolation_level=None)
