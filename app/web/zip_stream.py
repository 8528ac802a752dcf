"""A ZIP of images and a workbook of their parameters, made while it is sent and never stored as a whole."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from werkzeug.wrappers import Response
from zipstream import ZipStream

import database
from app import sheets
from app.domain import Record, file_key
from app.errors import BucketError, NotFound, Translate
from app.images import store
from app.images.filenames import archive_path, delivered_names, unique_path
from app.web.downloads import READS_AT_ONCE, as_attachment, map_ahead, stream_response
from app.web.i18n import translator
from app.web.originals import Originals
from app.web.services import connection, services

WORKBOOK = "生成记录.xlsx"
MISSING = "缺少的图片.txt"
_ENTRY_BYTES = 46  # of a stored file besides its name and content: header and data descriptor


@dataclass(frozen=True, slots=True, kw_only=True)
class _Image:
    record_id: int
    batch_id: str
    filename: str
    key: tuple[object, ...]  # see _key_of
    name: str  # in the ZIP: unique ignoring case
    path: Path | None  # None: not on disk, or in a cache, where it may be evicted
    size: int
    copy_key: str  # of the copy in OSS, if it is not on disk


class Archive:
    """The ZIP of the images of these records, once for each row; a text file lists those that are nowhere.

    length     bytes in all; None when images come from OSS, where each may turn out to be missing
    count      how many images it has
    batch_ids  the batches that its images are of, "" for those without one

    With a length, iterating raises RuntimeError as soon as an image no longer has the size announced: the
    download fails visibly instead of ending as a damaged file.
    """

    def __init__(
        self,
        db: database.Connection,
        records: Callable[[], Iterable[Record]],
        originals: Originals,
        *,
        translate: Translate = str,
    ) -> None:
        self._originals, self._translate = originals, translate
        self._is_reachable = True
        with database.read_transaction(db):
            self._images = list(_list_images(db, records, originals))
            self._missing = [image for image in self._images if not image.path and not image.copy_key]
            self.count = len(self._images) - len(self._missing)
            self.batch_ids = {image.batch_id for image in self._images}
            paths = {image.key: image.name for image in self._images}
            own_names, options = dict[str, None](), set[str]()
            for record in records():
                own_names |= dict.fromkeys(record.columns)
                options |= record.options.keys()
            with sheets.write_records(
                records(),
                own_names=own_names,
                options=options,
                image_file=lambda record: paths.get(_key_of(record), record.filename),
                translate=translate,
            ) as file:
                self._workbook = file.read()
        self.length = None if any(image.copy_key for image in self._images) else self._measure()

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces() if self.length is None else _exactly(self.length, self._pieces())

    def _measure(self) -> int:
        archive = ZipStream(sized=True)
        for image in self._images:
            if image.path:
                archive.add((), image.name, size=image.size)
        self._add_texts(archive)
        return len(archive)

    def _pieces(self) -> Iterator[bytes]:
        archive = ZipStream()
        in_oss = (image for image in self._images if image.copy_key and not image.path)
        contents = map_ahead(self._fetch, in_oss, threads=READS_AT_ONCE, ahead=READS_AT_ONCE)
        for image in self._images:
            if image.path:
                yield from _stored_pieces(archive, image.path, image)
            elif not image.copy_key:
                continue
            elif content := next(contents):
                archive.add(content, image.name)
                yield from archive.file()
            else:
                self._missing.append(image)
        self._add_texts(archive)
        yield from archive.finalize()

    def _fetch(self, image: _Image) -> bytes:
        """The copy in OSS; empty when it is missing. Called by several threads."""
        try:
            return self._originals.read(image.filename, image.copy_key) if self._is_reachable else b""
        except NotFound:
            return b""
        except BucketError:  # do not wait for OSS again for every other image
            self._is_reachable = self._originals.outputs.in_oss
            return b""

    def _add_texts(self, archive: ZipStream) -> None:
        folders = {file_key(image.name.partition("/")[0]) for image in self._images}
        archive.add(self._workbook, unique_path(self._translate(WORKBOOK), folders))
        if self._missing:
            said = "没有取到这些图片（记录编号、文件名）：文件不在了，或一时取不到，可以稍后再打包"
            title = self._translate(said)
            lines = [title, *(f"{image.record_id}\t{image.filename}" for image in self._missing), ""]
            content = "\r\n".join(lines).encode("utf-8-sig")
            archive.add(content, unique_path(self._translate(MISSING), folders))


def send_archive(records: Callable[[], Iterable[Record]], name_of: Callable[[Archive], str]) -> Response:
    """The ZIP of the images of these records as a download. Raises TryLater while several are under way."""
    current = services()
    with ExitStack() as held:
        held.enter_context(current.archives)
        archive = Archive(connection(), records, current.originals, translate=translator())
        response = stream_response(iter(archive), held.pop_all().close, length=archive.length)
    return as_attachment(response, name_of(archive), "records.zip")


def _stored_pieces(archive: ZipStream, path: Path, image: _Image) -> Iterator[bytes]:
    try:
        archive.add_path(path, image.name)
        yield from _exactly(_ENTRY_BYTES + len(image.name.encode()) + image.size, archive.file())
    except OSError:
        raise RuntimeError(f"the image of record {image.record_id} cannot be read any more") from None


def _key_of(record: Record) -> tuple[object, ...]:
    """Equal for records whose image is delivered once: of one file, in one row."""
    return record.filename, record.batch_id, record.row_number


def _list_images(
    db: database.Connection, records: Callable[[], Iterable[Record]], originals: Originals
) -> Iterator[_Image]:
    """Each image of these records once a row, under the name that it is delivered with."""
    outputs, seen, paths = originals.outputs, set[tuple[object, ...]](), set[str]()
    for record, name in zip(records(), delivered_names(records()), strict=True):
        filename = record.filename
        if not filename or _key_of(record) in seen:
            continue
        seen.add(_key_of(record))
        key = originals.key(db, filename) if outputs.in_oss else ""
        path, size = (None, 0) if key else _find(outputs.folder, filename)
        key = key if key or path else originals.key(db, filename)
        yield _Image(
            record_id=record.id,
            batch_id=record.batch_id or "",
            filename=filename,
            key=_key_of(record),
            name=unique_path(archive_path(record.requested_filename, name), paths),
            path=path,
            size=size,
            copy_key=key,
        )


def _find(output_dir: Path, filename: str) -> tuple[Path | None, int]:
    """(path, size) of a readable image."""
    try:
        path = store.open_output(output_dir, filename)
        with path.open("rb") as file:
            return path, os.fstat(file.fileno()).st_size
    except (NotFound, OSError):
        return None, 0


def _exactly(size: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pass the pieces on; raises RuntimeError rather than yield more or fewer bytes than ``size``."""
    for piece in pieces:
        size -= len(piece)
        if size < 0:
            raise RuntimeError("an image has grown since the ZIP was announced")
        yield piece
    if size:
        raise RuntimeError("an image has shrunk since the ZIP was announced")
