"""Moves and deletes files with retries on Windows sharing violations, and limits path lengths there.

Virus scanners, OneDrive, Explorer's preview or WPS lock a file briefly after it was written; all code that
moves or deletes files uses this module. Other systems never wait. A lock between processes ends with the
process that holds it.
"""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from errno import EACCES, EAGAIN, EDEADLK, EINVAL, EMLINK, ENOSYS, ENOTSUP, EOPNOTSUPP, EPERM
from pathlib import Path
from typing import TypeVar

from app.errors import Message, message

if sys.platform == "win32":
    import msvcrt
    import winreg
else:
    import fcntl

_NO_LINKS = (EACCES, EINVAL, EMLINK, ENOSYS, ENOTSUP, EOPNOTSUPP, EPERM)
_LOCK_HELD = (EACCES, EAGAIN, EDEADLK)
_LOCKED = (32, 33)  # ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION
_DENIED = 5  # ERROR_ACCESS_DENIED
_RETRY_DELAYS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 2.0)  # seconds: about five in total
_TOO_LONG = 206  # ERROR_FILENAME_EXCED_RANGE
_MAX_PATH_LENGTH = 249  # of the 259 that most programs open; leaves space for their temporary names
_MIN_NAME = 45  # 30 for the name itself, then number, counter and extension

_Done = TypeVar("_Done")


def retry_while_locked(act: Callable[[], _Done]) -> _Done:
    """Call ``act``; retry with growing delays while another program locks the file, then raise OSError."""
    for pause in _RETRY_DELAYS:
        try:
            return act()
        except OSError as error:
            if not is_locked(error):
                raise
        time.sleep(pause)
    return act()


def replace(source: Path, target: Path) -> None:
    """Rename the source to the target, overwriting it."""
    retry_while_locked(lambda: source.replace(target))


def move(source: Path, target: Path) -> None:
    """Rename without overwriting; raises FileExistsError on every system when the target exists.

    Of two concurrent moves of one file, one succeeds; the other raises FileNotFoundError.
    """
    if not publish(source, target):
        return
    try:
        source.unlink()
    except FileNotFoundError:
        unlink(target)
        raise


def publish(source: Path, target: Path) -> bool:
    """Like ``move``, but the source may remain as a hard link -> whether it does."""
    if _is_windows():  # on Windows rename() never overwrites
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
    """Delete the file, ignoring one that does not exist. A caller that will retry anyway need not wait."""
    retry_while_locked(lambda: path.unlink(missing_ok=True))


def sync_folder(folder: Path) -> None:
    """Flush directory entries to disk, so that new names survive a power failure; no-op on Windows."""
    if _is_windows():
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def max_name_length(folder: Path) -> int | None:
    """Maximum length of a file name in the folder, in UTF-16 units; None where paths are not limited.

    At least ``_MIN_NAME``: where the folder leaves less, see ``too_deep``.
    """
    if not _is_windows():
        return None
    return max(_MIN_NAME, _MAX_PATH_LENGTH - _folder_length(folder))


def too_deep(folder: Path) -> Message | None:
    """The error message for a folder whose path is too long for file names; None when it is not."""
    units = _folder_length(folder)
    if not _is_windows() or units + _MIN_NAME <= _MAX_PATH_LENGTH or _takes_long_paths():
        return None
    return message(
        "文件夹「{folder}」的路径有 {n} 个字，Windows 放不进图片，请换一个路径短的文件夹",
        folder=folder,
        n=units - 1,
    )


def utf16_length(text: str) -> int:
    """Length of a text in UTF-16 code units, as Windows counts; an emoji has two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def is_too_long(error: OSError) -> bool:
    """Whether the error means that the path is too long."""
    return getattr(error, "winerror", None) == _TOO_LONG


def is_locked(error: OSError) -> bool:
    """Whether another program locks the file.

    Windows may report only "access denied"; for a missing file that means the folder is not writable.
    """
    code = getattr(error, "winerror", None)
    return code in _LOCKED or (code == _DENIED and os.path.lexists(error.filename or ""))


def locked_message(error: OSError) -> Message:
    """The message for the user, with the final name of the file."""
    name = Path(str(error.filename2 or error.filename or "")).name
    return message(
        "文件「{name}」正被另一个程序占用，请关掉打开它的程序（WPS、看图、网盘同步、杀毒软件）后重试",
        name=name,
    )


def _move_without_links(source: Path, target: Path) -> None:
    """For file systems without hard links (exFAT, some shares): create the target first, then replace it."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    try:
        replace(source, target)
    except OSError:
        unlink(target)
        raise


def _is_windows() -> bool:
    return os.name == "nt"


def _folder_length(folder: Path) -> int:
    return utf16_length(str(folder.absolute())) + 1


def _takes_long_paths() -> bool:
    """Whether long paths are enabled on this machine; Python supports them."""
    if sys.platform == "win32":
        path = r"SYSTEM\CurrentControlSet\Control\FileSystem"
        with contextlib.suppress(OSError), winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:
            return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
    return False


@contextlib.contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold a lock of this file, which is made, until the block ends -> whether nobody else held it.

    Where files have no locks (a network share) it counts as held by nobody. Raises OSError.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _is_free(handle)
    finally:
        os.close(handle)


def _is_free(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _LOCK_HELD
    return True
