"""Settings: built once from the environment and ``.env``, then passed to whoever needs them.

The only reader of ``os.environ``. A wrong value raises a SettingError that names its variable.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from errors import SettingError

IMAGE_MODELS = ("jimeng", "seedream", "openai", "sdapi", "demo")

# What each model cannot work without: variable -> the Settings field it fills.
REQUIRED = {
    "jimeng": {"VOLCENGINE_AK": "volcengine_ak", "VOLCENGINE_SK": "volcengine_sk"},
    "seedream": {"ARK_API_KEY": "ark_api_key"},
    "openai": {"OPENAI_BASE_URL": "openai_base_url", "OPENAI_IMAGE_MODEL": "openai_image_model"},
    "sdapi": {"SDAPI_URL": "sdapi_url"},
    "demo": {},
}

# What a person writes into ``.env`` for each model; not all of it is needed.
WRITTEN = {
    "jimeng": ("VOLCENGINE_AK", "VOLCENGINE_SK"),
    "seedream": ("ARK_API_KEY", "SEEDREAM_MODEL"),
    "openai": ("OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_IMAGE_MODEL"),
    "sdapi": ("SDAPI_URL",),
    "demo": (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting, checked. Secrets do not show in its repr. ``timeout`` is seconds, money is CNY."""

    image_model: str = "demo"
    volcengine_ak: str = field(default="", repr=False)
    volcengine_sk: str = field(default="", repr=False)
    jimeng_endpoint: str = "https://visual.volcengineapi.com"
    jimeng_req_key: str = "jimeng_t2i_v40"
    ark_api_key: str = field(default="", repr=False)
    ark_base_url: str = "https://ark.cn-beijing.volces.com/api/v3"
    seedream_model: str = "doubao-seedream-5-0-pro-260628"
    openai_api_key: str = field(default="", repr=False)
    openai_base_url: str = "https://api.openai.com/v1"
    openai_image_model: str = "gpt-image-2"
    sdapi_url: str = ""
    model_concurrency: int = 4
    model_timeout: int = 300
    price_per_image: Decimal | None = None
    budget: Decimal | None = None
    oss_enabled: bool = False
    oss_endpoint: str = ""
    oss_bucket: str = ""
    oss_region: str = ""
    oss_access_key_id: str = field(default="", repr=False)
    oss_access_key_secret: str = field(default="", repr=False)
    oss_sample_prefix: str = "ai-images/sample/"
    oss_output_prefix: str = ""
    oss_public_url: str = ""
    host: str = "127.0.0.1"
    port: int = 5000
    allowed_hosts: tuple[str, ...] = ()
    access_password: str = field(default="", repr=False)
    database_path: Path = Path("generation_records.db")
    output_dir: Path = Path("output")
    samples_dir: Path = Path("samples")

    @property
    def missing_keys(self) -> list[str]:
        """The variables that the chosen image model still needs; empty when it is ready."""
        return self.missing_for(self.image_model)

    def missing_for(self, image_model: str) -> list[str]:
        """The variables that an image model still needs."""
        needed = REQUIRED[image_model]
        return [variable for variable, name in needed.items() if not getattr(self, name)]

    def how_filled(self, variable: str) -> str:
        """``set``, ``default`` or ``empty``; never the value."""
        name = variable.lower()
        default = next(each.default for each in fields(self) if each.name == name)
        if getattr(self, name) != default:
            return "set"
        return "default" if default else "empty"

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)


def load_settings(environ: Mapping[str, str] | None = None, dotenv: Path = Path(".env")) -> Settings:
    """Settings from ``.env`` and, above it, the environment. Raises SettingError."""
    from_file = {k: v for k, v in dotenv_values(dotenv, encoding="utf-8-sig").items() if v is not None}
    return read_settings({**from_file, **(os.environ if environ is None else environ)})


def read_settings(values: Mapping[str, str]) -> Settings:
    """Variables -> Settings. An empty value counts as unset. Raises SettingError naming the variable."""
    given = {name: values[name].strip() for name in _READERS if values.get(name, "").strip()}
    chosen = {name.lower(): _READERS[name](name, value) for name, value in given.items()}
    chosen.setdefault("image_model", _default_model(chosen))
    settings = Settings(**chosen)
    _check_door(settings)
    _check_bucket(settings)
    return settings


