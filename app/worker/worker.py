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
from app.domain import KeptPicture, Record, Reference
from app.errors import Billed, BucketError, InvalidRequest, ModelError, StorageError, StoreLost, WriteRefused
from app.images import store
from app.library import library, output_backup
from app.worker.concurrency import Bell, Pace, Slot
from app.worker.disk_space import DiskLow, DiskSpace
from app.worker.maintenance import Housework
from app.worker.sending import NOT_AGAIN, NotNoted, RecordLedger, insist, not_kept
from app.worker.spill_buffer import Laid, Pile

LEASE_SECONDS = 12.0
_LOOKOUT_SECONDS = 0.5
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
_TROUBLE_SECONDS = 60.0  # in a batch that was cancelled nothing else holds back what cannot be collected

Kept = tuple[KeptPicture, int | None]  # with the seed that was really used
_Told = TypeVar("_Told")


class WorkerStopping(Exception):
    """The worker is asked to stop: put down what can be picked up again."""


class Worker:
    """Takes queued records, makes their pictures, keeps them. One a process."""

    def __init__(
        self, settings: Settings, model: generator.ImageModel, *, stay_awake: Callable[[bool], object] = bool
    ) -> None:
        self.settings = settings
        self.model = model
        self.owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._model_id = model.card.model_id
        self.library = library.open_library(settings)
        self.copies = output_backup.open_copies(settings)
        self.pace = Pace(settings.model_concurrency)
        self.bell = Bell()
        self.disk = DiskSpace((settings.output_dir, settings.database_path.parent))
        self._ahead = threading.BoundedSemaphore(max(1, settings.model_concurrency // _SLOTS_A_CLAIM_AHEAD))
        self.pile = Pile(settings.output_dir, most_bytes=_PILE_BYTES)
        self._desk = threading.Semaphore(_PICTURES_DECODED_AT_ONCE)
        self._closing = threading.Event()
        self._stopping = threading.Event()
        self._found_dead = threading.Event()
        self.store = database.StoreGuard(settings.database_path, stops=self._stopping.is_set)
        self.housework = Housework(
            settings, self.library, self.copies, store=self.store, is_stopping=self._stopping.is_set
        )
        self._refusal = log.Condition("worker", begun="database_refuses", ended="database_accepts")
        self._in_hand: set[int] = set()
        self._stay_awake = stay_awake  # told twice a second whether there is work
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads: one a slot and a few more, to save while the slots work on; lookout; house."""
        with closing(database.connect(self.settings.database_path)) as db:
            database.pause_other_models(db, model=self._model_id, now=time.time())
        for number in range(2 * self.settings.model_concurrency):
            self._start_thread(self._repeat, f"picture-{number + 1}")
        self._start_thread(self._watch, "lookout")
        if self.library.wants_refreshing:
            self._start_thread(self._tend_library, "library")
        if self.copies:
            self._start_thread(self._copy_outputs, "copies")
        self._start_thread(self._keep_house, "house")

    def stop(self, timeout: float = 10.0) -> bool:
        """Begin nothing new, finish what can be finished in ``timeout`` seconds, put down the rest.

        -> whether every thread has ended.
        """
        self._closing.set()
        deadline = time.monotonic() + timeout
        while self._in_hand and time.monotonic() < deadline:
            time.sleep(0.02)
        self._stopping.set()
        self.bell.ring()
        for thread in self._threads:
            thread.join(max(0.0, deadline + _PUT_DOWN_SECONDS - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def stop_aside(self, timeout: float, then: Callable[[], None]) -> None:
        """``stop`` in a thread of its own, while pages go on being answered; ``then`` is called after it."""
        self._closing.set()

        def stop() -> None:
            self.stop(timeout)
            then()

        threading.Thread(target=stop, name="stop", daemon=True).start()

    @property
    def in_hand(self) -> int:
        """How many records it has claimed and not brought to an end."""
        return len(self._in_hand)

    @property
    def is_at_work(self) -> bool:
        """Whether its threads were started, none has died, and nobody has asked it to stop."""
        return bool(self._threads) and not self.is_stopping and all(t.is_alive() for t in self._threads)

    @property
    def is_stopping(self) -> bool:
        """Whether it begins nothing new any more."""
        return self._closing.is_set()

    @property
    def has_stopped(self) -> bool:
        """Whether what could not be finished in time was put down."""
        return self._stopping.is_set()

    def step(self, db: database.Connection, *, patience: float = 0.0) -> bool:
        """One turn: claim a record and bring it to an end -> False when there was nothing to do.

        The record is claimed a little before its slot is free, so that the slot need not wait for it.
        """
        if not self._ahead.acquire(timeout=patience):
            return False
        slot = Slot(self.pace)
        try:
            record = self._claim(db)
            if record is None:
                return False
            slot.wait(self._closing)
        finally:
            self._ahead.release()
        try:
            self._bring_to_an_end(db, record, slot)
        finally:
            self._in_hand.discard(record.id)
            slot.give_back()
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
            in_hand=tuple(self._in_hand),
        )
        if record is not None:
            self._in_hand.add(record.id)
            if record.lapses:
                self._found_dead.set()
            log.tell("claimed", record, ticket="yes" if record.ticket else None)
        return record

    def _bring_to_an_end(self, db: database.Connection, record: Record, slot: Slot) -> None:
        try:
            if not slot.taken:
                raise WorkerStopping
            kept, seed = self.run_record(db, record, slot)
        except (WorkerStopping, database.BatchAtRest, StoreLost, NotNoted):
            self._put_back(db, record)
            log.tell("put_down", record)
        except database.ClaimLost:
            log.tell("claim_lost", record)
        except (database.BudgetReached, DiskLow) as error:
            self._put_back(db, record)
            self._pause_batch(db, record, error.message)
        except InvalidRequest as error:
            self._fail(db, record, ModelError(error.message, cause="request", billed=Billed.NO))
        except BucketError as error:
            self._wait_for_bucket(db, record, error)
        except ModelError as error:
            self._fail_or_try_later(db, record, self._as_it_stands(db, record, error))
        else:
            self._finish(db, record, kept, seed)
            self.pace.faster()

    def run_record(self, db: database.Connection, record: Record, slot: Slot) -> Kept:
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
        slot.give_back()
        log.tell("collected", record, seconds=time.monotonic() - started, bytes=len(picture.content))
        with self.pile.lay(picture) as laid:
            del picture
            kept = self._keep(db, record, laid)
        size = f"{kept.width}x{kept.height}"
        log.tell("kept", record, seconds=time.monotonic() - started, bytes=kept.file_size, size=size)
        if record.lapses and (found := self._find_kept(record)):
            return found  # whoever was thought dead may have kept it first, from another seed
        return kept, laid.seed

    def _find_kept(self, record: Record) -> Kept | None:
        """The picture that was kept before the end of it could be written down."""
        return store.find_kept(
            self.settings.output_dir, stem=record.file_stem, record_id=record.id, prompt=record.request.prompt
        )

    def _ledger(self, db: database.Connection, record: Record) -> RecordLedger:
        return RecordLedger(
            db=db,
            record=record,
            budget=self.settings.budget,
            insist_on_room=lambda: self.disk.insist(self.in_hand),
            require_store=lambda: self.store.require(db),
            insist=self._insist,
        )

    def _references(self, db: database.Connection, record: Record) -> Sequence[Reference]:
        """Made ready for the model; first it is written down which they are, where that was not known."""
        card, images = self.model.card, self.library.identify(record.sample_images)
        if images != record.sample_images:
            self._insist(lambda: database.pin_references(db, record, images))
        return self.library.references(images, form=card.reference_form, limits=card.reference_limits)

    def _keep(self, db: database.Connection, record: Record, laid: Laid) -> KeptPicture:
        """Onto the disk; when the disk refuses, hold the paid picture and say so until it takes it."""
        request = record.request
        seed = request.seed if laid.seed is None else laid.seed
        text = store.embed_parameters(request, None, record.model, record.id, seed)
        deadline = time.monotonic() + _DISK_PATIENCE_SECONDS
        while True:
            try:
                with self._desk:
                    return store.keep_picture(
                        laid.take(),
                        output_dir=self.settings.output_dir,
                        stem=record.file_stem,
                        record_id=record.id,
                        embed=text,
                    )
            except StorageError as error:
                self._pause_batch(db, record, error.message, stops_collecting=True)
                if self._stopping.is_set() or time.monotonic() > deadline:
                    raise not_kept(error) from error
            self._stopping.wait(2.0)
            with suppress(StorageError):  # a folder that was away may hold what could not be taken back
                store.remove_part_files(self.settings.output_dir)

    def _fail_or_try_later(self, db: database.Connection, record: Record, error: ModelError) -> None:
        if error.slow_down:
            self.pace.slower()
        wait = generator.seconds_before_retry(error, retries=record.retries, throttled=record.throttled)
        nothing_lost = error.billed is Billed.NO or error.ticket_usable
        if wait is None and nothing_lost and (error.pauses_batch or error.cause in ("network", "storage")):
            self._put_back(db, record, error, wait=_TROUBLE_SECONDS)
            self._pause_batch(db, record, error.message, stops_collecting=True)
        elif wait is None:
            self._fail(db, record, generator.when_given_up(error))
        else:
            self._put_back(db, record, error, wait=wait)

    def _as_it_stands(self, db: database.Connection, record: Record, error: ModelError) -> ModelError:
        """What may be billed and has no ticket is never tried again by itself: it would be paid twice."""
        if error.billed is Billed.NO or database.get_record(db, record.id).ticket:
            return error
        if database.is_free_order(db, record.id):
            return generator.to_make_again(error, retries=record.retries)
        is_put_aside = error.cause == "broken" and not error.retryable
        told = error.message if is_put_aside else NOT_AGAIN.get(error.cause, error.message)
        return ModelError(told, cause=error.cause, billed=Billed.UNKNOWN)

    def _wait_for_bucket(self, db: database.Connection, record: Record, error: BucketError) -> None:
        """Nothing was ordered yet. While OSS is out of reach, what needs it waits; the rest goes on."""
        trouble = ModelError(
            error.message, cause="oss", billed=Billed.NO, retryable=error.passing, slow_down=True
        )
        wait = generator.seconds_before_retry(trouble, retries=record.retries, throttled=record.throttled)
        if wait is None:
            self._fail(db, record, trouble)
        else:
            self._put_back(db, record, trouble, wait=wait)

    def _put_back(
        self, db: database.Connection, record: Record, error: ModelError | None = None, *, wait: float = 0.0
    ) -> None:
        not_before = time.time() + wait if error else 0.0
        self._insist(lambda: database.requeue_record(db, record, not_before=not_before, error=error))
        if error:
            log.tell("requeued", record, wait=wait, cause=error.cause, billed=error.billed)

    def _finish(self, db: database.Connection, record: Record, kept: KeptPicture, seed: int | None) -> None:
        to_bucket = self.copies is not None
        if not self._insist(lambda: database.finish_record(db, record, kept, seed=seed, to_bucket=to_bucket)):
            log.tell("claim_lost", record)
            return
        log.tell("finished", record)

    def _fail(self, db: database.Connection, record: Record, error: ModelError) -> None:
        ended = self._insist(lambda: database.fail_record(db, record, error))
        log.tell("failed" if ended else "claim_lost", record, cause=error.cause, billed=error.billed)

    def _insist(self, write: Callable[[], _Told]) -> _Told:
        return insist(write, self._refusal, stops=self._stopping.wait)

    def _pause_batch(
        self, db: database.Connection, record: Record, reason: str, *, stops_collecting: bool = False
    ) -> None:
        if record.batch_id:
            with suppress(StorageError):  # then the next picture in the same trouble says so
                database.pause_batch(db, record.batch_id, reason, stops_collecting=stops_collecting)
            log.tell("paused", record, why=reason)

    def _pause(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise WorkerStopping

    def _start_thread(self, target: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _repeat(self) -> None:
        """A thread's life: turn after turn."""
        with closing(database.connect(self.settings.database_path)) as db:
            while not self._closing.is_set():
                rings = self.bell.rings
                if not self._survive(lambda: self.step(db, patience=1.0)):
                    self.bell.wait(rings, timeout=60.0)

    def _watch(self) -> None:
        """Ring when another process or a pause's end brought work; keep leases, settle those of the dead."""
        with closing(database.connect(self.settings.database_path)) as db:
            turns = 0
            while not self._stopping.wait(_LOOKOUT_SECONDS):
                self._survive(lambda: bool(self._stay_awake(self.in_hand > 0)), writes=False)
                if not self._survive(lambda: self.housework.watch_store(db), writes=False):
                    continue
                if turns % _TURNS_A_HEARTBEAT == 0:
                    self._survive(lambda: self._keep_leases(db))
                if self._survive(lambda: self._has_claimable(db), writes=False):
                    self.bell.ring()
                turns += 1

    def _has_claimable(self, db: database.Connection) -> bool:
        in_hand = tuple(self._in_hand)
        return database.has_claimable(db, model=self._model_id, now=time.time(), in_hand=in_hand)

    def _keep_leases(self, db: database.Connection) -> bool:
        until = time.time() + LEASE_SECONDS
        database.extend_leases(db, tuple(self._in_hand), owner=self.owner, until=until)
        return self.settle_dead(db) > 0

    def settle_dead(self, db: database.Connection) -> int:
        """End what dead workers left; a picture that is there, whole, is adopted -> how many else."""
        now = time.time()
        for record in database.list_spent(db, now=now):
            if found := self._find_kept(record):
                self._finish(db, record, *found)
            self._found_dead.set()
        if database.has_left_behind(db, model=self._model_id, now=now):
            database.pause_other_models(db, model=self._model_id, now=now)
        return database.settle_lapsed(db, now=now)

    def sweep_after_the_dead(self) -> bool:
        """Remove what was left half-written, once a worker was found dead -> whether there was any."""
        if not self._found_dead.is_set():
            return False
        self._found_dead.clear()
        return self.housework.remove_part_files()

    def _keep_house(self) -> None:
        """What nobody waits for: the index, what the dead left; by the hour, trash and half-written files."""
        work = self.housework
        with closing(database.connect(self.settings.database_path)) as db:
            next_look = time.monotonic()
            busy = False
            while not self._stopping.wait(_HOUSEWORK_BREATH if busy else _HOUSEWORK_SECONDS):
                if not self._survive(work.check_store, writes=False):
                    continue
                self._survive(self.sweep_after_the_dead, writes=False)
                busy = self._survive(lambda: work.index_prompts(db))
                if not busy and time.monotonic() >= next_look:
                    self._survive(work.remove_part_files, writes=False)
                    self._survive(lambda: work.empty_library_trash(db) > 0)
                    self._survive(lambda: work.forget_request_keys(db))
                    busy = self._survive(lambda: work.empty_trash(db) > 0)
                    next_look += 0.0 if busy else _TRASH_LOOK_SECONDS

    def _tend_library(self) -> None:
        """Read the list of the bucket anew when somebody looked at an old one; copy there what was chosen."""
        while not self._stopping.is_set():
            if self.library.wait_until_wanted(timeout=1.0):
                self._survive(self.housework.tend_library, writes=False)

    def _copy_outputs(self) -> None:
        """Keep finished pictures in OSS as well, those from before too."""
        with closing(database.connect(self.settings.database_path)) as db:
            is_noted, busy = False, True
            while not self._stopping.wait(0.0 if busy else _COPIES_LOOK_SECONDS):
                is_noted = is_noted or self._survive(lambda: self.housework.note_earlier_pictures(db))
                busy = self._survive(lambda: self.housework.copy_output(db))

    def _survive(self, turn: Callable[[], bool], *, writes: bool = True) -> bool:
        """The last line of defence: what nobody foresaw is logged, a lease runs out, the thread goes on.

        A turn that ``writes`` and has done something shows that the database takes writes.
        """
        try:
            if (done := turn()) and writes:
                self._refusal.end()
            return done
        except WriteRefused as error:
            self._refusal.begin(error.message)
            self._stopping.wait(1.0)
            return False
        except Exception as error:
            self.store.report(error)
            if not isinstance(error, StoreLost):  # that is noted once
                log.trouble("worker", "turn_failed", thread=threading.current_thread().name)
            self._stopping.wait(1.0)
            return False
