"""Requeue ended records: those with a task id are fetched, the others are submitted."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

from app.db.batch_log import add_log, row_label
from app.db.batch_models import check_models
from app.db.batches import NOT_CHARGED
from app.db.connection import Connection, transaction
from app.db.fingerprints import add_fingerprints, complete_fingerprints, find_bought, record_fingerprint
from app.db.record_changes import change_records
from app.db.records import records_of
from app.db.request_keys import RequestKey, find_answer, save_answer
from app.db.row_mapping import HAS_TASK_ID, IN_IDS, SqlList, object_text
from app.db.versions import touch
from app.domain import (
    Changes,
    ImageRequest,
    Models,
    Record,
    SkippedRow,
    Status,
    changed_request,
    differing,
)
from app.errors import Conflict, Message, message


@dataclass(frozen=True, slots=True, kw_only=True)
class Requeued:
    """How many records were queued again, and the rows with pictures that were bought meanwhile."""

    number: int
    skipped: list[SkippedRow] = field(default_factory=list)


def retry_records(
    db: Connection,
    batch_id: str,
    ids: Sequence[int] | None = None,
    *,
    models: Models,
    key: RequestKey | None = None,
    changes: Mapping[int, Changes] | None = None,
    skips_bought: bool = False,
) -> Requeued:
    """Requeue failed records of a batch, with ``changes`` by id.

    ``unknown``, cancelled and charged records only when listed in ``ids``. A used ``key`` queues nothing.
    With ``skips_bought``, a record whose picture was bought meanwhile is neither changed nor queued.
    A valid task id is fetched, so that nothing is submitted twice; records without one are submitted to
    their model (``Models.of``). A paused batch stays paused, since resuming would start its other records.
    Without ``ids``, records that their model does not support are skipped. Raises Conflict when a listed
    record cannot be retried, has a task id of a model that is not there, or when no record is supported.
    """
    changes = changes or {}
    if skips_bought:
        complete_fingerprints(db)
    with transaction(db):
        if answer := find_answer(db, key):
            return retried_before(answer)
        if ids is None:
            ids = _not_charged(db, batch_id, models)
        else:
            _check_ended(db, batch_id, ids)
        ids = list(dict.fromkeys(ids))
        skipped: list[SkippedRow] = []
        if skips_bought:
            ids, skipped = leave_out_bought(db, ids, models=models, changes=changes)
        change_records(db, {record_id: changes[record_id] for record_id in ids if record_id in changes})
        queue_in_batch(db, batch_id, ids, models=models)
        done = Requeued(number=len(ids), skipped=skipped)
        save_answer(db, key, {"records": done.number, "skipped": [asdict(row) for row in skipped]})
    return done


# Which ended records of a batch are queued again when none is named.
_RETRIED = {
    Status.FAILED: NOT_CHARGED,
    Status.CANCELLED: "status = 'cancelled' AND cause NOT IN ('dropped', 'bought', 'held')",
    Status.UNKNOWN: "status = 'unknown'",
}


def list_models_to_submit(
    db: Connection,
    status: Status,
    ids: Collection[int] | None = None,
    *,
    batch_id: str | None = None,
    submits: Collection[int] = (),
) -> set[str]:
    """The ids of the models that make an image when these records are queued again.

    ``ids=None``: all of the batch (of all, if None) that ended with ``status`` and are retried then. Records
    with a task id are only fetched, unless they are in ``submits``.
    """
    which = _RETRIED[status] if ids is None else f"id {IN_IDS}"
    rows = db.execute(
        f"""
        SELECT DISTINCT model
        FROM generation_records
        WHERE deleted_at IS NULL AND (:batch_id IS NULL OR batch_id = :batch_id) AND {which}
          AND (task_id IS NULL OR id IN (SELECT value FROM json_each(:submits)))
        """,
        {"ids": SqlList(ids or ()), "batch_id": batch_id, "submits": SqlList(submits)},
    ).fetchall()
    return {row["model"] for row in rows}


def retried_before(answer: Mapping[str, Any]) -> Requeued:
    """The answer stored with a request key -> what was queued then."""
    skipped = [SkippedRow(**row) for row in answer.get("skipped", ())]
    return Requeued(number=answer["records"], skipped=skipped)


def leave_out_bought(
    db: Connection,
    ids: Sequence[int],
    *,
    models: Models,
    changes: Mapping[int, Changes] = MappingProxyType({}),
) -> tuple[list[int], list[SkippedRow]]:
    """(the ids to queue, the rows of the others with the records that have their pictures); in a transaction.

    What has a task id and is not changed is fetched, which costs nothing.
    """
    add_fingerprints(db)  # of records that another program has just added
    queued: dict[tuple[str, int], int] = {}
    kept: list[int] = []
    rows: dict[int, list[int]] = {}
    for record in records_of(db, ids):
        changed = differing(record, changes.get(record.id, {}))
        if record.task_id and not changed:
            kept.append(record.id)
            continue
        request = models.accept(changed_request(record, changed))
        picture = record_fingerprint(request, record.picture_number), record.picture_number
        bought = find_bought(db, record, picture[0], is_changed=bool(changed))
        if bought is None and changed:
            bought = queued.get(picture)
        if bought is None:
            queued[picture] = record.id
            kept.append(record.id)
        else:
            rows.setdefault(record.row_number, []).append(bought)
    return kept, [SkippedRow(row=row, records=records) for row, records in rows.items()]


def _not_charged(db: Connection, batch_id: str, models: Models) -> list[int]:
    """The failed records of a batch that were not charged. Raises Conflict when all of them were."""
    sql = f"""
        SELECT id, ({NOT_CHARGED}) AS is_free
        FROM generation_records
        WHERE batch_id = :id AND status = 'failed' AND deleted_at IS NULL
    """
    failed = db.execute(sql, {"id": batch_id}).fetchall()
    ids = [row["id"] for row in failed if row["is_free"]]
    if failed and not ids:
        raise Conflict("失败的 {n} 张都已计费，没有重试；要再付一次，请逐张点「重试」", n=len(failed))
    return list_supported(db, ids, models=models) or ids


def _check_ended(db: Connection, batch_id: str, ids: Sequence[int]) -> None:
    """Raises Conflict unless all of these are records of the batch that ended without an image."""
    sql = "SELECT id, status FROM generation_records WHERE batch_id = :id AND deleted_at IS NULL"
    found = {row["id"]: row["status"] for row in db.execute(sql, {"id": batch_id}).fetchall()}
    ended = (Status.FAILED, Status.UNKNOWN, Status.CANCELLED)
    if any(found.get(i) not in ended for i in ids):
        raise Conflict("只有失败、未知或已取消的图片可以重试，请刷新后再选")


def queue_in_batch(
    db: Connection,
    batch_id: str,
    ids: Sequence[int],
    *,
    models: Models,
    text: Message | None = None,
    paused: bool = False,
    fetch_only: bool = False,
) -> bool:
    """Requeue records of one batch, log it and activate the batch -> whether it is paused; in a transaction.

    A paused batch stays paused, since its other records would be submitted, unless they are all held; with
    ``paused`` an ended one becomes paused too. With ``fetch_only`` nothing is submitted, and a cancelled
    batch stays cancelled. The stop rule of a batch that was not active starts anew.
    """
    if not ids:
        return False
    to_submit = requeue(db, ids, models=models)
    if not fetch_only:
        check_models(db, batch_id, models.ids)
    is_paused = activate_batch(db, batch_id, paused=paused, fetch_only=fetch_only)
    waits = to_submit and is_paused
    retried = message("重试 {n} 张，等批次继续" if waits else "重试 {n} 张", n=len(ids))
    add_log(db, batch_id, "info", text or retried)
    return is_paused


def activate_batch(db: Connection, batch_id: str, *, paused: bool = False, fetch_only: bool = False) -> bool:
    """Activate a batch that has queued records again -> whether it is paused, as ``queue_in_batch`` says."""
    db.execute(
        """
        UPDATE batches
        SET state = CASE WHEN :paused = 1 AND state <> 'active' THEN 'paused' ELSE 'active' END,
            paused_cause = CASE WHEN :paused = 1 AND state <> 'active' THEN 'user' ELSE '' END,
            paused_reason = '', paused_message = '',
            outcomes = CASE state WHEN 'active' THEN outcomes ELSE '' END
        WHERE id = :id AND (state <> 'paused' OR paused_cause = 'sample')
            AND NOT (:fetch_only = 1 AND state = 'cancelled')
        """,
        {"id": batch_id, "paused": paused, "fetch_only": fetch_only},
    )
    state = db.execute("SELECT state FROM batches WHERE id = :id", {"id": batch_id}).fetchone()["state"]
    return bool(state == "paused")


def list_supported(db: Connection, ids: Sequence[int], *, models: Models) -> list[int]:
    """The ids whose records have a task id or a request that its model supports."""
    records = records_of(db, ids)
    return [record.id for record in records if record.task_id or not models.unsupported(record.request)]


def requeue(db: Connection, ids: Sequence[int], *, models: Models) -> int:
    """Reset records to queued, keeping task ids -> how many must be submitted; inside a transaction.

    Those with a task id are fetched, also while the batch is paused. The others are submitted to their
    model (``Models.of``) without the fields it does not accept. Raises Conflict when it does not support one.
    """
    records = records_of(db, ids)
    for record in records:
        request = record.request if record.task_id else _supported_request(models, record)
        row = None if record.task_id else record_fingerprint(request, record.picture_number)
        db.execute(
            f"""
            UPDATE generation_records
            SET status = 'queued', error = '', error_message = '', cause = '', not_before = 0, retries = 0,
                throttle_count = 0, crash_count = 0, fetch_while_paused = {HAS_TASK_ID}, pick = '',
                model = :model, seed = :seed, steps = :steps, options = :options,
                fingerprint = coalesce(:fingerprint, fingerprint),
                started_at = NULL, finished_at = NULL, deleted_at = NULL, deletion_id = NULL
            WHERE id = :id
            """,
            {
                "id": record.id,
                "model": request.model,
                "seed": request.seed,
                "steps": request.steps,
                "options": object_text(request.options),
                "fingerprint": row,
            },
        )
    touch(db, ids)
    return sum(record.task_id is None for record in records)


def _supported_request(models: Models, record: Record) -> ImageRequest:
    for problem in models.unsupported(record.request):
        raise Conflict(
            "{place}：现在的模型不能重试，{reason}；请换回 {model}，或改了再做",
            place=row_label(record),
            reason=problem.message,
            model=record.model,
        )
    return models.accept(record.request)
