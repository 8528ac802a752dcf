"""The threads of a process; it starts no other, but for one that asks whether a silent PostgreSQL answers."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial

import database
from app import log
from app.errors import DatabaseError, StoreLost, WriteRefused

SILENT_SECONDS = 12.0  # as long as a lease

Loop = Callable[[database.Connection], None]


class Threads:
    """Starts loops, logs their errors and ends them: ``draining`` ends new work, ``aborting`` all of it."""

    def __init__(self, target: database.Target, store_guard: database.StoreGuard) -> None:
        self._target = target
        self._store_guard = store_guard
        self.draining, self.aborting = threading.Event(), threading.Event()
        self.write_refusal = log.Condition("worker", begun="db_write_failed", ended="db_write_accepted")
        self.lock = threading.Lock()  # for what is counted beside the list of threads
        self._threads: list[threading.Thread] = []
        self._connections: dict[int, database.Connection] = {}  # by thread

    @property
    def are_running(self) -> bool:
        """Whether threads were started, live, were not asked to stop, and the database answers them."""
        if any(db.silent_seconds() > SILENT_SECONDS for db in tuple(self._connections.values())):
            return False
        with self.lock:  # a thread that ends leaves the list first
            return (
                self.were_started and not self.draining.is_set() and all(t.is_alive() for t in self._threads)
            )

    @property
    def were_started(self) -> bool:
        """Whether there are any."""
        return bool(self._threads)

    def start(self, target: Callable[[], None], name: str) -> None:
        """Start a thread."""
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)  # one that is not alive yet would look like one that has ended

    def start_loop(self, loop: Loop, name: str) -> None:
        """Start a thread with a connection; one that cannot be opened is tried again every second."""
        self.start(partial(self._run_loop, loop, name), name)

    def leave(self) -> None:
        """The current thread is about to end, and is not missed; hold ``lock``."""
        self._threads.remove(threading.current_thread())

    def join(self, deadline: float) -> bool:
        """Wait for all of them until then (monotonic) -> whether every one has ended."""
        threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    @staticmethod
    def start_apart(target: Callable[[], object], name: str) -> None:
        """Start a thread that is not one of them: it ends by itself, and nothing waits for it."""
        threading.Thread(target=target, name=name, daemon=True).start()

    def guarded(self, turn: Callable[[], bool], *, writes: bool = True) -> bool:
        """Run one turn of a loop -> what it returned; log an unexpected error and let the loop go on. The
        lease of a record in progress then expires.

        A turn that ``writes`` and returns True shows that the database accepts writes.
        """
        try:
            if (done := turn()) and writes:
                self.write_refusal.end()
            return done
        except WriteRefused as error:
            self.write_refusal.begin(str(error))
        except Exception as error:
            self._store_guard.report(error)
            if not isinstance(error, StoreLost):  # which is logged once
                log.exception("worker", "unhandled_error", thread=threading.current_thread().name)
        self.aborting.wait(1.0)
        return False

    def _run_loop(self, loop: Loop, name: str) -> None:
        is_logged = False
        while not self.aborting.is_set():
            try:
                with closing(database.connect(self._target)) as db:
                    self._connections[threading.get_ident()] = db
                    loop(db)
                    return
            except (DatabaseError, database.Error) as error:
                if not is_logged:
                    log.event("worker", "no_connection", thread=name, why=error)
                is_logged = True
            self.aborting.wait(1.0)
