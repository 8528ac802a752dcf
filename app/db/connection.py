"""Database connections and transactions."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.db.ngrams import matches
from app.db.open_files import OpenConnection, file_id, lost, missing_text
from app.errors import StoreLost, WriteRefused

BUSY_SECONDS = 15.0  # timeout for the write lock, both within this process and between processes

# Serialises the writers of this process: SQLite's busy handler polls with sleeps, so that some of 64 threads
# wait for half a second. Between processes SQLite's file lock applies.
_write_lock = threading.Lock()


def connect(path: Path, *, one_thread: bool = True, create: bool = False) -> OpenConnection:
    """Open a connection with ``sqlite3.Row`` rows, autocommit, foreign keys and durable commits.

    With ``one_thread=False`` several threads may use it, one at a time. Raises StoreLost when the file does
    not exist and ``create`` is false.
    """
    if not (create or file_id(path)):
        raise StoreLost(missing_text(path))
    db = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=one_thread, factory=OpenConnection
    )
    db.opened(path)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA foreign_keys = ON")
    db.create_function("matches", -1, matches, deterministic=True)
    return db


@contextmanager
def transaction(db: sqlite3.Connection, *, durable: bool = True, wait: float | None = None) -> Iterator[None]:
    """Run the body in ``BEGIN IMMEDIATE … COMMIT``; ROLLBACK when it raises.

    With ``durable=False`` a power cut (not a crash) may undo it until the next durable commit.
    Waits ``wait`` seconds for other writers, BUSY_SECONDS without it.
    Raises WriteRefused, with nothing changed, when the file is locked for too long or cannot grow;
    StoreLost when the file was moved or replaced, StoreDamaged when it is damaged.
    """
    with _turn(BUSY_SECONDS if wait is None else wait) as deadline:
        try:
            db.execute("PRAGMA synchronous = FULL" if durable else "PRAGMA synchronous = NORMAL")
            _begin(db, deadline)
            if isinstance(db, OpenConnection):
                db.require_same_files()
            yield
            db.execute("COMMIT")
        except BaseException as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            if problem := lost(db, error):
                raise problem from error
            if isinstance(error, sqlite3.OperationalError):
                raise _refused(str(error)) from error
            raise


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


def _begin(db: sqlite3.Connection, deadline: float) -> None:
    left = max(0.0, deadline - time.monotonic())
    db.execute(f"PRAGMA busy_timeout = {round(1000 * left)}")
    try:
        db.execute("BEGIN IMMEDIATE")
    finally:
        db.execute(f"PRAGMA busy_timeout = {round(1000 * BUSY_SECONDS)}")


def _refused(why: str) -> WriteRefused:
    return WriteRefused("数据库现在写不进去（{reason}），请检查磁盘空间和文件权限", reason=why)


@contextmanager
def read_transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Run several reads on one snapshot; inside an open transaction, use that one."""
    if db.in_transaction:
        yield
        return
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("COMMIT")


@contextmanager
def foreign_keys_off(db: sqlite3.Connection) -> Iterator[None]:
    """Disable foreign keys (other programs may have added some) around this block."""
    db.execute("PRAGMA foreign_keys = OFF")
    db.execute("PRAGMA legacy_alter_table = ON")
    try:
        yield
    finally:
        db.execute("PRAGMA legacy_alter_table = OFF")
        db.execute("PRAGMA foreign_keys = ON")
