"""Batches: records submitted together, their state, counts and costs."""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from app.db.batch_log import add_log
from app.db.batch_models import check_models, count_ahead, list_in_turn
from app.db.batch_names import NUMBER_IN_MINUTE
from app.db.connection import Connection, Row, transaction
from app.db.notifications import note_done, note_paused
from app.db.row_mapping import (
    HAS_TASK_ID,
    IN_IDS,
    SqlList,
    has_record,
    message_json,
    priced,
    read_records,
    to_message,
)
from app.db.versions import update_records
from app.db.whose import PAYER, set_payer
from app.db.workbooks import find_workbook
from app.domain import Batch, BatchModel, BatchStatus, PauseCause, Pick, Record, Status
from app.errors import Conflict, Message, NotFound, message

# Failed records whose retry does not cause a second charge: not charged yet, or fetched by their task id.
NOT_CHARGED = """
    status = 'failed' AND deleted_at IS NULL
    AND (task_id IS NOT NULL OR (cost_micros = 0 AND cost_unpriced = 0))
"""
_STORED = (
    *("id", "name", "number_in_minute", "created_at", "total", "version", "source"),
    *("paused_cause", "table_id"),
)


def get_batch(db: Connection, batch_id: str) -> Batch:
    """The batch with its counts, costs and estimated seconds left. Raises NotFound."""
    return _to_batch(db, _batch_row(db, batch_id))


def get_batch_version(db: Connection, batch_id: str) -> int:
    """The batch's version, which grows with every change of it, its records or its log. Raises NotFound."""
    return int(_batch_row(db, batch_id)["version"])


def _batch_row(db: Connection, batch_id: str) -> Row:
    sql = f"SELECT *, {NUMBER_IN_MINUTE} AS number_in_minute FROM batches WHERE id = :id"
    row: Row | None = db.execute(sql, {"id": batch_id}).fetchone()
    if row is None:
        raise NotFound("没有这个批次，它可能来自另一个数据库")
    return row


def list_batches(db: Connection, *, limit: int, offset: int = 0, source: str | None = None) -> list[Batch]:
    """Batches, newest first; only those of ``source`` if given."""
    which = "WHERE source = :source ORDER BY created_at DESC, id DESC" if source else "ORDER BY id DESC"
    columns = f"*, {NUMBER_IN_MINUTE} AS number_in_minute"
    sql = f"SELECT {columns} FROM batches {which} LIMIT :limit OFFSET :offset"
    rows = db.execute(sql, {"limit": limit, "offset": offset, "source": source}).fetchall()
    return [_to_batch(db, row) for row in rows]


def count_batches(db: Connection, *, source: str | None = None) -> int:
    """The number of batches; only those of ``source`` if given."""
    sql = f"SELECT count(*) AS number FROM batches {'WHERE source = :source' if source else ''}"
    return int(db.execute(sql, {"source": source}).fetchone()["number"])


def list_batch_records(db: Connection, batch_id: str, *, since: int = 0) -> list[Record]:
    """Records of a batch changed after version ``since``, in order of insertion."""
    return read_records(
        db,
        "WHERE batch_id = :id AND version > :since AND deleted_at IS NULL ORDER BY id",
        {"id": batch_id, "since": since},
    )


def count_open_work(db: Connection) -> tuple[int, int, int]:
    """(running, queued, total) of the active batches, in images, held ones apart; all 0 without any."""
    row = db.execute(
        """
        SELECT
            count(*) FILTER (WHERE generation_records.status = 'running') AS running,
            count(*) FILTER (WHERE generation_records.status = 'queued') AS queued,
            (SELECT coalesce(sum(total), 0) FROM batches WHERE state = 'active')
                - count(*) FILTER (WHERE generation_records.status = 'held') AS total
        FROM batches
        JOIN generation_records ON generation_records.batch_id = batches.id
        WHERE batches.state = 'active' AND generation_records.status IN ('held', 'queued', 'running')
        """
    ).fetchone()
    return int(row["running"]), int(row["queued"]), int(row["total"])


class Pause(NamedTuple):
    """Why a batch is paused; ``reason`` is empty when a user paused it. ``payer``: of what still waits."""

    batch_id: str
    reason: Message
    cause: str
    payer: int | None

    @property
    def is_problem(self) -> bool:
        """Whether it paused by itself; one whose sample is done waits for its user, and nothing is wrong."""
        return bool(self.reason) and self.cause != PauseCause.SAMPLE


