"""Machines whose clocks differ, on one PostgreSQL: its clock counts; one that is far off orders nothing."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

import database
import generator
from app.domain import Status
from app.engine.connection import ServerClock
from app.errors import Billed, ModelError, StoreLost
from app.runtime import Runtime
from tests.harness import Harness, running

SetClock = Callable[[float], None]


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Sets the clock of this process by so many seconds from now."""
    real = time.time

    def set_to(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return set_to


def worker_with_clock_off(harness: Harness) -> None:
    """Another worker, on a machine whose clock is that of this process."""
    harness.restart()
    for _ in range(2):
        report(harness)


def report(harness: Harness) -> None:
    harness.runtime.peers._next_report = 0.0
    harness.worker._report(harness.db)


@pytest.mark.postgres
@pytest.mark.parametrize("seconds", [3600.0, -3600.0])
def test_a_machine_whose_clock_is_an_hour_off_burns_no_lease_and_orders_nothing(
    harness: Harness, set_clock: SetClock, caplog: pytest.LogCaptureFixture, seconds: float
) -> None:
    caplog.set_level("INFO")
    sent = harness.crash(generator, "submit")  # the lease of another machine holds
    waiting = harness.ask("狗")[1][0]
    set_clock(seconds)
    worker_with_clock_off(harness)
    assert harness.reap() == 0
    assert not harness.step()
    assert harness.statuses([sent.id, waiting]) == [Status.RUNNING, Status.QUEUED]
    assert "差 3600 秒，不再下单" in str(harness.runtime.peers.find_problem(stops=True))
    client = harness.client()
    assert client.get("/live/status").text.count('data-state="process_stopped"') == 1
    report(harness)
    assert caplog.text.count("event=clock_stopped") == 1
    set_clock(0.0)
    for _ in range(2):
        report(harness)
    assert harness.step()
    assert harness.statuses([sent.id, waiting]) == [Status.RUNNING, Status.SUCCESS]
    assert harness.runtime.peers.find_problem(stops=True) is None
    set_clock(seconds)
    harness.runtime.peers._next_report = 0.0
    with running(harness.runtime):
        health = client.get("/healthz").get_json()
    assert (health["worker"], "差 3600 秒" in health["error"]) == (False, True)


@pytest.mark.postgres
def test_the_leases_and_delays_of_a_machine_whose_clock_is_off_are_those_of_the_server(
    harness: Harness, set_clock: SetClock
) -> None:
    right, _ = database.now(harness.db), harness.ask("猫")
    set_clock(3600.0)
    claimed = harness.worker._claim(harness.db, harness.engine)
    assert claimed
    row = harness.db.execute("SELECT lease_until FROM generation_records").fetchone()
    assert 0 < row["lease_until"] - right < 60
    harness.worker._requeue(
        harness.db, claimed, ModelError("忙", cause="service", billed=Billed.NO), wait=5.0
    )
    assert 0 < harness.record(claimed.id).not_before - right < 60


@pytest.mark.postgres
def test_a_clock_that_is_some_seconds_off_is_said_and_work_goes_on(
    harness: Harness, set_clock: SetClock
) -> None:
    set_clock(20.0)
    worker_with_clock_off(harness)
    assert harness.make("猫").status == Status.SUCCESS
    web = Runtime(replace(harness.settings, role="web"))
    set_clock(0.0)
    web.peers.watch(harness.db)
    assert "差 20 秒，请打开" in str(web.peers.find_problem(stops=False))
    assert not web.peers.are_missing
    set_clock(-3600.0)
    web.peers.watch(harness.db)
    assert "差 3600 秒，请打开" in str(web.peers.find_problem(stops=False))


class Server:
    """A server whose clock is 100 s ahead; it answers after so many seconds each time, or not at all."""

    def __init__(self) -> None:
        self.answers_after: list[float] = []
        self.time = 1000.0
        self.jump = 0.0
        self.asked = 0

    def ask(self) -> float:
        self.asked += 1
        seconds = self.answers_after.pop(0) if self.answers_after else 0.0
        if seconds < 0:
            raise StoreLost("away")
        self.time += seconds
        return self.time + 100


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(time, "monotonic", lambda: server.time)
    monkeypatch.setattr(time, "time", lambda: server.time + server.jump)
    return server


def test_the_clock_of_the_server_is_asked_now_and_then_and_when_ours_jumps(server: Server) -> None:
    clock = ServerClock()
    assert clock.now(server.ask) == 1100
    server.time += 4
    assert clock.now(server.ask) == 1104
    assert server.asked == 1
    server.jump = -3600
    assert clock.now(server.ask) == 1104
    assert server.asked == 2
    server.time += 6
    assert clock.now(server.ask) == 1110
    assert server.asked == 3


def test_a_server_that_is_away_is_assumed_to_go_on(server: Server) -> None:
    clock = ServerClock()
    server.answers_after = [-1.0]
    with pytest.raises(StoreLost):
        clock.now(server.ask)
    assert clock.now(server.ask) == 1100
    server.time += 60
    server.answers_after = [-1.0]
    assert clock.now(server.ask) == 1160


def test_the_quickest_of_three_answers_counts(server: Server) -> None:
    server.answers_after = [20.0, 0.1, 9.0]
    clock = ServerClock()
    assert clock.now(server.ask) == pytest.approx(server.time + 100, abs=0.1)
    assert server.asked == 2
