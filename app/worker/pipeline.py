"""The path of one record, from its claim to the saved image.

Starts no thread. Only ``Pipeline.produce`` submits, which is the step that costs money.
"""

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
from typing import IO, Any, TypeVar

import database
import generator
from app import log
from app.config import Settings
from app.domain import (
    GeneratedImage,
    ModelSpec,
    Record,
    Reference,
    SavedImage,
    Status,
    whole_characters,
)
from app.domain.ledger import ReportedUsage
from app.errors import (
    Billed,
    BucketError,
    DatabaseError,
    DiskError,
    InvalidRequest,
    ModelError,
    StoreDamaged,
    StoreLost,
    WriteRefused,
    message,
)
from app.images import decode
from app.library.library import Library
from app.library.outputs import Outputs
from app.worker.availability import DiskSpace, OssLost
from app.worker.concurrency import DecodeLimit, Permit
from app.worker.decision import ModelRetired
from app.worker.engines import Engine, Engines
from app.worker.saving import Editing, Saving, as_the_model_takes_them, with_watermark

_MAX_BYTES_IN_MEMORY = 1_000_000  # a larger image waits in a temporary file until it is decoded
_DECODES_AT_ONCE = 2
_PIXELS_AT_ONCE = 24_000_000  # two of 2K, or one of 4K, which takes 50 to 70 MB decoded

_T = TypeVar("_T")


class WorkerAborting(Exception):
    """The worker is aborting: the record is released for a later claim."""


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
    write_refusal: log.Condition  # begins when the database refuses a write
    claimed_ids: list[int] = field(default_factory=list)  # one twice while another thread ends with it
    decode_limit: DecodeLimit = field(default_factory=lambda: DecodeLimit(_DECODES_AT_ONCE, _PIXELS_AT_ONCE))
    note_refusal: log.Condition = field(
        default_factory=lambda: log.Condition("worker", begun="charge_not_noted", ended="charges_noted")
    )

    saving: Saving = field(init=False)
    editing: Editing = field(init=False)

    def __post_init__(self) -> None:
        self.editing = Editing(library=self.library, outputs=self.outputs, decode_limit=self.decode_limit)
        self.saving = Saving(outputs=self.outputs, decode_limit=self.decode_limit, aborting=self.aborting)

    def produce(self, db: database.Connection, record: Record, engine: Engine, permit: Permit) -> SavedImage:
        """Submit the record to its model, or fetch it if it was submitted, then save its image.

        ``permit`` of the engine is released as soon as the provider is done. Raises the errors that
        ``decide`` takes, and WorkerAborting, BatchNotActive, WriteRefused, StoreLost (requeue the record) or
        LeaseLost (leave it).
        """
        may_be_saved = record.attempts > 1 or not self.outputs.in_oss  # asking OSS takes a call
        if may_be_saved and (saved := self._adopted(db, record)):
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
        tagged = image.tagged
        laid: dict[str, Any] = {}
        if record.is_masked:
            image, laid = self.editing.lay_over(record, image)
        with _spooled(image.content, self.settings.output_dir) as file:
            del image
            pixels, has_task = self._pixels(record), bool(task_id)
            saved = self.saving.save(db, record, file, seed, pixels=pixels, has_task=has_task)
        saved = with_watermark(saved, watermark)
        tags = {} if tagged is None else {"tagged": tagged}
        return replace(saved, marks={**saved.marks, **tags, **laid})

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
        if record.is_masked and "laid" not in saved.marks:
            saved = replace(saved, marks={**saved.marks, **self.editing.measured(record, saved)})
        finish = partial(database.finish_record, to_bucket=self.outputs.are_copied, statuses=statuses)
        ended = self.write_with_retry(lambda: finish(db, record, saved))
        if ended and saved.oss_key:
            self.saving.settle(record, saved)
        size = f"{saved.width}x{saved.height}"
        facts["drops_another"] = saved.drops_another or None
        log.record_event(
            "finished" if ended else "lease_lost", record, bytes=saved.file_size, size=size, **facts
        )

    def _submit(
        self, db: database.Connection, record: Record, provider: generator.Provider
    ) -> tuple[str, GeneratedImage | None, float]:
        """Open the charge and submit the record once -> its task id, which is stored, or the image itself;
        and when it was submitted (monotonic)."""
        spec, request = provider.spec, record.request
        for unsupported in spec.unsupported(request):
            raise unsupported
        today = date.today()
        if spec.is_retired(today) and (notice := spec.retirement_notice(today)):
            raise ModelRetired(notice)
        references = self._fitted(self.library.resolve(record.sample_images, spec), spec)
        if record.is_masked:
            references = as_the_model_takes_them(references, spec)
        self.disk.require(len(self.claimed_ids))
        if problem := self.outputs.check():
            raise OssLost(problem)
        self.store_guard.require(db)
        price = spec.price(request)
        is_free = spec.self_hosted and price == 0
        charge = self._open_charge(db, record, price, is_free=is_free)
        log.record_event("submitted", record, charge=charge, price=price)
        began = time.monotonic()
        result = generator.submit(provider, request, references)
        usage = ReportedUsage(
            charge_id=charge, counts=result.usage, references=len(request.pictures), cost=result.cost
        )
        if result.image is None:
            self._save_task_id(db, record, result.task_id or "", usage, spec.watermark)
        elif usage.counts or usage.cost is not None:
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
            charge = database.open_charge(db, record, price=price, budget=budget, is_free=is_free)
        except StoreLost:
            self.write_with_retry(lambda: database.withdraw_charge(db, record))
            raise
        try:
            database.note_sent(db, charge)
        except WriteRefused as error:
            self.note_refusal.begin(str(error))
        return charge

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
        limits, fitted = spec.reference_limits, list(references)
        if not (limits and limits.recompresses):
            return fitted
        for index, reference in enumerate(references):
            if len(reference.content or b"") <= limits.max_bytes:
                continue
            content = None
            with self.decode_limit.hold(_PIXELS_AT_ONCE), suppress(decode.InvalidImage):
                content = decode.jpeg_within(reference.content or b"", limits.max_bytes)
            if not content:
                text = "参考图「{filename}」太大，压缩以后也放不进请求，没有生成，也没有计费"
                raise InvalidRequest("sample_images", text, filename=reference.filename)
            fitted[index] = replace(reference, content=content, media_type="image/jpeg")
        return fitted

    def _pixels(self, record: Record) -> int:
        """The pixels that the service was asked for; not known: as many as are decoded at once."""
        engine = self.engines.find(record.model)
        with suppress(KeyError):
            return engine.spec.size(record.request).area if engine else _PIXELS_AT_ONCE
        return _PIXELS_AT_ONCE

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
        usage: ReportedUsage,
        watermark: bool | None,
    ) -> None:
        """Save the task id before polling.

        When the database is lost it is logged; polling goes on when that is a file, while a server is waited
        for. Raises ModelError when the id is not valid Unicode and cannot be stored; it is logged.
        """
        if whole_characters(task_id) != task_id:
            log.record_event("task_id_invalid", record, task_id=ascii(task_id))
            shown = ascii(task_id.partition("?")[0])[1:-1][:100]  # the query may contain a signature
            text = "服务给的任务编号「{task_id}」不是完整的文字，图片取不回来，可能已计费，请先到控制台核对"
            error = message(text, task_id=shown)
            raise ModelError(error, cause="service", billed=Billed.UNKNOWN)
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
