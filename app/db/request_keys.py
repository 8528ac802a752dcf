"""Idempotency keys: the answer to a request is stored with its key and returned when it is repeated.

A key is read and stored in the transaction that queues the records; its primary key prevents duplicates
between processes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.db.connection import Connection, transaction
from app.errors import KeyReused

KEY_LIFETIME_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """A client's key for one request. ``digest`` is a hash of the request, ``at`` is Unix time."""

    key: str
    digest: str
    at: float


def find_answer(db: Connection, key: RequestKey | None) -> dict[str, Any] | None:
    """The stored answer for this key; None when it was not used in the last 24 hours.

    Raises KeyReused when it was used for a different request.
    """
    if key is None:
        return None
    row = db.execute(
        "SELECT digest, answer FROM request_keys WHERE key = :key AND used_at >= :since",
        {"key": key.key, "since": key.at - KEY_LIFETIME_SECONDS},
    ).fetchone()
    if row is None:
        return None
    if row["digest"] != key.digest:
        raise KeyReused("这个 request_id 已用于另一个请求，请换一个新的")
    answer: dict[str, Any] = json.loads(row["answer"])
    return answer


def save_answer(db: Connection, key: RequestKey | None, answer: Mapping[str, Any]) -> None:
    """Store the answer for this key; inside the request's transaction, after ``find_answer``."""
    if key is None:
        return
    db.execute(
        """
        INSERT INTO request_keys (key, digest, answer, used_at)
        VALUES (:key, :digest, :answer, :at)
        ON CONFLICT (key) DO UPDATE
        SET digest = excluded.digest, answer = excluded.answer, used_at = excluded.used_at
        """,
        {"key": key.key, "digest": key.digest, "answer": json.dumps(answer), "at": key.at},
    )


def forget_request_keys(db: Connection, *, now: float) -> int:
    """Delete keys older than 24 hours -> how many."""
    oldest = {"since": now - KEY_LIFETIME_SECONDS}
    sql = "SELECT 1 FROM request_keys WHERE used_at < :since LIMIT 1"
    if db.execute(sql, oldest).fetchone() is None:
        return 0
    with transaction(db, durable=False):
        return db.execute("DELETE FROM request_keys WHERE used_at < :since", oldest).rowcount
