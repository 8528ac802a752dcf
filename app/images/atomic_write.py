"""Atomic file writes through temporary ``.part`` files, and removal of orphaned ones."""

import contextlib
import errno
import os
import re
import secrets
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from app.errors import DiskError, Message, message
from app.system import windows_files

if sys.platform != "win32":
    import fcntl

PART = ".part"
_OUR_PART = re.compile(r"\.[0-9a-f]{16}\.part")

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextlib.contextmanager
def translate_os_errors(folder: Path) -> Iterator[None]:
    """Convert an OSError into a DiskError with advice for the user."""
    try:
        yield
    except OSError as error:
        raise DiskError(_sentence(error, folder)) from error


@contextlib.contextmanager
def temp_file(folder: Path, pieces: Iterable[bytes | bytearray | memoryview]) -> Iterator[Path]:
    """Write the pieces to a new, fsynced ``.part`` file; it is deleted on exit, also after an error.

    The file is locked while the process lives, so that ``remove_parts`` skips it.
    """
    part, file = _new_part(folder)
    try:
        with file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
            if os.name == "nt":
                file.close()  # Windows cannot rename an open file
            yield part
    finally:
        with contextlib.suppress(OSError):  # ``remove_parts`` deletes it later
            windows_files.unlink(part)


def write_over(final: Path, content: bytes | bytearray, parts_folder: Path) -> None:
    """Atomically write or replace a file that can be recreated from other data."""
    final.parent.mkdir(parents=True, exist_ok=True)
    with temp_file(parts_folder, [content]) as part:
        windows_files.replace(part, final)


def remove_parts(folder: Path, *, older_than: float) -> int:
    """Delete ``.part`` files of terminated processes; returns how many.

    A lock marks files in use; without locks, those older than ``older_than`` seconds are deleted.
    """
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        parts = [Path(entry) for entry in entries if _OUR_PART.fullmatch(entry.name)]
        return sum(_remove_orphan(part, older_than) for part in parts)
    return 0


def _new_part(folder: Path) -> tuple[Path, BinaryIO]:
    """Create, open and lock a part file; retries if it is deleted as orphaned before it is locked."""
    while True:
        part = folder / f".{secrets.token_hex(8)}{PART}"
        file = part.open("xb")
        if sys.platform != "win32":
            with contextlib.suppress(OSError):  # network share without locks
                fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        if part.exists():
            return part, file
        file.close()


def _remove_orphan(part: Path, older_than: float) -> bool:
    if sys.platform == "win32":
        return _remove_old(part, older_than)
    try:
        with part.open("rb") as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink(missing_ok=True)
            return True
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError:
        return _remove_old(part, older_than)


def _remove_old(part: Path, older_than: float) -> bool:
    try:
        if time.time() - part.stat().st_mtime >= older_than:
            part.unlink(missing_ok=True)
            return True
    except FileNotFoundError:
        return False
    except OSError as error:
        if not windows_files.is_locked(error):  # files in use are retried every hour
            raise
    return False


def _sentence(error: OSError, folder: Path) -> Message:
    if windows_files.is_locked(error):
        return windows_files.locked_message(error)
    if error.errno in _FULL:
        return message("磁盘已满，写不进「{folder}」，请腾出空间后重试", folder=folder)
    if error.errno in _REFUSED:
        return message("没有权限写入「{folder}」，请检查这个文件夹的权限后重试", folder=folder)
    if error.errno == errno.ENAMETOOLONG or windows_files.is_too_long(error):
        return message("文件名太长，系统不接受，请换一个短一些的文件名")
    return message(
        "无法写入「{folder}」（{reason}），请检查磁盘后重试", folder=folder, reason=error.strerror or error
    )
