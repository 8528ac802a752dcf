"""Keeping house: what the trash holds too long, which files there ought to be, a copy of everything."""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from app.db.batches import pause_in_copy
from app.db.connection import connect, foreign_keys_off, is_up_to_date, open_database, transaction
from app.db.records import EMPTIED
from app.domain import file_key
from app.errors import StorageError
from app.system import windows_files

_FILES_AT_ONCE = 2_000

_FOUND = """
    id, created_at, finished_at, prompt, negative_prompt, seed, steps, width, height, aspect_ratio,
    resolution, model, filename, image_path, file_stem, file_key, format, file_size,
    sha256, status, cost_unpriced
"""

Remove = Callable[[str, int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A picture that a record says is there, with what was noted when it was kept (empty: nothing was)."""

    record_id: int
    filename: str
    sha256: str
    file_size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPicture:
    """What a picture file says of its record; ``made_at`` is UTC text, empty fields are not known."""

    record_id: int | None
    made_at: str
    filename: str
    prompt: str
    negative_prompt: str
    seed: int | None
    steps: int | None
    width: int | None
    height: int | None
    aspect_ratio: str
    resolution: str
    model: str
    format: str
    file_size: int
    sha256: str


def empty_trash(
    db: sqlite3.Connection, *, days: int, remove: Remove, apart: Collection[int] = (), limit: int = 100
) -> int:
    """Delete for good what has lain in the trash for that many days, files first -> how many records.

    ``remove(filename, record id)`` takes picture and thumbnail away; the name is empty when another record
    has the same picture. When it raises StorageError the record stays in the trash and the others go on;
    those ``apart`` are not tried. Nobody can restore a record meanwhile, and after a crash in between the
    record is still in the trash and the next call goes on. Files are removed outside of any transaction.
    A table of another program that names the record does not keep it.
    """
    marked = _mark_expired(db, days=days, apart=apart, limit=limit)
    removed = [row["id"] for row in marked if _is_removed(row, remove)]
    with foreign_keys_off(db), transaction(db):
        db.execute(
            f"""
            DELETE FROM generation_records
            WHERE deletion = {EMPTIED} AND id IN (SELECT value FROM json_each(:ids))
            """,
            {"ids": json.dumps(removed)},
        )
        db.execute(
            f"""
            UPDATE generation_records
            SET deletion = NULL
            WHERE deletion = {EMPTIED} AND id IN (SELECT value FROM json_each(:ids))
            """,
            {"ids": json.dumps([row["id"] for row in marked])},
        )
    return len(removed)


def _mark_expired(
    db: sqlite3.Connection, *, days: int, apart: Collection[int], limit: int
) -> list[sqlite3.Row]:
    """Keep them from being restored -> their ids and files; no file that another record has as well."""
    with transaction(db):
        expired = db.execute(
            """
            SELECT id
            FROM generation_records
            WHERE deleted_at IS NOT NULL AND deleted_at < datetime('now', :ago)
              AND id NOT IN (SELECT value FROM json_each(:apart))
            ORDER BY deleted_at
            LIMIT :limit
            """,
            {"ago": f"-{days} days", "apart": json.dumps(list(apart)), "limit": limit},
        ).fetchall()
        ids = json.dumps([row["id"] for row in expired])
        db.execute(
            f"""
            UPDATE generation_records
            SET deletion = {EMPTIED}
            WHERE id IN (SELECT value FROM json_each(:ids))
            """,
            {"ids": ids},
        )
        return db.execute(
            f"""
            SELECT mine.id, CASE WHEN EXISTS (
                SELECT 1
                FROM generation_records AS other
                WHERE other.filename = mine.filename COLLATE NOCASE AND other.filename <> ''
                  AND other.id <> mine.id AND other.deletion IS NOT {EMPTIED}
            ) THEN '' ELSE mine.filename END AS filename
            FROM json_each(:ids)
            JOIN generation_records AS mine ON mine.id = json_each.value
            ORDER BY json_each.key
            """,
            {"ids": ids},
        ).fetchall()


def _is_removed(row: sqlite3.Row, remove: Remove) -> bool:
    try:
        remove(row["filename"], row["id"])
    except StorageError:
        return False
    return True


def list_stored_files(db: sqlite3.Connection) -> Iterator[StoredFile]:
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
            yield StoredFile(
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
        windows_files.unlink(part)
        with closing(connect(path)) as db, closing(connect(part, create=True)) as copy:
            db.backup(copy)
            if is_up_to_date(copy):
                pause_in_copy(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            found = copy.execute("PRAGMA quick_check (1)").fetchone()[0]
        if found != "ok":
            raise StorageError(f"数据库 {path} 有损坏（{found}），这份备份没有保存，请从更早的备份恢复")
        for leftover in ("-wal", "-shm"):
            windows_files.unlink(target.with_name(f"{target.name}{leftover}"))
        windows_files.replace(part, target)
    except (sqlite3.Error, OSError) as error:
        raise StorageError(f"备份没有成功（{error}），请检查「{target.parent}」的磁盘空间和权限") from error
    finally:
        windows_files.unlink(part)


def rebuild(target: Path, found: Iterable[FoundPicture]) -> int:
    """A new database of the records that these pictures had, in one move -> how many.

    Of several with one number the first keeps it, the others get new ones. What they cost nobody knows.
    Raises StorageError, also when there is such a file already; nothing is left behind then.
    """
    part = target.with_name(f"{target.name}.part")
    if target.exists():
        raise StorageError(f"「{target}」已经存在，请换一个文件名")
    try:
        _remove_database(part)
        open_database(part)
        with closing(connect(part)) as db:
            with transaction(db):
                again = [picture for picture in found if not _add_found(db, picture)]
                for picture in again:
                    _add_found(db, replace(picture, record_id=None))
                number = int(db.execute("SELECT count(*) FROM generation_records").fetchone()[0])
            db.execute("PRAGMA journal_mode = DELETE")
        windows_files.replace(part, target)
    except (sqlite3.Error, OSError) as error:
        raise StorageError(f"重建没有成功（{error}），请检查「{target.parent}」的磁盘空间和权限") from error
    finally:
        _remove_database(part)
    return number


def _add_found(db: sqlite3.Connection, picture: FoundPicture) -> bool:
    """Whether its number was free; of a name that another has in other letters only the first is promised."""
    stem = picture.filename.rpartition(".")[0]
    key = file_key(stem)
    taken = db.execute("SELECT 1 FROM generation_records WHERE file_key = :key", {"key": key}).fetchone()
    return bool(
        db.execute(
            f"""
            INSERT OR IGNORE INTO generation_records ({_FOUND})
            VALUES (
                :record_id, :made_at, :made_at, :prompt, :negative_prompt, :seed, :steps, :width, :height,
                :aspect_ratio, :resolution, :model, :filename, '/output/' || :filename, :stem, :key, :format,
                :file_size, :sha256, 'success', 1)
            """,
            asdict(picture) | {"stem": stem, "key": None if taken else key},
        ).rowcount
    )


def _remove_database(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        windows_files.unlink(path.with_name(f"{path.name}{ending}"))
