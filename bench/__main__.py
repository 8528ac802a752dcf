"""``make bench``: every measurement in turn, each against a peer or a floor in the same run."""

import importlib
import pkgutil
import sys

import bench


def main() -> None:
    """Run all, or those named on the command line."""
    names = sys.argv[1:] or sorted(m.name for m in pkgutil.iter_modules(bench.__path__) if m.name[0] != "_")
    sys.argv[1:] = []
    for name in names:
        print(f"\n== {name} ==", flush=True)
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
