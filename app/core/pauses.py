"""Pauses, resumes and finishes batches."""

from collections.abc import Iterable
from typing import NamedTuple

from app.core.log import add_log
from app.core.notices import note_done, note_paused
from app.core.people import set_payer
from app.core.records.rows import IN_MODELS, PAYER, has_record, update_records
from app.domain import PauseCause, Status
from app.engine.connection import Connection, transaction
from app.engine.values import IN_IDS, SqlList, message_json, to_message
from app.errors import Conflict, Message, message


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
            """
            not_before = 0, retries = 0, throttle_count = 0,
            fetch_while_paused = CASE WHEN task_id IS NULL THEN 0 ELSE 1 END
            """,
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


def check_models(db: Connection, batch_id: str, models: Iterable[str]) -> None:
    """Raises Conflict when the batch has records queued for an image model that is not among ``models``."""
    other = db.execute(
        f"""
        SELECT model
        FROM generation_records
        WHERE batch_id = :id AND status = 'queued' AND model NOT {IN_MODELS}
        LIMIT 1
        """,
        {"id": batch_id, "models": SqlList(models)},
    ).fetchone()
    if other:
        text = "这个批次排队时用的是模型 {model}，现在用不了，请在「模型与密钥」里设置好它再继续"
        raise Conflict(text, model=other["model"])