def list_pauses(db: Connection, *, source: str = "") -> dict[str, Pause]:
    """The paused batches by id, the newest first; only those of ``source`` if given."""
    waiting = "batch_id = batches.id AND status IN ('queued', 'running')"
    rows = db.execute(
        f"""
        SELECT id, paused_reason, paused_message, paused_cause,
            (SELECT {PAYER} FROM generation_records WHERE {waiting} ORDER BY id LIMIT 1) AS payer
        FROM batches
        WHERE state = 'paused' AND (source = :source OR :source = '')
        ORDER BY created_at DESC
        """,
        {"source": source},
    ).fetchall()
    return {
        row["id"]: Pause(
            row["id"],
            to_message(row["paused_reason"], row["paused_message"]),
            row["paused_cause"],
            row["payer"],
        )
        for row in rows
    }


def pause_batch(
    db: Connection,
    batch_id: str,
    reason: str | Message = "",
    *,
    cause: PauseCause = PauseCause.USER,
    stops_fetching: bool = False,
    model: str | None = None,
) -> None:
    """Stop submitting the batch's records; submitted ones are still fetched, since they are charged.

    ``stops_fetching``: the cause prevents fetching too (a wrong key, a full disk), from this ``model`` or, if
    it is None, from all.
    """
    with transaction(db):
        pause_in_transaction(db, batch_id, reason, cause=cause, stops_fetching=stops_fetching, model=model)


def pause_in_transaction(
    db: Connection,
    batch_id: str,
    reason: str | Message,
    *,
    cause: PauseCause,
    stops_fetching: bool = False,
    model: str | None = None,
) -> None:
    """As ``pause_batch``; inside a transaction."""
    if stops_fetching:
        db.execute(
            """
            UPDATE generation_records
            SET fetch_while_paused = 0
            WHERE batch_id = :id AND status = 'queued' AND fetch_while_paused = 1
              AND (:model IS NULL OR model = :model)
            """,
            {"id": batch_id, "model": model},
        )
    changed = db.execute(
        """
        UPDATE batches
        SET state = 'paused', paused_reason = :reason, paused_message = :message, paused_cause = :cause
        WHERE id = :id AND (state = 'active' OR (
            state = 'paused' AND :stops = 1 AND paused_cause <> 'sample' AND paused_reason <> :reason))
        """,
        {
            "id": batch_id,
            "reason": str(reason),
            "message": message_json(message(reason)),
            "cause": cause,
            "stops": stops_fetching,
        },
    ).rowcount
    if changed:
        note_paused(db, batch_id, message(reason), cause)
        if reason:
            add_log(db, batch_id, "warning", message("已暂停：{reason}", reason=message(reason)))
        else:
            add_log(db, batch_id, "info", "已暂停")


def resume_batch(
    db: Connection, batch_id: str, *, models: Iterable[str], person_id: int | None = None
) -> None:
    """Resume a paused batch for this person, who pays for what waits; its delayed retries become due at once.

    Raises Conflict when its records were queued for another image model than ``models``, or all of them are
    held.
    """
    with transaction(db):
        check_models(db, batch_id, models)
        if _has_open(db, batch_id, Status.HELD) and not _has_open(db, batch_id):
            raise Conflict("先试的几行已经做完，没有可以继续的；请看过结果，再放行其余的行")
        if resume_in_transaction(db, batch_id):
            set_payer(db, person_id, waiting_of=batch_id)
            add_log(db, batch_id, "info", "继续生成")
            finish_if_done(db, batch_id)


def resume_in_transaction(db: Connection, batch_id: str) -> bool:
    """Activate a paused batch, with its delayed retries due at once -> whether it was paused.

    Its stop rule starts anew.
    """
    changed = db.execute(
        """
        UPDATE batches
        SET state = 'active', paused_reason = '', paused_message = '', paused_cause = '', outcomes = ''
        WHERE id = :id AND state = 'paused'
        """,
        {"id": batch_id},
    ).rowcount
    if changed:
        update_records(
            db,
            f"not_before = 0, retries = 0, throttle_count = 0, fetch_while_paused = {HAS_TASK_ID}",
            "batch_id = :id AND status = 'queued' AND (not_before > 0 OR task_id IS NOT NULL)",
            {"id": batch_id},
        )
    return bool(changed)


