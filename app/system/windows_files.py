"""What Windows asks of those who move, remove and name files: patience, and short paths.

A virus scanner, OneDrive, Explorer's preview or WPS holds a file for a moment after it was written; whoever
moves or removes files does it through here. Elsewhere nothing waits.
"""

import contextlib
import errno
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

if sys.platform == "win32":
    import winreg

_HELD = (32, 33)  # ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION
_DENIED = 5  # ERROR_ACCESS_DENIED
_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 2.0)  # seconds: about five in all

_NO_LINKS = (
    errno.EPERM,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EMLINK,
    errno.EINVAL,
    errno.EACCES,
)
_TOO_LONG = 206  # ERROR_FILENAME_EXCED_RANGE
_LONGEST_PATH = 249  # of the 259 that Explorer, WPS and most others open; they write beside it as well
_LEAST_NAME = 45  # 30 for the name itself, then number, counter and ending

_Done = TypeVar("_Done")


def retry_while_locked(act: Callable[[], _Done]) -> _Done:
    """Do it, again with growing pauses while another program holds the file; then raises what it says."""
    for pause in _PAUSES:
        try:
            return act()
        except OSError as error:
            if not is_locked(error):
                raise
        time.sleep(pause)
    return act()


def replace(source: Path, target: Path) -> None:
    """The source under the target's name, whatever was there before."""
    retry_while_locked(lambda: source.replace(target))


def move(source: Path, target: Path) -> None:
    """The file under a name that no file has yet; FileExistsError where one has it, on every system.

    Of two that move one file at once, one succeeds; the other raises FileNotFoundError.
    """
    if not publish(source, target):
        return
    try:
        source.unlink()
    except FileNotFoundError:
        unlink(target)
        raise


def publish(source: Path, target: Path) -> bool:
    """The same, except that the source may stay as a second name of the file -> whether it did."""
    if _is_here():  # Windows itself refuses to rename over a file
        retry_while_locked(lambda: source.rename(target))
        return False
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _move_without_links(source, target)
        return False
    return True


def unlink(path: Path) -> None:
    """Remove the file; one that is gone already is no complaint. Whoever comes by again need not wait."""
    retry_while_locked(lambda: path.unlink(missing_ok=True))


def max_name_length(folder: Path) -> int | None:
    """How many UTF-16 units the name of a file in the folder may have; None where its path has no bound.

    Never so few that names say nothing any more: where the folder leaves less, see ``too_deep``.
    """
    if not _is_here():
        return None
    return max(_LEAST_NAME, _LONGEST_PATH - _units_before_names(folder))


def too_deep(folder: Path) -> str:
    """The sentence on a folder whose own path leaves no room for names; empty when it does."""
    units = _units_before_names(folder)
    if not _is_here() or units + _LEAST_NAME <= _LONGEST_PATH or _takes_long_paths():
        return ""
    return f"文件夹「{folder}」的路径有 {units - 1} 个字，Windows 放不进图片，请换一个路径短的文件夹"


def utf16_length(text: str) -> int:
    """How long Windows finds a text: in halves of UTF-16, of which an emoji has two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def is_too_long(error: OSError) -> bool:
    """Whether Windows found a path too long."""
    return getattr(error, "winerror", None) == _TOO_LONG


def is_locked(error: OSError) -> bool:
    """Whether another program holds the file.

    Windows may only say that it is denied; of a file that is not there that means the folder takes none.
    """
    code = getattr(error, "winerror", None)
    return code in _HELD or (code == _DENIED and os.path.lexists(error.filename or ""))


def locked_message(error: OSError) -> str:
    """For the person at the screen, who knows the file by its final name."""
    name = Path(str(error.filename2 or error.filename or "")).name
    return f"文件「{name}」正被另一个程序占用，请关掉打开它的程序（WPS、看图、网盘同步、杀毒软件）后重试"


def _move_without_links(source: Path, target: Path) -> None:
    """For file systems without hard links (exFAT, some shares): take the name first, then fill it."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    try:
        replace(source, target)
    except OSError:
        unlink(target)
        raise


def _is_here() -> bool:
    return os.name == "nt"


def _units_before_names(folder: Path) -> int:
    return utf16_length(str(folder.absolute())) + 1


def _takes_long_paths() -> bool:
    """Whether somebody lifted the bound for this machine; Python is among those who make use of it."""
    if sys.platform == "win32":
        path = r"SYSTEM\CurrentControlSet\Control\FileSystem"
        with contextlib.suppress(OSError), winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as place:
            return bool(winreg.QueryValueEx(place, "LongPathsEnabled")[0])
    return False
