"""Detect that a connection's database files were moved, deleted or replaced.

SQLite keeps writing to the file it opened even when the path refers to another one; such writes are lost.
Files are identified by device and inode and never opened here: closing a second descriptor would drop the
locks that SQLite holds.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from app.engine import connection
from app.engine.ngrams import matches
from app.engine.values import SqlList, quoted
from app.errors import Message, StoreDamaged, StoreLost, WriteRefused, message

FileId = tuple[int, int]
_BESIDE = ("-wal", "-shm")
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

# Serialises the writers of this process: SQLite's busy handler polls with sleeps, so that some of 64 threads
# wait for half a second. Between processes SQLite's file lock applies.
_write_lock = threading.Lock()
_STEPS_BETWEEN_POLLS = 10_000  # virtual machine instructions, a fraction of a millisecond


class OpenConnection(sqlite3.Connection):
    """A connection that records the identity of its files: main, and from first use -wal and -shm."""

    path: Path
    main: FileId | None
    beside: tuple[FileId | None, ...]

    def opened(self, path: Path) -> None:
        """Record the main file's identity; call immediately after opening."""
        self.path, self.main, self.beside = path, file_id(path), ()

    def note_files_beside(self) -> None:
        """Record -wal and -shm; after the first read SQLite keeps them until it closes."""
        self.beside = self.beside or _files_beside(self.path)

    def problem(self) -> Message | None:
        """Why this connection must not write; None when its files are unchanged."""
        if problem := main_file_problem(self.path, self.main):
            return problem
        for ending, was, found in zip(_BESIDE, self.beside, _files_beside(self.path), strict=False):
            if was is not None and found != was:
                return message(
                    "数据库旁的「{name}{ending}」被移走或删除了，不再下单：请重新启动程序",
                    name=self.path.name,
                    ending=ending,
                )
        return None

    def require_same_files(self) -> None:
        """Raises StoreLost when the files have changed; inside a transaction, before its first write."""
        self.note_files_beside()
        if trouble := self.problem():
            raise StoreLost(trouble)


def file_id(path: Path) -> FileId | None:
    """(device, inode) of the file; None when it does not exist."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def main_file_problem(path: Path, main: FileId | None) -> Message | None:
    """Why the file at this path is not the one that was opened; None when it is."""
    now = file_id(path)
    if now is None:
        return missing_text(path)
    if now != main:
        return message(
            "数据库文件被换成了另一个，不再下单：请把「{path}」换回原来的，或确认后重新启动程序", path=path
        )
    return None


def _files_beside(path: Path) -> tuple[FileId | None, ...]:
    return tuple(file_id(path.with_name(f"{path.name}{ending}")) for ending in _BESIDE)


def is_damage(error: BaseException) -> bool:
    """Whether the error means a corrupt file or not a database; a corrupt full-text index does not count."""
    code = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, sqlite3.Error) and code & 0xFF in _DAMAGE and code != sqlite3.SQLITE_CORRUPT_VTAB


def lost(db: sqlite3.Connection, error: BaseException) -> StoreLost | None:
    """The exception to raise when missing, replaced or damaged files caused the error; else None."""
    if not (isinstance(db, OpenConnection) and isinstance(error, sqlite3.Error)):
        return None
    if trouble := db.problem():
        return StoreLost(trouble)
    return StoreDamaged(damage_text(db.path, str(error))) if is_damage(error) else None


def missing_text(path: Path) -> Message:
    """The message for a missing database file."""
    return message(
        "数据库文件不见了，不再下单：请把「{path}」放回原处，或从备份恢复后重新启动程序", path=path
    )


def damage_text(path: Path, found: str) -> Message:
    """The message for a damaged database file; names the newest backups in its folder."""
    copies = sorted((copy.name for copy in path.parent.glob(f"{path.name}.backup-*")), reverse=True)
    daily = sorted(path.parent.glob(f"backups/{path.stem}-*.db"), reverse=True)
    copies = [f"backups/{copy.name}" for copy in daily[:1]] + copies
    known = message("旁边的备份：{names}" if copies else "旁边没有备份", names=tuple(copies[:3]))
    return message(
        "数据库文件有损坏，不再下单：请停下程序，移开「{path}」，从备份恢复（{backups}）；"
        "没有备份就用 python -m app.cli rebuild 从图片重建（{found}）",
        path=path,
        backups=known,
        found=" ".join(found.split())[:100],
    )


sqlite3.register_adapter(SqlList, json.dumps)


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
