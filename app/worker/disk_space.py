"""Whether the disks have room for the pictures under way: asked before each order, by pages and /healthz."""

import math
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from app.errors import StorageError
from app.system import windows_files

MEGABYTE = 1_000_000
LEAST_BYTES = 200 * MEGABYTE
PICTURE_BYTES = 30 * MEGABYTE  # a 4K picture as PNG, with its thumbnail
_REMEMBERED_SECONDS = 1.0


class DiskLow(StorageError):
    """Too little room for one more picture; nothing was ordered."""


def free_bytes(folder: Path) -> int:
    """What is free on the disk that a folder is on, or will be."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free


class DiskSpace:
    """The disks that must not fill up: that of the pictures and that of the database."""

    def __init__(self, folders: Sequence[Path], free: Callable[[Path], int] = free_bytes) -> None:
        self._folders = tuple(folders)
        self._free = free
        self.invalidate()

    @property
    def free(self) -> int:
        """Bytes free on the fuller of the disks. Raises DiskLow when one of them is gone."""
        return self._least_free()[0]

    def problem(self, under_way: int = 1) -> str:
        """The sentence when there is no room for that many pictures; empty when there is."""
        try:
            self.require(under_way)
        except DiskLow as low:
            return low.message
        return ""

    def require(self, under_way: int) -> None:
        """Raises DiskLow when there is no room for that many pictures, or for their names."""
        if too_deep := next(filter(None, map(windows_files.too_deep, self._folders)), ""):
            raise DiskLow(too_deep)
        free, folder = self._least_free()
        if free < max(LEAST_BYTES, under_way * PICTURE_BYTES):
            raise DiskLow(f"磁盘只剩 {free // MEGABYTE} MB，已暂停，请清理「{folder}」所在的磁盘后继续")

    def invalidate(self) -> None:
        """Forget what was seen a moment ago; somebody may just have made room."""
        self._seen: tuple[float, int, Path] = (-math.inf, 0, Path())

    def _least_free(self) -> tuple[int, Path]:
        """(bytes free, folder), looked at again after a second: it is asked before every order."""
        at, free, folder = self._seen
        if time.monotonic() - at > _REMEMBERED_SECONDS:
            free, folder = min((self._look(folder), folder) for folder in self._folders)
            self._seen = (time.monotonic(), free, folder)
        return free, folder

    def _look(self, folder: Path) -> int:
        try:
            return self._free(folder)
        except OSError as error:
            raise DiskLow(f"看不到「{folder}」所在的磁盘，已暂停，请检查它是否还连着，然后继续") from error
