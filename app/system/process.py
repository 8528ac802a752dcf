"""Process settings: malloc arenas, garbage collection, open file limit, Windows console, sleep inhibition.

Each applies only on systems that have it; failures are ignored.
"""

import atexit
import contextlib
import ctypes
import gc
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

MOST_OPEN_FILES = 4096
_GLIBC_ADVICE = {-8: 2, -3: 256 * 1024, -1: 256 * 1024}  # M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
_KEYBOARD = -10  # STD_INPUT_HANDLE
_QUICK_EDIT, _EXTENDED = 0x0040, 0x0080  # ENABLE_QUICK_EDIT_MODE, ENABLE_EXTENDED_FLAGS
_CLOSE_EVENTS = (2, 5, 6)  # CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT
_AWAKE_SECONDS = 600.0  # after the last work: spans the delay between retries
# Thousands of rows of a table took a fifth of their time to be looked through.
_COLLECT_AFTER = (20_000, 20, 20)
StayAwake = Callable[[], contextlib.AbstractContextManager[Callable[[bool], object]]]  # as inhibit_sleep


def tune_process() -> None:
    """Apply the process-wide settings; called once at start."""
    limit_malloc_arenas()
    gc.set_threshold(*_COLLECT_AFTER)
    raise_open_file_limit()
    disable_quick_edit()


def on_console_close(then: Callable[[], None], windows: Any = None) -> object:
    """Call ``then`` before Windows ends the process with its console or session; about 5 seconds are left.

    -> the callback object, which the caller must keep referenced.
    """
    windows = windows or _windows()
    if windows is None:
        return None

    def on_event(event: int) -> bool:
        if event in _CLOSE_EVENTS:
            then()  # runs in its own thread; the process ends when it returns
        return event in _CLOSE_EVENTS

    callback = getattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE)(ctypes.c_int, ctypes.c_uint32)(on_event)
    windows.SetConsoleCtrlHandler(callback, True)
    return callback


@contextlib.contextmanager
def inhibit_sleep(clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[bool], None]]:
    """Yield a function to call periodically with whether there is work: the machine stays awake meanwhile.

    For one thread only. Where the system cannot be asked, nothing happens. On Windows it must be left for
    the process to end, since wakepy waits there in a thread.
    """
    until = -1.0
    held = contextlib.ExitStack()
    is_held = False

    def set_busy(is_busy: bool) -> None:
        nonlocal until, is_held
        if is_busy:
            until = clock() + _AWAKE_SECONDS
        was_held, is_held = is_held, clock() < until
        if is_held and not was_held:
            from wakepy import keep  # 0.5 MB, for which an idle server has no use

            logging.getLogger("wakepy").setLevel(logging.WARNING)  # its reports of failures are paragraphs
            held.enter_context(keep.running(on_fail="pass"))
        elif was_held and not is_held:
            held.close()

    try:
        yield set_busy
    finally:
        with contextlib.suppress(RuntimeError):  # the desktop's service is gone
            held.close()


def limit_malloc_arenas() -> None:
    """Limit glibc to few malloc arenas and return large blocks at once: a third of the peak memory.

    Only glibc has these settings."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        advise = ctypes.CDLL(None).mallopt
        for setting, value in _GLIBC_ADVICE.items():
            advise(setting, value)


def raise_open_file_limit() -> None:
    """Raise the limit of open files; the default of macOS, 256, is too low."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MOST_OPEN_FILES if most == resource.RLIM_INFINITY else min(most, MOST_OPEN_FILES)
        if now != resource.RLIM_INFINITY and now < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def disable_quick_edit(windows: Any = None) -> None:
    """Disable QuickEdit: selecting text in a Windows console blocks writes to stderr and freezes the server.

    ``Mark`` in the window's menu still works."""
    windows = windows or _windows()
    if windows is None:
        return
    keyboard, mode = ctypes.c_void_p(windows.GetStdHandle(_KEYBOARD)), ctypes.c_uint32()
    if windows.GetConsoleMode(keyboard, ctypes.byref(mode)) and mode.value & _QUICK_EDIT:
        windows.SetConsoleMode(keyboard, mode.value & ~_QUICK_EDIT | _EXTENDED)
        atexit.register(windows.SetConsoleMode, keyboard, mode.value)


def _windows() -> Any:
    """``kernel32``, or None on other systems."""
    return getattr(getattr(ctypes, "windll", None), "kernel32", None)
