"""Making pictures to deliver, against a bare Pillow loop in the same run: ``python -m bench.delivery``.

Pictures of 2K, JPEG and PNG in turn, to 800×800 JPEG of at most 500 kB. The reference opens, resizes and
saves with the same settings, with less quality until the bytes fit; it carries no mark and checks nothing.
CPU time counts, which is nearly the same on a busy machine. Memory is that of a process of its own.
"""

import io
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageEnhance

from app.images import metadata
from app.images.finishing import Finish, finish
from bench._process_usage import peak_megabytes, reset_peak

PICTURES, KINDS = 200, 8
SIDE, MOST = 800, 500_000
MAX_RATIO, MAX_MEGABYTES = 1.3, 60.0
_BETWEEN = 25  # pictures, until the other loop has its turn
_WANTED = Finish(width=SIDE, height=SIDE, fit="pad", background="auto", format="jpeg", max_bytes=MOST)
_TEXT = "雪山下的小屋，水彩\nSteps: 20, Seed: 1, Size: 2048x2048, Model: bench, Record: 1"


def main() -> None:
    """Print time and memory; exit with 1 above a bound."""
    with tempfile.TemporaryDirectory() as folder:
        originals = fill(Path(folder))
        every = [originals[number % len(originals)] for number in range(PICTURES)]
        ours = bare = 0.0
        for at in range(0, PICTURES, _BETWEEN):
            ours += _cpu_seconds(_ours, every[at : at + _BETWEEN])
            bare += _cpu_seconds(_bare, every[at : at + _BETWEEN])
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            idle, most = pool.apply(_memory, (every[:100],))
    print(
        f"{PICTURES} pictures of 2K to {SIDE}² JPEG ≤ {MOST // 1000} kB: {1000 * ours / PICTURES:.0f} ms "
        f"each, {ours / bare:.2f} × a bare Pillow loop (at most {MAX_RATIO}); idle {idle:.0f} MB, "
        f"at most {most - idle:.0f} MB more (at most {MAX_MEGABYTES:.0f})"
    )
    if ours / bare > MAX_RATIO or most - idle > MAX_MEGABYTES:
        sys.exit(1)


def fill(folder: Path) -> list[Path]:
    """Pictures like photographs, in files as the app saves them."""
    paths = []
    for number in range(KINDS):
        picture_format = ("jpeg", "png")[number % 2]
        paths.append(folder / f"{number}.{picture_format}")
        packed = io.BytesIO()
        _drawing(number).save(packed, picture_format, quality=92)
        paths[-1].write_bytes(b"".join(metadata.embed(packed.getvalue(), picture_format, _TEXT)))
    return paths


def _drawing(number: int) -> Image.Image:
    """Soft shapes with grain, every other one on white; some do not fit at the best quality."""
    side = 2048
    soft = Image.effect_noise((side // 32, side // 32), 80).resize((side, side), Image.Resampling.BICUBIC)
    grain = Image.blend(soft, Image.effect_noise((side, side), 30 + 25 * number), 0.4 if number > 5 else 0.25)
    image = Image.merge("RGB", (soft, grain, soft.transpose(Image.Transpose.ROTATE_90)))
    if number % 4 < 2:
        ground = Image.new("RGB", image.size, "white")
        ground.paste(image.crop((0, 0, 1500, 1500)), (274, 274))
        return ground
    return ImageEnhance.Color(image).enhance(0.6)


def _cpu_seconds(make: Callable[[bytes], bytes], paths: Sequence[Path]) -> float:
    began = time.process_time()
    for path in paths:
        assert len(make(path.read_bytes())) <= MOST
    return time.process_time() - began


def _ours(content: bytes) -> bytes:
    return finish(content, _WANTED).content


def _bare(content: bytes) -> bytes:
    with Image.open(io.BytesIO(content)) as image:
        image.draft(None, (2 * SIDE, 2 * SIDE))
        small = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    for quality in (95, 92, 89, 86, 83, 80):
        packed = io.BytesIO()
        small.save(packed, "JPEG", quality=quality, subsampling=0, optimize=True, dpi=(72, 72))
        if packed.tell() <= MOST:
            break
    return packed.getvalue()


def _memory(paths: Sequence[Path]) -> tuple[float, float]:
    """(idle, at most) MB of this process while it makes the pictures."""
    idle = reset_peak(os.getpid())
    _cpu_seconds(_ours, paths)
    return idle, peak_megabytes(os.getpid())


if __name__ == "__main__":
    main()
