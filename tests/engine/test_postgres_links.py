"""The connections to PostgreSQL that the threads of a process share."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest

import database
from app.config import Settings
from app.engine import connection
from app.engine import links as postgres_links
from app.errors import WriteRefused
from app.runtime import Runtime
from tests.harness import running
from tools.waiting import wait_until

pytestmark = pytest.mark.postgres
THREADS = 20


@pytest.fixture
def url(settings: Settings, other: database.Connection) -> Iterator[str]:
    """Of a role of its own, whose connections can be counted and limited."""
    other.execute("DROP ROLE IF EXISTS few")
    other.execute("CREATE ROLE few LOGIN")
    yield settings.database_url.replace("tests@", "few@")
    other.execute("DROP ROLE few")


def number_open(other: database.Connection) -> int:
    sql = "SELECT count(*) AS number FROM pg_stat_activity WHERE usename = 'few'"
    return int(other.execute(sql).fetchone()["number"])


def use_by_many(url: str, other: database.Connection) -> int:
    """Threads with connections of their own, at once -> how many were open."""

    def use(_number: int) -> int:
        with closing(database.connect(url)) as db:
            return int(db.execute("SELECT 1 AS number FROM pg_sleep(0.1)").fetchone()["number"])

    with closing(database.connect(url)) as kept, ThreadPoolExecutor(THREADS) as threads:
        kept.execute("SELECT 1")
        assert sum(threads.map(use, range(THREADS))) == THREADS
        return number_open(other)


def test_many_threads_share_eight_connections_and_none_stays_open_behind_them(
    url: str, other: database.Connection
) -> None:
    assert 1 < use_by_many(url, other) <= postgres_links.MOST_LINKS == 8
    wait_until(lambda: number_open(other) == 0)


def test_threads_make_do_with_the_connections_that_the_server_gives(
    url: str, other: database.Connection
) -> None:
    other.execute("ALTER ROLE few CONNECTION LIMIT 2")
    assert use_by_many(url, other) <= 2


def test_a_connection_that_is_not_needed_for_a_while_is_closed(
    url: str, other: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_links, "_IDLE_SECONDS", 0.0)
    with closing(database.connect(url)) as kept:
        kept.execute("SELECT 1")
        wait_until(lambda: number_open(other) == 0)


def test_who_gets_no_connection_in_time_is_told_that_the_database_is_busy(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.0)
    monkeypatch.setattr(postgres_links, "MOST_LINKS", 1)
    with closing(database.connect(url)) as one, closing(database.connect(url)) as two:
        with database.read_transaction(one), pytest.raises(WriteRefused, match="数据库正忙"):
            two.execute("SELECT 1")
        assert two.execute("SELECT 1").fetchone()[0] == 1


def test_the_options_of_the_url_are_kept_beside_ours(url: str) -> None:
    with closing(database.connect(f"{url}?options=-c%20search_path%3Delsewhere")) as db:
        shown = [db.execute(f"SHOW {name}").fetchone()[0] for name in ("search_path", "jit")]
    assert shown == ["elsewhere", "off"]


def test_a_server_without_room_for_a_process_is_told_in_the_log_at_the_start(
    settings: Settings,
    db: database.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    for wanted in (12, 10_000):
        monkeypatch.setattr("app.engine.guard.CONNECTIONS_OF_A_PROCESS", wanted)
        with running(Runtime(replace(settings, role="web"))):
            assert ("event=few_connections" in caplog.text) == (wanted > 12)
