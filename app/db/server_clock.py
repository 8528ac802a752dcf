"""The clock of the database server, which all its processes agree on."""

import time
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from app.errors import DatabaseError

_KEPT_SECONDS = 5.0
_JUMP_SECONDS = 1.0  # by which the wall clock is set, or the machine was suspended
_QUICK_SECONDS = 0.5
_TRIES = 3


class _Measured(NamedTuple):
    """The same moment on three clocks; the server's is right within half of ``took`` seconds."""

    server: float
    wall: float
    monotonic: float
    took: float


class ServerClock:
    """Asked every few seconds and when the clock of this machine jumps; between, carried by the monotonic."""

    def __init__(self) -> None:
        self._measured: _Measured | None = None

    def now(self, ask: Callable[[], float]) -> float:
        """Unix time of the server; ``ask`` asks it.

        Raises DatabaseError when it never answered; one that does not answer now is assumed to go on.
        """
        measured = self._measured
        if measured is None or self._is_old(measured):
            try:
                measured = self._measured = min(_measurements(ask), key=lambda each: each.took)
            except DatabaseError:
                if measured is None:
                    raise
        return measured.server + time.monotonic() - measured.monotonic

    @staticmethod
    def _is_old(measured: _Measured) -> bool:
        age = time.monotonic() - measured.monotonic
        return age > _KEPT_SECONDS or abs(time.time() - measured.wall - age) > _JUMP_SECONDS


@cache
def clock_of(_url: str) -> ServerClock:
    """That of the server with this URL, one for all connections of a process."""
    return ServerClock()


def _measurements(ask: Callable[[], float]) -> list[_Measured]:
    """Some, the last of which was quick if any was."""
    found: list[_Measured] = []
    while len(found) < _TRIES and not (found and found[-1].took < _QUICK_SECONDS):
        began = time.monotonic()
        server = ask()
        ended = time.monotonic()
        found.append(_Measured(server, time.time(), ended, ended - began))
    return [each._replace(server=each.server + each.took / 2) for each in found]
