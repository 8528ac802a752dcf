"""Starts the product in forks of a process that has imported it, in a third of the time. On Linux only.

``python -m tools.fork_server MODULE`` is that process: a line of JSON on its input, a line on its output.
"""

import atexit
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from app.images import demo_picture

ROOT = Path(__file__).parents[1]


class ForkedProcess:
    """A server that was forked; as ``subprocess.Popen``, as far as the tests use it."""

    def __init__(self, parent: "_Parent", pid: int) -> None:
        self._parent = parent
        self._lock = threading.Lock()
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        with self._lock:  # the exit code is there once
            if self.returncode is None:
                self.returncode = self._parent.ask({"poll": self.pid})
            return self.returncode

    def wait(self, timeout: float) -> int:
        """Its exit code, once it has ended. Raises TimeoutExpired."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a forked server", timeout)
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


def fork(module: str, arguments: list[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> ForkedProcess:
    """Run the ``main`` of a module with these arguments; its output is appended to ``log``."""
    order = {"arguments": arguments, "cwd": str(cwd), "env": dict(env), "log": str(log)}
    parent = _parent(module)
    return ForkedProcess(parent, parent.ask(order))


class _Parent:
    """The process that forks, seen from the tests."""

    def __init__(self, module: str) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            (sys.executable, "-m", "tools.fork_server", module),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self._close)

    def ask(self, order: dict[str, Any]) -> Any:
        """Send an order -> the answer."""
        assert self._process.stdin
        assert self._process.stdout
        with self._lock:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def _close(self) -> None:
        self._process.communicate()


@cache
def _parent(module: str) -> _Parent:
    return _Parent(module)


def draw_demo_fast() -> None:
    """Have the demo draw in a third of the time, with edges that no test looks at."""
    demo_picture._SMOOTH_BELOW = 0


def main() -> int:
    """Answer orders until the input ends; in a fork, serve -> exit code."""
    draw_demo_fast()
    program = importlib.import_module(sys.argv[1])
    if prepare := getattr(program, "prepare", None):
        prepare()
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        if "poll" in order:
            _answer(_exit_code(order["poll"]))
        elif pid := os.fork():
            _answer(pid)
        else:
            _become(order)
            code: int = program.main()
            return code
    return 0


def _answer(value: int | None) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _exit_code(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _become(order: dict[str, Any]) -> None:
    """Take the arguments, environment, folder and output of a new process."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = [str(ROOT / "web_app.py"), *order["arguments"]]
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    output = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number in (1, 2):
        os.dup2(output, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


if __name__ == "__main__":
    sys.exit(main())
