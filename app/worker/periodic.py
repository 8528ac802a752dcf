"""The loops of the periodic jobs and of what is watched; the worker runs each in a thread of its own.

Starts no thread.
"""

import time
from collections.abc import Callable
from typing import Protocol

import database
from app.worker.maintenance import Maintenance
from app.worker.notifier import BETWEEN_SECONDS, Notifier
from app.worker.peers import Peers
from app.worker.pipeline import Pipeline

_BACKUP_POLL_SECONDS = 2.0
_MAINTENANCE_SECONDS = 0.5
_BETWEEN_STEPS_SECONDS = 0.05  # lets other writers have the lock
_HOURLY_SECONDS = 3600.0
_WATCH_SECONDS = 2.0
_LISTEN_SECONDS = 0.5  # for the end to be noticed


class Guard(Protocol):
    """Runs one turn of a loop and logs an error -> what the turn returned."""

    def __call__(self, turn: Callable[[], bool], *, writes: bool = True) -> bool: ...


class PeriodicJobs:
    """Each method runs until the worker aborts."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        maintenance: Maintenance,
        notifier: Notifier,
        peers: Peers,
        guarded: Guard,
        find_work: Callable[[database.Connection], bool],
    ) -> None:
        self._url = pipeline.settings.database_url
        self._engines = pipeline.engines
        self._library = pipeline.library
        self._aborting = pipeline.aborting
        self._maintenance = maintenance
        self._notifier = notifier
        self._peers = peers
        self._guarded = guarded
        self._find_work = find_work

    def run_maintenance(self, db: database.Connection) -> None:
        """The search index and crash clean-up often, trash and old files hourly."""
        work = self._maintenance
        next_hourly_run = time.monotonic()
        busy = False
        while not self._aborting.wait(_BETWEEN_STEPS_SECONDS if busy else _MAINTENANCE_SECONDS):
            if not self._guarded(work.check_store, writes=False):
                continue
            self._guarded(work.clean_up_after_crash, writes=False)
            self._guarded(lambda: self._save_paces(db))
            busy = self._guarded(lambda: work.index_records(db))
            if not busy and time.monotonic() >= next_hourly_run:
                self._guarded(work.remove_part_files, writes=False)
                self._guarded(lambda: work.empty_library_trash(db) > 0)
                self._guarded(lambda: work.forget_request_keys(db))
                self._guarded(lambda: work.forget_workbooks(db))
                self._guarded(lambda: work.forget_notifications(db))
                busy = self._guarded(lambda: work.empty_trash(db) > 0)
                next_hourly_run += 0.0 if busy else _HOURLY_SECONDS

    def _save_paces(self, db: database.Connection) -> bool:
        return sum(engine.pace.save(db) for engine in self._engines) > 0

    def refresh_library(self) -> None:
        """Refresh the cached list of the bucket when a page was served from an old one."""
        while not self._aborting.is_set():
            self._guarded(lambda: self._library.refresh_when_requested(timeout=1.0), writes=False)

    def back_up_output(self, db: database.Connection) -> None:
        """Copy finished pictures to OSS, those from before the setting too; adopt those it has."""
        work, is_noted, is_settled, busy = self._maintenance, False, False, True
        while not self._aborting.wait(0.0 if busy else _BACKUP_POLL_SECONDS):
            self._guarded(lambda: work.adopt_from_oss(db), writes=False)
            is_noted = is_noted or self._guarded(lambda: work.note_earlier_pictures(db))
            is_settled = is_settled or self._guarded(lambda: work.settle_earlier_pictures(db), writes=False)
            busy = self._guarded(lambda: work.copy_output(db))

    def notify(self, db: database.Connection) -> None:
        """Deliver notifications; a receiver that does not answer delays only them."""
        while not self._aborting.wait(BETWEEN_SECONDS):
            self._guarded(lambda: self._notifier.deliver_next(db))

    def listen(self, db: database.Connection) -> None:
        """On PostgreSQL: wake the threads when a process queued records; polling finds what this misses."""
        with database.open_wake_source(self._url) as wait:
            while not self._aborting.is_set():
                if self._guarded(lambda: wait(_LISTEN_SECONDS), writes=False):
                    self._guarded(lambda: self._find_work(db), writes=False)

    def watch(self, db: database.Connection) -> None:
        """Without images of its own: watch the database, OSS, and what the workers report."""
        while not self._aborting.wait(_WATCH_SECONDS):
            self._guarded(self._maintenance.watch_oss, writes=False)
            if self._guarded(lambda: self._maintenance.watch_store(db), writes=False):
                self._guarded(lambda: self._peers.watch(db), writes=False)
