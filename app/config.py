"""Settings: collected from where they are declared, built once from the environment and ``.env``.

The only reader of ``os.environ``. An invalid value raises a SettingError that names its variable.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from dotenv.parser import parse_stream

from app.errors import SettingError
from app.providers.bailian import BailianSettings
from app.providers.base import ModelSettings
from app.providers.gemini import GeminiSettings
from app.providers.jimeng import JimengSettings
from app.providers.openai_images import OpenAISettings
from app.providers.sdapi import SdApiSettings
from app.providers.seedream import SeedreamSettings
from app.providers.tokenhub import TokenHubSettings
from app.providers.webhook import WebhookSettings
from app.setting import Setting, declared_in, is_loopback, setting
from app.system.folders import OssSettings, StorageSettings
from app.system.listener import AccessSettings

# Value of IMAGE_MODEL, the name of a provider -> its variables.
SERVICES: dict[str, tuple[str, ...]] = {
    "jimeng": declared_in(JimengSettings),
    "seedream": declared_in(SeedreamSettings),
    "bailian": declared_in(BailianSettings),
    "gemini": declared_in(GeminiSettings),
    "tokenhub": declared_in(TokenHubSettings),
    "openai": declared_in(OpenAISettings),
    "sdapi": declared_in(SdApiSettings),
    "demo": (),
}


def _read_service(variable: str, value: str) -> str:
    if value.lower() not in SERVICES:
        raise SettingError(
            variable, "没有叫「{value}」的模型，可选：{choices}", value=value, choices=tuple(SERVICES)
        )
    return value.lower()


@dataclass(frozen=True, kw_only=True)
class Settings(
    JimengSettings,
    SeedreamSettings,
    BailianSettings,
    GeminiSettings,
    TokenHubSettings,
    OpenAISettings,
    SdApiSettings,
    ModelSettings,
    WebhookSettings,
    AccessSettings,
    OssSettings,
    StorageSettings,
):
    """All settings, validated; repr omits secrets."""

    image_model: str = setting("demo", _read_service, label="默认模型", kind="model", agrees=True)

    @property
    def database(self) -> Path | str:
        """Where the records are: the URL of a PostgreSQL database, else the SQLite file."""
        return self.database_url or self.database_path

    @property
    def backup_folder(self) -> Path | None:
        """Where the daily backups are; None when they are off, as on PostgreSQL without BACKUP_DIR."""
        if self.backup_dir is not None:
            return None if str(self.backup_dir).lower() == "none" else self.backup_dir
        return None if self.database_url else self.database_path.parent / "backups"

    @property
    def database_name(self) -> str:
        """The path of the database, or its server and name without user and password."""
        if not self.database_url:
            return str(self.database_path.absolute())
        return "PostgreSQL " + re.sub(r"^\w+://([^/]*@)?|\?.*", "", self.database_url)

    @property
    def missing_keys(self) -> list[str]:
        """The required variables of the selected model that are not set; empty when it is ready."""
        return self.missing_for(self.image_model)

    def missing_for(self, image_model: str) -> list[str]:
        """The required variables of an image model that are not set."""
        return [
            variable
            for variable in SERVICES[image_model]
            if (needed := SETTINGS[variable].needed) and not getattr(self, variable.lower())
            if needed is True or self.source_of(str(needed)) == "default"
        ]

    def is_ready(self, provider: str) -> bool:
        """Whether a provider has what it requires, so that it can be ordered from."""
        return not self.missing_for(provider)

    def price_of(self, provider: str) -> Decimal | None:
        """CNY an image of the provider's configured model; None: its list price.

        PRICE_PER_IMAGE is that of the default provider, unless its own is set.
        """
        own: Decimal | None = getattr(self, f"{provider}_price", None)
        return self.price_per_image if own is None and provider == self.image_model else own

    def concurrency_of(self, provider: str) -> int:
        """How many images of each model of the provider may be under way."""
        own: int | None = getattr(self, f"{provider}_concurrency", None)
        return own or self.model_concurrency

    def source_of(self, variable: str) -> str:
        """``set``, ``default`` or ``empty``; never the value."""
        default = SETTINGS[variable].default
        if getattr(self, variable.lower()) != default:
            return "set"
        return "default" if default else "empty"

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)


# Every variable, in the order of the documentation, and the class that declares it.
DECLARING: dict[str, type] = {
    name: each for each in Settings.__mro__ if each is not object for name in declared_in(each)
}
SETTINGS: dict[str, Setting] = {
    name: Settings.__dataclass_fields__[name.lower()].metadata["setting"] for name in DECLARING
}
REQUIRED = {
    service: tuple(name for name in variables if SETTINGS[name].needed is True)
    for service, variables in SERVICES.items()
}
# The settings of 「模型与密钥」 besides those of the services.
GENERAL, NOTIFY, OSS, ACCESS = (
    tuple(name for name, declaring in DECLARING.items() if declaring is part and SETTINGS[name].label)
    for part in (ModelSettings, WebhookSettings, OssSettings, AccessSettings)
)
_PATHS = "|".join(name for name, each in SETTINGS.items() if each.kind == "path")
LINE_OF_PATH = re.compile(rf"^[ \t]*(?:export[ \t]+)?({_PATHS})[ \t]*=[ \t]*(.*?)[ \t]*$", re.MULTILINE)


def load_settings(environ: Mapping[str, str] | None = None, dotenv: Path = Path(".env")) -> Settings:
    """Load settings from ``.env``, overridden by the environment. Raises SettingError."""
    from_file = values_in(read_dotenv(dotenv), dotenv.name)
    return read_settings({**from_file, **(os.environ if environ is None else environ)})


def environment() -> dict[str, str]:
    """The settings that the environment sets; they override ``.env``."""
    return {name: value for name, value in os.environ.items() if name in SETTINGS}


def environment_of_programs() -> dict[str, str]:
    """The whole environment, for a program that is started with more variables."""
    return dict(os.environ)


def read_dotenv(path: Path) -> str:
    """The text of the file, without its byte order mark; empty when there is none. Raises SettingError."""
    try:
        return path.read_bytes().decode("utf-8-sig") if path.is_file() else ""
    except UnicodeDecodeError:
        raise SettingError(path.name, "这个文件不是 UTF-8 编码，请用记事本打开，另存为 UTF-8") from None
    except OSError as error:
        text = "这个文件读不了（{reason}），请检查它的权限"
        raise SettingError(path.name, text, reason=error.strerror) from error


def read_settings(values: Mapping[str, str]) -> Settings:
    """Build Settings from variables; an empty value counts as unset. Raises SettingError."""
    chosen: dict[str, Any] = {}
    for variable, declared in SETTINGS.items():
        if value := values.get(variable, "").strip():
            if re.search(r"[\x00-\x1f\x7f]", value):
                raise SettingError(variable, "值里有换行或制表符，请写在一行里；值里有反斜杠时请用单引号")
            chosen[variable.lower()] = declared.read(variable, value)
    chosen.setdefault("image_model", _default_model(chosen))
    if chosen.get("output_store") == "oss":
        chosen.setdefault("oss_output_prefix", "ai-images/output/")
    settings = Settings(**chosen)
    _check_combination(settings)
    return settings


def values_in(text: str, file: str) -> dict[str, str]:
    """Parse the text of ``.env``. Raises SettingError, which names ``file``.

    Paths are taken without escapes, so that ``"D:\\new"`` holds no line break.
    """
    text = re.sub(r"\r\n?", "\n", text)
    values = {}
    for binding in parse_stream(io.StringIO(LINE_OF_PATH.sub("", text))):
        if binding.error or (binding.key and binding.value is None):
            written = binding.original.string
            line = binding.original.line + written[: len(written) - len(written.lstrip())].count("\n")
            raise SettingError(file, "第 {line} 行读不懂，应写成「名字=值」，引号要成对", line=line)
        if binding.key:
            values[binding.key] = binding.value or ""
    return values | {found[1]: _path_as_written(found[2]) for found in LINE_OF_PATH.finditer(text)}


def _path_as_written(value: str) -> str:
    """The path without quotes and trailing comment; if all backslashes are doubled, they are halved."""
    quoted = re.fullmatch(r"""(["'])(.*?)\1\s*(?:#.*)?""", value)
    if not quoted:
        return re.sub(r"(?:^|\s+)#.*", "", value).rstrip()
    path = quoted[2]
    return path.replace("\\\\", "\\") if "\\" not in path.replace("\\\\", "") else path


def _default_model(chosen: Mapping[str, Any]) -> str:
    """The first provider that needs nothing but keys, and has them all."""
    return next(  # of which the demo is the last
        name
        for name, required in REQUIRED.items()
        if all(SETTINGS[each].kind == "key" and chosen.get(each.lower()) for each in required)
    )


def _check_combination(settings: Settings) -> None:
    """Check settings against each other. Raises SettingError."""
    if not settings.database_path.name:
        text = "「{path}」是一个文件夹，请在后面加上文件名"
        raise SettingError("DATABASE_PATH", text, path=settings.database_path)
    if not settings.on_loopback and not settings.access_password:
        text = "HOST={host} 会让别的电脑也能打开并花钱，请设置访问密码，或把 HOST 改回 127.0.0.1"
        raise SettingError("ACCESS_PASSWORD", text, host=settings.host)
    if settings.oss_output_prefix and not settings.oss_enabled:
        variable = "OUTPUT_STORE" if settings.output_store == "oss" else "OSS_OUTPUT_PREFIX"
        raise SettingError(variable, "要先设置 OSS_ENABLED=true 和其他 OSS 设置")
    # Deleting a reference image must not delete a generated picture.
    prefix = settings.oss_sample_prefix
    if settings.output_store == "oss" and settings.oss_output_prefix.startswith(prefix):
        text = "图片存在 OSS 时，不能在 OSS_SAMPLE_PREFIX「{prefix}」下面，请换一个"
        raise SettingError("OSS_OUTPUT_PREFIX", text, prefix=prefix)
    output, samples = map(os.path.realpath, (settings.output_dir, settings.samples_dir))
    if os.path.normcase(output) == os.path.normcase(samples):
        raise SettingError(
            "SAMPLES_DIR", "不能和 OUTPUT_DIR 是同一个文件夹「{folder}」，请换一个", folder=output
        )
