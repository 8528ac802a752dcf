"""The path of one record, from its claim to the saved image, and the decision after an error.

Starts no thread. ``decide`` is pure; only ``Pipeline.produce`` submits, which is the step that costs money.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TypeVar

import database
import generator
from app import log
from app.config import Settings
from app.domain import (
    GeneratedImage,
    ImageRequest,
    ModelSpec,
    PauseCause,
    Record,
    Reference,
    SavedImage,
    Status,
    whole_characters,
)
from app.domain.ledger import Usage
from app.errors import (
    AppError,
    Billed,
    BucketError,
    Conflict,
    DatabaseError,
    DiskError,
    InvalidRequest,
    Message,
    ModelError,
    StoreDamaged,
    StoreLost,
    message,
)
from app.images import decode
from app.library.library import Library
from app.library.outputs import Outputs
from app.worker.concurrency import DecodeLimit, Permit
from app.worker.disk_space import DiskLow, DiskSpace, OssLost
from app.worker.engines import Engine, Engines
from app.worker.saving import Saving, with_watermark

MAX_RETRIES = 5
MAX_FREE_RETRIES = 2  # the service may still be working on the abandoned request
BLOCKED_RETRY_SECONDS = 60.0  # a cancelled batch is not paused, so only this delays the next fetch
_MAX_DELAY = 60.0
_MAX_DOUBLINGS = 10  # bounds the exponent: a service may throttle a call a thousand times
_MAX_BYTES_IN_MEMORY = 1_000_000  # a larger image waits in a temporary file until it is decoded
_DECODES_AT_ONCE = 2
_PIXELS_AT_ONCE = 24_000_000  # two of 2K, or one of 4K, which takes 50 to 70 MB decoded

# Messages for images that were received and cannot be fetched again, by cause.
_UNRECOVERABLE = {
    "broken": "收到的图片打不开，也不能取回，可能已计费，请决定是否重新生成",
    "storage": "图片已生成，但没能保存，也不能取回，可能已计费，请先腾出磁盘空间，再决定是否重新生成",
}
# What to check when a request that is never charged fails, by cause.
_ADVICE = {
    "network": "图片服务的答复不完整（断线或超时），请检查它是否还在运行，生成得慢就调大 MODEL_TIMEOUT",
    "service": "图片服务的答复无法识别，请检查它是否还在运行",
    "broken": "图片服务返回的图片打不开，请检查它是否正常",
}

_PAUSE_CAUSES = {"network": PauseCause.NETWORK, "storage": PauseCause.DISK, "upload": PauseCause.DISK}

_T = TypeVar("_T")


class ModelRetired(Conflict):
    """The service takes no more orders for the model: nothing was submitted."""


class WorkerAborting(Exception):
    """The worker is aborting: the record is released for a later claim."""


_PAUSED_BEFORE_SUBMISSION = {
    database.BudgetReached: PauseCause.BUDGET,
    DiskLow: PauseCause.DISK,
    ModelRetired: PauseCause.MODEL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do with a record after an error, and with its batch.

    error           the error to store; None: requeue the record as it was
    wait            seconds until the next try; None: end the record as failed, or unknown if possibly charged
    pause           why to pause the batch; None: do not
    cause           the same in a word
    blocks_fetches  the cause prevents fetching submitted images too
    """

    error: ModelError | None = None
    wait: float | None = None
    pause: Message | None = None
    cause: PauseCause = PauseCause.OTHER
    blocks_fetches: bool = False


