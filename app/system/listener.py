"""Binds the listening sockets before anything else starts, and detects which program holds the port.

A successful bind is not enough: macOS lets one program bind all addresses and another the loopback address,
and a browser that opens ``localhost`` reaches the wrong one.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import re
import socket
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

from app.errors import AppError, SettingError
from app.setting import int_between, is_address, setting

NAME = "ai-image-generator"  # the Server header of every response
_WILDCARD = ("0.0.0.0", "::")  # noqa: S104 - only compared with
_LOOPBACK = ("127.0.0.1", "::1")  # what a browser resolves localhost to
_CONNECT_SECONDS = 0.3  # loopback answers at once; Windows takes two seconds to refuse
_ANSWER_SECONDS = 2.0
_AIRPLAY = "AirTunes"


IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
_ROLES = ("all", "web", "worker")


def _read_hosts(variable: str, value: str) -> tuple[str, ...]:
    names = tuple(name.strip().lower() for name in value.split(",") if name.strip())
    for name in names:
        if not re.fullmatch(r"[^\s/:*@，、；;]+", name) and not is_address(name):
            text = "只写主机名，用英文逗号分开，不带 http:// 和端口，例如 mac.local，现在有「{name}」"
            raise SettingError(variable, text, name=name)
    return names


def _read_networks(variable: str, value: str) -> tuple[IPNetwork, ...]:
    try:
        return tuple(
            ipaddress.ip_network(part.strip(), strict=False) for part in value.split(",") if part.strip()
        )
    except ValueError:
        text = "应为地址或网段，用英文逗号分开，例如 10.0.0.5, 172.18.0.0/16，现在是「{value}」"
        raise SettingError(variable, text, value=value) from None


def _read_role(variable: str, value: str) -> str:
    if value.lower() not in _ROLES:
        raise SettingError(variable, "应为 {choices} 之一，现在是「{value}」", choices=_ROLES, value=value)
    return value.lower()


@dataclass(frozen=True, kw_only=True)
class AccessSettings:
    """Who reaches the process, and what it does: ``web`` serves pages, ``worker`` makes images."""

    host: str = setting("127.0.0.1", label="能打开的电脑")
    access_password: str = setting("", label="访问密码", secret=True)
    port: int = setting(5000, int_between(1, 65_535), "端口")
    allowed_hosts: tuple[str, ...] = setting(
        (), _read_hosts, "还能用的主机名", example="例如 mac.local，几个用英文逗号分开"
    )
    studio_name: str = setting("")
    role: str = setting("all", _read_role)
    trusted_proxies: tuple[IPNetwork, ...] = setting((), _read_networks)


class PortTaken(AppError):
    """Another program holds the port; ``address`` is the URL of the program if it is this product."""

    address = ""


def open_sockets(host: str, port: int) -> list[socket.socket]:
    """Bind the sockets exclusively, without listening yet.

    Raises PortTaken, or SettingError naming HOST or PORT.
    """
    opened: list[socket.socket] = []
    failure: OSError | None = None
    error: AppError | None = None
    for family, where in _resolve(host, port):
        try:
            opened.append(_bound(family, where))
        except OSError as caught:
            failure = caught
    if not opened or (failure and failure.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)):
        error = _bind_error(failure, host, port)
    if not isinstance(error, SettingError):  # else the address may be of another machine
        error = _find_holder(host, port) or error
    if error:
        for each in opened:
            each.close()
        raise error
    return opened


def require_bindable(host: str, port: int, *, held: str) -> None:
    """Raises as ``open_sockets`` when a restart could not bind them; ``held`` is the host of this server now.

    Where this server holds the port itself, another one shows whether the address is of this machine.
    """
    own = {where[0] for _, where in _resolve(held, port)} if held else set()
    for family, where in _resolve(host, port):
        name, at = where[0], 0 if own & {where[0], *_WILDCARD} else port
        if at and own and name in _WILDCARD:  # of all addresses it holds some
            outward = _outward_address() if family == socket.AF_INET else ""
            name, at = (outward, port) if outward else (name, 0)
        try:
            _bound(family, (name, at, *where[2:])).close()
        except OSError as failure:
            raise _bind_error(failure, host, port) from failure
    if not held and (taken := _find_holder(host, port)):
        raise taken


def address(host: str, port: int) -> str:
    """The URL for a browser on this machine."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{'localhost' if _is_local(host) else name}:{port}"


