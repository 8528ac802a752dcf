"""Empty the trash, back up the database (PostgreSQL with its own program), and rebuild it from pictures."""

import re
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.core.records.copies import note_stored_output
from app.core.records.records import EMPTIED, portions
from app.domain import file_key
from app.domain.times import utc_text
from app.engine.connection import Connection, Row, transaction
from app.engine.sqlite import connect
from app.engine.values import IN_IDS, SqlList, object_text
from app.errors import DatabaseError, DiskError, message
from app.migrations import is_up_to_date, open_database
from app.migrations.restored import RESTORED, pause_all
from app.system import windows_files

_FILES_AT_ONCE = 2_000
_FAILED = "备份没有成功（{reason}），请检查「{folder}」的磁盘空间和权限"
_PAGES_AT_ONCE = 256
_BETWEEN_PAGES_SECONDS = 0.02  # 50 MB a second at most: the disk is for the pictures

_FOUND = """
    id, created_at, finished_at, prompt, negative_prompt, seed, steps, width, height, aspect_ratio,
    resolution, model, filename, image_path, reserved_stem, file_key, format, file_size,
    sha256, marks, status, cost_unpriced
"""

Remove = Callable[[str, int, str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPicture:
    """Record metadata read from a picture file; ``made_at`` is UTC text, empty fields are unknown. ``key`` is
    that in the bucket when pictures are stored there."""

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
    marks: Mapping[str, Any]
    key: str = ""


def empty_trash(
    db: Connection, *, days: int, remove: Remove, exclude: Collection[int] = (), limit: int = 100
) -> int:
    """Permanently delete records that were in the trash for ``days``, files first -> number deleted.

    ``remove(filename, record id, sha256)`` deletes picture, thumbnail and parameters; the name is empty when
    another record shares the picture. If it raises DiskError, that record stays in the trash; ids in
    ``exclude`` are skipped. Records being deleted cannot be restored; after a crash they are still in the
    trash and the next call continues. Files are deleted outside any transaction. Foreign keys of other
    programs' tables are ignored.
    """
    marked = _mark_expired(db, days=days, exclude=exclude, limit=limit)
    removed = []
    for row in marked:
        with suppress(DiskError):
            remove(row["filename"], row["id"], row["sha256"])
            removed.append(row["id"])
    emptied = f"deletion_id = {EMPTIED} AND id {IN_IDS}"
    with db.foreign_keys_off(), transaction(db):
        db.execute(  # for whom it was paid is still asked
            f"""
            UPDATE charges
            SET own_columns = records.own_columns
            FROM generation_records AS records
            WHERE records.id = charges.record_id AND records.id {IN_IDS}
            """,
            {"ids": SqlList(removed)},
        )
        db.execute(f"DELETE FROM generation_records WHERE {emptied}", {"ids": SqlList(removed)})
        db.execute(
            f"UPDATE generation_records SET deletion_id = NULL WHERE {emptied}",
            {"ids": SqlList(row["id"] for row in marked)},
        )
    return len(removed)


def _mark_expired(db: Connection, *, days: int, exclude: Collection[int], limit: int) -> list[Row]:
    """Mark expired records as unrestorable -> id, hash and filename, empty for a shared file."""
    before = datetime.now(UTC) - timedelta(days=days)
    with transaction(db):
        expired = db.execute(
            f"""
            SELECT id
            FROM generation_records
            WHERE deleted_at IS NOT NULL AND deleted_at < :before AND id NOT {IN_IDS}
            ORDER BY deleted_at
            LIMIT :limit
            """,
            {"before": utc_text(before), "ids": SqlList(exclude), "limit": limit},
        ).fetchall()
        ids = SqlList(row["id"] for row in expired)
        db.execute(f"UPDATE generation_records SET deletion_id = {EMPTIED} WHERE id {IN_IDS}", {"ids": ids})
        return db.execute(
            f"""
            SELECT mine.id, mine.sha256, CASE WHEN EXISTS (
                SELECT 1
                FROM generation_records AS other
                WHERE other.filename = mine.filename COLLATE NOCASE AND other.filename <> ''
                  AND other.id <> mine.id AND coalesce(other.deletion_id, 0) <> {EMPTIED}
            ) THEN '' ELSE mine.filename END AS filename
            FROM generation_records AS mine
            WHERE mine.id {IN_IDS}
            ORDER BY mine.deleted_at, mine.id
            """,
            {"ids": ids},
        ).fetchall()


class _Stopped(Exception):
    """A backup was stopped."""


def back_up(path: Path, target: Path, *, stops: Callable[[], bool] | None = None) -> bool:
    """Copy the database atomically and consistently, while others write -> whether it was copied.

    With ``stops`` it goes slowly, for the sake of the disk, and ends without a copy when that is true.

    Active batches are paused in the copy: after a restore, records still queued there may already have
    been charged.
    Raises DatabaseError when the database is missing or corrupt, DiskError; an older copy then stays.
    """
    if not path.is_file():
        raise DatabaseError("没有找到数据库 {path}，请在程序所在的文件夹里运行", path=path)
    part = target.with_name(f"{target.name}.part")
    try:
        windows_files.unlink(part)
        with closing(connect(path)) as db, closing(connect(part, create=True)) as copy:
            with db.read_transaction():  # else it would begin again whenever somebody writes
                db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                db.backup(copy, pages=_PAGES_AT_ONCE if stops else -1, progress=_slowly(stops))
            if is_up_to_date(copy):
                with transaction(copy):
                    pause_all(copy, RESTORED)
            copy.execute("PRAGMA journal_mode = DELETE")
            found = copy.execute("PRAGMA quick_check (1)").fetchone()[0]
        if found != "ok":
            text = "数据库 {path} 有损坏（{found}），这份备份没有保存，请从更早的备份恢复"
            raise DatabaseError(text, path=path, found=found)
        for leftover in ("-wal", "-shm"):
            windows_files.unlink(target.with_name(f"{target.name}{leftover}"))
        windows_files.replace(part, target)
    except _Stopped:
        return False
    except (sqlite3.Error, OSError) as error:
        raise DiskError(_FAILED, reason=error, folder=target.parent) from error
    finally:
        for ending in ("", "-journal", "-wal", "-shm"):
            windows_files.unlink(part.with_name(f"{part.name}{ending}"))
    return True


def _slowly(stops: Callable[[], bool] | None) -> Callable[[int, int, int], None] | None:
    def step(_status: int, _left: int, _pages: int) -> None:
        if stops and stops():
            raise _Stopped
        time.sleep(_BETWEEN_PAGES_SECONDS)

    return step if stops else None


def dump(url: str, target: Path, environ: Mapping[str, str]) -> None:
    """Write the database to a file for pg_restore, atomically and consistently, while others write.

    ``environ`` is the environment of pg_dump, whose password is passed in it, so that no list of processes
    shows it. Raises DatabaseError, DiskError; an older file then stays.
    """
    from app.engine.postgres import PostgresConnection, environment_of

    with closing(PostgresConnection(url)) as db:
        row = db.execute("SELECT current_setting('server_version_num') AS number").fetchone()
        server = int(row["number"]) // 10_000
    part = target.with_name(f"{target.name}.part")
    command = (_pg_dump(server), "--format=custom", "--no-password", f"--file={part}")
    try:
        done = subprocess.run(  # noqa: S603 - a program of PostgreSQL, and no shell
            command,
            env={**environ, **environment_of(url)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode:
            reason = (done.stderr.strip() or "?").splitlines()[0]
            raise DiskError(_FAILED, reason=reason, folder=target.parent)
        windows_files.replace(part, target)
    except OSError as error:
        raise DiskError(_FAILED, reason=error, folder=target.parent) from error
    finally:
        windows_files.unlink(part)


def _pg_dump(server: int) -> str:
    """The newest pg_dump here. Raises DatabaseError when it is older than the server, or there is none."""
    newest = max(_versions(), default=(0, ""))
    if newest[0] < server:
        found = message("这里的是 {version}", version=newest[0]) if newest[0] else message("这里没有找到")
        text = "备份要用 pg_dump {server} 或更新的版本（{found}），请安装 PostgreSQL {server} 的客户端程序"
        raise DatabaseError(text, server=server, found=found)
    return newest[1]


def _versions() -> Iterator[tuple[int, str]]:
    """(version, path) of the one on PATH, and of those where Debian has them."""
    found = shutil.which("pg_dump")
    paths = [*Path("/usr/lib/postgresql").glob("*/bin/pg_dump"), *([Path(found)] if found else [])]
    for path in paths:
        try:
            said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
        except OSError:
            continue
        if number := re.search(r"\) (\d+)", said):
            yield int(number[1]), str(path)


def rebuild(target: Path, found: Iterable[FoundPicture]) -> int:
    """Build a new database from the metadata of pictures, atomically -> number of records.

    If several have the same id, the first keeps it and the others get new ones. Costs are unknown.
    Raises DiskError, also when the file exists; no partial file is left then.
    """
    part = target.with_name(f"{target.name}.part")
    if target.exists():
        raise DiskError(f"「{target}」已经存在，请换一个文件名")
    try:
        _remove_database(part)
        open_database(part)
        with closing(connect(part)) as db:
            again = []
            for portion in portions(found, _FILES_AT_ONCE):
                with transaction(db):
                    again += [picture for picture in portion if not _add_found(db, picture)]
            with transaction(db):
                for picture in again:
                    _add_found(db, replace(picture, record_id=None))
                number = int(db.execute("SELECT count(*) FROM generation_records").fetchone()[0])
            db.execute("PRAGMA journal_mode = DELETE")
        windows_files.replace(part, target)
    except (sqlite3.Error, OSError) as error:
        raise DiskError(f"重建没有成功（{error}），请检查「{target.parent}」的磁盘空间和权限") from error
    finally:
        _remove_database(part)
    return number


def _add_found(db: Connection, picture: FoundPicture) -> bool:
    """Insert a record -> whether its id was free; of equal file keys only the first is reserved."""
    stem = picture.filename.rpartition(".")[0]
    key = file_key(stem)
    taken = db.execute("SELECT 1 FROM generation_records WHERE file_key = :key", {"key": key}).fetchone()
    added = db.execute(
        f"""
        INSERT INTO generation_records ({_FOUND})
        VALUES (
            :record_id, :made_at, :made_at, :prompt, :negative_prompt, :seed, :steps, :width, :height,
            :aspect_ratio, :resolution, :model, :filename, '/output/' || :filename, :stem, :file_key, :format,
            :file_size, :sha256, :marks, 'success', 1)
        ON CONFLICT DO NOTHING
        RETURNING id
        """,
        asdict(picture)
        | {"stem": stem, "file_key": None if taken else key, "marks": object_text(picture.marks)},
    ).fetchone()
    if added and picture.key:
        note_stored_output(db, added["id"], picture.filename, picture.key)
    return added is not None


def _remove_database(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        windows_files.unlink(path.with_name(f"{path.name}{ending}"))
