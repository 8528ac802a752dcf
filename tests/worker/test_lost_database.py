"""PostgreSQL is lost while a picture is made, and comes back: nothing is paid twice, nothing paid is lost."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

import database
from app.domain import Status
from app.engine import links as postgres_links
from app.engine.postgres import PostgresConnection
from app.images import store
from app.runtime import Runtime
from app.web.services import services_of
from app.worker import threads
from tests.harness import Harness, running
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.service import Call
from tools.postgres_server import PostgresServer
from tools.torture.proxy import Proxy
from tools.waiting import wait_until

pytestmark = pytest.mark.postgres


@pytest.fixture(autouse=True)
def _restart(harness: Harness, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is started again when the worker first waits for it."""

    def wait(_seconds: float) -> bool:
        if not postgres.is_running:
            postgres.start()
        return False

    monkeypatch.setattr(harness, "wait", wait)


def stop_at(service: FakeJimeng, moment: str, step: str, postgres: PostgresServer) -> None:
    """Stop the server at the first such moment of a call."""

    def see(seen: str, call: Call) -> None:
        if seen == moment and service.step_of(call) == step:
            service.observer = lambda _moment, _call: None
            postgres.stop()

    service.observer = see


@pytest.fixture
def through_proxy(harness: Harness, remote: database.Connection, proxy: Proxy) -> Proxy:
    """The harness is connected through this proxy."""
    harness.db = remote
    return proxy


def cut_at_charge(proxy: Proxy, monkeypatch: pytest.MonkeyPatch, cut: str) -> None:
    """Have the COMMIT of the next charge fail."""
    open_charge = database.open_charge

    def open_and_fail(*args: Any, **fields: Any) -> int:
        monkeypatch.setattr(database, "open_charge", open_charge)
        proxy.cuts = [cut]
        return open_charge(*args, **fields)

    monkeypatch.setattr(database, "open_charge", open_and_fail)


def finish(harness: Harness, record: int, *earlier: str) -> None:
    """Let the record be made: it succeeds with one order, whose charge follows those."""
    while harness.record(record).status != Status.SUCCESS:
        assert harness.step()
    assert len(harness.service.submissions) == len(harness.files()) == harness.service.charges == 1
    assert harness.outcomes() == [*earlier, "billed"]


@pytest.fixture
def record(harness: Harness) -> int:
    """One that was asked for."""
    return harness.ask("猫")[1][0]


def test_a_loss_before_the_charge_sends_nothing_and_the_record_waits(
    harness: Harness, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, record: int
) -> None:
    resolve = harness.worker.pipeline.library.resolve

    def lose(*args: Any) -> Any:
        postgres.stop()
        return resolve(*args)

    with monkeypatch.context() as patched:
        patched.setattr(harness.worker.pipeline.library, "resolve", lose)
        assert harness.step()
    assert harness.record(record).status == Status.QUEUED
    assert harness.outcomes() == []
    assert harness.service.submissions == []
    finish(harness, record)


