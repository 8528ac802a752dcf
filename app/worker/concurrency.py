"""The worker's adaptive concurrency limit and its permits, its bound on decoding, and its wake-up signal.

Uses locks, starts no thread and has no access to records.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class AdaptiveLimit:
    """Limit of images in progress: halved when the service throttles, raised slowly on success (AIMD).

    ``highest`` and ``allowed`` are of all workers together; this one has its share of them.
    """

    def __init__(self, highest: int) -> None:
        self.highest = highest
        self.allowed = float(highest)
        self._share: int | None = None
        self.under_way = 0
        self._free = threading.Condition()
        self._last_halved = 0.0

    @property
    def share(self) -> int:
        """How many slots of ``highest`` this worker has: all, while no other works."""
        return self.highest if self._share is None else min(self._share, self.highest)

    @property
    def slots(self) -> int:
        """How many images this worker may have in progress: its share of ``allowed``, at least one of it."""
        return int(self._exact_slots) if self.share else 0

    def set_share(self, share: int) -> None:
        """Have so many slots of ``highest`` from now on; images under way beyond them are finished."""
        with self._free:
            self._share = share
            self._free.notify_all()

    @property
    def _exact_slots(self) -> float:
        return max(1.0, self.allowed * self.share / self.highest)

    def acquire(self, timeout: float = 0.0) -> bool:
        """Take a slot, waiting at most ``timeout`` seconds."""
        with self._free:
            if not self._free.wait_for(lambda: self.under_way < self.slots, timeout):
                return False
            self.under_way += 1
            return True

    def release(self) -> None:
        """Release a slot."""
        with self._free:
            self.under_way -= 1
            self._free.notify()

    def restore(self, allowed: float) -> None:
        """Start from the limit that an earlier process ended with."""
        with self._free:
            self.allowed = min(max(1.0, allowed), float(self.highest))

    def resize(self, highest: int) -> None:
        """Allow ``highest`` from now on; images under way beyond it are finished."""
        with self._free:
            is_unthrottled = self.allowed >= self.highest
            self.highest = highest
            self.allowed = float(highest) if is_unthrottled else min(self.allowed, float(highest))
            self._free.notify_all()

    def on_throttled(self) -> None:
        """Halve the limit, at most once a second: a burst of throttled responses counts once."""
        with self._free:
            if time.monotonic() - self._last_halved > 1.0:
                self._last_halved = time.monotonic()
                self.allowed = max(1.0, self.allowed / 2)

    def on_success(self) -> None:
        """Raise the limit a little: by one slot after about two rounds of successes."""
        with self._free:
            self.allowed = min(float(self.highest), self.allowed + 0.5 / self._exact_slots)
            self._free.notify()


class Permit:
    """An acquired slot of the limit; released once, by whichever of its holders is first."""

    def __init__(self, limit: AdaptiveLimit) -> None:
        self._limit = limit
        self.is_held = True

    def release(self) -> None:
        """Release the slot; later calls do nothing."""
        if self.is_held:
            self.is_held = False
            self._limit.release()


class DecodeLimit:
    """Bounds the images that are decoded at once, by number and by pixels in all.

    One that has more pixels than all may have is decoded alone.
    """

    def __init__(self, images: int, pixels: int) -> None:
        self._images = images
        self._pixels = pixels
        self._decoded_now: list[int] = []
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, pixels: int) -> Iterator[None]:
        """Wait until an image of so many pixels may be decoded, and count it until the block ends."""
        with self._changed:
            now = self._decoded_now
            self._changed.wait_for(
                lambda: not now or (len(now) < self._images and sum(now) + pixels <= self._pixels)
            )
            now.append(pixels)
        try:
            yield
        finally:
            with self._changed:
                self._decoded_now.remove(pixels)
                self._changed.notify_all()


class WakeSignal:
    """Wake-up signal without lost wake-ups: read ``generation``, look for work, wait for a newer one."""

    def __init__(self) -> None:
        self.generation = 0
        self._condition = threading.Condition()

    def notify(self) -> None:
        """Wake all waiting threads."""
        with self._condition:
            self.generation += 1
            self._condition.notify_all()

    def wait(self, since: int, timeout: float) -> bool:
        """Wait until ``generation`` differs from ``since`` -> False after ``timeout`` seconds."""
        with self._condition:
            return self._condition.wait_for(lambda: self.generation != since, timeout)
