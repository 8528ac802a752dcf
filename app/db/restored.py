"""Recognise a database that is a copy, and pause its batches: what is queued may have been submitted since.

Beside a SQLite file, ``<name>.charges`` has its charges once more. A line is added when the charge is
committed and before anything is sent: a crash leaves none that the database has not; an old copy lacks some.
"""

import json
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.db.batches import pause_in_transaction
from app.db.connection import Connection, transaction
from app.db.sqlite_connection import SqliteConnection
from app.db.versions import update_records
from app.domain import PauseCause
from app.errors import DatabaseError, WriteRefused
from app.system import windows_files

RESTORED = "数据库是从备份恢复的，备份以后可能已经做过，请先核对，再继续，以免重复付费"
MOVED = "数据库刚从别处搬来，请确认原来的程序不再运行，再继续，以免重复付费"
_MAX_BYTES = 400_000  # about two thousand charges; the images of earlier ones are on disk
_NAMES = ("record_id", "batch_id", "model", "price_micros", "is_priced", "is_free", "opened_at", "person_id")
_SAME_RECORD = "id = :record_id AND batch_id = :batch_id AND status <> 'success'"
_INTERRUPTED = (
    "status = 'running', task_id = NULL, attempts = attempts + 1, lease_owner = NULL, lease_until = 0"
)
_append_lock = threading.Lock()


def pause_all(db: Connection, reason: str) -> int:
    """Pause the active batches -> how many; inside a transaction.

    What a sample holds may have been released in the original: its batch says so too. All that waits counts
    as claimed before, so that its image is looked for before it is submitted.
    """
    waiting = "attempts = 0 AND status IN ('held', 'queued')"
    db.execute(f"UPDATE generation_records SET attempts = 1 WHERE {waiting}")
    db.execute(
        """
        UPDATE batches
        SET paused_reason = :reason, paused_message = ''
        WHERE state = 'paused' AND paused_cause = 'sample'
        """,
        {"reason": reason},
    )
    active = db.execute("SELECT id FROM batches WHERE state = 'active'").fetchall()
    for row in active:
        pause_in_transaction(db, row["id"], reason, cause=PauseCause.OTHER)
    db.execute("DELETE FROM notifications")  # sent from the original
    db.execute("DROP TABLE IF EXISTS moved_to")
    return len(active)


def mark_moved(db: Connection, place: str) -> None:
    """Write into a SQLite file where its contents were moved to; inside a transaction."""
    db.execute("DROP TABLE IF EXISTS moved_to")
    db.execute("CREATE TABLE moved_to AS SELECT :place AS place", {"place": place})


def require_not_moved(db: Connection) -> None:
    """Raises DatabaseError for a SQLite file whose contents were moved; ``pause_all`` unmarks it."""
    sql = "SELECT 1 FROM sqlite_schema WHERE name = 'moved_to'"
    if db.engine == "sqlite" and db.execute(sql).fetchone():
        place = db.execute("SELECT place FROM moved_to").fetchone()["place"]
        text = (
            "数据库文件已搬到 {place}，不再用它启动，以免重复付费：请设置 DATABASE_URL；"
            "一定要再用它，先运行 {command}"
        )
        raise DatabaseError(text, place=place, command="python -m app.cli pause-all")


def note_sent(db: Connection, charge_id: int) -> None:
    """Add a charge that may cost money to the file beside, durably; called before it is sent.

    Raises WriteRefused.
    """
    sql = f"SELECT {', '.join(_NAMES)} FROM charges WHERE id = :id AND is_free = 0"
    if not isinstance(db, SqliteConnection) or not (row := db.execute(sql, {"id": charge_id}).fetchone()):
        return
    try:
        with Path(f"{db.path}.charges").open("ab", buffering=0) as file:
            with _append_lock:
                file.write(b"\n" + json.dumps(dict(row)).encode())  # the last line may be incomplete
            os.fsync(file.fileno())
    except OSError as error:
        text = "数据库现在写不进去（{reason}），请检查磁盘空间和文件权限"
        raise WriteRefused(text, reason=error) from error


def pause_if_older(db: SqliteConnection) -> None:
    """Pause the active batches when the file lacks charges that were sent. Raises OSError.

    The last one of each record is added, as if a crash had interrupted it: its image is looked for, and
    without one it ends as ``unknown``.
    """
    path, sent = Path(f"{db.path}.charges"), []
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _MAX_BYTES))
        for line in file:
            with suppress(ValueError):  # incomplete: it was not sent
                sent.append(json.loads(line))
    with transaction(db):
        missing = [charge for charge in sent if not _has_charge(db, charge)]
        if missing:
            pause_all(db, RESTORED)
        for charge in {each["record_id"]: each for each in missing}.values():
            if update_records(db, _INTERRUPTED, _SAME_RECORD, charge):
                sql = f"INSERT INTO charges ({', '.join(_NAMES)}) VALUES (:{', :'.join(_NAMES)})"
                db.execute(sql, {"person_id": None, **charge})  # a line of before there were people
    if missing or path.stat().st_size > _MAX_BYTES:
        kept = [json.dumps(charge) for charge in sent if _has_charge(db, charge)]
        part = path.with_name(f"{path.name}.part")
        part.write_text("\n".join(kept), "utf-8")
        windows_files.replace(part, path)


def _has_charge(db: Connection, charge: dict[str, Any]) -> bool:
    sql = "SELECT 1 FROM charges WHERE record_id = :record_id AND opened_at = :opened_at"
    return db.execute(sql, charge).fetchone() is not None


def pause_if_restored(db: Connection) -> None:
    """Pause the active batches when the tables are not in the place where they were opened last.

    pg_restore puts them into another database, or into tables made anew. PostgreSQL only.
    """
    place = _place(db)
    if _last_place(db) == place:
        return
    with transaction(db):
        if _last_place(db) not in ("", place):
            pause_all(db, RESTORED)
        db.execute("UPDATE schema_version SET place = :place", {"place": place})


def _last_place(db: Connection) -> str:
    return str(db.execute("SELECT place FROM schema_version").fetchone()["place"])


def _place(db: Connection) -> str:
    """What a restored copy has not in common with its original: cluster, database and table."""
    try:
        cluster = db.execute("SELECT system_identifier FROM pg_control_system() AS control").fetchone()[0]
    except DatabaseError:  # not permitted
        cluster = 0
    row = db.execute(
        """
        SELECT oid, 'generation_records'::regclass::oid AS records
        FROM pg_database
        WHERE datname = current_database()
        """
    ).fetchone()
    return f"{cluster}/{row['oid']}/{row['records']}"
