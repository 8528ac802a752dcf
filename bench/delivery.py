"""A delivery against a bare Pillow loop in the same run: ``python -m bench.delivery``.

Pictures of 2K, JPEG and PNG in turn, to 800×800 JPEG of at most 500 kB, made by the server and sent as a ZIP.
The reference opens, resizes and saves the same files in this process, which returns memory to the system as
the server does, with less quality until the bytes fit; it carries no mark and checks nothing. CPU time
counts, which is nearly the same on a busy machine. A page is requested meanwhile.
"""

import io
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from PIL import Image, ImageEnhance

import database
from app.images import metadata
from app.images.decode import MAX_PIXELS, decode
from app.images.store import thumbnail_path
from app.system.process import tune_process
from bench._process_usage import cpu_seconds, peak_megabytes, reset_peak
from tools.server_process import ServerProcess, running_server

PICTURES, KINDS = 200, 8
SIDE, MOST, PROFILE = 800, 500_000, "京东 主图"
MAX_RATIO, MAX_MEGABYTES, MAX_PAGE_SECONDS = 1.3, 60.0, 2.0
_PIECE = 64 * 1024
_TEXT = "雪山下的小屋，水彩\nSteps: 20, Seed: 1, Size: 2048x2048, Model: bench, Record: 1"


def main() -> None:
    """Print time and memory; exit with 1 above a bound."""
    with tempfile.TemporaryDirectory() as folder:
        originals = fill(Path(folder))
        with running_server(Path(folder), image_model="demo") as server:
            tune_process()
            bare = _bare_seconds(originals)
            ours, more, page = _delivered(server)
            bare = (bare + _bare_seconds(originals)) / 2
    print(
        f"{PICTURES} pictures of 2K to {SIDE}² JPEG ≤ {MOST // 1000} kB: {1000 * ours / PICTURES:.0f} ms "
        f"each, {ours / bare:.2f} × a bare Pillow loop (at most {MAX_RATIO}); {more:.0f} MB over idle "
        f"(at most {MAX_MEGABYTES:.0f}); a page meanwhile: {page:.2f} s (at most {MAX_PAGE_SECONDS})"
    )
    if ours / bare > MAX_RATIO or more > MAX_MEGABYTES or page > MAX_PAGE_SECONDS:
        sys.exit(1)


def fill(data_dir: Path) -> list[Path]:
    """Records with pictures like photographs, in files as the app saves them."""
    output = data_dir / "output"
    output.mkdir()
    contents, thumbnails = [], []
    for number in range(KINDS):
        packed, picture_format = io.BytesIO(), ("jpeg", "png")[number % 2]
        _drawing(number).save(packed, picture_format, quality=92)
        contents.append(b"".join(metadata.embed(packed.getvalue(), picture_format, _TEXT)))
        thumbnails.append(decode(contents[-1], max_pixels=MAX_PIXELS).thumbnail)
    database.open_database(data_dir / "generation_records.db")
    paths = []
    with closing(database.connect(data_dir / "generation_records.db")) as db, database.transaction(db):
        for number in range(PICTURES):
            name = f"图{number}.{('jpg', 'png')[number % 2]}"
            paths.append(output / name)
            paths[-1].write_bytes(contents[number % KINDS])
            thumbnail = thumbnail_path(output, number + 1)
            thumbnail.parent.mkdir(parents=True, exist_ok=True)
            thumbnail.write_bytes(thumbnails[number % KINDS])
            db.execute(
                "INSERT INTO generation_records (prompt, filename, image_path, width, height)"
                " VALUES (?, ?, ?, 2048, 2048)",
                (f"一只猫，第 {number} 张", name, f"/output/{name}"),
            )
    return paths


def _drawing(number: int) -> Image.Image:
    """Soft shapes with grain, every other one on white; some do not fit at the best quality."""
    side = 2048
    soft = Image.effect_noise((side // 32, side // 32), 80).resize((side, side), Image.Resampling.BICUBIC)
    grain = Image.effect_noise((side, side), 30 + 25 * number)
    mixed = Image.blend(soft, grain, 0.4 if number > 5 else 0.25)
    image = Image.merge("RGB", (soft, mixed, soft.transpose(Image.Transpose.ROTATE_90)))
    if number % 4 < 2:
        ground = Image.new("RGB", image.size, "white")
        ground.paste(image.crop((0, 0, 1500, 1500)), (274, 274))
        return ground
    return ImageEnhance.Color(image).enhance(0.6)


def _bare_seconds(paths: list[Path]) -> float:
    """CPU time of the reference."""
    began = time.process_time()
    for path in paths:
        with Image.open(path) as image:
            image.draft(None, (2 * SIDE, 2 * SIDE))
            small = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
        for quality in (95, 92, 89, 86, 83, 80):
            packed = io.BytesIO()
            small.save(packed, "JPEG", quality=quality, subsampling=0, optimize=True, dpi=(72, 72))
            if packed.tell() <= MOST:
                break
    return time.process_time() - began


def _delivered(server: ServerProcess) -> tuple[float, float, float]:
    """(CPU time of the making, MB over idle until the ZIP is sent, seconds of the slowest page meanwhile)."""
    assert server.process
    process = server.process.pid
    for _ in range(5):
        urllib.request.urlopen(f"{server.address}/records").read()
    idle, before = reset_peak(process), cpu_seconds(process)
    body = {"records": list(range(1, PICTURES + 1)), "profile": PROFILE}
    delivery = server.post("/api/deliveries", body)["id"]
    with _requests(f"{server.address}/records") as pages:
        made = 0
        while made < PICTURES:
            total = server.post(f"/api/deliveries/{delivery}/make")["total"]
            assert total["failed"] == 0, total
            made = total["made"]
    took = cpu_seconds(process) - before
    with urllib.request.urlopen(f"{server.address}/api/deliveries/{delivery}.zip") as answer:
        while answer.read(_PIECE):
            pass
    return took, peak_megabytes(process) - idle, max(pages)


@contextmanager
def _requests(address: str) -> Iterator[list[float]]:
    """Request a page each two seconds -> the seconds that each took."""
    over, taken = threading.Event(), list[float]()

    def request() -> None:
        while not over.wait(2):
            began = time.monotonic()
            urllib.request.urlopen(address).read()
            taken.append(time.monotonic() - began)

    thread = threading.Thread(target=request)
    thread.start()
    try:
        yield taken
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    main()
