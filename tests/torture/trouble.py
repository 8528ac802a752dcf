"""What befalls the machine under the server: begun and ended from outside, while it runs.

``open_trouble`` gives None for a kind that this machine cannot do; nobody passes over that in silence.
"""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import sqlite3
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.torture.plan import Trouble

_DISK = "16m"
_LEFT = 30_000  # bytes that a full disk still has: enough to begin a picture, not to end it
_BIG = 1 << 40


@dataclass(kw_only=True)
class Place:
    """Where the server keeps its things: the database and the output folder of one round."""

    studio: Path
    clock: Path
    mounted: list[Path] = field(default_factory=list)

    @property
    def database(self) -> Path:
        """The database file."""
        return self.studio / "generation_records.db"

    @property
    def elsewhere(self) -> Path:
        """Where the database and the files beside it are while they are not in their place."""
        return self.studio / "elsewhere" / self.database.name

    @property
    def output(self) -> Path:
        """The folder of pictures."""
        return self.studio / "output"

    def prepare(self, kind: str) -> None:
        """The folders; a small disk of their own where the trouble to come is one of disks."""
        self.studio.mkdir(parents=True)
        self.clock.write_bytes(struct.pack("d", 0.0))
        if kind == "full disk, database too" and can_mount():
            self._mount(self.studio)
        self.output.mkdir()
        if kind in ("full disk", "read-only folder") and can_mount():
            self._mount(self.output)

    def clear(self) -> None:
        """Take the small disks away; what is on them is lost."""
        for folder in self.mounted:
            subprocess.run(["umount", "-l", folder], check=True)

    def _mount(self, folder: Path) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", folder], check=True)
        self.mounted.append(folder)


@dataclass(frozen=True, kw_only=True)
class Befalling:
    """A trouble of this machine: how it begins and how it ends."""

    begin: Callable[[], object]
    end: Callable[[], object]


@functools.cache
def can_mount() -> bool:
    """Whether small disks can be mounted here."""
    with tempfile.TemporaryDirectory() as folder:
        found = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, check=False)
        if found.returncode:
            return False
        subprocess.run(["umount", folder], check=True)
        return True


def open_trouble(trouble: Trouble, place: Place, pids: Callable[[], Iterable[int]]) -> Befalling | None:
    """How this trouble is made here; ``pids`` tells the servers that are alive."""
    if trouble.kind == "clock jumps":
        return _clock(place, trouble.jump)
    if trouble.kind == "locked database":
        return _lock(place)
    if trouble.kind == "database deleted":
        return Befalling(begin=lambda: _take_away(place, "", "-wal", "-shm"), end=lambda: None)
    if trouble.kind == "database gone":
        return Befalling(begin=lambda: _take_away(place, ""), end=lambda: _bring_back(place))
    if trouble.kind == "database replaced":
        return _replaced(place)
    if trouble.kind == "folder gone":
        return _gone(place)
    if trouble.kind == "read-only folder":
        return _read_only(place)
    return _full(place, pids, "database" in trouble.kind)


def _clock(place: Place, jump: float) -> Befalling:
    def set_to(seconds: float) -> None:
        with place.clock.open("r+b") as file:
            file.write(struct.pack("d", seconds))

    return Befalling(begin=lambda: set_to(jump), end=lambda: set_to(0.0))


def _lock(place: Place) -> Befalling:
    held: list[sqlite3.Connection] = []

    def begin() -> None:
        db = sqlite3.connect(place.database, timeout=10.0, isolation_level=None, check_same_thread=False)
        db.execute("BEGIN EXCLUSIVE")
        held.append(db)

    def end() -> None:
        for db in held:
            db.execute("ROLLBACK")
            db.close()

    return Befalling(begin=begin, end=end)


def _take_away(place: Place, *endings: str) -> None:
    place.elsewhere.parent.mkdir()
    for ending in endings:
        with contextlib.suppress(FileNotFoundError):
            place.database.with_name(place.database.name + ending).rename(f"{place.elsewhere}{ending}")


def _bring_back(place: Place) -> None:
    place.elsewhere.replace(place.database)


def _replaced(place: Place) -> Befalling:
    """By a copy from before the trouble, as somebody puts one back who does not know that the server runs."""
    copy = place.studio / "copy.db"

    def begin() -> None:
        with closing(sqlite3.connect(place.database)) as db, closing(sqlite3.connect(copy)) as target:
            db.backup(target)
        _take_away(place, "")
        copy.rename(place.database)

    return Befalling(begin=begin, end=lambda: _bring_back(place))


def _gone(place: Place) -> Befalling:
    away = place.studio / "output.away"

    def begin() -> None:
        place.output.rename(away)
        place.output.write_text("somebody put a file here")

    def end() -> None:
        place.output.unlink()
        away.rename(place.output)

    return Befalling(begin=begin, end=end)


def _read_only(place: Place) -> Befalling | None:
    if place.output in place.mounted:
        return Befalling(begin=lambda: _remount(place.output, "ro"), end=lambda: _remount(place.output, "rw"))
    if os.geteuid() != 0:
        return Befalling(begin=lambda: place.output.chmod(0o555), end=lambda: place.output.chmod(0o755))
    return None  # the permission bits do not bind root


def _remount(folder: Path, mode: str) -> None:
    """Again and again: the system refuses while a file is being written."""
    deadline = time.monotonic() + 5
    while subprocess.run(
        ["mount", "-o", f"remount,{mode}", folder], capture_output=True, check=False
    ).returncode:
        assert time.monotonic() < deadline, folder
        time.sleep(0.005)


def _full(place: Place, pids: Callable[[], Iterable[int]], database_too: bool) -> Befalling:
    folder = place.studio if database_too else place.output
    if folder in place.mounted:
        return _ballast(folder / ".ballast")
    return Befalling(begin=lambda: _bound(pids(), _LEFT), end=lambda: _bound(pids(), _BIG))


def _ballast(ballast: Path) -> Befalling:
    def begin() -> None:
        ballast.touch()
        with ballast.open("r+b") as file, contextlib.suppress(OSError):  # the server may be quicker
            found = os.statvfs(ballast.parent)
            os.posix_fallocate(file.fileno(), 0, max(found.f_bavail * found.f_frsize - _LEFT, 1))

    return Befalling(begin=begin, end=ballast.unlink)


def _bound(pids: Iterable[int], most: int) -> None:
    """No file of these processes may grow beyond that: what a disk that cannot be mounted stands in for."""
    for pid in pids:
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
