"""Hostile files: one sentence, soon, in little memory. Each is read in its own process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.workbooks.hostile import HOSTILE

ROOT = Path(__file__).parents[2]
MEMORY = 200 * 2**20
TIMEOUT = 30  # seconds; the benchmark measures the actual time
READ = """
import json, sys
from pathlib import Path
from app.errors import AppError
from app.sheets import read_workbook
try:
    answer = f"{len(read_workbook(Path(sys.argv[1]).read_bytes(), 'a.xlsx').rows)} rows"
except AppError as refusal:
    answer = str(refusal)
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([answer, int(peak.split()[1]) * 1024]))
"""

# Unusual but harmless files are read, or have no rows.
HARMLESS = {
    "white space and quotes to wander in": "200 rows",
    "a million pictures over a sheet": "1 rows",
    "formulas to wander in": "200 rows",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the hostile files, written by another process so that this one stays small."""
    folder = tmp_path_factory.mktemp("hostile")
    make = "import sys\nfrom tools.workbooks.hostile import write_all\nwrite_all(sys.argv[1])"
    subprocess.run([sys.executable, "-c", make, str(folder)], check=True, timeout=300, cwd=ROOT)
    return folder


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_one_sentence_with_little_memory(name: str, folder: Path) -> None:
    file = folder / name.replace(" ", "_")

    done = subprocess.run(
        [sys.executable, "-c", READ, str(file)],
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT,
        cwd=ROOT,
    )
    answer, memory = json.loads(done.stdout)

    assert memory < MEMORY
    if name in HARMLESS:
        assert answer == HARMLESS[name]
    else:
        assert "rows" not in answer
        assert "\n" not in answer
