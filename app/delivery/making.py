"""Makes the files of a delivery from the originals, a second at a time.

Finished files wait in ``OUTPUT_DIR/.deliveries/<id>`` for a day; the database has what was made and its hash.
"""

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import database
from app.delivery.checks import check
from app.delivery.naming import DeliveryFile
from app.delivery.profiles import finish_of, stored_profile
from app.delivery.sql import Delivery, reopen_files, save_file
from app.errors import BucketError, Conflict, NotFound
from app.images import atomic_write, store
from app.images.finishing import CannotFinish, finish
from app.system import windows_files
from app.web.downloads import map_ahead
from app.web.originals import Originals

_THREADS = max(1, min(4, (os.cpu_count() or 1) // 2))  # each needs 25 MB; pages need the other cores
_READ_AT_ONCE = 100  # records


class Maker:
    """Makes the files of one delivery."""

    def __init__(self, delivery: Delivery, originals: Originals) -> None:
        self.delivery, self.originals = delivery, originals
        self.profile = stored_profile(delivery.fields)
        self._wanted = finish_of(self.profile)
        self._output_dir = originals.outputs.folder
        self._folder = self._output_dir / store.DELIVERIES / delivery.id

    def make(
        self, db: database.Connection, files: Iterable[DeliveryFile], *, seconds: float = float("inf")
    ) -> Iterator[DeliveryFile]:
        """Make these files, in order, until the time is over; yields each as it is finished and stored.

        Raises DiskError when the disk is full, and BucketError while OSS is out of reach.
        """
        until = time.monotonic() + seconds

        def work(job: tuple[DeliveryFile, str, str]) -> DeliveryFile | None:
            return self._make_one(*job) if time.monotonic() < until else None

        with atomic_write.translate_os_errors(self._output_dir):
            self._folder.mkdir(parents=True, exist_ok=True)
            jobs = self._with_originals(db, iter(files))
            for file in map_ahead(work, jobs, threads=_THREADS, ahead=_THREADS):
                if file is None:
                    return
                save_file(db, self.delivery.id, file)
                yield file

    def _with_originals(
        self, db: database.Connection, files: Iterator[DeliveryFile]
    ) -> Iterator[tuple[DeliveryFile, str, str]]:
        """(file, file name, key in OSS) of each original; the name is empty if its record was deleted."""
        while some := [*islice(files, _READ_AT_ONCE)]:
            records = database.list_selected(db, sorted({file.record_id for file in some}))
            names = {record.id: record.filename for record in records}
            for file in some:
                name = names.get(file.record_id, "")
                yield file, name, self.originals.key(db, name) if name else ""

    def _make_one(self, file: DeliveryFile, filename: str, key: str) -> DeliveryFile:
        """Make a file, or say why it cannot be made. Called by several threads."""
        try:
            if not filename:
                raise NotFound("这张图片已被删除，请恢复以后重新交付")
            made = finish(self.originals.read(filename, key), self._wanted)
        except (CannotFinish, NotFound, BucketError) as error:
            if isinstance(error, BucketError) and error.transient:
                raise
            return file._replace(error=error.message)
        part = self._folder / f"{file.number}.{secrets.token_hex(8)}.part"
        try:
            part.write_bytes(made.content)
            windows_files.replace(part, self._path(file))
        except FileNotFoundError as error:
            raise NotFound("没有这次交付，可能已被删除") from error
        finally:
            part.unlink(missing_ok=True)
        return file._replace(
            width=made.width,
            height=made.height,
            bytes=len(made.content),
            checks=check(self.profile, file.name, made, made.source),
            changes=made.changes,
            sha256=hashlib.sha256(made.content).hexdigest(),
            has_mark=made.aigc is not None,
            c2pa=made.c2pa,
        )

    def content(self, db: database.Connection, file: DeliveryFile) -> bytes:
        """A finished file as it was made, made once more if it is not here: changed, deleted, a day old, or
        made by another machine. Raises Conflict if that gives other bytes; all are made anew then."""
        for is_last in (False, True):
            with suppress(OSError):
                content = self._path(file).read_bytes()
                if hashlib.sha256(content).hexdigest() == file.sha256:
                    return content
            if not is_last:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._make_one(*next(self._with_originals(db, iter([file]))))
        reopen_files(db, self.delivery.id)
        raise Conflict("做好的「{path}」已经不在，再做一次也和原来的不同，请重新下载", path=file.name)

    def _path(self, file: DeliveryFile) -> Path:
        return self._folder / f"{file.number}"

    def forget(self) -> None:
        """Delete the finished files."""
        shutil.rmtree(self._folder, ignore_errors=True)
