"""Whether the database can be read and written just now, and whether its pages are whole."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from app.db.migrations.legacy_import import quoted
from app.db.open_files import is_damage

_SECONDS = 1.0
_STEPS_BETWEEN_LOOKS = 10_000  # of SQLite's machine, a fraction of a millisecond


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


def check_pages(db: sqlite3.Connection, *, stops: Callable[[], bool]) -> str:
    """What is wrong with the pages of our tables and indexes; empty when nothing is, or when it ``stops``.

    Table by table, so that no snapshot is held for longer than one takes (2.7 s for a million records). The
    full-text index checks itself against words that it is not given yet, so only its storage is looked at.
    """
    sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
    db.set_progress_handler(lambda: int(stops()), _STEPS_BETWEEN_LOOKS)
    try:
        for name in [row[0] for row in db.execute(sql).fetchall()]:
            found = db.execute(f"PRAGMA quick_check({quoted(name)})").fetchone()[0]
            if found != "ok":
                return str(found)
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0)
        if code == sqlite3.SQLITE_INTERRUPT:
            return ""
        if not is_damage(error):
            raise
        return str(error)
    finally:
        db.set_progress_handler(None, 0)
    return ""