def finish_if_done(db: Connection, batch_id: str | None) -> None:
    """End the batch when it has no queued and no running records left; inside a transaction.

    It is finished, or paused when some are held. When all that are left wait for a person's limit, they are
    tried at once, which pauses it.
    """
    row = db.execute("SELECT state, paused_cause FROM batches WHERE id = :id", {"id": batch_id}).fetchone()
    if row is None or row["state"] not in ("active", "paused"):
        return
    if _has_open(db, batch_id):
        waits = f"batch_id = :id AND status = 'queued' AND cause = '{PauseCause.LIMIT}'"
        others = f"batch_id = :id AND status IN ('queued', 'running') AND NOT ({waits})"
        if not has_record(db, others, {"id": batch_id}):
            update_records(db, "not_before = 0", waits, {"id": batch_id})
        return
    if _has_open(db, batch_id, Status.HELD):
        _wait_for_release(db, batch_id, was_waiting=row["paused_cause"] == PauseCause.SAMPLE)
        return
    db.execute(
        """
        UPDATE batches
        SET state = 'finished', paused_reason = '', paused_message = '', paused_cause = ''
        WHERE id = :id
        """,
        {"id": batch_id},
    )
    note_done(db, batch_id)
    add_log(db, batch_id, "info", "批次完成")


def _has_open(db: Connection, batch_id: str | None, *statuses: Status) -> bool:
    """Whether a record of the batch has one of these statuses, by default queued or running."""
    chosen = SqlList(statuses or (Status.QUEUED, Status.RUNNING))
    return has_record(db, f"batch_id = :id AND status {IN_IDS}", {"id": batch_id, "ids": chosen})


def _wait_for_release(db: Connection, batch_id: str | None, *, was_waiting: bool) -> None:
    """Pause a batch whose sample is done; of one that was waiting, update the numbers."""
    row = db.execute(
        """
        SELECT
            count(DISTINCT row_number) FILTER (WHERE status NOT IN ('held', 'cancelled')) AS tried,
            count(DISTINCT row_number) FILTER (WHERE status = 'held') AS held
        FROM generation_records
        WHERE batch_id = :id
        """,
        {"id": batch_id},
    ).fetchone()
    text = "先试的 {tried} 行做完了，看过再放行其余 {held} 行"
    reason = message(text, tried=f"{row['tried']:,}", held=f"{row['held']:,}")
    db.execute(
        """
        UPDATE batches
        SET state = 'paused', paused_reason = :reason, paused_message = :message, paused_cause = 'sample'
        WHERE id = :id
        """,
        {"id": batch_id, "reason": str(reason), "message": message_json(reason)},
    )
    if not was_waiting:
        note_paused(db, batch_id, reason, PauseCause.SAMPLE)
        add_log(db, batch_id, "info", reason)


def reopen(db: Connection, batch_id: str | None) -> None:
    """Activate a finished batch, or one whose sample was done; inside a transaction."""
    db.execute(
        """
        UPDATE batches
        SET state = 'active', paused_reason = '', paused_message = '', paused_cause = ''
        WHERE id = :id AND (state = 'finished' OR paused_cause = 'sample')
        """,
        {"id": batch_id},
    )


def _to_batch(db: Connection, row: Row) -> Batch:
    groups = db.execute(
        """
        SELECT status, model, count(*) AS number, sum(cost_micros) AS cost,
            sum(cost_unpriced) AS cost_unpriced, sum(at_stake_micros) AS at_stake,
            sum(at_stake_unpriced) AS at_stake_unpriced
        FROM generation_records
        WHERE batch_id = :id
        GROUP BY status, model
        """,
        {"id": row["id"]},
    ).fetchall()
    counts = dict.fromkeys(Status, 0)
    for group in groups:
        counts[Status(group["status"])] += int(group["number"])
    return Batch(
        **{name: row[name] for name in _STORED},
        status=_batch_status(row["state"], counts),
        ahead=count_ahead(db, row["id"]) if counts[Status.QUEUED] else 0,
        paused_reason=to_message(row["paused_reason"], row["paused_message"]),
        counts=counts,
        cost=_sum_of("cost", groups),
        at_stake=_sum_of("at_stake", groups),
        estimated_cost=priced(row["estimated_micros"], not row["is_priced"]),
        eta_seconds=_seconds_to_go(db, row, groups, counts),
        retryable=_count_retryable(db, row["id"]) if counts[Status.FAILED] else 0,
        workbook=find_workbook(db, row["workbook_id"]) if row["workbook_id"] else None,
        picks=_count_picks(db, row["id"]),
        models=_models_of(groups),
    )


