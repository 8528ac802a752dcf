"""Waiting for a condition: as long as a busy machine may take, which no verdict depends on."""

import time
from collections.abc import Callable

TIMEOUT = 120.0  # seconds


def wait_until(condition: Callable[[], bool], describe: Callable[[], str] = str) -> None:
    """Ask until it is so; fail with what ``say`` tells when it never is."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, describe()
        time.sleep(0.02)