def is_loopback(host: str) -> bool:
    """``localhost`` or an address of the loopback range."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _default_model(chosen: Mapping[str, Any]) -> str:
    if chosen.get("volcengine_ak") and chosen.get("volcengine_sk"):
        return "jimeng"
    return "seedream" if chosen.get("ark_api_key") else "demo"


def _check_door(settings: Settings) -> None:
    if not settings.on_loopback and not settings.access_password:
        raise SettingError(
            "ACCESS_PASSWORD",
            f"HOST={settings.host} 会让别的电脑也能打开并花钱，请设置访问密码，或把 HOST 改回 127.0.0.1",
        )


def _check_bucket(settings: Settings) -> None:
    if settings.oss_output_prefix and not settings.oss_enabled:
        raise SettingError("OSS_OUTPUT_PREFIX", "要先设置 OSS_ENABLED=true 和其他 OSS 设置")


def _text(_variable: str, value: str) -> str:
    return value


def _model(variable: str, value: str) -> str:
    if value.lower() not in IMAGE_MODELS:
        raise SettingError(variable, f"没有叫「{value}」的模型，可选：{'、'.join(IMAGE_MODELS)}")
    return value.lower()


def _url(variable: str, value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", value):
        raise SettingError(variable, f"应为以 http:// 或 https:// 开头的地址，现在是「{value}」")
    return value.rstrip("/")


def _whole(low: int, high: int) -> Callable[[str, str], int]:
    def read(variable: str, value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
            raise SettingError(variable, f"应为 {low}–{high} 的整数，现在是「{value}」")
        return int(value)

    return read


def _money(variable: str, value: str) -> Decimal:
    try:
        amount = Decimal(value)
    except InvalidOperation:
        amount = Decimal(-1)
    if not (amount.is_finite() and 0 <= amount <= 10_000_000):
        raise SettingError(variable, f"应为金额（元），例如 0.22，现在是「{value}」")
    return amount


def _switch(variable: str, value: str) -> bool:
    if value.lower() in ("1", "true", "yes", "on"):
        return True
    if value.lower() in ("0", "false", "no", "off"):
        return False
    raise SettingError(variable, f"应为 true 或 false，现在是「{value}」")


def _hosts(_variable: str, value: str) -> tuple[str, ...]:
    return tuple(name.strip().lower() for name in value.split(",") if name.strip())


def _path(_variable: str, value: str) -> Path:
    return Path(value).expanduser()


def _prefix(_variable: str, value: str) -> str:
    return value.strip("/") + "/"


_READERS: dict[str, Callable[[str, str], Any]] = {
    "IMAGE_MODEL": _model,
    "VOLCENGINE_AK": _text,
    "VOLCENGINE_SK": _text,
    "JIMENG_ENDPOINT": _url,
    "JIMENG_REQ_KEY": _text,
    "ARK_API_KEY": _text,
    "ARK_BASE_URL": _url,
    "SEEDREAM_MODEL": _text,
    "OPENAI_API_KEY": _text,
    "OPENAI_BASE_URL": _url,
    "OPENAI_IMAGE_MODEL": _text,
    "SDAPI_URL": _url,
    "MODEL_CONCURRENCY": _whole(1, 256),
    "MODEL_TIMEOUT": _whole(1, 86_400),
    "PRICE_PER_IMAGE": _money,
    "BUDGET": _money,
    "OSS_ENABLED": _switch,
    "OSS_ENDPOINT": _text,
    "OSS_BUCKET": _text,
    "OSS_REGION": _text,
    "OSS_ACCESS_KEY_ID": _text,
    "OSS_ACCESS_KEY_SECRET": _text,
    "OSS_SAMPLE_PREFIX": _prefix,
    "OSS_OUTPUT_PREFIX": _prefix,
    "OSS_PUBLIC_URL": _url,
    "HOST": _text,
    "PORT": _whole(1, 65_535),
    "ALLOWED_HOSTS": _hosts,
    "ACCESS_PASSWORD": _text,
    "DATABASE_PATH": _path,
    "OUTPUT_DIR": _path,
    "SAMPLES_DIR": _path,
}
