"""Memory while a ZIP of 1,000 pictures streams, over the idle server: ``python -m bench.archive``.

The server runs as a process of its own; the reader is slow at first, so that whatever would pile up does.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import database

PICTURES = 1_000
WEIGHT = 1_000_000
MOST_MEGABYTES = 40
_PIECE = 64 * 1024


def main() -> None:
    """Print memory, speed and size; exit with 1 when it takes too much."""
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as (process, address):
        for _ in range(5):  # idle, but awake: every page was asked for once
            urllib.request.urlopen(f"{address}/records").read()
            urllib.request.urlopen(f"{address}/api/records/archive.zip?ids=1").read()
        idle = _megabytes(process)
        began, size, most = time.monotonic(), 0, idle
        with urllib.request.urlopen(f"{address}/api/records/archive.zip?status=success") as answer:
            time.sleep(2)
            while piece := answer.read(_PIECE):
                size += len(piece)
                if size // _PIECE % 100 == 0:
                    most = max(most, _megabytes(process))
        took = time.monotonic() - began - 2
        most = max(most, _megabytes(process))
    assert size > PICTURES * WEIGHT
    print(
        f"ZIP of {PICTURES} pictures, {size / 1e6:.0f} MB at {size / 1e6 / took:.0f} MB/s: "
        f"idle {idle:.0f} MB, at most {most - idle:.1f} MB more (at most {MOST_MEGABYTES})"
    )
    if most - idle > MOST_MEGABYTES:
        sys.exit(1)


@contextmanager
def _server(home: Path) -> Iterator[tuple[int, str]]:
    """The product over a thousand made-up pictures -> (process id, address)."""
    _fill(home)
    port = _free_port()
    environ = {
        **os.environ,
        "IMAGE_MODEL": "demo",
        "PORT": str(port),
        "DATABASE_PATH": str(home / "bench.db"),
        "OUTPUT_DIR": str(home / "output"),
        "SAMPLES_DIR": str(home / "samples"),
    }
    command = [sys.executable, "web_app.py"]
    with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address)
            yield process.pid, address
        finally:
            process.terminate()


def _fill(home: Path) -> None:
    output = home / "output"
    output.mkdir()
    database.open_database(home / "bench.db")
    with closing(database.connect(home / "bench.db")) as db, database.transaction(db):
        for number in range(1, PICTURES + 1):
            name = f"图{number}.png"
            (output / name).write_bytes(os.urandom(WEIGHT))
            db.execute(
                "INSERT INTO generation_records (prompt, filename, image_path) VALUES (?, ?, ?)",
                (f"一只猫，第 {number} 张", name, f"/output/{name}"),
            )


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def _wait_for(address: str) -> None:
    for _ in range(100):
        try:
            urllib.request.urlopen(f"{address}/healthz").read()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the server did not start")


def _megabytes(process: int) -> float:
    """Resident memory of the process now."""
    pages = int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
