"""Idempotency keys: the answer to a request is stored with its key and returned when it is repeated.

A key is read and stored in the transaction that queues the records; its primary key prevents duplicates
between processes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.engine.connection import Connection, transaction
from app.errors import KeyReused

# More than the 24 hours that are promised: the clock of the server that deletes keys may be ahead.
KEY_LIFETIME_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """A client's key for one request. ``digest`` is a hash of the request, ``at`` is Unix time."""

    key: str
    digest: str
    at: float


def find_answer(db: Connection, key: RequestKey | None) -> dict[str, Any] | None:
    """The stored answer for this key, whatever its time; None when there is none.

    Raises KeyReused when it was used for a different request.
    """
    if key is None:
        return None
    row = db.execute("SELECT digest, answer FROM request_keys WHERE key = :key", {"key": key.key}).fetchone()
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
        """,
        {"key": key.key, "digest": key.digest, "answer": json.dumps(answer), "at": key.at},
    )


def forget_request_keys(db: Connection, *, now: float) -> int:
    """Delete keys that are a week older than now, and than the last one -> how many."""
    last = db.execute("SELECT max(used_at) AS at FROM request_keys").fetchone()["at"] or 0.0
    oldest = {"since": min(now, last) - KEY_LIFETIME_SECONDS}
    with transaction(db, durable=False):
        return db.execute("DELETE FROM request_keys WHERE used_at < :since", oldest).rowcount
