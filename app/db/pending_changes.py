"""What shared write transactions leave to an exclusive one: versions, lines of logs, and the ends of batches.

A page polls for what changed after the version that it has, so a version must not become visible after a
higher one: two transactions that run beside each other cannot both take one. Nor can they say that a batch is
done: each would see the last record of the other as running. So they only insert into ``pending_changes``, in
the transaction of the change itself: a crash loses both or neither. Every process folds what it finds there
(see ``Runtime``), with nobody writing beside it; none of a SQLite file has anything to fold.
"""

from collections import Counter

from app.db.batches import finish_if_done
from app.db.connection import Connection, transaction
from app.db.stop_rules import note_outcomes
from app.db.sums import add_up
from app.db.versions import touch

FOLD_SECONDS = 0.2
_YOUNG_SECONDS = 0.1  # with many processes the lock is taken as often as with one
_BETWEEN_SUMS = 500


def note_success(db: Connection, batch_id: str | None) -> None:
    """A record of the batch succeeded: count it, and end the batch if it was the last; in the transaction.

    Decided by the fold when others write beside it; with nobody beside it, at once.
    """
    if db.is_shared:
        sql = "INSERT INTO pending_changes (batch_id, is_success) VALUES (:id, 1)"
        db.execute(sql, {"id": batch_id})
    else:
        _end(db, batch_id, 1)


def fold_changes(db: Connection, *, at_once: bool = False) -> bool:
    """Fold what is there -> whether anything was. What is younger than a moment can wait unless ``at_once``.

    It is looked for again under the lock: whoever comes second finds nothing, and commits nothing.
    """
    if db.engine == "sqlite":
        return False
    sql = "SELECT 1 FROM pending_changes WHERE noted_at <= now() - make_interval(secs => :age) LIMIT 1"
    fields = {"age": 0 if at_once else _YOUNG_SECONDS}
    if not db.execute(sql, fields).fetchone():
        return False
    with transaction(db):
        is_there = db.execute(sql, fields).fetchone() is not None
        if is_there:
            fold_in_transaction(db)
    return is_there


def fold_in_transaction(db: Connection) -> None:
    """The same inside an exclusive transaction, before what depends on it.

    All get one version, the next. A failure is counted in an exclusive transaction, after this: so a stop
    rule sees outcomes in the order in which they were committed.
    """
    if db.engine == "sqlite":
        return
    rows = [dict(row) for row in db.execute("DELETE FROM pending_changes RETURNING *").fetchall()]
    if not rows:
        return
    rows.sort(key=lambda row: row["id"])
    lines = [row for row in rows if row["level"]]
    changed = {row["record_id"] for row in rows if row["record_id"] and not row["level"]}
    version = touch(db, changed, batch_ids={row["batch_id"] for row in lines})
    if lines:
        db.executemany(
            """
            INSERT INTO batch_log (batch_id, record_id, at, level, text, message, version)
            VALUES (:batch_id, :record_id, :at, :level, :text, :message, :version)
            """,
            [line | {"version": version} for line in lines],
        )
    for batch_id, number in Counter(row["batch_id"] for row in rows if row["is_success"]).items():
        _end(db, batch_id, number)
    if any(row["id"] % _BETWEEN_SUMS == 0 for row in rows):
        add_up(db)


def _end(db: Connection, batch_id: str | None, successes: int) -> None:
    note_outcomes(db, batch_id, *[None] * successes)
    finish_if_done(db, batch_id)
