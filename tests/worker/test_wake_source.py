"""On PostgreSQL workers are woken by the transaction that queues records; polling finds what they miss."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import psycopg
import pytest

import database
from app.config import Settings
from app.domain import PauseCause
from app.errors import StoreLost, message
from app.runtime import Runtime
from app.worker import worker as worker_module
from tests.harness import Harness, running
from tools import orders
from tools.postgres_server import PostgresServer
from tools.waiting import TIMEOUT, wait_until

pytestmark = pytest.mark.postgres
WaitForWork = Callable[[float], bool]


@pytest.fixture
def wait(settings: Settings, db: database.Connection) -> Iterator[WaitForWork]:
    with database.open_wake_source(settings.database_url) as source:
        assert source(0.0)  # something may have been queued before
        yield source


def end_listeners(db: database.Connection) -> None:
    """Have the server end the connections that listen to this database."""
    ended = db.execute(
        """
        SELECT pg_terminate_backend(pid)
        FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE 'LISTEN%'
        """
    ).fetchall()
    assert ended


class Heard:
    """Counts the notifications since it was asked last."""

    def __init__(self, db: database.Connection, connection: psycopg.Connection[Any]) -> None:
        self._db, self._connection = db, connection
        connection.execute("LISTEN records_queued")

    def __call__(self) -> int:
        self._db.execute("SELECT pg_notify('records_queued', 'last')")  # they arrive in order
        for number, each in enumerate(self._connection.notifies(timeout=TIMEOUT)):
            if each.payload == "last":
                return number
        raise AssertionError


def test_a_transaction_that_makes_records_claimable_notifies_once_and_no_other_does(
    harness: Harness, db: database.Connection
) -> None:
    models = harness.runtime.engines.models
    with psycopg.connect(harness.settings.database_url, autocommit=True) as connection:
        heard = Heard(db, connection)
        batch_id, ids = harness.ask(*"甲乙丙")
        assert heard() == 1
        assert harness.step()
        assert heard() == 0
        database.pause_batch(db, batch_id, message("停"), cause=PauseCause.USER)
        assert heard() == 0
        database.resume_batch(db, batch_id, models=models)
        assert heard() == 1
        with suppress(ZeroDivisionError), database.transaction(db):
            db.execute("UPDATE generation_records SET status = 'queued' WHERE status = 'success'")
            raise ZeroDivisionError
        assert heard() == 0
        database.cancel_batch(db, batch_id)
        assert heard() == 0
        orders.retry(db, batch_id, ids[1:2], models=models)
        assert heard() == 1


def test_a_lost_connection_is_opened_again(
    wait: WaitForWork, harness: Harness, db: database.Connection
) -> None:
    end_listeners(db)
    with pytest.raises(StoreLost):
        wait(TIMEOUT)
    harness.ask("甲")
    assert wait(0.0)  # it was not heard, so there may be something
    harness.ask("乙")
    assert wait(TIMEOUT)


def test_a_worker_is_woken_without_polling_also_after_the_server_was_restarted(
    harness: Harness, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "POLL_SECONDS", 10 * TIMEOUT)
    runtime = Runtime(replace(harness.settings, role="worker"))
    with running(runtime):
        wait_until(lambda: runtime.engines.default.threads > 0)
        for _ in range(2):
            (record,) = harness.ask("甲")[1]
            wait_until(lambda record=record: harness.record(record).status == "success")  # type: ignore[misc]
            postgres.stop("fast")
            postgres.start()


def test_a_worker_without_the_wake_source_polls(
    harness: Harness, db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "open_wake_source", unavailable)
    runtime = Runtime(replace(harness.settings, role="worker"))
    with running(runtime):
        (record,) = harness.ask("甲")[1]
        wait_until(lambda: harness.record(record).status == "success")


@contextmanager
def unavailable(_url: str) -> Iterator[WaitForWork]:
    def wait(seconds: float) -> bool:
        raise StoreLost("数据库连不上")

    yield wait
