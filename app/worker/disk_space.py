"""Checks free disk space for the images in progress: before each charge, in pages and in /healthz."""

import math
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from app.errors import DiskError, Message
from app.system import windows_files

MEGABYTE = 1_000_000
LEAST_BYTES = 200 * MEGABYTE
PICTURE_BYTES = 30 * MEGABYTE  # a 4K picture as PNG, with its thumbnail
_CACHE_SECONDS = 1.0


class DiskLow(DiskError):
    """Not enough disk space for another image; nothing was submitted."""


class OssLost(DiskLow):
    """OSS, which stores the images, takes none for now; nothing was submitted."""


def free_bytes(folder: Path) -> int:
    """Bytes free on the disk of a folder that need not exist yet."""
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    return shutil.disk_usage(existing).free


class DiskSpace:
    """The disks of the images and of the database, which must not fill up."""

    def __init__(self, folders: Sequence[Path], free: Callable[[Path], int] = free_bytes) -> None:
        self._folders = tuple(folders)
        self._free = free
        self.invalidate()

    @property
    def free(self) -> int:
        """Bytes free on the fullest disk. Raises DiskLow when a disk is not available."""
        return self._least_free()[0]

    def problem(self, under_way: int = 1) -> Message | None:
        """Why there is no space for that many images; None when there is."""
        try:
            self.require(under_way)
        except DiskLow as low:
            return low.message
        return None

    def require(self, under_way: int) -> None:
        """Raises DiskLow when there is no space for that many images, or paths would be too long."""
        if too_deep := next(filter(None, map(windows_files.too_deep, self._folders)), ""):
            raise DiskLow(too_deep)
        free, folder = self._least_free()
        if free < max(LEAST_BYTES, under_way * PICTURE_BYTES):
            raise DiskLow(
                "磁盘只剩 {free} MB，已暂停，请清理「{folder}」所在的磁盘后继续",
                free=free // MEGABYTE,
                folder=folder,
            )

    def invalidate(self) -> None:
        """Drop the cached value, for example after the user has freed space."""
        self._seen: tuple[float, int, Path] = (-math.inf, 0, Path())

    def _least_free(self) -> tuple[int, Path]:
        """(bytes free, folder), cached for a second: it is read before every charge."""
        at, free, folder = self._seen
        if time.monotonic() - at > _CACHE_SECONDS:
            free, folder = min((self._look(folder), folder) for folder in self._folders)
            self._seen = (time.monotonic(), free, folder)
        return free, folder

    def _look(self, folder: Path) -> int:
        try:
            return self._free(folder)
        except OSError as error:
            raise DiskLow(
                "看不到「{folder}」所在的磁盘，已暂停，请检查它是否还连着，然后继续", folder=folder
            ) from error
