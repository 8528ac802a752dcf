"""Adaptive polling: first at about the usual latency, then at short, growing intervals.

A fixed interval wastes half of itself on every image; constant polling overloads the service. While the
latency is unknown, the waiting tasks poll in turn, and all of them at once when the first is found done.
"""

import threading
import time
from collections.abc import Callable
from typing import Self

_FIRST_TURN = 1.0
_SHORTEST_TURN = 0.25  # seconds between the polls of all tasks while the latency is unknown
_TURN = 1 / 40  # the same, of the time since the submission
_FEWER = 2  # times that, before a remembered latency
SHORTEST = 0.01
LONGEST = 3.0
_STEP = 1 / 160  # of the usual time, for up to 16 waiting tasks; scaled up for more, to limit calls
_FEW = 16
_WEIGHT = 1 / 4  # of the newest sample, for up to 16 waiting tasks; less for more, which report together
_EARLIER = 1 / 4  # of a step, per round in which every first poll found its task done


class LatencyEstimate:
    """A running estimate of a service's latency, in seconds; shared by all waiting threads."""

    def __init__(self) -> None:
        self.waiting = 0
        self.is_current = False  # whether a task of this process was seen done
        self._usual = 0.0
        self._spread = 0.0  # mean absolute deviation from the usual time
        self._first_poll_hits = 0
        self._next_turn = 0.0  # monotonic time
        self._still_running = 0.0  # the longest time after which a task was not done
        self._lock = threading.Lock()

    @property
    def seconds(self) -> float | None:
        """The usual latency; None while it is unknown."""
        return self._usual or None

    @property
    def deviation(self) -> float:
        """The mean absolute deviation from it, in seconds."""
        return self._spread

    def remember(self, seconds: float, deviation: float) -> None:
        """Start from what an earlier process measured; the first task done confirms or replaces it."""
        with self._lock:
            if not self.is_current:
                self._usual, self._spread = seconds, deviation

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

    @property
    def turn_length(self) -> float:
        """Seconds between the polls of a task about whose age nothing is known."""
        return max(_SHORTEST_TURN, self._usual * _TURN)

    def count(self, change: int) -> None:
        """Change the number of waiting tasks by +1 or -1."""
        with self._lock:
            self.waiting += change

    def take_turn(self, submitted_at: float, age: float, *, polled: bool) -> float:
        """While the latency is not current: seconds after the submission at which the task may poll.

        ``age`` is the present time since the submission; ``polled``: it was just found still running.
        """
        with self._lock:
            if polled:
                self._still_running = max(self._still_running, age)
            turn = max(self._next_turn - submitted_at, age, _FIRST_TURN)
            self._next_turn = submitted_at + turn + self._turn_length(turn)
            return min(turn, self.first) if self._usual and age < self.first else turn

    def observe(self, still_running: float, done: float, polls: int) -> None:
        """Add a sample: not done after ``still_running`` seconds, found done after ``done``.

        A task done at the first poll may have finished earlier: it counts as a little earlier than expected,
        and the more so the more consecutive rounds went like that.
        """
        with self._lock:
            self._first_poll_hits = self._first_poll_hits + 1 if polls == 1 else 0
            if not self.is_current:
                self._begin(min(max(self._still_running, still_running), done), done)
                return
            rounds = max(1.0, self._first_poll_hits / max(1, self.waiting))
            earlier = min(done, self._usual) - self._shortest_step * _EARLIER * rounds
            self._blend(earlier if polls == 1 else (still_running + done) / 2)

    def measure(self, seconds: float) -> None:
        """Add a latency that was measured without polling."""
        with self._lock:
            if self._usual:
                self._blend(seconds)
            else:
                self._begin(seconds, seconds)

    def _blend(self, seconds: float) -> None:
        weight = _WEIGHT / max(1.0, self.waiting / _FEW)
        self._spread += (abs(seconds - self._usual) - self._spread) * weight
        self._usual = max(SHORTEST, self._usual + (seconds - self._usual) * weight)

    def _turn_length(self, seconds: float) -> float:
        """Seconds until the next turn: few before a remembered latency, many just after it."""
        length = min(max(_SHORTEST_TURN, seconds * _TURN), LONGEST)
        if not self._usual:
            return length
        after = seconds - self.first
        return min(_FEWER * length, -after) if after < 0 else min(length, max(self._shortest_step, after / 4))

    def _begin(self, still_running: float, done: float) -> None:
        """The first sample; a remembered latency that agrees with it is kept."""
        self.is_current = True
        if not (self._usual and still_running <= self._usual <= done):
            self._usual, self._spread = max(SHORTEST, (still_running + done) / 2), 0.0


_SOON = 2.0  # seconds from a submission to its first wait
_LOOK = 0.1  # seconds after which a task that waits for its turn looks whether another is done


class Poller:
    """Schedules the polls of one task, each after a pause, until ``seconds`` have passed."""

    def __init__(
        self,
        latency: LatencyEstimate,
        seconds: float,
        sleep: Callable[[float], None],
        *,
        submitted_at: float | None,
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
