"""What was measured of each image model; kept so that a restart does not begin from nothing."""

from dataclasses import asdict

from app.db.connection import Connection, transaction
from app.db.row_mapping import utc_now
from app.domain.models import ModelStatistics

_WAIT_SECONDS = 0.05


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