def address_for_others(host: str, port: int) -> str:
    """The URL for other machines; empty when only local access is allowed, or without a network."""
    if host != _WILDCARD[0]:
        return ""
    outward = _outward_address()
    return f"http://{outward}:{port}" if outward else ""


def _outward_address() -> str:
    """This machine's address in its network; empty without one."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # UDP connect sends nothing; it only selects the route
        return str(probe.getsockname()[0])
    return ""


def _is_local(host: str) -> bool:
    return host == "localhost" or host in _LOOPBACK or host in _WILDCARD


def _resolve(host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise _no_such_host(host) from None
    return list({where[:2]: (family, where) for family, _, _, _, where in found}.values())


def _bound(family: socket.AddressFamily, where: Any) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        # SO_REUSEADDR reuses a port in TIME_WAIT; on Windows it would share a port that is in use.
        alone = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
        made.setsockopt(socket.SOL_SOCKET, alone, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(where)
    except OSError:
        made.close()
        raise
    return made


def _bind_error(failure: OSError | None, host: str, port: int) -> AppError:
    number = failure.errno if failure else errno.EADDRNOTAVAIL
    if number == errno.EADDRINUSE:
        return _taken(host, port, "")
    if number == errno.EACCES:
        text = "这台电脑不允许使用端口 {port}，请换一个，例如 PORT={other}"
        return SettingError("PORT", text, port=port, other=_other_port(port))
    return _no_such_host(host)


def _no_such_host(host: str) -> SettingError:
    text = "「{host}」不是这台电脑的地址，请用 127.0.0.1（只有本机能打开）或 0.0.0.0（别的电脑也能打开）"
    return SettingError("HOST", text, host=host)


def _find_holder(host: str, port: int) -> PortTaken | None:
    """The error for the program that answers at this address; None when none does."""
    for own in _LOOPBACK if _is_local(host) else (host,):
        if (name := _server_name(own, port)) is not None:
            return _taken(host, port, name)
    return None


def _taken(host: str, port: int, name: str) -> PortTaken:
    if name == NAME:
        url = address(host, port)
        taken = PortTaken(f"AI 图片生成器已经在运行，请在浏览器打开 {url}；要停掉它，请到它的窗口里按 Ctrl+C")
        taken.address = url
        return taken
    if name.startswith(_AIRPLAY):
        return PortTaken(
            f"端口 {port} 被 Mac 的「隔空播放接收器」占用，请在 .env 里写 PORT={_other_port(port)} 再启动，"
            "或在「系统设置 › 通用 › 隔空投送与接力」里关掉它"
        )
    shown = f"「{name}」" if name else ""
    return PortTaken(
        f"端口 {port} 已被别的程序{shown}占用，请关掉它，或在 .env 里写 PORT={_other_port(port)} 再启动"
    )


def _other_port(port: int) -> int:
    return port + 1 if 1024 <= port < 65_535 else 5001


def _server_name(host: str, port: int) -> str | None:
    """The Server header there; empty without one or if it is not HTTP, None without a server."""
    connection = HTTPConnection(host, port, timeout=_CONNECT_SECONDS)
    try:
        connection.connect()
    except (OSError, UnicodeError):
        return None
    with contextlib.closing(connection), contextlib.suppress(OSError, HTTPException):
        if connection.sock.getsockname() == connection.sock.getpeername():  # TCP can connect to itself
            return None
        connection.sock.settimeout(_ANSWER_SECONDS)
        connection.request("HEAD", "/healthz", headers={"Host": "localhost"})
        found = re.match("[ -~]{0,40}", connection.getresponse().getheader("Server", ""))
        return found[0].strip() if found else ""
    return ""
