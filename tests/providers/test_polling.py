"""Adaptive polling: the first poll comes just after the usual latency."""

import heapq
import itertools
import random

import pytest

from app.providers.polling import LatencyEstimate, Poller


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


@pytest.mark.parametrize("many", [8, 64])
def test_the_latency_estimate_is_stable_under_concurrency(many: int) -> None:
    """Each task adds its sample only when it is done, long after the others scheduled their first poll."""
    noise, latency, sequence = random.Random(3), LatencyEstimate(), itertools.count()
    late: list[float] = []
    polls: list[int] = []
    turns: list[tuple[float, int, Task | None]] = [(n * 0.008, next(sequence), None) for n in range(many)]
    while len(late) < 30 * many:
        now, _, task = heapq.heappop(turns)
        if task is None:
            task = Task(latency, now, done_at=now + 2.0 + abs(noise.gauss(0.0, 0.015)))
        elif now >= task.done_at:
            task.poller.finished()
            task.poller.__exit__()
            late.append(now - task.done_at)
            polls.append(task.polls)
            task = None
        pause = task.poll() if task else 0.04
        heapq.heappush(turns, (now + pause + noise.expovariate(250.0), next(sequence), task))
    settled = slice(10 * many, None)
    assert sum(late[settled]) / (20 * many) < 2.0 * 0.02
    assert sum(polls[settled]) / (20 * many) < 1.5


class Task:
    """One of many tasks; its simulated time is the sum of its pauses."""

    def __init__(self, latency: LatencyEstimate, now: float, *, done_at: float) -> None:
        self.done_at = done_at
        self.polls = 0
        self.poller = Poller(latency, 600.0, self._record_pause, submitted_at=1e12).__enter__()
        self._pause = 0.0

    def poll(self) -> float:
        """The pause before the next poll."""
        self.polls += 1
        self.poller.wait()
        return self._pause

    def _record_pause(self, pause: float) -> None:
        self._pause = pause
