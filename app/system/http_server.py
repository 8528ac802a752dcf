"""The HTTP server: waitress, with limits on body size, idle time and stalled connections.

Plain waitress reads every body to its end, blocks a thread until its response is read, keeps stalled
connections open, and accepts none while ``connection_limit`` are open.
"""

import contextlib
import functools
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import MultiSocketServer, TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher, WSGITask

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

THREADS = 8
MAX_CONNECTIONS = 480  # select() on Windows takes 512 sockets, listening ones included
IDLE_SECONDS = 30.0  # until the request headers are complete
STALLED_SECONDS = 30.0  # in which a body or response moves by fewer bytes than _LEAST_MOVED
_LEAST_MOVED = 16 * 1024
_MAX_HEAD_BYTES = 64 * 1024
_MAX_BODY_BYTES = 256 * 2**20  # read and discarded at most, so that the client still gets its response
_DISCARDED_AT_ONCE = 256 * 1024

BodyLimit = Callable[[Mapping[str, Any]], int]  # WSGI environ without the body -> max. body size in bytes


def create_server(
    app: "WSGIApplication",
    sockets: Sequence[socket.socket],
    *,
    body_limit: BodyLimit,
    name: str,
    clock: Callable[[], float] = time.monotonic,
) -> MultiSocketServer:
    """A server on these listening sockets; ``run()`` serves, ``close()`` closes it."""
    adjustments = Adjustments(
        sockets=list(sockets),
        threads=THREADS,
        connection_limit=MAX_CONNECTIONS + 20,  # above it waitress accepts none, and none is evicted
        cleanup_interval=1,
        max_request_header_size=_MAX_HEAD_BYTES,
        max_request_body_size=_MAX_BODY_BYTES,
        clear_untrusted_proxy_headers=False,  # they tell that a proxy passed the request on
        ident=name,
        asyncore_use_poll=True,  # select() handles at most 1,024 file descriptors
    )
    dispatcher = ThreadedTaskDispatcher()
    dispatcher.set_thread_count(THREADS)
    channels: dict[int, Any] = {}
    servers = []
    for listener in sockets:
        kind = (listener.family, listener.type)
        server = _Server(app, channels, True, listener, dispatcher, adjustments, kind, bind_socket=False)
        server.body_limit, server.clock = body_limit, clock
        servers.append(server)
    addresses = [(server.effective_host, server.effective_port) for server in servers]
    return MultiSocketServer(channels, adjustments, addresses, dispatcher)


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """Parses one request. A body beyond its limit is dropped: the app gets its length but no body."""

    has_unread = False  # whether the client may still send unread bytes

    def __init__(self, body_limit: BodyLimit, adj: Adjustments) -> None:
        super().__init__(adj)
        self._body_limit = body_limit
        self._limit: int | None = None

    def received(self, data: bytes) -> int:
        """Parse received data -> number of bytes that belong to this request or are discarded."""
        used: int = super().received(data)
        if self.body_rcv is not None and self._is_too_large():
            self._refuse_body()
        elif self.error is None and not (self.completed and not self.empty and data[used:].strip()):
            return used
        # Nothing more is read: body too large, not HTTP, or a pipelined request.
        self.headers["CONNECTION"] = "close"
        self.has_unread = True
        return len(data)

    def _is_too_large(self) -> bool:
        if self._limit is None:
            self._limit = self._body_limit(self._environ())
        return bool(max(self.content_length, self.body_bytes_received) > self._limit)

    def _refuse_body(self) -> None:
        self.close()
        self.body_rcv = self.error = None
        self.completed = True
        self.expect_continue = False
        self.headers["CONTENT_LENGTH"] = str(max(self.content_length, (self._limit or 0) + 1))

    def _environ(self) -> dict[str, Any]:
        environ = {f"HTTP_{name}": value for name, value in self.headers.items()}
        return environ | {
            "REQUEST_METHOD": self.command,
            "PATH_INFO": self.path,
            "QUERY_STRING": self.query,
            "CONTENT_TYPE": self.headers.get("CONTENT_TYPE", ""),
            "SERVER_NAME": self.adj.server_name,
            "SERVER_PORT": "80",
            "wsgi.url_scheme": self.url_scheme,
        }


class _Task(WSGITask):  # type: ignore[misc]
    """One request served by the app."""

    def build_response_header(self) -> bytes:
        """Build the headers and record on the channel whether the response is to be sent as it is made."""
        unbuffered = ("X-Accel-Buffering", "no") in self.response_headers  # as nginx reads it
        self.channel.is_stream = self.content_length is None or unbuffered
        head: bytes = super().build_response_header()
        if self.request.command == "HEAD":
            self.chunked_response = False  # there is no last chunk either
        return head


