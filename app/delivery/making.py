"""Makes the files of a delivery from the originals, a second at a time, and sends or copies them as one.

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
from app.delivery.note import Made
from app.delivery.profiles import finish_of, read_profile
from app.delivery.store import Delivery, filenames
from app.errors import BucketError, NotFound
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
    """Makes the files of one delivery; ``made`` are those that are made or cannot be, by their place."""

    def __init__(self, delivery: Delivery, originals: Originals) -> None:
        self.delivery, self._originals = delivery, originals
        self.profile = read_profile(delivery.profile, delivery.fields)
        self._wanted = finish_of(self.profile)
        self._output_dir = originals.outputs.folder
        self._folder = self._output_dir / store.DELIVERIES / delivery.id
        self.made = self._read_journal()

    @property
    def missing(self) -> list[int]:
        """The places of the files that are still to be made."""
        return [number for number in range(len(self.delivery.files)) if number not in self.made]

    def total(self) -> dict[str, int]:
        """Numbers of files, and bytes of those that are made."""
        failed = sum(made.error is not None for made in self.made.values())
        size = sum(made.bytes for made in self.made.values())
        files = len(self.delivery.files)
        return {"files": files, "made": len(self.made) - failed, "failed": failed, "bytes": size}

    def make(self, db: database.Connection, *, seconds: float = float("inf")) -> Iterator[tuple[int, Made]]:
        """Make what is missing, in order, until the time is over; (place, file) as each is finished.

        Raises DiskError when the disk is full, and BucketError while OSS is out of reach.
        """
        until = time.monotonic() + seconds

        def work(job: tuple[int, str, str]) -> Made | None:
            return self._make_one(*job) if time.monotonic() < until else None

        missing = self.missing
        with atomic_write.translate_os_errors(self._output_dir):
            self._folder.mkdir(parents=True, exist_ok=True)
            results = map_ahead(work, self._found(db, missing), threads=_THREADS, ahead=_THREADS)
            with (self._folder / _JOURNAL).open("a", encoding="utf-8") as journal:
                for number, made in zip(missing, results, strict=False):
                    if made is None:
                        return
                    journal.write(f"{made.to_json(number)}\n")
                    journal.flush()
                    self.made[number] = made
                    yield number, made

    def _found(self, db: database.Connection, numbers: Sequence[int]) -> Iterator[tuple[int, str, str]]:
        """(place, file name, key in OSS) of the originals; empty names: deleted."""
        ids = {number: self.delivery.files[number].record_id for number in numbers}
        for start in range(0, len(numbers), _READ_AT_ONCE):
            some = numbers[start : start + _READ_AT_ONCE]
            names = filenames(db, {ids[number] for number in some})
            for number in some:
                filename = names.get(ids[number], "")
                yield number, filename, self._originals.key(db, filename) if filename else ""

    def _make_one(self, number: int, filename: str, key: str) -> Made:
        """Make a file, or say why it cannot be made. Called by several threads."""
        try:
            if not filename:
                raise NotFound("这张图片已被删除，请恢复以后重新交付")
            done = finish(self._originals.read(filename, key), self._wanted)
        except (CannotFinish, NotFound) as error:
            return Made(error=error.message)
        except BucketError as error:
            if error.transient:
                raise
            return Made(error=error.message)
        made = Made(
            bytes=len(done.content),
            width=done.width,
            height=done.height,
            sha256=hashlib.sha256(done.content).hexdigest(),
            checks=check(self.profile, self.delivery.files[number].path, done, done.source),
            changes=done.changes,
            has_mark=done.aigc is not None,
            c2pa=done.c2pa,
        )
        part = self._folder / f"{number}.{secrets.token_hex(8)}.part"
        try:
            part.write_bytes(done.content)
            windows_files.replace(part, self._path(number))
        finally:
            part.unlink(missing_ok=True)
        return made

    def content(self, number: int) -> bytes:
        """A finished file as it was made; empty when it was changed or deleted: it is made again then."""
        path = self._path(number)
        with suppress(OSError):
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() == self.made[number].sha256:
                return content
            path.unlink()
        return b""

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}"

    def forget(self) -> None:
        """Delete the finished files."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read_journal(self) -> dict[int, Made]:
        found: dict[int, Made] = {}
        with suppress(OSError):
            for line in (self._folder / _JOURNAL).read_text("utf-8").splitlines():
                # the last line of a killed process; a file that was deleted
                with suppress(ValueError, KeyError, TypeError, OSError):
                    number, made = Made.from_json(line)
                    if made.error or self._path(number).stat().st_size == made.bytes:
                        found[number] = made
        return found
