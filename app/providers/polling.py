"""Adaptive polling: first at about the usual latency, then at short, growing intervals.

A fixed interval wastes half of itself on every image; constant polling overloads the service. While the
latency is unknown, the waiting tasks poll in turn, and all of them at once when the first is found done.
"""

import time
from typing import Self

from app.providers.base import Sleep
from app.providers.latency import LONGEST, SHORTEST, LatencyEstimate

_SOON = 2.0  # seconds from a submission to its first wait
_LOOK = 0.1  # seconds after which a task that waits for its turn looks whether another is done


class Poller:
    """Schedules the polls of one task, each after a pause, until ``seconds`` have passed."""

    def __init__(
        self, latency: LatencyEstimate, seconds: float, sleep: Sleep, *, submitted_at: float | None
    ) -> None:
        """``submitted_at`` is a monotonic time; None: submitted by an earlier process, may be done.

        So may one that was submitted long before: its id waited for the database, which is not the
        service's time.
        """
        self._latency = latency
        self._seconds = seconds
        self._sleep = sleep
        now = time.monotonic()
        self._is_new = self._takes_turns = submitted_at is not None and now - submitted_at < _SOON
        self._started = submitted_at if submitted_at is not None and self._is_new else now
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
        if self._elapsed() >= self._seconds:
            return False
        self._still_running = self._elapsed()
        if not (self._takes_turns and self._waited_for_turn()):
            self._pause(self._next_pause())
        self._polls += 1
        return True

    def finished(self) -> None:
        """Record that the task is done; it is a sample only if this process submitted it."""
        if self._is_new:
            self._latency.observe(self._still_running, self._elapsed(), self._polls)

    def _waited_for_turn(self) -> bool:
        """Pause until this task's turn and return True.

        False as soon as the latency is current: from then on the task polls as if it had not polled before.
        """
        turn = None
        while not self._latency.is_current:
            if turn is None:
                turn = self._latency.take_turn(self._started, self._elapsed(), polled=self._polls > 0)
            left = min(turn, self._seconds) - self._elapsed()
            if left < SHORTEST:
                return True
            self._pause(min(left, _LOOK) if self._latency.waiting > 1 else left)
        self._takes_turns, self._polls = False, 0
        return False

    def _pause(self, seconds: float) -> None:
        pause = min(seconds, self._seconds - self._elapsed())
        self._paused += pause
        self._sleep(pause)

    def _elapsed(self) -> float:
        return max(time.monotonic() - self._started, self._paused)

    def _next_pause(self) -> float:
        if not self._polls:
            return max(0.0, self._latency.first - self._elapsed()) if self._is_new else 0.0
        shortest = self._latency.step if self._is_new else self._latency.turn_length
        self._step = min(max(SHORTEST, self._step * 1.5, shortest), LONGEST)
        return self._step
