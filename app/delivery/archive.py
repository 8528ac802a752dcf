"""Sends a delivery as one ZIP, made while it is sent where files are missing, or copies it into a folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

from zipstream import ZipStream

import database
from app import sheets
from app.delivery.making import Maker
from app.delivery.note import note_of
from app.delivery.store import filenames, finish_delivery, own_columns
from app.domain import file_key
from app.errors import Conflict, Translate
from app.images import atomic_write
from app.images.filenames import safe_stem, unique_path

NOTE, WORKBOOK = "交付说明.txt", "交付清单.xlsx"
FOLDERS = "deliveries"  # beside OUTPUT_DIR

# The files by record id -> their thumbnails.
Thumbnailer = Callable[[dict[int, str]], sheets.Thumbnails]


class DeliveryZip:
    """The ZIP of a delivery. ``length`` is in bytes; None while files are missing: made as it is sent.

    Iterating raises RuntimeError when a finished file has been changed or deleted, so that the download
    fails visibly; the file is made again then. At the end the delivery counts as finished.
    """

    def __init__(
        self,
        maker: Maker,
        connect: Callable[[], database.Connection],
        thumbnailer: Thumbnailer,
        translate: Translate,
    ) -> None:
        self._maker, self._connect = maker, connect
        self._thumbnailer, self._translate = thumbnailer, translate
        self._papers: list[tuple[str, bytes]] | None = None
        self.length: int | None = None
        if not maker.missing:
            with closing(connect()) as db:
                self._papers = papers(maker, db, thumbnailer, translate)
            self.length = self._measure(self._papers)

    def pieces(self) -> Generator[bytes]:
        """The bytes; closing it stops the work."""
        archive = ZipStream()
        with closing(self._connect()) as db:
            for path, content in finished_files(self._maker, db):
                archive.add(content, path)
                yield from archive.file()
            for name, content in self._papers or papers(self._maker, db, self._thumbnailer, self._translate):
                archive.add(content, name)
                yield from archive.file()
            yield from archive.finalize()
            finish_delivery(db, self._maker.delivery.id, self._maker.total()["bytes"])

    def _measure(self, papers: Iterable[tuple[str, bytes]]) -> int:
        archive = ZipStream(sized=True)
        for number, file in enumerate(self._maker.delivery.files):
            if not (made := self._maker.made[number]).error:
                archive.add((), file.path, size=made.bytes)
        for name, content in papers:
            archive.add((), name, size=len(content))
        return len(archive)


def save_folder(
    maker: Maker, db: database.Connection, thumbnailer: Thumbnailer, translate: Translate, output_dir: Path
) -> Path:
    """Copy a delivery into a new folder beside OUTPUT_DIR -> the folder, which appears when it is complete.

    Raises Conflict while files are missing, and DiskError.
    """
    if missing := maker.missing:
        raise Conflict("还有 {n} 个文件没有做完，请等做完再存", n=len(missing))
    root = output_dir.absolute().parent / FOLDERS
    delivery = maker.delivery
    stem = safe_stem(f"{delivery.title or '交付'} {delivery.profile} {datetime.now():%Y-%m-%d %H%M%S}")
    part = root / f".{delivery.id}.part"
    with atomic_write.translate_os_errors(root):
        try:
            for name, content in (
                *finished_files(maker, db),
                *papers(maker, db, thumbnailer, translate),
            ):
                (part / name).parent.mkdir(parents=True, exist_ok=True)
                (part / name).write_bytes(content)
            part.rename(root / stem)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    finish_delivery(db, delivery.id, maker.total()["bytes"])
    return root / stem


def finished_files(maker: Maker, db: database.Connection) -> Iterator[tuple[str, bytes]]:
    """(path, content) of every file in its order; those that are missing are made."""
    making = maker.make(db)
    for number, file in enumerate(maker.delivery.files):
        if number not in maker.made:
            next(making)
        if maker.made[number].error:
            continue
        content = maker.content(number)
        if not content:
            raise RuntimeError("a finished file of a delivery was changed or deleted")
        yield file.path, content


def papers(
    maker: Maker, db: database.Connection, thumbnailer: Thumbnailer, translate: Translate
) -> list[tuple[str, bytes]]:
    """(name, content) of the client's workbook and of the note, as far as the profile wants them."""
    delivery, found = maker.delivery, list[tuple[str, bytes]]()
    taken = {file_key(file.path.partition("/")[0]) for file in delivery.files}
    good = [file for number, file in enumerate(delivery.files) if not maker.made[number].error]
    if maker.profile.workbook:
        names, columns = own_columns(db, delivery)
        lines = [
            sheets.DeliveredFile(
                record_id=file.record_id,
                row_number=file.row,
                path=file.path,
                columns=columns.get(file.row_id or file.record_id, {}),
            )
            for file in good
        ]
        thumbnails = thumbnailer(filenames(db, {file.record_id for file in good}))
        content = b"".join(sheets.write_delivery(lines, names, thumbnails=thumbnails, translate=translate))
        found.append((unique_path(translate(WORKBOOK), taken), content))
    if maker.profile.note:
        text = note_of(delivery, maker.profile, maker.made, translate)
        found.append((unique_path(translate(NOTE), taken), text.encode("utf-8-sig")))
    return found
