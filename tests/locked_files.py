"""Files as Windows has them for a moment after they were written: another program holds them."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def sharing_violation(*names: object, winerror: int = 32) -> OSError:
    """What Windows says of a file that another program holds, or of a path that is too long (206)."""
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
    """``Path.replace``, ``rename``, ``unlink`` or ``read_bytes`` fails so often, for certain names only.

    -> the files that were asked for, once for each time.
    """
    really: Callable[..., Any] = getattr(Path, verb)
    asked: list[Path] = []

    def refuse(path: Path, *others: Any, **options: Any) -> Any:
        if not (which in path.name and path.name.endswith(ending)):
            return really(path, *others, **options)
        asked.append(path)
        if len(asked) <= times:
            raise sharing_violation(str(path), *map(str, others), winerror=winerror)
        return really(path, *others, **options)

    patch.setattr(Path, verb, refuse)
    return asked
