"""The connection to a SQLite file."""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from app.db import connection
from app.db.ngrams import matches
from app.db.open_files import OpenConnection, file_id, lost, missing_text
from app.db.row_mapping import SqlList
from app.errors import StoreLost, WriteRefused

sqlite3.register_adapter(SqlList, json.dumps)

# Serialises the writers of this process: SQLite's busy handler polls with sleeps, so that some of 64 threads
# wait for half a second. Between processes SQLite's file lock applies.
_write_lock = threading.Lock()


class SqliteConnection(OpenConnection):
    """A connection with ``sqlite3.Row`` rows, autocommit, foreign keys and durable commits."""

    engine: Literal["sqlite"] = "sqlite"
    is_shared: Literal[False] = False
    clock: None = None
    has_gone: Callable[[], bool] | None = None

    def silent_seconds(self) -> float:
        """See ``Connection``; no server is asked."""
        return 0.0

    @contextmanager
    def write_transaction(self, *, durable: bool, wait: float, shared: bool, elects: bool) -> Iterator[bool]:
        """Run the body in ``BEGIN IMMEDIATE … COMMIT``; see ``connection.transaction``."""
        with _turn(wait) as deadline:
            try:
                self.execute("PRAGMA synchronous = FULL" if durable else "PRAGMA synchronous = NORMAL")
                _begin(self, deadline)
                self.require_same_files()
                yield True
                self.execute("COMMIT")
            except BaseException as error:
                if self.in_transaction:
                    self.execute("ROLLBACK")
                if problem := lost(self, error):
                    raise problem from error
                if isinstance(error, sqlite3.OperationalError):
                    raise _refused(str(error)) from error
                raise

    @contextmanager
    def read_transaction(self) -> Iterator[None]:
        """Run several reads on one snapshot; inside an open transaction, use that one."""
        if self.in_transaction:
            yield
            return
        self.execute("BEGIN")
        try:
            yield
        finally:
            self.execute("COMMIT")

    @contextmanager
    def foreign_keys_off(self) -> Iterator[None]:
        """Disable foreign keys (other programs may have added some) around this block."""
        self.execute("PRAGMA foreign_keys = OFF")
        self.execute("PRAGMA legacy_alter_table = ON")
        try:
            yield
        finally:
            self.execute("PRAGMA legacy_alter_table = OFF")
            self.execute("PRAGMA foreign_keys = ON")


def connect(path: Path, *, one_thread: bool = True, create: bool = False) -> SqliteConnection:
    """Open a connection. With ``one_thread=False`` several threads may use it, one at a time.

    Raises StoreLost when the file does not exist and ``create`` is false.
    """
    if not (create or file_id(path)):
        raise StoreLost(missing_text(path))
    db = sqlite3.connect(
        path,
        timeout=connection.BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=one_thread,
        factory=SqliteConnection,
    )
    db.opened(path)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA foreign_keys = ON")
    db.create_function("matches", -1, matches, deterministic=True)
    return db


@contextmanager
def _turn(seconds: float) -> Iterator[float]:
    """Hold the process-wide write lock -> the deadline (monotonic) for waiting on other processes."""
    deadline = time.monotonic() + seconds
    if not _write_lock.acquire(timeout=seconds):
        raise _refused("database is locked")
    try:
        yield deadline
    finally:
        _write_lock.release()


def _begin(db: SqliteConnection, deadline: float) -> None:
    left = max(0.0, deadline - time.monotonic())
    db.execute(f"PRAGMA busy_timeout = {round(1000 * left)}")
    try:
        db.execute("BEGIN IMMEDIATE")
    finally:
        db.execute(f"PRAGMA busy_timeout = {round(1000 * connection.BUSY_SECONDS)}")


def _refused(why: str) -> WriteRefused:
    return WriteRefused("数据库现在写不进去（{reason}），请检查磁盘空间和文件权限", reason=why)