def test_nothing_is_sent_once_an_older_database_answers(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a standby takes over that had not received the last commits."""
    harness.make("狗")
    (record,) = harness.ask("猫")[1]
    resolve = harness.worker.pipeline.library.resolve

    def go_back(*args: Any) -> Any:
        harness.db.execute("UPDATE change_counter SET value = 0")
        return resolve(*args)

    monkeypatch.setattr(harness.worker.pipeline.library, "resolve", go_back)
    assert harness.step()
    assert harness.record(record).status == Status.QUEUED
    assert not harness.step()
    assert (len(harness.service.submissions), harness.outcomes()) == (1, ["billed"])


def test_a_charge_that_the_server_did_not_get_sends_nothing(
    harness: Harness, through_proxy: Proxy, monkeypatch: pytest.MonkeyPatch, record: int
) -> None:
    cut_at_charge(through_proxy, monkeypatch, "before")
    assert harness.step()
    assert through_proxy.made_cuts
    assert harness.service.submissions == []
    assert harness.record(record).status == Status.QUEUED
    finish(harness, record)


def test_a_charge_whose_answer_is_lost_is_confirmed_and_sent_once(
    harness: Harness, through_proxy: Proxy, monkeypatch: pytest.MonkeyPatch, record: int
) -> None:
    cut_at_charge(through_proxy, monkeypatch, "after")
    assert harness.step()
    assert through_proxy.made_cuts
    assert harness.record(record).status == Status.SUCCESS
    assert len(harness.service.submissions) == 1
    assert harness.outcomes() == ["billed"]


@pytest.mark.parametrize("reaped", [False, True], ids=["", "another worker found its lease expired"])
def test_a_charge_that_cannot_be_confirmed_sends_nothing_and_is_closed_as_not_billed(
    harness: Harness,
    through_proxy: Proxy,
    postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    reaped: bool,
    record: int,
) -> None:
    cut_at_charge(through_proxy, monkeypatch, "after")
    has_committed = PostgresConnection._has_committed
    withdraw = database.withdraw_charge

    def ask_in_vain(db: PostgresConnection) -> bool:
        postgres.stop()
        monkeypatch.setattr("app.engine.postgres._CONFIRM_SECONDS", 0.0)
        return has_committed(db)

    def withdraw_late(db: database.Connection, mine: Any) -> None:
        if reaped and postgres.is_running:
            expire(db)
        withdraw(db, mine)

    monkeypatch.setattr(PostgresConnection, "_has_committed", ask_in_vain)
    monkeypatch.setattr(database, "withdraw_charge", withdraw_late)
    assert harness.step()
    assert harness.service.submissions == []
    assert harness.outcomes() == ["not_billed"]
    assert harness.record(record).status == Status.QUEUED
    finish(harness, record, "not_billed")


def expire(db: database.Connection) -> None:
    """End the records whose worker seems to have died."""
    db.execute("UPDATE generation_records SET lease_until = 0 WHERE status = 'running'")
    database.reap_stalled(db, now=1e12)


@pytest.mark.parametrize("reaped", [False, True], ids=["", "another worker found its lease expired"])
def test_a_task_id_is_stored_when_the_server_is_back(
    harness: Harness,
    postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    reaped: bool,
    record: int,
) -> None:
    caplog.set_level("INFO")
    save = database.save_task_id

    def save_late(db: database.Connection, *args: Any, **fields: Any) -> None:
        if reaped and postgres.is_running:
            expire(db)
        save(db, *args, **fields)

    monkeypatch.setattr(database, "save_task_id", save_late)
    stop_at(harness.service, "made", "submit", postgres)  # type: ignore[arg-type]
    assert harness.step()
    order = harness.service.submissions[0]
    assert f"task_id={order.task_id}" in caplog.text  # also when the process had ended now
    assert harness.record(record).task_id == order.task_id
    finish(harness, record)


def test_an_image_is_finished_when_the_server_is_back(
    harness: Harness, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, record: int
) -> None:
    save_image = store.save_image

    def save_and_lose(*args: Any, **fields: Any) -> Any:
        saved = save_image(*args, **fields)
        postgres.stop()
        return saved

    monkeypatch.setattr(store, "save_image", save_and_lose)
    assert harness.step()
    finish(harness, record)


@pytest.mark.parametrize(
    ("fault", "status", "outcome"),
    [("busy", Status.QUEUED, "not_billed"), ("reset", Status.UNKNOWN, "unknown")],
)
def test_an_error_of_the_service_is_stored_as_it_was_when_the_server_is_back(
    harness: Harness, postgres: PostgresServer, fault: str, status: Status, outcome: str, record: int
) -> None:
    stop_at(harness.service, "arrived", "submit", postgres)  # type: ignore[arg-type]
    harness.service.fail_next(fault)
    assert harness.step()
    assert harness.record(record).status == status
    assert harness.outcomes() == [outcome]


@pytest.mark.parametrize("role", ["worker", "web"])
def test_threads_that_start_while_the_server_is_away_work_when_it_is_back(
    harness: Harness, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    runtime = Runtime(replace(harness.settings, role=role))
    start_thread = runtime.threads.start

    def stop_and_start(target: Callable[[], None], name: str) -> None:
        if postgres.is_running:
            postgres.stop()
        start_thread(target, name)

    monkeypatch.setattr(runtime.threads, "start", stop_and_start)
    with running(runtime):
        wait_until(lambda: bool(runtime.store_guard.away()))
        postgres.start()
        wait_until(lambda: not runtime.store_guard.away())
        (record,) = harness.ask("猫")[1]
        if role == "worker":
            wait_until(lambda: harness.record(record).status == Status.SUCCESS)
        assert runtime.threads.are_running


def test_pages_say_that_the_server_is_away_and_recover_by_themselves(
    client: FlaskClient, postgres: PostgresServer, db: database.Connection
) -> None:
    guard = services_of(client.application).runtime.store_guard
    assert client.get("/records").status_code == 200
    postgres.stop()
    for is_noticed in (False, True):
        for page in ("/", "/records", "/usage", "/api/records", "/api/batches"):
            answer = client.get(page)
            assert answer.status_code == 503, page
            assert "数据库连不上" in answer.text, page
        refused = client.post("/api/batches", json={"rows": [{"prompt": "猫"}]})
        assert refused.status_code == 503
        assert "数据库连不上" in refused.get_json()["error"]
        assert client.get("/live/status").status_code == 200
        assert client.get("/healthz").status_code == 503
        if not is_noticed:
            assert guard.watch(db)
    postgres.start()
    assert guard.watch(db) is None
    assert client.get("/records").status_code == 200
    assert client.post("/api/batches", json={"rows": [{"prompt": "猫"}]}).status_code == 202


def test_a_frozen_server_is_told_by_every_page_soon_and_all_goes_on_when_it_answers_again(
    harness: Harness, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a paused machine: connections stay open, new ones are accepted, nothing is answered."""
    monkeypatch.setattr(postgres_links, "_PATIENCE_SECONDS", 0.2)
    monkeypatch.setitem(postgres_links._OPTIONS, "connect_timeout", 2)
    client = harness.client()
    harness.service.latency = 0.3
    with running(harness.runtime):
        ids = harness.ask(*"甲乙丙丁")[1]
        wait_until(lambda: harness.service.charges >= 1)
        with postgres.frozen(), ThreadPoolExecutor(1) as thread:
            for page in ("/records", "/", "/usage", "/api/batches"):
                answer = thread.submit(client.get, page).result(20)  # a statement alone would wait for 35 s
                assert (answer.status_code, "数据库连不上" in answer.text) == (503, True), page
            refused = client.post("/api/batches", json={"rows": [{"prompt": "猫"}]})
            assert (refused.status_code, "数据库连不上" in refused.get_json()["error"]) == (503, True)
            wait_until(lambda: client.get("/healthz").status_code == 503)
        wait_until(lambda: client.get("/records").status_code == 200)
        wait_until(lambda: all(harness.record(id).status == Status.SUCCESS for id in ids))
    assert harness.service.charges == len(harness.service.submissions) == len(ids)


@pytest.fixture
def process_behind_proxy(
    harness: Harness, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Runtime]:
    """A process with threads whose statements are given up after 2.2 s without an answer."""
    monkeypatch.setattr(postgres_links, "STATEMENT_SECONDS", 2.0)
    monkeypatch.setattr(postgres_links, "_ANSWER_SECONDS", 0.2)
    url = proxy.url(harness.settings.database_url)
    runtime = Runtime(replace(harness.settings, database_url=url, model_concurrency=2))
    with running(runtime):
        yield runtime


def test_connections_that_fall_silent_and_stay_open_delay_the_worker_and_nothing_is_paid_twice(
    harness: Harness, proxy: Proxy, process_behind_proxy: Runtime
) -> None:
    harness.service.latency = 0.3
    ids = harness.ask(*"甲乙丙丁戊己")[1]
    wait_until(lambda: harness.service.charges >= 2)
    proxy.silence()
    wait_until(lambda: all(harness.record(id).status == Status.SUCCESS for id in ids))
    assert harness.service.charges == len(harness.service.submissions) == len(ids)
    assert harness.outcomes() == ["billed"] * len(ids)


def test_the_health_check_sees_a_thread_that_waits_for_longer_than_a_lease(
    harness: Harness, proxy: Proxy, process_behind_proxy: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "SILENT_SECONDS", 0.5)
    harness.db.execute("DELETE FROM workers")  # the heartbeat reports again, so it has a connection
    process_behind_proxy.peers._next_report = 0.0
    wait_until(lambda: bool(database.list_workers(harness.db, now=time.time(), within=60.0)))
    assert process_behind_proxy.threads.are_running
    proxy.silence()
    wait_until(lambda: not process_behind_proxy.threads.are_running)
    wait_until(lambda: process_behind_proxy.threads.are_running)
