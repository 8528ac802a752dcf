"""Settings: built once from the environment and ``.env``, then passed as an argument.

The only reader of ``os.environ``. An invalid value raises a SettingError that names its variable.
"""

from __future__ import annotations

import importlib.util
import io
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from dotenv.parser import parse_stream

from app.errors import SettingError

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

# Value of IMAGE_MODEL, the name of a provider -> the variables it requires.
REQUIRED: dict[str, tuple[str, ...]] = {
    "jimeng": ("VOLCENGINE_AK", "VOLCENGINE_SK"),
    "seedream": ("ARK_API_KEY",),
    "bailian": ("DASHSCOPE_API_KEY",),
    "gemini": ("GEMINI_API_KEY",),
    "tokenhub": ("TOKENHUB_API_KEY",),
    "openai": ("OPENAI_BASE_URL", "OPENAI_IMAGE_MODEL"),
    "sdapi": ("SDAPI_URL",),
    "demo": (),
}

# What a process does: ``web`` serves pages, ``worker`` makes images.
ROLES = ("all", "web", "worker")


def _text(_variable: str, value: str) -> str:
    return value


def _key(variable: str, value: str) -> str:
    if not re.fullmatch(r"[!-~]+", value):  # other characters are invalid in an HTTP header
        raise SettingError(
            variable, "密钥里只有英文字母、数字和符号，现在还有别的字（或空格），请重新复制一遍"
        )
    return value


def _model(variable: str, value: str) -> str:
    if value.lower() not in REQUIRED:
        raise SettingError(
            variable, "没有叫「{value}」的模型，可选：{choices}", value=value, choices=tuple(REQUIRED)
        )
    return value.lower()


def _role(variable: str, value: str) -> str:
    if value.lower() not in ROLES:
        raise SettingError(variable, "应为 {choices} 之一，现在是「{value}」", choices=ROLES, value=value)
    return value.lower()


