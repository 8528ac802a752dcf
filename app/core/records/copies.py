"""The files of pictures: which are stored, and the queue of those to be copied to the bucket (OSS)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.domain import SavedImage
from app.engine.connection import Connection, transaction
from app.engine.values import IN_IDS, SqlList, message_json, to_message
from app.errors import Message, message

_FILES_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A record's picture file, with hash and size as saved (empty or None: not recorded); ``key`` is that in
    the bucket, empty without a copy there."""

    record_id: int
    filename: str
    sha256: str
    file_size: int | None
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputCopy:
    """A finished picture queued to be copied to the bucket."""

    record_id: int
    filename: str
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyProgress:
    """Numbers of copied and waiting pictures; ``error`` is that of the waiting copy with the latest retry."""

    kept: int
    waiting: int
    error: Message


def note_output(db: Connection, record_id: int, saved: SavedImage, *, to_bucket: bool) -> None:
    """Note that OSS has a finished picture, or that it is to be copied there; inside a transaction."""
    if saved.oss_key:
        note_stored_output(db, record_id, saved.filename, saved.oss_key)
    elif to_bucket:
        db.execute(
            """
            INSERT INTO output_copies (record_id, filename)
            VALUES (:id, :filename)
            ON CONFLICT DO NOTHING
            """,
            {"id": record_id, "filename": saved.filename},
        )
    else:
        note_no_copy(db, [record_id])


def note_stored_output(db: Connection, record_id: int, filename: str, key: str) -> None:
    """Note under which key OSS has a record's picture; inside a transaction."""
    db.execute(
        """
        INSERT INTO output_copies (record_id, filename, key, state)
        VALUES (:id, :filename, :key, 'kept')
        ON CONFLICT (record_id) DO UPDATE
        SET filename = excluded.filename, key = excluded.key, state = 'kept', error = '', error_message = ''
        """,
        {"id": record_id, "filename": filename, "key": key},
    )


def note_no_copy(db: Connection, record_ids: Sequence[int]) -> None:
    """Let ``add_earlier_copies`` revisit those of these records not yet queued; inside a transaction."""
    db.execute(
        f"""
        UPDATE output_copy_scan
        SET up_to = missing.first - 1
        FROM (
            SELECT min(id) AS first
            FROM generation_records
            WHERE id {IN_IDS} AND id NOT IN (SELECT record_id FROM output_copies)
        ) AS missing
        WHERE up_to >= missing.first
        """,
        {"ids": SqlList(record_ids)},
    )


def add_earlier_copies(db: Connection, *, limit: int = 2_000) -> bool:
    """Queue pictures finished while there was no bucket, ``limit`` records a call -> whether there were any
    records to examine. The position is saved."""
    if _last_to_examine(db, limit) is None:
        return False
    with transaction(db, durable=False):
        last = _last_to_examine(db, limit)
        db.execute(
            """
            INSERT INTO output_copies (record_id, filename)
            SELECT id, filename
            FROM generation_records
            WHERE id > (SELECT up_to FROM output_copy_scan) AND id <= :last AND status = 'success'
              AND filename <> '' AND deleted_at IS NULL
            ON CONFLICT DO NOTHING
            """,
            {"last": last},
        )
        db.execute("UPDATE output_copy_scan SET up_to = :last WHERE up_to < :last", {"last": last})
    return True


def _last_to_examine(db: Connection, limit: int) -> int | None:
    row = db.execute(
        """
        SELECT max(id) AS last
        FROM (
            SELECT id
            FROM generation_records
            WHERE id > (SELECT up_to FROM output_copy_scan)
            ORDER BY id
            LIMIT :limit
        ) AS following
        """,
        {"limit": limit},
    ).fetchone()
    return None if row["last"] is None else int(row["last"])


def reset_backoff(db: Connection) -> None:
    """Make all waiting copies due at once; called at startup, as a setting may have been fixed."""
    with transaction(db):
        db.execute("UPDATE output_copies SET not_before = 0 WHERE state = 'waiting' AND not_before > 0")


