"""The daily backup of the database: the last seven in a folder, made one at a time. Starts no thread.

A name has a number, one more than the highest, and the time: which are deleted never depends on the clock.
"""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import database
from app import log
from app.config import Settings, environment_of_programs
from app.errors import AppError, Conflict, DiskError, Message, message
from app.system import windows_files
from app.worker.availability import LEAST_BYTES, MEGABYTE, free_bytes

KEPT = 7
_EVERY = timedelta(hours=20)
_LONGEST_WAIT_SECONDS = 7_200.0  # for a pause in the making of pictures
_RETRY_SECONDS = 3_600.0
_TIME = "%Y%m%d-%H%M%S"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A file of the folder; ``made_at`` is local time, ``size`` in bytes."""

    path: Path
    name: str
    number: int
    made_at: datetime
    size: int


class Backups:
    """The backups in ``folder``, which is None when they are off."""

    def __init__(
        self,
        settings: Settings,
        *,
        now: Callable[[], datetime] = datetime.now,
        clock: Callable[[], float] = time.monotonic,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self.folder = settings.backup_folder
        self._settings, self._now, self._clock, self._free = settings, now, clock, free
        self._ending = ".dump" if settings.database_url else ".db"
        stem = re.escape(settings.database_path.stem)
        self._name = re.compile(rf"{stem}-(\d{{4,9}})-(\d{{8}}-\d{{6}}){re.escape(self._ending)}")
        self._due_since: float | None = None
        self._not_before = clock()

    def list(self) -> list[Backup]:
        """Those in the folder, the newest first."""
        found = []
        for path in self.folder.glob("*") if self.folder else ():
            if named := self._name.fullmatch(path.name):
                with suppress(OSError, ValueError):  # deleted meanwhile; no time
                    at = datetime.strptime(named[2], _TIME)
                    size = path.stat().st_size
                    number = int(named[1])
                    found.append(Backup(path=path, name=path.name, number=number, made_at=at, size=size))
        return sorted(found, key=lambda backup: backup.number, reverse=True)

    def find(self, name: str) -> Backup | None:
        """The backup of this name; None when there is none."""
        return next((backup for backup in self.list() if backup.name == name), None)

    def problem(self, db: database.Connection) -> Message | None:
        """Why the last backup failed; None when it did not, or one was made since."""
        failed = database.find_backup_failure(db)
        newest = max((backup.made_at for backup in self.list()), default=datetime.min)
        if self.folder is None or failed is None or datetime.fromtimestamp(failed[0]) < newest:
            return None
        return message("最近一次备份没有成功：{reason}", reason=failed[1])

    def make_daily(self, db: database.Connection, *, is_busy: bool, stops: Callable[[], bool]) -> bool:
        """Make the backup of the day when it is due -> whether it was made; tells when it fails.

        While pictures are made it waits, up to two hours.
        """
        if self.folder is None or self._clock() < self._not_before:
            return False
        # One from before a jump of the clock, or of its future, counts for its own day only.
        if any(abs(self._now() - backup.made_at) < _EVERY for backup in self.list()):
            self._due_since = None
            return False
        self._due_since = self._clock() if self._due_since is None else self._due_since
        if is_busy and self._clock() - self._due_since < _LONGEST_WAIT_SECONDS:
            return False
        self._not_before = self._clock() + _RETRY_SECONDS
        try:
            return self.make(stops=stops) is not None
        except Conflict:  # another process makes it
            return False
        except AppError as error:
            log.event("worker", "backup_failed", why=error.message)
            database.note_backup_failed(db, error.message, day=f"{self._now():%Y-%m-%d}")
            return False

    def make(self, *, stops: Callable[[], bool] | None = None) -> Path | None:
        """Make a backup, verify it, and delete all but the last seven -> its file; None when off or stopped.

        Raises Conflict while another one is made, DiskError, DatabaseError.
        """
        folder = self.folder
        if folder is None:
            return None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with windows_files.try_lock(folder / ".lock") as is_mine:
                if not is_mine:
                    raise Conflict("正在备份，请稍后再试")
                for left in folder.glob(f"{self._settings.database_path.stem}-*{self._ending}.part*"):
                    windows_files.unlink(left)  # of a process that was killed
                self._require_space(folder)
                return self._make_in(folder, stops)
        except OSError as error:
            text = "备份没有成功（{reason}），请检查「{folder}」的磁盘空间和权限"
            raise DiskError(text, reason=error.strerror or error, folder=folder) from error

    def _make_in(self, folder: Path, stops: Callable[[], bool] | None) -> Path | None:
        number = max((backup.number for backup in self.list()), default=0) + 1
        stem = self._settings.database_path.stem
        target = folder / f"{stem}-{number:04}-{self._now():{_TIME}}{self._ending}"
        began = self._clock()
        if self._settings.database_url:
            database.dump(self._settings.database_url, target, environment_of_programs())
        elif not database.back_up(self._settings.database_path, target, stops=stops):
            return None
        for old in self.list()[KEPT:]:
            with suppress(OSError):  # open in another program: the next time
                windows_files.unlink(folder / old.name)
        log.event("worker", "backed_up", file=target.name, seconds=round(self._clock() - began, 1))
        return target

    def _require_space(self, folder: Path) -> None:
        """Raises DiskError when the backup would leave too little space for pictures."""
        path = self._settings.database_path
        size = 0 if self._settings.database_url else path.stat().st_size
        if (free := self._free(folder)) - size < 2 * LEAST_BYTES:
            text = "磁盘只剩 {free} MB，放不下备份，请清理「{folder}」所在的磁盘"
            raise DiskError(text, free=free // MEGABYTE, folder=folder)
