"""What an anonymous client can consume, and how long a page waits beside clients that hold connections.

``python -m bench.anonymous_clients``. The real server with ACCESS_PASSWORD; memory and CPU as the kernel
counts them; the same page without these clients for comparison.
"""

import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests

from bench._process_usage import cpu_seconds, peak_megabytes, reset_peak
from bench.archive import fill
from tools.server_process import ServerProcess, running_server

PASSWORD = "correct horse"
MAX_MEGABYTES, MAX_CPU, MAX_SECONDS = 20.0, 0.2, 2.0
READERS, IDLE, GUESSERS = 8, 499, 40
_FORM = "Content-Type: application/x-www-form-urlencoded"
_CHUNKED = "Transfer-Encoding: chunked"
_LARGE = 60_000_000


def main() -> None:
    """Print a line for each; exit with 1 above a bound."""
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), 60)
        with running_server(Path(folder), image_model="demo", access_password=PASSWORD) as server:
            passed = [_cost(server, name, request) for name, request in _requests(server)]
            with requests.Session() as person:
                person.post(f"{server.address}/login", data={"password": PASSWORD}, timeout=30)
                cookie = "; ".join(f"{name}={value}" for name, value in person.cookies.items())
                archive = _request_head(server, "GET", "/api/records/archive.zip", f"Cookie: {cookie}")
                _page(server, person)  # warm up
                print(f"{'a page alone':40} {_page(server, person):6.3f} s")
                for name, held in (
                    (f"a page, {READERS} readers of a ZIP stand still", _stalled_readers(server, archive)),
                    (f"a page, {IDLE} connections ask nothing", _connections(server, IDLE)),
                    (f"a page, {GUESSERS} passwords are tried at once", _password_guesses(server)),
                ):
                    with held:
                        seconds = max(_page(server, person) for _ in range(3))
                    print(f"{name:40} {seconds:6.3f} s (at most {MAX_SECONDS:.0f})", flush=True)
                    passed.append(seconds < MAX_SECONDS)
    sys.exit(0 if all(passed) else 1)


def _requests(server: ServerProcess) -> list[tuple[str, bytes]]:
    """The requests an anonymous client may try, each complete."""
    length = f"Content-Length: {_LARGE}"
    pieces = b"".join(b"10000\r\n" + b"a&" * 2**15 + b"\r\n" for _ in range(900)) + b"0\r\n\r\n"
    fields = b"a&" * 32_000
    wishes = ",".join(f"a{number};q=0.5" for number in range(5_000))
    return [
        (
            "60 MB of fields to /login",
            _request_head(server, "POST", "/login", _FORM, length) + b"a&" * (_LARGE // 2),
        ),
        (
            "60 MB in chunks to /language",
            _request_head(server, "POST", "/language", _FORM, _CHUNKED) + pieces,
        ),
        ("60 MB to /api/batches", _request_head(server, "POST", "/api/batches", length) + bytes(_LARGE)),
        ("a wrong password and 32,000 fields", _form(server, "/login", fields)),
        ("60 kB of languages", _request_head(server, "GET", "/login", f"Accept-Language: {wishes}")),
        ("10,000 lines of head", _request_head(server, "GET", "/login", *["a:"] * 10_000)),
        ("the state of the server", _request_head(server, "GET", "/healthz")),
    ]


def _cost(server: ServerProcess, name: str, request: bytes) -> bool:
    """Print the peak memory and CPU of one request -> whether both are within bounds."""
    assert server.process
    process = server.process.pid
    idle = reset_peak(process)
    before = cpu_seconds(process)
    with _connected(server) as line:
        line.sendall(request)
        status = line.recv(100).split()[1].decode()
    time.sleep(1)  # work may continue after the response
    cpu, megabytes = cpu_seconds(process) - before, peak_megabytes(process) - idle
    bounds = f"(at most {MAX_MEGABYTES:.0f} MB, {MAX_CPU} s)"
    print(f"{name:40} {status}: {megabytes:5.1f} MB, {cpu:5.2f} s of CPU {bounds}", flush=True)
    return megabytes < MAX_MEGABYTES and cpu < MAX_CPU


def _page(server: ServerProcess, person: requests.Session) -> float:
    began = time.monotonic()
    cookies = dict(person.cookies)  # on a new connection, like a newly opened browser
    requests.get(f"{server.address}/records", cookies=cookies, timeout=300).raise_for_status()
    return time.monotonic() - began


@contextmanager
def _connections(server: ServerProcess, count: int, receives: int = 0) -> Iterator[list[socket.socket]]:
    with ExitStack() as held:
        yield [held.enter_context(_connected(server, receives)) for _ in range(count)]


@contextmanager
def _stalled_readers(server: ServerProcess, archive: bytes) -> Iterator[None]:
    with _connections(server, READERS, receives=4096) as lines:
        for line in lines:
            line.sendall(archive)
        for line in lines:
            line.recv(1)
        time.sleep(3)  # until the buffers are full
        yield


@contextmanager
def _password_guesses(server: ServerProcess) -> Iterator[None]:
    guess = _form(server, "/login", b"password=guess")
    with ExitStack() as held:
        for number in range(GUESSERS):
            source = (f"127.0.1.{number + 1}", 0)
            line = socket.create_connection(("127.0.0.1", server.port), 30, source)
            held.enter_context(line)
            line.sendall(guess)
        yield


def _connected(server: ServerProcess, receives: int = 0) -> socket.socket:
    made = socket.socket()
    made.settimeout(60)
    if receives:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
    made.connect(("127.0.0.1", server.port))
    return made


def _form(server: ServerProcess, target: str, body: bytes) -> bytes:
    return _request_head(server, "POST", target, _FORM, f"Content-Length: {len(body)}") + body


def _request_head(server: ServerProcess, method: str, target: str, *lines: str) -> bytes:
    first = (f"{method} {target} HTTP/1.1", f"Host: localhost:{server.port}", "Connection: close")
    return "\r\n".join((*first, *lines, "", "")).encode()


if __name__ == "__main__":
    main()
