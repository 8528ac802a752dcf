"""The charges of a SQLite file once more, in ``<name>.charges`` beside it: what an older copy does not know.

A line is added when the charge is committed and before anything is sent, so a crash leaves none that the
database has not. A database that lacks one is an older copy: of a backup, a snapshot or a synced folder.
"""

import json
import os
import threading
from pathlib import Path
from typing import Any

from app.db.connection import Connection, transaction
from app.db.restored import RESTORED, pause_all
from app.db.sqlite_connection import SqliteConnection
from app.db.versions import update_records
from app.errors import DiskError
from app.system import windows_files

_MAX_BYTES = 400_000  # about two thousand charges; the images of earlier ones are on disk
_NAMES = ("record_id", "batch_id", "model", "price_micros", "is_priced", "is_free", "opened_at")
_COLUMNS = ", ".join(_NAMES)

_append_lock = threading.Lock()

Charge = dict[str, Any]


def note_sent(db: Connection, charge_id: int) -> None:
    """Add a charge that is about to be sent, durably; only beside a file, and not what is free.

    Raises DiskError.
    """
    if not isinstance(db, SqliteConnection):
        return
    row = db.execute(f"SELECT {_COLUMNS} FROM charges WHERE id = :id", {"id": charge_id}).fetchone()
    if row["is_free"]:
        return
    path = _beside(db.path)
    try:
        with path.open("ab", buffering=0) as file:
            with _append_lock:
                file.write(b"\n" + json.dumps(dict(row)).encode())  # the last line may be incomplete
            os.fsync(file.fileno())
    except OSError as error:
        text = "「{path}」写不进去（{error}），换回旧的数据库时会认不出来，请检查磁盘和权限"
        raise DiskError(text, path=path, error=error) from error


def pause_if_older(db: SqliteConnection) -> bool:
    """Pause the active batches when charges were sent that the database lacks -> whether it has any to pause.

    The last one of each record is added, as if a crash had interrupted it: its image is looked for, and
    without one it ends as ``unknown``. Raises OSError when the file beside cannot be read or written.
    """
    path = _beside(db.path)
    if not path.exists():
        return False
    sent = _read(path)
    if not _missing_in(db, sent):
        _write(path, sent if path.stat().st_size > _MAX_BYTES else None)
        return False
    with transaction(db):
        missing = {charge["record_id"]: charge for charge in _missing_in(db, sent)}
        paused = pause_all(db, RESTORED)
        added = sum(_add_interrupted(db, charge) for charge in missing.values())
    _write(path, [])
    return paused + added > 0


def _missing_in(db: Connection, sent: list[Charge]) -> list[Charge]:
    sql = "SELECT 1 FROM charges WHERE record_id = :record_id AND opened_at = :opened_at"
    return [charge for charge in sent if db.execute(sql, charge).fetchone() is None]


def _add_interrupted(db: Connection, charge: Charge) -> bool:
    changed = update_records(
        db,
        "status = 'running', task_id = NULL, attempts = attempts + 1, lease_owner = NULL, lease_until = 0",
        "id = :record_id AND batch_id = :batch_id AND status <> 'success'",
        charge,
    )
    if changed:
        db.execute(f"INSERT INTO charges ({_COLUMNS}) VALUES (:{', :'.join(_NAMES)})", charge)
    return bool(changed)


def _read(path: Path) -> list[Charge]:
    """The latest charges in the file; what a power cut left incomplete was not sent."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _MAX_BYTES))
        lines = file.read().splitlines()
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def _write(path: Path, sent: list[Charge] | None) -> None:
    """Replace the contents, unless None: then only require that it is writable."""
    if sent is None:
        path.open("ab").close()
        return
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(b"".join(b"\n" + json.dumps(charge).encode() for charge in sent))
    windows_files.replace(part, path)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.charges")
