"""Earlier orders: their answers, by idempotency key, and the records of them that an order makes again.

An answer is stored with the key of its request and returned when that is repeated. A key is read and stored
in the transaction that queues the records; its primary key prevents duplicates between processes.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from app.core.queue.cancellation import HELD_OF_CHANGED
from app.core.queue.runs import NOT_CHARGED
from app.core.records.rows import IN_MODELS, read_records
from app.domain import Record
from app.engine.connection import Connection, transaction
from app.engine.values import IN_IDS, SqlList
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


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRows:
    """What a batch holds: ``rows`` are its held records, those of one row together.

    ``changed`` are the numbers of rows that ask for something else in their table since, or were removed.
    """

    rows: Sequence[Sequence[Record]]
    changed: frozenset[int]


def read_held(db: Connection, batch_id: str) -> HeldRows:
    """The held records of a batch, by rows."""
    clauses = "WHERE batch_id = :id AND status = 'held' ORDER BY row_number, picture_number"
    records = read_records(db, clauses, {"id": batch_id})
    changed = db.execute(
        f"""
        SELECT DISTINCT number
        FROM generation_records
        JOIN batches ON batches.id = batch_id
        JOIN table_rows ON table_rows.table_id = batches.table_id AND number = row_number
        WHERE batch_id = :id AND {HELD_OF_CHANGED}
        """,
        {"id": batch_id},
    ).fetchall()
    return HeldRows(
        rows=[list(group) for _, group in groupby(records, attrgetter("row_number"))],
        changed=frozenset(number for (number,) in changed),
    )


def rows_of_roles(db: Connection, batch_id: str, roles: Collection[str]) -> frozenset[int]:
    """The numbers of the rows of the table of a batch that are of these roles of its recipe."""
    rows = db.execute(
        f"""
        SELECT number
        FROM table_rows
        JOIN batches ON batches.table_id = table_rows.table_id
        WHERE batches.id = :id AND role {IN_IDS}
        """,
        {"id": batch_id, "ids": SqlList(roles)},
    ).fetchall()
    return frozenset(number for (number,) in rows)


def count_pictures(db: Connection, record_id: int) -> tuple[int, int]:
    """(how many pictures the batch of a record has, the last picture number of its row), with the trash."""
    found = db.execute(
        """
        SELECT total, max(others.picture_number)
        FROM generation_records AS one
        JOIN batches ON batches.id = one.batch_id
        JOIN generation_records AS others
            ON others.batch_id = one.batch_id AND others.row_number = one.row_number
        WHERE one.id = :id
        GROUP BY batches.id, total
        """,
        {"id": record_id},
    ).fetchone()
    return tuple(found) if found else (0, 0)


def list_failed(db: Connection, batch_id: str) -> list[Record]:
    """The records of a batch that failed without a charge, so that a retry costs no second one."""
    return read_records(db, f"WHERE batch_id = :id AND {NOT_CHARGED} ORDER BY id", {"id": batch_id})


def list_cancelled(db: Connection, batch_id: str) -> list[Record]:
    """The cancelled records of a batch, held ones too, but those written off or bought elsewhere."""
    clauses = """
        WHERE batch_id = :id AND status = 'cancelled' AND deleted_at IS NULL
            AND cause NOT IN ('dropped', 'bought')
        ORDER BY id
    """
    return read_records(db, clauses, {"id": batch_id})


def list_unknown(
    db: Connection, ids: Sequence[int] | None, *, models: Iterable[str] | None = None
) -> list[Record]:
    """The records of unknown outcome among ``ids``, by batch; None: all with an unresolved charge.

    With ``models`` only those to be fetched from these; without ids and models those without a task id.
    """
    chosen = f"id {IN_IDS}"
    if ids is None:
        chosen = "id IN (SELECT record_id FROM charges WHERE outcome = 'unknown')"
        chosen += "" if models is not None else " AND task_id IS NULL"
    if models is not None:
        chosen += f" AND task_id IS NOT NULL AND model {IN_MODELS}"
    return read_records(
        db,
        f"""
        WHERE status = 'unknown' AND {chosen} AND batch_id IN (SELECT id FROM batches)
        ORDER BY batch_id, id
        """,
        {"ids": SqlList(ids or ()), "models": SqlList(models or ())},
    )


def count_charged_failures(db: Connection, batch_id: str) -> int:
    """The failed records of a batch that were charged, so that they are retried only one by one."""
    sql = f"""
        SELECT count(*) AS number
        FROM generation_records
        WHERE batch_id = :id AND status = 'failed' AND deleted_at IS NULL AND NOT ({NOT_CHARGED})
    """
    return int(db.execute(sql, {"id": batch_id}).fetchone()["number"])


def has_images_of_references(db: Connection, table_id: str, model: str) -> bool:
    """Whether there is an image that this model made of references for a row of the table."""
    sql = """
        SELECT 1
        FROM generation_records
        JOIN batches ON batches.id = generation_records.batch_id
        WHERE batches.table_id = :table_id
          AND generation_records.model = :model
          AND generation_records.status = 'success'
          AND generation_records.sample_images <> '[]'
        LIMIT 1
    """
    return db.execute(sql, {"table_id": table_id, "model": model}).fetchone() is not None
