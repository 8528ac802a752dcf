"""Plant the faults of ``docs/promises.faults.toml`` one at a time, each in a copy of the sources: its tests
must fail, and pass without it.

``--only db`` plants those of some files. Exits with 1 when a test passes with its fault.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FAULTS = ROOT / "docs/promises.faults.toml"
_NOT_COPIED = (".git", ".venv*", ".*_cache", "__pycache__", "output")
_LIMIT = 600.0  # seconds; what a fault makes wait for ever is noticed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="a part of a file's path")
    options = parser.parse_args()
    faults = [fault for fault in read_faults() if options.only in fault["file"]]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*_NOT_COPIED))
        unnoticed = sum(_plant(fault, copy) for fault in faults)
    print(f"{len(faults)} faults that promises guard against: {unnoticed} unnoticed.")
    return int(unnoticed > 0)


def read_faults() -> list[dict[str, Any]]:
    """Each fault: its file, the text that it replaces, by what, and the tests that must fail."""
    faults: list[dict[str, Any]] = tomllib.loads(FAULTS.read_text("utf-8"))["faults"]
    return faults


def _plant(fault: dict[str, Any], copy: Path) -> bool:
    """Run the tests of a fault in a copy without it, and with it -> whether one of them is of no use."""
    path = copy / fault["file"]
    source = path.read_text("utf-8")
    useless = _failing(copy, fault["tests"])
    path.write_text(source.replace(fault["text"], fault["fault"]), "utf-8")
    useless |= {*fault["tests"]} - _failing(copy, fault["tests"])
    path.write_text(source, "utf-8")
    if useless:
        print(f"\n{fault['file']}: these pass with it, or fail without it: {', '.join(sorted(useless))}")
        print(f"  - {fault['text'].strip()}\n  + {fault['fault'].strip()}\n", flush=True)
    return bool(useless)


def _failing(copy: Path, tests: list[str]) -> set[str]:
    """Run these tests in a copy -> those that fail."""
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return {*tests}
    if done.returncode not in (0, 1):
        raise SystemExit(f"{done.stdout[-3000:]}{done.stderr[-3000:]}")
    failed = (line.split()[1] for line in done.stdout.splitlines() if line.startswith("FAILED "))
    return {name.partition("[")[0] for name in failed}


if __name__ == "__main__":
    sys.exit(main())
