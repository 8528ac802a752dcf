"""Waiting for a condition, with a timeout for a busy machine that no verdict depends on."""

import time
from collections.abc import Callable

TIMEOUT = 120.0  # seconds


def wait_until(condition: Callable[[], bool], describe: Callable[[], str] = str) -> None:
    """Poll until the condition holds; fail with ``describe()`` after TIMEOUT."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, describe()
        time.sleep(0.02)