def decide(error: AppError, record: Record, *, has_task: bool, is_free: bool) -> Decision:
    """Decide what an error of ``produce`` means for its record.

    ``has_task``: the provider's task id is stored, so that fetching can be repeated. ``is_free``: the request
    is never charged. Without either, a possibly charged error ends as unknown and is never retried.
    """
    for kind, cause in _PAUSED_BEFORE_SUBMISSION.items():
        if isinstance(error, kind):
            return Decision(pause=error.message, cause=cause)
    problem = _as_model_error(error)
    if problem.billed is not Billed.NO and not has_task:
        problem = _as_not_billed(problem, record) if is_free else _as_unknown(problem)
    wait = seconds_before_retry(problem, retries=record.retries, throttled=record.throttle_count)
    if wait is not None:
        return Decision(error=problem, wait=wait)
    is_blocked = problem.pauses_batch or problem.cause in _PAUSE_CAUSES
    if is_blocked and (problem.billed is Billed.NO or problem.task_valid):
        return Decision(
            error=problem,
            wait=BLOCKED_RETRY_SECONDS,
            pause=problem.message,
            cause=_PAUSE_CAUSES.get(problem.cause, PauseCause.KEY),
            blocks_fetches=True,
        )
    return Decision(error=_as_expired(problem) if problem.url_expired else problem)


def seconds_before_retry(error: ModelError, *, retries: int, throttled: int) -> float | None:
    """Return the seconds to wait before retrying the step; None: do not retry.

    Throttling is retried without limit, any other error MAX_RETRIES times.
    """
    if not error.retryable or (not error.throttled and retries >= MAX_RETRIES):
        return None
    earlier = min(throttled if error.throttled else retries, _MAX_DOUBLINGS)
    return float(min(2.0**earlier, _MAX_DELAY) * random.uniform(0.8, 1.2))  # noqa: S311 - only spreads calls


