"""``make bench``: every benchmark in turn, each in its own process, each against a reference."""

import pkgutil
import subprocess
import sys

import bench


def main() -> None:
    """Run all, or those named on the command line; exit with 1 if a bound is exceeded."""
    every = sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if module.name[0] != "_")
    missed = [name for name in sys.argv[1:] or every if not _passes(name)]
    if missed:
        sys.exit(f"\nmissed: {', '.join(missed)}")


def _passes(name: str) -> bool:
    print(f"\n== {name} ==", flush=True)
    return subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode == 0


if __name__ == "__main__":
    main()
