"""How long a client may occupy a connection or a thread: tests set the clock and run the server's loop."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING, Any

import pytest

from app.system import http_server
from tools.fakes.clock import Clock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LIMIT = 2**20  # of a body
_PIECE = bytes(2**20)


class Loop:
    """A server whose app streams endlessly at ``/stream``, sends 64 MB at ``/file`` and else a word.

    At ``/wait`` it answers once it may.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.sent = self.ended = 0
        self.may_answer = threading.Event()
        self.has_gone: Callable[[], bool] | None = None  # asked of the client of /wait
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self._server = http_server.create_server(
            self._answer, [listener], body_limit=lambda _: LIMIT, name="test", clock=lambda: clock.now
        )

    def _answer(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterator[bytes] | list[bytes]:
        if environ["PATH_INFO"] == "/stream":
            start("200 OK", [])
            return self._stream()
        if environ["PATH_INFO"] == "/wait":
            self.has_gone = environ["waitress.client_disconnected"]
            self.may_answer.wait(60)
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

    @property
    def size(self) -> int:
        """What counts against MAX_CONNECTIONS: the connections, the listening socket and the wake-up pipe."""
        return len(self._server.map)

    def settle(self) -> None:
        """Run the loop until nothing moves any more."""
        moved = None
        while moved != (moved := [channel._moved for channel in self.channels]):
            self.turn()

    def send_all(self, line: socket.socket, data: bytes) -> None:
        """Send more than fits into the buffers of the system."""
        while data:
            with suppress(BlockingIOError):
                data = data[line.send(data) :]
            self.turn()

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


def test_a_body_that_trickles_is_abandoned(loop: Loop) -> None:
    with loop.connect() as line:
        line.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        loop.until(lambda: any(not channel.is_idle for channel in loop.channels))
        for _ in range(2):
            assert not is_closed(line)
            loop.clock.now += http_server.STALLED_SECONDS - 1
            line.send(b"x")
            loop.settle()
            loop.look_for_overdue()
        assert is_closed(line)


def test_a_reader_that_takes_little_at_a_time_is_dropped(loop: Loop) -> None:
    with loop.connect(4096) as line:
        loop.until(lambda: loop.channels)
        (channel,) = loop.channels
        channel.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # what is read is sent at once
        line.send(b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n")
        loop.until(lambda: loop.ended)
        loop.settle()
        for _ in range(2):
            assert loop.channels
            loop.clock.now += http_server.STALLED_SECONDS - 1
            assert line.recv(8192)
            loop.settle()
            loop.look_for_overdue()
        assert not loop.channels


def test_a_chunked_body_is_answered_as_soon_as_it_passes_the_limit(loop: Loop) -> None:
    with loop.connect() as line:
        line.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"10000\r\n" + bytes(0x10000) + b"\r\n"
        for _ in range(LIMIT // 0x10000 + 1):  # the body does not end
            loop.send_all(line, piece)
        loop.until(lambda: has_answer(line))


def test_a_running_upload_is_kept_when_there_are_too_many_connections(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = bytes(64 * 1024)
    with ExitStack() as held:
        uploading, stalled = (held.enter_context(loop.connect()) for _ in range(2))
        for line in (uploading, stalled):
            line.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
        loop.until(lambda: [channel.is_idle for channel in loop.channels] == [False] * 2)
        loop.clock.now += 1.0
        loop.send_all(uploading, body[:-1])
        loop.settle()
        loop.look_for_overdue()
        loop.clock.now += 1.0
        idle = held.enter_context(loop.connect())
        loop.until(lambda: len(loop.channels) == 3)
        monkeypatch.setattr(http_server, "MAX_CONNECTIONS", loop.size)
        loop.look_for_overdue()
        assert [is_closed(line) for line in (uploading, stalled, idle)] == [False, False, True]
        monkeypatch.setattr(http_server, "MAX_CONNECTIONS", loop.size)
        loop.look_for_overdue()
        assert [is_closed(line) for line in (uploading, stalled)] == [False, True]
        uploading.send(body[-1:])
        loop.until(lambda: has_answer(uploading))


def test_a_request_that_is_being_answered_is_kept_when_there_are_too_many_connections(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with loop.connect() as line:
        line.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        loop.until(lambda: any(channel.is_served for channel in loop.channels))
        monkeypatch.setattr(http_server, "MAX_CONNECTIONS", loop.size)
        loop.look_for_overdue()
        loop.may_answer.set()
        loop.until(lambda: has_answer(line))


def test_the_app_sees_that_the_client_has_gone(loop: Loop) -> None:
    with loop.connect() as client:
        client.sendall(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
        loop.until(lambda: loop.has_gone)
        assert loop.has_gone
        assert not loop.has_gone()
    loop.until(loop.has_gone)
    loop.may_answer.set()


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
