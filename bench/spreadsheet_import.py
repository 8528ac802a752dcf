"""Importing 5,000 rows against a bare openpyxl read of the same file, and the cost of hostile files.

    python -m bench.spreadsheet_import [--quick]

Rounds are interleaved, and the median of the ratios of their CPU time counts. "Through the server" is the
request of the page: the import, the check of all rows and the compressed answer. Each hostile file is read
in a separate process; the memory is that process's peak, idle Python with openpyxl included. ``--quick``:
fewer rows and rounds, and no hostile files.
"""

import argparse
import gzip
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openpyxl import load_workbook

from app.config import Settings
from app.domain import MAX_ROWS_A_BATCH
from app.sheets import read_workbook, write_requests
from app.web.services import services_of
from tools.workbooks.hostile import HOSTILE, unpacking_to, write_all
from tools.workbooks.written import HEADER, by_xlsxwriter
from web_app import create_app

ROUNDS, QUICK_ROUNDS = 7, 5
ROWS, QUICK_ROWS = MAX_ROWS_A_BATCH, 1_500
MAX_RATIO, MAX_SERVER_RATIO = 2.0, 2.5
MAX_BYTES_A_ROW = 60  # of the compressed answer: 300 kB for 5,000 rows
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
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    is_quick = parser.parse_args().quick
    rows, rounds = (QUICK_ROWS, QUICK_ROUNDS) if is_quick else (ROWS, ROUNDS)
    passed = [
        against_openpyxl(f"{rows} rows × 7 ({name})", make(table(rows)), _read, rounds, MAX_RATIO)
        for name, make in MAKES.items()
    ]
    passed.append(through_the_server(rows, rounds))
    if not is_quick:
        passed.append(hostile_files())
    sys.exit(0 if all(passed) else 1)


def against_openpyxl(
    name: str, content: bytes, read: Callable[[bytes], Any], rounds: int, most: float
) -> bool:
    """CPU seconds of ours and of a bare read, interleaved -> whether the median of the ratios is allowed."""
    times = [(seconds(lambda: read(content)), seconds(lambda: bare_read(content))) for _ in range(rounds)]
    mine, theirs = (statistics.median(each) * 1e3 for each in zip(*times, strict=True))
    ratio = statistics.median(ours / bare for ours, bare in times)
    print(
        f"import of {name}: {mine:.0f} ms of CPU, bare openpyxl {theirs:.0f} ms, "
        f"{ratio:.2f} × (at most {most})",
        flush=True,
    )
    return ratio <= most


def _read(content: bytes) -> object:
    return read_workbook(content, "a.xlsx")


def through_the_server(rows: int, rounds: int) -> bool:
    """The request of the page for a table with three columns of its own, and the bytes of the answer."""
    content = own_columns(table(rows))
    with _server() as send:
        is_fast = against_openpyxl(
            f"{rows} rows × 9, through the server", content, send, rounds, MAX_SERVER_RATIO
        )
        packed = send(content)
    most, whole = rows * MAX_BYTES_A_ROW / 1e3, len(gzip.decompress(packed)) / 1e3
    print(f"its answer: {len(packed) / 1e3:.0f} kB compressed (at most {most:.0f}), {whole:.0f} kB before")
    return is_fast and len(packed) / 1e3 <= most


@contextmanager
def _server() -> Iterator[Callable[[bytes], bytes]]:
    """-> a function that imports a workbook, returning the compressed answer."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            image_model="demo",
            database_path=Path(folder, "a.db"),
            output_dir=Path(folder, "output"),
            samples_dir=Path(folder, "samples"),
        )
        app = create_app(settings)
        client = app.test_client()

        def send(content: bytes) -> bytes:
            answer = client.post(
                "/api/spreadsheet/import",
                data={"file": (io.BytesIO(content), "a.xlsx")},
                headers={"Accept-Encoding": "gzip"},
            )
            assert answer.status_code == 200, answer.text
            return bytes(answer.data)

        with services_of(app).pool.keep_open():
            yield send


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
    """CPU time, which other processes change little."""
    start = time.process_time()
    run()
    return time.process_time() - start


def table(rows: int) -> list[tuple[Any, ...]]:
    """Realistic rows of seven columns."""
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
        for n in range(rows)
    ]


def shared_strings(rows: list[tuple[Any, ...]], header: tuple[str, ...] = HEADER[:7]) -> bytes:
    """In the form of Excel and XlsxWriter."""

    def write(_book: Any, sheet: Any) -> None:
        for number, row in enumerate([header, *rows]):
            sheet.write_row(number, 0, row)

    return by_xlsxwriter(write)


def own_columns(rows: list[tuple[Any, ...]]) -> bytes:
    """The same with three columns of the studio's own in place of the references."""
    customers = ("青禾电商", "Nordlicht GmbH", "山海文创")
    own = ((f"A-{n:05}", customers[n % 3], f"2026-{n % 12 + 1:02}-{n % 28 + 1:02}") for n in range(len(rows)))
    added = [(*row[:6], *more) for row, more in zip(rows, own, strict=True)]
    return shared_strings(added, (*HEADER[:6], "SKU", "客户", "交期"))


def inline_strings(rows: list[tuple[Any, ...]]) -> bytes:
    """In the form of our own export."""
    names = ("prompt", "negative_prompt", "aspect_ratio", "resolution", "num_images", "filename")
    requests = ({**dict(zip(names, row, strict=False)), "references": [row[6]]} for row in rows)
    with write_requests(requests) as file:
        return file.read()


MAKES = {"shared strings": shared_strings, "inline strings": inline_strings}


if __name__ == "__main__":
    main()
