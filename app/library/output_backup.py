"""Finished images in OSS: object keys, uploads, downloads and signed URLs.

Independent of records: the database holds the keys and the queue of copies.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from app.config import Settings
from app.domain.references import DIGEST_LENGTH
from app.errors import BucketError, NotFound
from app.images import sidecar
from app.library.catalogue import LARGE_PROCESS, MEDIA_TYPES, THUMBNAIL_PROCESS

if TYPE_CHECKING:
    from oss_client import Bucket

SHOWN_SECONDS = 600  # lifetime of a URL for browsers: who is passed one needs no login
_MOST_PROCESSED = 20_000_000  # bytes of an image that OSS makes a thumbnail of
_MARKED = re.compile(rf"(?P<stem>.*)-(?P<digest>[0-9a-f]{{{DIGEST_LENGTH}}})(?P<ending>\.[a-z]+)")
_THUMBNAILS, _PARAMETERS = ".thumbnails/", f"{sidecar.FOLDER}/"
_ANSWERS = ".answers/"
_PROBE = ".probe"
_MOST_PAGES = 100_000  # of 1,000 keys


class OutputBackup:
    """The finished images in the bucket. Every method raises BucketError."""

    def __init__(self, bucket: Bucket, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = prefix

    def upload(
        self, path: Path, *, name: str = "", thumbnail: Path | None = None, answer: Path | None = None
    ) -> str:
        """Upload an image as ``name`` (default: its own) -> its key, which contains a hash of its content.

        So another object is never replaced, and a repeated upload writes the same one. The parameters that
        lie beside the image and the ``answer`` that was laid over are uploaded before it; a thumbnail that
        cannot be is left out. Raises NotFound.
        """
        target = Path(name or path.name)
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                for beside in sidecar.files(path.parent, digest):
                    key = f"{self._prefix}{_PARAMETERS}{beside.name}"
                    self._bucket.put(key, beside.read_bytes(), "text/plain; charset=utf-8")
                file.seek(0)
                key = f"{self._prefix}{target.stem}-{digest[:DIGEST_LENGTH]}{target.suffix}"
                if answer:
                    self._bucket.put(_answer_key(key), answer.read_bytes(), MEDIA_TYPES[answer.suffix])
                media_type = MEDIA_TYPES.get(target.suffix.lower(), "application/octet-stream")
                self._bucket.put(key, file, media_type)
        except FileNotFoundError as error:
            raise NotFound("找不到这张图片，可能已被移走或删除") from error
        except OSError as error:
            raise BucketError(
                "图片「{filename}」读不出来（{reason}），请检查它的权限和磁盘",
                filename=path.name,
                reason=error.strerror,
                transient=False,
            ) from error
        if thumbnail:
            with suppress(BucketError, OSError):
                self._bucket.put(_thumbnail_key(key), thumbnail.read_bytes(), "image/webp")
        return key

    def fetch(self, key: str, *, thumbnail: bool = False) -> bytes:
        """The image, or its thumbnail: WebP, 320 px, created by OSS. Raises NotFound."""
        return self._bucket.fetch(key, process=THUMBNAIL_PROCESS if thumbnail else "")

    def fetch_thumbnail(self, key: str) -> bytes:
        """The thumbnail as uploaded, else created by OSS. Raises NotFound."""
        try:
            return self._bucket.fetch(_thumbnail_key(key))
        except NotFound:
            return self.fetch(key, thumbnail=True)

    def fetch_answer(self, key: str) -> bytes:
        """The answer that was laid over, of the image of this key. Raises NotFound."""
        return self._bucket.fetch(_answer_key(key))

    def list_all(self) -> Iterator[tuple[str, int, float]]:
        """(key, bytes, Unix time) of every image, by key."""
        for found in self._bucket.list_objects(self._prefix, most_pages=_MOST_PAGES):
            name = found.key.removeprefix(self._prefix)
            if not name.startswith((_THUMBNAILS, _PARAMETERS, _ANSWERS)) and _MARKED.fullmatch(name):
                yield found.key, found.size, found.modified_at

    def list_named(self, stem: str) -> Iterator[str]:
        """The keys of the images uploaded under this base name."""
        for found in self._bucket.list_objects(f"{self._prefix}{stem}-"):
            marked = _MARKED.fullmatch(found.key.removeprefix(self._prefix))
            if marked and marked["stem"] == stem:
                yield found.key

    def texts(self, content: bytes) -> list[str]:
        """The parameters that lie beside an image with these bytes."""
        digest = hashlib.sha256(content).hexdigest()
        found = self._bucket.list_objects(f"{self._prefix}{_PARAMETERS}{sidecar.prefix_of(digest)}")
        keys = [each.key for each in found]
        return [self._bucket.fetch(key).decode("utf-8", "replace") for key in keys]

    def delete(self, key: str, *, sha256: str, record_id: int) -> None:
        """Delete an image, its thumbnail and what lies beside it; missing ones are ignored."""
        if sha256:
            self._bucket.delete(f"{self._prefix}{_PARAMETERS}{sidecar.name_of(sha256, record_id)}")
        self._bucket.delete(_answer_key(key))
        self._bucket.delete(_thumbnail_key(key))
        self._bucket.delete(key)

    def probe(self) -> None:
        """Write a small object, to find out whether OSS stores anything."""
        self._bucket.put(self._prefix + _PROBE, b"", "application/octet-stream")

    def can_open(self, *, in_https: bool) -> bool:
        """Whether a page that came by HTTPS, or not, can load what ``url`` leads to, as far as is known."""
        address = self._bucket.address
        return address.is_tried and (not in_https or address.public_url.startswith("https:"))

    def url(self, key: str) -> str:
        """A signed URL of the image, for browsers."""
        return self._bucket.signed_url(key, seconds=SHOWN_SECONDS)

    def thumbnail_url(self, key: str, size: int, *, is_large: bool) -> str:
        """That of a thumbnail, which OSS makes unless the image has too many bytes: then of the image."""
        if size > _MOST_PROCESSED:
            return self.url(key)
        process = LARGE_PROCESS if is_large else THUMBNAIL_PROCESS
        return self._bucket.signed_url(key, seconds=SHOWN_SECONDS, process=process)


def digest_in(key: str) -> str:
    """The first digits of the SHA-256 of an image, from its key."""
    marked = _MARKED.fullmatch(key)
    return marked["digest"] if marked else ""


def filename_in(key: str) -> str:
    """The file name of an image, from its key."""
    marked = _MARKED.fullmatch(key.rpartition("/")[2])
    return marked["stem"] + marked["ending"] if marked else ""


def _answer_key(key: str) -> str:
    folder, slash, name = key.rpartition("/")
    return f"{folder}{slash}{_ANSWERS}{name}"


def _thumbnail_key(key: str) -> str:
    folder, slash, name = key.rpartition("/")
    return f"{folder}{slash}{_THUMBNAILS}{name}.webp"


def open_output_backup(settings: Settings) -> OutputBackup | None:
    """The bucket for these settings; None if disabled."""
    if not (settings.oss_enabled and settings.oss_output_prefix):
        return None
    from oss_client import Bucket  # oss2 takes 20 MB of memory: import only with a bucket

    return OutputBackup(Bucket(settings), settings.oss_output_prefix)
