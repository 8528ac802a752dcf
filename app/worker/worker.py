"""The worker: its threads claim queued records and run the pipeline on them.

Periodic jobs are in ``maintenance``.
"""

import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import database
from app import log
from app.domain import Record
from app.domain.workers import WorkerState
from app.errors import BucketError, InvalidRequest, ModelError, StoreLost, WriteRefused
from app.notifications import BETWEEN_SECONDS, Notifier
from app.system.process import StayAwake
from app.worker.availability import Availability, DiskLow
from app.worker.backups import Backups
from app.worker.concurrency import Permit
from app.worker.decision import ModelRetired, decide
from app.worker.engines import Engine
from app.worker.maintenance import Maintenance
from app.worker.peers import Peers
from app.worker.pipeline import Pipeline, WorkerAborting
from app.worker.saving import pause_batch
from app.worker.threads import Threads

LEASE_SECONDS = 12.0
POLL_SECONDS = 0.5
_POLLS_PER_HEARTBEAT = 5
_IDLE_SECONDS = 60.0
_BACKUP_POLL_SECONDS = 2.0
_MAINTENANCE_SECONDS = 0.5
_BETWEEN_STEPS_SECONDS = 0.05  # lets other writers have the lock
_HOURLY_SECONDS = 3600.0
_DAILY_POLL_SECONDS = 60.0
_LISTEN_SECONDS = 0.5  # for the end to be noticed


