"""The worker processes: what they last reported, and which slots of a model each has; what wakes them.

And the image models that they work with: what is queued and under way, how long an image takes.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, fields, replace
from typing import Any

from app.domain.models import ModelStatistics
from app.domain.workers import Share, WorkerReport, share_of
from app.engine.connection import Connection, transaction
from app.engine.values import message_json, to_message, utc_now

_CHANNEL = "records_queued"  # of the triggers in schema_postgres.sql
_FORGET_SECONDS = 3600.0
_MAX_AHEAD_SECONDS = 60.0  # a report from later than that was made before the clock was set back
_WAIT_SECONDS = 0.05


def report_worker(
    db: Connection,
    owner: str,
    report: WorkerReport,
    *,
    limits: Mapping[str, int],
    now: float,
    within: float,
) -> tuple[dict[str, Share], dict[str, WorkerReport]]:
    """Store that a worker is alive at this Unix time -> its share of each model in ``limits``, and what all
    living ones report.

    One writer at a time, so that no slot is granted to two; of those that are, the stored report has them.
    Others count that were alive ``within`` so many seconds. Those that died an hour ago are forgotten.
    """
    with transaction(db, durable=False):
        living = list_workers(db, now=now, within=within) | {owner: report}
        shares = {model: share_of(model, limit, owner, living) for model, limit in limits.items()}
        slots = {model: max(share.granted, report.slots.get(model, 0)) for model, share in shares.items()}
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
                "report": _to_json(replace(report, slots={**report.slots, **slots})),
            },
        )
    return shares, living


def forget_worker(db: Connection, owner: str) -> None:
    """A worker has stopped."""
    with transaction(db, durable=False):
        db.execute("DELETE FROM workers WHERE owner = :owner", {"owner": owner})


def list_workers(db: Connection, *, now: float, within: float) -> dict[str, WorkerReport]:
    """The last reports of the workers that were alive within so many seconds, by owner."""
    rows = db.execute(
        "SELECT owner, report FROM workers WHERE seen_at > :since AND seen_at < :until ORDER BY owner",
        {"since": now - within, "until": now + _MAX_AHEAD_SECONDS},
    ).fetchall()
    return {row["owner"]: _to_report(json.loads(row["report"])) for row in rows}


def _to_json(report: WorkerReport) -> str:
    services = {
        model: [at, str(refusal or ""), message_json(refusal) if refusal else ""]
        for model, (at, refusal) in report.services.items()
    }
    problem = message_json(report.problem) if report.problem else ""
    return json.dumps(
        {**asdict(report), "services": services, "problem": [str(report.problem or ""), problem]}
    )


def _to_report(stored: dict[str, Any]) -> WorkerReport:
    """A report, also of another version of the program."""
    services = {
        model: (at, to_message(text, raw) if text else None)
        for model, (at, text, raw) in stored["services"].items()
    }
    text, raw = stored.get("problem", ("", ""))
    known = {each.name: stored[each.name] for each in fields(WorkerReport) if each.name in stored}
    return WorkerReport(**known | {"services": services, "problem": to_message(text, raw) if text else None})


@contextmanager
def open_wake_source(url: str) -> Iterator[Callable[[float], bool]]:
    """Of a PostgreSQL database: waits so many seconds -> whether a record may have become claimable.

    A waker only: what it misses is found by polling. The call raises StoreLost while the connection is lost.
    """
    from app.engine.links import Listener

    with closing(Listener(url, _CHANNEL)) as listener:
        yield listener.wait


def list_queued_models(db: Connection, batch_id: str) -> set[str]:
    """The ids of the models that records of the batch are queued for, and not submitted to yet."""
    sql = """
        SELECT DISTINCT model
        FROM generation_records
        WHERE batch_id = :id AND status = 'queued' AND task_id IS NULL
    """
    return {row["model"] for row in db.execute(sql, {"id": batch_id})}


def count_running_by_model(db: Connection) -> dict[str, int]:
    """Model id -> how many of its images are under way."""
    rows = db.execute(
        """
        SELECT model, count(*) AS number
        FROM generation_records
        WHERE status = 'running' AND status IN ('held', 'queued', 'running')
        GROUP BY model
        """
    )
    return {row["model"]: row["number"] for row in rows}


def find_statistics(db: Connection, model: str) -> ModelStatistics | None:
    """What was stored last for the model, by this server or another."""
    row = db.execute(
        "SELECT seconds, deviation, concurrency FROM model_statistics WHERE model = :model", {"model": model}
    ).fetchone()
    return ModelStatistics(**row) if row else None


def store_statistics(db: Connection, model: str, statistics: ModelStatistics) -> None:
    """Replace what is stored for the model. Raises WriteRefused at once when another writer is busy."""
    with transaction(db, durable=False, wait=_WAIT_SECONDS):
        db.execute(
            """
            INSERT INTO model_statistics (model, seconds, deviation, concurrency, updated_at)
            VALUES (:model, :seconds, :deviation, :concurrency, :now)
            ON CONFLICT (model) DO UPDATE
            SET seconds = excluded.seconds, deviation = excluded.deviation,
                concurrency = excluded.concurrency, updated_at = excluded.updated_at
            """,
            {"model": model, "now": utc_now(), **asdict(statistics)},
        )
