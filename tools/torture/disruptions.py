"""Disruptions of the machine, begun and ended from outside while the server runs.

``open_disruption`` returns None for a kind that is not possible here; the report lists those.
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

from tools.torture.plan import PlannedDisruption

_DISK_SIZE = "16m"
_FREE_BYTES = 30_000  # bytes that a full disk still has: enough to begin an image, not to finish it
_UNLIMITED = 1 << 40


@dataclass(kw_only=True)
class Environment:
    """The database, the output folder and the clock of one machine."""

    data_dir: Path
    clock: Path
    mounted: list[Path] = field(default_factory=list)

    @property
    def database(self) -> Path:
        """The database file."""
        return self.data_dir / "generation_records.db"

    @property
    def moved_database(self) -> Path:
        """Where the database and the files beside it are while they are moved away."""
        return self.data_dir / "elsewhere" / self.database.name

    @property
    def output(self) -> Path:
        """The output folder."""
        return self.data_dir / "output"

    def prepare(self, kind: str) -> None:
        """Create the folders, on a small disk of their own if the disruption is one of disks."""
        self.data_dir.mkdir(parents=True)
        set_clock(self.clock, 0.0)
        if kind == "full disk, database too" and can_mount():
            self._mount(self.data_dir)
        self.output.mkdir()
        if kind in ("full disk", "read-only folder") and can_mount():
            self._mount(self.output)

    def clear(self) -> None:
        """Unmount the small disks."""
        for folder in self.mounted:
            subprocess.run(["umount", "-l", folder], check=True)

    def _mount(self, folder: Path) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK_SIZE}", "tmpfs", folder], check=True)
        self.mounted.append(folder)


@dataclass(frozen=True, kw_only=True)
class Disruption:
    """How a disruption begins and ends; ``forbids_starts``: a start meanwhile may be refused."""

    begin: Callable[[], object]
    end: Callable[[], object]
    forbids_starts: bool = True


@functools.cache
def can_mount() -> bool:
    """Whether small disks can be mounted here."""
    with tempfile.TemporaryDirectory() as folder:
        found = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, check=False)
        if found.returncode:
            return False
        subprocess.run(["umount", folder], check=True)
        return True


def open_disruption(
    disruption: PlannedDisruption, environment: Environment, pids: Callable[[], Iterable[int]]
) -> Disruption | None:
    """The functions that begin and end this disruption; ``pids`` returns the running servers."""
    if disruption.kind == "clock jumps":
        return clock_jump(environment.clock, disruption.jump)
    if disruption.kind == "locked database":
        return _lock(environment)
    if disruption.kind == "database deleted":
        return Disruption(begin=lambda: _move_database(environment, "", "-wal", "-shm"), end=lambda: None)
    if disruption.kind == "database missing":
        return Disruption(
            begin=lambda: _move_database(environment, ""), end=lambda: _restore_database(environment)
        )
    if disruption.kind == "database replaced":
        return _replace_database(environment)
    if disruption.kind == "folder missing":
        return _missing_folder(environment)
    if disruption.kind == "read-only folder":
        return _read_only(environment)
    return _full(environment, pids, "database" in disruption.kind)


def clock_jump(clock: Path, jump: float, before: float = 0.0) -> Disruption:
    """Set the clock, and set it back at the end."""
    return Disruption(begin=lambda: set_clock(clock, before + jump), end=lambda: set_clock(clock, before))


def set_clock(clock: Path, seconds: float) -> None:
    """Write by how many seconds the clock is wrong; a running process sees it at once."""
    with clock.open("r+b" if clock.exists() else "wb") as file:
        file.write(struct.pack("d", seconds))


def _lock(environment: Environment) -> Disruption:
    connections: list[sqlite3.Connection] = []

    def begin() -> None:
        db = sqlite3.connect(
            environment.database, timeout=10.0, isolation_level=None, check_same_thread=False
        )
        db.execute("BEGIN EXCLUSIVE")
        connections.append(db)

    def end() -> None:
        for db in connections:
            db.execute("ROLLBACK")
            db.close()

    return Disruption(begin=begin, end=end)


def _move_database(environment: Environment, *endings: str) -> None:
    environment.moved_database.parent.mkdir()
    for ending in endings:
        with contextlib.suppress(FileNotFoundError):
            environment.database.with_name(environment.database.name + ending).rename(
                f"{environment.moved_database}{ending}"
            )


def _restore_database(environment: Environment) -> None:
    environment.moved_database.replace(environment.database)


def _replace_database(environment: Environment) -> Disruption:
    """Replace it by an older copy, as when a backup is restored under a running server."""
    copy = environment.data_dir / "copy.db"

    def begin() -> None:
        copy_database(environment.database, copy)
        _move_database(environment, "")
        copy.rename(environment.database)

    return Disruption(begin=begin, end=lambda: _restore_database(environment))


def copy_database(database: Path, copy: Path) -> None:
    """Copy the database of a running server."""
    with closing(sqlite3.connect(database)) as db, closing(sqlite3.connect(copy)) as target:
        db.backup(target)


def put_back(copy: Path, database: Path) -> None:
    """Replace the database by a copy and delete its -wal and -shm, as a person does by hand."""
    for ending in ("-wal", "-shm"):
        database.with_name(database.name + ending).unlink(missing_ok=True)
    copy.replace(database)


def _missing_folder(environment: Environment) -> Disruption:
    away = environment.data_dir / "output.away"

    def begin() -> None:
        environment.output.rename(away)
        environment.output.write_text("a file in place of the folder")

    def end() -> None:
        environment.output.unlink()
        away.rename(environment.output)

    return Disruption(begin=begin, end=end)


def _read_only(environment: Environment) -> Disruption | None:
    if environment.output in environment.mounted:
        return Disruption(
            begin=lambda: _remount(environment.output, "ro"), end=lambda: _remount(environment.output, "rw")
        )
    if os.geteuid() != 0:
        return Disruption(
            begin=lambda: environment.output.chmod(0o555), end=lambda: environment.output.chmod(0o755)
        )
    return None  # permission bits do not apply to root


def _remount(folder: Path, mode: str) -> None:
    """Retry: the system refuses while a file is being written."""
    deadline = time.monotonic() + 5
    while subprocess.run(
        ["mount", "-o", f"remount,{mode}", folder], capture_output=True, check=False
    ).returncode:
        assert time.monotonic() < deadline, folder
        time.sleep(0.005)


def _full(environment: Environment, pids: Callable[[], Iterable[int]], database_too: bool) -> Disruption:
    folder = environment.data_dir if database_too else environment.output
    if folder in environment.mounted:
        return _fill_disk(folder / ".ballast")
    return Disruption(
        begin=lambda: _limit_file_size(pids(), _FREE_BYTES), end=lambda: _limit_file_size(pids(), _UNLIMITED)
    )


def _fill_disk(ballast: Path) -> Disruption:
    def begin() -> None:
        ballast.touch()
        with ballast.open("r+b") as file, contextlib.suppress(OSError):  # the server may be faster
            found = os.statvfs(ballast.parent)
            os.posix_fallocate(file.fileno(), 0, max(found.f_bavail * found.f_frsize - _FREE_BYTES, 1))

    return Disruption(begin=begin, end=ballast.unlink)


def _limit_file_size(pids: Iterable[int], most: int) -> None:
    """Limit the size of files of these processes, in place of a small disk that cannot be mounted."""
    for pid in pids:
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
