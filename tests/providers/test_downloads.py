"""Downloads: accepted content, hosts and sizes, and the errors."""

import gzip
import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.domain import Reference
from app.errors import Billed, ModelError
from app.providers import downloads as downloads_module
from app.providers import http as http_module
from app.providers.downloads import Downloads
from tools.fakes.clock import Clock
from tools.fakes.images import make_image

PNG = make_image(8, 8)
Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class Site:
    """An HTTP server that responds by ``answers[path]``."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.seen.append((self.path, dict(self.headers)))
                site.answers[self.path](self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.address = f"http://127.0.0.1:{self.port}"

    def respond(self, path: str, content: bytes = PNG, status: int = 200, **headers: str) -> str:
        """Set the response of a path; returns its URL."""

        def answer(to: http.server.BaseHTTPRequestHandler) -> None:
            to.send_response(status)
            to.send_header("Content-Length", str(len(content)))
            for name, value in headers.items():
                to.send_header(name.replace("_", "-"), value)
            to.end_headers()
            to.wfile.write(content)

        self.answers[path] = answer
        return f"{self.address}{path}"


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()
    thread = threading.Thread(target=served.server.serve_forever, args=(0.02,))
    thread.start()
    yield served
    served.server.shutdown()
    thread.join()
    served.server.server_close()


@pytest.fixture
def downloads(site: Site) -> Downloads:
    """Downloads of the service at the site's own address."""
    return Downloads("测试", site.address, timeout=60)


@pytest.fixture
def foreign(site: Site) -> Downloads:
    """Downloads of another service, for which the site is a private address."""
    return Downloads("测试", "https://service.example", timeout=60)


def failure(fetch: Callable[[], object]) -> ModelError:
    with pytest.raises(ModelError) as caught:
        fetch()
    assert caught.value.cause == "download"
    assert caught.value.billed is Billed.YES
    assert caught.value.task_valid
    return caught.value


def test_an_image_on_the_service_host_is_fetched(site: Site, downloads: Downloads) -> None:
    assert downloads.fetch(site.respond("/a.png")) == PNG


def test_another_port_of_the_service_host_is_refused(site: Site) -> None:
    other = Downloads("测试", f"http://127.0.0.1:{site.port + 1}", timeout=60)
    failure(lambda: other.fetch(site.respond("/a.png")))
    assert site.seen == []


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST.", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1"),
        *("017700000001", "0", "[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
        *("[0:0:0:0:0:0:0:1]", "１２７.0.0.1", "127.0.0.1"),
    ],
)
def test_no_spelling_of_localhost_is_accepted(site: Site, foreign: Downloads, host: str) -> None:
    site.respond("/a.png")
    failure(lambda: foreign.fetch(f"http://{host}:{site.port}/a.png"))
    assert site.seen == []


def test_a_redirect_to_a_private_address_is_refused(site: Site, downloads: Downloads) -> None:
    url = site.respond("/a.png", b"", 302, Location=f"http://localhost:{site.port}/b.png")
    site.respond("/b.png")
    failure(lambda: downloads.fetch(url))
    assert [path for path, _ in site.seen] == ["/a.png"]


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::1", "fe80::1", "64:ff9b::a00:1"])
def test_a_host_that_resolves_to_a_private_address_is_refused(
    foreign: Downloads, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    def answer(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    error = failure(lambda: foreign.fetch("https://pictures.example/a.png"))
    assert not error.retryable
    assert address in str(error)


@pytest.mark.parametrize("hops", [1, 2, 3])
@pytest.mark.parametrize(
    "target", ["http://10.0.0.1/a.png", "//169.254.169.254/a", "file:///etc/passwd", "http://[::1"]
)
def test_each_redirect_is_checked_again(site: Site, downloads: Downloads, hops: int, target: str) -> None:
    for number in range(hops - 1):
        site.respond(f"/{number}", b"", 302, Location=f"/{number + 1}")
    site.respond(f"/{hops - 1}", b"", 302, Location=target)
    failure(lambda: downloads.fetch(f"{site.address}/0"))
    assert len(site.seen) == hops


def test_three_redirects_are_followed_and_four_refused(site: Site, downloads: Downloads) -> None:
    for number in range(4):
        site.respond(f"/{number}", b"", 302, Location=f"/{number + 1}")
    site.respond("/4")
    assert downloads.fetch(f"{site.address}/1") == PNG
    assert failure(lambda: downloads.fetch(f"{site.address}/0")).retryable


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://8.8.8.8/a", "http://", "", "http://a:b@8.8.8.8/", "http://[::1"]
)
def test_a_non_http_url_is_refused(downloads: Downloads, url: str) -> None:
    error = failure(lambda: downloads.fetch(url))
    assert not error.retryable
    assert error.url_expired


def test_dns_rebinding_after_the_check_is_ineffective(
    site: Site, foreign: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved: list[str] = []

    def rebinding(host: str, port: int, **_: Any) -> list[Any]:
        resolved.append(host)
        address = "203.0.113.9" if len(resolved) > 1 else "8.8.8.8"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    reached: list[str] = []

    def connect(address: tuple[str, int], **_: Any) -> socket.socket:
        reached.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(socket, "create_connection", connect)
    failure(lambda: foreign.fetch("http://pictures.example/a.png"))
    assert resolved == ["pictures.example"]
    assert reached == ["8.8.8.8"]


def test_the_checked_address_is_the_one_connected_to(
    site: Site, foreign: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.create_connection
    resolve = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *more: Any, **options: Any) -> list[Any]:
        return resolve("8.8.8.8" if host == "pictures.example" else host, port, *more, **options)

    site.respond("/a.png")
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(
        socket, "create_connection", lambda address, **more: real(("127.0.0.1", address[1]), **more)
    )
    assert foreign.fetch(f"http://pictures.example:{site.port}/a.png") == PNG
    assert site.seen[0][1]["Host"] == f"pictures.example:{site.port}"


@pytest.mark.parametrize(
    ("status", "url_expired"), [(403, True), (404, True), (410, True), (429, False), (500, False)]
)
def test_an_expired_url_may_be_retried(
    site: Site, downloads: Downloads, status: int, url_expired: bool
) -> None:
    error = failure(lambda: downloads.fetch(site.respond("/a.png", b"gone", status)))
    assert error.retryable
    assert error.url_expired is url_expired
    assert str(status) in str(error)


def test_an_html_page_is_no_image(site: Site, downloads: Downloads) -> None:
    assert failure(lambda: downloads.fetch(site.respond("/a.png", b"<html>"))).retryable


def test_a_truncated_download_is_no_image(site: Site, downloads: Downloads) -> None:
    def cut(to: http.server.BaseHTTPRequestHandler) -> None:
        to.send_response(200)
        to.send_header("Content-Length", str(len(PNG)))
        to.end_headers()
        to.wfile.write(PNG[:40])

    site.answers["/a.png"] = cut
    assert failure(lambda: downloads.fetch(f"{site.address}/a.png")).retryable


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        pytest.param(PNG + bytes(200_000), {}, id="plain"),
        pytest.param(gzip.compress(bytes(10_000_000)), {"Content_Encoding": "gzip"}, id="compressed"),
    ],
)
def test_an_oversized_download_is_given_up_after_three_attempts(
    site: Site,
    downloads: Downloads,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    headers: Any,
) -> None:
    monkeypatch.setattr(downloads_module, "_MAX_BYTES", 100_000)
    url = site.respond("/a.png", content, **headers)
    error = failure(lambda: downloads.fetch_with_retries(url, lambda _: None))
    assert ("过大" in str(error), error.retryable, len(site.seen)) == (True, False, 3)


