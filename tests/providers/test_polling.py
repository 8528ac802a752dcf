"""Adaptive polling: the first poll comes just after the usual latency."""

import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable

import pytest

from app.providers import polling
from app.providers.polling import LatencyEstimate, Poller

_START = 1000.0


class Service:
    """Tasks that take ``seconds`` of simulated time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.latency = LatencyEstimate()

    def poll_until_done(self) -> tuple[float, int]:
        """Run one task; returns (seconds until it was seen as done, polls)."""
        pauses: list[float] = []
        poller = Poller(self.latency, 600.0, pauses.append, submitted_at=1e12)  # the clock is the pauses
        while poller.wait() and sum(pauses) < self.seconds:
            pass
        poller.finished()
        return sum(pauses), len(pauses)


def test_a_task_whose_id_was_stored_late_is_polled_at_once_and_is_no_sample() -> None:
    """The wait for the database is not the service's time."""
    latency, pauses = LatencyEstimate(), list[float]()
    with Poller(latency, 20.0, pauses.append, submitted_at=time.monotonic() - 40) as poller:
        assert poller.wait()
        poller.finished()
    assert (pauses, latency.seconds) == ([0.0], None)


@pytest.mark.parametrize("waiting", [1, 8, 64])
def test_steady_latency_needs_few_polls(waiting: int) -> None:
    service = Service(20.0)
    service.latency.count(waiting)
    for _ in range(200):
        service.poll_until_done()
    seen = [service.poll_until_done() for _ in range(200)]
    assert sum(seconds for seconds, _ in seen) / 200 < 20.0 * 1.03
    assert sum(polls for _, polls in seen) / 200 < 2.0


def test_varying_latency_is_polled_early_and_rarely_waits_long() -> None:
    times = random.Random(4)
    service = Service(20.0)
    late, polls = 0.0, 0
    for _ in range(300):
        service.seconds = times.uniform(12.0, 28.0)
        seconds, polled = service.poll_until_done()
        late += seconds - service.seconds
        polls += polled
    assert late / 300 < 20.0 * 0.1
    assert polls / 300 < 8


def test_a_faster_service_is_polled_earlier() -> None:
    service = Service(20.0)
    for _ in range(50):
        service.poll_until_done()
    service.seconds = 5.0
    for _ in range(300):
        service.poll_until_done()
    assert service.poll_until_done()[0] < 5.0 * 1.1


class Simulation:
    """Threads in simulated time: one runs at a time, and ``sleep`` hands over to the next that is due."""

    def __init__(self) -> None:
        self.now = _START
        self._due: list[tuple[float, int, threading.Semaphore]] = []
        self._numbers = itertools.count()
        self._handed_over = threading.Semaphore(0)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        turn = self._at(self.now + seconds)
        self._handed_over.release()
        turn.acquire()

    def start(self, act: Callable[[], None]) -> None:
        turn = self._at(self.now)

        def run() -> None:
            turn.acquire()
            act()
            self._handed_over.release()

        threading.Thread(target=run, daemon=True).start()

    def run(self) -> None:
        """Until every thread has ended."""
        while self._due:
            self.now, _, turn = heapq.heappop(self._due)
            turn.release()
            self._handed_over.acquire()

    def _at(self, time: float) -> threading.Semaphore:
        turn = threading.Semaphore(0)
        heapq.heappush(self._due, (time, next(self._numbers), turn))
        return turn


class Run:
    """Batches in simulated time, as the worker makes them."""

    def __init__(self, simulation: Simulation, latency: LatencyEstimate) -> None:
        self.simulation, self.latency = simulation, latency
        self.polls: list[float] = []
        self.late: list[float] = []
        self._noise = random.Random(5)

    def make(self, pictures: int, slots: int, seconds: float) -> float:
        """Make pictures of ``seconds`` each, ``slots`` at a time; returns the seconds it took."""
        began, left = self.simulation.now, iter(range(pictures))

        def work() -> None:
            for _ in left:
                self.simulation.sleep(self._noise.uniform(0.01, 0.05))
                self._fetch(self.simulation.now + seconds + abs(self._noise.gauss(0.0, 0.015)))

        for _ in range(slots):
            self.simulation.start(work)
        self.simulation.run()
        return self.simulation.now - began

    def _fetch(self, done_at: float) -> None:
        sleep, started = self.simulation.sleep, self.simulation.now
        with Poller(self.latency, 600.0, sleep, submitted_at=started) as poller:
            while poller.wait():
                polled_at = self.simulation.now
                self.polls.append(polled_at - _START)
                sleep(self._noise.uniform(0.01, 0.03))
                if polled_at >= done_at:
                    poller.finished()
                    self.late.append(polled_at - done_at)
                    return


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    simulation = Simulation()
    monkeypatch.setattr(polling, "time", simulation)
    return Run(simulation, LatencyEstimate())


@pytest.mark.parametrize("slots", [8, 64])
def test_the_latency_estimate_is_stable_under_concurrency(run: Run, slots: int) -> None:
    """Each task adds its sample only when it is done, long after the others scheduled their first poll."""
    run.make(10 * slots, slots, 2.0)
    run.late.clear()
    run.polls.clear()
    run.make(20 * slots, slots, 2.0)
    assert sum(run.late) / (20 * slots) < 2.0 * 0.02
    assert len(run.polls) / (20 * slots) < 1.5


@pytest.mark.parametrize(("slots", "pictures", "seconds"), [(8, 40, 10.0), (8, 40, 60.0), (64, 256, 10.0)])
def test_the_first_batch_is_on_time_without_many_polls(
    run: Run, slots: int, pictures: int, seconds: float
) -> None:
    assert run.make(pictures, slots, seconds) < pictures / slots * seconds * 1.04
    assert len(run.polls) / pictures < 5.0


@pytest.mark.parametrize("slots", [1, 8, 64])
def test_while_the_latency_is_unknown_the_tasks_poll_in_turn(run: Run, slots: int) -> None:
    run.make(slots, slots, 10.0)
    early = [at for at in run.polls if at < 10.0]
    assert max(sum(at <= other < at + 1.0 for other in early) for at in early) <= 5
    assert max(run.late) < 10.0 * 0.06


@pytest.mark.parametrize("remembered", [5.0, 9.5, 10.0, 10.5, 30.0])
def test_a_remembered_latency_is_tried_and_replaced_when_it_is_wrong(run: Run, remembered: float) -> None:
    run.latency.remember(remembered, 0.1)
    assert run.latency.seconds == remembered
    assert run.make(40, 8, 10.0) < 50.0 * 1.05
    assert run.latency.seconds == pytest.approx(10.0, rel=0.03)
    assert len(run.polls) / 40 < 4.5


def test_a_latency_that_is_still_right_needs_one_poll_for_most(run: Run) -> None:
    run.make(160, 8, 10.0)
    later = Run(run.simulation, LatencyEstimate())
    assert run.latency.seconds
    later.latency.remember(run.latency.seconds, run.latency.deviation)
    assert later.make(40, 8, 10.0) < 50.0 * 1.04
    assert len(later.polls) / 40 < 2.5


def test_latencies_that_were_measured_without_polls_are_averaged() -> None:
    latency = LatencyEstimate()
    assert latency.seconds is None
    latency.remember(4.0, 0.0)
    for _ in range(40):
        latency.measure(8.0)
    assert latency.seconds == pytest.approx(8.0, rel=0.01)
    for seconds in (7.0, 9.0) * 40:
        latency.measure(seconds)
    assert latency.deviation == pytest.approx(1.0, rel=0.3)
