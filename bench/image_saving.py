"""The cost of saving an image, against the obvious way in the same run: ``python -m bench.image_saving``.

Embedding parameters against re-encoding with Pillow; a lazily opened thumbnail against loading first; images
of 2K checked two at once, as the worker does, against one after the other.
"""

import io
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from PIL import Image, PngImagePlugin

from app.images import decode, metadata

SIDE = 4096
ROUNDS = 5
MANY = 16
TEXT = "雪山下的小屋，水彩\nSteps: 20, Seed: 1, Size: 4096x4096, Model: bench, Record: 1"


def main() -> None:
    """Print a line for each format: ours, the obvious way, and the ratio."""
    print(f"{SIDE}×{SIDE}, median of {ROUNDS} interleaved rounds")
    drawing = _image()
    for picture_format in ("png", "jpeg", "webp"):
        content = _packed(drawing, picture_format)
        size = f"{picture_format} ({len(content) / 1e6:.1f} MB)"
        _compare(f"parameters into {size}", partial(_embedded, content), partial(_re_encoded, content))
        _compare(f"thumbnail of {size}", partial(_checked, content), partial(_loaded_first, content))
    half = drawing.resize((SIDE // 2, SIDE // 2))
    for picture_format in ("png", "jpeg"):
        contents = [_packed(half, picture_format)] * MANY
        name = f"{MANY} {picture_format} of {SIDE // 2}×{SIDE // 2}, two at once"
        _compare(name, partial(_two_at_once, contents), partial(_one_by_one, contents))


def _image() -> Image.Image:
    """Soft shapes with a little noise, which compress like photographs."""
    soft = Image.effect_noise((SIDE // 16, SIDE // 16), 80).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    grain = Image.effect_noise((SIDE, SIDE), 6)
    return Image.merge(
        "RGB", (soft, Image.blend(soft, grain, 0.2), soft.transpose(Image.Transpose.ROTATE_90))
    )


def _compare(name: str, ours: Callable[[], object], obvious: Callable[[], object]) -> None:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for act, taken in zip((ours, obvious), times, strict=True):
            start = time.perf_counter()
            act()
            taken.append((time.perf_counter() - start) * 1000)
    fast, slow = map(statistics.median, times)
    print(f"{name:36} {fast:8.1f} ms   {slow:8.1f} ms   {slow / fast:6.1f} ×")


def _embedded(content: bytes) -> bytes:
    picture_format = {b"\x89": "png", b"\xff": "jpeg", b"R": "webp"}[content[:1]]
    return b"".join(metadata.embed(content, picture_format, TEXT))


def _re_encoded(content: bytes) -> bytes:
    with Image.open(io.BytesIO(content)) as image:
        if image.format == "PNG":
            text = PngImagePlugin.PngInfo()
            text.add_itxt("parameters", TEXT)
            return _packed(image, "png", pnginfo=text)
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9286] = b"UNICODE\x00" + TEXT.encode("utf-16-be")
        return _packed(image, str(image.format), exif=exif)


def _checked(content: bytes) -> bytes:
    return decode.decode(content, max_pixels=SIDE * SIDE).thumbnail


def _two_at_once(contents: list[bytes]) -> None:
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(_checked, contents))


def _one_by_one(contents: list[bytes]) -> None:
    for content in contents:
        _checked(content)


def _loaded_first(content: bytes) -> bytes:
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        small = image.copy()
        small.thumbnail((decode.THUMBNAIL_SIDE, decode.THUMBNAIL_SIDE))
        return _packed(small, "webp")


def _packed(image: Image.Image, picture_format: str, **options: object) -> bytes:
    packed = io.BytesIO()
    image.save(packed, picture_format.upper(), **options)
    return packed.getvalue()


if __name__ == "__main__":
    main()
