"""The real server process against clients that send too much, read too slowly, or hold connections."""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
import requests

import database
from app.system import http_server
from tools.server_process import ServerProcess, running_server
from tools.waiting import TIMEOUT, wait_until

PASSWORD = "correct horse"
_FORM = "application/x-www-form-urlencoded"
_MEGABYTE = 2**20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with images for a ZIP larger than all buffers."""
    folder = tmp_path_factory.mktemp("server")
    with running_server(folder, image_model="demo", access_password=PASSWORD) as started:
        with closing(database.connect(folder / "generation_records.db")) as db, database.transaction(db):
            for number in range(30):
                (folder / "output" / f"{number}.png").write_bytes(os.urandom(_MEGABYTE))
                db.execute(
                    "INSERT INTO generation_records (prompt, filename, image_path) VALUES ('x', ?, ?)",
                    (f"{number}.png", f"/output/{number}.png"),
                )
        yield started


@pytest.fixture
def session(server: ServerProcess) -> Iterator[requests.Session]:
    """A client that has logged in."""
    with requests.Session() as session:
        session.post(f"{server.address}/login", data={"password": PASSWORD}, timeout=TIMEOUT)
        yield session


def head(server: ServerProcess, target: str, *headers: str, method: str = "POST") -> bytes:
    parts = [f"{method} {target} HTTP/1.1", f"Host: localhost:{server.port}", *headers, "", ""]
    return "\r\n".join(parts).encode()


def connected(server: ServerProcess, *, receive_buffer: int = 0) -> socket.socket:
    """A connection; ``receive_buffer`` limits what the system receives ahead of reads, in bytes."""
    sock = socket.socket()
    sock.settimeout(TIMEOUT)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.connect(("127.0.0.1", server.port))
    return sock


def status_of(connection: socket.socket) -> int:
    """The status of the response; 0 when the connection is closed without one."""
    found = re.match(rb"HTTP/1\.1 (\d+)", connection.recv(65536))
    return int(found[1]) if found else 0


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has closed the connection."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def peak_kilobytes(server: ServerProcess) -> int:
    text = Path(f"/proc/{server.pid}/status").read_text("ascii")
    return int(re.findall(r"VmHWM:\s+(\d+)", text)[0])


def test_the_head_of_a_streamed_response_has_no_body(
    server: ServerProcess, session: requests.Session
) -> None:
    with connected(server) as connection:
        lines = (f"Cookie: {cookie_of(session)}", "Connection: close")
        connection.sendall(head(server, "/api/usage/export.csv", *lines, method="HEAD"))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.partition(b"\r\n\r\n")[2] == b""


@pytest.mark.parametrize("more", [f"Content-Type: {_FORM}", "Expect: 100-continue"], ids=["form", "expect"])
@pytest.mark.parametrize("target", ["/login", "/language", "/logout", "/api/batches", "/nowhere"])
def test_a_large_body_before_the_login_is_refused_by_its_announced_length(
    server: ServerProcess, target: str, more: str
) -> None:
    with connected(server) as connection:
        connection.sendall(head(server, target, more, f"Content-Length: {60 * _MEGABYTE}"))
        assert status_of(connection) in ([413] if target == "/login" else [403, 413])


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_large_body_before_the_login_takes_no_memory(tmp_path: Path, is_chunked: bool) -> None:
    with running_server(tmp_path, image_model="demo", access_password=PASSWORD) as server:
        before = peak_kilobytes(server)
        pieces = (b"a&" * 32 * 1024 for _ in range(320))
        answer = requests.post(
            f"{server.address}/login",
            pieces if is_chunked else b"".join(pieces),
            headers={"Content-Type": _FORM},
            timeout=TIMEOUT,
        )
        assert answer.status_code == 413
        assert "一次最多 64 KB" in answer.text
        assert peak_kilobytes(server) - before < 20_000


def test_a_logged_in_client_may_send_more_up_to_a_stated_limit(
    server: ServerProcess, session: requests.Session
) -> None:
    url = f"{server.address}/api/sample-images"
    answer = session.post(url, files={"file": ("x.png", bytes(3 * _MEGABYTE))}, timeout=TIMEOUT)
    assert answer.status_code == 400
    answer = session.post(url, files={"file": ("x.png", bytes(65 * _MEGABYTE))}, timeout=TIMEOUT)
    assert (answer.status_code, answer.headers["Connection"]) == (413, "close")
    assert "一次最多 64 MB" in answer.json()["error"]


def test_a_pipelined_request_is_not_answered(server: ServerProcess) -> None:
    with connected(server) as connection, closing(connection.makefile("rb")) as answers:
        connection.sendall(head(server, "/login", method="GET") * 50)
        text = answers.read()
    assert text.count(b"HTTP/1.1 200 OK") == 1
    assert b"Connection: close" in text


def test_a_page_is_served_while_every_connection_is_taken(server: ServerProcess) -> None:
    with ExitStack() as held:
        connections = [held.enter_context(connected(server)) for _ in range(http_server.MAX_CONNECTIONS + 40)]
        assert requests.get(f"{server.address}/login", timeout=TIMEOUT).status_code == 200
        assert is_closed(connections[0])


def cookie_of(session: requests.Session) -> str:
    return "; ".join(f"{name}={value}" for name, value in session.cookies.items())


@contextmanager
def archives(server: ServerProcess, session: requests.Session, count: int) -> Iterator[list[socket.socket]]:
    """Connections that have requested the ZIP and read nothing of it. At the end the server is free again."""
    archive = f"{server.address}/api/records/archive.zip"
    with ExitStack() as held:
        connections = [held.enter_context(connected(server, receive_buffer=4096)) for _ in range(count)]
        for connection in connections:
            cookie = f"Cookie: {cookie_of(session)}"
            connection.sendall(head(server, "/api/records/archive.zip", cookie, method="GET"))
        yield connections
    wait_until(lambda: session.head(archive, timeout=TIMEOUT).status_code == 200)


def test_slow_archive_readers_leave_threads_for_pages(
    server: ServerProcess, session: requests.Session
) -> None:
    archive = f"{server.address}/api/records/archive.zip"
    with archives(server, session, 8) as connections:
        statuses = sorted(status_of(connection) for connection in connections)
        assert statuses == [200] * 2 + [503] * 6
        assert session.get(f"{server.address}/records", timeout=TIMEOUT).status_code == 200
        refused = session.get(archive, timeout=TIMEOUT)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
        assert "下载" in refused.json()["error"]
    assert len(session.get(archive, timeout=TIMEOUT).content) > 30 * _MEGABYTE


def test_an_archive_whose_image_is_deleted_meanwhile_ends_short_of_its_announced_length(
    server: ServerProcess, session: requests.Session
) -> None:
    names = [server.data_dir / "output" / f"{number}.png" for number in (0, 29)]
    contents = [path.read_bytes() for path in names]
    with archives(server, session, 1) as (connection,), closing(connection.makefile("rb")) as answer:
        head_lines = list(iter(answer.readline, b"\r\n"))
        for path in names:  # of 30 MB, the server has read at most 16
            path.unlink()
        lengths = [int(text[15:]) for text in head_lines if text.lower().startswith(b"content-length:")]
        received = len(answer.read())
        for path, content in zip(names, contents, strict=True):
            path.write_bytes(content)
    assert 0 < received < lengths[0]


def test_pages_do_not_wait_for_password_hashing(server: ServerProcess) -> None:
    body = b"password=guess"
    with ExitStack() as held:
        connections = [held.enter_context(connected(server)) for _ in range(40)]
        for connection in connections:
            length = f"Content-Length: {len(body)}"
            connection.sendall(head(server, "/login", f"Content-Type: {_FORM}", length) + body)
        statuses = [status_of(connection) for connection in connections]
    assert set(statuses) <= {403, 429}
    assert statuses.count(429) >= 30
