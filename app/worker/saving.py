"""Saves the images of records, on disk and then in OSS when that stores them; finds those of a crash.

Those that were changed through a mask are laid over their picture first.
Starts no thread. An image that OSS does not have yet stays in ``.saving`` on this machine.
"""

import re
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import database
from app import log
from app.domain import GeneratedImage, ModelSpec, PauseCause, Record, Reference, SavedImage, Status
from app.errors import (
    AppError,
    Billed,
    BucketError,
    DatabaseError,
    DiskError,
    Message,
    ModelError,
    NotFound,
    message,
)
from app.images import answers, masks, sidecar, store
from app.images.decode import InvalidImage
from app.images.marks import MarkLost
from app.images.metadata import format_parameters
from app.library.library import Library
from app.library.outputs import SAVING, Outputs
from app.worker.concurrency import DecodeLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class Editing:
    """Lays the answers of services over the pictures that they changed."""

    library: Library
    outputs: Outputs
    decode_limit: DecodeLimit

    def lay_over(self, record: Record, image: GeneratedImage) -> tuple[GeneratedImage, dict[str, Any]]:
        """The picture to save, of a record with a mask, and its mark ``laid`` (``app.domain.records``).

        The answer is kept beside. One that cannot be laid over is the picture itself.
        """
        laid = self._laid(record, image.content)
        if laid is None:
            return image, {"laid": False}
        try:
            answers.keep(self.outputs.folder, record.id, image.content)
        except DiskError as error:  # the picture is worth more: saving it waits for the disk
            log.record_event("answer_not_kept", record, why=str(error))
        return replace(image, content=laid.content), {"laid": laid.seam}

    def measured(self, record: Record, saved: SavedImage) -> dict[str, Any]:
        """The mark ``laid`` of a picture that was saved before a crash, from the answer beside it."""
        with suppress(NotFound, BucketError):
            if laid := self._laid(record, self.outputs.answer(record.id, saved.oss_key)):
                return {"laid": laid.seam}
        return {"laid": False}

    def _laid(self, record: Record, answer: bytes) -> masks.Laid | None:
        edit = record.request.edit
        assert edit
        try:
            original, mask = self.library.contents(record.sample_images)
            with self.decode_limit.hold(2 * edit.width * edit.height):
                return masks.lay_over(original, answer, mask)
        except (AppError, InvalidImage, MarkLost, OSError, ValueError) as error:
            log.record_event("not_laid_over", record, why=str(error))
            return None


def as_the_model_takes_them(references: Sequence[Reference], spec: ModelSpec) -> list[Reference]:
    """A picture and its mask in the form of the model; without it for a model that takes boxes."""
    if not (spec.edit and len(references) > 1):
        return list(references)
    picture, mask = references[:2]
    if spec.edit.takes == "boxes":
        return [picture]
    if spec.edit.mask_form == "alpha":
        mask = replace(mask, content=masks.as_alpha(mask.content or b""))
    return [picture, mask]


