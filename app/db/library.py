"""What records have to do with reference images and with the bucket: uses counted, copies on their way."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from app.db.connection import transaction
from app.db.ledger import still_owned
from app.db.row_mapping import sample_images_text
from app.db.versions import touch
from app.domain import Record, SampleImage, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputCopy:
    """A finished picture that shall also be in the bucket."""

    record_id: int
    filename: str
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyProgress:
    """How far the copies have come; ``error`` is why the last one that waits does so."""

    kept: int
    waiting: int
    error: str


def count_reference_uses(db: sqlite3.Connection, names: Sequence[str]) -> int:
    """How many records used a reference that goes by any of these names (hash, address)."""
    fields = {f"name_{number}": name for number, name in enumerate(names)}
    row = db.execute(
        f"""
        SELECT count(DISTINCT reference_uses.record_id)
        FROM reference_uses
        JOIN generation_records ON generation_records.id = reference_uses.record_id
        WHERE reference_uses.name IN ({", ".join(f":{field}" for field in fields)})
          AND generation_records.deleted_at IS NULL
        """,
        fields,
    ).fetchone()
    return int(row[0])


def is_reference_used(db: sqlite3.Connection, names: Sequence[str]) -> bool:
    """Whether there is a record, be it in the trash, that used a reference of any of these names."""
    sql = "SELECT EXISTS (SELECT 1 FROM reference_uses WHERE name = :name)"
    return any(db.execute(sql, {"name": name}).fetchone()[0] for name in names)


def save_reference_versions(db: sqlite3.Connection, record: Record, images: tuple[SampleImage, ...]) -> None:
    """Which pictures the references of a record are, told by the bucket just before they are sent."""
    with transaction(db):
        if still_owned(db, record, Status.RUNNING):
            db.execute(
                "UPDATE generation_records SET sample_images = :images WHERE id = :id",
                {"images": sample_images_text(images), "id": record.id},
            )
            touch(db, [record.id])


def note_output_copy(db: sqlite3.Connection, record_id: int, filename: str) -> None:
    """This finished picture shall also be in the bucket; inside a transaction."""
    db.execute(
        "INSERT OR IGNORE INTO output_copies (record_id, filename) VALUES (:id, :filename)",
        {"id": record_id, "filename": filename},
    )


def note_no_copy(db: sqlite3.Connection, record_ids: Sequence[int]) -> None:
    """``add_earlier_copies`` is to look at these again, unless they are noted; inside a transaction."""
    db.execute(
        """
        UPDATE copies_noted
        SET up_to = missing.first - 1
        FROM (
            SELECT min(value) AS first
            FROM json_each(:ids)
            WHERE value NOT IN (SELECT record_id FROM output_copies)
        ) AS missing
        WHERE up_to >= missing.first
        """,
        {"ids": json.dumps(record_ids)},
    )


def add_earlier_copies(db: sqlite3.Connection, *, limit: int = 2_000) -> bool:
    """Note the pictures that were finished while there was no bucket, a portion a call -> whether there were
    more records to look at. How far it came is remembered."""
    if _last_to_look_at(db, limit) is None:
        return False
    with transaction(db, durable=False):
        last = _last_to_look_at(db, limit)
        db.execute(
            """
            INSERT OR IGNORE INTO output_copies (record_id, filename)
            SELECT id, filename
            FROM generation_records
            WHERE id > (SELECT up_to FROM copies_noted) AND id <= :last AND status = 'success'
              AND filename <> '' AND deleted_at IS NULL
            """,
            {"last": last},
        )
        db.execute("UPDATE copies_noted SET up_to = :last WHERE up_to < :last", {"last": last})
    return True


def _last_to_look_at(db: sqlite3.Connection, limit: int) -> int | None:
    row = db.execute(
        """
        SELECT max(id) AS last
        FROM (
            SELECT id
            FROM generation_records
            WHERE id > (SELECT up_to FROM copies_noted)
            ORDER BY id
            LIMIT :limit
        )
        """,
        {"limit": limit},
    ).fetchone()
    return None if row["last"] is None else int(row["last"])


def reset_backoff(db: sqlite3.Connection) -> None:
    """After a start: what waits is tried at once, for a setting may have been mended."""
    with transaction(db):
        db.execute("UPDATE output_copies SET not_before = 0 WHERE state = 'waiting' AND not_before > 0")


def get_output_copy(db: sqlite3.Connection, *, now: float) -> OutputCopy | None:
    """The next one to be made, or None. ``now`` is Unix time."""
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


def finish_output_copy(db: sqlite3.Connection, record_id: int, *, key: str) -> None:
    """It is in the bucket under this key; without a key: there is no file any more to be copied."""
    with transaction(db):
        db.execute(
            """
            UPDATE output_copies
            SET state = CASE WHEN :key = '' THEN 'gone' ELSE 'kept' END, key = :key, error = ''
            WHERE record_id = :id
            """,
            {"id": record_id, "key": key},
        )


def retry_output_copy(db: sqlite3.Connection, record_id: int, *, error: str, not_before: float) -> None:
    """Not now; ``error`` is shown until it is there."""
    with transaction(db):
        db.execute(
            """
            UPDATE output_copies
            SET tries = tries + 1, error = :error, not_before = :not_before
            WHERE record_id = :id
            """,
            {"id": record_id, "error": error, "not_before": not_before},
        )


def find_output_copy(db: sqlite3.Connection, filename: str) -> str:
    """The key of a picture in the bucket; empty when it is not there."""
    row = db.execute(
        "SELECT key FROM output_copies WHERE filename = :filename AND state = 'kept'", {"filename": filename}
    ).fetchone()
    return str(row["key"]) if row else ""


def count_output_copies(db: sqlite3.Connection) -> CopyProgress:
    """How far the copies have come."""
    rows = db.execute("SELECT state, count(*) AS number FROM output_copies GROUP BY state").fetchall()
    numbers = {row["state"]: int(row["number"]) for row in rows}
    trouble = db.execute(
        """
        SELECT error
        FROM output_copies INDEXED BY copies_due
        WHERE state = 'waiting' AND not_before > 0 AND error <> ''
        ORDER BY not_before DESC
        LIMIT 1
        """
    ).fetchone()
    error = str(trouble["error"]) if trouble else ""
    return CopyProgress(kept=numbers.get("kept", 0), waiting=numbers.get("waiting", 0), error=error)
