"""A manual clock, and a sleep that advances it instead of waiting."""

import time


class Clock:
    """Unix seconds, starting now. Call it to read the time; pass ``sleep`` in place of ``time.sleep``."""

    def __init__(self) -> None:
        self.now = time.time()
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Advance the clock at once."""
        self.pauses.append(seconds)
        self.now += seconds
