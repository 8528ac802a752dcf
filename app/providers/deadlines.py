"""HTTP connections with one deadline per call: connecting, sending, response headers and body.

The timeouts of requests restart with every read, so that a slow-drip response would never end.
"""

from __future__ import annotations

import io
import socket
import ssl
import time
from collections.abc import Callable
from functools import partial
from http.client import HTTPException, HTTPResponse
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

CONNECT_SECONDS = 10.0
_CHUNK = 16 * 1024

Resolve = Callable[[str, int], list[str]]  # host and port -> IP addresses; raises OSError


def resolve(host: str, port: int) -> list[str]:
    """Resolve a host to its IP addresses, each once. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in found))


class DeadlineAdapter(HTTPAdapter):
    """Gives each call of a session ``timeout`` seconds in total. Not thread-safe.

    A failure to connect, also to or through a proxy, or in TLS, raises NewConnectionError or
    ConnectTimeoutError inside the exception of requests; see ``http.failed_before_send``.
    """

    def __init__(self, resolve: Resolve = resolve) -> None:
        self._deadline = Deadline()
        self._resolve = resolve
        super().__init__()

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """As the parent, a pool of connections that obey the deadline."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = _TLSConnection if pool.scheme == "https" else DeadlineConnection
        pool.conn_kw.update(deadline=self._deadline, resolve=self._resolve)
        return pool

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """As the parent; ``timeout`` is in seconds, for the whole call and its response."""
        seconds = kwargs["timeout"]
        self._deadline.start(seconds)
        return super().send(request, *args, **{**kwargs, "timeout": max(seconds, 0.001)})


class Deadline:
    """The deadline of the current call; a session makes one call at a time."""

    def __init__(self) -> None:
        self._until = 0.0

    def start(self, seconds: float) -> None:
        """Start a call that may take that many seconds in total."""
        self._until = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left. Raises TimeoutError when there are none."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


class DeadlineConnection(HTTPConnection):
    """A connection that obeys a deadline, and whose host is resolved by ``resolve``."""

    def __init__(self, *args: Any, deadline: Deadline, resolve: Resolve, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline = deadline
        self._resolve = resolve
        self.response_class = partial(_TimedResponse, deadline)  # type: ignore[assignment]  # only called

    def connect(self) -> None:
        """As the parent; the proxy's response and the TLS handshake count too."""
        try:
            self.timeout = min(CONNECT_SECONDS, self._deadline.left())
            super().connect()
        except (OSError, HTTPException) as problem:  # an invalid TLS handshake or proxy response
            kind = "CERTIFICATE" if isinstance(problem, ssl.SSLCertVerificationError) else repr(problem)
            raise NewConnectionError(self, kind) from problem

    def send(self, data: Any) -> None:
        """As the parent, in chunks, so that a slow reader cannot exceed the deadline."""
        if self.sock is None:
            self.connect()
        if not isinstance(data, bytes):
            super().send(data)
            return
        for start in range(0, len(data), _CHUNK):
            self.sock.settimeout(self._deadline.left())
            super().send(data[start : start + _CHUNK])

    def _new_conn(self) -> socket.socket:
        try:
            addresses = self._resolve(self._dns_host, self.port)
        except (OSError, UnicodeError) as problem:
            raise NameResolutionError(self.host, self, socket.gaierror(str(problem))) from None
        return self._connect_to_any(addresses)

    def _connect_to_any(self, addresses: list[str]) -> socket.socket:
        """Connect to the first address that responds; each gets an equal share of the remaining time."""
        until = time.monotonic() + min(CONNECT_SECONDS, self._deadline.left())
        failure = OSError("no address")
        for number, address in enumerate(addresses):
            share = (until - time.monotonic()) / (len(addresses) - number)
            try:
                return self._open(address, max(share, 0.001))
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


class _TLSConnection(DeadlineConnection, HTTPSConnection):
    """The same with TLS."""


class _TimedResponse(HTTPResponse):
    """A response whose reads end at the deadline."""

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
