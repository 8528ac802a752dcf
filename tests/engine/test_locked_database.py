"""A database locked by another program: nothing is sent, lost or counted, and waits have one deadline."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

import database
from app.config import Settings
from app.domain import Status
from app.engine import connection
from app.engine import sqlite as sqlite_connection
from app.engine.sqlite import SqliteConnection
from app.errors import WriteRefused
from app.runtime import Runtime
from tests.core.queue.queue import add, status_of
from tests.harness import run_once
from tools.fakes.jimeng import FakeJimeng
from tools.waiting import wait_until

pytestmark = pytest.mark.sqlite


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program holds a write lock for a while."""
    with closing(sqlite3.connect(path, timeout=60.0, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.fixture
def service() -> Iterator[FakeJimeng]:
    with FakeJimeng(latency=0.2) as fake:
        yield fake


def queue(db: database.Connection, runtime: Runtime) -> int:
    return add(db, models=runtime.engines.models)[1][0]


def test_a_submission_the_ledger_refuses_is_not_sent_and_counts_no_crash(
    settings: Settings, service: FakeJimeng, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    settings.output_dir.mkdir()
    database.open_database(settings.database)
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.1)
    tested = replace(settings, **service.settings(model_timeout=60))
    runtime = Runtime(tested)
    claimed, held, over = threading.Event(), threading.Event(), threading.Event()
    require_room = runtime.disk.require

    def lock_before_the_ledger(under_way: int) -> None:
        require_room(under_way)
        claimed.set()
        held.wait()

    def hold() -> None:
        claimed.wait()
        with locked(settings.database_path):
            held.set()
            wait_until(lambda: over.is_set() or "event=db_write_failed" in caplog.text)

    monkeypatch.setattr(runtime.disk, "require", lock_before_the_ledger)
    holder = threading.Thread(target=hold)
    holder.start()
    with closing(database.connect(settings.database)) as db:
        record_id = queue(db, runtime)
        try:
            run_once(runtime, db)
        finally:
            over.set()
            holder.join()
        record = database.get_record(db, record_id)
        assert (record.status, record.crash_count, record.retries) == (Status.QUEUED, 0, 0)
        assert service.charges == 0
        assert run_once(runtime, db)
        assert status_of(db, record_id) is Status.SUCCESS
        assert service.charges == 1
    assert caplog.text.count("event=db_write_failed") == 1
    assert caplog.text.count("event=db_write_accepted") == 1


def test_waiting_for_other_writers_of_the_process_has_a_deadline(
    db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.1)
    with sqlite_connection._write_lock, pytest.raises(WriteRefused), database.transaction(db):
        pass


def test_the_wait_for_other_writers_counts_towards_the_wait_for_the_file(
    db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that writers who wait one after the other are all refused at their deadline."""
    clock, lock = Mock(**{"monotonic.return_value": 0.0}), Mock()

    def acquire(timeout: float) -> bool:
        clock.monotonic.return_value += 2.0
        return True

    lock.acquire = acquire
    monkeypatch.setattr(connection, "BUSY_SECONDS", 3.0)
    monkeypatch.setattr(sqlite_connection, "time", clock)
    monkeypatch.setattr(sqlite_connection, "_write_lock", lock)
    statements: list[str] = []
    assert isinstance(db, SqliteConnection)
    db.set_trace_callback(statements.append)
    with database.transaction(db):
        pass
    assert statements[statements.index("BEGIN IMMEDIATE") - 1] == "PRAGMA busy_timeout = 1000"


def test_while_the_database_refuses_writes_one_event_is_logged(
    settings: Settings, service: FakeJimeng, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    settings.output_dir.mkdir()
    database.open_database(settings.database)
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.4)
    tested = replace(settings, **service.settings(model_timeout=60, model_concurrency=8))
    runtime = Runtime(tested)
    refusals: list[str] = []
    refused = sqlite_connection._refused

    def events(word: str) -> int:
        return caplog.text.count(f"event=db_write_{word}")

    def counted(why: str) -> WriteRefused:
        refusals.append(why)
        return refused(why)

    monkeypatch.setattr(sqlite_connection, "_refused", counted)
    with closing(database.connect(settings.database)) as db:
        ids = [queue(db, runtime) for _ in range(12)]
        runtime.start()
        try:
            with locked(settings.database_path):
                wait_until(lambda: events("failed") > events("accepted"))
                begun, earlier = events("failed"), len(refusals)
                wait_until(lambda: len(refusals) > earlier + 20)
                assert events("failed") == begun
            wait_until(lambda: all(status_of(db, n) is Status.SUCCESS for n in ids))
            wait_until(lambda: events("failed") == events("accepted"))
        finally:
            assert runtime.stop(30)
    assert "unhandled_error" not in caplog.text
    assert service.charges == len(ids)