# How a record may have ended while only this machine has its image: another machine found its result expired
# at the service, for example, or the user has written off its charge.
WITHOUT_IMAGE = (Status.UNKNOWN, Status.FAILED, Status.CANCELLED)
_RETRY_SECONDS = 600.0
_NOT_UPLOADED = "图片已生成，在这台机器上，还没存进 OSS（{why}）；恢复后在这台机器上启动程序，会自动存入"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """Saves images. ``aborting`` is set when the worker stops at once."""

    outputs: Outputs
    decode_limit: DecodeLimit
    aborting: threading.Event
    _left: set[str] = field(default_factory=set)  # files that are not the image of their record

    def save(
        self,
        db: database.Connection,
        record: Record,
        file: IO[bytes],
        seed: int | None,
        *,
        pixels: int,
        has_task: bool,
    ) -> SavedImage:
        """Save the image; while the disk or OSS refuses, pause the batch and keep trying.

        Raises ModelError when the worker stops, and after ten minutes if it can be fetched again.
        """
        text = format_parameters(record.request, None, record.model, record.id, seed)
        folder = self.outputs.folder
        stem, subfolder = (str(record.id), SAVING) if self.outputs.in_oss else (record.reserved_stem, "")
        deadline = time.monotonic() + _RETRY_SECONDS
        while True:
            try:
                with self.decode_limit.hold(pixels):
                    image = GeneratedImage(content=_read(file), seed=seed)
                    saved = store.save_image(
                        image,
                        output_dir=folder,
                        stem=stem,
                        record_id=record.id,
                        embed=text,
                        subfolder=subfolder,
                    )
                break
            except DiskError as error:
                pause_batch(db, record, error.message, cause=PauseCause.DISK, blocks_fetches=True)
                if self.aborting.is_set() or (has_task and time.monotonic() > deadline):
                    why = message("图片已生成，但没能保存：{why}", why=error.message)
                    raise ModelError(why, cause="storage", billed=Billed.YES, task_valid=True) from error
            self.aborting.wait(2.0)
            with suppress(DiskError):  # a folder that is back may hold temporary files
                store.remove_part_files(folder)
        if not self.outputs.in_oss:
            return saved
        return self._store(db, record, saved, folder / subfolder / saved.filename, has_task=has_task)

    def adopt(
        self, db: database.Connection, record: Record, *, keeps_trying: bool = False
    ) -> SavedImage | None:
        """The image of this record that was saved before a crash, also in OSS now; None without one.

        Raises DiskError when the folder cannot be read, BucketError when OSS does not answer; while OSS
        refuses an image, ``keeps_trying`` does as ``save``.
        """
        find = partial(store.find_saved, record_id=record.id, prompt=record.prompt)
        folder, saving = self.outputs.folder, self.outputs.folder / SAVING
        saved = find(folder, stem=record.reserved_stem)
        in_oss = self.outputs.in_oss
        if not saved and in_oss and saving.is_dir():
            folder, saved = saving, find(saving, stem=str(record.id))
        if not saved and in_oss:
            saved = self._find_in_oss(record)
        elif saved and in_oss and keeps_trying:
            path = folder / saved.filename
            saved = self._store(db, record, saved, path, has_task=bool(record.task_id))
        elif saved and in_oss:
            found, saved = saved, None
            with suppress(NotFound):  # the record was finished, and its file moved, since it was found
                saved = self._upload(record, found, folder / found.filename)
        return saved and with_watermark(saved, record.marks["visible"])

    def leftovers(
        self, db: database.Connection, claimed_ids: Collection[int]
    ) -> Iterator[tuple[Record, SavedImage]]:
        """Records that ended without their image, which only this machine had, and the images, now in OSS:
        saved before OSS was lost or the process ended. Moves what OSS had already into the cache.

        Raises BucketError.
        """
        with suppress(OSError):
            for path in list((self.outputs.folder / SAVING).iterdir()):
                number = re.match(r"[1-9][0-9]{0,17}", path.name)
                if number is None or int(number[0]) in claimed_ids or path.name in self._left:
                    continue
                record = database.get_record_or_none(db, int(number[0]))
                if record and record.status in WITHOUT_IMAGE:
                    if saved := self.adopt(db, record):
                        yield record, saved
                        continue
                elif record and (key := database.find_output_copy(db, record.filename)):
                    self._settle(path, key, record.id, record.sha256)
                else:
                    continue
                if path.exists():
                    self._left.add(path.name)
                    log.record_event("image_left", record, path=path)

    def settle(self, record: Record, saved: SavedImage) -> None:
        """Move the file of a finished record that OSS has into the cache; with a lost claim it stays."""
        for path in (self.outputs.folder / SAVING).glob(f"{record.id}[.-]*"):
            self._settle(path, saved.oss_key, record.id, saved.sha256)
        with suppress(OSError):
            answers.delete(self.outputs.folder, record.id)

    def _settle(self, path: Path, key: str, record_id: int, sha256: str) -> None:
        """Move a file of ``.saving`` into the cache, unless it is not the image of this key in OSS."""
        self.outputs.settle(path, key)
        if not path.exists():
            with suppress(OSError):
                sidecar.delete(path.parent, sha256, record_id)

    def _store(
        self, db: database.Connection, record: Record, saved: SavedImage, path: Path, *, has_task: bool
    ) -> SavedImage:
        """Upload the image; while OSS refuses, pause the batch and keep trying.

        Without a task id no other machine can get the image, so it is tried until the worker stops.
        """
        deadline = time.monotonic() + _RETRY_SECONDS
        paused_for: Message | None = None
        while True:
            try:
                return self._upload(record, saved, path)
            except BucketError as error:
                problem = self.outputs.problem()
                if problem and problem != paused_for:
                    pause_batch(db, record, problem, cause=PauseCause.DISK, blocks_fetches=True)
                    paused_for = problem
                if self.aborting.is_set() or (has_task and time.monotonic() > deadline):
                    why = message(_NOT_UPLOADED, why=error.message)
                    raise ModelError(why, cause="upload", billed=Billed.YES, task_valid=True) from error
            self.aborting.wait(2.0)

    def _upload(self, record: Record, saved: SavedImage, path: Path) -> SavedImage:
        name = _name_of(record, path)
        thumbnail = store.thumbnail_path(self.outputs.folder, record.id)
        answer = answers.find(self.outputs.folder, record.id)
        key = self.outputs.upload(path, name=name, thumbnail=thumbnail, answer=answer)
        return replace(saved, filename=name, oss_key=key)

    def _find_in_oss(self, record: Record) -> SavedImage | None:
        """The image that another machine, or this one, uploaded before a crash."""
        for key, content in self.outputs.named(Path(_name_of(record, Path())).stem):
            name = _name_of(record, Path(key))
            beside = self.outputs.texts(content)
            saved = store.read_own(content, name, record_id=record.id, prompt=record.prompt, beside=beside)
            if saved:
                return replace(saved, oss_key=key)
        return None


def with_watermark(saved: SavedImage, watermark: bool | None) -> SavedImage:
    """The image with what is known of its visible mark."""
    return replace(saved, marks={"visible": watermark, **saved.marks})


def pause_batch(
    db: database.Connection,
    record: Record,
    reason: Message,
    *,
    cause: PauseCause,
    blocks_fetches: bool = False,
) -> None:
    """Pause the record's batch, if it has one."""
    if record.batch_id:
        model = None if cause is PauseCause.DISK else record.model
        with suppress(DatabaseError):  # the next record with the same error pauses it
            database.pause_batch(
                db, record.batch_id, reason, cause=cause, stops_fetching=blocks_fetches, model=model
            )
        log.record_event("paused", record, why=reason)


def _name_of(record: Record, path: Path) -> str:
    """The file name of the record's image in OSS: as reserved, and so unique between machines."""
    return (record.reserved_stem or str(record.id)) + path.suffix


def _read(file: IO[bytes]) -> bytes:
    try:
        file.seek(0)
        return file.read()
    except OSError as error:
        raise DiskError("磁盘读不出刚收到的图片（{error}），请检查磁盘", error=error) from error
