"""``make bench``: every benchmark in turn, each in its own process, each against a reference.

``python -m bench --quick``: those that take seconds, with less data, judged by ratios of CPU time and by
bytes, which are nearly the same on a busy machine. ``make check`` runs them. One that misses a bound is run
again, twice at most.
"""

import os
import pkgutil
import subprocess
import sys

import bench

QUICK = ("page_weight", "results_workbook", "spreadsheet_import")


def main() -> None:
    """Run all, or those named on the command line; exit with 1 if a bound is exceeded.

    With ``CI=1`` also if one could not be measured.
    """
    options = [argument for argument in sys.argv[1:] if argument == "--quick"]
    named = [argument for argument in sys.argv[1:] if argument != "--quick"]
    every = sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if module.name[0] != "_")
    runs = 3 if options else 1
    codes = {name: _run(name, options, runs) for name in named or (QUICK if options else every)}
    lacking = [name for name, code in codes.items() if code == bench.NOT_MEASURED]
    missed = [name for name, code in codes.items() if code not in (0, bench.NOT_MEASURED)]
    print(f"\n{len(codes) - len(lacking) - len(missed)} of {len(codes)} passed", flush=True)
    if lacking:
        print(f"not measured: {', '.join(lacking)}", flush=True)
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")
    if lacking and os.environ.get("CI"):
        sys.exit("with CI=1 all must be measured")


def _run(name: str, options: list[str], runs: int) -> int:
    """Run it until it passes, so often at most -> its exit code."""
    code = 1
    for _ in range(runs):
        print(f"\n== {name} ==", flush=True)
        code = subprocess.run([sys.executable, "-m", f"bench.{name}", *options], check=False).returncode
        if code in (0, bench.NOT_MEASURED):
            break
    return code


if __name__ == "__main__":
    main()
