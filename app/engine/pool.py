"""Opens connections to a database of either engine; a pool of those to one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.engine import sqlite
from app.engine.connection import Connection, Target


def connect(target: Target, *, one_thread: bool = True) -> Connection:
    """A connection with autocommit and durable commits.

    With ``one_thread=False`` several threads may use it, one at a time. Raises StoreLost when the file does
    not exist; a server is connected to when it is first used.
    """
    if isinstance(target, Path):
        return sqlite.connect(target, one_thread=one_thread)
    from app.engine.postgres import PostgresConnection

    return PostgresConnection(target)


class ConnectionPool:
    """Lends each connection to one thread at a time; a returned one is closed, except in ``keep_open``."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._reuses = False

    def acquire(self) -> Connection:
        """Get a connection for exclusive use, until ``release``. Raises StoreLost when there is no file."""
        with self._lock:
            db = self._idle.pop() if self._idle else None
        if db and not db.problem():
            return db
        if db:
            db.close()
        return connect(self._target, one_thread=False)

    def release(self, db: Connection) -> None:
        """Return a connection to the pool."""
        with self._lock:
            if self._reuses and not db.in_transaction:
                self._idle.append(db)
                return
        db.close()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Get a connection for the body."""
        db = self.acquire()
        try:
            yield db
        finally:
            self.release(db)

    @contextmanager
    def keep_open(self) -> Iterator[None]:
        """Reuse connections while the body runs, since opening one takes longer than most queries."""
        self._reuses = True
        try:
            yield
        finally:
            with self._lock:
                self._reuses = False
                idle, self._idle = self._idle, []
            for db in idle:
                db.close()
