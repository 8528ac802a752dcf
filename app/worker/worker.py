"""The worker: its threads claim queued records and run the pipeline on them.

Threads start only here, in ``Worker.start`` and ``stop_in_background``, never at import. ``Worker.run_once``
processes one record without a thread, for tests. Periodic jobs are in ``maintenance``.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing, nullcontext, suppress
from functools import partial

import database
from app import log
from app.config import Settings
from app.domain import Record
from app.errors import BucketError, DatabaseError, InvalidRequest, ModelError, StoreLost, WriteRefused
from app.library.library import Library
from app.library.output_backup import open_output_backup
from app.system.process import StayAwake
from app.worker.concurrency import Permit
from app.worker.decision import Decision, ModelRetired, decide
from app.worker.disk_space import DiskLow, DiskSpace
from app.worker.engines import Engine, Engines
from app.worker.maintenance import Maintenance
from app.worker.notifier import Notifier
from app.worker.peers import Peers
from app.worker.periodic import PeriodicJobs
from app.worker.pipeline import Pipeline, WorkerAborting
from app.worker.saving import open_outputs, pause_batch

LEASE_SECONDS = 12.0
POLL_SECONDS = 0.5
_POLLS_PER_HEARTBEAT = 5
_RELEASE_SECONDS = 1.0
_IDLE_SECONDS = 60.0

Loop = Callable[[database.Connection], None]


class Worker:
    """Claims queued records and produces their images. One per process."""

    def __init__(
        self,
        settings: Settings,
        *,
        disk: DiskSpace | None = None,
        stay_awake: StayAwake = lambda: nullcontext(bool),
    ) -> None:
        self.settings = settings
        self.engines = Engines(settings)
        self.owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self.output_backup = open_output_backup(settings)
        self.pool = database.ConnectionPool(settings.database)  # of what has no connection of its own
        self.outputs = open_outputs(settings, self.output_backup, self.pool)
        self.library = Library(settings, outputs=self.outputs)
        data = () if settings.database_url else (settings.database_path.parent,)
        self.disk = disk or DiskSpace((settings.output_dir, *data))
        self._draining = threading.Event()
        self._aborting = threading.Event()
        self.store_guard = database.open_guard(settings.database, stops=self._aborting.is_set)
        self._pipeline = Pipeline(
            settings=settings,
            engines=self.engines,
            library=self.library,
            outputs=self.outputs,
            disk=self.disk,
            store_guard=self.store_guard,
            aborting=self._aborting,
        )
        self.maintenance = Maintenance(self._pipeline, self.output_backup)
        self.notifier = Notifier(settings)
        self._claimed_ids = self._pipeline.claimed_ids
        self._write = self._pipeline.write_with_retry
        self._is_web = settings.role == "web"
        # Counts what other workers have claimed too, and reports to the processes that serve pages.
        self._shares_models = settings.role == "worker" or bool(settings.database_url)
        self.peers = Peers(self.engines, self.owner, is_web=self._is_web)
        self._jobs = PeriodicJobs(
            self._pipeline,
            maintenance=self.maintenance,
            notifier=self.notifier,
            peers=self.peers,
            guarded=self._guarded,
            find_work=self._find_work,
        )
        self._stay_awake = stay_awake  # yields set_busy(is_busy)
        self._threads: list[threading.Thread] = []
        self._connections: dict[int, database.Connection] = {}  # by thread
        self._notifies = False
        self._threads_lock = threading.Lock()
        self._apply_lock = threading.Lock()

    def start(self) -> None:
        """Start the threads of the default model and those of periodic jobs; with ROLE=web, one that watches.

        Threads of another model start when there is work for it, and end a minute after the last.
        """
        with closing(database.connect(self.settings.database)) as db:
            if self._is_web:
                self.peers.watch(db)
            else:
                self.maintenance.pause_other_models(db)
                for engine in self.engines:
                    engine.pace.load(db)
        if self._is_web:
            self._start_loop(self._jobs.watch, "watch")
        else:
            self._start_engine(self.engines.default)
            self._start_loop(self._heartbeat_loop, "heartbeat")
            if self.settings.database_url:
                self._start_loop(self._jobs.listen, "listen")
            if self.output_backup:
                self._start_loop(self._jobs.back_up_output, "output-backup")
            self._start_notifier()
            self._start_loop(self._jobs.run_maintenance, "maintenance")
        if self.library.wants_refreshing:
            self._start_thread(self._jobs.refresh_library, "library")

    def stop(self, timeout: float = 10.0) -> bool:
        """Claim nothing more, finish what ends within ``timeout`` seconds, release the rest.

        Returns whether every thread has ended.
        """
        self._draining.set()
        deadline = time.monotonic() + timeout
        while self._claimed_ids and time.monotonic() < deadline:
            time.sleep(0.02)
        self._aborting.set()
        self.wake()
        threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline + _RELEASE_SECONDS - time.monotonic()))
        with (
            suppress(DatabaseError, database.Error),
            closing(database.connect(self.settings.database)) as db,
        ):
            for engine in () if self._is_web else self.engines:
                engine.pace.save(db, at_once=True)
            if self._shares_models:
                self.peers.leave(db)
        return not any(thread.is_alive() for thread in threads)

    def stop_in_background(self, timeout: float, then: Callable[[], None]) -> None:
        """Call ``stop`` in a thread, so that pages are still answered, and ``then`` afterwards."""
        self._draining.set()

        def stop() -> None:
            self.stop(timeout)
            then()

        threading.Thread(target=stop, name="stop", daemon=True).start()

    def apply(self, settings: Settings, db: database.Connection) -> None:
        """Use these settings of the providers and NOTIFY_URL from the next claim on.

        The other settings must be the same. Batches with records queued for a model that is not there any
        more are paused. Raises DatabaseError; ``settings`` are then the old ones, and the call is repeatable.
        """
        with self._apply_lock:
            self.engines.apply(settings, db)
            self.maintenance.pause_other_models(db)
            self.notifier.apply(settings)
            self.settings = self._pipeline.settings = settings
            if self._threads:
                self._start_notifier()
                self._start_engine(self.engines.default)
                self._find_work(db)
        self.wake()

    def wake(self) -> None:
        """Have idle threads look for work; call it when records were queued."""
        self.engines.wake_all()

    @property
    def claimed_count(self) -> int:
        """How many records are claimed and not finished: by this process, with ROLE=web by the workers."""
        return sum(each.under_way for each in self.peers.workers) or len(self._claimed_ids)

    @property
    def is_running(self) -> bool:
        """Whether its threads were started, live, were not asked to stop, and the database answers them."""
        if any(db.silent_seconds() > LEASE_SECONDS for db in tuple(self._connections.values())):
            return False
        with self._threads_lock:  # a thread that ends leaves the list first
            return bool(self._threads) and not self.is_stopping and all(t.is_alive() for t in self._threads)

    @property
    def is_stopping(self) -> bool:
        """Whether it claims nothing more."""
        return self._draining.is_set()

    @property
    def is_aborting(self) -> bool:
        """Whether the records that could not be finished in time are being released."""
        return self._aborting.is_set()

    def run_once(self, db: database.Connection, *, timeout: float = 0.0) -> bool:
        """Take a slot, claim one record and process it: of the default model, else of another.

        Returns False when no slot was free within ``timeout`` seconds, or there was no record.
        """
        for engine in self.engines:
            permit = engine.take_permit(timeout)
            if permit and self._run(db, engine, permit):
                return True
        return False

    def _run(self, db: database.Connection, engine: Engine, permit: Permit) -> bool:
        """Claim one record of this model and process it; False when there was none. Releases the permit."""
        try:
            record = self._claim(db, engine)
            if record is None:
                return False
            claimed = (record.id, permit)
            engine.permits.append(claimed)
            try:
                self._process(db, engine, record, permit)
            finally:
                self._claimed_ids.remove(record.id)
                engine.permits.remove(claimed)
        finally:
            permit.release()
        return True

    def _claim(self, db: database.Connection, engine: Engine) -> Record | None:
        if self.is_stopping or self.store_guard.problem():
            return None
        record = database.claim_record(
            db,
            model=engine.model_id,
            owner=self.owner,
            now=time.time(),
            lease=LEASE_SECONDS,
            claimed_ids=tuple(self._claimed_ids),
            shared=engine.shared if self._shares_models else None,
        )
        if record is not None:
            self._claimed_ids.append(record.id)
            if record.crash_count:
                self.maintenance.crash_seen.set()
        return record

    def _process(self, db: database.Connection, engine: Engine, record: Record, permit: Permit) -> None:
        started = time.monotonic()
        try:
            saved = self._pipeline.produce(db, record, engine, permit)
        except (WorkerAborting, database.BatchNotActive, WriteRefused, StoreLost):
            if self._requeue(db, record):
                log.record_event("released", record)
        except database.LeaseLost:
            log.record_event("lease_lost", record)
        except database.BudgetReached as reached:
            self._requeue(db, record)
            log.record_event("budget_reached", record, why=reached.message)
            price, budget = engine.spec.price(record.request), self.settings.budget
            self._write(lambda: database.pause_over_budget(db, record, price, budget))
        except (DiskLow, ModelRetired, InvalidRequest, BucketError, ModelError) as error:
            if isinstance(error, ModelError) and error.throttled:
                engine.limit.on_throttled()
            if isinstance(error, ModelError) and error.cause == "key":
                engine.judge(error.message, time.time())
            stored = self._write(lambda: database.get_record_or_none(db, record.id))
            has_task = stored is not None and bool(stored.task_id)
            is_free = self._write(lambda: database.is_free_charge(db, record.id))
            self._apply(db, record, decide(error, record, has_task=has_task, is_free=is_free))
        else:
            self._pipeline.finish(db, record, saved, seconds=time.monotonic() - started)
            engine.limit.on_success()
            engine.judge(None, time.time())

    def _apply(self, db: database.Connection, record: Record, decision: Decision) -> None:
        """Requeue or end the record, then pause its batch, as decided."""
        error = decision.error
        if error is None or decision.wait is not None:
            self._requeue(db, record, error, wait=decision.wait or 0.0)
        else:
            ended = self._write(lambda: database.fail_record(db, record, error))
            log.record_event(
                "failed" if ended else "lease_lost", record, cause=error.cause, billed=error.billed
            )
        if decision.pause:
            pause_batch(
                db, record, decision.pause, cause=decision.cause, blocks_fetches=decision.blocks_fetches
            )

    def _requeue(
        self, db: database.Connection, record: Record, error: ModelError | None = None, *, wait: float = 0.0
    ) -> bool:
        not_before = time.time() + wait if error else 0.0
        done = self._write(lambda: database.requeue_record(db, record, not_before=not_before, error=error))
        if error and done:
            log.record_event("requeued", record, wait=wait, cause=error.cause, billed=error.billed)
        if record.model not in self.engines.model_ids:  # removed meanwhile: nothing claims it
            self._write(lambda: self.maintenance.pause_other_models(db))
        return done

    def _start_thread(self, target: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)  # one that is not alive yet would look like one that has ended

    def _start_loop(self, loop: Loop, name: str) -> None:
        self._start_thread(partial(self._run_loop, loop, name), name)

    def _run_loop(self, loop: Loop, name: str) -> None:
        """Run a loop with a connection of its own; one that cannot be opened is tried again every second."""
        is_logged = False
        while not self._aborting.is_set():
            try:
                with closing(database.connect(self.settings.database)) as db:
                    self._connections[threading.get_ident()] = db
                    loop(db)
                    return
            except (DatabaseError, database.Error) as error:
                if not is_logged:
                    log.event("worker", "no_connection", thread=name, why=error)
                is_logged = True
            self._aborting.wait(1.0)

    def _start_notifier(self) -> None:
        """Start its thread, once, when there is a receiver."""
        if self.notifier.receiver and not self._notifies:
            self._notifies = True
            self._start_loop(self._jobs.notify, "notify")

    def _start_engine(self, engine: Engine) -> None:
        """Start the threads of this model that it wants and has not got."""
        with self._threads_lock:
            while not self.is_stopping and engine.threads < engine.wanted_threads:
                name = f"{engine.spec.name}-{engine.threads + 1}"
                self._start_loop(partial(self._worker_loop, engine), name)
                engine.threads += 1

    def _worker_loop(self, engine: Engine, db: database.Connection) -> None:
        """Process records of one model until the worker drains, or the model does not need the thread."""
        is_idle = False
        while True:
            generation = engine.wake.generation  # before the checks, so that no wake-up is lost
            if self._draining.is_set() or self._ends(engine, is_idle):
                break
            is_idle = False
            permit = engine.take_permit(1.0)
            if permit and not self._guarded(partial(self._run, db, engine, permit)):
                is_idle = not engine.wake.wait(generation, _IDLE_SECONDS)

    def _ends(self, engine: Engine, is_idle: bool) -> bool:
        """Whether the model does not need this thread: it is then not counted any more.

        A model that is not there needs none, an idle one only if it is the default.
        """
        with self._threads_lock:
            is_there = self.engines.find(engine.model_id) is engine
            is_spare = engine.threads > engine.wanted_threads
            if is_there and not is_spare and not (is_idle and engine is not self.engines.default):
                return False
            engine.threads -= 1
            self._threads.remove(threading.current_thread())
            return True

    def _heartbeat_loop(self, db: database.Connection) -> None:
        """Poll for work from other processes or ended pauses; extend leases; reap expired ones."""
        with self._stay_awake() as set_busy:
            polls = 0
            while not self._aborting.wait(POLL_SECONDS):
                self._guarded(lambda: bool(set_busy(self.claimed_count > 0)), writes=False)
                if not self._guarded(lambda: self.maintenance.watch_store(db), writes=False):
                    continue
                if polls % _POLLS_PER_HEARTBEAT == 0:
                    self._guarded(lambda: self._extend_leases(db))
                if self._shares_models:
                    self._guarded(lambda: self.peers.report(db, self.claimed_count))
                self._guarded(lambda: self._find_work(db), writes=False)
                polls += 1

    def _find_work(self, db: database.Connection) -> bool:
        """Start and wake the threads of the models that have claimable records -> whether there are any."""
        ids, now = tuple(self._claimed_ids), time.time()
        busy = [
            engine
            for engine in self.engines
            if database.has_claimable(
                db,
                model=engine.model_id,
                now=now,
                claimed_ids=ids,
                shared=engine.shared if self._shares_models else None,
            )
        ]
        for engine in busy:
            self._start_engine(engine)
            engine.wake.notify()
        return bool(busy)

    def _extend_leases(self, db: database.Connection) -> bool:
        until = time.time() + LEASE_SECONDS
        database.extend_leases(db, tuple(self._claimed_ids), owner=self.owner, until=until)
        return not self.outputs.in_oss and self.maintenance.reap_expired_leases(db) > 0

    def _guarded(self, turn: Callable[[], bool], *, writes: bool = True) -> bool:
        """Run one turn of a loop; log an unexpected error and let the loop go on. The lease of
        a record in progress then expires.

        A turn that ``writes`` and returns True shows that the database accepts writes.
        """
        try:
            if (done := turn()) and writes:
                self._pipeline.write_refusal.end()
            return done
        except WriteRefused as error:
            self._pipeline.write_refusal.begin(str(error))
            self._aborting.wait(1.0)
            return False
        except Exception as error:
            self.store_guard.report(error)
            if not isinstance(error, StoreLost):  # which is logged once
                log.exception("worker", "unhandled_error", thread=threading.current_thread().name)
            self._aborting.wait(1.0)
            return False
