"""How many images are decoded at once: two that are small enough together, or one of any size."""

import threading

from app.worker.concurrency import DecodeLimit
from tools.waiting import wait_until


class Decoding:
    """A thread that holds the limit until it is told to stop."""

    def __init__(self, limit: DecodeLimit, pixels: int) -> None:
        self.has_begun = threading.Event()
        self._may_end = threading.Event()
        self._thread = threading.Thread(target=self._hold, args=(limit, pixels), daemon=True)
        self._thread.start()

    def _hold(self, limit: DecodeLimit, pixels: int) -> None:
        with limit.hold(pixels):
            self.has_begun.set()
            self._may_end.wait()

    def waits(self) -> bool:
        return not self.has_begun.wait(0.1)

    def end(self) -> None:
        self._may_end.set()
        self._thread.join()


def test_two_small_images_are_decoded_at_once_and_a_third_waits() -> None:
    limit = DecodeLimit(2, 24)
    first, second = Decoding(limit, 4), Decoding(limit, 4)
    wait_until(lambda: first.has_begun.is_set() and second.has_begun.is_set())
    third = Decoding(limit, 4)
    assert third.waits()
    first.end()
    wait_until(third.has_begun.is_set)
    second.end()
    third.end()


def test_two_large_images_are_decoded_one_after_the_other() -> None:
    limit = DecodeLimit(2, 24)
    first = Decoding(limit, 16)
    wait_until(first.has_begun.is_set)
    second = Decoding(limit, 16)
    assert second.waits()
    first.end()
    wait_until(second.has_begun.is_set)
    second.end()


def test_an_image_larger_than_the_limit_is_decoded_alone() -> None:
    limit = DecodeLimit(2, 24)
    huge = Decoding(limit, 40)
    wait_until(huge.has_begun.is_set)
    small = Decoding(limit, 1)
    assert small.waits()
    huge.end()
    wait_until(small.has_begun.is_set)
    small.end()
