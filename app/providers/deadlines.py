"""Connections on which one call has one deadline: connecting, sending, the head and the body of the answer.

The time limits of requests begin anew with every byte, so that an answer that drips would never end.
"""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Mapping
from functools import partial
from http.client import HTTPResponse
from typing import Any, ClassVar

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

CONNECT_SECONDS = 10.0
_SENT_AT_ONCE = 16 * 1024


class Deadline:
    """When the call under way must be over; a session makes one call at a time."""

    def __init__(self) -> None:
        self._until = 0.0

    def start(self, seconds: float) -> None:
        """A call begins, and may take that long in all."""
        self._until = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left of it. Raises TimeoutError when none are."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


class TimedConnection(HTTPConnection):
    """A connection that follows the deadline of its adapter."""

    def __init__(self, *args: Any, deadline: Deadline, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline = deadline
        self.response_class = partial(_TimedResponse, deadline)  # type: ignore[assignment]  # is only called

    def find_addresses(self) -> list[str]:
        """The addresses of its host, in numbers. Raises OSError."""
        found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(answer[4][0]) for answer in found))

    def connect(self) -> None:
        """As the parent; the proxy's answer and the handshake count too."""
        self.timeout = min(CONNECT_SECONDS, self._deadline.left())
        super().connect()

    def send(self, data: Any) -> None:
        """As the parent, in parts, so that a service that reads slowly is left in time."""
        if self.sock is None:
            self.connect()
        if not isinstance(data, bytes):
            super().send(data)
            return
        for start in range(0, len(data), _SENT_AT_ONCE):
            self.sock.settimeout(self._deadline.left())
            super().send(data[start : start + _SENT_AT_ONCE])

    def _new_conn(self) -> socket.socket:
        try:
            addresses = self.find_addresses()
        except (OSError, UnicodeError) as problem:
            raise NameResolutionError(self.host, self, socket.gaierror(str(problem))) from None
        return self._reach(addresses)

    def _reach(self, addresses: list[str]) -> socket.socket:
        """A socket to the first address that answers; each gets an equal part of the time that is left."""
        until = time.monotonic() + min(CONNECT_SECONDS, self._deadline.left())
        failure = OSError("no address")
        for number, address in enumerate(addresses):
            part = (until - time.monotonic()) / (len(addresses) - number)
            try:
                return self._open(address, max(part, 0.001))
            except OSError as problem:
                failure = problem
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, "timed out")
        raise NewConnectionError(self, str(failure))

    def _open(self, address: str, seconds: float) -> socket.socket:
        opened = socket.create_connection((address, self.port), timeout=seconds)
        for option in self.socket_options or ():
            opened.setsockopt(*option)
        opened.settimeout(min(CONNECT_SECONDS, self._deadline.left()))
        return opened


class TimedTLSConnection(TimedConnection, HTTPSConnection):
    """The same with TLS."""


class TimedPool(HTTPConnectionPool):
    """Connections to one place."""

    ConnectionCls = TimedConnection


class TimedTLSPool(HTTPSConnectionPool):
    """The same with TLS."""

    ConnectionCls = TimedTLSConnection


class TimedAdapter(HTTPAdapter):
    """Makes calls of a session, each with ``timeout`` seconds in all. For one thread at a time."""

    pools: ClassVar[Mapping[str, type[HTTPConnectionPool]]] = {"http": TimedPool, "https": TimedTLSPool}

    def __init__(self) -> None:
        self._deadline = Deadline()
        super().__init__()

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        """As the parent, with ``pools``."""
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **kwargs)
        self._use_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> ProxyManager:
        """As the parent, with ``pools``."""
        manager: ProxyManager = super().proxy_manager_for(proxy, **kwargs)
        self._use_pools(manager)
        return manager

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Response:
        """As the parent; ``timeout`` is seconds, for all of the call and its answer."""
        self._deadline.start(timeout)
        return super().send(request, stream, max(timeout, 0.001), verify, cert, proxies)

    def _use_pools(self, manager: PoolManager) -> None:
        timed: dict[str, Any] = {
            scheme: partial(pool, deadline=self._deadline) for scheme, pool in self.pools.items()
        }
        manager.pool_classes_by_scheme = timed


class _TimedResponse(HTTPResponse):
    """An answer that is read until the deadline and no longer."""

    def __init__(self, deadline: Deadline, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_TimedReader(deadline, sock, self.fp.detach()))


class _TimedReader(io.RawIOBase):
    def __init__(self, deadline: Deadline, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._deadline = deadline
        self._sock = sock
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._deadline.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
