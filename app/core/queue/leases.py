"""Leases of running records: extend them, and end or requeue the records whose lease has expired."""

from collections.abc import Collection, Iterable, Sequence

from app.core.money.ledger import close_free_charges
from app.core.queue.claim import AMBIGUOUS, ORPHANED, STALLED, UNRECLAIMABLE
from app.core.queue.ends import end_in_transaction, outcome_of_interrupted, requeue_in_transaction
from app.core.queue.pauses import pause_in_transaction
from app.core.records.mapping import IN_MODELS, has_record, read_records
from app.domain import PauseCause, Record
from app.engine.connection import Connection, transaction
from app.engine.values import IN_IDS, SqlList
from app.errors import message

# Expired leases of image models that are not there: nothing claims them.
_OF_OTHER_MODELS = f"model NOT {IN_MODELS} AND NOT ({AMBIGUOUS})"


def extend_leases(db: Connection, ids: Sequence[int], *, owner: str, until: float) -> None:
    """Extend this owner's leases of these records; ``until`` is Unix time.

    Beside other workers: it waits for a row that one of them claims, and leaves it to the new owner.
    """
    if not ids:
        return
    with transaction(db, durable=False, shared=True):  # a power cut ends the owner too
        db.execute(
            f"""
            UPDATE generation_records
            SET lease_until = :until
            WHERE id {IN_IDS} AND lease_owner = :owner
            """,
            {"until": until, "owner": owner, "ids": SqlList(ids)},
        )


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
