"""Adaptive polling: first at about the usual latency, then at short, growing intervals.

A fixed interval wastes half of itself on every image; constant polling overloads the service.
"""

import threading
import time
from typing import Self

from app.providers.base import Sleep

_FIRST_GUESS = 1.0
_SHORTEST = 0.01
_LONGEST = 3.0
_STEP = 1 / 160  # of the usual time, for up to 16 waiting tasks; scaled up for more, to limit calls
_FEW = 16
_WEIGHT = 1 / 4  # of the newest sample, for up to 16 waiting tasks; less for more, which report together
_EARLIER = 1 / 4  # of a step, per round in which every first poll found its task done


class LatencyEstimate:
    """A running estimate of a service's latency, in seconds; shared by all waiting threads."""

    def __init__(self) -> None:
        self.waiting = 0
        self._usual = _FIRST_GUESS
        self._spread = 0.0  # mean absolute deviation from the usual time
        self._has_sample = False
        self._first_poll_hits = 0
        self._lock = threading.Lock()

    @property
    def first(self) -> float:
        """Seconds until the first poll: just after the usual time when steady, earlier when it varies."""
        half = self._shortest_step / 2
        return max(0.0, self._usual + half - 2 * max(0.0, self._spread - half))

    @property
    def step(self) -> float:
        """Seconds between the first poll and the second."""
        return max(self._shortest_step, self._spread / 4)

    @property
    def _shortest_step(self) -> float:
        return self._usual * _STEP * max(1.0, self.waiting / _FEW)

    def count(self, change: int) -> None:
        """Change the number of waiting tasks by +1 or -1."""
        with self._lock:
            self.waiting += change

    def observe(self, still_running: float, done: float, polls: int) -> None:
        """Add a sample: not done after ``still_running`` seconds, found done after ``done``.

        A task done at the first poll may have finished earlier: it counts as a little earlier than expected,
        and the more so the more consecutive rounds went like that.
        """
        with self._lock:
            self._first_poll_hits = self._first_poll_hits + 1 if polls == 1 else 0
            if not self._has_sample:
                self._usual, self._has_sample = (still_running + done) / 2, True
                return
            rounds = max(1.0, self._first_poll_hits / max(1, self.waiting))
            earlier = min(done, self._usual) - self._shortest_step * _EARLIER * rounds
            seconds = earlier if polls == 1 else (still_running + done) / 2
            weight = _WEIGHT / max(1.0, self.waiting / _FEW)
            self._spread += (abs(seconds - self._usual) - self._spread) * weight
            self._usual = max(_SHORTEST, self._usual + (seconds - self._usual) * weight)


class Poller:
    """Schedules the polls of one task, each after a pause, until ``seconds`` have passed."""

    def __init__(
        self, latency: LatencyEstimate, seconds: float, sleep: Sleep, *, submitted_at: float | None
    ) -> None:
        """``submitted_at`` is a monotonic time; None: submitted by an earlier process, may be done."""
        self._latency = latency
        self._seconds = seconds
        self._sleep = sleep
        self._is_new = submitted_at is not None
        self._started = time.monotonic() if submitted_at is None else submitted_at
        self._paused = 0.0
        self._step = 0.0
        self._still_running = 0.0
        self._polls = 0

    def __enter__(self) -> Self:
        self._latency.count(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._latency.count(-1)

    def wait(self) -> bool:
        """Pause until the next poll and return True; return False at once when the time is up."""
        left = self._seconds - self._elapsed()
        if left <= 0:
            return False
        pause = min(self._next_pause(), left)
        self._still_running = self._elapsed()
        self._polls += 1
        self._paused += pause
        self._sleep(pause)
        return True

    def finished(self) -> None:
        """Record that the task is done; it is a sample only if this process submitted it."""
        if self._is_new:
            self._latency.observe(self._still_running, self._elapsed(), self._polls)

    def _elapsed(self) -> float:
        return max(time.monotonic() - self._started, self._paused)

    def _next_pause(self) -> float:
        if not self._polls:
            return max(0.0, self._latency.first - self._elapsed()) if self._is_new else 0.0
        self._step = min(max(_SHORTEST, self._step * 1.5, self._latency.step), _LONGEST)
        return self._step
