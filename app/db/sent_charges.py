"""The charges of a SQLite file once more, in ``<name>.charges`` beside it: what an older copy does not know.

A line is added when the charge is committed and before anything is sent, so a crash leaves none that the
database has not. A database that lacks one is an older copy: of a backup, a snapshot or a synced folder.
"""

import json
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.db.connection import Connection, transaction
from app.db.restored import RESTORED, pause_all
from app.db.sqlite_connection import SqliteConnection
from app.db.versions import update_records
from app.errors import WriteRefused
from app.system import windows_files

_MAX_BYTES = 400_000  # about two thousand charges; the images of earlier ones are on disk
_NAMES = ("record_id", "batch_id", "model", "price_micros", "is_priced", "is_free", "opened_at")
_append_lock = threading.Lock()


def note_sent(db: Connection, charge_id: int) -> None:
    """Add a charge that may cost money, durably, before it is sent; beside a file. Raises WriteRefused."""
    sql = f"SELECT {', '.join(_NAMES)} FROM charges WHERE id = :id AND is_free = 0"
    if not isinstance(db, SqliteConnection) or not (row := db.execute(sql, {"id": charge_id}).fetchone()):
        return
    try:
        with _beside(db).open("ab", buffering=0) as file:
            with _append_lock:
                file.write(b"\n" + json.dumps(dict(row)).encode())  # the last line may be incomplete
            os.fsync(file.fileno())
    except OSError as error:
        text = "数据库现在写不进去（{reason}），请检查磁盘空间和文件权限"
        raise WriteRefused(text, reason=error) from error


def pause_if_older(db: SqliteConnection) -> bool:
    """Pause the active batches when the database lacks charges that were sent -> whether that concerns any.

    The last one of each record is added, as if a crash had interrupted it: its image is looked for, and
    without one it ends as ``unknown``. Raises OSError.
    """
    path = _beside(db)
    if not path.exists():
        return False
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _MAX_BYTES))
        sent = []
        for line in file.read().splitlines():
            with suppress(ValueError):  # incomplete: it was not sent
                sent.append(json.loads(line))
    if not _missing_in(db, sent):
        if path.stat().st_size > _MAX_BYTES:
            _replace(path, sent)
        return False
    with transaction(db):
        missing = {charge["record_id"]: charge for charge in _missing_in(db, sent)}
        paused = pause_all(db, RESTORED)
        added = sum(_add_interrupted(db, charge) for charge in missing.values())
    _replace(path, [])
    return paused + added > 0


def _missing_in(db: Connection, sent: list[dict[str, Any]]) -> list[dict[str, Any]]:
    sql = "SELECT 1 FROM charges WHERE record_id = :record_id AND opened_at = :opened_at"
    return [charge for charge in sent if db.execute(sql, charge).fetchone() is None]


def _add_interrupted(db: Connection, charge: dict[str, Any]) -> bool:
    changed = update_records(
        db,
        "status = 'running', task_id = NULL, attempts = attempts + 1, lease_owner = NULL, lease_until = 0",
        "id = :record_id AND batch_id = :batch_id AND status <> 'success'",
        charge,
    )
    if changed:
        db.execute(f"INSERT INTO charges ({', '.join(_NAMES)}) VALUES (:{', :'.join(_NAMES)})", charge)
    return bool(changed)


def _replace(path: Path, sent: list[dict[str, Any]]) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_text("".join(f"\n{json.dumps(charge)}" for charge in sent), "utf-8")
    windows_files.replace(part, path)


def _beside(db: SqliteConnection) -> Path:
    return db.path.with_name(f"{db.path.name}.charges")
