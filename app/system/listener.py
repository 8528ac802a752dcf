"""Where the server listens: its sockets, taken before anything else starts, and who else answers there.

A port may be held although it can be had: one program on every address and another on this machine's own
live side by side on a Mac, and a browser that goes to ``localhost`` meets the wrong one.
"""

import contextlib
import errno
import re
import socket
from typing import Any

from app.errors import AppError, SettingError

NAME = "ai-image-generator"  # what the server calls itself in the head of each answer
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, never listened on by itself
_HERE = ("127.0.0.1", "::1")  # where a browser looks for localhost
_CONNECT_SECONDS = 0.3  # this machine answers at once; Windows takes two seconds to say that nobody is there
_ANSWER_SECONDS = 2.0
_HEAD_BYTES = 4096
_AIRPLAY = "AirTunes"


class PortTaken(AppError):
    """Somebody else holds the port."""


class AlreadyServing(PortTaken):
    """This product holds it itself, at ``address``."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"AI 图片生成器已经在运行，请在浏览器打开 {address}；要停掉它，请到它的窗口里按 Ctrl+C"
        )
        self.address = address


def open_sockets(host: str, port: int) -> list[socket.socket]:
    """Bound for this server alone, not yet listened on.

    Raises PortTaken, or SettingError naming HOST or PORT.
    """
    for own in _HERE if _is_local(host) else (host,):
        if _is_answered(own, port):
            raise _taken(host, port, _server_name(own, port))
    opened = []
    trouble = None
    for family, where in _places(host, port):
        try:
            opened.append(_bound(family, where))
        except OSError as error:
            trouble = error
    if not opened or (trouble and trouble.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)):
        for each in opened:
            each.close()
        raise _bind_error(trouble, host, port)
    return opened


def address(host: str, port: int) -> str:
    """What a browser on this machine opens."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{'localhost' if _is_local(host) else name}:{port}"


def address_for_others(host: str, port: int) -> str:
    """What a browser on another machine opens; empty where only this one is let in, or without a network."""
    if host != _EVERYWHERE[0]:
        return ""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing; the system chooses the way out
        return f"http://{probe.getsockname()[0]}:{port}"
    return ""


def _is_local(host: str) -> bool:
    return host == "localhost" or host in _HERE or host in _EVERYWHERE


def _places(host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise _no_such_host(host) from None
    return list({where[:2]: (family, where) for family, _, _, _, where in found}.values())


def _bound(family: socket.AddressFamily, where: Any) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Elsewhere "reuse" means what a server of a moment ago left; on Windows, what another one holds now.
        alone = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
        made.setsockopt(socket.SOL_SOCKET, alone, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(where)
    except OSError:
        made.close()
        raise
    return made


def _bind_error(trouble: OSError | None, host: str, port: int) -> AppError:
    number = trouble.errno if trouble else errno.EADDRNOTAVAIL
    if number == errno.EADDRINUSE:
        return _taken(host, port, "")
    if number == errno.EACCES:
        return SettingError("PORT", f"这台电脑不让用端口 {port}，请换一个，例如 PORT={_another(port)}")
    return _no_such_host(host)


def _no_such_host(host: str) -> SettingError:
    return SettingError(
        "HOST",
        f"「{host}」不是这台电脑的地址，请用 127.0.0.1（只有本机能打开）或 0.0.0.0（别的电脑也能打开）",
    )


def _taken(host: str, port: int, name: str) -> PortTaken:
    if name == NAME:
        return AlreadyServing(address(host, port))
    if name.startswith(_AIRPLAY):
        return PortTaken(
            f"端口 {port} 被 Mac 的「隔空播放接收器」占用，请在 .env 里写 PORT={_another(port)} 再启动，"
            "或在「系统设置 › 通用 › 隔空投送与接力」里关掉它"
        )
    shown = f"「{name}」" if name else ""
    return PortTaken(
        f"端口 {port} 已被别的程序{shown}占用，请关掉它，或在 .env 里写 PORT={_another(port)} 再启动"
    )


def _another(port: int) -> int:
    return port + 1 if 1024 <= port < 65_535 else 5001


def _is_answered(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=_CONNECT_SECONDS) as line:
            return bool(line.getsockname() != line.getpeername())  # a line may meet itself where nobody is
    except (OSError, UnicodeError):
        return False


def _server_name(host: str, port: int) -> str:
    """What the server there calls itself; empty when it does not, or speaks something else."""
    head = b""
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host, port), timeout=_ANSWER_SECONDS) as line,
    ):
        line.sendall(b"HEAD /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
        while b"\r\n\r\n" not in head and len(head) < _HEAD_BYTES and (more := line.recv(_HEAD_BYTES)):
            head += more
    found = re.search(r"(?im)^server:[ \t]*([ -~]{1,40})", head.decode("latin-1"))
    return found[1].strip() if found else ""
