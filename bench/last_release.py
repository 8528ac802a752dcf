"""Pages, a followed batch and orders of 5,000 rows against the last release in the same run.

    python -m bench.last_release [--rows 5000]

Both are real servers with the same interpreter, packages and fake service, each with a database of its own
that was filled through its own API. The calls alternate, and the medians count. The last release is the
newest tag ``v…``; while there is none, the last commit whose changelog began with a version.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import requests

from app.domain import MAX_ROWS_A_BATCH
from bench import NOT_MEASURED
from tools.environment import isolate_environment
from tools.fakes.jimeng import FakeJimeng
from tools.server_process import ROOT, ServerProcess
from tools.waiting import TIMEOUT

CALLS, MADE = 8, 60
BURST = 10  # requests in a call that takes milliseconds
AT_MOST = 1.15
PATHS = ("/", "/batch", "/records", "/samples", "/usage", "/model", "/live/status")
_UNRELEASED = "## 未发布"


def main() -> None:
    """Print a line for each kind of call; exit with 1 above the bound, NOT_MEASURED without a release."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=MAX_ROWS_A_BATCH)
    rows = parser.parse_args().rows
    release = last_release()
    if not release:
        print("no release to compare with: neither a tag v… nor the one in CHANGELOG.md can be reached")
        sys.exit(NOT_MEASURED)
    print("against", _git("log", "-1", "--format=%h of %cs, %s", release))
    isolate_environment()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        tree = stack.enter_context(checked_out(release, Path(folder, "tree")))
        jimeng = stack.enter_context(FakeJimeng())
        then = stack.enter_context(server_of(tree, Path(folder, "then"), jimeng))
        now = stack.enter_context(server_of(ROOT, Path(folder, "now"), jimeng))
        jimeng.latency = 3600.0  # no more pictures arrive
        passed = [compare(name, *kind) for name, kind in kinds(then, now, rows).items()]
    if rows < MAX_ROWS_A_BATCH:
        print(f"(the contract speaks of {MAX_ROWS_A_BATCH} rows)")
    elif not all(passed):
        sys.exit(1)


def last_release() -> str:
    """The commit of the newest tag ``v…``, else of the changelog's last version; empty if it is not here."""
    if tag := _git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"):
        return _git("rev-parse", f"{tag}^{{commit}}")
    changed = _git("log", "-1", "--format=%H", f"-S{_UNRELEASED}", "--", "CHANGELOG.md")
    is_open = _UNRELEASED in (ROOT / "CHANGELOG.md").read_text("utf-8")
    return changed and _git("rev-parse", "--verify", "--quiet", f"{changed}^" if is_open else changed)


def _git(*arguments: str) -> str:
    """Its output; empty when it fails."""
    try:
        done = subprocess.run(("git", *arguments), cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return "" if done.returncode else done.stdout.strip()


@contextmanager
def checked_out(commit: str, folder: Path) -> Iterator[Path]:
    """A tree of that commit, removed at the end."""
    subprocess.run(("git", "worktree", "add", "--quiet", "--detach", folder, commit), cwd=ROOT, check=True)
    try:
        yield folder
    finally:
        subprocess.run(("git", "worktree", "remove", "--force", folder), cwd=ROOT, check=True)


@contextmanager
def server_of(tree: Path, data_dir: Path, jimeng: FakeJimeng) -> Iterator["Server"]:
    """A server of that tree that has made some pictures."""
    data_dir.mkdir()
    server = Server(tree, data_dir, **jimeng.settings(model_concurrency=4, model_timeout=7200))
    try:
        server.start()
        assert server.wait_for_end(server.order(MADE))["counts"]["success"] == MADE, server.log()
        yield server
    finally:
        server.kill()


class Server(ServerProcess):
    """The product of a tree, called as a browser does: on one connection, compressed."""

    def __init__(self, tree: Path, data_dir: Path, **settings: object) -> None:
        super().__init__(data_dir, **settings)
        self.program = (str(tree / "web_app.py"),)
        self.session = requests.Session()
        self._numbers = count()

    def rows(self, number: int) -> list[dict[str, Any]]:
        """Rows that were never ordered; both servers are given the same."""
        return [{"prompt": f"第 {next(self._numbers)} 张：雪山下的小屋，水彩风格"} for _ in range(number)]

    def order(self, number: int) -> str:
        """Order so many rows -> the batch."""
        return str(self.post("/api/batches", {"rows": self.rows(number)})["batch_id"])

    def has(self, path: str) -> bool:
        return self.session.get(self.address + path, timeout=TIMEOUT).ok

    def seconds(self, path: str, times: int = BURST) -> float:
        """Of one of so many requests in a row."""
        began = time.perf_counter()
        for _ in range(times):
            self.session.get(self.address + path, timeout=TIMEOUT).raise_for_status()
        return (time.perf_counter() - began) / times

    def order_seconds(self, number: int) -> float:
        """Of an order; the batch is paused afterwards."""
        body = {"rows": self.rows(number)}
        began = time.perf_counter()
        batch_id = self.post("/api/batches", body)["batch_id"]
        took = time.perf_counter() - began
        self.post(f"/api/batches/{batch_id}/pause")
        return took


def kinds(then: Server, now: Server, rows: int) -> dict[str, list[Callable[[], float]]]:
    """What is measured, each as (the release's, ours); what only ours has is left out and said."""
    found: dict[str, list[Callable[[], float]]] = {}
    for path in PATHS:
        if then.has(path):
            found[path] = [partial(server.seconds, path) for server in (then, now)]
        else:
            print(f"{path:24} is not in the release")
    whole, changed = f"since=0, {rows} rows", "since=version"
    for server in (then, now):
        batch = f"/api/batches/{server.order(rows)}"
        server.post(f"{batch}/pause")
        version = server.get(batch)["version"]
        found.setdefault(whole, []).append(partial(server.seconds, f"{batch}?since=0", 1))
        found.setdefault(changed, []).append(partial(server.seconds, f"{batch}?since={version}"))
    found[f"order of {rows} rows"] = [partial(server.order_seconds, rows) for server in (then, now)]
    return found


def compare(name: str, then: Callable[[], float], now: Callable[[], float]) -> bool:
    """Call both in turns, once for nothing, and print the medians -> whether ours is fast enough."""
    then(), now()
    times = [(then(), now()) for _ in range(CALLS)]
    old, new = statistics.median(old for old, _ in times), statistics.median(new for _, new in times)
    print(f"{name:24} {new * 1e3:8.1f} ms, then {old * 1e3:8.1f} ms, {new / old:.2f} × (at most {AT_MOST})")
    return new / old <= AT_MOST


if __name__ == "__main__":
    main()
