"""Importing 5,000 rows against a bare openpyxl read of the same file, and the cost of hostile files.

    python -m bench.spreadsheet_import

Rounds are interleaved and the median counts. Each hostile file is read in a separate process; the memory is
that process's peak, idle Python with openpyxl included.
"""

import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openpyxl import load_workbook

from app.sheets import read_workbook, write_requests
from tests.workbooks.hostile import HOSTILE, unpacking_to, write_all
from tests.workbooks.written import HEADER, by_xlsxwriter

ROUNDS = 7
ROWS = 5_000
MAX_RATIO = 2.0
MAX_SECONDS = 2.0
MAX_MEGABYTES = 200

READ = """
import json, sys, time
from pathlib import Path
from app.errors import AppError
from app.sheets import read_workbook
content = Path(sys.argv[1]).read_bytes()
start = time.perf_counter()
try:
    answer = f"{len(read_workbook(content, 'a.xlsx').rows)} rows"
except AppError as refusal:
    answer = str(refusal)
took = time.perf_counter() - start
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([took, int(peak.split()[1]) / 1024, answer]))
"""


def main() -> None:
    """Print both tables; exit with 1 above a bound."""
    passed = [import_against_openpyxl(name, make()) for name, make in MAKES.items()]
    passed.append(hostile_files())
    sys.exit(0 if all(passed) else 1)


def import_against_openpyxl(name: str, content: bytes) -> bool:
    """Median seconds of ours and of a bare read, interleaved."""
    ours, bare = [], []
    for _ in range(ROUNDS):
        ours.append(seconds(lambda: read_workbook(content, "a.xlsx")))
        bare.append(seconds(lambda: bare_read(content)))
    mine, theirs = statistics.median(ours), statistics.median(bare)
    times = mine / theirs
    print(
        f"import of {ROWS} rows × 7 ({name}): {mine * 1000:.0f} ms, bare openpyxl {theirs * 1000:.0f} ms, "
        f"{times:.2f} × (at most {MAX_RATIO})"
    )
    return times <= MAX_RATIO


def hostile_files() -> bool:
    """Seconds and peak memory of each hostile file."""
    passed = True
    with tempfile.TemporaryDirectory() as folder:
        write_all(folder)
        huge = Path(folder, "1_GB_of_white_space")
        huge.write_bytes(unpacking_to(2**30))
        for name in [huge.name, *(name.replace(" ", "_") for name in HOSTILE)]:
            done = subprocess.run(
                [sys.executable, "-c", READ, str(Path(folder, name))],
                capture_output=True,
                text=True,
                check=True,
            )
            took, megabytes, answer = json.loads(done.stdout)
            passed = passed and took < MAX_SECONDS and megabytes < MAX_MEGABYTES
            print(f"{name.replace('_', ' '):45} {took:5.2f} s {megabytes:4.0f} MB  {answer}")
    return passed


def bare_read(content: bytes) -> int:
    """Read every value with openpyxl, read-only."""
    workbook = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    return sum(len(row) for row in workbook.worksheets[0].iter_rows(values_only=True))


def seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def table() -> list[tuple[Any, ...]]:
    """5,000 realistic rows of seven columns."""
    ratios = ("16:9", "1:1", "3:4")
    return [
        (
            f"第 {n} 张：一只橘猫趴在窗台上晒太阳，水彩风格，柔和的光线，江南水乡",
            "模糊，水印",
            ratios[n % 3],
            "2K",
            2,
            f"猫{n}",
            "a.png",
        )
        for n in range(ROWS)
    ]


def shared_strings() -> bytes:
    """In the form of Excel and XlsxWriter."""

    def write(_book: Any, sheet: Any) -> None:
        for number, row in enumerate([HEADER[:7], *table()]):
            sheet.write_row(number, 0, row)

    return by_xlsxwriter(write)


def inline_strings() -> bytes:
    """In the form of our own export."""
    names = ("prompt", "negative_prompt", "aspect_ratio", "resolution", "num_images", "filename")
    rows = ({**dict(zip(names, row, strict=False)), "references": [row[6]]} for row in table())
    with write_requests(rows) as file:
        return file.read()


MAKES = {"shared strings": shared_strings, "inline strings": inline_strings}


if __name__ == "__main__":
    main()
