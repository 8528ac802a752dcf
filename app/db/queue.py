"""The record queue: claim a record under a lease, requeue, finish or fail it.

A lease has an owner and expires, so a crashed worker's records can be claimed again, also when several
processes share the file. ``attempts`` is the fencing token: only the latest claim can finish a record.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace

from app.db.batch_log import add_log
from app.db.batches import finish_if_done, pause_in_transaction, reopen
from app.db.connection import Connection, transaction
from app.db.ledger import close_charges, close_free_charges, still_owned
from app.db.output_backup_queue import note_output
from app.db.pending_changes import fold_in_transaction, note_success
from app.db.row_mapping import (
    IN_IDS,
    RECORD,
    SqlList,
    has_record,
    message_json,
    object_text,
    to_record,
    utc_now,
)
from app.db.stop_rules import note_outcomes
from app.db.versions import touch, update_records
from app.domain import PauseCause, Record, SavedImage, Status
from app.errors import Billed, ModelError, message

MAX_CRASHES = 5
# A lease or retry delay that ends later than these limits allow was set before the clock was set back; it
# counts as expired.
MAX_LEASE_SECONDS = 60.0
MAX_DELAY_SECONDS = 120.0

# Submitted, possibly charged, outcome unknown: never claimed again automatically.
AMBIGUOUS = """
    task_id IS NULL AND EXISTS (
        SELECT 1
        FROM charges
        WHERE charges.record_id = generation_records.id AND charges.outcome = 'open' AND charges.is_free = 0)
"""

# The second condition lets SQLite use the partial index of open records.
_RUNNING = "status = 'running' AND status IN ('held', 'queued', 'running')"
STALLED = f"{_RUNNING} AND (lease_until < :now OR lease_until > :now + {MAX_LEASE_SECONDS})"
READY = f"(not_before <= :now OR not_before > :now + {MAX_DELAY_SECONDS})"

# Expired leases that must not be claimed again: submitted with unknown outcome, or crashed MAX_CRASHES times;
# or not submitted (or free) and the batch is no longer active.
UNRECLAIMABLE = f"crash_count >= {MAX_CRASHES} OR {AMBIGUOUS}"
ORPHANED = """
    task_id IS NULL AND EXISTS (
        SELECT 1 FROM batches WHERE batches.id = generation_records.batch_id AND batches.state <> 'active')
"""

# In this order: an expired lease; a submitted record to fetch although its batch is cancelled, or paused
# without blocking fetches; the next queued record of the active batches. These share the model: the next is
# of the batch with the fewest under way, and among equals of the one that was claimed from, or changed,
# longest ago: with fewer slots than batches the oldest one would else be the next every time. Ordered by a
# model that is a range, the rows of a batch are read by records_claimable; by the id alone PostgreSQL would
# read all earlier records by the primary key.
# The batches are ordered without locks and tried one after the other, so that one row is locked, and a claim
# finds a row although others hold all those of the first batch.
_LOCK = "/* FOR UPDATE OF generation_records SKIP LOCKED */"
_NEXT_CLAIMABLE_ID = f"""
    coalesce(
        (
            SELECT id
            FROM generation_records
            WHERE {STALLED} AND model = :model AND NOT ({UNRECLAIMABLE}) AND NOT ({ORPHANED})
              AND id NOT {IN_IDS}
            LIMIT 1 {_LOCK}
        ),
        (
            SELECT generation_records.id
            FROM generation_records
            JOIN batches ON batches.id = generation_records.batch_id
            WHERE generation_records.status = 'queued'
              AND generation_records.task_id IS NOT NULL
              AND generation_records.model = :model
              AND {READY}
              AND (batches.state = 'cancelled'
                   OR (batches.state = 'paused' AND generation_records.fetch_while_paused = 1))
            LIMIT 1 {_LOCK}
        ),
        (
            SELECT next_id
            FROM (
                SELECT (
                    SELECT generation_records.id
                    FROM generation_records
                    WHERE batch_id = following.id AND status = 'queued' AND {READY}
                      AND model BETWEEN :model AND :model
                    ORDER BY model, generation_records.id
                    LIMIT 1 {_LOCK}
                ) AS next_id
                FROM (
                    SELECT id, priority, version, (
                        SELECT count(*)
                        FROM generation_records
                        WHERE batch_id = batches.id AND status = 'running' AND model = :model
                    ) AS under_way
                    FROM batches
                    WHERE state = 'active'
                    ORDER BY priority DESC, under_way, version
                ) AS following
            ) AS candidates
            WHERE next_id IS NOT NULL
            LIMIT 1
        )
    )
