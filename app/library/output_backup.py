"""Backs up finished images to OSS: object keys, uploads, downloads and signed URLs.

Independent of records: the database holds the queue and the finished uploads.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from app.config import Settings
from app.errors import BucketError, NotFound
from app.library.catalogue import DIGEST_LENGTH, MEDIA_TYPES, THUMBNAIL_PROCESS

if TYPE_CHECKING:
    from oss_client import Bucket

_SHOWN_SECONDS = 7_200


class OutputBackup:
    """The backups of finished images in the bucket. Every method raises BucketError."""

    def __init__(self, bucket: Bucket, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = prefix

    def upload(self, path: Path) -> str:
        """Upload an image; returns its key, with a hash to avoid collisions in a shared bucket.

        Raises NotFound.
        """
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise NotFound("找不到这张图片，可能已被移走或删除") from error
        except OSError as error:
            raise BucketError(
                "图片「{filename}」读不出来（{reason}），请检查它的权限和磁盘",
                filename=path.name,
                reason=error.strerror,
                transient=False,
            ) from error
        digest = hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]
        key = f"{self._prefix}{path.stem}-{digest}{path.suffix}"
        media_type = MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream")
        self._bucket.put(key, content, media_type)
        return key

    def fetch(self, key: str, *, thumbnail: bool = False) -> bytes:
        """The image, or its thumbnail: WebP, 320 px, created by OSS. Raises NotFound."""
        return self._bucket.fetch(key, process=THUMBNAIL_PROCESS if thumbnail else "")

    def url(self, key: str, *, thumbnail: bool = False) -> str:
        """A signed URL of the image or its thumbnail, for browsers."""
        process = THUMBNAIL_PROCESS if thumbnail else ""
        return self._bucket.signed_url(key, seconds=_SHOWN_SECONDS, process=process)


def open_output_backup(settings: Settings) -> OutputBackup | None:
    """The backup for these settings; None if disabled."""
    if not (settings.oss_enabled and settings.oss_output_prefix):
        return None
    from oss_client import Bucket  # oss2 takes 20 MB of memory: import only with a bucket

    return OutputBackup(Bucket(settings), settings.oss_output_prefix)
