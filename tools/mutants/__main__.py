"""Change one condition of the money code at a time and print what no test notices: ``make mutants``.

``--only queue`` runs one module, ``--jobs`` so many at a time. Exits with 1 when one survives without a
reason in the table, when one that has a reason does not, or when more than 5 % of all do.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_TABLE = Path(__file__).with_name("money.toml")
_MOST = 0.05  # survivors
_SURVIVED = ("survived", "no test")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="a part of a module's path")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--generator", default=sys.executable, help="the Python that has cosmic-ray")
    options = parser.parse_args()
    table = tomllib.loads(_TABLE.read_text("utf-8"))
    chosen = {name: module for name, module in table["modules"].items() if options.only in name}
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:
        run = partial(_run, folder=Path(folder), generator=options.generator)
        results = [result for found in pool.map(run, chosen, chosen.values()) for result in found]
    most = 1.0 if options.only else _MOST
    return _report(results, table.get("survivors", []), time.monotonic() - began, most)


def _run(name: str, module: dict[str, Any], *, folder: Path, generator: str) -> list[dict[str, Any]]:
    """Run the mutants of one module -> their results."""
    mutants = folder / f"{name.replace('/', '.')}.json"
    with mutants.open("w") as file:
        command = [generator, "-m", "tools.mutants.generate", name, *module.get("functions", ())]
        subprocess.run(command, cwd=ROOT, stdout=file, check=True)
    results = mutants.with_suffix(".results")
    plugin = ["-p", "tools.mutants.plugin", "-p", "no:cacheprovider", "-n", "0", "-q"]
    files = ["--mutants", str(mutants), "--results", str(results)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, *files, *module["tests"]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if not results.exists():
        raise SystemExit(f"{name}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    found: list[dict[str, Any]] = json.loads(results.read_text())
    counts = Counter("survived" if each["outcome"] in _SURVIVED else "" for each in found)
    print(f"{name}: {len(found)} mutants, {counts['survived']} survived", flush=True)
    return found


def _report(results: list[dict[str, Any]], known: list[dict[str, str]], seconds: float, most: float) -> int:
    """Print the survivors and the sums -> the exit status."""
    reasons = {_key(each): each["why"] for each in known}
    valid = [each for each in results if each["outcome"] != "invalid"]
    survivors = [each for each in valid if each["outcome"] in _SURVIVED]
    for each in survivors:
        why = reasons.get(_key(each), "NO REASON GIVEN")
        print(f"\n{each['file']}:{each['line']} ({each['outcome']}, {each['tests']} tests)")
        print(f"  - {each['before']}\n  + {each['after']}\n  {why}")
    print()
    for kind in ("python", "sql"):
        own = [each for each in valid if each["kind"] == kind]
        print(f"{kind}: {len(own)} mutants, {_count(own, 'timeout')} of them timed out, ", end="")
        print(f"{sum(each in survivors for each in own)} survived")
    print(f"{len(results) - len(valid)} were not valid SQL or Python and do not count.")
    share = len(survivors) / max(len(valid), 1)
    print(f"All: {len(survivors)} of {len(valid)} survived ({share:.1%}) in {seconds / 60:.0f} minutes.")
    given, left = Counter(map(_key, known)), Counter(map(_key, survivors))  # of equal lines each has a reason
    unknown, noticed = left - given, [key for key in given - left if key in set(map(_key, valid))]
    for file, before, after in unknown:
        print(f"{file}: survives without a reason, or more often than with one: {before} -> {after}")
    for file, before, after in noticed:
        print(f"{file}: the table calls a survivor what a test notices: {before} -> {after}")
    return int(share > most or bool(unknown or noticed))


def _key(mutant: dict[str, Any]) -> tuple[str, str, str]:
    return mutant["file"], mutant["before"], mutant["after"]


def _count(results: list[dict[str, Any]], outcome: str) -> int:
    return sum(each["outcome"] == outcome for each in results)


if __name__ == "__main__":
    sys.exit(main())
