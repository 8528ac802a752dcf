"""Waiting for what no locator shows: the clipboard, the browser's database, a server that has come so far."""

from collections.abc import Callable

from tests.waiting import wait_until


def until(is_so: Callable[[], bool]) -> None:
    """Ask until it is so. ``wait_for_function`` cannot: it takes a promise for a yes."""
    wait_until(is_so)
