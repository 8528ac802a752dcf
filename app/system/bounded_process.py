"""Runs a command on untrusted input, bounded in memory, time and output."""

import ctypes
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_POLL_SECONDS = 0.05
_PAGE = 4096


def run_bounded(
    command: Sequence[str], content: bytes, *, memory: int, seconds: float, output: int
) -> bytes | None:
    """What the command writes when it is given ``content`` -> None when it fails or exceeds a bound.

    ``memory`` and ``output`` are in bytes. The memory is looked at 20 times a second; a command should limit
    itself as well where the system allows it.
    """
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    with subprocess.Popen(  # noqa: S603 - the caller's command, and no shell
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        creationflags=flags,
    ) as process:
        threads = [
            threading.Thread(target=_feed, args=(process, content), daemon=True),
            threading.Thread(target=_watch, args=(process, memory, seconds), daemon=True),
        ]
        for thread in threads:
            thread.start()
        assert process.stdout is not None
        written = process.stdout.read(output + 1)
        if len(written) > output:
            process.kill()
        process.wait()
        for thread in threads:
            thread.join()
    return written if process.returncode == 0 and len(written) <= output else None


def _feed(process: "subprocess.Popen[bytes]", content: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(content)
        process.stdin.close()
    except OSError:  # it ended without reading everything
        return


def _watch(process: "subprocess.Popen[bytes]", memory: int, seconds: float) -> None:
    """End the process at its deadline, or as soon as it uses too much memory."""
    deadline = time.monotonic() + seconds
    while process.poll() is None:
        if time.monotonic() > deadline or _resident_bytes(process) > memory:
            process.kill()
            return
        time.sleep(_POLL_SECONDS)


def _resident_bytes(process: "subprocess.Popen[bytes]") -> int:
    """The memory that a process uses; 0 when it cannot be found out."""
    if sys.platform == "win32":
        return _windows_bytes(int(process._handle))
    try:
        return int(Path(f"/proc/{process.pid}/statm").read_text("ascii").split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return _bytes_by_ps(process.pid)


def _bytes_by_ps(pid: int) -> int:
    try:
        command = ["/bin/ps", "-o", "rss=", "-p", str(pid)]
        found = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - a constant
        return int(found.stdout or 0) * 1024
    except (OSError, ValueError):
        return 0


class _MemoryCounters(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("page_faults", ctypes.c_uint32),
        ("peak_working_set", ctypes.c_size_t),
        ("working_set", ctypes.c_size_t),
        ("others", ctypes.c_size_t * 4),
        ("pagefile", ctypes.c_size_t),
        ("peak_pagefile", ctypes.c_size_t),
    )


def _windows_bytes(handle: int) -> int:
    counters = _MemoryCounters(size=ctypes.sizeof(_MemoryCounters))
    loader: Any = ctypes
    call = loader.WinDLL("kernel32").K32GetProcessMemoryInfo
    call.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32)
    return int(counters.pagefile) if call(handle, ctypes.byref(counters), counters.size) else 0