class _Channel(HTTPChannel):  # type: ignore[misc]
    """One connection, with the time its client has kept it waiting."""

    task_class = _Task
    has_unread = False
    is_stream = False  # whether the current response is to be sent as it is made
    close_when_flushed: bool  # set by waitress
    _is_discarding = False
    _discarded = 0

    def __init__(self, server: "_Server", sock: socket.socket, addr: Any, adj: Adjustments, map: Any) -> None:
        self.parser_class = functools.partial(_Parser, server.body_limit)
        self._moved = self._moved_before = 0
        self.waiting_since = server.clock()
        super().__init__(server, sock, addr, adj, map=map)

    @property
    def is_served(self) -> bool:
        """Whether the app is processing its request; that time does not count against the client."""
        return bool(self.requests) and not self.total_outbufs_len

    @property
    def is_idle(self) -> bool:
        """Whether no complete request headers have arrived and no response is being sent."""
        is_in_head = self.request is None or not self.request.headers_finished
        return is_in_head and not (self.requests or self.total_outbufs_len or self._is_discarding)

    def check_client_disconnected(self) -> bool:
        """Whether the client closed the connection; nothing is read while the app processes its request."""
        try:
            return not (self.connected and self.socket.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False
        except OSError:
            return True

    def is_overdue(self, now: float) -> bool:
        """Whether the client timed out; to be called about once a second."""
        if self.is_served or (not self.is_idle and self._moved - self._moved_before >= _LEAST_MOVED):
            self.restart_timeout()
        return now - self.waiting_since > (IDLE_SECONDS if self.is_idle else STALLED_SECONDS)

    def restart_timeout(self) -> None:
        """Restart the client's timeout."""
        self.waiting_since, self._moved_before = self.server.clock(), self._moved

    def service(self) -> None:
        """Run the app; the timeout restarts before it and with the response."""
        self.restart_timeout()
        self.has_unread = self.requests[0].has_unread
        super().service()
        self.restart_timeout()

    def received(self, data: bytes) -> bool:
        """Parse received data; the timeout restarts when the headers are complete."""
        was_idle = self.is_idle
        taken: bool = super().received(data)
        if was_idle and not self.is_idle:
            self.restart_timeout()
        return taken

    def recv(self, buffer_size: int) -> bytes:
        """Receive, counting bytes."""
        data: bytes = super().recv(buffer_size)
        self._moved += len(data)
        return data

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Send, counting bytes."""
        sent: int = super().send(data, do_close)
        self._moved += sent
        return sent

    def readable(self) -> bool:
        """Whether to read from the socket."""
        return self._is_discarding or bool(super().readable())

    def handle_read(self) -> None:
        """Read; unwanted data is discarded."""
        if not self._is_discarding:
            super().handle_read()
            return
        try:
            self._discarded += len(self.recv(_DISCARDED_AT_ONCE))
        except OSError:
            self.handle_close()
        if self._discarded > _MAX_BODY_BYTES:
            self.handle_close()

    def handle_write(self) -> None:
        """Send, then close, unless the client is still sending: a reset would lose the response."""
        if self.has_unread and self.close_when_flushed:
            self._flush_exception(self._flush_some)
            if not self.total_outbufs_len and self.connected:
                self.close_when_flushed = False
                self._is_discarding = True
                with contextlib.suppress(OSError):
                    self.socket.shutdown(socket.SHUT_WR)
        if self.connected:
            super().handle_write()

    def _flush_outbufs_below_high_watermark(self) -> None:
        """Apply backpressure to streams only; other responses are buffered in a temporary file."""
        if self.is_stream:
            super()._flush_outbufs_below_high_watermark()


class _Server(TcpWSGIServer):  # type: ignore[misc]
    """Accepts connections, evicts waiting ones at the limit and closes those that timed out."""

    channel_class = _Channel
    body_limit: BodyLimit
    clock: Callable[[], float]

    def handle_accept(self) -> None:
        """Accept a connection, evicting another at the limit."""
        self._evict_connections()
        super().handle_accept()

    def maintenance(self, now: float) -> None:
        """Each second: close overdue connections. ``now`` is wall-clock time, so it is not used."""
        for channel in list(self.active_channels.values()):
            if channel.is_overdue(self.clock()):
                channel.handle_close()
        self._evict_connections()

    def _evict_connections(self) -> None:
        """Close idle connections first, then stalled ones, each longest-waiting first."""
        while len(self._map) >= MAX_CONNECTIONS:
            channels = [item for item in self._map.values() if isinstance(item, _Channel)]
            waiting = [channel for channel in channels if not channel.is_served]
            if not waiting:
                return
            min(waiting, key=lambda channel: (not channel.is_idle, channel.waiting_since)).handle_close()
