"""Keeping house: what the trash holds too long, which files there ought to be, a copy of everything."""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import windows
from errors import StorageError
from storage.batches import pause_in_copy
from storage.connection import connect, is_up_to_date, transaction, unbound

_FILES_AT_ONCE = 2_000

Remove = Callable[[str, int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """A picture that a record says is there, with what was noted when it was kept (empty: nothing was)."""

    record_id: int
    filename: str
    sha256: str
    file_size: int | None


def empty_trash(
    db: sqlite3.Connection, *, days: int, remove: Remove, apart: Collection[int] = (), limit: int = 100
) -> int:
    """Delete for good what has lain in the trash for that many days, files first -> how many records.

    ``remove(filename, record id)`` takes picture and thumbnail away; the name is empty when another record
    has the same picture. When it raises StorageError the record stays in the trash and the others go on;
    those ``apart`` are not tried. Nobody can restore a record meanwhile, and after a crash in between the
    record is still in the trash and the next call goes on. A table of another program that names the record
    does not keep it.
    """
    with unbound(db), transaction(db):
        rows = db.execute(
            """
            SELECT id, filename
            FROM generation_records
            WHERE deleted_at IS NOT NULL AND deleted_at < datetime('now', :ago)
              AND id NOT IN (SELECT value FROM json_each(:apart))
            ORDER BY deleted_at
            LIMIT :limit
            """,
            {"ago": f"-{days} days", "apart": json.dumps(list(apart)), "limit": limit},
        ).fetchall()
        return sum(_delete_for_good(db, row, remove) for row in rows)


def _delete_for_good(db: sqlite3.Connection, row: sqlite3.Row, remove: Remove) -> bool:
    try:
        remove("" if _is_shared(db, row) else row["filename"], row["id"])
    except StorageError:
        return False
    db.execute("DELETE FROM generation_records WHERE id = :id", {"id": row["id"]})
    return True


def _is_shared(db: sqlite3.Connection, row: sqlite3.Row) -> bool:
    sql = """
        SELECT 1
        FROM generation_records
        WHERE filename = :filename COLLATE NOCASE AND filename <> '' AND id <> :id
        LIMIT 1
    """
    fields = {"filename": row["filename"], "id": row["id"]}
    return db.execute(sql, fields).fetchone() is not None


def list_kept_files(db: sqlite3.Connection) -> Iterator[KeptFile]:
    """The picture of every record that has one, also of those in the trash, in the order of ids."""
    last = 0
    while rows := db.execute(
        """
        SELECT id, filename, sha256, file_size
        FROM generation_records
        WHERE id > :last AND filename <> ''
        ORDER BY id
        LIMIT :limit
        """,
        {"last": last, "limit": _FILES_AT_ONCE},
    ).fetchall():
        for row in rows:
            yield KeptFile(
                record_id=row["id"],
                filename=row["filename"],
                sha256=row["sha256"],
                file_size=row["file_size"],
            )
        last = rows[-1]["id"]


def back_up(path: Path, target: Path) -> None:
    """A whole copy of the database as of this moment, in one move, while others go on writing.

    Batches that are at work here are paused in the copy: whoever goes back to it may have paid since for what
    is still queued there.
    Raises StorageError when there is no database, or the disk does not take it; an older copy is kept then.
    """
    if not path.is_file():
        raise StorageError(f"没有找到数据库 {path}，请在程序所在的文件夹里运行")
    part = target.with_name(f"{target.name}.part")
    try:
        windows.unlink(part)
        with closing(connect(path)) as db, closing(connect(part, create=True)) as copy:
            db.backup(copy)
            if is_up_to_date(copy):
                pause_in_copy(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            found = copy.execute("PRAGMA quick_check (1)").fetchone()[0]
        if found != "ok":
            raise StorageError(f"数据库 {path} 有损坏（{found}），这份备份没有保存，请从更早的备份恢复")
        for leftover in ("-wal", "-shm"):
            windows.unlink(target.with_name(f"{target.name}{leftover}"))
        windows.replace(part, target)
    except (sqlite3.Error, OSError) as error:
        raise StorageError(f"备份没有成功（{error}），请检查「{target.parent}」的磁盘空间和权限") from error
    finally:
        windows.unlink(part)
