"""How fast the worker goes: the slots of pictures under way, and the bell that wakes who has nothing to do.

Part of the worker's room: knows locks, starts no thread, keeps no record.
"""

import threading
import time


class AdaptiveLimit:
    """How many pictures may be under way: halved when the service says stop, slowly raised else."""

    def __init__(self, highest: int) -> None:
        self.highest = highest
        self.allowed = float(highest)
        self.under_way = 0
        self._free = threading.Condition()
        self._last_halved = 0.0

    def acquire(self, timeout: float = 0.0) -> bool:
        """Take a slot, waiting at most ``timeout`` seconds."""
        with self._free:
            if not self._free.wait_for(lambda: self.under_way < int(self.allowed), timeout):
                return False
            self.under_way += 1
            return True

    def release(self) -> None:
        """Give a slot back."""
        with self._free:
            self.under_way -= 1
            self._free.notify()

    def on_throttled(self) -> None:
        """The service asked for fewer; a burst of such answers counts once."""
        with self._free:
            if time.monotonic() - self._last_halved > 1.0:
                self._last_halved = time.monotonic()
                self.allowed = max(1.0, self.allowed / 2)

    def on_success(self) -> None:
        """One more picture went well: about one more slot after every two rounds."""
        with self._free:
            self.allowed = min(float(self.highest), self.allowed + 0.5 / self.allowed)
            self._free.notify()


class Permit:
    """A slot of the pace: waited for, then given back once, early or late."""

    def __init__(self, pace: AdaptiveLimit) -> None:
        self._pace = pace
        self.taken = False

    def wait(self, stopping: threading.Event) -> None:
        """Until there is a slot, or the worker stops."""
        while not self.taken and not stopping.is_set():
            self.taken = self._pace.acquire(0.5)

    def release(self) -> None:
        """The service is no longer busy with us; saving needs no slot."""
        if self.taken:
            self._pace.release()
            self.taken = False


class WakeSignal:
    """Rung when there may be something to do; nobody who looks first and then waits misses a ring."""

    def __init__(self) -> None:
        self.generation = 0
        self._condition = threading.Condition()

    def notify(self) -> None:
        """Wake everybody."""
        with self._condition:
            self.generation += 1
            self._condition.notify_all()

    def wait(self, since: int, timeout: float) -> None:
        """Wait for a ring after the one numbered ``since``."""
        with self._condition:
            self._condition.wait_for(lambda: self.generation != since, timeout)