def get_output_copy(db: Connection, *, now: float) -> OutputCopy | None:
    """The next copy that is due, or None. ``now`` is Unix time."""
    row = db.execute(
        """
        SELECT record_id, filename, tries
        FROM output_copies INDEXED BY copies_due
        WHERE state = 'waiting' AND not_before <= :now
        ORDER BY not_before, record_id DESC
        LIMIT 1
        """,
        {"now": now},
    ).fetchone()
    return OutputCopy(**dict(row)) if row else None


def finish_output_copy(db: Connection, record_id: int, *, key: str) -> None:
    """Mark a copy as done under this key; an empty key: its file no longer exists."""
    with transaction(db):
        db.execute(
            """
            UPDATE output_copies
            SET state = CASE WHEN :key = '' THEN 'gone' ELSE 'kept' END, key = :key, error = '',
                error_message = ''
            WHERE record_id = :id
            """,
            {"id": record_id, "key": key},
        )


def retry_output_copy(db: Connection, record_id: int, *, error: Message, not_before: float) -> None:
    """Postpone a copy to ``not_before`` (Unix time); ``error`` is shown until it succeeds."""
    with transaction(db):
        db.execute(
            """
            UPDATE output_copies
            SET tries = tries + 1, error = :error, error_message = :message, not_before = :not_before
            WHERE record_id = :id
            """,
            {"id": record_id, "error": str(error), "message": message_json(error), "not_before": not_before},
        )


def find_output_copy(db: Connection, filename: str) -> str:
    """The bucket key of a picture's copy; empty when there is none."""
    row = db.execute(
        """
        SELECT key
        FROM output_copies
        WHERE filename = :filename AND state = 'kept'
        ORDER BY record_id DESC
        LIMIT 1
        """,
        {"filename": filename},
    ).fetchone()
    return str(row["key"]) if row else ""


def find_stored_output(db: Connection, filename: str) -> tuple[str, int]:
    """The bucket key of a picture, and its size in bytes (0: not recorded); ``("", 0)`` without one."""
    row = db.execute(
        """
        SELECT output_copies.key, generation_records.file_size
        FROM output_copies
        JOIN generation_records ON generation_records.id = output_copies.record_id
        WHERE output_copies.filename = :filename AND output_copies.state = 'kept'
        ORDER BY output_copies.record_id DESC
        LIMIT 1
        """,
        {"filename": filename},
    ).fetchone()
    return (str(row["key"]), row["file_size"] or 0) if row else ("", 0)


def count_output_copies(db: Connection) -> CopyProgress:
    """Progress of the copies."""
    rows = db.execute("SELECT state, count(*) AS number FROM output_copies GROUP BY state").fetchall()
    numbers = {row["state"]: int(row["number"]) for row in rows}
    trouble = db.execute(
        """
        SELECT error, error_message
        FROM output_copies INDEXED BY copies_due
        WHERE state = 'waiting' AND not_before > 0 AND error <> ''
        ORDER BY not_before DESC
        LIMIT 1
        """
    ).fetchone()
    error = to_message(trouble["error"], trouble["error_message"]) if trouble else message("")
    return CopyProgress(kept=numbers.get("kept", 0), waiting=numbers.get("waiting", 0), error=error)


def list_stored_files(db: Connection) -> Iterator[StoredFile]:
    """The picture of every record that has one, trash included, by id."""
    last = 0
    while rows := db.execute(
        """
        SELECT generation_records.id AS record_id, generation_records.filename, sha256, file_size,
            coalesce(output_copies.key, '') AS key
        FROM generation_records
        LEFT JOIN output_copies ON output_copies.record_id = generation_records.id
        WHERE generation_records.id > :last AND generation_records.filename <> ''
        ORDER BY generation_records.id
        LIMIT :limit
        """,
        {"last": last, "limit": _FILES_AT_ONCE},
    ).fetchall():
        yield from (StoredFile(**dict(row)) for row in rows)
        last = rows[-1]["record_id"]
