"""Health checks: the database is readable and writable, and its pages are not corrupt."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from app.db.connection import Target, transaction
from app.db.connection_pool import connect
from app.db.open_files import is_damage
from app.db.row_mapping import quoted
from app.errors import DatabaseError

_SECONDS = 1.0
_STEPS_BETWEEN_POLLS = 10_000  # virtual machine instructions, a fraction of a millisecond


def is_healthy(target: Target) -> bool:
    """Whether the database exists, has our schema and can be written to within a second."""
    if not isinstance(target, Path):
        return _is_server_healthy(target)
    address = f"{target.absolute().as_uri()}?mode=rw"  # never creates the file
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=_SECONDS, isolation_level=None)) as db:
            db.execute("SELECT id FROM generation_records LIMIT 1").fetchone()
            db.execute("BEGIN IMMEDIATE")
            db.execute("UPDATE change_counter SET value = value")
            db.execute("ROLLBACK")
    except sqlite3.Error:
        return False
    return True


def _is_server_healthy(url: str) -> bool:
    try:
        with closing(connect(url)) as db:
            db.execute("SELECT id FROM generation_records LIMIT 1").fetchone()
            with transaction(db, wait=_SECONDS):  # without a write, which would wait for the disk
                sql = "SELECT current_setting('transaction_read_only') AS only_reads"
                return bool(db.execute(sql).fetchone()["only_reads"] == "off")
    except DatabaseError:
        return False


def check_pages(db: sqlite3.Connection, *, stops: Callable[[], bool]) -> str:
    """The first problem in the pages of tables and indexes; empty when there is none, or ``stops()`` is true.

    Checks one table at a time, so that each snapshot is short (2.7 s for a million records).
    Only the storage of the full-text index is checked: its own check needs words that are not indexed yet.
    """
    sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
    db.set_progress_handler(lambda: int(stops()), _STEPS_BETWEEN_POLLS)
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
