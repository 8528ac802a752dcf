"""Whether the database and OSS are there; that they are lost, or back, is logged once. Starts no thread."""

import math
import time

import database
from app import log
from app.errors import Message
from app.library.outputs import Outputs
from app.worker.threads import SILENT_SECONDS


class Availability:
    """Each call looks once."""

    def __init__(self, store_guard: database.StoreGuard, outputs: Outputs) -> None:
        self._store_guard, self._outputs = store_guard, outputs
        self._problems: dict[str, Message | None] = {}
        self._seen_at = -math.inf

    @property
    def has_store(self) -> bool:
        """Whether the database was usable when it was last looked at, a moment ago."""
        return not self._store_guard.problem() and time.monotonic() - self._seen_at < SILENT_SECONDS

    def look_first(self, db: database.Connection) -> None:
        """At the start; also whether the server has connections enough."""
        self.watch_store(db)
        if why := database.lacking_connections(db):
            log.event("worker", "few_connections", why=why)

    def watch_store(self, db: database.Connection) -> bool:
        """Whether the database is usable."""
        is_usable = self._note("store", self._store_guard.watch(db))
        if is_usable:
            self._seen_at = time.monotonic()
        return is_usable

    def watch_oss(self) -> bool:
        """Whether OSS stores pictures, as far as is known."""
        return self._note("oss", self._outputs.check())

    def check_store(self) -> bool:
        """Whether the database is usable, after checking its pages when that is due."""
        self._store_guard.check()
        return not self._store_guard.problem()

    def _note(self, what: str, problem: Message | None) -> bool:
        if problem != self._problems.get(what):
            self._problems[what] = problem
            log.event("worker", f"{what}_lost" if problem else f"{what}_found", why=problem)
        return not problem
