"""A delivery by the server, made while it is sent, against a bare Pillow loop; pages answer meanwhile.

    python -m bench.delivery_server [--pictures 1000]

Pictures of 2K to 800×800 JPEG of at most 500 kB, as in ``bench.delivery``. CPU time of the server counts; a
person opens pages all the while.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import database
from app.images import store
from bench._process_usage import cpu_seconds, peak_megabytes, reset_peak
from bench.delivery import MAX_MEGABYTES, MAX_RATIO, MOST, SIDE, _bare, _cpu_seconds, fill
from tools.server_process import ServerProcess, running_server

PICTURES = 1_000
_REFERENCE, _WITH_PAGES = 48, 100  # pictures of the bare loop, and of the delivery beside pages
_PIECE = 64 * 1024
_PAGES = ("/records", "/samples", "/live/status")
MAX_PAGE_SECONDS = 0.5  # in the median


def main() -> None:
    """Print time, memory and the times of pages; exit with 1 above a bound."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=PICTURES)
    number = parser.parse_args().pictures
    with tempfile.TemporaryDirectory() as folder:
        originals = _records(Path(folder), number)
        every = [originals[place % len(originals)] for place in range(_REFERENCE)]
        bare = _cpu_seconds(_bare, every) / _REFERENCE
        with running_server(Path(folder), image_model="demo") as server:
            assert server.process
            done = threading.Event()
            done.set()
            _pages(server, done)  # warmed up
            _download(_planned(server, 2))
            idle, began = reset_peak(server.process.pid), cpu_seconds(server.process.pid)
            size, files = _download(_planned(server, number))
            ours = (cpu_seconds(server.process.pid) - began) / number
            most = peak_megabytes(server.process.pid) - idle
            done.clear()
            with ThreadPoolExecutor(1) as threads:
                pages = threads.submit(_pages, server, done)
                _download(_planned(server, min(number, _WITH_PAGES)))
                done.set()
            taken = pages.result()
    assert files == number + 2
    page = statistics.median(taken)
    print(
        f"delivery of {number} pictures, {size / 1e6:.0f} MB: {1000 * ours:.0f} ms each, "
        f"{ours / bare:.2f} × a bare Pillow loop (at most {MAX_RATIO}); {most:.0f} MB over idle (at most "
        f"{MAX_MEGABYTES:.0f}); a page in {1000 * page:.0f} ms, the slowest in {1000 * max(taken):.0f} ms "
        f"(median at most {1000 * MAX_PAGE_SECONDS:.0f})"
    )
    if ours / bare > MAX_RATIO or most > MAX_MEGABYTES or page > MAX_PAGE_SECONDS:
        sys.exit(1)


def _records(folder: Path, number: int) -> list[Path]:
    """Records of so many pictures with thumbnails, which share a few files -> these files."""
    output = folder / "output"
    output.mkdir()
    originals = fill(output)
    for number_of_file, original in enumerate(originals):
        thumbnail = store.make_thumbnail(store.thumbnail_path(output, number_of_file), original).read_bytes()
        for record_id in range(number_of_file + 1, number + 1, len(originals)):
            path = store.thumbnail_path(output, record_id)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(thumbnail)
    database.open_database(folder / "generation_records.db")
    with closing(database.connect(folder / "generation_records.db")) as db, database.transaction(db):
        for place in range(number):
            name = originals[place % len(originals)].name
            db.execute(
                """
                INSERT INTO generation_records
                    (prompt, filename, image_path, requested_filename, width, height, status)
                VALUES ('雪山', ?, ?, ?, 2048, 2048, 'success')
                """,
                (name, f"/output/{name}", f"图{place}"),
            )
    return originals


def _planned(server: ServerProcess, number: int) -> str:
    """The URL of the ZIP of a delivery of all records."""
    fields = {"width": SIDE, "height": SIDE, "max_kb": MOST // 1000}
    server.put("/api/delivery-profiles/bench", fields)
    body: dict[str, Any] = {"records": [*range(1, number + 1)], "profile": "bench"}
    return f"{server.address}/api/deliveries/{server.post('/api/deliveries', body)['id']}.zip"


def _download(url: str) -> tuple[int, int]:
    """(bytes, entries) of the ZIP."""
    with tempfile.TemporaryFile() as file, urllib.request.urlopen(url) as answer:
        while piece := answer.read(_PIECE):
            file.write(piece)
        size = file.tell()
        with zipfile.ZipFile(file) as bundle:
            return size, len(bundle.namelist())


def _pages(server: ServerProcess, done: threading.Event) -> list[float]:
    """The seconds that pages took, one after another with pauses, until that is done; each once at least."""
    taken: list[float] = []
    while not taken or not done.is_set():
        for path in _PAGES:
            began = time.monotonic()
            urllib.request.urlopen(server.address + path).read()
            taken.append(time.monotonic() - began)
            time.sleep(0.3)
    return taken


if __name__ == "__main__":
    main()