def test_of_a_download_that_announces_too_much_nothing_is_read(site: Site, downloads: Downloads) -> None:
    def announce(to: http.server.BaseHTTPRequestHandler) -> None:
        to.send_response(200)
        to.send_header("Content-Length", "2000000000")
        to.end_headers()  # and nothing else: who reads on sees the end

    site.answers["/a.png"] = announce
    assert "过大" in str(failure(lambda: downloads.fetch(f"{site.address}/a.png")))


def test_large_downloads_wait_for_each_other(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    slots = threading.Semaphore(0)
    monkeypatch.setattr(downloads_module, "_LARGE", 1_000)
    monkeypatch.setattr(downloads_module, "_large_ones", slots)
    small, large = site.respond("/small.png"), site.respond("/large.png", PNG + bytes(300_000))
    hasty = Downloads("测试", site.address, timeout=0.5)
    assert hasty.fetch(small) == PNG
    assert "等待答复超时" in str(failure(lambda: hasty.fetch(large)))
    slots.release()
    for _ in range(2):
        assert len(hasty.fetch(large)) == len(PNG) + 300_000


def test_the_body_of_an_answer_is_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "MAX_BYTES", 1_000)
    client = http_module.ServiceClient("测试", site.address, timeout=60)
    with pytest.raises(ModelError, match="过大") as caught:
        client.get(site.respond("/a.json", bytes(2_000)), headers={})
    assert caught.value.billed is Billed.UNKNOWN


def test_a_trickling_download_times_out(site: Site, downloads: Downloads, deadline_clock: Clock) -> None:
    def trickle(to: http.server.BaseHTTPRequestHandler) -> None:
        to.send_response(200)
        to.end_headers()
        for byte in PNG[:100]:
            deadline_clock.sleep(1)  # of the 60 that the download may take
            to.wfile.write(bytes((byte,)))

    site.answers["/a.png"] = trickle
    assert "等待答复超时" in str(failure(lambda: downloads.fetch(f"{site.address}/a.png")))


def test_a_download_survives_two_failures(site: Site, downloads: Downloads) -> None:
    def sleep(_: float) -> None:
        if len(site.seen) == 2:
            site.respond("/a.png")

    url = site.respond("/a.png", b"", 503)
    assert downloads.fetch_with_retries(url, sleep) == PNG
    assert len(site.seen) == 3


def test_a_download_is_tried_four_times_at_most(site: Site, downloads: Downloads) -> None:
    url = site.respond("/a.png", b"", 503)
    assert failure(lambda: downloads.fetch_with_retries(url, lambda _: None)).retryable
    assert len(site.seen) == 4


def test_no_cookie_is_stored_or_sent(site: Site, downloads: Downloads) -> None:
    url = site.respond("/a.png", Set_Cookie="a=b; Path=/")
    downloads.fetch(url)
    downloads.fetch(url)
    assert "Cookie" not in site.seen[1][1]


def test_an_unavailable_reference_is_not_charged(site: Site, downloads: Downloads) -> None:
    url = site.respond("/a.png", b"", 404)
    with pytest.raises(ModelError, match="猫") as caught:
        downloads.reference(Reference(filename="猫.png", url=url))
    assert caught.value.billed is Billed.NO


def test_a_reference_with_bytes_is_not_fetched(site: Site, downloads: Downloads) -> None:
    assert downloads.reference(Reference(filename="猫.png", content=b"bytes")) == b"bytes"
    assert site.seen == []
