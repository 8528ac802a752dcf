"""``eta_seconds``: the remaining time of a batch, from the mean time of its images."""

from datetime import UTC, datetime, timedelta

import pytest

import database
from app.domain import Status
from app.domain.times import utc_text
from tests.core.queue import queue
from tests.core.queue.queue import CAT

START = datetime(2026, 1, 1, tzinfo=UTC)


class Pace:
    """A batch whose images take as long as the test says."""

    def __init__(self, db: database.Connection, pictures: int) -> None:
        self.db = db
        self.batch_id, self.ids = queue.add(db, *[CAT] * pictures)

    def set(self, ids: list[int], status: Status, seconds: float = 0.0) -> None:
        """Set the status of these records; finished ones took so long."""
        times = utc_text(START), utc_text(START + timedelta(seconds=seconds))
        changes = "status = '{}', started_at = '{}', finished_at = '{}'".format(status, *times)
        queue.set_fields(self.db, changes, *ids)

    def eta(self) -> int | None:
        return database.get_batch(self.db, self.batch_id).eta_seconds


@pytest.fixture
def pace(db: database.Connection) -> Pace:
    return Pace(db, 100)


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


def test_another_batch_makes_as_many_of_its_own_meanwhile(db: database.Connection, pace: Pace) -> None:
    small, paused = Pace(db, 12), Pace(db, 50)
    database.pause_batch(db, paused.batch_id)
    for each in (pace, small):
        each.set(each.ids[:2], Status.SUCCESS, 10)
        each.set(each.ids[2:4], Status.RUNNING)
    assert small.eta() == (10 + 10) * 10 / 4
    assert pace.eta() == (98 + 10) * 10 / 4


def test_a_batch_at_another_model_takes_nothing_away(db: database.Connection, pace: Pace) -> None:
    other = Pace(db, 50)
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


def test_an_image_takes_from_its_claim_to_its_end(
    db: database.Connection, pace: Pace, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = START
    for module in ("claim", "ends"):
        monkeypatch.setattr(f"app.core.queue.{module}.utc_now", lambda: utc_text(now))
    for seconds in (8, 12):
        record = queue.claimed(db)
        now += timedelta(seconds=seconds)
        database.finish_record(db, record, queue.SAVED)
    queue.claimed(db)
    assert pace.eta() == 98 * 10
