"""Memory while a ZIP of 1,000 images streams, above the idle server: ``python -m bench.archive``.

The server is a separate process; the reader is slow at first, so that unbounded buffers would grow.
"""

import os
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import database
from bench._process_usage import resident_megabytes
from tools.server_process import running_server

PICTURES = 1_000
WEIGHT = 1_000_000
MAX_MEGABYTES = 40
_PIECE = 64 * 1024


def main() -> None:
    """Print memory, speed and size; exit with 1 above the bound."""
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as (process, address):
        for _ in range(5):  # warmed up: every page was requested once
            urllib.request.urlopen(f"{address}/records").read()
            urllib.request.urlopen(f"{address}/api/records/archive.zip?ids=1").read()
        idle = resident_megabytes(process)
        began, size, most = time.monotonic(), 0, idle
        with urllib.request.urlopen(f"{address}/api/records/archive.zip?status=success") as answer:
            time.sleep(2)
            while piece := answer.read(_PIECE):
                size += len(piece)
                if size // _PIECE % 100 == 0:
                    most = max(most, resident_megabytes(process))
        took = time.monotonic() - began - 2
        most = max(most, resident_megabytes(process))
    assert size > PICTURES * WEIGHT
    print(
        f"ZIP of {PICTURES} pictures, {size / 1e6:.0f} MB at {size / 1e6 / took:.0f} MB/s: "
        f"idle {idle:.0f} MB, at most {most - idle:.1f} MB more (at most {MAX_MEGABYTES})"
    )
    if most - idle > MAX_MEGABYTES:
        sys.exit(1)


@contextmanager
def _server(data_dir: Path) -> Iterator[tuple[int, str]]:
    """The product with a thousand generated images -> (process id, address)."""
    fill(data_dir)
    with running_server(data_dir, image_model="demo") as server:
        assert server.process
        yield server.process.pid, server.address


def fill(data_dir: Path, pictures: int = PICTURES) -> None:
    """Add that many images with a record each."""
    output = data_dir / "output"
    output.mkdir()
    database.open_database(data_dir / "generation_records.db")
    with closing(database.connect(data_dir / "generation_records.db")) as db, database.transaction(db):
        for number in range(1, pictures + 1):
            name = f"图{number}.png"
            (output / name).write_bytes(os.urandom(WEIGHT))
            db.execute(
                "INSERT INTO generation_records (prompt, filename, image_path) VALUES (?, ?, ?)",
                (f"一只猫，第 {number} 张", name, f"/output/{name}"),
            )


if __name__ == "__main__":
    main()
