"""The worker processes: what they last reported, for processes that serve pages only; what wakes them."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.db.connection import Connection, transaction
from app.db.row_mapping import message_json, to_message
from app.errors import Message

_CHANNEL = "records_queued"  # of the triggers in schema_postgres.sql
_FORGET_SECONDS = 3600.0
_MAX_AHEAD_SECONDS = 60.0  # a report from later than that was made before the clock was set back


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReport:
    """``services``: model id -> (when its service last refused or accepted the key, why it refused)."""

    under_way: int
    services: Mapping[str, tuple[float, Message | None]]


def report_worker(db: Connection, owner: str, report: WorkerReport, *, now: float) -> None:
    """Store that a worker is alive at this Unix time, and forget those that died an hour ago."""
    services = {
        model: [at, str(refusal or ""), message_json(refusal) if refusal else ""]
        for model, (at, refusal) in report.services.items()
    }
    with transaction(db, durable=False):
        db.execute("DELETE FROM workers WHERE seen_at < :since", {"since": now - _FORGET_SECONDS})
        db.execute(
            """
            INSERT INTO workers (owner, seen_at, report)
            VALUES (:owner, :now, :report)
            ON CONFLICT (owner) DO UPDATE SET seen_at = excluded.seen_at, report = excluded.report
            """,
            {
                "owner": owner,
                "now": now,
                "report": json.dumps({"under_way": report.under_way, "services": services}),
            },
        )


def forget_worker(db: Connection, owner: str) -> None:
    """A worker has stopped."""
    with transaction(db, durable=False):
        db.execute("DELETE FROM workers WHERE owner = :owner", {"owner": owner})


def list_workers(db: Connection, *, now: float, within: float, besides: str = "") -> list[WorkerReport]:
    """The last reports of the workers, ``besides`` that owner, that were alive within so many seconds."""
    rows = db.execute(
        """
        SELECT report
        FROM workers
        WHERE seen_at > :since AND seen_at < :until AND owner <> :besides
        ORDER BY owner
        """,
        {"since": now - within, "until": now + _MAX_AHEAD_SECONDS, "besides": besides},
    ).fetchall()
    return [_to_report(json.loads(row["report"])) for row in rows]


def _to_report(stored: dict[str, Any]) -> WorkerReport:
    services = {
        model: (at, to_message(text, raw) if text else None)
        for model, (at, text, raw) in stored["services"].items()
    }
    return WorkerReport(under_way=stored["under_way"], services=services)


@contextmanager
def open_wake_source(url: str) -> Iterator[Callable[[float], bool]]:
    """Of a PostgreSQL database: waits so many seconds -> whether a record may have become claimable.

    A waker only: what it misses is found by polling. The call raises StoreLost while the connection is lost.
    """
    from app.db.postgres_connection import PostgresConnection  # psycopg is optional

    with closing(PostgresConnection(url)) as db:
        yield partial(db.wait_for_notification, _CHANNEL)
