"""Waiting for a condition: as long as a busy machine may take, which no verdict depends on."""

import time
from collections.abc import Callable

PATIENCE = 120.0  # seconds


def wait_until(is_so: Callable[[], bool], say: Callable[[], str] = str) -> None:
    """Ask until it is so; fail with what ``say`` tells when it never is."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, say()
        time.sleep(0.02)
