"""A clock that is set by hand, and a pause that moves it instead of waiting."""

import time


class Clock:
    """Seconds; starts at now. Call it to read it; give ``pause`` wherever somebody pauses."""

    def __init__(self) -> None:
        self.now = time.time()
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let that much time go by, at once."""
        self.pauses.append(seconds)
        self.now += seconds
