"""Files locked by another program, as on Windows."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def sharing_violation(*names: object, winerror: int = 32) -> OSError:
    """The error of Windows for a file locked by another program, or for a path that is too long (206)."""
    number = errno.ENOENT if winerror == 206 else errno.EACCES
    error = OSError(number, "Windows 的原话", *names[:1], None, *names[1:])
    error.winerror = winerror  # type: ignore[attr-defined,unused-ignore]
    return error


def lock_files(
    patch: pytest.MonkeyPatch,
    verb: str,
    *,
    times: int = 10**9,
    winerror: int = 32,
    which: str = "",
    ending: str = "",
) -> list[Path]:
    """Let ``Path.replace``, ``rename``, ``unlink`` or ``read_bytes`` fail ``times`` times, for some names.

    -> the files that were tried, once for each attempt.
    """
    really: Callable[..., Any] = getattr(Path, verb)
    tried: list[Path] = []

    def refuse(path: Path, *others: Any, **options: Any) -> Any:
        if not (which in path.name and path.name.endswith(ending)):
            return really(path, *others, **options)
        tried.append(path)
        if len(tried) <= times:
            raise sharing_violation(str(path), *map(str, others), winerror=winerror)
        return really(path, *others, **options)

    patch.setattr(Path, verb, refuse)
    return tried
