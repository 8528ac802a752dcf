"""Pictures and a workbook of their parameters as one ZIP, written while it is sent: never whole anywhere."""

import contextlib
import io
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO

import database
from app import sheets
from app.config import Settings
from app.domain import file_key
from app.errors import BucketError, NotFound
from app.images import store
from app.library.output_backup import OutputBackup
from app.web.i18n.language import Translate

WORKBOOK = "生成记录.xlsx"
MISSING = "缺少的图片.txt"
_PIECE = 256 * 1024


class WriteBuffer:
    """What the ZIP is written into: holds the bytes until they are sent on. It cannot seek, nor need it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        """Take some bytes."""
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing to do."""

    def emptied(self) -> bytes:
        """What was written since the last call."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


class UniqueNames:
    """Names for the entries: each picture once, no two names that differ only in letter case."""

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._files: set[str] = set()

    def give(self, filename: str) -> str | None:
        """The name of its entry, or None when this picture is in already."""
        if filename in self._files:
            return None
        self._files.add(filename)
        stem, dot, ending = filename.rpartition(".")
        name, number = filename, 1
        while file_key(name) in self._given:
            number += 1
            name = f"{stem}-{number}{dot}{ending}"
        self._given.add(file_key(name))
        return name


class ImageSource:
    """Where a picture is read from: its file, else its copy in OSS, until OSS fails once."""

    def __init__(self, output_dir: Path, copies: OutputBackup | None) -> None:
        self._output_dir = output_dir
        self._copies = copies

    def open(self, db: database.Connection, filename: str, name: str) -> tuple[zipfile.ZipInfo, IO[bytes]]:
        """Its entry of that name, and its bytes. Raises NotFound or OSError."""
        try:
            path = store.open_output(self._output_dir, filename)
            return zipfile.ZipInfo.from_file(path, name, strict_timestamps=False), path.open("rb")
        except (NotFound, OSError):
            return zipfile.ZipInfo(name, time.localtime()[:6]), io.BytesIO(self._copy(db, filename))

    def _copy(self, db: database.Connection, filename: str) -> bytes:
        key = database.find_output_copy(db, filename)
        if self._copies is None or not key:
            raise NotFound("找不到这张图片，可能已被移走或删除")
        try:
            return self._copies.fetch(key)
        except BucketError as trouble:
            self._copies = None  # a thousand others must not wait for it as well
            raise NotFound(trouble.message) from trouble


def stream_archive(
    settings: Settings, ids: Sequence[int], copies: OutputBackup | None = None, *, tell: Translate = str
) -> Iterator[bytes]:
    """The ZIP of these records' pictures, piece by piece; a picture that is gone is named in a text.

    ``tell`` gives its own words in another language.
    """
    pipe, names, missing = WriteBuffer(), UniqueNames(), []
    sources = ImageSource(settings.output_dir, copies)
    with (
        closing(database.connect(settings.database_path)) as db,
        zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as bundle,  # type: ignore[call-overload]
    ):
        for record in database.list_selected(db, ids):
            name = names.give(record.filename) if record.filename else None
            if name is None:
                continue
            try:
                entry, file = sources.open(db, record.filename, name)
            except (NotFound, OSError):
                missing.append(f"{record.id}\t{record.filename}")
                continue
            yield from _sent(bundle, entry, file, pipe)
        entry = zipfile.ZipInfo(tell(WORKBOOK), time.localtime()[:6])
        workbook = sheets.write_records(database.list_selected(db, ids), tell=tell)
        yield from _sent(bundle, entry, workbook, pipe)
        if missing:
            lines = [tell("这些记录的图片已不在 output 文件夹里（编号、文件名）："), *missing, ""]
            bundle.writestr(tell(MISSING), "\r\n".join(lines).encode("utf-8-sig"))
    yield pipe.emptied()


def _sent(
    bundle: zipfile.ZipFile, entry: zipfile.ZipInfo, file: IO[bytes], pipe: WriteBuffer
) -> Iterator[bytes]:
    with contextlib.closing(file), bundle.open(entry, "w") as target:
        while piece := file.read(_PIECE):
            target.write(piece)
            yield pipe.emptied()
