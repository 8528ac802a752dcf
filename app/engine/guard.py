"""Check that the database of a running server is intact before anything is submitted.

Missing files block writes until they are back; nothing is written meanwhile, so nothing is lost.
Damage, or contents older than seen before, block writes until a restart: SQLite has cached pages of both.
"""

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from app.engine.connection import Connection, Target, last_version, transaction
from app.engine.sqlite import (
    FileId,
    SqliteConnection,
    check_pages,
    connect,
    damage_text,
    file_id,
    is_damage,
    main_file_problem,
)
from app.errors import DatabaseError, Message, StoreDamaged, StoreLost, WriteRefused, message

_SHARE_OF_CHECKS = 0.01  # upper limit of the time spent in page checks
CONNECTIONS_OF_A_PROCESS = 12  # at most: see ``links``


class StoreGuard(Protocol):
    """The state of this process's database; checked before each submission and by every page."""

    def problem(self) -> Message | None:
        """Why nothing may be submitted or written; None when there is no problem."""

    def away(self) -> Message | None:
        """As ``problem``, but only while the database is missing: no connection may be opened then."""

    def watch(self, db: Any) -> Message | None:
        """Examine the database that a long-lived connection has open -> ``problem()``."""

    def require(self, db: Any) -> None:
        """Raises StoreLost or StoreDamaged when nothing may be submitted; call before each submission."""

    def check(self) -> bool:
        """Check the contents if that is due -> whether it ran."""

    def report(self, error: BaseException) -> None:
        """Record a query's error; when it means damage, submissions are blocked from then on."""


def open_guard(target: Target, *, stops: Callable[[], bool] = bool) -> StoreGuard:
    """The guard of this database; ``stops()`` ends a long check early."""
    return FileGuard(target, stops=stops) if isinstance(target, Path) else PostgresGuard()


