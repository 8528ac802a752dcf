"""Fingerprints of records: compute those that are missing, and find the pictures of equal rows."""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from app.core.records.records import EMPTIED
from app.core.records.rows import options_of, stored_sample_images
from app.domain import (
    KNOWN_PICTURES_A_NUMBER,
    ImageRequest,
    KnownPicture,
    Record,
    Status,
    fingerprint,
    read_aspect_ratio,
    read_resolution,
    trimmed_text,
    unix_line_ends,
)
from app.domain.tables import standing_of
from app.engine.connection import Connection, transaction
from app.engine.values import IN_IDS, SqlList, number_of, text_of
from app.errors import InvalidRequest

_RECORDS_A_STEP = 2_000  # holds the write lock for about 50 ms
_STORED = """
    model, prompt, negative_prompt, aspect_ratio, resolution, seed, steps, sample_images, options,
    picture_number
"""
# The same as bytes, because texts of other programs in a SQLite file may not be UTF-8.
_FIELDS = """
    CAST(model AS BLOB), CAST(prompt AS BLOB), CAST(negative_prompt AS BLOB), CAST(aspect_ratio AS BLOB),
    CAST(resolution AS BLOB), seed, steps, CAST(sample_images AS BLOB), CAST(options AS BLOB), picture_number
"""


# Whether the picture of a record need not be bought again; what that is: ``standing_of``.
BOUGHT = """
    (status IN ('held', 'queued', 'running', 'unknown')
     OR (status = 'success' AND deleted_at IS NULL)
     OR (status IN ('failed', 'cancelled') AND deleted_at IS NULL AND cost_micros + cost_unpriced > 0))
"""


def known_pictures(
    db: Connection,
    prints: Collection[str],
    *,
    without: Collection[int] = (),
    without_batch: str | None = None,
) -> Mapping[str, list[KnownPicture]]:
    """The pictures with these fingerprints, the newest of each number first, but those of some records.

    Complete only when every record has its fingerprint (``complete_fingerprints``).
    """
    if not prints:
        return {}
    columns = "fingerprint, id, picture_number, status, deleted_at"
    others = """
        id NOT IN (SELECT value FROM json_each(:own))
        AND (:batch IS NULL OR coalesce(batch_id, '') <> :batch)
    """
    rows = db.execute(
        f"{newest_known(columns, others)} ORDER BY id DESC",
        {"own": SqlList(without), "batch": without_batch, **of_prints(prints)},
    ).fetchall()
    found: dict[str, list[KnownPicture]] = defaultdict(list)
    for row in rows:
        trashed = row["deleted_at"] is not None
        standing = standing_of(Status(row["status"]), is_trashed=trashed, is_charged=True)
        if standing:
            picture = KnownPicture(id=row["id"], number=row["picture_number"], standing=standing)
            found[row["fingerprint"]].append(picture)
    return found


def newest_known(columns: str, condition: str = "TRUE") -> str:
    """A query of these columns of the records with the fingerprints ``of_prints`` whose pictures are known.

    Of each picture number the newest; those in the trash, which can be restored, apart.
    """
    return f"""
        SELECT *
        FROM (
            SELECT {columns}, row_number() OVER (
                PARTITION BY fingerprint, picture_number, deleted_at IS NOT NULL
                ORDER BY id DESC
            ) AS place
            FROM generation_records
            WHERE fingerprint {IN_IDS} AND {condition}
                AND ({BOUGHT} OR (status = 'success' AND coalesce(deletion_id, 0) <> {EMPTIED}))
        ) AS numbered
        WHERE place <= :most
    """


def of_prints(prints: Collection[str]) -> dict[str, Any]:
    """The parameters of ``newest_known``."""
    return {"ids": SqlList(prints), "most": KNOWN_PICTURES_A_NUMBER}


def lacks_fingerprints(db: Connection) -> bool:
    """Whether some records have no fingerprint, because another program added them."""
    sql = "SELECT 1 FROM generation_records WHERE fingerprint = '' LIMIT 1"
    return db.execute(sql).fetchone() is not None


def complete_fingerprints(db: Connection) -> None:
    """Compute the fingerprints that are missing, in short transactions."""
    while lacks_fingerprints(db):
        with transaction(db, durable=False):
            add_fingerprints(db, limit=_RECORDS_A_STEP)


def add_fingerprints(db: Connection | sqlite3.Connection, *, limit: int = -1) -> None:
    """Compute missing fingerprints, of at most ``limit`` records if given; inside a transaction."""
    if not isinstance(db, sqlite3.Connection):
        rows = db.execute(
            f"SELECT id, {_STORED} FROM generation_records WHERE fingerprint = '' LIMIT :limit",
            {"limit": None if limit < 0 else limit},
        ).fetchall()
        prints = []
        for record_id, *values in rows:
            raw = (value.encode() if isinstance(value, str) else value for value in values)
            prints.append({"id": record_id, "fingerprint": _fingerprint_of(*raw)})
        db.executemany("UPDATE generation_records SET fingerprint = :fingerprint WHERE id = :id", prints)
        return
    db.create_function("fingerprint_of", 10, _fingerprint_of, deterministic=True)
    db.execute(
        f"""
        UPDATE generation_records
        SET fingerprint = fingerprint_of({_FIELDS})
        WHERE id IN (SELECT id FROM generation_records WHERE fingerprint = '' LIMIT :limit)
        """,
        {"limit": limit},  # -1: all
    )


def with_requested_seed(db: Connection, record: Record) -> Record:
    """The record without a seed that the model chose: a record has the one that was used."""
    sql = "SELECT fingerprint FROM generation_records WHERE id = :id"
    unseeded = replace(record, seed=None)
    asked = db.execute(sql, {"id": record.id}).fetchone()["fingerprint"]
    return unseeded if fingerprint(unseeded.request) == asked else record


def _fingerprint_of(
    model: bytes | None,
    prompt: bytes | None,
    negative_prompt: bytes | None,
    aspect_ratio: bytes | None,
    resolution: bytes | None,
    seed: object,
    steps: object,
    sample_images: bytes | None,
    options: bytes | None,
    picture_number: object,
) -> str:
    """The fingerprint of a record as stored, whatever program wrote it."""
    request = ImageRequest(
        prompt=_text(prompt),
        negative_prompt=_text(negative_prompt),
        aspect_ratio=_choice(read_aspect_ratio, _text(aspect_ratio)),
        resolution=_choice(read_resolution, _text(resolution)),
        seed=_number(seed),
        steps=_number(steps),
        sample_images=tuple(image.pinned for image in stored_sample_images(_text(sample_images))),
        model=_text(model),
        **options_of(_text(options)),
    )
    return fingerprint(request.of_row(_number(picture_number) or 1))


def _text(raw: bytes | None) -> str:
    return trimmed_text(unix_line_ends(text_of(raw))) if raw else ""


def _number(value: object) -> int | None:
    if isinstance(value, bytes):
        return number_of(value)
    if isinstance(value, float) and not value.is_integer():
        return None
    return int(value) if isinstance(value, int | float) else None


@lru_cache(maxsize=256)
def _choice(read: Callable[[str], str], text: str) -> str:
    """A ratio or resolution as requests have it; unknown ones stay as they are."""
    try:
        return read(text)
    except InvalidRequest:
        return text
