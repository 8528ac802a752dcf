"""The results workbook of 10,000 pictures with thumbnails: ``python -m bench.results_workbook [--quick]``.

The server is a separate process. The reference is openpyxl writing the same cells, without any picture, in
this process. Other pages are requested meanwhile. ``--quick``: fewer pictures and no other pages; CPU time
and bytes are compared with those of openpyxl and of a bare Pillow loop over the thumbnails.
"""

import argparse
import io
import json
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from openpyxl import Workbook
from PIL import Image

import database
from app.images.store import thumbnail_path
from app.sheets import THUMBNAIL_BOX
from bench._process_usage import cpu_seconds, peak_megabytes, reset_peak
from tools.server_process import running_server

PICTURES, QUICK_PICTURES, QUICK_ROUNDS = 10_000, 200, 5
COLUMNS = 18
MAX_SECONDS, MAX_RATIO = 10.0, 5.0  # in all: one of the two must hold
MAX_FIRST, MAX_FIRST_RATIO = 1.0, 0.5  # until the first bytes, likewise
MAX_MEGABYTES = 100
MAX_QUICK_RATIO, MAX_BYTES_RATIO = 1.7, 1.3
_PIECE = 64 * 1024


def main() -> None:
    """Exit with 1 above a bound."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    sys.exit(0 if (in_ratios if parser.parse_args().quick else in_seconds)() else 1)


def in_ratios() -> bool:
    """Print CPU time and bytes of fewer pictures against the reference -> whether both are allowed."""
    ratios = []
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder), QUICK_PICTURES) as (process, address):
        for _ in range(QUICK_ROUNDS):
            before = cpu_seconds(process)
            size = len(urllib.request.urlopen(f"{address}/api/batches/b/results.xlsx").read())
            ours, began = cpu_seconds(process) - before, time.process_time()
            bare_size = _write_with_openpyxl(QUICK_PICTURES) + _convert_with_pillow(QUICK_PICTURES)
            ratios.append(ours / (time.process_time() - began))
    ratio, bytes_ratio = statistics.median(ratios), size / bare_size
    print(
        f"results of {QUICK_PICTURES} pictures against openpyxl and Pillow: {ratio:.2f} × the CPU time "
        f"(at most {MAX_QUICK_RATIO}), {bytes_ratio:.2f} × the bytes (at most {MAX_BYTES_RATIO})"
    )
    return ratio <= MAX_QUICK_RATIO and bytes_ratio <= MAX_BYTES_RATIO


def in_seconds() -> bool:
    """Print time, first bytes and memory -> whether all are allowed."""
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder), PICTURES) as (process, address):
        for _ in range(3):
            urllib.request.urlopen(f"{address}/records").read()
        began = time.monotonic()
        _write_with_openpyxl(PICTURES)
        reference = time.monotonic() - began
        idle = reset_peak(process)
        stop, pages = threading.Event(), list[float]()
        other = threading.Thread(target=_request_pages, args=(address, stop, pages))
        other.start()
        began, size = time.monotonic(), 0
        with urllib.request.urlopen(f"{address}/api/batches/b/results.xlsx") as answer:
            size += len(answer.read(1))
            first = time.monotonic() - began
            while piece := answer.read(_PIECE):
                size += len(piece)
        took = time.monotonic() - began
        stop.set()
        other.join()
        more = peak_megabytes(process) - idle
    slowest = max(pages, default=0.0)
    print(
        f"results of {PICTURES} pictures, {size / 1e6:.1f} MB: {took:.1f} s (at most {MAX_SECONDS:.0f}), "
        f"{took / reference:.2f} × openpyxl without pictures ({reference:.1f} s, at most {MAX_RATIO:.0f} ×); "
        f"first bytes after {first:.2f} s (at most {MAX_FIRST:.0f}), {first / reference:.2f} × "
        f"(at most {MAX_FIRST_RATIO}); {more:.0f} MB over idle (at most {MAX_MEGABYTES}); "
        f"{len(pages)} pages meanwhile, the slowest in {slowest:.2f} s"
    )
    is_slow = took > max(MAX_SECONDS, MAX_RATIO * reference)
    is_late = first > max(MAX_FIRST, MAX_FIRST_RATIO * reference)
    return bool(pages) and not (is_slow or is_late or more > MAX_MEGABYTES)


def _request_pages(address: str, stop: threading.Event, seconds: list[float]) -> None:
    while not stop.wait(0.1):
        began = time.monotonic()
        urllib.request.urlopen(f"{address}/api/records").read()
        seconds.append(time.monotonic() - began)


def _write_with_openpyxl(pictures: int) -> int:
    """The same cells -> bytes."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    for number in range(pictures):
        sheet.append([f"一只橘猫，第 {number} 张" if column % 2 else number for column in range(COLUMNS)])
    file = io.BytesIO()
    book.save(file)
    return file.tell()


def _convert_with_pillow(pictures: int) -> int:
    """The same thumbnails as JPEG -> bytes."""
    thumbnail, size = _thumbnail(), 0
    for _ in range(pictures):
        file = io.BytesIO()
        with Image.open(io.BytesIO(thumbnail)) as image:
            image.thumbnail(THUMBNAIL_BOX)
            image.convert("RGB").save(file, "JPEG", quality=80)
        size += file.tell()
    return size


def _thumbnail() -> bytes:
    """A WebP thumbnail as heavy as that of a photograph, 10 kB."""
    packed = io.BytesIO()
    coarse = Image.effect_noise((107, 60), 60).resize((320, 180), Image.Resampling.BICUBIC)
    coarse.convert("RGB").save(packed, "WEBP", quality=80)
    return packed.getvalue()


@contextmanager
def _server(data_dir: Path, pictures: int) -> Iterator[tuple[int, str]]:
    """The product with a finished batch -> (process id, address)."""
    fill(data_dir, pictures)
    with running_server(data_dir, image_model="demo") as server:
        assert server.process
        yield server.process.pid, server.address


def fill(data_dir: Path, pictures: int) -> None:
    """Add a batch of pictures with their thumbnails; the pictures themselves are not read."""
    output = data_dir / "output"
    output.mkdir()
    thumbnail = _thumbnail()
    database.open_database(data_dir / "generation_records.db")
    columns = json.dumps({"SKU": "A-001", "客户": "甲公司"})
    with closing(database.connect(data_dir / "generation_records.db")) as db, database.transaction(db):
        db.execute(
            """
            INSERT INTO batches (id, name, source, state, total, estimated_micros, version)
            VALUES ('b', '秋款', 'batch', 'finished', :total, 0, 1)
            """,
            {"total": pictures},
        )
        for number in range(1, pictures + 1):
            name = f"图{number}.png"
            path = thumbnail_path(output, number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(thumbnail)
            db.execute(
                """
                INSERT INTO generation_records (
                    id, prompt, filename, image_path, batch_id, row_number, own_columns, version)
                VALUES (:id, :prompt, :name, :path, 'b', :id, :columns, 1)
                """,
                {
                    "id": number,
                    "prompt": f"一只橘猫趴在窗台上晒太阳，水彩风格，第 {number} 张",
                    "name": name,
                    "path": f"/output/{name}",
                    "columns": columns,
                },
            )


if __name__ == "__main__":
    main()
