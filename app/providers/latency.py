"""An estimate of a service's latency, which says when to poll a task first and how often then."""

import threading

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
