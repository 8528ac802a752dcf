"""What Windows asks of those who move, remove and name files: patience, and short paths.

A virus scanner, OneDrive, Explorer's preview or WPS holds a file for a moment after it was written; whoever
moves or removes files does it through here. Elsewhere nothing waits.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_HELD = (5, 32, 33)  # ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION
_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 2.0)  # seconds: about five in all

_Done = TypeVar("_Done")


def patiently(act: Callable[[], _Done]) -> _Done:
    """Do it, again with growing pauses while another program holds the file; then raises what it says."""
    for pause in _PAUSES:
        try:
            return act()
        except OSError as error:
            if not is_held(error):
                raise
        time.sleep(pause)
    return act()


def replace(source: Path, target: Path) -> None:
    """The source under the target's name, whatever was there before."""
    patiently(lambda: source.replace(target))


def rename(source: Path, target: Path) -> None:
    """The same where nothing is there yet: Windows itself refuses to write over a file, others do not."""
    patiently(lambda: source.rename(target))


def unlink(path: Path, *, at_once: bool = False) -> None:
    """Remove the file; one that is gone already is no complaint. ``at_once`` for whoever comes by again."""
    if at_once:
        path.unlink(missing_ok=True)
    else:
        patiently(lambda: path.unlink(missing_ok=True))


def is_held(error: BaseException | None) -> bool:
    """Whether another program holds the file, or Windows gives no reason but that it may not be touched."""
    return getattr(error, "winerror", None) in _HELD


def held_sentence(error: OSError) -> str:
    """For the person at the screen, who knows the file by its final name."""
    name = Path(str(error.filename2 or error.filename or "")).name
    return f"文件「{name}」正被另一个程序占用，请关掉打开它的程序（WPS、看图、网盘同步、杀毒软件）后重试"
