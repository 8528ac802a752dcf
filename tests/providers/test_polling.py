"""When work under way is looked at: the first look comes to lie just behind the service's usual time."""

import heapq
import itertools
import random

import pytest

from app.providers.polling import LatencyEstimate, Poller


class Service:
    """Work that takes ``seconds`` on a clock of its own, waited for by several at once."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.rhythm = LatencyEstimate()

    def look_until_done(self) -> tuple[float, int]:
        """One piece of work -> (seconds until it was seen, looks)."""
        pauses: list[float] = []
        looking = Poller(self.rhythm, 600.0, pauses.append, submitted_at=1e12)  # the clock is the pauses
        while looking.wait() and sum(pauses) < self.seconds:
            pass
        looking.finished()
        return sum(pauses), len(pauses)


@pytest.mark.parametrize("waiting", [1, 8, 64])
def test_steady_latency_needs_few_polls(waiting: int) -> None:
    service = Service(20.0)
    service.rhythm.count(waiting)
    for _ in range(200):
        service.look_until_done()
    seen = [service.look_until_done() for _ in range(200)]
    assert sum(seconds for seconds, _ in seen) / 200 < 20.0 * 1.03
    assert sum(looks for _, looks in seen) / 200 < 2.0


def test_varying_latency_is_polled_early_and_rarely_waits_long() -> None:
    times = random.Random(4)
    service = Service(20.0)
    late, looks = 0.0, 0
    for _ in range(300):
        service.seconds = times.uniform(12.0, 28.0)
        seconds, looked = service.look_until_done()
        late += seconds - service.seconds
        looks += looked
    assert late / 300 < 20.0 * 0.1
    assert looks / 300 < 8


def test_a_faster_service_is_polled_earlier() -> None:
    service = Service(20.0)
    for _ in range(50):
        service.look_until_done()
    service.seconds = 5.0
    for _ in range(300):
        service.look_until_done()
    assert service.look_until_done()[0] < 5.0 * 1.1


@pytest.mark.parametrize("many", [8, 64])
def test_the_latency_estimate_is_stable_under_concurrency(many: int) -> None:
    """Each learns only when its own work is done, long after the others asked when to look."""
    noise, rhythm, order = random.Random(3), LatencyEstimate(), itertools.count()
    late: list[float] = []
    looks: list[int] = []
    turns: list[tuple[float, int, Waiter | None]] = [(n * 0.008, next(order), None) for n in range(many)]
    while len(late) < 30 * many:
        now, _, waiter = heapq.heappop(turns)
        if waiter is None:
            waiter = Waiter(rhythm, now, done_at=now + 2.0 + abs(noise.gauss(0.0, 0.015)))
        elif now >= waiter.done_at:
            waiter.looking.finished()
            waiter.looking.__exit__()
            late.append(now - waiter.done_at)
            looks.append(waiter.looks)
            waiter = None
        rest = waiter.look() if waiter else 0.04
        heapq.heappush(turns, (now + rest + noise.expovariate(250.0), next(order), waiter))
    settled = slice(10 * many, None)
    assert sum(late[settled]) / (20 * many) < 2.0 * 0.02
    assert sum(looks[settled]) / (20 * many) < 1.5


class Waiter:
    """One of many that wait: its time is told by the pauses it was given."""

    def __init__(self, rhythm: LatencyEstimate, now: float, *, done_at: float) -> None:
        self.done_at = done_at
        self.looks = 0
        self.looking = Poller(rhythm, 600.0, self._note, submitted_at=1e12).__enter__()
        self._rest = 0.0

    def look(self) -> float:
        """How long to pause for the next look."""
        self.looks += 1
        self.looking.wait()
        return self._rest

    def _note(self, rest: float) -> None:
        self._rest = rest
