"""Memory of another process, as the kernel counts it."""

import os
from pathlib import Path


def resident_megabytes(process: int) -> float:
    """Resident now."""
    pages = int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak_megabytes(process: int) -> float:
    """The most that was ever resident."""
    lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))
