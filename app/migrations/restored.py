"""Recognise a database that is a copy, and pause its batches: what is queued may have been submitted since.

Beside a SQLite file, ``<name>.charges`` has its charges and their rows once more. A line is added when the
charge is committed and before anything is sent: a crash leaves none that the database has not; an old copy
lacks some. A copy that was chosen on the page gets them from the file that it replaced.
"""

import json
import os
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.core.money.ledger import recompute_costs
from app.core.pauses import pause_in_transaction
from app.core.records.rows import update_records
from app.domain import PauseCause
from app.engine.connection import Connection, Row, next_version, transaction
from app.engine.sqlite import SqliteConnection
from app.errors import AppError, DatabaseError, WriteRefused
from app.system import windows_files

RESTORED = "数据库是从备份恢复的，备份以后可能已经做过，请先核对，再继续，以免重复付费"
MOVED = "数据库刚从别处搬来，请确认原来的程序不再运行，再继续，以免重复付费"
NOT_TAKEN_BACK = "restored"  # the cause of a record that the copy lacked
_LACKED = "备份以后做的，还没有收回来"
_MAX_BYTES = 2_000_000  # about two thousand charges; the images of earlier ones are on disk
_CHARGE = (
    "record_id, batch_id, person_id, model, price_micros, is_priced, is_free, opened_at, task_id, outcome, "
    "cause, closed_at, usage, usage_differs, own_columns"
)
_RECORD = (
    "created_at, prompt, negative_prompt, aspect_ratio, resolution, num_images, seed, steps, sample_images, "
    "model, options, row_number, picture_number, requested_filename, fingerprint, own_columns, templates, "
    "position, searched_columns, reserved_stem, file_key, person_id, pick, pick_person_id, marks, "
    "task_id, status, error, error_message, cause"
)
_INTERRUPTED = """
    status = 'running', task_id = :task_id, attempts = attempts + 1, lease_owner = NULL, lease_until = 0
"""
# What a copy takes from the file that it replaces: who has access, and the limits of spending.
_OF_PRESENT = ("people", "tokens", "sessions", "login_attempts", "budgets", "setting_changes")
_LINK = "token_digest, password_digest, password_version, ends_at"
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
    if not isinstance(db, SqliteConnection):
        return
    try:
        for charge in _read_charges(db, "main", "id = :id AND is_free = 0", {"id": charge_id}):
            with Path(f"{db.path}.charges").open("ab", buffering=0) as file:
                with _append_lock:  # the last line may be incomplete
                    file.write(b"\n" + json.dumps(charge, ensure_ascii=False).encode())
                os.fsync(file.fileno())
    except OSError as error:
        text = "数据库现在写不进去（{reason}），请检查磁盘空间和文件权限"
        raise WriteRefused(text, reason=error) from error


def _read_charges(
    db: SqliteConnection, schema: str, condition: str, fields: dict[str, Any]
) -> list[dict[str, Any]]:
    """Charges of a database, as the file beside has them: with their records, but of deleted ones."""
    found = []
    of_record = f"SELECT {_RECORD} FROM {schema}.generation_records WHERE id = :id AND deleted_at IS NULL"
    sql = f"SELECT {_CHARGE} FROM {schema}.charges AS theirs WHERE {condition} ORDER BY id"
    for charge in db.execute(sql, fields).fetchall():
        record = db.execute(of_record, {"id": charge["record_id"]}).fetchone()
        found.append(dict(charge) | {"record": record and dict(record)})
    return found


def pause_if_older(db: SqliteConnection) -> None:
    """Pause the active batches when the file lacks charges that were sent, and add them. Raises OSError."""
    path, sent = Path(f"{db.path}.charges"), []
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _MAX_BYTES))
        for line in file:
            with suppress(ValueError):  # incomplete: it was not sent
                sent.append(json.loads(line))
    with transaction(db):
        if missing := [charge for charge in sent if not _has_charge(db, charge)]:
            newest = db.execute("SELECT max(opened_at) AS at FROM charges").fetchone()["at"]
            if not restored_mark(db):
                mark_restored(db, newest or "", is_complete=True)
            pause_all(db, RESTORED)
            _add_missing(db, missing)
    if missing or path.stat().st_size > _MAX_BYTES:
        kept = [json.dumps(charge, ensure_ascii=False) for charge in sent if _has_charge(db, charge)]
        part = path.with_name(f"{path.name}.part")
        part.write_text("\n".join(kept), "utf-8")
        windows_files.replace(part, path)


def _add_missing(db: SqliteConnection, missing: Iterable[dict[str, Any]]) -> None:
    """Add charges that the database lacks; inside a transaction.

    A record that has not succeeded continues as if a crash had interrupted it: its image is looked for, and
    without one it ends as ``unknown``. One that is not there is added as ``unknown``, so that nothing equal
    is bought, until it is taken back. Of a record of another database with the same id nothing is added.
    Where the outcomes are not known, the last charge of a record may have been billed.
    """
    by_record = defaultdict(list)
    for charge in missing:
        by_record[charge["record_id"]].append(
            {"outcome": "open", "person_id": None, "task_id": None, **charge}
        )
    for record_id, charges in by_record.items():
        last, fields = charges[-1], {"id": record_id}
        sql = "SELECT batch_id, status FROM generation_records WHERE id = :id"
        there = db.execute(sql, fields).fetchone()
        is_done = there and there["status"] == "success"
        if there and (there["batch_id"] != last["batch_id"] or (is_done and last["outcome"] == "open")):
            continue
        if there and not is_done and last["outcome"] != "not_billed":
            update_records(db, _INTERRUPTED, "id = :record_id", last)
            last["outcome"] = "open"
        elif last["outcome"] == "open":
            last["outcome"] = "unknown"
        if not there and any(charge["outcome"] not in ("open", "not_billed") for charge in charges):
            _add_record(db, record_id, _columns(last.get("record") or {}, _RECORD))
        for charge in charges:
            if charge is last or charge["outcome"] != "open":
                _insert(db, "charges", _columns(charge, _CHARGE))
        recompute_costs(db, record_id)
    sql = "UPDATE main.sqlite_sequence SET seq = max(seq, :last) WHERE name = 'generation_records'"
    db.execute(sql, {"last": max(by_record, default=0)})  # no new record has their charges


