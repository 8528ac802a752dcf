"""What a client without the password can take, and how long a page waits beside clients that only hold on.

``python -m bench.strangers``. The real server with ACCESS_PASSWORD; memory and CPU as the kernel counts them.
The same page without these clients stands beside it.
"""

import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests

from bench._resident import cpu_seconds, peak_megabytes, reset_peak
from bench.archive import fill
from tests.house_process import HouseProcess, served

PASSWORD = "correct horse"
MOST_MEGABYTES, MOST_CPU, MOST_SECONDS = 20.0, 0.2, 2.0
READERS, IDLE, GUESSERS = 8, 499, 40
_FORM = "Content-Type: application/x-www-form-urlencoded"
_CHUNKED = "Transfer-Encoding: chunked"
_LARGE = 60_000_000


def main() -> None:
    """Print a line for each; exit with 1 when one takes too much."""
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), 60)
        with served(Path(folder), image_model="demo", access_password=PASSWORD) as house:
            kept = [_cost(house, name, request) for name, request in _requests(house)]
            with requests.Session() as person:
                person.post(f"{house.address}/login", data={"password": PASSWORD}, timeout=30)
                cookie = "; ".join(f"{name}={value}" for name, value in person.cookies.items())
                archive = _head(house, "GET", "/api/records/archive.zip", f"Cookie: {cookie}")
                _page(house, person)  # the first is slower
                print(f"{'a page alone':40} {_page(house, person):6.3f} s")
                for name, held in (
                    (f"a page, {READERS} readers of a ZIP stand still", _readers(house, archive)),
                    (f"a page, {IDLE} connections ask nothing", _connections(house, IDLE)),
                    (f"a page, {GUESSERS} passwords are tried at once", _guesses(house)),
                ):
                    with held:
                        seconds = max(_page(house, person) for _ in range(3))
                    print(f"{name:40} {seconds:6.3f} s (at most {MOST_SECONDS:.0f})", flush=True)
                    kept.append(seconds < MOST_SECONDS)
    sys.exit(0 if all(kept) else 1)


def _requests(house: HouseProcess) -> list[tuple[str, bytes]]:
    """What a client without the password may try, each whole."""
    length = f"Content-Length: {_LARGE}"
    pieces = b"".join(b"10000\r\n" + b"a&" * 2**15 + b"\r\n" for _ in range(900)) + b"0\r\n\r\n"
    fields = b"a&" * 32_000
    wishes = ",".join(f"a{number};q=0.5" for number in range(5_000))
    return [
        ("60 MB of fields to /login", _head(house, "POST", "/login", _FORM, length) + b"a&" * (_LARGE // 2)),
        ("60 MB in chunks to /language", _head(house, "POST", "/language", _FORM, _CHUNKED) + pieces),
        ("60 MB to /api/batches", _head(house, "POST", "/api/batches", length) + bytes(_LARGE)),
        ("a wrong password and 32,000 fields", _form(house, "/login", fields)),
        ("60 kB of languages", _head(house, "GET", "/login", f"Accept-Language: {wishes}")),
        ("10,000 lines of head", _head(house, "GET", "/login", *["a:"] * 10_000)),
        ("the state of the server", _head(house, "GET", "/healthz")),
    ]


def _cost(house: HouseProcess, name: str, request: bytes) -> bool:
    """Print the peak of memory and the CPU that one request takes -> whether both are within bounds."""
    assert house.process
    process = house.process.pid
    idle = reset_peak(process)
    before = cpu_seconds(process)
    with _connected(house) as line:
        line.sendall(request)
        status = line.recv(100).split()[1].decode()
    time.sleep(1)  # what it began may go on after its answer
    cpu, megabytes = cpu_seconds(process) - before, peak_megabytes(process) - idle
    bounds = f"(at most {MOST_MEGABYTES:.0f} MB, {MOST_CPU} s)"
    print(f"{name:40} {status}: {megabytes:5.1f} MB, {cpu:5.2f} s of CPU {bounds}", flush=True)
    return megabytes < MOST_MEGABYTES and cpu < MOST_CPU


def _page(house: HouseProcess, person: requests.Session) -> float:
    began = time.monotonic()
    cookies = dict(person.cookies)  # on a connection of its own, as a browser that has just been opened
    requests.get(f"{house.address}/records", cookies=cookies, timeout=300).raise_for_status()
    return time.monotonic() - began


@contextmanager
def _connections(house: HouseProcess, count: int, receives: int = 0) -> Iterator[list[socket.socket]]:
    with ExitStack() as held:
        yield [held.enter_context(_connected(house, receives)) for _ in range(count)]


@contextmanager
def _readers(house: HouseProcess, archive: bytes) -> Iterator[None]:
    with _connections(house, READERS, receives=4096) as lines:
        for line in lines:
            line.sendall(archive)
        for line in lines:
            line.recv(1)
        time.sleep(3)  # until what they may leave unread is full
        yield


@contextmanager
def _guesses(house: HouseProcess) -> Iterator[None]:
    guess = _form(house, "/login", b"password=guess")
    with ExitStack() as held:
        for number in range(GUESSERS):
            source = (f"127.0.1.{number + 1}", 0)
            line = socket.create_connection(("127.0.0.1", house.port), 30, source)
            held.enter_context(line)
            line.sendall(guess)
        yield


def _connected(house: HouseProcess, receives: int = 0) -> socket.socket:
    made = socket.socket()
    made.settimeout(60)
    if receives:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
    made.connect(("127.0.0.1", house.port))
    return made


def _form(house: HouseProcess, target: str, body: bytes) -> bytes:
    return _head(house, "POST", target, _FORM, f"Content-Length: {len(body)}") + body


def _head(house: HouseProcess, method: str, target: str, *lines: str) -> bytes:
    first = (f"{method} {target} HTTP/1.1", f"Host: localhost:{house.port}", "Connection: close")
    return "\r\n".join((*first, *lines, "", "")).encode()


if __name__ == "__main__":
    main()
