"""Count how the pictures of a batch end, and pause it when its stop rule says so."""

from app.db.batches import pause_in_transaction
from app.db.connection import Connection
from app.db.row_mapping import has_record
from app.domain import Outcomes, PauseCause, StopRule, verdict

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
