"""Listening sockets: bound exclusively, or one sentence about the program that holds the port.

Windows and macOS are simulated: by their socket option, and by a server on the other loopback address.
"""

import errno
import shlex
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from app.errors import SettingError
from app.system import listener
from tools.server_process import ServerProcess, free_port, running_server


@contextmanager
def listening(host: str = "127.0.0.1", *, response: bytes = b"", port: int = 0) -> Iterator[int]:
    """A server that answers every request with ``response`` -> its port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((host, port))
        other.listen()

        def answer() -> None:
            while True:
                try:
                    connection, _ = other.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(response)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield int(other.getsockname()[1])
        other.shutdown(socket.SHUT_RDWR)
        thread.join()


def refusal(host: str, port: int) -> str:
    with pytest.raises((listener.PortTaken, SettingError)) as caught:
        listener.open_sockets(host, port)
    assert str(caught.value).count("。") == 0
    return str(caught.value)


def test_a_free_port_is_bound_and_can_be_bound_again_at_once() -> None:
    port = free_port()
    for _ in range(2):
        (bound,) = listener.open_sockets("127.0.0.1", port)
        with bound:
            bound.listen()
            with socket.create_connection(("127.0.0.1", port)), closing(bound.accept()[0]):
                assert bound.getsockname() == ("127.0.0.1", port)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_port_in_use_is_reported_with_the_program_and_the_remedy(host: str) -> None:
    with listening(response=b"HTTP/1.1 200 OK\r\nServer: nginx/1.29\r\n\r\n") as port:
        message = refusal(host, port)
    assert message.startswith(f"端口 {port} 已被别的程序「nginx/1.29」占用")
    assert f"PORT={port + 1}" in message


@pytest.mark.parametrize(
    "response", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"\xff" * 9000, b"Server: \x1b[2J\r\n\r\n"]
)
def test_any_server_header_is_quoted_safely(response: bytes) -> None:
    with listening(response=response) as port:
        assert refusal("127.0.0.1", port).startswith(f"端口 {port} 已被别的程序占用，")


def test_an_airplay_receiver_on_the_ipv6_localhost_is_reported_with_the_remedy() -> None:
    with listening("::1", response=b"HTTP/1.1 403 Forbidden\r\nServer: AirTunes/870.14.1\r\n\r\n") as port:
        message = refusal("127.0.0.1", port)
    assert "隔空播放接收器" in message
    assert f"PORT={port + 1}" in message


def test_a_port_bound_but_not_listening_counts_as_in_use() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        assert "已被别的程序占用" in refusal("127.0.0.1", other.getsockname()[1])


def test_on_windows_the_port_is_exclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_KEEPALIVE, raising=False)
    (bound,) = listener.open_sockets("127.0.0.1", free_port())
    with bound:
        assert bound.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert not bound.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)


@pytest.mark.parametrize(
    "host", ["203.0.113.7", "http://localhost", "studio.invalid", "127.0.0.1:5000", "a..b"]
)
def test_a_host_that_is_no_local_address_is_reported(host: str) -> None:
    assert refusal(host, free_port()).startswith(f"HOST：「{host}」不是这台电脑的地址")


def test_a_privileged_port_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: socket.socket, _where: object) -> None:
        raise OSError(errno.EACCES, "denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    assert refusal("127.0.0.1", 80).startswith("PORT：这台电脑不允许使用端口 80，请换一个，例如 PORT=5001")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://localhost:5000"),
        ("0.0.0.0", "http://localhost:5000"),
        ("192.168.1.5", "http://192.168.1.5:5000"),
        ("127.0.0.2", "http://127.0.0.2:5000"),
        ("fd00::5", "http://[fd00::5]:5000"),
    ],
)
def test_the_printed_address_reaches_the_server(host: str, url: str) -> None:
    assert listener.address(host, 5000) == url


def test_lan_addresses_are_printed_only_when_they_are_served() -> None:
    assert listener.address_for_others("127.0.0.1", 5000) == ""
    assert listener.address_for_others("0.0.0.0", 5000) in ("", f"http://{own_address()}:5000")


def own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def start_another(data_dir: Path, *arguments: str, **settings: object) -> tuple[int, str]:
    """Start a second server, which ends by itself -> its exit code and output."""
    data_dir.mkdir()
    another = ServerProcess(data_dir, *arguments, **settings)
    with pytest.raises(AssertionError, match=r"端口|AI 图片生成器"):
        another.start()
    return another.wait(), another.log()


def test_a_second_start_says_it_is_already_running_and_changes_nothing(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        code, message = start_another(tmp_path / "second", port=server.port)
    assert message.startswith(f"AI 图片生成器已经在运行，请在浏览器打开 http://localhost:{server.port}；")
    assert (code, message.count("\n")) == (1, 1)
    assert [path.name for path in (tmp_path / "second").iterdir()] == ["log.txt"]


def test_a_second_double_click_opens_the_running_server(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > "{tmp_path}/opened"\n')
    browser.chmod(0o755)
    with running_server(tmp_path) as server:
        code, _ = start_another(
            tmp_path / "second", "--open", port=server.port, browser=f"{shlex.quote(str(browser))} %s"
        )
    assert code == 0
    assert (tmp_path / "opened").read_text().strip() == f"http://localhost:{server.port}"