@dataclass(kw_only=True)
class Worker:
    """Claims queued records and produces their images. One per process, none in one that serves pages only.

    ``owner`` is the name of its leases; ``stay_awake`` yields ``set_busy(is_busy)``. With ROLE=worker, or
    on PostgreSQL, it shares the concurrency of each model with other workers, and reports to all processes.
    """

    owner: str
    pipeline: Pipeline
    availability: Availability
    maintenance: Maintenance
    notifier: Notifier
    backups: Backups
    peers: Peers
    threads: Threads
    stay_awake: StayAwake
    _notifies: bool = False

    def __post_init__(self) -> None:
        self.settings, self.engines = self.pipeline.settings, self.pipeline.engines
        self.claimed_ids = self.pipeline.claimed_ids
        self._write = self.pipeline.write_with_retry
        self._has_peers = self.settings.role == "worker" or bool(self.settings.database_url)

    def start(self) -> None:
        """Start the threads of the default model and those of periodic jobs.

        Threads of another model start when there is work for it, and end a minute after the last.
        """
        with closing(database.connect(self.settings.database)) as db:
            self.engines.pause_others(db)
            for engine in self.engines:
                engine.pace.load(db)
            if self._has_peers:
                self._report(db)
        self._start_engine(self.engines.default)
        self.threads.start_loop(self._heartbeat_loop, "heartbeat")
        if self.settings.database_url:
            self.threads.start_loop(self._listen_loop, "listen")
        if self.maintenance.output_backup:
            self.threads.start_loop(self._backup_loop, "output-backup")
        self._start_notifier()
        self.threads.start_loop(self._maintenance_loop, "maintenance")
        if self.backups.folder:
            self.threads.start_loop(self._daily_backup_loop, "backup")

    def leave(self, db: database.Connection) -> None:
        """Store what was learnt, and that this worker has stopped."""
        for engine in self.engines:
            engine.pace.save(db, at_once=True)
        if self._has_peers:
            self.peers.leave(db)

    def apply_engines(self, db: database.Connection) -> None:
        """Start what other settings of the providers need, if threads were started."""
        if self.threads.were_started:
            self._start_notifier()
            self._start_engine(self.engines.default)
            self._find_work(db)

    def run(self, db: database.Connection, engine: Engine, permit: Permit) -> bool:
        """Claim one record of this model and process it; False when there was none. Releases the permit."""
        try:
            record = self._claim(db, engine)
            if record is None:
                return False
            try:
                self._process(db, engine, record, permit)
            finally:
                self.claimed_ids.remove(record.id)
        finally:
            permit.release()
        return True

    def _claim(self, db: database.Connection, engine: Engine) -> Record | None:
        now = database.now(db)
        is_stopped = self.threads.draining.is_set() or self.pipeline.store_guard.problem()
        if is_stopped or not self.peers.may_claim(now):
            return None
        record = database.claim_record(
            db,
            model=engine.model_id,
            owner=self.owner,
            now=now,
            lease=LEASE_SECONDS,
            claimed_ids=tuple(self.claimed_ids),
        )
        if record is not None:
            self.claimed_ids.append(record.id)
            if record.crash_count:
                self.maintenance.crash_seen.set()
        return record

    def _process(self, db: database.Connection, engine: Engine, record: Record, permit: Permit) -> None:
        started = time.monotonic()
        try:
            saved = self.pipeline.produce(db, record, engine, permit)
        except (WorkerAborting, database.BatchNotActive, WriteRefused, StoreLost):
            if self._requeue(db, record):
                log.record_event("released", record)
        except database.LeaseLost:
            log.record_event("lease_lost", record)
        except database.BudgetReached as reached:
            self._requeue(db, record)
            log.record_event("budget_reached", record, why=reached.message)
            price, budget = engine.spec.price(record.request), self.settings.budget
            self._write(lambda: database.pause_over_budget(db, record, price, budget, now=database.now(db)))
        except (DiskLow, ModelRetired, InvalidRequest, BucketError, ModelError) as error:
            if isinstance(error, ModelError) and error.throttled:
                engine.limit.on_throttled()
            if isinstance(error, ModelError) and error.cause == "key":
                engine.judge(error.message, database.now(db))
            stored = self._write(lambda: database.get_record_or_none(db, record.id))
            has_task = stored is not None and bool(stored.task_id)
            is_free = self._write(lambda: database.is_free_charge(db, record.id))
            decision = decide(error, record, has_task=has_task, is_free=is_free)
            if (problem := decision.error) is None or decision.wait is not None:
                self._requeue(db, record, problem, wait=decision.wait or 0.0)
            else:
                ended = self._write(lambda: database.fail_record(db, record, problem))
                event = "failed" if ended else "lease_lost"
                log.record_event(event, record, cause=problem.cause, billed=problem.billed)
            if why := decision.pause:
                pause_batch(db, record, why, cause=decision.cause, blocks_fetches=decision.blocks_fetches)
        else:
            self.pipeline.finish(db, record, saved, seconds=time.monotonic() - started)
            engine.limit.on_success()
            engine.judge(None, database.now(db))

    def _requeue(
        self, db: database.Connection, record: Record, error: ModelError | None = None, *, wait: float = 0.0
    ) -> bool:
        not_before = database.now(db) + wait if error else 0.0
        done = self._write(lambda: database.requeue_record(db, record, not_before=not_before, error=error))
        if error and done:
            log.record_event("requeued", record, wait=wait, cause=error.cause, billed=error.billed)
        if record.model not in self.engines.model_ids:  # removed meanwhile: nothing claims it
            self._write(lambda: self.engines.pause_others(db))
        return done

    def _start_notifier(self) -> None:
        """Start its thread, once, when there is a receiver."""
        if self.notifier.receiver and not self._notifies:
            self._notifies = True
            self.threads.start_loop(self._notify_loop, "notify")

    def _start_engine(self, engine: Engine) -> None:
        """Start the threads of this model that it wants and has not got."""
        with self.threads.lock:
            while not self.threads.draining.is_set() and engine.threads < engine.wanted_threads:
                name = f"{engine.spec.name}-{engine.threads + 1}"
                self.threads.start_loop(partial(self._worker_loop, engine), name)
                engine.threads += 1

    def _worker_loop(self, engine: Engine, db: database.Connection) -> None:
        """Process records of one model until the worker drains, or the model does not need the thread."""
        is_idle = False
        while True:
            generation = engine.wake.generation  # before the checks, so that no wake-up is lost
            if self.threads.draining.is_set() or self._ends(engine, is_idle):
                break
            is_idle = False
            permit = engine.take_permit(1.0)
            if permit and not self.threads.guarded(partial(self.run, db, engine, permit)):
                is_idle = not engine.wake.wait(generation, _IDLE_SECONDS)

    def _ends(self, engine: Engine, is_idle: bool) -> bool:
        """Whether the model does not need this thread: it is then not counted any more.

        A model that is not there needs none, an idle one only if it is the default.
        """
        with self.threads.lock:
            is_there = self.engines.find(engine.model_id) is engine
            is_spare = engine.threads > engine.wanted_threads
            if is_there and not is_spare and not (is_idle and engine is not self.engines.default):
                return False
            engine.threads -= 1
            self.threads.leave()
            return True

    def _heartbeat_loop(self, db: database.Connection) -> None:
        """Poll for work from other processes or ended pauses; extend leases; reap expired ones."""
        with self.stay_awake() as set_busy:
            polls = 0
            while not self.threads.aborting.wait(POLL_SECONDS):
                self.threads.guarded(lambda: bool(set_busy(len(self.claimed_ids) > 0)), writes=False)
                if not self.threads.guarded(lambda: self.availability.watch_store(db), writes=False):
                    continue
                if polls % _POLLS_PER_HEARTBEAT == 0:
                    self.threads.guarded(lambda: self._extend_leases(db))
                    self.threads.guarded(lambda: database.require_writable(db))
                if self._has_peers:
                    self.threads.guarded(lambda: self._report(db))
                self.threads.guarded(lambda: self._find_work(db), writes=False)
                polls += 1

    def _report(self, db: database.Connection) -> bool:
        """Tell the others of this worker; those whose machine has a problem go last."""
        is_short = self.pipeline.disk.problem() or self.pipeline.outputs.problem()
        is_draining = self.threads.draining.is_set()
        state: WorkerState = "stopped" if is_draining else "short" if is_short else ""
        return self.peers.report(db, len(self.claimed_ids), state)

    def _find_work(self, db: database.Connection) -> bool:
        """Start and wake the threads of the models that have claimable records -> whether there are any."""
        ids, now = tuple(self.claimed_ids), database.now(db)
        busy = [
            engine
            for engine in self.engines
            if engine.limit.share
            and database.has_claimable(db, model=engine.model_id, now=now, claimed_ids=ids)
        ]
        for engine in busy:
            self._start_engine(engine)
            engine.wake.notify()
        return bool(busy)

    def _extend_leases(self, db: database.Connection) -> bool:
        until = database.now(db) + LEASE_SECONDS
        database.extend_leases(db, tuple(self.claimed_ids), owner=self.owner, until=until)
        return not self.maintenance.outputs.in_oss and self.maintenance.reap_expired_leases(db) > 0

    def _maintenance_loop(self, db: database.Connection) -> None:
        """The search index and crash clean-up often, trash and old files hourly."""
        work = self.maintenance
        next_hourly_run = time.monotonic()
        busy = False
        while not self.threads.aborting.wait(_BETWEEN_STEPS_SECONDS if busy else _MAINTENANCE_SECONDS):
            if not self.threads.guarded(self.availability.check_store, writes=False):
                continue
            self.threads.guarded(work.clean_up_after_crash, writes=False)
            self.threads.guarded(lambda: sum(engine.pace.save(db) for engine in self.engines) > 0)
            busy = self.threads.guarded(lambda: work.take_back(db))
            busy = self.threads.guarded(lambda: work.index_records(db)) or busy
            if not busy and time.monotonic() >= next_hourly_run:
                self.threads.guarded(work.remove_part_files, writes=False)
                self.threads.guarded(lambda: work.empty_library_trash(db) > 0)
                self.threads.guarded(lambda: work.forget_request_keys(db))
                self.threads.guarded(lambda: work.forget_workbooks(db))
                self.threads.guarded(lambda: work.forget_notifications(db))
                busy = self.threads.guarded(lambda: work.empty_trash(db) > 0)
                next_hourly_run += 0.0 if busy else _HOURLY_SECONDS

    def _daily_backup_loop(self, db: database.Connection) -> None:
        """Make the backup of the database once a day, the first one some time after the start."""
        stops = self.threads.draining.is_set
        while not self.threads.aborting.wait(_DAILY_POLL_SECONDS):
            if not (stops() or self.pipeline.store_guard.problem()):
                self.threads.guarded(
                    lambda: self.backups.make_daily(db, is_busy=bool(self.claimed_ids), stops=stops)
                )

    def _backup_loop(self, db: database.Connection) -> None:
        """Copy finished pictures to OSS, those from before the setting too; adopt those it has."""
        work, is_noted, is_settled, busy = self.maintenance, False, False, True
        while not self.threads.aborting.wait(0.0 if busy else _BACKUP_POLL_SECONDS):
            self.threads.guarded(lambda: work.adopt_from_oss(db), writes=False)
            is_noted = is_noted or self.threads.guarded(lambda: work.note_earlier_pictures(db))
            is_settled = is_settled or self.threads.guarded(
                lambda: work.settle_earlier_pictures(db), writes=False
            )
            busy = self.threads.guarded(lambda: work.copy_output(db))

    def _notify_loop(self, db: database.Connection) -> None:
        """Deliver notifications; a receiver that does not answer delays only them."""
        while not self.threads.aborting.wait(BETWEEN_SECONDS):
            self.threads.guarded(lambda: self.notifier.deliver_next(db))

    def _listen_loop(self, db: database.Connection) -> None:
        """On PostgreSQL: wake the threads when a process queued records; polling finds what this misses."""
        with database.open_wake_source(self.settings.database_url) as wait:
            while not self.threads.aborting.is_set():
                if self.threads.guarded(lambda: wait(_LISTEN_SECONDS), writes=False):
                    self.threads.guarded(lambda: self._find_work(db), writes=False)
