"""Waiting for a condition, with a timeout for a busy machine that no verdict depends on."""

import time
from collections.abc import Callable

TIMEOUT = 120.0  # seconds


def wait_until(condition: Callable[[], bool], describe: Callable[[], str] = str) -> None:
    """Poll until the condition holds; fail with ``describe()`` after TIMEOUT.

    The pauses grow with the wait, to 0.2 s: many conditions are calls that the awaited server has to answer.
    """
    start = time.monotonic()
    while not condition():
        waited = time.monotonic() - start
        assert waited < TIMEOUT, describe()
        time.sleep(min(0.02 + waited / 20, 0.2))
