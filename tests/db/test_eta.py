"""``eta_seconds``: the remaining time of a batch, from the mean time of its images."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import database
from app.config import Settings
from app.db.row_mapping import utc_text
from app.domain import BatchStatus, ImageRequest, Models, ModelSpec, Status
from app.worker.worker import Worker
from tools.fakes.jimeng import FakeJimeng
from web_app import create_app


class Pace:
    """A batch whose images take as long as the test says."""

    def __init__(self, db: database.Connection, spec: ModelSpec, pictures: int) -> None:
        self.db = db
        request = ImageRequest(prompt="猫")
        self.batch_id, self.ids, _ = database.add_batch(
            db,
            database.Submission(
                requests=[request] * pictures,
                models=Models([spec]),
                stems=["猫"] * pictures,
                is_taken=lambda stem: False,
            ),
        )

    def set(self, ids: list[int], status: Status, seconds: float = 0.0) -> None:
        """Set the status of these records; finished ones took so long, an hour ago."""
        began = datetime.now(UTC) - timedelta(hours=1)
        times = {"began": utc_text(began), "ended": utc_text(began + timedelta(seconds=seconds))}
        self.db.executemany(
            """
            UPDATE generation_records
            SET status = :status, started_at = :began, finished_at = :ended
            WHERE id = :id
            """,
            [{"id": one, "status": status, **times} for one in ids],
        )

    def eta(self) -> int | None:
        return database.get_batch(self.db, self.batch_id).eta_seconds


@pytest.fixture
def pace(db: database.Connection, spec: ModelSpec) -> Pace:
    return Pace(db, spec, 100)


def test_the_eta_is_the_remaining_work_over_those_under_way_at_the_mean_time_per_image(pace: Pace) -> None:
    pace.set(pace.ids[:5], Status.SUCCESS, 8)
    pace.set(pace.ids[5:10], Status.SUCCESS, 12)
    pace.set(pace.ids[10:14], Status.RUNNING)
    assert pace.eta() == 90 * 10 / 4


def test_only_the_last_forty_images_count_towards_the_mean(pace: Pace) -> None:
    pace.set(pace.ids[:30], Status.SUCCESS, 500)
    pace.set(pace.ids[30:70], Status.SUCCESS, 2)
    pace.set(pace.ids[70:80], Status.RUNNING)
    assert pace.eta() == 30 * 2 / 10


def test_failures_count_neither_towards_the_mean_nor_as_remaining(pace: Pace) -> None:
    pace.set(pace.ids[:10], Status.SUCCESS, 6)
    pace.set(pace.ids[10:60], Status.FAILED, 300)
    pace.set(pace.ids[60:90], Status.UNKNOWN, 300)
    pace.set(pace.ids[90:92], Status.RUNNING)
    assert pace.eta() == 10 * 6 / 2


def test_another_batch_makes_as_many_of_its_own_meanwhile(
    db: database.Connection, spec: ModelSpec, pace: Pace
) -> None:
    small, paused = Pace(db, spec, 12), Pace(db, spec, 50)
    database.pause_batch(db, paused.batch_id)
    for each in (pace, small):
        each.set(each.ids[:2], Status.SUCCESS, 10)
        each.set(each.ids[2:4], Status.RUNNING)
    assert small.eta() == (10 + 10) * 10 / 4
    assert pace.eta() == (98 + 10) * 10 / 4


def test_a_batch_at_another_model_takes_nothing_away(
    db: database.Connection, spec: ModelSpec, pace: Pace
) -> None:
    other = Pace(db, spec, 50)
    db.execute("UPDATE generation_records SET model = 'other' WHERE batch_id = :id", {"id": other.batch_id})
    other.set(other.ids[:2], Status.RUNNING)
    pace.set(pace.ids[:2], Status.SUCCESS, 10)
    pace.set(pace.ids[2:4], Status.RUNNING)
    assert pace.eta() == 98 * 10 / 2


def test_there_is_no_eta_before_the_first_image(pace: Pace) -> None:
    assert pace.eta() is None
    pace.set(pace.ids[:4], Status.RUNNING)
    assert pace.eta() is None
    pace.set(pace.ids[4:6], Status.FAILED, 3)
    assert pace.eta() is None


def test_there_is_no_eta_while_nothing_is_under_way(pace: Pace) -> None:
    pace.set(pace.ids[:10], Status.SUCCESS, 6)
    assert pace.eta() is None


def test_there_is_no_eta_once_all_is_done(pace: Pace) -> None:
    pace.set(pace.ids, Status.SUCCESS, 6)
    assert pace.eta() is None


@pytest.fixture
def service() -> Iterator[FakeJimeng]:
    with FakeJimeng(latency=1.0) as fake:
        yield fake


def test_during_a_run_the_eta_is_close_to_the_actual_time(settings: Settings, service: FakeJimeng) -> None:
    settings = replace(settings, **service.settings(model_concurrency=2))
    worker = Worker(settings)
    client = create_app(settings, worker).test_client()
    rows = [{"prompt": "猫", "num_images": 10, "resolution": "1K"}]
    batch_id = client.post("/api/batches", json={"rows": rows}).get_json()["batch_id"]
    worker.start()
    try:
        estimate: tuple[int, float] | None = None
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            batch = client.get(f"/api/batches/{batch_id}").get_json()["batch"]
            if estimate is None and batch["counts"]["success"] >= 4 and batch["counts"]["running"] == 2:
                estimate = batch["eta_seconds"], time.monotonic()
            if batch["status"] == BatchStatus.FINISHED:
                break
            time.sleep(0.05)
        took = time.monotonic() - estimate[1] if estimate else 0.0
    finally:
        assert worker.stop(10)
    assert estimate
    assert took / 2 - 1 <= estimate[0] <= took * 2 + 1
