"""Changes variables of ``.env`` in place: comments, order, line endings and the file's mode stay.

Not ``dotenv.set_key``: it moves no value into a commented line, drops the comment behind a value, and
writes without a lock.
"""

import contextlib
import io
import os
import re
import stat
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from dotenv.parser import parse_stream

from app.config import LINE_OF_PATH, Settings, environment, read_dotenv, read_settings, values_in
from app.errors import DiskError, SettingError
from app.system import windows_files

if sys.platform != "win32":
    import fcntl

_BOM = b"\xef\xbb\xbf"
_PLAIN = re.compile(r"""[^\s'"#\\$`]+""")
_VALUE = re.compile(  # as dotenv reads it: quoted, or up to a comment or the end of the line
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\r\n]*?(?=[^\S\r\n]+\#|[^\S\r\n]*(?:[\r\n]|\Z))""", re.DOTALL
)


class EnvFile:
    """The file ``.env``, and the settings of the environment, which override it. Thread-safe."""

    def __init__(self, path: Path = Path(".env"), environ: Mapping[str, str] | None = None) -> None:
        self.path = path.absolute()
        self.environ = environment() if environ is None else environ
        self._lock = threading.Lock()

    def values(self) -> dict[str, str]:
        """The variables of the file. Raises SettingError when it cannot be read."""
        return values_in(read_dotenv(self.path), self.path.name)

    @contextlib.contextmanager
    def edit(self) -> Iterator["Edit"]:
        """Lock the file until the block ends: in this process, and in others where folders have locks."""
        folder = Path(os.path.realpath(self.path)).parent  # of the file that is written
        with self._lock, _locked(folder if folder.is_dir() else self.path.parent):
            yield Edit(self)


class Edit:
    """An edit of the locked file. ``values`` are its variables when it was locked."""

    def __init__(self, file: EnvFile) -> None:
        self._file = file
        self._text = read_dotenv(file.path)
        self.values = values_in(self._text, file.path.name)

    def settings(self, changes: Mapping[str, str]) -> Settings:
        """The settings that the file would give with these changes. Raises SettingError; writes nothing."""
        return read_settings({**self.values, **changes, **self._file.environ})

    def save(self, changes: Mapping[str, str]) -> None:
        """Write the changes; an empty value unsets a variable. Raises SettingError or DiskError."""
        text, path = set_variables(self._text, changes), Path(os.path.realpath(self._file.path))
        is_special = path.exists() and not path.is_file()
        if is_special or _without_empty(values_in(text, self._file.path.name)) != _without_empty(
            {**self.values, **changes}
        ):
            raise SettingError(self._file.path.name, "这个文件很特殊，程序改不了，请自己改后重新启动")
        try:
            has_bom = path.exists() and path.read_bytes().startswith(_BOM)
            _replace(path, (_BOM if has_bom else b"") + text.encode())
        except OSError as error:
            text = "写不进「{file}」（{reason}），请检查它的权限和磁盘"
            raise DiskError(text, file=self._file.path, reason=error.strerror or error) from error


def set_variables(text: str, changes: Mapping[str, str]) -> str:
    """The text of the file with these values, each where it is now, at a comment ``# NAME=``, or at the end.

    Not for the settings that are paths.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    for name, value in changes.items():
        text = _set_variable(text, name, value, newline)
    return text


def _set_variable(text: str, name: str, value: str, newline: str) -> str:
    line = f"{name}={_quoted(value)}"
    example = re.compile(rf"(\s*)#[ \t]*(?:export[ \t]+)?{name}[ \t]*=[ \t]*(\S*)[^\r\n]*")
    found: tuple[int, int, str] | None = None  # from, to, what is written there
    start, is_set = 0, False
    for key, written in _bindings(text):
        end = start + len(written)
        if key == name:
            found, is_set = (start, end, _with_value(written, name, value)), True
        elif key is None and not is_set and value and (comment := example.match(written)):
            if comment[2]:  # an example that stays
                at = start + comment.end()
                found = (at, at, newline + line)
            else:
                found = (start + comment.end(1), start + comment.end(), line)
        start = end
    if found:
        return text[: found[0]] + found[2] + text[found[1] :]
    if not value:
        return text
    return text + ("" if not text or text.endswith(("\n", "\r")) else newline) + line + newline


def _bindings(text: str) -> Iterator[tuple[str | None, str]]:
    """(variable or None for a comment, its text) of every part; the texts together are the whole."""

    def hide_path(line: re.Match[str]) -> str:
        return "#" * len(line[0]) if LINE_OF_PATH.match(line[0]) else line[0]

    start = 0
    for binding in parse_stream(io.StringIO(re.sub(r"[^\r\n]+", hide_path, text))):
        end = start + len(binding.original.string)
        yield binding.key, text[start:end]
        start = end


def _with_value(written: str, name: str, value: str) -> str:
    head = re.match(rf"\s*(?:export[^\S\r\n]+)?'?{name}'?[^\S\r\n]*=[^\S\r\n]*", written)
    if head is None:
        return written  # which ``save`` refuses
    rest = written[head.end() :]
    old = _VALUE.match(rest)
    rest = rest[old.end() :] if old else rest
    has_comment = rest.lstrip(" \t").startswith("#")  # would be read as the value of an empty one
    return head[0] + (_quoted(value) or ("''" if has_comment else "")) + rest


def _quoted(value: str) -> str:
    if not value or _PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _without_empty(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of the folder against other processes; without such locks the last writer wins."""
    if sys.platform == "win32":
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a network share
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(path: Path, content: bytes) -> None:
    """Atomically and durably write the file; a new one can be read by its owner only.

    The lock is held: a part file that is there was left by a process that was killed, and is replaced.
    """
    part = path.with_name(".env.part")
    windows_files.unlink(part)
    try:
        with open(part, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            before = path.stat()
            if sys.platform != "win32":
                with contextlib.suppress(PermissionError):
                    os.chown(part, before.st_uid, before.st_gid)
            part.chmod(stat.S_IMODE(before.st_mode))
        windows_files.replace(part, path)
        windows_files.sync_folder(path.parent)
    finally:
        windows_files.unlink(part)
