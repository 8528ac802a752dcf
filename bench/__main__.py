"""``make bench``: every measurement in turn, each against a peer or a floor in the same run."""

import importlib
import pkgutil
import sys

import bench


def main() -> None:
    """Run all, or those named on the command line; exit with 1 when a promise was missed by one of them."""
    names = sys.argv[1:] or sorted(m.name for m in pkgutil.iter_modules(bench.__path__) if m.name[0] != "_")
    sys.argv[1:] = []
    missed = [name for name in names if not _keeps_its_promise(name)]
    if missed:
        sys.exit(f"\nmissed: {', '.join(missed)}")


def _keeps_its_promise(name: str) -> bool:
    print(f"\n== {name} ==", flush=True)
    try:
        importlib.import_module(f"bench.{name}").main()
    except SystemExit as told:
        return not told.code
    return True


if __name__ == "__main__":
    main()
