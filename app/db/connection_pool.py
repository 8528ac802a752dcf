"""A pool of connections to one database."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.db.connection import Connection, Target, connect


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