def _models_of(groups: list[Row]) -> list[BatchModel]:
    by_model: dict[str, list[Row]] = {}
    for group in groups:
        by_model.setdefault(group["model"], []).append(group)
    found = [
        BatchModel(model=model, total=sum(g["number"] for g in own), cost=_sum_of("cost", own))
        for model, own in by_model.items()
    ]
    return sorted(found, key=lambda one: (-one.total, one.model))


def _count_picks(db: Connection, batch_id: str) -> dict[Pick, int]:
    rows = db.execute(
        """
        SELECT pick, count(*) AS number
        FROM generation_records INDEXED BY records_picked_of_batch
        WHERE batch_id = :id AND pick <> '' AND pick IN ('keep', 'reject') AND deleted_at IS NULL
        GROUP BY pick
        """,
        {"id": batch_id},
    ).fetchall()
    return dict.fromkeys(Pick, 0) | {Pick(row["pick"]): int(row["number"]) for row in rows}


def _count_retryable(db: Connection, batch_id: str) -> int:
    row = db.execute(
        f"SELECT count(*) AS number FROM generation_records WHERE batch_id = :id AND {NOT_CHARGED}",
        {"id": batch_id},
    ).fetchone()
    return int(row["number"])


def _sum_of(name: str, groups: list[Row]) -> Decimal | None:
    return priced(sum(g[name] for g in groups), sum(g[f"{name}_unpriced"] for g in groups))


def _batch_status(state: str, counts: dict[Status, int]) -> BatchStatus:
    if counts[Status.QUEUED]:
        if state == "paused":
            return BatchStatus.PAUSED
        begun = sum(counts.values()) > counts[Status.QUEUED] + counts[Status.HELD]
        return BatchStatus.RUNNING if begun else BatchStatus.QUEUED
    if counts[Status.RUNNING]:
        return BatchStatus.RUNNING
    if counts[Status.HELD]:
        return BatchStatus.PAUSED
    return BatchStatus.CANCELLED if state == "cancelled" else BatchStatus.FINISHED


def _seconds_to_go(db: Connection, batch: Row, groups: list[Row], counts: dict[Status, int]) -> int | None:
    """Records to be made until its last ÷ records running × mean duration of the last 40, or else what the
    model is known to take; independent of pauses. The other batches at its model, which share it evenly, make
    as many of their own meanwhile, if they have as many.
    """
    left = counts[Status.QUEUED] + counts[Status.RUNNING]
    if not (left and counts[Status.RUNNING]):
        return None
    model = max(groups, key=lambda group: (group["status"] == "running") * group["number"])["model"]
    others = [each for each in list_in_turn(db, model) if each["id"] != batch["id"]]
    rivals = [each for each in others if each["priority"] >= batch["priority"]]
    to_make = left + sum(min(each["queued"] + each["running"], left) for each in rivals)
    running = counts[Status.RUNNING] + sum(each["running"] for each in others)
    row = db.execute(
        """
        SELECT avg(86400.0 * (julianday(finished_at) - julianday(started_at))) AS seconds
        FROM (
            SELECT started_at, finished_at
            FROM generation_records
            WHERE batch_id = :id AND status = 'success' AND started_at IS NOT NULL
            ORDER BY id DESC
            LIMIT 40
        ) AS latest
        """,
        {"id": batch["id"]},
    ).fetchone()
    seconds = row["seconds"] or _learnt_seconds(db, batch["id"])
    return None if seconds is None else round(to_make * float(seconds) / running)


def _learnt_seconds(db: Connection, batch_id: str) -> float | None:
    """What an image of the model in use usually takes, while the batch has none yet."""
    row = db.execute(
        """
        SELECT seconds
        FROM model_statistics
        WHERE model = (
            SELECT model FROM generation_records WHERE batch_id = :id AND status = 'running' LIMIT 1)
        """,
        {"id": batch_id},
    ).fetchone()
    return row["seconds"] if row else None
