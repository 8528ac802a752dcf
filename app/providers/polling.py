"""When work under way is worth a look: about when earlier work was done, then in short, growing steps.

A fixed interval wastes half of itself on every picture; looking all the time wears out the service.
"""

import threading
import time
from typing import Self

from app.providers.base import Sleep

_FIRST_GUESS = 1.0
_SHORTEST = 0.01
_LONGEST = 3.0
_STEP = 1 / 160  # of the usual time, for up to 16 that wait; for more in proportion, so that calls stay few
_FEW = 16
_WEIGHT = 1 / 4  # of the newest time against all earlier ones, for as many that wait; more tell of it at once
_EARLIER = 1 / 4  # of a step, for each round in which every first look found its work done


class LatencyEstimate:
    """What was learnt of a service's usual time, in seconds; shared by all threads that wait for it."""

    def __init__(self) -> None:
        self.waiting = 0
        self._usual = _FIRST_GUESS
        self._spread = 0.0  # how far from the usual time the times are, in the mean
        self._learnt = False
        self._at_once = 0
        self._lock = threading.Lock()

    @property
    def first(self) -> float:
        """Seconds after which a first look is worth while: just after steady work, early in what varies."""
        half = self._shortest_step / 2
        return max(0.0, self._usual + half - 2 * max(0.0, self._spread - half))

    @property
    def step(self) -> float:
        """Seconds between the first look and the second."""
        return max(self._shortest_step, self._spread / 4)

    @property
    def _shortest_step(self) -> float:
        return self._usual * _STEP * max(1.0, self.waiting / _FEW)

    def count(self, change: int) -> None:
        """One more waits, or one less."""
        with self._lock:
            self.waiting += change

    def observe(self, not_yet: float, done: float, looks: int) -> None:
        """It was not done after ``not_yet`` seconds, and seen done after ``done``.

        Done at the first look, it may have been done before: it counts as a little earlier than expected, and
        more so the more rounds of all that wait went like that.
        """
        with self._lock:
            self._at_once = self._at_once + 1 if looks == 1 else 0
            if not self._learnt:
                self._usual, self._learnt = (not_yet + done) / 2, True
                return
            rounds = max(1.0, self._at_once / max(1, self.waiting))
            earlier = min(done, self._usual) - self._shortest_step * _EARLIER * rounds
            seconds = earlier if looks == 1 else (not_yet + done) / 2
            weight = _WEIGHT / max(1.0, self.waiting / _FEW)
            self._spread += (abs(seconds - self._usual) - self._spread) * weight
            self._usual = max(_SHORTEST, self._usual + (seconds - self._usual) * weight)


class Poller:
    """Looks at one piece of work, each after a pause, until ``seconds`` are over."""

    def __init__(
        self, rhythm: LatencyEstimate, seconds: float, pause: Sleep, *, ordered_at: float | None
    ) -> None:
        """``ordered_at`` is on the monotonic clock; None: in an earlier life, may be done long since."""
        self._rhythm = rhythm
        self._seconds = seconds
        self._pause = pause
        self._is_new = ordered_at is not None
        self._started = time.monotonic() if ordered_at is None else ordered_at
        self._paused = 0.0
        self._step = 0.0
        self._not_yet = 0.0
        self._looks = 0

    def __enter__(self) -> Self:
        self._rhythm.count(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._rhythm.count(-1)

    def wait(self) -> bool:
        """Pause for the next look; False, without pausing, when the time is up."""
        left = self._seconds - self._elapsed()
        if left <= 0:
            return False
        rest = min(self._next_rest(), left)
        self._not_yet = self._elapsed()
        self._looks += 1
        self._paused += rest
        self._pause(rest)
        return True

    def finished(self) -> None:
        """The work was seen done: learn from it, if all of its time was seen."""
        if self._is_new:
            self._rhythm.observe(self._not_yet, self._elapsed(), self._looks)

    def _elapsed(self) -> float:
        return max(time.monotonic() - self._started, self._paused)

    def _next_rest(self) -> float:
        if not self._looks:
            return max(0.0, self._rhythm.first - self._elapsed()) if self._is_new else 0.0
        self._step = min(max(_SHORTEST, self._step * 1.5, self._rhythm.step), _LONGEST)
        return self._step
