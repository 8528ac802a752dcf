"""Pictures and a workbook of their parameters as one ZIP, written while it is sent: never whole anywhere."""

import contextlib
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import IO

import database
import pictures
import spreadsheet
from config import Settings
from domain import file_key
from errors import NotFound

WORKBOOK = "生成记录.xlsx"
MISSING = "缺少的图片.txt"
_PIECE = 256 * 1024


class _Pipe:
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


class _Names:
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


def stream_archive(settings: Settings, ids: Sequence[int]) -> Iterator[bytes]:
    """The ZIP of these records' pictures, piece by piece; a picture that is gone is named in a text."""
    pipe, names, missing = _Pipe(), _Names(), []
    with (
        closing(database.connect(settings.database_path)) as db,
        zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as bundle,  # type: ignore[call-overload]
    ):
        for record in database.list_chosen(db, ids):
            name = names.give(record.filename) if record.filename else None
            if name is None:
                continue
            try:
                path = pictures.open_output(settings.output_dir, record.filename)
                entry, file = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False), path.open("rb")
            except (NotFound, OSError):
                missing.append(f"{record.id}\t{record.filename}")
                continue
            yield from _sent(bundle, entry, file, pipe)
        entry = zipfile.ZipInfo(WORKBOOK, time.localtime()[:6])
        yield from _sent(bundle, entry, spreadsheet.write_records(database.list_chosen(db, ids)), pipe)
        if missing:
            lines = ["这些记录的图片已不在 output 文件夹里（编号、文件名）：", *missing, ""]
            bundle.writestr(MISSING, "\r\n".join(lines).encode("utf-8-sig"))
    yield pipe.emptied()


def _sent(bundle: zipfile.ZipFile, entry: zipfile.ZipInfo, file: IO[bytes], pipe: _Pipe) -> Iterator[bytes]:
    with contextlib.closing(file), bundle.open(entry, "w") as target:
        while piece := file.read(_PIECE):
            target.write(piece)
            yield pipe.emptied()
