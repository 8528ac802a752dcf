"""Makes the files of a delivery from the originals, a second at a time.

Finished files wait in ``OUTPUT_DIR/.deliveries/<id>`` for a day. A line of its journal says what was made; a
file without one, as after a crash, is made again.
"""

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import database
from app.delivery.checks import check
from app.delivery.plan import File
from app.delivery.profiles import finish_of, stored_profile
from app.delivery.store import Delivery
from app.errors import BucketError, NotFound, from_json, to_json
from app.images import atomic_write, store
from app.images.finishing import CannotFinish, finish
from app.library.output_backup import OutputBackup
from app.library.outputs import Outputs
from app.system import windows_files
from app.web.downloads import map_ahead

_THREADS = max(1, min(4, (os.cpu_count() or 1) // 2))  # each needs 25 MB; pages need the other cores
_READ_AT_ONCE = 100  # records
_JOURNAL = "made.jsonl"


@dataclass(frozen=True, slots=True)
class Originals:
    """Where the originals are read: a folder with copies in OSS, or OSS."""

    outputs: Outputs
    copies: OutputBackup | None

    def key(self, db: database.Connection, filename: str) -> str:
        """The key of an image in OSS; empty when it has none, or is not looked for there."""
        return database.find_output_copy(db, filename) if self.outputs.in_oss or self.copies else ""

    def read(self, filename: str, key: str) -> bytes:
        """The bytes of an original. Raises NotFound and BucketError."""
        if self.outputs.in_oss and key:
            return self.outputs.read(filename, key)
        with suppress(NotFound, OSError):
            path = store.open_output(self.outputs.folder, filename)
            return windows_files.retry_while_locked(path.read_bytes)
        if self.copies and key:
            return self.copies.fetch(key)
        raise NotFound("原图读不出来，可能已被移走或删除，请重新生成这一张")


class Maker:
    """Makes the files of one delivery; ``files`` are all of them as far as they are made."""

    def __init__(self, delivery: Delivery, originals: Originals) -> None:
        self.delivery, self.originals = delivery, originals
        self.profile = stored_profile(delivery.fields)
        self._wanted = finish_of(self.profile)
        self._output_dir = originals.outputs.folder
        self._folder = self._output_dir / store.DELIVERIES / delivery.id
        self.files = [*delivery.files]
        self._read_journal()

    @property
    def missing(self) -> list[int]:
        """The indexes of the files that are still to be made."""
        return [index for index, file in enumerate(self.files) if file.is_open]

    def total(self) -> dict[str, int]:
        """Numbers of files, and bytes of those that are made."""
        sizes = [file.bytes for file in self.files if file.bytes is not None]
        failed = sum(file.error is not None for file in self.files)
        return {"files": len(self.files), "made": len(sizes), "failed": failed, "bytes": sum(sizes)}

    def make(self, db: database.Connection, *, seconds: float = float("inf")) -> Iterator[File]:
        """Make what is missing, in order, until the time is over; yields each as it is finished.

        Raises DiskError when the disk is full, and BucketError while OSS is out of reach.
        """
        until = time.monotonic() + seconds

        def work(job: tuple[int, str, str]) -> File | None:
            return self._make_one(*job) if time.monotonic() < until else None

        missing = self.missing
        with atomic_write.translate_os_errors(self._output_dir):
            self._folder.mkdir(parents=True, exist_ok=True)
            results = map_ahead(work, self._list_originals(db, missing), threads=_THREADS, ahead=_THREADS)
            with (self._folder / _JOURNAL).open("a", encoding="utf-8") as journal:
                for index, file in zip(missing, results, strict=False):
                    if file is None:
                        return
                    journal.write(f"{to_json([index, *file])}\n")
                    journal.flush()
                    self.files[index] = file
                    yield file

    def _list_originals(
        self, db: database.Connection, indexes: Sequence[int]
    ) -> Iterator[tuple[int, str, str]]:
        """(index, file name, key in OSS) of each original; the name is empty if its record was deleted."""
        for start in range(0, len(indexes), _READ_AT_ONCE):
            ids = {index: self.files[index].record_id for index in indexes[start : start + _READ_AT_ONCE]}
            records = database.list_selected(db, sorted({*ids.values()}))
            names = {record.id: record.filename for record in records}
            for index, record_id in ids.items():
                name = names.get(record_id, "")
                yield index, name, self.originals.key(db, name) if name else ""

    def _make_one(self, index: int, filename: str, key: str) -> File:
        """Make a file, or say why it cannot be made. Called by several threads."""
        file = self.files[index]
        try:
            if not filename:
                raise NotFound("这张图片已被删除，请恢复以后重新交付")
            made = finish(self.originals.read(filename, key), self._wanted)
        except (CannotFinish, NotFound, BucketError) as error:
            if isinstance(error, BucketError) and error.transient:
                raise
            return file._replace(error=error.message)
        part = self._folder / f"{index}.{secrets.token_hex(8)}.part"
        try:
            part.write_bytes(made.content)
            windows_files.replace(part, self._path(index))
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

    def content(self, index: int) -> bytes:
        """A finished file as it was made; empty when it was changed or deleted: it is made again then."""
        path = self._path(index)
        with suppress(OSError):
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() == self.files[index].sha256:
                return content
            path.unlink()
        return b""

    def _path(self, index: int) -> Path:
        return self._folder / f"{index}"

    def forget(self) -> None:
        """Delete the finished files."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read_journal(self) -> None:
        with suppress(OSError):
            for line in (self._folder / _JOURNAL).read_text("utf-8").splitlines():
                # the last line of a killed process; a file that was deleted
                with suppress(ValueError, TypeError, OSError):
                    index, *fields = from_json(line)
                    file = File(*fields)
                    if file.error or self._path(index).stat().st_size == file.bytes:
                        self.files[index] = file
