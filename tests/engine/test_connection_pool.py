"""The connection pool: who closes a connection, and when."""

import sqlite3
import threading
from pathlib import Path

import pytest

import database
from app.config import Settings
from app.engine.postgres import PostgresConnection
from app.web.services import connection, services_of
from tools.server_process import running_server
from web_app import create_app


@pytest.fixture
def pool(settings: Settings) -> database.ConnectionPool:
    database.open_database(settings.database)
    return database.ConnectionPool(settings.database)


def is_open(db: database.Connection) -> bool:
    if isinstance(db, PostgresConnection):
        return db in db._links.users
    try:
        database.last_version(db)
    except sqlite3.ProgrammingError:
        return False
    return True


def test_a_connection_is_closed_after_its_use(pool: database.ConnectionPool) -> None:
    with pool.connection() as db:
        database.last_version(db)
        assert is_open(db)
    assert not is_open(db)


def test_an_open_connection_is_reused_by_the_next_thread(pool: database.ConnectionPool) -> None:
    seen: list[database.Connection] = []

    def use() -> None:
        with pool.connection() as db:
            database.last_version(db)
            seen.append(db)

    with pool.keep_open():
        for _ in range(3):
            thread = threading.Thread(target=use)
            thread.start()
            thread.join()
        assert len(set(map(id, seen))) == 1
        assert is_open(seen[0])
    assert not is_open(seen[0])


def test_a_connection_has_one_user_at_a_time(pool: database.ConnectionPool) -> None:
    with pool.keep_open(), pool.connection() as one, pool.connection() as other:
        assert one is not other


def test_a_connection_in_use_when_the_pool_closes_is_closed_by_its_user(
    pool: database.ConnectionPool,
) -> None:
    with pool.keep_open():
        db = pool.acquire()
        database.last_version(db)
    assert is_open(db)
    pool.release(db)
    assert not is_open(db)


@pytest.mark.sqlite
def test_a_connection_inside_a_transaction_is_not_reused(pool: database.ConnectionPool) -> None:
    with pool.keep_open():
        with pool.connection() as db:
            db.execute("BEGIN")
        assert not is_open(db)


def test_a_request_returns_its_connection_when_it_ends(settings: Settings) -> None:
    app = create_app(settings)
    with app.app_context():
        db = connection()
        database.last_version(db)
        assert connection() is db
    assert not is_open(db)


def test_requests_of_a_server_share_open_connections(settings: Settings) -> None:
    app = create_app(settings)
    with services_of(app).pool.keep_open():
        with app.app_context():
            first = connection()
        with app.app_context():
            assert connection() is first


@pytest.mark.sqlite
def test_a_server_that_stops_leaves_no_connection_open(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        for path in ("/api/records", "/api/batches"):
            server.get(path)
        assert server.stop() == 0
    left = [path.name for path in tmp_path.glob("generation_records.db-*")]
    assert left == []  # the last connection to close removes the log of writes
