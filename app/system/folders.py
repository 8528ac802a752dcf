"""Where the data is: its settings; the folders, created and checked before the server starts."""

from __future__ import annotations

import errno
import importlib.util
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import SettingError
from app.setting import int_between, key, read_bool, read_url, setting

_FULL = (errno.ENOSPC, errno.EDQUOT)


def _read_path(variable: str, value: str) -> Path:
    bare = re.fullmatch(r"""(["'])(.+)\1""", value)  # as cmd's ``set`` leaves them
    try:
        return Path(bare[2] if bare else value).expanduser()
    except RuntimeError:
        text = "「{value}」里的 ~ 找不到对应的文件夹，请写完整的路径"
        raise SettingError(variable, text, value=value) from None


def _read_database_url(variable: str, value: str) -> str:
    if not re.fullmatch(r"postgres(ql)?://([^\s/?#@]*@)?[^\s/?#@]*/[^\s/?#]+(\?\S*)?", value):
        # The value is not shown: it may contain a password.
        text = "应为 postgresql://用户:密码@主机:5432/数据库，密码里的符号写成 %40 这样的编码"
        raise SettingError(variable, text)
    if not importlib.util.find_spec("psycopg"):
        text = "需要先安装 PostgreSQL 的驱动：pip install -r requirements-postgres.txt"
        raise SettingError(variable, text)
    return value


def _read_store(variable: str, value: str) -> str:
    if value.lower() not in ("local", "oss"):
        raise SettingError(variable, "应为 local 或 oss，现在是「{value}」", value=value)
    return value.lower()


def _read_prefix(variable: str, value: str) -> str:
    if not value.strip("/"):
        raise SettingError(variable, "应为一个文件夹，例如 ai-images/sample/，不能只写 /")
    return value.strip("/") + "/"


def _path(default: Path | None) -> Any:
    return setting(default, _read_path, kind="path")


@dataclass(frozen=True, kw_only=True)
class OssSettings:
    """The settings of the bucket."""

    oss_enabled: bool = setting(False, read_bool, "示例图放在 OSS", agrees=True)
    oss_endpoint: str = setting("", label="Endpoint", example="oss-cn-hangzhou.aliyuncs.com", kind="address")
    oss_bucket: str = setting("", label="Bucket", example="地址里有就不填", agrees=True)
    oss_region: str = setting("", label="地域", example="地址里有就不填，例如 cn-hangzhou")
    oss_access_key_id: str = key("AccessKey ID")
    oss_access_key_secret: str = key("AccessKey Secret")
    oss_sample_prefix: str = setting("ai-images/sample/", _read_prefix, "示例图存到", agrees=True)
    oss_output_prefix: str = setting(
        "", _read_prefix, "生成的图片也存一份到", example="空着就不存，例如 ai-images/output/", agrees=True
    )
    oss_public_url: str = setting(
        "", read_url, "给模型看图用的域名", example="绑了自己的域名才填", kind="address"
    )


@dataclass(frozen=True, kw_only=True)
class StorageSettings:
    """The settings of folders and of the database."""

    database_path: Path = _path(Path("generation_records.db"))
    output_dir: Path = _path(Path("output"))
    samples_dir: Path = _path(Path("samples"))
    backup_dir: Path | None = _path(None)
    database_url: str = setting("", _read_database_url, secret=True)
    output_store: str = setting("local", _read_store, agrees=True)
    output_cache_gb: int | None = setting(None, int_between(1, 1_000_000))


def ensure_writable(settings: StorageSettings) -> None:
    """Create every folder and test writing to it; a full disk pauses batches later.

    Raises SettingError with the setting of the folder.
    """
    _make_folder("DATABASE_PATH", settings.database_path.parent)
    _make_folder("OUTPUT_DIR", settings.output_dir)
    _make_folder("SAMPLES_DIR", settings.samples_dir)
    path = settings.database_path
    if settings.database_url:  # the log only is written beside the path
        return
    if path.is_dir():
        raise SettingError(
            "DATABASE_PATH", f"「{path}」是一个文件夹，请在后面加上文件名，例如 {path.name}/records.db"
        )
    if path.exists() and not os.access(path, os.W_OK):
        raise SettingError("DATABASE_PATH", f"「{path}」是只读的，请去掉它的只读属性，或换一个地方")


def _make_folder(variable: str, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        if error.errno not in _FULL:
            raise SettingError(variable, _problem(folder.absolute(), error)) from error


def _problem(folder: Path, error: OSError) -> str:
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"「{folder}」不是文件夹，或在一个文件的下面，请换一个地方"
    if isinstance(error, PermissionError):
        return f"「{folder}」不能写入，请检查它的权限，或换一个地方"
    return f"「{folder}」用不了（{error.strerror}），请检查磁盘是否还连着，或换一个地方"
