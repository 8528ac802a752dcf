"""Process settings: malloc arenas, open file limit, Windows console, sleep inhibition.

Each applies only on systems that have it; failures are ignored.
"""

import atexit
import contextlib
import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

MOST_OPEN_FILES = 4096
_GLIBC_ADVICE = {-8: 2, -3: 256 * 1024, -1: 256 * 1024}  # M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
_KEYBOARD = -10  # STD_INPUT_HANDLE
_QUICK_EDIT, _EXTENDED = 0x0040, 0x0080  # ENABLE_QUICK_EDIT_MODE, ENABLE_EXTENDED_FLAGS
_CLOSE_EVENTS = (2, 5, 6)  # CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT
_CONTINUOUS, _AWAKE = 0x8000_0000, 0x0000_0001  # ES_CONTINUOUS, ES_SYSTEM_REQUIRED
_AWAKE_SECONDS = 600.0  # after the last work: spans the delay between retries


def tune_process() -> None:
    """Apply the process-wide settings; called once at start."""
    limit_malloc_arenas()
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


class SleepInhibitor:
    """Keeps the machine awake during work. Called periodically, always from the same thread."""

    def __init__(
        self, stay: Callable[[bool], None] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stay = stay or _how_to_stay_awake()
        self._clock = clock
        self._until = -1.0
        self._is_held = False

    def set_busy(self, is_at_work: bool) -> None:
        """Report whether there is work now."""
        now = self._clock()
        if is_at_work:
            self._until = now + _AWAKE_SECONDS
        if (now < self._until) != self._is_held:
            self._is_held = not self._is_held
            self._stay(self._is_held)


class CaffeinateProcess:
    """Runs ``caffeinate`` on macOS; it exits with this process, however that ends."""

    def __init__(self) -> None:
        self._running: subprocess.Popen[bytes] | None = None

    def stay(self, awake: bool) -> None:
        """Start or stop ``caffeinate``."""
        if self._running:
            self._running.terminate()
            self._running.wait()
            self._running = None
        if awake:
            with contextlib.suppress(OSError):
                command = ["caffeinate", "-i", "-w", str(os.getpid())]
                self._running = subprocess.Popen(command)  # noqa: S603 - no untrusted input


def _how_to_stay_awake() -> Callable[[bool], None]:
    if sys.platform == "darwin":
        return CaffeinateProcess().stay
    windows = _windows()
    return (lambda awake: _set_execution_state(windows, awake)) if windows else (lambda awake: None)


def _set_execution_state(windows: Any, awake: bool) -> None:
    """Set the execution state of the calling thread; it holds until changed or the thread ends."""
    windows.SetThreadExecutionState(_CONTINUOUS | (_AWAKE if awake else 0))


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
