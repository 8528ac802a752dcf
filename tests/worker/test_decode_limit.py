"""How many images are decoded at once: two that are small enough together, or one of any size."""

import threading

import pytest

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


@pytest.mark.parametrize(
    ("at_once", "waiting"),
    [((4, 4), 4), ((16,), 16), ((40,), 1)],
    ids=["two small ones at once", "large ones one after the other", "one beyond the limit alone"],
)
def test_an_image_waits_for_those_that_are_decoded(at_once: tuple[int, ...], waiting: int) -> None:
    limit = DecodeLimit(2, 24)
    begun = [Decoding(limit, pixels) for pixels in at_once]
    wait_until(lambda: all(each.has_begun.is_set() for each in begun))
    late = Decoding(limit, waiting)
    assert late.waits()
    begun[0].end()
    wait_until(late.has_begun.is_set)
    for each in (*begun[1:], late):
        each.end()
