"""Cancel held and queued records before they are submitted."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from app.core.log import add_log
from app.core.pauses import finish_if_done
from app.core.queue.fold import fold_in_transaction
from app.core.records.rows import has_record, record_ids, update_records
from app.engine.connection import Connection, transaction
from app.engine.values import IN_IDS, SqlList, utc_now
from app.errors import Conflict, NotFound, message

# Whether a record is held for a row of a table that asks for something else now, or was removed.
HELD_OF_CHANGED = """
    status = 'held' AND generation_records.fingerprint <> ''
    AND (removed_at IS NOT NULL OR table_rows.fingerprint NOT IN ('', generation_records.fingerprint))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """What one call cancelled, and what its undo needs.

    number      how many records were cancelled
    ids         these, and the claimed ones without a task id, which may end as cancelled too
    was_paused  whether the batch was paused before
    """

    number: int
    ids: tuple[int, ...]
    was_paused: bool


def cancel_batch(db: Connection, batch_id: str) -> Cancelled:
    """Cancel held records, and queued ones without a task id; submitted ones are still fetched.

    Does nothing when the batch is unknown or finished.
    """
    with transaction(db):
        fold_in_transaction(db)  # it may be done
        row = db.execute("SELECT state FROM batches WHERE id = :id", {"id": batch_id}).fetchone()
        if row is None or row["state"] == "finished":
            return Cancelled(number=0, ids=(), was_paused=False)
        claimed = record_ids(
            db, "WHERE batch_id = :id AND status = 'running' AND task_id IS NULL", {"id": batch_id}
        )
        ids = _cancel(db, batch_id, "batch_id = :batch_id", {})
        _end_batch(db, batch_id)
    return Cancelled(number=len(ids), ids=tuple(sorted(ids + claimed)), was_paused=row["state"] == "paused")


def cancel_record(db: Connection, record_id: int) -> tuple[str, Cancelled]:
    """Cancel one held record, or a queued one without a task id -> (its batch id, what was cancelled).

    Raises NotFound, and Conflict when it was submitted or has ended.
    """
    with transaction(db):
        row = db.execute(
            """
            SELECT batches.id, batches.state
            FROM generation_records
            JOIN batches ON batches.id = generation_records.batch_id
            WHERE generation_records.id = :id AND deleted_at IS NULL
            """,
            {"id": record_id},
        ).fetchone()
        if row is None:
            raise NotFound("没有这条记录，它可能已被删除")
        ids = _cancel(db, row["id"], "id = :record_id", {"record_id": record_id})
        if not ids:
            raise Conflict("这张已经开始生成或已经结束，不能取消")
        if has_record(db, "batch_id = :id AND status IN ('held', 'queued', 'running')", {"id": row["id"]}):
            finish_if_done(db, row["id"])
        else:
            _end_batch(db, row["id"])
    return row["id"], Cancelled(number=1, ids=tuple(ids), was_paused=row["state"] == "paused")


def cancel_held_of_changed(db: Connection, row_ids: Iterable[int]) -> None:
    """Cancel what is held for these rows of a table and they do not ask for any more; in a transaction."""
    rows = db.execute(
        f"""
        SELECT generation_records.id, generation_records.batch_id
        FROM row_pictures
        JOIN generation_records ON generation_records.id = record_id
        JOIN table_rows ON table_rows.id = row_id
        WHERE row_id {IN_IDS} AND is_shared = 0 AND {HELD_OF_CHANGED}
        """,
        {"ids": SqlList(row_ids)},
    ).fetchall()
    ids = SqlList(row["id"] for row in rows)
    changes = "status = 'cancelled', cause = 'held', finished_at = :now"
    update_records(db, changes, f"id {IN_IDS}", {"ids": ids, "now": utc_now()})
    for batch_id, number in Counter(row["batch_id"] for row in rows).items():
        text = message("{n} 张的行后来改过，没有照原来的做", n=number)
        add_log(db, batch_id, "info", text)
        finish_if_done(db, batch_id)


def _cancel(db: Connection, batch_id: str, which: str, values: dict[str, int]) -> list[int]:
    ids = update_records(
        db,
        """
        cause = CASE status WHEN 'held' THEN 'held' ELSE cause END, status = 'cancelled', finished_at = :now
        """,
        f"{which} AND status IN ('held', 'queued') AND task_id IS NULL",
        {"batch_id": batch_id, "now": utc_now(), **values},
    )
    add_log(db, batch_id, "info", message("已取消，{n} 张没有开始，不会计费", n=len(ids)))
    return ids


def _end_batch(db: Connection, batch_id: str) -> None:
    db.execute(
        """
        UPDATE batches
        SET state = 'cancelled', paused_reason = '', paused_message = '', paused_cause = ''
        WHERE id = :id
        """,
        {"id": batch_id},
    )
