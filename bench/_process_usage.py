"""Memory and CPU of another process, from /proc."""

import os
from pathlib import Path


def resident_megabytes(process: int) -> float:
    """Current resident memory."""
    pages = int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak_megabytes(process: int) -> float:
    """Peak resident memory."""
    lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))


def reset_peak(process: int) -> float:
    """Reset the peak -> current resident memory."""
    Path(f"/proc/{process}/clear_refs").write_text("5", "ascii")
    return resident_megabytes(process)


def cpu_seconds(process: int) -> float:
    """CPU time of all its threads since it started."""
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
