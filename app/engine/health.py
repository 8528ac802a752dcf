"""Health checks: the database is writable, and its pages are not corrupt."""

import sqlite3
from collections.abc import Callable

from app.engine.connection import Connection, transaction
from app.engine.sqlite import is_damage
from app.engine.values import quoted
from app.errors import WriteRefused

CONNECTIONS_OF_A_PROCESS = 12  # at most: see links
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


def lacking_connections(db: Connection) -> str:
    """Why the server may refuse connections that a process needs; empty when it has enough."""
    if db.engine == "sqlite":
        return ""
    row = db.execute(
        """
        SELECT CAST(current_setting('max_connections') AS integer)
            - CAST(current_setting('superuser_reserved_connections') AS integer) AS most,
            (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used
        """
    ).fetchone()
    if row["most"] - row["used"] >= CONNECTIONS_OF_A_PROCESS:
        return ""
    return f"{row['used']} of {row['most']} are in use, a process needs {CONNECTIONS_OF_A_PROCESS}"


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
