"""Images that were charged and whose URL has expired."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

import database
from app.config import Settings
from app.domain import Status
from app.errors import Conflict
from tests.harness import Harness, open_harness
from tools import orders
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.seedream import FakeSeedream

PRICE = Decimal("0.60")


@pytest.fixture
def service() -> Iterator[FakeSeedream]:
    with FakeSeedream() as fake:
        yield fake


@pytest.fixture
def harness(settings: Settings, service: FakeSeedream, db: database.Connection) -> Harness:
    return open_harness(settings, service, db, model_timeout=60)


def exhaust_retries(harness: Harness) -> int:
    """Submit a record whose URL has expired and use up its retries; returns its id."""
    harness.service.fail_next("dead_url", step="download", times=1000)
    record = harness.make("猫")
    assert (record.status, bool(record.task_id)) == (Status.QUEUED, True)
    harness.db.execute("UPDATE generation_records SET retries = 5, not_before = 0")
    assert harness.step()
    harness.service.clear_faults()
    return record.id


def test_at_the_last_attempt_an_expired_url_fails_as_charged(harness: Harness) -> None:
    record = harness.record(exhaust_retries(harness))
    assert (record.status, record.cause, record.task_id) == (Status.FAILED, "expired", None)
    assert (record.cost, record.at_stake, harness.outcomes()) == (PRICE, Decimal(0), ["billed"])
    assert record.charged
    assert "已失效" in str(record.error)
    assert harness.service.count("submit") == 1


def test_an_expired_charged_record_is_resubmitted_only_when_named(harness: Harness) -> None:
    record = harness.record(exhaust_retries(harness))
    assert record.batch_id
    with pytest.raises(Conflict):
        orders.retry(harness.db, record.batch_id, models=harness.runtime.engines.models)
    assert not harness.step()
    orders.retry(harness.db, record.batch_id, [record.id], models=harness.runtime.engines.models)
    assert harness.step()
    record = harness.record(record.id)
    assert (record.status, record.cost) == (Status.SUCCESS, 2 * PRICE)
    assert (harness.service.count("submit"), harness.outcomes()) == (2, ["billed", "billed"])


def test_a_url_that_recovers_before_the_last_attempt_is_fetched(harness: Harness) -> None:
    harness.service.fail_next("dead_url", step="download", times=4)
    record = harness.make("猫")
    harness.hurry()
    assert harness.step()
    assert harness.record(record.id).status is Status.SUCCESS
    assert harness.service.count("submit") == 1


def test_an_image_that_is_at_none_of_its_urls_can_only_be_made_again_for_its_price(
    settings: Settings, db: database.Connection
) -> None:
    with FakeJimeng() as jimeng:
        jimeng.fail_next("dead_url", step="download", times=1000)
        harness = open_harness(settings, jimeng, db, model_timeout=60)
        record = harness.make("猫")
        assert (record.status, "可以取回" in str(record.error)) == (Status.QUEUED, True)
        for _ in range(2):  # the automatic retry, then that of the user
            harness.hurry()
            assert harness.step()
            record = harness.record(record.id)
            assert (record.status, bool(record.task_id)) == (Status.FAILED, True)
            assert str(record.error) == "再取也没有，可以再来一张，再付 ¥0.22"
            assert record.batch_id
            orders.retry(db, record.batch_id, models=harness.runtime.engines.models)
        jimeng.clear_faults()
        assert harness.step()
        assert harness.record(record.id).status is Status.SUCCESS
        assert (jimeng.count("submit"), harness.outcomes()) == (1, ["billed"])


def test_a_retry_asks_the_service_for_a_new_url(settings: Settings, db: database.Connection) -> None:
    with FakeJimeng() as jimeng:
        harness = open_harness(settings, jimeng, db, model_timeout=60)
        record = harness.record(exhaust_retries(harness))
        assert (record.status, bool(record.task_id), record.charged) == (Status.FAILED, True, False)
        assert record.batch_id
        orders.retry(db, record.batch_id, models=harness.runtime.engines.models)
        assert harness.step()
        assert harness.record(record.id).status is Status.SUCCESS
        assert (jimeng.count("submit"), harness.outcomes()) == (1, ["billed"])
