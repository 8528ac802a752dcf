"""Streams images and a workbook of their parameters as a ZIP that is never stored as a whole."""

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
    """Unseekable output of the ZIP; buffers the bytes until they are sent."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        """Buffer some bytes."""
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Do nothing."""

    def emptied(self) -> bytes:
        """Return and clear the buffered bytes."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


class UniqueNames:
    """Entry names: each image once, unique ignoring case."""

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._files: set[str] = set()

    def give(self, filename: str) -> str | None:
        """The entry name of an image, or None when it is already included."""
        if filename in self._files:
            return None
        self._files.add(filename)
        base_name, dot, ending = filename.rpartition(".")
        name, number = filename, 1
        while file_key(name) in self._given:
            number += 1
            name = f"{base_name}-{number}{dot}{ending}"
        self._given.add(file_key(name))
        return name


class ImageSource:
    """Reads an image from its file, else from its copy in OSS, until OSS fails once."""

    def __init__(self, output_dir: Path, copies: OutputBackup | None) -> None:
        self._output_dir = output_dir
        self._copies = copies

    def open(self, db: database.Connection, filename: str, name: str) -> tuple[zipfile.ZipInfo, IO[bytes]]:
        """The ZIP entry and the open file. Raises NotFound or OSError."""
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
        except BucketError as error:
            self._copies = None  # do not wait for OSS again for every other image
            raise NotFound(error.message) from error


def stream_archive(
    settings: Settings, ids: Sequence[int], copies: OutputBackup | None = None, *, translate: Translate = str
) -> Iterator[bytes]:
    """Yield the ZIP of these records' images; missing images are listed in a text file.

    ``tell`` translates the fixed texts.
    """
    buffer, names, missing = WriteBuffer(), UniqueNames(), []
    sources = ImageSource(settings.output_dir, copies)
    with (
        closing(database.connect(settings.database_path)) as db,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as bundle,  # type: ignore[call-overload]
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
            yield from _copy_entry(bundle, entry, file, buffer)
        entry = zipfile.ZipInfo(translate(WORKBOOK), time.localtime()[:6])
        workbook = sheets.write_records(database.list_selected(db, ids), translate=translate)
        yield from _copy_entry(bundle, entry, workbook, buffer)
        if missing:
            lines = [translate("这些记录的图片已不在 output 文件夹里（编号、文件名）："), *missing, ""]
            bundle.writestr(translate(MISSING), "\r\n".join(lines).encode("utf-8-sig"))
    yield buffer.emptied()


def _copy_entry(
    bundle: zipfile.ZipFile, entry: zipfile.ZipInfo, file: IO[bytes], buffer: WriteBuffer
) -> Iterator[bytes]:
    with contextlib.closing(file), bundle.open(entry, "w") as target:
        while piece := file.read(_PIECE):
            target.write(piece)
            yield buffer.emptied()