class FileGuard:
    """The state of this process's database file."""

    def __init__(
        self, path: Path, *, stops: Callable[[], bool] = bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._stops = stops
        self._clock = clock
        self._lock, self._check_lock = threading.Lock(), threading.Lock()
        self._main: FileId | None = None
        self._away: Message | None = None
        self._damage: Message | None = None
        self._version = 0  # the highest value of the change counter so far
        self._compared: tuple[int, int] | None = None  # size and mtime when the contents were last compared
        self._checked: tuple[int, int] | None = None  # and when the pages were last checked
        self._next_check = 0.0

    def problem(self) -> Message | None:
        """Why nothing may be submitted or written; None when there is no problem."""
        return self._damage or self.away()

    def away(self) -> Message | None:
        """As ``problem``, but only for missing or replaced files: no connection may be opened then.

        It would combine another main file with the ``-wal`` in use, and checkpoint it into the wrong file.
        """
        if self._away or self._main is None:
            return self._away
        return main_file_problem(self._path, self._main)

    def watch(self, db: SqliteConnection) -> Message | None:
        """Compare the files with those that a long-lived connection has open -> ``problem()``.

        A removed ``-wal`` is still open in that connection, so it is checkpointed into the main file at once.
        """
        self._main = self._main or db.main
        trouble = db.problem()
        if not trouble:
            self._note_version(db)
            db.note_files_beside()
        if trouble and file_id(self._path) == db.main:
            db.execute("PRAGMA wal_checkpoint(FULL)").fetchall()
        self._away = trouble
        return self.problem()

    def require(self, db: SqliteConnection) -> None:
        """Raises StoreLost or StoreDamaged when nothing may be submitted; call before each submission."""
        with self._lock:
            self._main = self._main or db.main
            if trouble := self.problem() or db.problem():
                raise StoreLost(trouble)
            self._note_version(db)
            self._compare()
            with self._check_lock:  # the first check may be under way
                if self._checked is None and not self._damage:
                    self._check()
        if self._damage:
            raise StoreDamaged(self._damage)

    def check(self) -> bool:
        """Check the pages if the file has changed and a check is due -> whether it ran."""
        if self.problem() or self._changed() == self._checked or self._clock() < self._next_check:
            return False
        with self._lock:
            self._compare()
        with self._check_lock:
            if not self._damage:
                self._check()
        return True

    def report(self, error: BaseException) -> None:
        """Record a query's error; when it means damage, submissions are blocked from then on."""
        if isinstance(error, StoreDamaged):
            self._damage = self._damage or error.message
        elif is_damage(error):
            self._damage = self._damage or damage_text(self._path, str(error))

    def _note_version(self, db: SqliteConnection) -> int:
        """The change counter as read by this connection; 0 when the file is damaged."""
        try:
            version = last_version(db)
        except sqlite3.DatabaseError as error:
            if not (is_damage(error) or error.sqlite_errorcode == sqlite3.SQLITE_ERROR):  # no such table
                raise DatabaseError(
                    "数据库现在读不出来（{reason}），请检查磁盘和文件权限", reason=error
                ) from error
            self._damage = self._damage or damage_text(self._path, str(error))
            return 0
        self._version = max(self._version, version)
        return version

    def _compare(self) -> None:
        """Detect that an older copy overwrote the file, using a new connection without cached pages."""
        changed, least = self._changed(), self._version
        if changed == self._compared:
            return
        with closing(connect(self._path)) as fresh:
            version = self._note_version(fresh)
        if version < least:
            self._damage = self._damage or message(
                "数据库的内容变旧了，像是被旧的副本覆盖，不再下单：请停下程序，把「{path}」换回正确的，再启动",
                path=self._path,
            )
        self._compared = changed

    def _check(self) -> None:
        began, changed = self._clock(), self._changed()
        with closing(connect(self._path)) as fresh:
            found = check_pages(fresh, stops=self._stops)
        if found:
            self._damage = damage_text(self._path, found)
        self._checked, ended = changed, self._clock()
        self._next_check = ended + (ended - began) / _SHARE_OF_CHECKS

    def _changed(self) -> tuple[int, int] | None:
        """(size, mtime in ns) of the main file, which only checkpoints write; None when it is missing."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_size, found.st_mtime_ns


class PostgresGuard:
    """The state of the database as ``StoreGuard`` tells it of a file.

    A server that cannot be reached blocks writes until it answers; contents older than seen before (a backup,
    or a standby that had not received the last commits) block them until a restart.
    """

    def __init__(self) -> None:
        self._away: Message | None = None
        self._damage: Message | None = None
        self._version = 0  # the highest value of the change counter so far

    def problem(self) -> Message | None:
        """Why nothing may be submitted or written; None when there is no problem."""
        return self._damage or self._away

    def away(self) -> Message | None:
        """As ``problem``, but only while the server cannot be reached."""
        return self._away

    def watch(self, db: Connection) -> Message | None:
        """Ask the server for its change counter -> ``problem()``."""
        try:
            self._compare(db)
            self._away = None
        except StoreLost as lost:
            self.report(lost)
            self._away = lost.message
        return self.problem()

    def require(self, db: Connection) -> None:
        """Raises StoreLost or StoreDamaged when nothing may be submitted; call before each submission."""
        if not self._damage:
            self._compare(db)
        if self._damage:
            raise StoreDamaged(self._damage)

    def check(self) -> bool:
        """Nothing to check: the server verifies its own pages."""
        return False

    def report(self, error: BaseException) -> None:
        """Record a query's error; when it means damage, submissions are blocked from then on."""
        if isinstance(error, StoreDamaged):
            self._damage = self._damage or error.message

    def _compare(self, db: Connection) -> None:
        seen = self._version  # before the counter is read: other threads see later values meanwhile
        version = last_version(db)
        if version < seen:
            self._damage = message(
                "数据库的内容变旧了，像是恢复了旧的备份，或切换到了落后的备用服务器，不再下单："
                "请换回正确的数据库，再重新启动程序"
            )
        self._version = max(self._version, version)


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
