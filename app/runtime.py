"""The composition root: builds what a process works with, once; starts and ends its threads.

Nothing else builds any of it, but the commands of ``app.cli``, which serve nothing.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing, nullcontext, suppress

import database
from app.config import Settings
from app.errors import DatabaseError
from app.library.library import Library
from app.library.output_backup import open_output_backup
from app.library.outputs import Outputs
from app.notifications import Notifier
from app.system.process import StayAwake
from app.worker.availability import Availability, DiskSpace
from app.worker.backups import Backups
from app.worker.engines import Engines
from app.worker.maintenance import Maintenance
from app.worker.peers import Peers
from app.worker.pipeline import Pipeline
from app.worker.threads import Threads
from app.worker.worker import Worker

_WATCH_SECONDS = 2.0
_RELEASE_SECONDS = 1.0


class Runtime:
    """What one process works with; threads run between ``start`` and ``stop`` only.

    ``worker`` is None with ROLE=web. The settings of providers can change, see ``apply``.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        disk: DiskSpace | None = None,
        stay_awake: StayAwake = lambda: nullcontext(bool),
    ) -> None:
        self.settings = settings
        self.engines = Engines(settings)
        self.pool = database.ConnectionPool(settings.database)  # of what has no connection of its own
        self.output_backup = open_output_backup(settings)
        self.outputs = Outputs(settings, self.output_backup, self._find_stored)
        self.library = Library(settings, outputs=self.outputs)
        data = () if settings.database_url else (settings.database_path.parent,)
        self.disk = disk or DiskSpace((settings.output_dir, *data))
        self.store_guard = database.open_guard(
            settings.database, stops=lambda: self.threads.aborting.is_set()
        )
        self.threads = Threads(settings.database, self.store_guard)
        self.availability = Availability(self.store_guard, self.outputs)
        self.notifier = Notifier(settings)
        self.backups = Backups(settings)
        owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self.peers = Peers(self.engines, owner, settings)
        self.worker = None if settings.role == "web" else self._build_worker(owner, stay_awake)
        self._apply_lock = threading.Lock()

    def _build_worker(self, owner: str, stay_awake: StayAwake) -> Worker:
        pipeline = Pipeline(
            settings=self.settings,
            engines=self.engines,
            library=self.library,
            outputs=self.outputs,
            disk=self.disk,
            store_guard=self.store_guard,
            aborting=self.threads.aborting,
            write_refusal=self.threads.write_refusal,
        )
        maintenance = Maintenance(
            engines=self.engines,
            library=self.library,
            outputs=self.outputs,
            output_backup=self.output_backup,
            availability=self.availability,
            saving=pipeline.saving,
            claimed_ids=pipeline.claimed_ids,
            finish=pipeline.finish,
            aborting=self.threads.aborting,
        )
        return Worker(
            owner=owner,
            pipeline=pipeline,
            availability=self.availability,
            maintenance=maintenance,
            notifier=self.notifier,
            backups=self.backups,
            peers=self.peers,
            threads=self.threads,
            stay_awake=stay_awake,
        )

    @property
    def claimed_count(self) -> int:
        """How many records are claimed and not finished: by this process, with ROLE=web by the workers."""
        if self.worker:
            return len(self.worker.claimed_ids)
        return sum(each.under_way for each in self.peers.workers.values())

    def start(self) -> None:
        """Start the threads: of the worker; with ROLE=web one that watches."""
        with closing(database.connect(self.settings.database)) as db:
            self.availability.look_first(db)
            if not self.worker:
                self.peers.watch(db)
        if self.worker:
            self.worker.start()
        else:
            self.threads.start_loop(self._watch, "watch")
        if self.settings.database_url:
            self.threads.start_loop(self._fold_changes, "changes")
        if self.library.wants_refreshing:
            self.threads.start(self._refresh_library, "library")

    def stop(self, timeout: float = 10.0) -> bool:
        """Claim nothing more, finish what ends within ``timeout`` seconds, release the rest.

        Returns whether every thread has ended.
        """
        self.threads.draining.set()
        deadline = time.monotonic() + timeout
        while self.worker and self.worker.claimed_ids and time.monotonic() < deadline:
            time.sleep(0.02)
        self.threads.aborting.set()
        self.wake()
        have_ended = self.threads.join(deadline + _RELEASE_SECONDS)
        if self.worker:
            with (
                suppress(DatabaseError, database.Error),
                closing(database.connect(self.settings.database)) as db,
            ):
                self.worker.leave(db)
                database.fold_changes(db, at_once=True)
        return have_ended

    def stop_in_background(self, timeout: float, then: Callable[[], None]) -> None:
        """Call ``stop`` in a thread, so that pages are still answered, and ``then`` afterwards."""
        self.threads.draining.set()

        def stop() -> None:
            self.stop(timeout)
            then()

        self.threads.start_apart(stop, "stop")

    def apply(self, settings: Settings, db: database.Connection) -> None:
        """Use these settings of the providers and NOTIFY_URL from the next claim on.

        The other settings must be the same. Batches with records queued for a model that is not there any
        more are paused. Raises DatabaseError; ``settings`` are then the old ones, and the call is repeatable.
        """
        with self._apply_lock:
            self.engines.apply(settings, db)
            self.engines.pause_others(db)
            self.notifier.apply(settings, database.now(db))
            self.settings = settings
            self.peers.apply(settings)
            if self.worker:
                self.worker.apply_engines(db)
        self.wake()

    def wake(self) -> None:
        """Have idle threads look for work; call it when records were queued."""
        self.engines.wake_all()

    def _find_stored(self, name: str) -> tuple[str, int]:
        with self.pool.connection() as db:
            return database.find_stored_output(db, name)

    def _fold_changes(self, db: database.Connection) -> None:
        """Fold the pending changes of all workers, so that pages see them; every process runs this loop."""
        while not self.threads.aborting.wait(database.FOLD_SECONDS):
            if not self.peers.outdated:
                self.threads.guarded(lambda: database.fold_changes(db))

    def _watch(self, db: database.Connection) -> None:
        """Without a worker: watch the database, OSS, and what the workers report."""
        guarded = self.threads.guarded
        while not self.threads.aborting.wait(_WATCH_SECONDS):
            guarded(self.availability.watch_oss, writes=False)
            if guarded(lambda: self.availability.watch_store(db), writes=False):
                guarded(lambda: self.peers.watch(db), writes=False)
                guarded(lambda: database.require_writable(db))

    def _refresh_library(self) -> None:
        """Refresh the cached list of the bucket when a page was served from an old one."""
        while not self.threads.aborting.is_set():
            self.threads.guarded(lambda: self.library.refresh_when_requested(timeout=1.0), writes=False)