def _url(variable: str, value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", value):
        raise SettingError(variable, "应为以 http:// 或 https:// 开头的地址")  # it may contain a password
    return value.rstrip("/")


def _database_url(variable: str, value: str) -> str:
    if not re.fullmatch(r"postgres(ql)?://([^\s/?#@]*@)?[^\s/?#@]*/[^\s/?#]+(\?\S*)?", value):
        # The value is not shown: it may contain a password.
        text = "应为 postgresql://用户:密码@主机:5432/数据库，密码里的符号写成 %40 这样的编码"
        raise SettingError(variable, text)
    if not importlib.util.find_spec("psycopg"):
        text = "需要先安装 PostgreSQL 的驱动：pip install -r requirements-postgres.txt"
        raise SettingError(variable, text)
    return value


def _webhook(variable: str, value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+(/[!-~]*)?", value):  # its token is not shown
        raise SettingError(variable, "应为群机器人的完整地址，以 http:// 或 https:// 开头，请重新复制一遍")
    return value


def _output_store(variable: str, value: str) -> str:
    if value.lower() not in ("local", "oss"):
        raise SettingError(variable, "应为 local 或 oss，现在是「{value}」", value=value)
    return value.lower()


def _int_between(low: int, high: int) -> Callable[[str, str], int]:
    def read(variable: str, value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
            text = "应为 {low}–{high} 的整数，现在是「{value}」"
            raise SettingError(variable, text, low=low, high=high, value=value)
        return int(value)

    return read


def _money(variable: str, value: str) -> Decimal:
    # At most as many decimals as are stored: a smaller price would become 0.
    if not re.fullmatch(r"[0-9]{1,8}(\.[0-9]{1,6})?", value) or Decimal(value) > 10_000_000:
        raise SettingError(variable, "应为金额（元），例如 0.22，现在是「{value}」", value=value)
    return Decimal(value)


def _producer(variable: str, value: str) -> str:
    if not re.fullmatch(r"[ -~]{1,256}", value):
        raise SettingError(variable, "应为英文字母、数字和符号，最多 256 个，例如统一社会信用代码")
    return value


def _rate(variable: str, value: str) -> Decimal:
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", value) or not Decimal(value):
        raise SettingError(variable, "应为 1 美元合多少元，例如 7.1，现在是「{value}」", value=value)
    return Decimal(value)


def _bool(variable: str, value: str) -> bool:
    if value.lower() in ("1", "true", "yes", "on"):
        return True
    if value.lower() in ("0", "false", "no", "off"):
        return False
    raise SettingError(variable, "应为 true 或 false，现在是「{value}」", value=value)


def _hosts(variable: str, value: str) -> tuple[str, ...]:
    names = tuple(name.strip().lower() for name in value.split(",") if name.strip())
    for name in names:
        if not re.fullmatch(r"[^\s/:*@，、；;]+", name) and not is_address(name):
            text = "只写主机名，用英文逗号分开，不带 http:// 和端口，例如 mac.local，现在有「{name}」"
            raise SettingError(variable, text, name=name)
    return names


def _networks(variable: str, value: str) -> tuple[IPNetwork, ...]:
    try:
        return tuple(
            ipaddress.ip_network(part.strip(), strict=False) for part in value.split(",") if part.strip()
        )
    except ValueError:
        text = "应为地址或网段，用英文逗号分开，例如 10.0.0.5, 172.18.0.0/16，现在是「{value}」"
        raise SettingError(variable, text, value=value) from None


def _path(variable: str, value: str) -> Path:
    bare = re.fullmatch(r"""(["'])(.+)\1""", value)  # as cmd's ``set`` leaves them
    try:
        return Path(bare[2] if bare else value).expanduser()
    except RuntimeError:
        text = "「{value}」里的 ~ 找不到对应的文件夹，请写完整的路径"
        raise SettingError(variable, text, value=value) from None


def _prefix(variable: str, value: str) -> str:
    if not value.strip("/"):
        raise SettingError(variable, "应为一个文件夹，例如 ai-images/sample/，不能只写 /")
    return value.strip("/") + "/"


def _setting(default: Any, read: Callable[[str, str], Any] = _text, *, secret: bool = False) -> Any:
    """A field read by ``read`` from the variable of its upper-case name; secrets are left out of repr."""
    return field(default=default, repr=not secret, metadata={"read": read})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings, validated. ``model_timeout`` is in seconds, money in CNY; repr omits secrets."""

    image_model: str = _setting("demo", _model)
    volcengine_ak: str = _setting("", _key, secret=True)
    volcengine_sk: str = _setting("", _key, secret=True)
    jimeng_endpoint: str = _setting("https://visual.volcengineapi.com", _url)
    jimeng_req_key: str = _setting("jimeng_t2i_v40")
    jimeng_aigc_producer: str = _setting("", _producer)
    jimeng_local_references: bool = _setting(False, _bool)
    jimeng_concurrency: int | None = _setting(None, _int_between(1, 256))
    jimeng_price: Decimal | None = _setting(None, _money)
    jimeng_outpaint_price: Decimal | None = _setting(None, _money)
    jimeng_cutout_price: Decimal | None = _setting(None, _money)
    ark_api_key: str = _setting("", _key, secret=True)
    ark_base_url: str = _setting("https://ark.cn-beijing.volces.com/api/v3", _url)
    seedream_model: str = _setting("doubao-seedream-5-0-pro-260628")
    seedream_concurrency: int | None = _setting(None, _int_between(1, 256))
    seedream_price: Decimal | None = _setting(None, _money)
    dashscope_api_key: str = _setting("", _key, secret=True)
    dashscope_base_url: str = _setting("https://dashscope.aliyuncs.com", _url)
    bailian_model: str = _setting("wan2.7-image-pro")
    bailian_concurrency: int | None = _setting(None, _int_between(1, 256))
    bailian_price: Decimal | None = _setting(None, _money)
    gemini_api_key: str = _setting("", _key, secret=True)
    gemini_base_url: str = _setting("https://generativelanguage.googleapis.com", _url)
    gemini_image_model: str = _setting("gemini-nano-banana-2.1")
    gemini_concurrency: int | None = _setting(None, _int_between(1, 256))
    gemini_price: Decimal | None = _setting(None, _money)
    tokenhub_api_key: str = _setting("", _key, secret=True)
    tokenhub_base_url: str = _setting("https://tokenhub.tencentmaas.com", _url)
    tokenhub_image_model: str = _setting("hy-image-v3.5-preview")
    tokenhub_concurrency: int | None = _setting(None, _int_between(1, 256))
    tokenhub_price: Decimal | None = _setting(None, _money)
    openai_api_key: str = _setting("", _key, secret=True)
    openai_base_url: str = _setting("https://api.openai.com/v1", _url)
    openai_image_model: str = _setting("gpt-image-2")
    openai_concurrency: int | None = _setting(None, _int_between(1, 256))
    openai_price: Decimal | None = _setting(None, _money)
    sdapi_url: str = _setting("", _url, secret=True)  # may contain a user name and password
    sdapi_concurrency: int | None = _setting(None, _int_between(1, 256))
    sdapi_price: Decimal | None = _setting(None, _money)
    model_concurrency: int = _setting(4, _int_between(1, 256))
    model_timeout: int = _setting(300, _int_between(1, 86_400))
    price_per_image: Decimal | None = _setting(None, _money)
    usd_cny: Decimal | None = _setting(None, _rate)
    watermark: bool = _setting(False, _bool)
    budget: Decimal | None = _setting(None, _money)
    oss_enabled: bool = _setting(False, _bool)
    oss_endpoint: str = _setting("")
    oss_bucket: str = _setting("")
    oss_region: str = _setting("")
    oss_access_key_id: str = _setting("", _key, secret=True)
    oss_access_key_secret: str = _setting("", _key, secret=True)
    oss_sample_prefix: str = _setting("ai-images/sample/", _prefix)
    oss_output_prefix: str = _setting("", _prefix)
    oss_public_url: str = _setting("", _url)
    host: str = _setting("127.0.0.1")
    port: int = _setting(5000, _int_between(1, 65_535))
    allowed_hosts: tuple[str, ...] = _setting((), _hosts)
    access_password: str = _setting("", secret=True)
    studio_name: str = _setting("")
    notify_url: str = _setting("", _webhook, secret=True)  # contains a token
    database_path: Path = _setting(Path("generation_records.db"), _path)
    output_dir: Path = _setting(Path("output"), _path)
    samples_dir: Path = _setting(Path("samples"), _path)
    backup_dir: Path | None = _setting(None, _path)  # ``none``: off
    database_url: str = _setting("", _database_url, secret=True)  # may contain a password
    output_store: str = _setting("local", _output_store)
    output_cache_gb: int | None = _setting(None, _int_between(1, 1_000_000))
    role: str = _setting("all", _role)
    trusted_proxies: tuple[IPNetwork, ...] = _setting((), _networks)

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
        """The required variables of an image model that are not set; OpenAI's own service needs a key."""
        required = REQUIRED[image_model]
        if image_model == "openai" and self.source_of("OPENAI_BASE_URL") == "default":
            required += ("OPENAI_API_KEY",)
        return [variable for variable in required if not getattr(self, variable.lower())]

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
        name = variable.lower()
        default = next(each.default for each in fields(self) if each.name == name)
        if getattr(self, name) != default:
            return "set"
        return "default" if default else "empty"

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)


_PATHS = "|".join(each.name.upper() for each in fields(Settings) if each.metadata["read"] is _path)
LINE_OF_PATH = re.compile(rf"^[ \t]*(?:export[ \t]+)?({_PATHS})[ \t]*=[ \t]*(.*?)[ \t]*$", re.MULTILINE)


def load_settings(environ: Mapping[str, str] | None = None, dotenv: Path = Path(".env")) -> Settings:
    """Load settings from ``.env``, overridden by the environment. Raises SettingError."""
    from_file = values_in(read_dotenv(dotenv), dotenv.name)
    return read_settings({**from_file, **(os.environ if environ is None else environ)})


def environment() -> dict[str, str]:
    """The settings that the environment sets; they override ``.env``."""
    names = {each.name.upper() for each in fields(Settings)}
    return {name: value for name, value in os.environ.items() if name in names}


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
    for each in fields(Settings):
        variable = each.name.upper()
        if value := values.get(variable, "").strip():
            if re.search(r"[\x00-\x1f\x7f]", value):
                raise SettingError(variable, "值里有换行或制表符，请写在一行里；值里有反斜杠时请用单引号")
            chosen[each.name] = each.metadata["read"](variable, value)
    chosen.setdefault("image_model", _default_model(chosen))
    if chosen.get("output_store") == "oss":
        chosen.setdefault("oss_output_prefix", "ai-images/output/")
    settings = Settings(**chosen)
    _check_combination(settings)
    return settings


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
    """The first provider whose keys are all there."""
    for name in ("jimeng", "seedream", "bailian", "gemini", "tokenhub"):
        if all(chosen.get(variable.lower()) for variable in REQUIRED[name]):
            return name
    return "demo"


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
