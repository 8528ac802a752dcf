"""Restores the database file from a backup: staged on the page, taken over by the next start.

What was made after the backup is offered back: its records are ``unknown`` until their pictures are
looked for.
"""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from app.core.records.rows import read_records, update_records
from app.domain import Record
from app.domain.times import utc_text
from app.engine.connection import Connection, transaction
from app.engine.sqlite import connect
from app.engine.values import priced
from app.errors import AppError, DatabaseError, DiskError
from app.migrations import LATEST
from app.migrations.restored import NOT_TAKEN_BACK, mark_restored, require_not_moved, restored_mark
from app.system import windows_files

_LOOKED_FOR = "returning"  # the cause of a record whose picture is looked for
_LOST = "备份以后做过，没有找到图片"
_OFFERED = f"status = 'unknown' AND cause = '{NOT_TAKEN_BACK}' AND deleted_at IS NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A database that was restored, until somebody has read it.

    copied_at   UTC text, when the copy was made, or of its last charge; empty without one
    replaced    the name of the file with the earlier contents; empty for a copy put back by hand
    ended       that file could not be read: every login, token, invitation and link of a client has ended
    offered     how many pictures were made after it, for ``amount`` CNY (None: a price is unknown)
    looked_for  how many are being taken back
    """

    copied_at: str
    replaced: str
    ended: bool
    offered: int
    amount: Decimal | None
    looked_for: int


def staged_restore(path: Path) -> Path:
    """The path of the backup that the next start restores the database at this path from."""
    return path.with_name(f"{path.name}.restore")


def stage_restore(backup: Path, path: Path, *, made_at: datetime) -> None:
    """Copy a backup of this time to where the next start looks for it. Raises DatabaseError, DiskError."""
    part = path.with_name(f"{path.name}.restore.part")
    try:
        shutil.copyfile(backup, part)
        _verify(part)
        with closing(connect(part)) as db, transaction(db):
            mark_restored(db, utc_text(made_at.astimezone(UTC)))
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
    with closing(connect(source)) as db, transaction(db):
        mark = restored_mark(db)
        mark_restored(db, mark["copied_at"] if mark else "", str((kept or aside).absolute()))
    windows_files.replace(source, path)
    windows_files.sync_folder(path.parent)
    return aside if kept is None else kept


def find_restored(db: Connection) -> Restored | None:
    """What to say of a database that was restored; None when it was not, or that was read."""
    if not (mark := restored_mark(db)):
        return None
    row = db.execute(
        f"""
        SELECT count(*) FILTER (WHERE {_OFFERED}) AS offered,
            coalesce(sum(cost_micros + at_stake_micros) FILTER (WHERE {_OFFERED}), 0) AS micros,
            coalesce(sum(cost_unpriced + at_stake_unpriced) FILTER (WHERE {_OFFERED}), 0) AS unpriced,
            count(*) FILTER (WHERE cause = '{_LOOKED_FOR}') AS looked_for
        FROM generation_records
        WHERE status IN ('failed', 'unknown', 'cancelled') AND status = 'unknown' AND deleted_at IS NULL
        """
    ).fetchone()
    return Restored(
        copied_at=mark["copied_at"],
        replaced=Path(mark["replaced"]).name,
        ended=bool(mark["ended"]),
        offered=row["offered"],
        amount=priced(row["micros"], row["unpriced"]),
        looked_for=row["looked_for"],
    )


def take_back(db: Connection) -> None:
    """Have the pictures that were made after the copy looked for."""
    with transaction(db):
        update_records(db, f"cause = '{_LOOKED_FOR}'", _OFFERED, {})


def list_looked_for(db: Connection, *, limit: int) -> list[Record]:
    """The first records whose pictures are looked for."""
    if not restored_mark(db):
        return []
    clauses = f"""
        WHERE status IN ('failed', 'unknown', 'cancelled') AND status = 'unknown' AND deleted_at IS NULL
            AND cause = '{_LOOKED_FOR}'
        ORDER BY id
        LIMIT :limit
    """
    return read_records(db, clauses, {"limit": limit})


def note_lost(db: Connection, record: Record) -> None:
    """The picture of a record is not there: one with a task id is fetched, another stays ``unknown``."""
    with transaction(db):
        update_records(
            db,
            """
            cause = 'interrupted', error = :error, lease_until = 0,
            status = CASE WHEN task_id IS NULL THEN 'unknown' ELSE 'running' END
            """,
            f"id = :id AND status = 'unknown' AND cause = '{_LOOKED_FOR}'",
            {"id": record.id, "error": _LOST},
        )


def leave_off(db: Connection) -> None:
    """Forget that the database was restored; what is still offered goes to the trash, may be bought again."""
    with transaction(db):
        update_records(
            db,
            "status = 'cancelled', cause = 'dropped', deleted_at = :now",
            _OFFERED,
            {"now": utc_text(datetime.now(UTC))},
        )
        if restored_mark(db) and not list_looked_for(db, limit=1):
            db.execute("DROP TABLE restored_from")


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
