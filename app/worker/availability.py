"""Whether the disks, the database and OSS are there: before each charge, in pages and in /healthz."""

import math
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import database
from app import log
from app.errors import DiskError, Message
from app.library.outputs import Outputs
from app.system import windows_files
from app.worker.threads import SILENT_SECONDS

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


class Availability:
    """Each call looks once."""

    def __init__(self, store_guard: database.StoreGuard, outputs: Outputs) -> None:
        self._store_guard, self._outputs = store_guard, outputs
        self._problems: dict[str, Message | None] = {}
        self._seen_at = -math.inf

    @property
    def has_store(self) -> bool:
        """Whether the database was usable when it was last looked at, a moment ago."""
        return not self._store_guard.problem() and time.monotonic() - self._seen_at < SILENT_SECONDS

    def look_first(self, db: database.Connection) -> None:
        """At the start; also whether the server has connections enough."""
        self.watch_store(db)
        if why := database.lacking_connections(db):
            log.event("worker", "few_connections", why=why)

    def watch_store(self, db: database.Connection) -> bool:
        """Whether the database is usable."""
        is_usable = self._note("store", self._store_guard.watch(db))
        if is_usable:
            self._seen_at = time.monotonic()
        return is_usable

    def watch_oss(self) -> bool:
        """Whether OSS stores pictures, as far as is known."""
        return self._note("oss", self._outputs.check())

    def check_store(self) -> bool:
        """Whether the database is usable, after checking its pages when that is due."""
        self._store_guard.check()
        return not self._store_guard.problem()

    def _note(self, what: str, problem: Message | None) -> bool:
        if problem != self._problems.get(what):
            self._problems[what] = problem
            log.event("worker", f"{what}_lost" if problem else f"{what}_found", why=problem)
        return not problem
