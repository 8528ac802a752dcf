"""Sends a delivery as one ZIP, made while it is sent where files are missing, or copies it into a folder."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

from zipstream import ZipStream

import database
from app import sheets
from app.config import Settings
from app.delivery.making import Maker
from app.delivery.note import note_of
from app.delivery.plan import listed_columns
from app.delivery.store import finish_delivery, list_files, own_columns
from app.domain import file_key
from app.errors import Conflict, Translate
from app.images import atomic_write
from app.images.filenames import safe_stem, unique_path
from app.web.thumbnails import record_thumbnails

NOTE, WORKBOOK = "交付说明.txt", "交付清单.xlsx"
FOLDERS = "deliveries"  # beside OUTPUT_DIR


class Archive:
    """A delivery as one ZIP, or in a folder. When that is complete, it counts as finished.

    ``length`` is that of the ZIP in bytes; None while files are missing, which are made as it is sent.
    """

    def __init__(self, maker: Maker, settings: Settings, translate: Translate) -> None:
        self._maker, self._settings, self._translate = maker, settings, translate
        with closing(database.connect(settings.database)) as db:
            self._files = list_files(db, maker.delivery.id)
            self._missing = [file for file in self._files if file.is_open]
            self._papers = [] if self._missing else self._write_papers(db)
        self.length: int | None = None
        if not self._missing:
            sized = ZipStream(sized=True)
            for file in self._files:
                if file.bytes is not None:
                    sized.add((), file.name, size=file.bytes)
            for name, content in self._papers:
                sized.add((), name, size=len(content))
            self.length = len(sized)

    def pieces(self) -> Generator[bytes]:
        """The ZIP; closing it stops the work. Raises Conflict when a finished file is lost: the download
        fails visibly, and everything is made again for the next one."""
        archive = ZipStream()
        with closing(database.connect(self._settings.database)) as db:
            for path, content in self._contents(db):
                archive.add(content, path)
                yield from archive.file()
            yield from archive.finalize()
            finish_delivery(db, self._maker.delivery.id)

    def save(self) -> Path:
        """Write a new folder beside OUTPUT_DIR -> the folder, which appears when it is complete.

        Raises Conflict while files are missing, and DiskError.
        """
        if self._missing:
            raise Conflict("还有 {n} 个文件没有做完，请等做完再存", n=len(self._missing))
        delivery = self._maker.delivery
        root = self._settings.output_dir.absolute().parent / FOLDERS
        name = safe_stem(f"{delivery.title or '交付'} {delivery.profile} {datetime.now():%Y-%m-%d %H%M%S}")
        part = root / f".{delivery.id}.part"
        with closing(database.connect(self._settings.database)) as db, atomic_write.translate_os_errors(root):
            try:
                for path, content in self._contents(db):
                    (part / path).parent.mkdir(parents=True, exist_ok=True)
                    (part / path).write_bytes(content)
                part.rename(root / name)
            finally:
                shutil.rmtree(part, ignore_errors=True)
            finish_delivery(db, delivery.id)
        return root / name

    def _contents(self, db: database.Connection) -> Iterator[tuple[str, bytes]]:
        """(path, content) of every file in its order, made if it is missing; then workbook and note."""
        making = self._maker.make(db, self._missing)
        for index, planned in enumerate(self._files):
            file = self._files[index] = next(making) if planned.is_open else planned
            if file.error is None:
                yield file.name, self._maker.content(db, file)
        yield from self._papers or self._write_papers(db)

    def _write_papers(self, db: database.Connection) -> list[tuple[str, bytes]]:
        """(name, content) of the client's workbook and of the note, as far as the profile wants them."""
        maker, found = self._maker, list[tuple[str, bytes]]()
        taken = {file_key(file.name.partition("/")[0]) for file in self._files}
        if maker.profile.workbook:
            own, columns = own_columns(db, maker.delivery, self._files)
            lines = [
                sheets.DeliveredFile(
                    record_id=file.record_id,
                    row_number=file.row,
                    path=file.name,
                    columns=columns.get(file.row_id or file.record_id, {}),
                )
                for file in self._files
                if file.error is None
            ]
            ids = sorted(line.record_id for line in lines)
            filenames = dict.fromkeys(ids, "")  # empty for records that were deleted since
            filenames |= {record.id: record.filename for record in database.list_selected(db, ids)}
            thumbnails = record_thumbnails(
                self._settings, maker.originals.outputs, maker.originals.copies, filenames
            )
            names = listed_columns(own, maker.profile)
            pieces = sheets.write_delivery(lines, names, thumbnails=thumbnails, translate=self._translate)
            found.append((unique_path(self._translate(WORKBOOK), taken), b"".join(pieces)))
        if maker.profile.note:
            text = note_of(maker.delivery.title, maker.profile, self._files, self._translate)
            found.append((unique_path(self._translate(NOTE), taken), text.encode("utf-8-sig")))
        return found
