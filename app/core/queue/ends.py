"""How a record ends: requeued, made, failed, or its lease expired, with the outcome of its charge."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, replace

from app.core.log import add_log
from app.core.money.ledger import close_charges, close_free_charges, still_owned
from app.core.pauses import finish_if_done, pause_in_transaction, reopen
from app.core.queue.claim import AMBIGUOUS, ORPHANED, STALLED, UNRECLAIMABLE
from app.core.queue.fold import fold_in_transaction, note_outcomes, note_success
from app.core.records.copies import note_output
from app.core.records.rows import IN_MODELS, has_record, read_records, touch, update_records
from app.domain import PauseCause, Record, SavedImage, Status
from app.engine.connection import Connection, transaction
from app.engine.values import SqlList, message_json, object_text, utc_now
from app.errors import Billed, ModelError, message

# Expired leases of image models that are not there: nothing claims them.
_OF_OTHER_MODELS = f"model NOT {IN_MODELS} AND NOT ({AMBIGUOUS})"


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


def list_reapable(db: Connection, *, now: float) -> list[Record]:
    """The records that ``reap_stalled`` would end or requeue; their image may already be saved."""
    return _list_stalled(db, f"{UNRECLAIMABLE} OR {ORPHANED}", now)


def reap_stalled(db: Connection, *, now: float) -> int:
    """End or requeue the records with an expired lease that must not be claimed again -> how many.

    Submitted without a response: ``unknown``; ``attempts`` stays, so that a worker that was only suspended
    can still finish it. Crashed MAX_CRASHES times: ``failed``, or ``unknown`` with its task id. Not submitted
    (or free) in a paused or cancelled batch: queued, or cancelled with it.
    """
    if not has_record(db, f"{STALLED} AND ({UNRECLAIMABLE} OR {ORPHANED})", {"now": now}):
        return 0
    with transaction(db):
        ended = _list_stalled(db, UNRECLAIMABLE, now)
        for record in ended:
            end_in_transaction(db, record, *outcome_of_interrupted(db, record))
        orphaned = _list_stalled(db, ORPHANED, now)
        for record in orphaned:
            _requeue_interrupted(db, record)
    return len(ended) + len(orphaned)


def has_stalled_of_other_models(db: Connection, *, models: Iterable[str], now: float) -> bool:
    """Whether there are expired leases of other image models than ``models``, which nothing claims."""
    return has_record(db, f"{STALLED} AND {_OF_OTHER_MODELS}", {"now": now, "models": SqlList(models)})


def pause_other_models(db: Connection, *, models: Collection[str], now: float) -> int:
    """Pause the batches that were queued for other image models than ``models`` -> how many.

    Task ids are preserved. A record submitted to one model must not be submitted, and charged, again by
    another.
    """
    with transaction(db):
        for record in _list_stalled(db, f"{_OF_OTHER_MODELS} AND NOT ({ORPHANED})", now, models):
            _requeue_interrupted(db, record)
        others = db.execute(
            f"""
            SELECT DISTINCT batches.id, generation_records.model
            FROM batches
            CROSS JOIN generation_records ON generation_records.batch_id = batches.id
            WHERE batches.state = 'active' AND generation_records.status = 'queued'
              AND generation_records.model NOT {IN_MODELS}
            """,
            {"models": SqlList(models)},
        ).fetchall()
        for row in others:
            reason = message(
                "排队时用的是模型 {model}，现在用不了，请在「模型与密钥」里设置好它再继续，或取消后重来",
                model=row["model"],
            )
            pause_in_transaction(db, row["id"], reason, cause=PauseCause.MODEL)
    return len(others)


def _list_stalled(db: Connection, condition: str, now: float, models: Iterable[str] = ()) -> list[Record]:
    return read_records(db, f"WHERE {STALLED} AND ({condition})", {"now": now, "models": SqlList(models)})


def _requeue_interrupted(db: Connection, record: Record) -> None:
    """Requeue a record that a crashed worker left, at no charge."""
    close_free_charges(db, record.id)
    requeue_in_transaction(db, record)
