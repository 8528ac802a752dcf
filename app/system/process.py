"""What is asked of the machine under the server: little memory, many open files, a patient console, no sleep.

Each only where there is such a thing; where it is refused, the server goes on without it.
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
_ENDS = (2, 5, 6)  # CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT
_FROM_NOW_ON, _AWAKE = 0x8000_0000, 0x0000_0001  # ES_CONTINUOUS, ES_SYSTEM_REQUIRED
_AWAKE_SECONDS = 600.0  # after the last work: pauses between two tries are part of it


def tune_process() -> None:
    """Once, before anything else: what holds for the whole process."""
    limit_malloc_arenas()
    raise_open_file_limit()
    disable_quick_edit()


def on_console_close(then: Callable[[], None], windows: Any = None) -> object:
    """Before Windows ends the process with its console or session, call this; about five seconds are given.

    -> what has to be kept as long as it shall be heard.
    """
    windows = windows or _windows()
    if windows is None:
        return None

    def hear(event: int) -> bool:
        if event in _ENDS:
            then()  # in a thread of its own, and the process ends when it returns
        return event in _ENDS

    kept = getattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE)(ctypes.c_int, ctypes.c_uint32)(hear)
    windows.SetConsoleCtrlHandler(kept, True)
    return kept


class SleepInhibitor:
    """Keeps the machine from falling asleep over work. Told again and again, always by the same thread."""

    def __init__(
        self, stay: Callable[[bool], None] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stay = stay or _how_to_stay_awake()
        self._clock = clock
        self._until = -1.0
        self._is_held = False

    def set_busy(self, is_at_work: bool) -> None:
        """Whether there is work at this moment."""
        now = self._clock()
        if is_at_work:
            self._until = now + _AWAKE_SECONDS
        if (now < self._until) != self._is_held:
            self._is_held = not self._is_held
            self._stay(self._is_held)


class CaffeinateProcess:
    """A Mac stays awake while ``caffeinate`` runs; that ends with this process, however this one ends."""

    def __init__(self) -> None:
        self._running: subprocess.Popen[bytes] | None = None

    def stay(self, awake: bool) -> None:
        """Start it, or end it."""
        if self._running:
            self._running.terminate()
            self._running.wait()
            self._running = None
        if awake:
            with contextlib.suppress(OSError):
                command = ["caffeinate", "-i", "-w", str(os.getpid())]
                self._running = subprocess.Popen(command)  # noqa: S603 - nothing of it is anybody's


def _how_to_stay_awake() -> Callable[[bool], None]:
    if sys.platform == "darwin":
        return CaffeinateProcess().stay
    windows = _windows()
    return (lambda awake: _tell_windows(windows, awake)) if windows else (lambda awake: None)


def _tell_windows(windows: Any, awake: bool) -> None:
    """Holds for the thread that says it, until that says otherwise or ends."""
    windows.SetThreadExecutionState(_FROM_NOW_ON | (_AWAKE if awake else 0))


def limit_malloc_arenas() -> None:
    """Few heaps for many threads, large blocks given back at once: a third of the memory while pictures
    come in. Only the C library of most Linuxes can be told; others do well, or badly, as they are."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        advise = ctypes.CDLL(None).mallopt
        for setting, value in _GLIBC_ADVICE.items():
            advise(setting, value)


def raise_open_file_limit() -> None:
    """A Mac gives 256: too few for hundreds of browsers, pictures and databases at a time."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MOST_OPEN_FILES if most == resource.RLIM_INFINITY else min(most, MOST_OPEN_FILES)
        if now != resource.RLIM_INFINITY and now < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def disable_quick_edit(windows: Any = None) -> None:
    """A click into a Windows console marks text, and until that is undone whoever writes there waits. So a
    click marks nothing while this runs; ``Mark`` in the window's menu still does."""
    windows = windows or _windows()
    if windows is None:
        return
    keyboard, mode = ctypes.c_void_p(windows.GetStdHandle(_KEYBOARD)), ctypes.c_uint32()
    if windows.GetConsoleMode(keyboard, ctypes.byref(mode)) and mode.value & _QUICK_EDIT:
        windows.SetConsoleMode(keyboard, mode.value & ~_QUICK_EDIT | _EXTENDED)
        atexit.register(windows.SetConsoleMode, keyboard, mode.value)


def _windows() -> Any:
    """Its ``kernel32``, or None elsewhere."""
    return getattr(getattr(ctypes, "windll", None), "kernel32", None)
