"""Hostile files: one sentence, in little memory; the benchmark measures the time."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.waiting import TIMEOUT
from tools.workbooks.hostile import HOSTILE

ROOT = Path(__file__).parents[2]
MEMORY = 200 * 2**20
# Reads each file of its input in a child, and prints what came of it and the peak memory of the child.
READ = f"""
import json, os, signal, sys
from pathlib import Path
from app.errors import AppError
from app.sheets import importer, read_workbook, xlsx_reader
for line in sys.stdin:
    if os.fork():
        if ended := os.wait()[1]:
            print(json.dumps([f"rows: ended with {{ended}}", 0]), flush=True)
        continue
    signal.alarm({TIMEOUT:.0f})
    try:
        answer = f"{{len(read_workbook(Path(line.strip()).read_bytes(), 'a.xlsx').rows)}} rows"
    except AppError as refusal:
        answer = str(refusal)
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    print(json.dumps([answer, int(peak.split()[1]) * 1024]), flush=True)
    os._exit(0)
"""

# Unusual but harmless files are read, or have no rows.
HARMLESS = {
    "white space and quotes to wander in": "200 rows",
    "a million pictures over a sheet": "1 rows",
    "formulas to wander in": "200 rows",
    "sums to wander in": "300 rows",
}


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], tuple[str, int]]]:
    """Reads a hostile file -> (what was said, peak memory); other processes write and read it."""
    folder = tmp_path_factory.mktemp("hostile")
    make = "import sys\nfrom tools.workbooks.hostile import write_all\nwrite_all(sys.argv[1])"
    subprocess.run([sys.executable, "-c", make, str(folder)], check=True, timeout=300, cwd=ROOT)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", READ], stdin=pipe, stdout=pipe, text=True, cwd=ROOT
    ) as reader:

        def read(name: str) -> tuple[str, int]:
            assert reader.stdin
            assert reader.stdout
            print(folder / name.replace(" ", "_"), file=reader.stdin, flush=True)
            answer, memory = json.loads(reader.stdout.readline())
            return answer, memory

        yield read


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.rest if "200 MB" in name else ()) for name in HOSTILE]
)
def test_a_hostile_file_is_refused_in_one_sentence_with_little_memory(
    name: str, read: Callable[[str], tuple[str, int]]
) -> None:
    answer, memory = read(name)

    assert memory < MEMORY
    if name in HARMLESS:
        assert answer == HARMLESS[name]
    else:
        assert "rows" not in answer
        assert "\n" not in answer
