"""The outbox of notifications: rows are inserted with their event, and delivered by one of the servers.

Rows are written whether or not a receiver is configured, and removed after a day; those of budgets, which
are sent once a period, after 40 days.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from app.domain import PauseCause, Status
from app.domain.ledger import Budget, BudgetScope
from app.domain.notifications import Notification, NotificationEvent
from app.engine.connection import Connection, Row, now, transaction
from app.engine.values import priced
from app.errors import Message, from_json, to_json

LEASE_SECONDS = 60.0
MAX_DELAY_SECONDS = 600.0
_DAY = 86_400.0
_BUDGETS_KEPT = 40 * _DAY


def note_done(db: Connection, batch_id: str | None) -> None:
    """Add the notification of a batch that finished; inside a transaction. The first one has its key.

    ``minutes`` is None after a day, too: an earlier notification may be removed.
    """
    batch = _batch(db, batch_id)
    if batch is None:
        return
    rows = db.execute(
        """
        SELECT status, count(*) AS number, sum(cost_micros) AS cost, sum(cost_unpriced) AS unpriced
        FROM generation_records
        WHERE batch_id = :id
        GROUP BY status
        """,
        {"id": batch_id},
    ).fetchall()
    counts = {row["status"]: row["number"] for row in rows}
    ended = (Status.SUCCESS, Status.FAILED, Status.UNKNOWN, Status.CANCELLED)
    cost = priced(sum(row["cost"] for row in rows), sum(row["unpriced"] for row in rows))
    facts = {status.value: counts.get(status, 0) for status in ended}
    key = f"done:{batch_id}"
    is_first = not db.execute("SELECT 1 FROM notifications WHERE key = :key", {"key": key}).fetchone()
    created = datetime.fromisoformat(batch["created_at"]).replace(tzinfo=UTC)
    seconds = (datetime.now(UTC) - created).total_seconds()
    minutes = max(round(seconds / 60), 1) if is_first and seconds < _DAY else None
    facts |= {"cost": None if cost is None else f"{cost:.2f}", "minutes": minutes}
    facts |= {"batch": batch_id, "name": batch["name"]}
    add_notification(db, NotificationEvent.DONE, facts, key=key if is_first else None)


def note_paused(db: Connection, batch_id: str | None, reason: Message, cause: PauseCause) -> None:
    """Add the notification that a batch paused by itself; of a refused key once an hour. In a transaction."""
    if cause == PauseCause.USER:
        return
    if cause == PauseCause.KEY:
        key = f"key:{int(time.time() // 3600)}"
        add_notification(db, NotificationEvent.KEY, {"reason": str(reason)}, key=key)
        return
    batch = _batch(db, batch_id)
    if batch is None:
        return
    left = db.execute(
        """
        SELECT count(*) AS number
        FROM generation_records
        WHERE batch_id = :id AND status IN ('queued', 'held')
        """,
        {"id": batch_id},
    ).fetchone()["number"]
    facts = {"batch": batch_id, "name": batch["name"], "cause": cause, "reason": str(reason), "left": left}
    add_notification(db, NotificationEvent.PAUSED, facts)


def note_budget(db: Connection, budget: Budget, *, period: str, batch_id: str | None) -> None:
    """Add the notification that 80 % of a budget is spent, once a limit and period. In a transaction."""
    batch = _batch(db, batch_id) if budget.scope == BudgetScope.BATCH else None
    if budget.scope == BudgetScope.BATCH and batch is None:
        return
    facts = {
        "scope": budget.scope,
        "limit": budget.limit_text,
        "spent": f"{budget.spent:.2f}",
        "left": f"{budget.left or Decimal(0):.2f}",
        "name": batch["name"] if batch else "",
        "person": budget.person,
    }
    add_notification(
        db, NotificationEvent.BUDGET, facts, key=f"budget:{budget.scope}:{period}:{budget.limit_text}"
    )


def note_backup_failed(db: Connection, reason: Message, *, day: str) -> None:
    """Add the notification that the daily backup failed, once a day."""
    with transaction(db, durable=False):
        add_notification(db, NotificationEvent.BACKUP, {"reason": reason}, key=f"backup:{day}")


def find_backup_failure(db: Connection) -> tuple[float, Message | str] | None:
    """(Unix time, why) of the backup that failed last; None when none did in the last day."""
    row = db.execute(
        "SELECT created_at, content FROM notifications WHERE event = 'backup' ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return (row["created_at"], from_json(row["content"])["reason"]) if row else None


def claim_notification(db: Connection, *, now: float) -> Notification | None:
    """The oldest one that is due, for LEASE_SECONDS; None when there is none. ``now`` is Unix time.

    A delay longer than any that is given was set before the clock was set back, and counts as ended.
    """
    due = f"sent_at IS NULL AND (not_before <= :now OR not_before > :now + {MAX_DELAY_SECONDS})"
    fields = {"now": now, "until": now + LEASE_SECONDS}
    if db.execute(f"SELECT 1 FROM notifications WHERE {due} LIMIT 1", fields).fetchone() is None:
        return None
    with transaction(db, durable=False):
        rows = db.execute(
            f"""
            UPDATE notifications
            SET not_before = :until, tries = tries + 1
            WHERE id = (SELECT id FROM notifications WHERE {due} ORDER BY id LIMIT 1)
            RETURNING id, event, content, created_at, tries
            """,
            fields,
        ).fetchall()
    for row in rows:
        return Notification(
            id=row["id"],
            event=NotificationEvent(row["event"]),
            facts=from_json(row["content"]),
            created_at=row["created_at"],
            tries=row["tries"],
        )
    return None


def end_notification(db: Connection, notification_id: int, *, now: float) -> None:
    """It was delivered, or given up: it is not tried again."""
    _update(db, "sent_at = :at", notification_id, now)


def retry_notification(db: Connection, notification_id: int, *, not_before: float) -> None:
    """Try it again from this Unix time on."""
    _update(db, "not_before = :at", notification_id, not_before)


def forget_notifications(db: Connection, *, now: float) -> int:
    """Delete old rows -> how many."""
    with transaction(db, durable=False):
        return db.execute(
            """
            DELETE FROM notifications
            WHERE created_at < :now - CASE event WHEN 'budget' THEN :budgets_kept ELSE :day END
            """,
            {"now": now, "day": _DAY, "budgets_kept": _BUDGETS_KEPT},
        ).rowcount


def add_notification(
    db: Connection, event: NotificationEvent, facts: Mapping[str, Any], *, key: str | None = None
) -> None:
    """Add a notification unless there is one with the key; in a transaction."""
    db.execute(
        """
        INSERT INTO notifications (event, key, content, created_at)
        VALUES (:event, :key, :content, :now)
        ON CONFLICT DO NOTHING
        """,
        {"event": event, "key": key, "content": to_json(facts), "now": now(db)},
    )


def _batch(db: Connection, batch_id: str | None) -> Row | None:
    """The batch, unless it was submitted as a single image: those send no notifications."""
    row: Row | None = db.execute(
        "SELECT id, name, created_at FROM batches WHERE id = :id AND source = 'batch'", {"id": batch_id}
    ).fetchone()
    return row


def _update(db: Connection, change: str, notification_id: int, at: float) -> None:
    with transaction(db, durable=False):
        db.execute(f"UPDATE notifications SET {change} WHERE id = :id", {"id": notification_id, "at": at})