def _add_record(db: SqliteConnection, record_id: int, record: dict[str, Any]) -> None:
    """Add a record that was made after the copy, without its picture, if its columns are known."""
    if not record:
        return
    if record["status"] not in ("failed", "cancelled"):
        record |= {"status": "unknown", "error": _LACKED, "error_message": "", "cause": NOT_TAKEN_BACK}
    sql = "SELECT 1 FROM generation_records WHERE file_key = :file_key"
    if db.execute(sql, record).fetchone():
        record["file_key"] = None
    _insert(db, "generation_records", record | {"id": record_id, "version": next_version(db)})


def _columns(values: dict[str, Any], names: str) -> dict[str, Any]:
    return {name: values[name] for name in names.split(", ") if name in values}


def _insert(db: SqliteConnection, table: str, values: dict[str, Any]) -> None:
    db.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES (:{', :'.join(values)})", values)


def mark_restored(
    db: Connection, copied_at: str, replaced: str = "", *, is_complete: bool = False, ended: bool = False
) -> None:
    """Write into a SQLite file from when it is, and the file that it replaces; inside a transaction.

    ``is_complete``: nothing is taken from that file any more; ``ended``: all access was, instead. The mark
    stays until somebody has read it.
    """
    db.execute("DROP TABLE IF EXISTS restored_from")
    db.execute(
        """
        CREATE TABLE restored_from AS
        SELECT :at AS copied_at, :file AS replaced, :done AS is_complete, :ended AS ended
        """,
        {"at": copied_at, "file": replaced, "done": is_complete, "ended": ended},
    )


def restored_mark(db: Connection) -> Row | None:
    """What ``mark_restored`` wrote; None where nothing was restored, or it was read."""
    sql = "SELECT 1 FROM sqlite_schema WHERE name = 'restored_from'"
    if db.engine != "sqlite" or not db.execute(sql).fetchone():
        return None
    mark: Row = db.execute("SELECT * FROM restored_from").fetchone()
    return mark


def complete_restore(db: SqliteConnection) -> None:
    """Take access, limits and charges from the file that the copy has replaced, once.

    Where that cannot be read every login, token, invitation and link of a client ends.
    """
    if not (mark := restored_mark(db)) or mark["is_complete"]:
        return
    replaced = mark["replaced"] if Path(mark["replaced"]).is_file() else ""
    try:
        db.execute("ATTACH DATABASE :file AS present", {"file": replaced})
        try:
            with transaction(db):
                _take_from_present(db)
                mark_restored(db, mark["copied_at"], mark["replaced"], is_complete=True)
        finally:
            db.execute("DETACH DATABASE present")
    except (sqlite3.Error, AppError):
        with transaction(db):
            pause_all(db, RESTORED)
            for table in ("sessions", "tokens"):
                db.execute(f"DELETE FROM {table}")
            db.execute("UPDATE people SET invitation_digest = NULL, invitation_ends_at = NULL")
            db.execute("UPDATE rounds SET state = 'closed', version = version + 1")
            mark_restored(db, mark["copied_at"], mark["replaced"], is_complete=True, ended=True)


def _take_from_present(db: SqliteConnection) -> None:
    pause_all(db, RESTORED)
    for table in _OF_PRESENT:
        names = ", ".join(row["name"] for row in db.execute(f"PRAGMA main.table_info({table})").fetchall())
        db.execute(f"DELETE FROM main.{table}")
        db.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM present.{table}")
    db.execute(
        """
        UPDATE main.rounds
        SET state = 'closed', version = version + 1
        WHERE id NOT IN (SELECT id FROM present.rounds WHERE state <> 'closed')
        """
    )
    db.execute(
        f"""
        UPDATE main.rounds AS ours
        SET ({_LINK}) = (SELECT {_LINK} FROM present.rounds AS theirs WHERE theirs.id = ours.id)
        WHERE id IN (SELECT id FROM present.rounds)
        """
    )
    both = "SELECT * FROM main.sqlite_sequence UNION ALL SELECT * FROM present.sqlite_sequence"
    last_ids = db.execute(f"SELECT name, max(seq) FROM ({both}) AS sequences GROUP BY name").fetchall()
    db.execute("DELETE FROM main.sqlite_sequence")
    db.executemany("INSERT INTO main.sqlite_sequence (name, seq) VALUES (?, ?)", last_ids)
    lacking = """
        NOT EXISTS (
            SELECT 1
            FROM main.charges AS ours
            WHERE ours.record_id = theirs.record_id AND ours.opened_at = theirs.opened_at)
    """
    _add_missing(db, _read_charges(db, "present", lacking, {}))


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