"""


def claim_record(
    db: Connection,
    *,
    model: str,
    owner: str,
    now: float,
    lease: float,
    claimed_ids: Sequence[int] = (),
) -> Record | None:
    """Claim the next record of this image model, or None. ``now`` is Unix time, ``lease`` seconds.

    ``claimed_ids`` are the owner's own records: their leases may expire while the machine is suspended.
    Claims run beside each other: each locks the row that it takes, and what others have locked it leaves out.
    Locking a row looks again at its newest state, but not at its charges, in which a worker that was only
    suspended may have opened one meanwhile. It holds the row for that (``still_owned``), so the second
    statement, which begins when this claim holds it, sees that charge, and leaves the record alone.
    """
    # Nothing is submitted yet; open_charge commits durably.
    with transaction(db, durable=False, shared=True):
        fields = {"model": model, "now": now, "ids": SqlList(claimed_ids)}
        chosen = db.execute(f"SELECT {_NEXT_CLAIMABLE_ID} AS id", fields).fetchone()["id"]
        if chosen is None:
            return None
        rows = db.execute(
            f"""
            UPDATE generation_records
            SET status = 'running', attempts = attempts + 1, started_at = :started_at,
                crash_count = crash_count + CASE status WHEN 'running' THEN 1 ELSE 0 END,
                lease_owner = :owner, lease_until = :lease_until
            WHERE id = :id AND (status = 'queued' OR NOT ({AMBIGUOUS}))
            RETURNING {RECORD}
            """,
            {"id": chosen, "owner": owner, "lease_until": now + lease, "started_at": utc_now()},
        ).fetchall()
        if not rows:
            return None
        close_free_charges(db, chosen)
        touch(db, [chosen])
    return to_record(rows[0])


def has_claimable(
    db: Connection,
    *,
    model: str,
    now: float,
    claimed_ids: Sequence[int] = (),
) -> bool:
    """Whether ``claim_record`` would return a record; read-only."""
    fields = {"model": model, "now": now, "ids": SqlList(claimed_ids)}
    row = db.execute(f"SELECT {_NEXT_CLAIMABLE_ID.replace(_LOCK, '')} AS id", fields).fetchone()
    return row["id"] is not None


def requeue_record(
    db: Connection, record: Record, *, not_before: float, error: ModelError | None = None
) -> bool:
    """Requeue a record until ``not_before`` (Unix time), or cancel it when its batch was cancelled -> False
    when it was not requeued: it has ended, or the claim was lost.

    ``error`` gives the reason and whether the task id is still valid. Without one (the worker stops)
    nothing else changes, but a record that was submitted and has no task id ends as ``unknown``.
    """
    with transaction(db):
        if not still_owned(db, record):
            return False
        if error is None and has_record(db, f"id = :id AND {AMBIGUOUS}", {"id": record.id}):
            end_in_transaction(db, record, *outcome_of_interrupted(db, record))
            return False
        if error is not None and not error.task_valid:
            close_charges(db, record.id, error.billed, error.cause)
        is_cancelled = requeue_in_transaction(db, record, not_before=not_before, error=error)
        if error is not None and not is_cancelled:
            text = message("{place}：稍后再试，{reason}", place=record.label, reason=error.message)
            add_log(db, record.batch_id, "warning", text, record.id)
    return not is_cancelled


def finish_record(
    db: Connection,
    record: Record,
    saved: SavedImage,
    *,
    to_bucket: bool = False,
    statuses: Sequence[Status] = (),
) -> bool:
    """Mark the record successful, with the saved image's size and name -> False when the claim was lost.

    ``to_bucket`` schedules a copy to the bucket, unless OSS has the picture already. ``statuses`` are those
    that the record may have, by default those of ``still_owned``. A power cut may undo the commit, but the
    image is then found on disk, in OSS, or fetched again by its task id.
    """
    with transaction(db, durable=False, shared=True):
        is_owned = still_owned(db, record, *statuses)
        used = "id = :id AND (filename = :filename OR status IN ('queued', 'running'))"
        fields = {"id": record.id, "filename": saved.filename}
        if saved.drops_another or not (is_owned or has_record(db, used, fields)):
            unused = "{place}：又收到一张图片，可能已计费，没有用上（{filename}）"
            line = message(unused, place=record.label, filename=saved.filename)
            add_log(db, record.batch_id, "warning", line, record.id)
        if not is_owned:
            return False
        db.execute(
            """
            UPDATE generation_records
            SET status = 'success', error = '', error_message = '', cause = '', finished_at = :now,
                lease_until = NULL, lease_owner = NULL, filename = :filename, image_path = :image_path,
                width = :width, height = :height, format = :format, file_size = :file_size, sha256 = :sha256,
                seed = coalesce(:seed, seed), marks = :marks
            WHERE id = :id
            """,
            asdict(saved)
            | {
                "id": record.id,
                "image_path": f"/output/{saved.filename}",
                "marks": object_text(saved.marks),
                "now": utc_now(),
            },
        )
        touch(db, [record.id])
        note_output(db, record.id, saved, to_bucket=to_bucket)
        close_charges(db, record.id, Billed.YES)
        missed = replace(record, width=saved.width, height=saved.height).missed_size
        text = "{place}：已保存 {filename}（{width}×{height}）"
        if missed:
            text = "{place}：已保存 {filename}，但它是 {width}×{height}，要的是 {size}"
        values = {"filename": saved.filename, "width": saved.width, "height": saved.height, "size": missed}
        line = message(text, place=record.label, **values)
        add_log(db, record.batch_id, "warning" if missed else "info", line, record.id)
        note_success(db, record.batch_id)
    return True


def fail_record(db: Connection, record: Record, error: ModelError) -> bool:
    """End as ``unknown`` when it may have been charged, else ``failed`` -> False when the claim was lost."""
    status = Status.UNKNOWN if error.billed is Billed.UNKNOWN else Status.FAILED
    with transaction(db):
        fold_in_transaction(db)  # the stop rule counts what ended before
        if not still_owned(db, record):
            return False
        end_in_transaction(db, record, status, error)
    return True


def requeue_in_transaction(
    db: Connection, record: Record, *, not_before: float = 0.0, error: ModelError | None = None
) -> bool:
    """Requeue the record, or cancel it with its batch -> whether it was cancelled."""
    update_records(
        db,
        """
        status = 'queued', lease_until = NULL, lease_owner = NULL,
        task_id = CASE WHEN :keeps_task_id = 1 THEN task_id END,
        fetch_while_paused = CASE WHEN task_id IS NULL THEN 0 ELSE :keeps_task_id END,
        not_before = :not_before, error = :error, error_message = :message, cause = :cause,
        retries = retries + :retried, throttle_count = throttle_count + :throttled
        """,
        "id = :id",
        {
            "id": record.id,
            "keeps_task_id": error is None or error.task_valid,
            "not_before": not_before,
            "error": str(error or ""),
            "message": message_json(error.message) if error else "",
            "cause": error.cause if error else "",
            "retried": bool(error and not error.throttled),
            "throttled": bool(error and error.throttled),
        },
    )
    # The batch may have finished while this worker was suspended; now it has open work again.
    reopen(db, record.batch_id)
    cancelled = update_records(  # if its batch was cancelled meanwhile
        db,
        "status = 'cancelled', finished_at = :now",
        """
        id = :id AND task_id IS NULL
        AND 'cancelled' = (SELECT state FROM batches WHERE id = :batch_id)
        """,
        {"id": record.id, "batch_id": record.batch_id, "now": utc_now()},
    )
    return bool(cancelled)


def outcome_of_interrupted(db: Connection, record: Record) -> tuple[Status, ModelError]:
    """How a record ends whose worker stopped, by what was submitted and whether it has a task id."""
    sql = "SELECT 1 FROM charges WHERE record_id = :id AND outcome = 'open' AND is_free = 0"
    sent = db.execute(sql, {"id": record.id}).fetchone() is not None
    if sent and record.task_id is None:
        text = "发出后程序中断，结果未知，可能已计费"
        return Status.UNKNOWN, ModelError(text, cause="interrupted", billed=Billed.UNKNOWN)
    text = "多次中断，已停止自动重试，可以手动重试"
    billed = Billed.UNKNOWN if sent else Billed.NO
    status = Status.UNKNOWN if sent else Status.FAILED
    return status, ModelError(text, cause="interrupted", billed=billed, task_valid=True)


def end_in_transaction(db: Connection, record: Record, status: Status, error: ModelError) -> None:
    close_charges(db, record.id, error.billed, error.cause)
    update_records(
        db,
        """
        status = :status, error = :error, error_message = :message, cause = :cause, finished_at = :now,
        lease_until = NULL, lease_owner = NULL,
        task_id = CASE WHEN :keeps_task_id = 1 THEN task_id END
        """,
        "id = :id",
        {
            "id": record.id,
            "status": status,
            "error": str(error),
            "message": message_json(error.message),
            "cause": error.cause,
            "keeps_task_id": error.task_valid,
            "now": utc_now(),
        },
    )
    place, why = record.label, error.message
    text = "{place}：结果未知，{reason}" if status is Status.UNKNOWN else "{place}：失败，{reason}"
    add_log(db, record.batch_id, "error", message(text, place=place, reason=why), record.id)
    if error.pauses_batch and record.batch_id:
        pause_in_transaction(
            db,
            record.batch_id,
            error.message,
            cause=PauseCause.KEY,
            stops_fetching=True,
            model=record.model,
        )
    if error.cause != "interrupted":  # which says nothing of the model or the rows
        note_outcomes(db, record.batch_id, error.cause)
    finish_if_done(db, record.batch_id)
