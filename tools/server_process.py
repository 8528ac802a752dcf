"""The product as a separate process: started, called over HTTP, killed, restarted."""

import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import requests

from tools.fork_server import ForkedProcess, fork
from tools.waiting import TIMEOUT

ROOT = Path(__file__).parents[1]
_FORKED = {(str(ROOT / "web_app.py"),): "web_app", ("-m", "tools.torture.launcher"): "tools.torture.launcher"}
_FIRST_PORT = 15_000 + os.getpid() % 100 * 100
_PORTS = itertools.cycle(range(_FIRST_PORT, _FIRST_PORT + 100))


def free_port() -> int:
    """A port that is free now, of a hundred that no other test process uses.

    The system gives none of them to a program that asks for any, so that a server finds its port again when
    it is restarted.
    """
    for port in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError


@contextmanager
def running_server(data_dir: Path, *arguments: str, **settings: object) -> Iterator["ServerProcess"]:
    """A started server; it is killed at the end."""
    server = ServerProcess(data_dir, *arguments, **settings)
    try:
        server.start()
        yield server
    finally:
        server.kill()


class ServerProcess:
    """``python web_app.py`` with its own data folder; settings by the names of ``config.Settings``."""

    program: tuple[str, ...] = (str(ROOT / "web_app.py"),)
    is_forked: ClassVar[bool] = False  # from a process that has imported the product: tests/conftest.py

    def __init__(self, data_dir: Path, *arguments: str, **settings: object) -> None:
        self.data_dir = data_dir
        self.arguments = arguments
        self.port = free_port()
        self.variables = {
            "DATABASE_PATH": str(data_dir / "generation_records.db"),
            "OUTPUT_DIR": str(data_dir / "output"),
            "SAMPLES_DIR": str(data_dir / "samples"),
            "PORT": str(self.port),
            **{name.upper(): str(value) for name, value in settings.items()},
        }
        self.process: subprocess.Popen[bytes] | ForkedProcess | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it and wait until it answers."""
        environment = {**os.environ, **self.variables, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled once, as in production
        self.process = self._open(environment)
        deadline = time.monotonic() + TIMEOUT
        while True:
            try:
                requests.get(f"{self.address}/api/models", timeout=TIMEOUT)
            except requests.ConnectionError:
                assert self.process.poll() is None, self.log()
                assert time.monotonic() < deadline, self.log()
                time.sleep(0.05)
            else:
                return

    def _open(self, environment: dict[str, str]) -> subprocess.Popen[bytes] | ForkedProcess:
        path = self.data_dir / "log.txt"
        if self.is_forked and (module := _FORKED.get(self.program)):
            return fork(module, list(self.arguments), cwd=self.data_dir, env=environment, log=path)
        with path.open("ab") as log:
            command = [sys.executable, *self.program, *self.arguments]
            return subprocess.Popen(command, cwd=self.data_dir, env=environment, stdout=log, stderr=log)

    def refuses_to_start(self, *, code: int = 2) -> str:
        """Start it and expect it to exit with this code, 2 because of a setting -> its output."""
        try:
            self.start()
        except AssertionError:
            assert self.wait() == code
            return self.log()
        self.kill()
        raise AssertionError("it serves")

    def kill(self) -> None:
        """``kill -9``."""
        self.send_signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> int:
        """SIGTERM -> exit code."""
        self.send_signal()
        return self.wait()

    def send_signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal without waiting."""
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait until it exits -> exit code."""
        assert self.process is not None
        return self.process.wait(timeout=TIMEOUT)

    def get(self, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = requests.get(self.address + path, timeout=TIMEOUT).json()
        return answer

    def post(self, path: str, body: object = None) -> dict[str, Any]:
        answer: dict[str, Any] = requests.post(self.address + path, json=body, timeout=TIMEOUT).json()
        return answer

    def put(self, path: str, body: object) -> dict[str, Any]:
        answer: dict[str, Any] = requests.put(self.address + path, json=body, timeout=TIMEOUT).json()
        return answer

    def wait_for_end(self, batch_id: str, seconds: float = 2 * TIMEOUT) -> dict[str, Any]:
        """The batch, once it has no queued or running record."""
        deadline = time.monotonic() + seconds
        while True:
            batch: dict[str, Any] = self.get(f"/api/batches/{batch_id}")["batch"]
            if not (batch["counts"]["queued"] or batch["counts"]["running"]):
                return batch
            assert time.monotonic() < deadline, f"{batch}\n{self.log()}"
            time.sleep(0.1)

    def log(self) -> str:
        """Its output."""
        return (self.data_dir / "log.txt").read_text("utf-8", "replace")
