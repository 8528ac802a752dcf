"""What shared write transactions leave to an exclusive one: versions, lines of logs, and the ends of batches.

A page polls for what changed after the version that it has, so a version must not become visible after a
higher one: two transactions that run beside each other cannot both take one. Nor can they say that a batch is
done: each would see the last record of the other as running. So they only insert into ``pending_changes``, in
the transaction of the change itself: a crash loses both or neither. One process at a time folds what is there
(see ``Runtime``), with nobody writing beside it; none of a SQLite file has anything to fold.

So it is with the sums that triggers keep of charges and records: in a SQLite file each key has one row, which
a change updates. On PostgreSQL every change adds a row, and those of a key are added up from time to time.
"""

from typing import NamedTuple

from app.core.pauses import finish_if_done, pause_in_transaction
from app.core.records.index import VISIBLE
from app.core.records.rows import has_record
from app.domain import Outcomes, PauseCause, StopRule, verdict
from app.engine.connection import Connection, transaction

FOLD_SECONDS = 0.2
_YOUNG_SECONDS = 0.15  # with many processes the lock is taken as often as with one
_BETWEEN_SUMS = 500
# One statement, since every writer waits for it: all get one version, the next. Ids are arrays, so that the
# index is used however many rows the server expects. Its result: what is left to do for each batch.
_FOLD = f"""
    WITH pending AS (DELETE FROM pending_changes RETURNING *),
    next AS (
        UPDATE change_counter SET value = value + 1 WHERE EXISTS (SELECT 1 FROM pending) RETURNING value
    ),
    changed AS (
        UPDATE generation_records SET version = value FROM next
        WHERE id = ANY (ARRAY (SELECT record_id FROM pending WHERE level IS NULL))
        RETURNING batch_id
    ),
    lines AS (
        INSERT INTO batch_log (batch_id, record_id, at, level, text, message, version)
        SELECT batch_id, record_id, at, level, text, message, value
        FROM pending, next WHERE level IS NOT NULL ORDER BY id
        RETURNING batch_id
    ),
    touched AS (
        UPDATE batches SET version = value FROM next
        WHERE id = ANY (ARRAY (SELECT batch_id FROM changed UNION SELECT batch_id FROM lines))
    )
    SELECT
        batch_id, sum(is_success) AS successes, count(*) FILTER (WHERE id % {_BETWEEN_SUMS} = 0) AS sums,
        (SELECT stop_after FROM batches WHERE batches.id = batch_id) AS rule,
        (SELECT 1 FROM generation_records AS record
         WHERE record.batch_id = pending.batch_id AND status IN ('queued', 'running')
            AND NOT (status = 'queued' AND cause = '{PauseCause.LIMIT}') LIMIT 1) AS open
    FROM pending GROUP BY batch_id
"""


def note_success(db: Connection, batch_id: str | None) -> None:
    """A record of the batch succeeded: count it, and end the batch if it was the last; in the transaction.

    Decided by the fold when others write beside it; with nobody beside it, at once.
    """
    if db.is_shared:
        sql = "INSERT INTO pending_changes (batch_id, is_success) VALUES (:id, 1)"
        db.execute(sql, {"id": batch_id})
    else:
        note_outcomes(db, batch_id, None)
        finish_if_done(db, batch_id)


def fold_changes(db: Connection, *, at_once: bool = False) -> bool:
    """Fold what is there -> whether this did. Unless ``at_once``, what is younger than a moment can wait.

    One process at a time: the others need not wait for the lock to find nothing. With ``at_once`` it waits.
    """
    if db.engine == "sqlite":
        return False
    sql = "SELECT 1 FROM pending_changes WHERE noted_at <= now() - make_interval(secs => :age) LIMIT 1"
    if not db.execute(sql, {"age": 0 if at_once else _YOUNG_SECONDS}).fetchone():
        return False
    with transaction(db, elects=not at_once) as is_writer:
        return is_writer and fold_in_transaction(db)