@dataclass(kw_only=True)
class Pipeline:
    """Produces the images of records, one call each; shared by the worker's threads."""

    settings: Settings
    engines: Engines
    library: Library
    outputs: Outputs
    disk: DiskSpace
    store_guard: database.StoreGuard
    aborting: threading.Event
    claimed_ids: list[int] = field(default_factory=list)  # one twice while another thread ends with it
    decode_limit: DecodeLimit = field(default_factory=lambda: DecodeLimit(_DECODES_AT_ONCE, _PIXELS_AT_ONCE))
    write_refusal: log.Condition = field(
        default_factory=lambda: log.Condition("worker", begun="db_write_failed", ended="db_write_accepted")
    )

    saving: Saving = field(init=False)

    def __post_init__(self) -> None:
        self.saving = Saving(outputs=self.outputs, decode_limit=self.decode_limit, aborting=self.aborting)

    def produce(self, db: database.Connection, record: Record, engine: Engine, permit: Permit) -> SavedImage:
        """Submit the record to its model, or fetch it if it was submitted, then save its image.

        ``permit`` of the engine is released as soon as the provider is done. Raises the errors that
        ``decide`` takes, and WorkerAborting, BatchNotActive, WriteRefused, StoreLost (requeue the record) or
        LeaseLost (leave it).
        """
        if record.attempts > 1 and (saved := self._adopted(db, record)):
            return saved
        task_id, image, began = record.task_id, None, None
        watermark = record.marks["visible"]
        provider, pace = engine.provider, engine.pace
        if task_id is None:
            watermark = provider.spec.watermark
            task_id, image, began = self._submit(db, record, provider)
        if image is None:
            image = generator.fetch(provider, task_id, self._sleep)
        permit.release()
        if began is not None:
            pace.measured(time.monotonic() - began)
        seed = record.request.seed if image.seed is None else image.seed
        watermark = watermark if image.watermark is None else image.watermark
        with _spooled(image.content, self.settings.output_dir) as file:
            del image
            pixels, has_task = self._pixels(record), bool(task_id)
            saved = self.saving.save(db, record, file, seed, pixels=pixels, has_task=has_task)
        return with_watermark(saved, watermark)

    def finish(
        self,
        db: database.Connection,
        record: Record,
        saved: SavedImage,
        *,
        statuses: Sequence[Status] = (),
        **facts: object,
    ) -> None:
        """Mark the record successful, unless its claim was lost; ``facts`` are logged.

        ``statuses``: see ``database.finish_record``.
        """
        finish = partial(database.finish_record, to_bucket=self.outputs.are_copied, statuses=statuses)
        ended = self.write_with_retry(lambda: finish(db, record, saved))
        if ended:
            self.saving.settle(record, saved)
        size = f"{saved.width}x{saved.height}"
        log.record_event(
            "finished" if ended else "lease_lost", record, bytes=saved.file_size, size=size, **facts
        )

    def _submit(
        self, db: database.Connection, record: Record, provider: generator.Provider
    ) -> tuple[str, GeneratedImage | None, float]:
        """Open the charge and submit the record once -> its task id, which is stored, or the image itself;
        and when it was submitted (monotonic)."""
        spec, request = provider.spec, record.request
        _require_orderable(spec, request)
        references = self._fitted(self.library.resolve(record.sample_images, spec), spec)
        self.disk.require(len(self.claimed_ids))
        if problem := self.outputs.check():
            raise OssLost(problem)
        self.store_guard.require(db)
        price, is_free = spec.price(request), spec.is_free(request)
        charge = self._open_charge(db, record, price, is_free=is_free)
        log.record_event("submitted", record, charge=charge, price=price)
        began = time.monotonic()
        result = generator.submit(provider, request, references)
        usage = Usage(charge_id=charge, counts=result.usage, references=len(references))
        if result.image is None:
            self._save_task_id(db, record, result.task_id or "", usage, spec.watermark)
        elif usage.counts:
            with suppress(DatabaseError):  # the image is worth more
                database.save_usage(db, record, usage)
        return result.task_id or "", result.image, began

    def _open_charge(
        self, db: database.Connection, record: Record, price: Decimal | None, *, is_free: bool
    ) -> int:
        """Open the charge; when it is not known whether that was stored, it is closed as not billed.

        Raises StoreLost then, as nothing was sent.
        """
        budget = self.settings.budget
        try:
            return database.open_charge(db, record, price=price, budget=budget, is_free=is_free)
        except StoreLost:
            self.write_with_retry(lambda: database.withdraw_charge(db, record))
            raise

    def _adopted(self, db: database.Connection, record: Record) -> SavedImage | None:
        """The image that was saved before a crash, here or in OSS."""
        try:
            return self.saving.adopt(db, record, keeps_trying=True)
        except DiskError:  # a missing folder is reported when there is something to save
            return None
        except BucketError:
            if record.task_id:  # it can be fetched again for free; else it must not be submitted again
                return None
            raise

    def _fitted(self, references: Sequence[Reference], spec: ModelSpec) -> list[Reference]:
        """The references, as JPEG where the file is larger than the model takes. Raises InvalidRequest."""
        limits = spec.reference_limits
        if not (limits and limits.recompresses):
            return list(references)
        return [self._fit(each, limits.max_bytes) for each in references]

    def _fit(self, reference: Reference, max_bytes: int) -> Reference:
        if len(reference.content or b"") <= max_bytes:
            return reference
        with self.decode_limit.hold(_PIXELS_AT_ONCE), suppress(decode.InvalidImage):
            if content := decode.jpeg_within(reference.content or b"", max_bytes):
                return replace(reference, content=content, media_type="image/jpeg")
        text = "参考图「{filename}」太大，压缩以后也放不进请求，没有生成，也没有计费"
        raise InvalidRequest("sample_images", text, filename=reference.filename)

    def _pixels(self, record: Record) -> int:
        """The pixels that the service was asked for; not known: as many as are decoded at once."""
        engine = self.engines.find(record.model)
        size = engine.spec.sizes.get((record.aspect_ratio, record.resolution)) if engine else None
        return size.width * size.height if size else _PIXELS_AT_ONCE

    def write_with_retry(self, write: Callable[[], _T], *, retry_lost: bool = True) -> _T:
        """Call ``write``, which may be repeated, every second until the database accepts it.

        Raises the DatabaseError when the worker aborts first; StoreLost at once unless ``retry_lost``.
        """
        while True:
            try:
                written = write()
            except DatabaseError as error:
                self.write_refusal.begin(str(error))
                is_final = isinstance(error, StoreLost) and not retry_lost
                if is_final or self.aborting.wait(1.0):
                    raise
            else:
                self.write_refusal.end()
                return written

    def _save_task_id(
        self,
        db: database.Connection,
        record: Record,
        task_id: str,
        usage: Usage,
        watermark: bool | None,
    ) -> None:
        """Save the task id before polling.

        When the database is lost it is logged; polling goes on when that is a file, while a server is waited
        for. Raises ModelError when the id is not valid Unicode and cannot be stored; it is logged.
        """
        if whole_characters(task_id) != task_id:
            log.record_event("task_id_invalid", record, task_id=ascii(task_id))
            raise _invalid_task_id(task_id)
        save = partial(database.save_task_id, db, record, task_id, usage, watermark=watermark)
        try:
            self.write_with_retry(save, retry_lost=False)
        except StoreLost as lost:
            log.record_event("task_id_not_saved", record, task_id=task_id, why=str(lost))
            if not self.settings.database_url or isinstance(lost, StoreDamaged):
                return
            self.write_with_retry(save)
        log.record_event("task_id_saved", record)

    def _sleep(self, seconds: float) -> None:
        if self.aborting.wait(seconds):
            raise WorkerAborting


