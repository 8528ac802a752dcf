"""Health checks: the database is writable, and its pages are not corrupt."""

import sqlite3
from collections.abc import Callable

from app.db.connection import Connection, transaction
from app.db.open_files import is_damage
from app.db.row_mapping import quoted
from app.errors import WriteRefused

_STEPS_BETWEEN_POLLS = 10_000  # virtual machine instructions, a fraction of a millisecond


def require_writable(db: Connection) -> bool:
    """True; raises WriteRefused when the database takes no writes now, as of a standby server."""
    if db.engine == "sqlite":
        with transaction(db, durable=False):  # that writes nothing
            return True
    found = db.execute("SELECT current_setting('transaction_read_only') AS only_reads").fetchone()
    if found["only_reads"] == "on":
        raise WriteRefused("数据库现在写不进去（{reason}），请检查磁盘空间和权限", reason="read only")
    return True


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