def fold_in_transaction(db: Connection) -> bool:
    """The same inside an exclusive transaction, before what depends on it -> whether anything was there.

    A failure is counted in an exclusive transaction, after this: so a stop rule sees outcomes in the order in
    which they were committed.
    """
    if db.engine == "sqlite":
        return False
    batches = db.execute(_FOLD).fetchall()
    for batch in batches:
        if batch["successes"] and batch["rule"]:
            note_outcomes(db, batch["batch_id"], *[None] * batch["successes"])
        if batch["successes"] and not batch["open"]:
            finish_if_done(db, batch["batch_id"])
    if any(batch["sums"] for batch in batches):
        add_up(db)
    return bool(batches)


_TO_SUBMIT = "batch_id = :id AND status = 'queued' AND task_id IS NULL"


def note_outcomes(db: Connection, batch_id: str | None, *causes: str | None) -> None:
    """Count pictures that failed for these causes, or succeeded (None), in their order; in a transaction.

    The batch is paused only while it has records to submit.
    """
    row = db.execute(
        "SELECT state, stop_after, outcomes FROM batches WHERE id = :id", {"id": batch_id}
    ).fetchone()
    rule = StopRule.from_json(row["stop_after"]) if row else None
    if rule is None or batch_id is None:
        return
    outcomes = Outcomes.from_json(row["outcomes"])
    for cause in causes:
        outcomes = outcomes.after(cause, rule)
    fields = {"id": batch_id, "outcomes": outcomes.to_json()}
    db.execute("UPDATE batches SET outcomes = :outcomes WHERE id = :id", fields)
    reason = verdict(rule, outcomes)
    if reason and row["state"] == "active" and has_record(db, _TO_SUBMIT, {"id": batch_id}):
        pause_in_transaction(db, batch_id, reason, cause=PauseCause.STOP_RULE)


class _Sum(NamedTuple):
    """``of_row`` is the key of one of the ``rows``, ``of_rows`` the sums of those of a key."""

    key: str
    of_row: str
    rows: str
    sums: str = "number, micros, unpriced"
    of_rows: str = "count(*), sum(price_micros), sum(1 - is_priced)"


_FACETS = "status, aspect_ratio, resolution, model"
SUMS = {
    "charge_totals": _Sum("outcome", "outcome", "charges"),
    "charges_by_hour": _Sum("hour, model, outcome", "substr(opened_at, 1, 13), model, outcome", "charges"),
    "record_counts": _Sum(
        f"is_deleted, {_FACETS}",
        f"CASE WHEN deleted_at IS NULL THEN 0 ELSE 1 END, {_FACETS}",
        "generation_records",
        "number",
        "count(*)",
    ),
    "counts_by_day": _Sum(
        f"day, {_FACETS}",
        f"substr(created_at, 1, 10), {_FACETS}",
        f"generation_records WHERE {VISIBLE}",
        "number, first_id, last_id",
        "count(*), min(id), max(id)",
    ),
}


def filled(table: str) -> str:
    """The statement that fills one of SUMS."""
    each = SUMS[table]
    group = ", ".join(str(at + 1) for at in range(each.key.count(",") + 1))
    return f"""
        INSERT INTO {table} ({each.key}, {each.sums})
        SELECT {each.of_row}, {each.of_rows} FROM {each.rows} GROUP BY {group}
    """


def add_up(db: Connection) -> None:
    """Replace the rows of each key by one; on PostgreSQL, in an exclusive transaction."""
    added = {"first_id": "min(first_id)", "last_id": "max(last_id)"}
    for table, each in SUMS.items():
        sums = ", ".join(added.get(name, f"sum({name})") for name in each.sums.split(", "))
        db.execute(
            f"""
            WITH added AS (
                DELETE FROM {table}
                WHERE ({each.key}) IN (SELECT {each.key} FROM {table} GROUP BY {each.key} HAVING count(*) > 1)
                RETURNING *
            )
            INSERT INTO {table} ({each.key}, {each.sums})
            SELECT {each.key}, {sums} FROM added GROUP BY {each.key} HAVING sum(number) <> 0
            """
        )
