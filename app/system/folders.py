"""Creates the data folders and checks that they are writable, before the server starts."""

import errno
import os
import tempfile
from pathlib import Path

from app.config import Settings
from app.errors import SettingError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def ensure_writable(settings: Settings) -> None:
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
