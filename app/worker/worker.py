"""The work: ``run_record`` is the recipe for one picture, the Worker repeats it in threads.

Threads start here only, in ``Worker.start`` and ``stop_aside``, never at import; ``Worker.step`` does one
turn without any, for tests. What its quiet threads do is ``housework``.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from typing import TypeVar

import database
import generator
from app import log
from app.config import Settings
from app.domain import Record, Reference, SavedImage
from app.errors import Billed, BucketError, InvalidRequest, ModelError, StorageError, StoreLost, WriteRefused
from app.images import store
from app.library import library, output_backup
from app.worker.concurrency import AdaptiveLimit, Permit, WakeSignal
from app.worker.disk_space import DiskLow, DiskSpace
from app.worker.maintenance import Maintenance
from app.worker.sending import NOT_AGAIN, NotNoted, RecordLedger, insist, not_kept
from app.worker.spill_buffer import BufferedImage, SpillBuffer

LEASE_SECONDS = 12.0
POLL_SECONDS = 0.5
_TURNS_A_HEARTBEAT = 5
_SLOTS_A_CLAIM_AHEAD = 8  # one record in eight is claimed while the slots are still taken
_PICTURES_DECODED_AT_ONCE = 1  # a decoded 4K picture is 50 to 70 MB, and the calls need the other core
_PILE_BYTES = 64_000_000  # of pictures that wait for it in memory
_DISK_PATIENCE_SECONDS = 600.0
_COPIES_LOOK_SECONDS = 2.0
_HOUSEWORK_SECONDS = 0.5
_HOUSEWORK_BREATH = 0.05  # between two steps, for those who wait to write
_TRASH_LOOK_SECONDS = 3600.0
_PUT_DOWN_SECONDS = 1.0
BLOCKED_RETRY_SECONDS = 60.0  # in a batch that was cancelled nothing else holds back what cannot be collected

Saved = tuple[SavedImage, int | None]  # with the seed that was really used
_Told = TypeVar("_Told")


class WorkerStopping(Exception):
    """The worker is asked to stop: put down what can be picked up again."""


class Worker:
    """Takes queued records, makes their pictures, keeps them. One a process."""

    def __init__(
        self, settings: Settings, model: generator.Provider, *, stay_awake: Callable[[bool], object] = bool
    ) -> None:
        self.settings = settings
        self.model = model
        self.owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._model_id = model.card.model_id
        self.library = library.open_library(settings)
        self.copies = output_backup.open_output_backup(settings)
        self.limit = AdaptiveLimit(settings.model_concurrency)
        self.wake = WakeSignal()
        self.disk = DiskSpace((settings.output_dir, settings.database_path.parent))
        self._prefetch = threading.BoundedSemaphore(
            max(1, settings.model_concurrency // _SLOTS_A_CLAIM_AHEAD)
        )
        self.buffer = SpillBuffer(settings.output_dir, most_bytes=_PILE_BYTES)
        self._decode_slots = threading.Semaphore(_PICTURES_DECODED_AT_ONCE)
        self._draining = threading.Event()
        self._aborting = threading.Event()
        self._crash_seen = threading.Event()
        self.store = database.StoreGuard(settings.database_path, stops=self._aborting.is_set)
        self.maintenance = Maintenance(
            settings, self.library, self.copies, store=self.store, is_stopping=self._aborting.is_set
        )
        self._refusal = log.Condition("worker", begun="database_refuses", ended="database_accepts")
        self._claimed_ids: set[int] = set()
        self._stay_awake = stay_awake  # told twice a second whether there is work
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads: one a slot and a few more, to save while the slots work on; lookout; house."""
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
        """Begin nothing new, finish what can be finished in ``timeout`` seconds, put down the rest.

        -> whether every thread has ended.
        """
        self._draining.set()
        deadline = time.monotonic() + timeout
        while self._claimed_ids and time.monotonic() < deadline:
            time.sleep(0.02)
        self._aborting.set()
        self.wake.notify()
        for thread in self._threads:
            thread.join(max(0.0, deadline + _PUT_DOWN_SECONDS - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def stop_in_background(self, timeout: float, then: Callable[[], None]) -> None:
        """``stop`` in a thread of its own, while pages go on being answered; ``then`` is called after it."""
        self._draining.set()

        def stop() -> None:
            self.stop(timeout)
            then()

        threading.Thread(target=stop, name="stop", daemon=True).start()

    @property
    def claimed_count(self) -> int:
        """How many records it has claimed and not brought to an end."""
        return len(self._claimed_ids)

    @property
    def is_running(self) -> bool:
        """Whether its threads were started, none has died, and nobody has asked it to stop."""
        return bool(self._threads) and not self.is_stopping and all(t.is_alive() for t in self._threads)

    @property
    def is_stopping(self) -> bool:
        """Whether it begins nothing new any more."""
        return self._draining.is_set()

    @property
    def has_stopped(self) -> bool:
        """Whether what could not be finished in time was put down."""
        return self._aborting.is_set()

    def run_once(self, db: database.Connection, *, timeout: float = 0.0) -> bool:
        """One turn: claim a record and bring it to an end -> False when there was nothing to do.

        The record is claimed a little before its slot is free, so that the slot need not wait for it.
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
        if self.is_stopping or self.store.complaint():
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
            if record.lapses:
                self._crash_seen.set()
            log.log_record_event("claimed", record, ticket="yes" if record.ticket else None)
        return record

    def _process(self, db: database.Connection, record: Record, slot: Permit) -> None:
        try:
            if not slot.taken:
                raise WorkerStopping
            kept, seed = self.produce(db, record, slot)
        except (WorkerStopping, database.BatchNotActive, StoreLost, NotNoted):
            self._requeue(db, record)
            log.log_record_event("put_down", record)
        except database.LeaseLost:
            log.log_record_event("claim_lost", record)
        except (database.BudgetReached, DiskLow) as error:
            self._requeue(db, record)
            self._pause_batch(db, record, error.message)
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
        """The recipe: order or collect the picture, free the slot, keep the picture."""
        started = time.monotonic()
        with suppress(StorageError):  # of a folder that is away: told when there is something to keep
            if record.attempts > 1 and (found := self._find_kept(record)):
                return found
        picture = generator.generate(
            self.model,
            record.request,
            lambda: self._references(db, record),
            ledger=self._ledger(db, record),
            pause=self._pause,
            ticket=record.ticket,
        )
        slot.release()
        log.log_record_event(
            "collected", record, seconds=time.monotonic() - started, bytes=len(picture.content)
        )
        with self.buffer.put(picture) as laid:
            del picture
            kept = self._keep(db, record, laid)
        size = f"{kept.width}x{kept.height}"
        log.log_record_event(
            "kept", record, seconds=time.monotonic() - started, bytes=kept.file_size, size=size
        )
        if record.lapses and (found := self._find_kept(record)):
            return found  # whoever was thought dead may have kept it first, from another seed
        return kept, laid.seed

    def _find_kept(self, record: Record) -> Saved | None:
        """The picture that was kept before the end of it could be written down."""
        return store.find_saved(
            self.settings.output_dir, stem=record.file_stem, record_id=record.id, prompt=record.request.prompt
        )

    def _ledger(self, db: database.Connection, record: Record) -> RecordLedger:
        return RecordLedger(
            db=db,
            record=record,
            budget=self.settings.budget,
            insist_on_room=lambda: self.disk.require(self.claimed_count),
            require_store=lambda: self.store.require(db),
            insist=self._write_with_retry,
        )

    def _references(self, db: database.Connection, record: Record) -> Sequence[Reference]:
        """Made ready for the model; first it is written down which they are, where that was not known."""
        card, images = self.model.card, self.library.identify(record.sample_images)
        if images != record.sample_images:
            self._write_with_retry(lambda: database.save_reference_versions(db, record, images))
        return self.library.references(images, form=card.reference_form, limits=card.reference_limits)

    def _keep(self, db: database.Connection, record: Record, laid: BufferedImage) -> SavedImage:
        """Onto the disk; when the disk refuses, hold the paid picture and say so until it takes it."""
        request = record.request
        seed = request.seed if laid.seed is None else laid.seed
        text = store.embed_parameters(request, None, record.model, record.id, seed)
        deadline = time.monotonic() + _DISK_PATIENCE_SECONDS
        while True:
            try:
                with self._decode_slots:
                    return store.save_image(
                        laid.read(),
                        output_dir=self.settings.output_dir,
                        stem=record.file_stem,
                        record_id=record.id,
                        embed=text,
                    )
            except StorageError as error:
                self._pause_batch(db, record, error.message, stops_collecting=True)
                if self._aborting.is_set() or time.monotonic() > deadline:
                    raise not_kept(error) from error
            self._aborting.wait(2.0)
            with suppress(StorageError):  # a folder that was away may hold what could not be taken back
                store.remove_part_files(self.settings.output_dir)

    def _fail_or_retry(self, db: database.Connection, record: Record, error: ModelError) -> None:
        if error.throttled:
            self.limit.on_throttled()
        wait = generator.seconds_before_retry(error, retries=record.retries, throttled=record.throttled)
        nothing_lost = error.billed is Billed.NO or error.task_valid
        if wait is None and nothing_lost and (error.pauses_batch or error.cause in ("network", "storage")):
            self._requeue(db, record, error, wait=BLOCKED_RETRY_SECONDS)
            self._pause_batch(db, record, error.message, stops_collecting=True)
        elif wait is None:
            self._fail(db, record, generator.when_given_up(error))
        else:
            self._requeue(db, record, error, wait=wait)

    def _resolve_billing(self, db: database.Connection, record: Record, error: ModelError) -> ModelError:
        """What may be billed and has no ticket is never tried again by itself: it would be paid twice."""
        if error.billed is Billed.NO or database.get_record(db, record.id).ticket:
            return error
        if database.is_free_charge(db, record.id):
            return generator.as_free_retry(error, retries=record.retries)
        is_put_aside = error.cause == "broken" and not error.retryable
        told = error.message if is_put_aside else NOT_AGAIN.get(error.cause, error.message)
        return ModelError(told, cause=error.cause, billed=Billed.UNKNOWN)

    def _wait_for_bucket(self, db: database.Connection, record: Record, error: BucketError) -> None:
        """Nothing was ordered yet. While OSS is out of reach, what needs it waits; the rest goes on."""
        trouble = ModelError(
            error.message, cause="oss", billed=Billed.NO, retryable=error.transient, throttled=True
        )
        wait = generator.seconds_before_retry(trouble, retries=record.retries, throttled=record.throttled)
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
            log.log_record_event("requeued", record, wait=wait, cause=error.cause, billed=error.billed)

    def _finish(self, db: database.Connection, record: Record, kept: SavedImage, seed: int | None) -> None:
        to_bucket = self.copies is not None
        if not self._write_with_retry(
            lambda: database.finish_record(db, record, kept, seed=seed, to_bucket=to_bucket)
        ):
            log.log_record_event("claim_lost", record)
            return
        log.log_record_event("finished", record)

    def _fail(self, db: database.Connection, record: Record, error: ModelError) -> None:
        ended = self._write_with_retry(lambda: database.fail_record(db, record, error))
        log.log_record_event(
            "failed" if ended else "claim_lost", record, cause=error.cause, billed=error.billed
        )

    def _write_with_retry(self, write: Callable[[], _Told]) -> _Told:
        return insist(write, self._refusal, stops=self._aborting.wait)

    def _pause_batch(
        self, db: database.Connection, record: Record, reason: str, *, stops_collecting: bool = False
    ) -> None:
        if record.batch_id:
            with suppress(StorageError):  # then the next picture in the same trouble says so
                database.pause_batch(db, record.batch_id, reason, stops_collecting=stops_collecting)
            log.log_record_event("paused", record, why=reason)

    def _pause(self, seconds: float) -> None:
        if self._aborting.wait(seconds):
            raise WorkerStopping

    def _start_thread(self, target: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _worker_loop(self) -> None:
        """A thread's life: turn after turn."""
        with closing(database.connect(self.settings.database_path)) as db:
            while not self._draining.is_set():
                rings = self.wake.generation
                if not self._guarded(lambda: self.run_once(db, timeout=1.0)):
                    self.wake.wait(rings, timeout=60.0)

    def _heartbeat_loop(self) -> None:
        """Ring when another process or a pause's end brought work; keep leases, settle those of the dead."""
        with closing(database.connect(self.settings.database_path)) as db:
            turns = 0
            while not self._aborting.wait(POLL_SECONDS):
                self._guarded(lambda: bool(self._stay_awake(self.claimed_count > 0)), writes=False)
                if not self._guarded(lambda: self.maintenance.watch_store(db), writes=False):
                    continue
                if turns % _TURNS_A_HEARTBEAT == 0:
                    self._guarded(lambda: self._extend_leases(db))
                if self._guarded(lambda: self._has_claimable(db), writes=False):
                    self.wake.notify()
                turns += 1

    def _has_claimable(self, db: database.Connection) -> bool:
        in_hand = tuple(self._claimed_ids)
        return database.has_claimable(db, model=self._model_id, now=time.time(), claimed_ids=in_hand)

    def _extend_leases(self, db: database.Connection) -> bool:
        until = time.time() + LEASE_SECONDS
        database.extend_leases(db, tuple(self._claimed_ids), owner=self.owner, until=until)
        return self.reap_expired_leases(db) > 0

    def reap_expired_leases(self, db: database.Connection) -> int:
        """End what dead workers left; a picture that is there, whole, is adopted -> how many else."""
        now = time.time()
        for record in database.list_unreclaimable(db, now=now):
            if found := self._find_kept(record):
                self._finish(db, record, *found)
            self._crash_seen.set()
        if database.has_stalled_of_other_models(db, model=self._model_id, now=now):
            database.pause_other_models(db, model=self._model_id, now=now)
        return database.reap_stalled(db, now=now)

    def clean_up_after_crash(self) -> bool:
        """Remove what was left half-written, once a worker was found dead -> whether there was any."""
        if not self._crash_seen.is_set():
            return False
        self._crash_seen.clear()
        return self.maintenance.remove_part_files()

    def _maintenance_loop(self) -> None:
        """What nobody waits for: the index, what the dead left; by the hour, trash and half-written files."""
        work = self.maintenance
        with closing(database.connect(self.settings.database_path)) as db:
            next_look = time.monotonic()
            busy = False
            while not self._aborting.wait(_HOUSEWORK_BREATH if busy else _HOUSEWORK_SECONDS):
                if not self._guarded(work.check_store, writes=False):
                    continue
                self._guarded(self.clean_up_after_crash, writes=False)
                busy = self._guarded(lambda: work.index_prompts(db))
                if not busy and time.monotonic() >= next_look:
                    self._guarded(work.remove_part_files, writes=False)
                    self._guarded(lambda: work.empty_library_trash(db) > 0)
                    self._guarded(lambda: work.forget_request_keys(db))
                    busy = self._guarded(lambda: work.empty_trash(db) > 0)
                    next_look += 0.0 if busy else _TRASH_LOOK_SECONDS

    def _library_loop(self) -> None:
        """Read the list of the bucket anew when somebody looked at an old one; copy there what was chosen."""
        while not self._aborting.is_set():
            if self.library.wait_for_request(timeout=1.0):
                self._guarded(self.maintenance.refresh_library, writes=False)

    def _output_backup_loop(self) -> None:
        """Keep finished pictures in OSS as well, those from before too."""
        with closing(database.connect(self.settings.database_path)) as db:
            is_noted, busy = False, True
            while not self._aborting.wait(0.0 if busy else _COPIES_LOOK_SECONDS):
                is_noted = is_noted or self._guarded(lambda: self.maintenance.note_earlier_pictures(db))
                busy = self._guarded(lambda: self.maintenance.copy_output(db))

    def _guarded(self, turn: Callable[[], bool], *, writes: bool = True) -> bool:
        """The last line of defence: what nobody foresaw is logged, a lease runs out, the thread goes on.

        A turn that ``writes`` and has done something shows that the database takes writes.
        """
        try:
            if (done := turn()) and writes:
                self._refusal.end()
            return done
        except WriteRefused as error:
            self._refusal.begin(error.message)
            self._aborting.wait(1.0)
            return False
        except Exception as error:
            self.store.report(error)
            if not isinstance(error, StoreLost):  # that is noted once
                log.log_exception("worker", "turn_failed", thread=threading.current_thread().name)
            self._aborting.wait(1.0)
            return False
