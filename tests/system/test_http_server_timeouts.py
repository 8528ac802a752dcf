"""How long a client may occupy a connection or a thread: tests set the clock and run the server's loop."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING, Any

import pytest

from app.system import http_server
from tests.fakes.clock import Clock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_PIECE = bytes(2**20)


class Loop:
    """A server whose app streams endlessly at ``/stream``, sends 64 MB at ``/file`` and else a word."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.sent = self.ended = 0
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self._server = http_server.create_server(
            self._answer, [listener], body_limit=lambda _: 2**20, name="test", clock=lambda: clock.now
        )

    def _answer(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterator[bytes] | list[bytes]:
        if environ["PATH_INFO"] == "/stream":
            start("200 OK", [])
            return self._stream()
        if environ["PATH_INFO"] == "/file":
            start("200 OK", [("Content-Length", str(64 * len(_PIECE)))])
            return self._stream(64)
        start("200 OK", [("Content-Length", "4")])
        return [b"word"]

    def _stream(self, most: int = 2**30) -> Iterator[bytes]:
        try:
            for _ in range(most):
                yield _PIECE
                self.sent += 1
        finally:
            self.ended += 1

    def connect(self, receive_buffer: int = 0) -> socket.socket:
        """A client; ``receive_buffer`` limits what the system receives ahead of its reads, in bytes."""
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.connect(("127.0.0.1", self.port))
        sock.setblocking(False)
        return sock

    def until(self, condition: Callable[[], Any]) -> None:
        """Run the loop until the condition holds."""
        deadline = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < deadline
            self.turn()

    @property
    def channels(self) -> list[Any]:
        """The connections."""
        return [each for each in self._server.map.values() if hasattr(each, "is_overdue")]

    def look_for_overdue(self) -> None:
        """Close the overdue connections, as the server does each second."""
        for channel in self.channels:
            channel.server.maintenance(0.0)

    def turn(self) -> None:
        """Run the loop once."""
        self._server.asyncore.loop(timeout=0.02, map=self._server.map, use_poll=True, count=1)

    def close(self) -> None:
        """Close the server and its connections."""
        for channel in self.channels:
            channel.handle_close()
        self._server.close()


@pytest.fixture
def loop() -> Iterator[Loop]:
    with closing(Loop(Clock())) as loop:
        yield loop


def has_answer(line: socket.socket) -> bool:
    """Whether bytes arrived since the last call."""
    try:
        return line.recv(65536) != b""
    except BlockingIOError:
        return False


def is_closed(line: socket.socket) -> bool:
    """Whether the server has closed the connection, on which nothing was sent."""
    try:
        return line.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_an_idle_connection_is_closed(loop: Loop) -> None:
    with loop.connect() as line:
        loop.until(lambda: len(loop.channels) == 1)
        loop.clock.now += http_server.IDLE_SECONDS + 1
        loop.until(lambda: is_closed(line))


def test_an_unfinished_head_counts_as_idle_even_when_it_trickles(loop: Loop) -> None:
    with loop.connect() as line:
        line.send(b"GET / HTTP/1.1\r\n")
        loop.until(lambda: len(loop.channels) == 1)
        for _ in range(4):
            loop.clock.now += http_server.IDLE_SECONDS / 4 + 1
            line.send(b"X: 1\r\n")
            loop.turn()
        loop.until(lambda: is_closed(line))


def test_a_connection_with_regular_requests_stays_open(loop: Loop) -> None:
    with loop.connect() as asking, loop.connect() as silent:
        for number in range(4):
            asking.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            loop.until(lambda: has_answer(asking))
            loop.until(lambda: all(channel.is_idle for channel in loop.channels))
            loop.clock.now += http_server.IDLE_SECONDS * 0.6
            if number == 1:
                loop.until(lambda: is_closed(silent))  # overdue connections were closed
        asking.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        loop.until(lambda: has_answer(asking))


def test_a_stalled_body_is_abandoned(loop: Loop) -> None:
    with loop.connect() as line:
        line.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
        loop.until(lambda: any(not channel.is_idle for channel in loop.channels))
        loop.clock.now += http_server.STALLED_SECONDS + 1
        loop.until(lambda: is_closed(line))


def test_a_stalled_stream_reader_is_dropped_and_its_thread_freed(loop: Loop) -> None:
    with ExitStack() as held:
        for _ in range(http_server.THREADS):
            held.enter_context(loop.connect(4096)).send(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        loop.until(lambda: loop.sent >= http_server.THREADS * 16)
        assert loop.ended == 0

        def are_dropped() -> bool:
            loop.clock.now += 1.0  # each timeout starts when its own reader stops
            return loop.ended == http_server.THREADS

        loop.until(are_dropped)
        asking = held.enter_context(loop.connect())
        asking.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        loop.until(lambda: has_answer(asking))


def test_a_slow_reader_is_not_dropped(loop: Loop) -> None:
    with loop.connect(4096) as line, loop.connect() as silent:
        line.send(b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n")
        loop.until(lambda: has_answer(line))
        for _ in range(4):
            loop.clock.now += http_server.STALLED_SECONDS * 0.6
            taken = 0
            while taken < 256 * 1024:
                loop.turn()
                with suppress(BlockingIOError):
                    taken += len(line.recv(65536))
            loop.look_for_overdue()
        assert is_closed(silent)
        loop.until(lambda: has_answer(line))


def test_an_answer_of_known_length_holds_no_thread_while_it_is_read(loop: Loop) -> None:
    with ExitStack() as held:
        for _ in range(http_server.THREADS):
            held.enter_context(loop.connect(4096)).send(b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n")
        loop.until(lambda: loop.ended == http_server.THREADS)
