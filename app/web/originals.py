"""Originals as bytes, and their thumbnails for workbooks, computed by a few threads while these are sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass

import database
from app import sheets
from app.config import Settings
from app.errors import BucketError, DiskError, NotFound
from app.images import store
from app.library.output_backup import OutputBackup
from app.library.outputs import Outputs
from app.system import windows_files
from app.web.downloads import map_ahead

MAX_FROM_OSS = 200  # thumbnails per workbook of pictures that are not here; each is a blocking call
_THREADS = 2
_THREADS_FOR_OSS = 16
_AHEAD = 32  # thumbnails computed before they are needed


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


def record_thumbnails(
    settings: Settings, originals: Originals, names: Mapping[int, str]
) -> sheets.Thumbnails:
    """A function from record ids to their thumbnails as JPEG, in order; None where there is none.

    ``names`` are the files by record id. A picture whose file is missing is looked up in OSS.
    """
    box, outputs = sheets.THUMBNAIL_BOX, originals.outputs
    threads = _THREADS_FOR_OSS if outputs.in_oss else _THREADS

    def stored(record_id: int) -> bytes | None:
        if not names[record_id]:
            return None
        try:
            return store.jpeg_of_webp(outputs.thumbnail(record_id, names[record_id]).read_bytes(), box=box)
        except (NotFound, BucketError, DiskError, OSError):
            return None

    def thumbnails(ids: Iterable[int]) -> Iterator[bytes | None]:
        wanted, copies, left = list(ids), None if outputs.in_oss else originals.copies, MAX_FROM_OSS
        with closing(database.connect(settings.database)) as db:
            contents = map_ahead(stored, wanted, threads=threads, ahead=_AHEAD)
            for record_id, content in zip(wanted, contents, strict=True):
                filename = names[record_id] if copies and left and not content else ""
                if copies and (key := filename and database.find_output_copy(db, filename)):
                    left -= 1
                    try:
                        content = store.jpeg_of_webp(copies.fetch(key, thumbnail=True), box=box)
                    except (NotFound, BucketError) as error:  # an error: the others do not wait for it too
                        left = left if isinstance(error, NotFound) else 0
                yield content

    return thumbnails
