"""Waiting for what no locator shows: the clipboard, the browser's database, a house that has come so far."""

import time
from collections.abc import Callable

_SECONDS = 30.0


def until(is_so: Callable[[], bool]) -> None:
    """Ask until it is so. ``wait_for_function`` cannot: it takes a promise for a yes."""
    deadline = time.monotonic() + _SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)
