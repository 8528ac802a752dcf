"""Proxies of the environment: unreachable, broken, or not applicable."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest

from app.errors import Billed, ModelError
from app.providers.http import ServiceClient, environment_settings

SERVICE = "https://service.example"
STRANGE_ANSWERS = {
    "bad gateway": b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
    "password wanted": b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
    "no HTTP": b"hello hello\r\n\r\n",
    "no number": b"HTTP/1.1 abc OK\r\n\r\n",
    "endless line": b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n",
    "nothing": b"",
    "a tunnel that ends": b"HTTP/1.1 200 OK\r\n\r\n",
    "a tunnel into a web page": b"HTTP/1.1 200 OK\r\n\r\n<html>no TLS here",
}


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], str]]:
    """Starts a proxy with one fixed response; returns its host and port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve(answer: bytes) -> None:
            with suppress(OSError):
                while True:
                    with closing(server.accept()[0]) as caller:
                        caller.recv(65_536)
                        caller.sendall(answer)

        def start(answer: bytes) -> str:
            threading.Thread(target=serve, args=(answer,), daemon=True).start()
            name = f"127.0.0.1:{server.getsockname()[1]}"
            for variable in ("HTTP_PROXY", "HTTPS_PROXY"):
                monkeypatch.setenv(variable, f"http://studio:geheim@{name}")
            return name

        yield start
        server.shutdown(socket.SHUT_RDWR)


def submission_error(service: str = SERVICE, timeout: float = 60) -> ModelError:
    with pytest.raises(ModelError) as caught:
        ServiceClient("即梦", service, timeout=timeout).post_once(
            f"{service}/draw", headers={}, content=b"{}"
        )
    return caught.value


@pytest.mark.parametrize("answer", STRANGE_ANSWERS)
def test_a_failed_proxy_tunnel_is_free_and_named_without_its_password(
    proxy: Callable[[bytes], str], answer: str
) -> None:
    name = proxy(STRANGE_ANSWERS[answer])
    error = submission_error()
    assert (error.cause, error.billed, error.retryable) == ("network", Billed.NO, True)
    assert str(error).startswith(f"经过代理 {name} 连不上即梦（")
    assert "关掉这个代理" in str(error)
    assert "geheim" not in str(error)


def test_a_silent_proxy_tunnel_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{silent.getsockname()[1]}")
        error = submission_error(timeout=0.5)
    assert (error.billed, error.retryable) == (Billed.NO, True)
    assert "等待答复超时" in str(error)


def test_a_proxy_that_loses_the_response_is_unknown(proxy: Callable[[bytes], str]) -> None:
    proxy(b"")
    error = submission_error("http://service.example")
    assert (error.billed, error.retryable) == (Billed.UNKNOWN, False)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("socks5://127.0.0.1:1080", "经过代理 127.0.0.1:1080 连不上即梦（用不了 SOCKS 代理）"),
        ("foo://127.0.0.1:1080", "经过代理 127.0.0.1:1080 连不上即梦"),
        ("http://127.0.0.1:99999", "经过代理 127.0.0.1:99999 连不上即梦"),
    ],
)
def test_an_unresolvable_proxy_is_free(monkeypatch: pytest.MonkeyPatch, address: str, expected: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    error = submission_error()
    assert (error.billed, error.retryable) == (Billed.NO, True)
    assert str(error).startswith(expected)


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "127.0.0.1", "[::1]", "192.168.1.20", "10.0.0.5", "172.20.1.1", "[fd00::1]"),
        *("169.254.3.4", "100.100.1.2", "gpu-pc", "studio.local"),
    ],
)
def test_local_addresses_bypass_the_proxy(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert environment_settings(f"http://{host}:7860/sdapi/v1")["proxies"] == {}


@pytest.mark.parametrize("host", ["service.example", "8.8.8.8", "172.32.0.1", "[2001:4860::1]"])
def test_remote_addresses_use_the_proxy(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert environment_settings(f"http://{host}")["proxies"]["http"] == "http://127.0.0.1:9"