def _require_orderable(spec: ModelSpec, request: ImageRequest) -> None:
    """Raises InvalidRequest for what the model does not take, ModelRetired once its service ended it."""
    for problem in spec.unsupported(request):
        raise problem
    today = date.today()
    if spec.is_retired(today) and (notice := spec.retirement_notice(today)):
        raise ModelRetired(notice)


def _as_model_error(error: AppError) -> ModelError:
    """The errors before submission as ModelErrors: nothing was charged. OSS is tried again without limit."""
    if isinstance(error, BucketError):
        return ModelError(
            error.message, cause="oss", billed=Billed.NO, retryable=error.transient, throttled=True
        )
    if isinstance(error, InvalidRequest):
        return ModelError(error.message, cause="request", billed=Billed.NO)
    assert isinstance(error, ModelError)
    return error


def _as_unknown(error: ModelError) -> ModelError:
    is_quarantined = error.cause == "broken" and not error.retryable
    text = error.message if is_quarantined else _UNRECOVERABLE.get(error.cause, error.message)
    return ModelError(text, cause=error.cause, billed=Billed.UNKNOWN)


def _as_not_billed(error: ModelError, record: Record) -> ModelError:
    """The error of a request that is never charged: retryable up to MAX_FREE_RETRIES times.

    A network error becomes a service error: the connection was made, so the batch need not pause.
    """
    return ModelError(
        _ADVICE.get(error.cause, error.message),
        cause="service" if error.cause == "network" else error.cause,
        billed=Billed.NO,
        retryable=error.cause != "storage" and record.retries < MAX_FREE_RETRIES,
    )


def _as_expired(error: ModelError) -> ModelError:
    """The error after the last retry of a lost result: it was charged, only a user may submit again."""
    text = "图片的下载地址已失效，图片取不回来了；这一张已计费，重新生成会再付一次"
    return ModelError(text, cause="expired", billed=Billed.YES)


def _invalid_task_id(task_id: str) -> ModelError:
    shown = ascii(task_id.partition("?")[0])[1:-1][:100]  # the query of a URL may contain its signature
    text = message(
        "服务给的任务编号「{task_id}」不是完整的文字，图片取不回来，可能已计费，请先到控制台核对",
        task_id=shown,
    )
    return ModelError(text, cause="service", billed=Billed.UNKNOWN)


@contextmanager
def _spooled(content: bytes, folder: Path) -> Iterator[IO[bytes]]:
    """The bytes as a file, on disk if large: many images at once wait for their turn to be decoded.

    The caller drops its own reference. A disk that refuses leaves them in memory.
    """
    file: IO[bytes] = BytesIO(content)
    if len(content) > _MAX_BYTES_IN_MEMORY:
        with suppress(OSError):
            file = _on_disk(content, folder)
    del content
    with closing(file):
        yield file


def _on_disk(content: bytes, folder: Path) -> IO[bytes]:
    """A temporary file, deleted when it is closed or the process is killed; visible on Windows."""
    file = TemporaryFile(dir=folder, prefix=".", suffix=".part", buffering=0)  # noqa: SIM115 - closed by the caller
    try:
        file.write(content)
    except OSError:
        file.close()
        raise
    return file
