"""Runs a command on untrusted input, bounded in memory, time and output."""

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

_POLL_SECONDS = 0.02


def run_bounded(
    command: Sequence[str], content: bytes, *, memory: int, seconds: float, output: int
) -> bytes | None:
    """What the command writes when it is given ``content`` -> None when it fails or exceeds a bound.

    ``memory`` and ``output`` are in bytes, checked 50 times a second; a command should limit itself as well
    where the system allows it. Input and output are temporary files, so that neither side waits.
    """
    with TemporaryFile() as given, TemporaryFile() as written:
        given.write(content)
        given.seek(0)
        flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
        with subprocess.Popen(  # noqa: S603 - the caller's command, and no shell
            command, stdin=given, stdout=written, stderr=subprocess.DEVNULL, creationflags=flags
        ) as process:
            deadline = time.monotonic() + seconds
            while not _has_ended(process):
                is_late = time.monotonic() > deadline
                if is_late or _resident_bytes(process) > memory or _size(written) > output:
                    process.kill()
        if process.returncode != 0 or _size(written) > output:
            return None
        written.seek(0)
        return written.read()


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    try:
        process.wait(_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _size(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size


def _resident_bytes(process: "subprocess.Popen[bytes]") -> int:
    """The memory that a process uses; 0 when it cannot be found out."""
    if sys.platform == "win32":
        return _windows_bytes(int(process._handle))
    try:
        pages = int(Path(f"/proc/{process.pid}/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
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
