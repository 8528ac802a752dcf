"""The image models of the records of a batch, and of those under way."""

from collections.abc import Iterable
from dataclasses import asdict

from app.core.records.mapping import IN_MODELS
from app.domain.models import ModelStatistics
from app.engine.connection import Connection, Row, transaction
from app.engine.values import SqlList, utc_now
from app.errors import Conflict


def list_queued_models(db: Connection, batch_id: str) -> set[str]:
    """The ids of the models that records of the batch are queued for, and not submitted to yet."""
    sql = """
        SELECT DISTINCT model
        FROM generation_records
        WHERE batch_id = :id AND status = 'queued' AND task_id IS NULL
    """
    return {row["model"] for row in db.execute(sql, {"id": batch_id})}


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


def count_ahead(db: Connection, batch_id: str) -> int:
    """The pictures of other batches that are claimed before the next of this one; 0 while one is running."""
    row = db.execute(
        """
        SELECT min(model) AS model
        FROM generation_records
        WHERE batch_id = :id AND status = 'queued' AND NOT EXISTS (
            SELECT 1 FROM generation_records WHERE batch_id = :id AND status = 'running')
        """,
        {"id": batch_id},
    ).fetchone()
    batches = list_in_turn(db, row["model"]) if row["model"] is not None else []
    at = next((at for at, each in enumerate(batches) if each["id"] == batch_id), 0)
    first = [int(each["queued"]) for each in batches[:at] if each["priority"] > batches[at]["priority"]]
    return sum(first) + sum(bool(each["queued"]) for each in batches[len(first) : at])


def list_in_turn(db: Connection, model: str) -> list[Row]:
    """The active batches in the order of their next claims (see ``queue``), with their records of a model."""
    mine = "FROM generation_records WHERE batch_id = batches.id AND model = :model AND status ="
    sql = f"""
        SELECT id, priority, (SELECT count(*) {mine} 'running') AS running,
            (SELECT count(*) {mine} 'queued') AS queued
        FROM batches
        WHERE state = 'active'
        ORDER BY priority DESC, running, version
    """
    return db.execute(sql, {"model": model}).fetchall()


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
