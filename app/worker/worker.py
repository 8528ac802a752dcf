"""The worker: its threads claim queued records and produce their pictures.

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
from typing import TypeVar

import database
import generator
from app import log
from app.config import Settings
from app.domain import Record, SavedImage
from app.errors import Billed, BucketError, InvalidRequest, ModelError, StorageError, StoreLost, WriteRefused
from app.images import store
from app.library import output_backup
from app.library.library import Library
from app.system.process import StayAwake
from app.worker.concurrency import AdaptiveLimit, Permit, WakeSignal
from app.worker.disk_space import DiskLow, DiskSpace
from app.worker.maintenance import Maintenance
from app.worker.sending import NOT_AGAIN, NotNoted, RecordLedger, insist, not_kept
from app.worker.spill_buffer import BufferedImage, SpillBuffer

LEASE_SECONDS = 12.0
POLL_SECONDS = 0.5
_POLLS_PER_HEARTBEAT = 5
_SLOTS_PER_PREFETCH = 8  # one record per eight slots is claimed before a slot is free
_DECODES_AT_ONCE = 1  # a decoded 4K picture takes 50 to 70 MB
_BUFFER_BYTES = 64_000_000  # of pictures that wait in memory to be decoded
_DISK_RETRY_SECONDS = 600.0
_BACKUP_POLL_SECONDS = 2.0
_MAINTENANCE_SECONDS = 0.5
_BETWEEN_STEPS_SECONDS = 0.05  # lets other writers have the lock
_HOURLY_SECONDS = 3600.0
_RELEASE_SECONDS = 1.0
BLOCKED_RETRY_SECONDS = 60.0  # a cancelled batch is not paused, so only this delays the next fetch

Saved = tuple[SavedImage, int | None]  # the second is the seed the provider used
_Told = TypeVar("_Told")


class WorkerAborting(Exception):
    """The worker is aborting: the record is released for a later claim."""


class Worker:
    """Claims queued records and produces their pictures. One per process."""

    def __init__(
        self,
        settings: Settings,
        model: generator.Provider,
        *,
        stay_awake: StayAwake = lambda: nullcontext(bool),
    ) -> None:
        self.settings = settings
        self.model = model
        self.owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._model_id = model.spec.model_id
        self.library = Library(settings)
        self.copies = output_backup.open_output_backup(settings)
        self.limit = AdaptiveLimit(settings.model_concurrency)
        self.wake = WakeSignal()
        self.disk = DiskSpace((settings.output_dir, settings.database_path.parent))
        self._prefetch = threading.BoundedSemaphore(max(1, settings.model_concurrency // _SLOTS_PER_PREFETCH))
        self.buffer = SpillBuffer(settings.output_dir, most_bytes=_BUFFER_BYTES)
        self._decode_slots = threading.Semaphore(_DECODES_AT_ONCE)
        self._draining = threading.Event()
        self._aborting = threading.Event()
        self._crash_seen = threading.Event()
        self.store = database.StoreGuard(settings.database_path, stops=self._aborting.is_set)
        self.maintenance = Maintenance(
            settings, self.library, self.copies, store=self.store, is_stopping=self._aborting.is_set
        )
        self._refusal = log.Condition("worker", begun="database_refuses", ended="database_accepts")
        self._claimed_ids: set[int] = set()
        self._stay_awake = (
            stay_awake  # yields what is called every POLL_SECONDS with whether records are claimed
        )
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start two threads per slot (one may save while the other generates) and those of periodic jobs."""
        with closing(database.connect(self.settings.database_path)) as db:
            database.pause_other_models(db, model=self._model_id, now=time.time())
        for number in range(2 * self.settings.model_concurrency):
            self._start_thread(self._worker_loop, f"picture-{number + 1}")
        self._start_thread(self._heartbeat_loop, "lookout")
        if self.library.wants_refreshing:
            self._start_thread(self._library_loop, "library")
        if self.copies:
            self._start_thread(self._output_backup_loop, "copies")
        self._start_thread(self._maintenance_loop, "house")

    def stop(self, timeout: float = 10.0) -> bool:
        """Claim nothing more, finish what ends within ``timeout`` seconds, release the rest.

        Returns whether every thread has ended.
        """
        self._draining.set()
        deadline = time.monotonic() + timeout
        while self._claimed_ids and time.monotonic() < deadline:
            time.sleep(0.02)
        self._aborting.set()
        self.wake.notify()
        for thread in self._threads:
            thread.join(max(0.0, deadline + _RELEASE_SECONDS - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def stop_in_background(self, timeout: float, then: Callable[[], None]) -> None:
        """Call ``stop`` in a thread, so that pages are still answered, and ``then`` afterwards."""
        self._draining.set()

        def stop() -> None:
            self.stop(timeout)
            then()

        threading.Thread(target=stop, name="stop", daemon=True).start()

    @property
    def claimed_count(self) -> int:
        """How many records are claimed and not finished."""
        return len(self._claimed_ids)

    @property
    def is_running(self) -> bool:
        """Whether its threads were started, are all alive, and were not asked to stop."""
        return bool(self._threads) and not self.is_stopping and all(t.is_alive() for t in self._threads)

    @property
    def is_stopping(self) -> bool:
        """Whether it claims nothing more."""
        return self._draining.is_set()

    @property
    def has_stopped(self) -> bool:
        """Whether the records that could not be finished in time were released."""
        return self._aborting.is_set()

    def run_once(self, db: database.Connection, *, timeout: float = 0.0) -> bool:
        """Claim one record and process it; returns False when there was none.

        The record is claimed shortly before its slot is free, so that the slot never waits for the claim.
        """
        if not self._prefetch.acquire(timeout=timeout):
            return False
        slot = Permit(self.limit)
        try:
            record = self._claim(db)
            if record is None:
                return False
            slot.wait(self._draining)
        finally:
            self._prefetch.release()
        try:
            self._process(db, record, slot)
        finally:
            self._claimed_ids.discard(record.id)
            slot.release()
        return True

    def _claim(self, db: database.Connection) -> Record | None:
        if self.is_stopping or self.store.problem():
            return None
        record = database.claim_record(
            db,
            model=self._model_id,
            owner=self.owner,
            now=time.time(),
            lease=LEASE_SECONDS,
            claimed_ids=tuple(self._claimed_ids),
        )
        if record is not None:
            self._claimed_ids.add(record.id)
            if record.crash_count:
                self._crash_seen.set()
            log.record_event("claimed", record, task_id="yes" if record.task_id else None)
        return record

    def _process(self, db: database.Connection, record: Record, slot: Permit) -> None:
        try:
            if not slot.taken:
                raise WorkerAborting
            kept, seed = self.produce(db, record, slot)
        except (WorkerAborting, database.BatchNotActive, StoreLost, NotNoted):
            self._requeue(db, record)
            log.record_event("put_down", record)
        except database.LeaseLost:
            log.record_event("claim_lost", record)
        except (database.BudgetReached, DiskLow) as error:
            self._requeue(db, record)
            self._pause_batch(db, record, str(error))
        except InvalidRequest as error:
            self._fail(db, record, ModelError(error.message, cause="request", billed=Billed.NO))
        except BucketError as error:
            self._wait_for_bucket(db, record, error)
        except ModelError as error:
            self._fail_or_retry(db, record, self._resolve_billing(db, record, error))
        else:
            self._finish(db, record, kept, seed)
            self.limit.on_success()

    def produce(self, db: database.Connection, record: Record, slot: Permit) -> Saved:
        """Submit or fetch the picture, release the slot, save the picture."""
        started = time.monotonic()
        with suppress(StorageError):  # a missing folder is reported when there is something to save
            if record.attempts > 1 and (found := self._find_saved(record)):
                return found
        picture = generator.generate(
            self.model,
            record.request,
            lambda: self.library.resolve(record.sample_images, self.model.spec),
            ledger=self._ledger(db, record),
            sleep=self._sleep,
            task_id=record.task_id,
        )
        slot.release()
        log.record_event("collected", record, seconds=time.monotonic() - started, bytes=len(picture.content))
        with self.buffer.put(picture) as laid:
            del picture
            kept = self._save(db, record, laid)
        size = f"{kept.width}x{kept.height}"
        log.record_event("kept", record, seconds=time.monotonic() - started, bytes=kept.file_size, size=size)
        if record.crash_count and (found := self._find_saved(record)):
            return found  # the worker whose lease expired may have saved it first, with another seed
        return kept, laid.seed

    def _find_saved(self, record: Record) -> Saved | None:
        """The picture file of this record, saved before a crash kept the record from being finished."""
        folder = self.settings.output_dir
        return store.find_saved(folder, stem=record.reserved_stem, record_id=record.id, prompt=record.prompt)

    def _ledger(self, db: database.Connection, record: Record) -> RecordLedger:
        return RecordLedger(
            db=db,
            record=record,
            budget=self.settings.budget,
            insist_on_room=lambda: self.disk.require(self.claimed_count),
            require_store=lambda: self.store.require(db),
            insist=self._write_with_retry,
        )

    def _save(self, db: database.Connection, record: Record, laid: BufferedImage) -> SavedImage:
        """Write the picture to disk; while the disk refuses, pause the batch and keep trying."""
        request = record.request
        seed = request.seed if laid.seed is None else laid.seed
        text = store.embed_parameters(request, None, record.model, record.id, seed)
        deadline = time.monotonic() + _DISK_RETRY_SECONDS
        while True:
            try:
                with self._decode_slots:
                    return store.save_image(
                        laid.read(),
                        output_dir=self.settings.output_dir,
                        stem=record.reserved_stem,
                        record_id=record.id,
                        embed=text,
                    )
            except StorageError as error:
                self._pause_batch(db, record, str(error), stops_collecting=True)
                if self._aborting.is_set() or time.monotonic() > deadline:
                    raise not_kept(error) from error
            self._aborting.wait(2.0)
            with suppress(StorageError):  # a folder that is back may hold temporary files
                store.remove_part_files(self.settings.output_dir)

    def _fail_or_retry(self, db: database.Connection, record: Record, error: ModelError) -> None:
        if error.throttled:
            self.limit.on_throttled()
        wait = generator.seconds_before_retry(error, retries=record.retries, throttled=record.throttle_count)
        nothing_lost = error.billed is Billed.NO or error.task_valid
        if wait is None and nothing_lost and (error.pauses_batch or error.cause in ("network", "storage")):
            self._requeue(db, record, error, wait=BLOCKED_RETRY_SECONDS)
            self._pause_batch(db, record, str(error), stops_collecting=True)
        elif wait is None:
            self._fail(db, record, generator.when_given_up(error))
        else:
            self._requeue(db, record, error, wait=wait)

    def _resolve_billing(self, db: database.Connection, record: Record, error: ModelError) -> ModelError:
        """Without a task id a possibly charged error becomes "outcome unknown"; it is never retried."""
        if error.billed is Billed.NO or database.get_record(db, record.id).task_id:
            return error
        if database.is_free_charge(db, record.id):
            return generator.as_free_retry(error, retries=record.retries)
        is_put_aside = error.cause == "broken" and not error.retryable
        told = error.message if is_put_aside else NOT_AGAIN.get(error.cause, error.message)
        return ModelError(told, cause=error.cause, billed=Billed.UNKNOWN)

    def _wait_for_bucket(self, db: database.Connection, record: Record, error: BucketError) -> None:
        """Requeue with a growing delay while OSS is out of reach; nothing was submitted."""
        trouble = ModelError(
            error.message, cause="oss", billed=Billed.NO, retryable=error.transient, throttled=True
        )
        wait = generator.seconds_before_retry(
            trouble, retries=record.retries, throttled=record.throttle_count
        )
        if wait is None:
            self._fail(db, record, trouble)
        else:
            self._requeue(db, record, trouble, wait=wait)

    def _requeue(
        self, db: database.Connection, record: Record, error: ModelError | None = None, *, wait: float = 0.0
    ) -> None:
        not_before = time.time() + wait if error else 0.0
        self._write_with_retry(
            lambda: database.requeue_record(db, record, not_before=not_before, error=error)
        )
        if error:
            log.record_event("requeued", record, wait=wait, cause=error.cause, billed=error.billed)

    def _finish(self, db: database.Connection, record: Record, kept: SavedImage, seed: int | None) -> None:
        to_bucket = self.copies is not None
        ended = self._write_with_retry(
            lambda: database.finish_record(db, record, kept, seed=seed, to_bucket=to_bucket)
        )
        log.record_event("finished" if ended else "claim_lost", record)

    def _fail(self, db: database.Connection, record: Record, error: ModelError) -> None:
        ended = self._write_with_retry(lambda: database.fail_record(db, record, error))
        log.record_event("failed" if ended else "claim_lost", record, cause=error.cause, billed=error.billed)

    def _write_with_retry(self, write: Callable[[], _Told]) -> _Told:
        return insist(write, self._refusal, stops=self._aborting.wait)

    def _pause_batch(
        self, db: database.Connection, record: Record, reason: str, *, stops_collecting: bool = False
    ) -> None:
        if record.batch_id:
            with suppress(StorageError):  # the next record with the same error pauses it
                database.pause_batch(db, record.batch_id, reason, stops_collecting=stops_collecting)
            log.record_event("paused", record, why=reason)

    def _sleep(self, seconds: float) -> None:
        if self._aborting.wait(seconds):
            raise WorkerAborting

    def _start_thread(self, target: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _worker_loop(self) -> None:
        """Process records until the worker drains."""
        with closing(database.connect(self.settings.database_path)) as db:
            while not self._draining.is_set():
                rings = self.wake.generation
                if not self._guarded(lambda: self.run_once(db, timeout=1.0)):
                    self.wake.wait(rings, timeout=60.0)

    def _heartbeat_loop(self) -> None:
        """Poll for work from other processes or ended pauses; extend leases; reap expired ones."""
        with closing(database.connect(self.settings.database_path)) as db, self._stay_awake() as set_busy:
            turns = 0
            while not self._aborting.wait(POLL_SECONDS):
                self._guarded(lambda: bool(set_busy(self.claimed_count > 0)), writes=False)
                if not self._guarded(lambda: self.maintenance.watch_store(db), writes=False):
                    continue
                if turns % _POLLS_PER_HEARTBEAT == 0:
                    self._guarded(lambda: self._extend_leases(db))
                if self._guarded(lambda: self._has_claimable(db), writes=False):
                    self.wake.notify()
                turns += 1

    def _has_claimable(self, db: database.Connection) -> bool:
        ids = tuple(self._claimed_ids)
        return database.has_claimable(db, model=self._model_id, now=time.time(), claimed_ids=ids)

    def _extend_leases(self, db: database.Connection) -> bool:
        until = time.time() + LEASE_SECONDS
        database.extend_leases(db, tuple(self._claimed_ids), owner=self.owner, until=until)
        return self.reap_expired_leases(db) > 0

    def reap_expired_leases(self, db: database.Connection) -> int:
        """End records whose lease expired; one whose picture is saved succeeds. Returns how many others."""
        now = time.time()
        for record in database.list_unreclaimable(db, now=now):
            if found := self._find_saved(record):
                self._finish(db, record, *found)
            self._crash_seen.set()
        if database.has_stalled_of_other_models(db, model=self._model_id, now=now):
            database.pause_other_models(db, model=self._model_id, now=now)
        return database.reap_stalled(db, now=now)

    def clean_up_after_crash(self) -> bool:
        """Remove temporary files after a crash was seen; returns whether there were any."""
        if not self._crash_seen.is_set():
            return False
        self._crash_seen.clear()
        return self.maintenance.remove_part_files()

    def _maintenance_loop(self) -> None:
        """Run the periodic jobs: the search index and crash clean-up often, trash and old files hourly."""
        work = self.maintenance
        with closing(database.connect(self.settings.database_path)) as db:
            next_look = time.monotonic()
            busy = False
            while not self._aborting.wait(_BETWEEN_STEPS_SECONDS if busy else _MAINTENANCE_SECONDS):
                if not self._guarded(work.check_store, writes=False):
                    continue
                self._guarded(self.clean_up_after_crash, writes=False)
                busy = self._guarded(lambda: work.index_prompts(db))
                if not busy and time.monotonic() >= next_look:
                    self._guarded(work.remove_part_files, writes=False)
                    self._guarded(lambda: work.empty_library_trash(db) > 0)
                    self._guarded(lambda: work.forget_request_keys(db))
                    busy = self._guarded(lambda: work.empty_trash(db) > 0)
                    next_look += 0.0 if busy else _HOURLY_SECONDS

    def _library_loop(self) -> None:
        """Refresh the cached list of the bucket when a page was served from an old one."""
        while not self._aborting.is_set():
            self._guarded(lambda: self.library.refresh_when_requested(timeout=1.0), writes=False)

    def _output_backup_loop(self) -> None:
        """Copy finished pictures to OSS, those from before the setting too."""
        with closing(database.connect(self.settings.database_path)) as db:
            is_noted, busy = False, True
            while not self._aborting.wait(0.0 if busy else _BACKUP_POLL_SECONDS):
                is_noted = is_noted or self._guarded(lambda: self.maintenance.note_earlier_pictures(db))
                busy = self._guarded(lambda: self.maintenance.copy_output(db))

    def _guarded(self, turn: Callable[[], bool], *, writes: bool = True) -> bool:
        """Run one turn of a loop; log an unexpected error and let the loop go on. The lease then expires.

        A turn that ``writes`` and returns True shows that the database accepts writes.
        """
        try:
            if (done := turn()) and writes:
                self._refusal.end()
            return done
        except WriteRefused as error:
            self._refusal.begin(str(error))
            self._aborting.wait(1.0)
            return False
        except Exception as error:
            self.store.report(error)
            if not isinstance(error, StoreLost):  # which is logged once
                log.exception("worker", "turn_failed", thread=threading.current_thread().name)
            self._aborting.wait(1.0)
            return False
