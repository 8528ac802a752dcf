"""How a setting is declared: a field of a dataclass, beside the code that uses it; see ``app.config``.

``name: str = setting("", …)`` is read from the variable NAME of the environment or ``.env``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from inspect import get_annotations
from typing import Any

from app.errors import SettingError

Read = Callable[[str, str], Any]  # (variable, its text, not empty) -> value; raises SettingError


def read_text(_variable: str, value: str) -> str:
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A declaration.

    default  the value of a variable that is not set; ``read`` reads the others
    label    of its field in 「模型与密钥」; empty: only ``.env`` and the environment set it
    example  shown in the empty field; a service's card asks first for the settings that have one
    kind     key, address, model, price, concurrency or path, where it matters; else empty
    needed   whether its service needs it; a variable: only while that has its default
    secret   whether it is shown nowhere
    agrees   whether it must be the same in all processes of a database
    """

    default: Any
    read: Read = read_text
    label: str = ""
    example: str = ""
    kind: str = ""
    needed: bool | str = False
    secret: bool = False
    agrees: bool = False


def setting(default: Any, read: Read = read_text, label: str = "", **more: Any) -> Any:
    """A field of a dataclass that is a setting; secrets are left out of its repr."""
    declared = Setting(default=default, read=read, label=label, **more)
    return field(default=default, repr=not declared.secret, metadata={"setting": declared})


def declared_in(declaring: type) -> tuple[str, ...]:
    """The variables that a class itself declares."""
    return tuple(name.upper() for name in get_annotations(declaring))


def read_key(variable: str, value: str) -> str:
    if not re.fullmatch(r"[!-~]+", value):  # other characters are invalid in an HTTP header
        raise SettingError(
            variable, "密钥里只有英文字母、数字和符号，现在还有别的字（或空格），请重新复制一遍"
        )
    return value


def read_url(variable: str, value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", value):
        raise SettingError(variable, "应为以 http:// 或 https:// 开头的地址")  # it may contain a password
    return value.rstrip("/")


def int_between(low: int, high: int) -> Read:
    def read(variable: str, value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
            text = "应为 {low}–{high} 的整数，现在是「{value}」"
            raise SettingError(variable, text, low=low, high=high, value=value)
        return int(value)

    return read


def read_money(variable: str, value: str) -> Decimal:
    # At most as many decimals as are stored: a smaller price would become 0.
    if not re.fullmatch(r"[0-9]{1,8}(\.[0-9]{1,6})?", value) or Decimal(value) > 10_000_000:
        raise SettingError(variable, "应为金额（元），例如 0.22，现在是「{value}」", value=value)
    return Decimal(value)


def read_bool(variable: str, value: str) -> bool:
    if value.lower() in ("1", "true", "yes", "on"):
        return True
    if value.lower() in ("0", "false", "no", "off"):
        return False
    raise SettingError(variable, "应为 true 或 false，现在是「{value}」", value=value)


def key(label: str = "API Key", **more: Any) -> Any:
    """A key of a service."""
    return setting("", read_key, label, kind="key", secret=True, **more)


def address(default: str, **more: Any) -> Any:
    """The URL of a service."""
    return setting(default, read_url, "服务地址", kind="address", **more)


def model(default: str, **more: Any) -> Any:
    """The id of a service's model."""
    return setting(default, read_text, "模型编号", kind="model", agrees=True, **more)


def price(label: str = "每张的价格（元）") -> Any:
    """CNY an image."""
    return setting(None, read_money, label, kind="price", agrees=True)


def concurrency(default: int | None = None) -> Any:
    """How many images of a model may be under way."""
    label = "每个模型同时生成的张数"
    return setting(default, int_between(1, 256), label, kind="concurrency", agrees=True)


def is_loopback(host: str) -> bool:
    """Whether the host is ``localhost`` or a loopback address."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


def is_address(host: str) -> bool:
    """Whether the host is an address written in numbers."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
