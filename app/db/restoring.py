"""Restores the database file from a backup: staged on the page, taken over by the next start."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

from app.db.migrations import LATEST
from app.db.restored import require_not_moved
from app.db.sqlite_connection import connect
from app.errors import AppError, DatabaseError, DiskError
from app.system import windows_files


def staged_restore(path: Path) -> Path:
    """The path of the backup that the next start restores the database at this path from."""
    return path.with_name(f"{path.name}.restore")


def stage_restore(backup: Path, path: Path) -> None:
    """Copy a backup to where the next start looks for it. Raises DatabaseError, DiskError."""
    part = path.with_name(f"{path.name}.restore.part")
    try:
        shutil.copyfile(backup, part)
        _verify(part)
        windows_files.replace(part, staged_restore(path))
    except OSError as error:
        text = "「{folder}」里放不下这份备份（{reason}），请检查磁盘空间和权限"
        raise DiskError(text, folder=path.parent, reason=error.strerror or error) from error
    finally:
        windows_files.unlink(part)


def take_over_restore(path: Path, keep: Callable[[], Path | None]) -> Path | None:
    """Replace the database by the staged backup -> where the present one is kept; None without a backup.

    ``keep`` backs it up; one that cannot be, as it is damaged, is moved aside. A process that is killed
    meanwhile is continued by the next. Raises DatabaseError with nothing changed while another process has
    the database open, OSError.
    """
    source = staged_restore(path)
    if not source.exists():
        return None
    _verify(source)
    aside = path.with_name(f"{path.name}.replaced-{datetime.now():%Y%m%d-%H%M%S}")
    kept = _kept(path, keep) if path.exists() else None
    for ending in ("", "-wal", "-shm") if kept is None else ():
        if (left := path.with_name(path.name + ending)).exists():
            windows_files.replace(left, aside.with_name(aside.name + ending))
    windows_files.replace(source, path)
    windows_files.sync_folder(path.parent)
    return aside if kept is None else kept


def _kept(path: Path, keep: Callable[[], Path | None]) -> Path | None:
    """The backup of the present file, whose ``-wal`` is then in it; None when it cannot be made."""
    try:
        with closing(connect(path)) as db:
            db.execute("PRAGMA journal_mode = DELETE")  # refused while another connection is open
        return keep()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            raise DatabaseError("数据库正被另一个程序使用") from error
    except (sqlite3.Error, AppError):
        pass
    return None


def _verify(path: Path) -> None:
    """Raises DatabaseError for a file that is damaged, of a newer version, or no database of this program."""
    try:
        with closing(connect(path)) as db:
            found = str(db.execute("PRAGMA quick_check (1)").fetchone()[0])
            db.execute("SELECT id FROM generation_records LIMIT 1").fetchone()
            version = db.execute("PRAGMA user_version").fetchone()[0]
            require_not_moved(db)
    except sqlite3.Error as error:
        found, version = str(error), 0
    if found != "ok" or version > LATEST:
        raise DatabaseError(
            "这份备份不能用（{reason}），请换一份", reason=found if found != "ok" else version
        )
