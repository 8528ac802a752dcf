"""An answer is laid over the picture that was changed: outside of the mask every pixel stays."""

import io
import struct
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from PIL import Image, ImageChops

from app.errors import InvalidRequest
from app.images import masks
from app.images.containers import png_chunk
from app.images.marks import find_marks
from app.images.masks import lay_over
from tools.marked_images import FIELDS, with_xmp, xmp

SIZE = (333, 217)
SPOT = (101, 60, 150, 121)
REACH = 4  # pixels beside the mask that may change


def packed(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def noise(mode: str, size: tuple[int, int] = SIZE) -> Image.Image:
    """A picture whose every pixel is chance, those that are transparent too."""
    chance = Random(7)
    if mode == "I;16":
        return Image.frombytes(mode, size, chance.randbytes(2 * size[0] * size[1]))
    bands = {"RGB": 3, "RGBA": 4, "L": 1, "LA": 2, "CMYK": 4, "P": 1}[mode]
    image = Image.frombytes("L" if mode == "P" else mode, size, chance.randbytes(bands * size[0] * size[1]))
    return image.convert("P") if mode == "P" else image


def sixteen_bits() -> bytes:
    """A PNG of 16 bits a channel, which Pillow reads and does not write."""
    chance, (width, height) = Random(7), SIZE
    rows = b"".join(b"\0" + chance.randbytes(6 * width) for _ in range(height))

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


ORIGINALS: dict[str, Callable[[], bytes]] = {
    "RGB": lambda: packed(noise("RGB")),
    "with alpha": lambda: packed(noise("RGBA")),
    "grey": lambda: packed(noise("L")),
    "grey with alpha": lambda: packed(noise("LA")),
    "palette": lambda: packed(noise("P")),
    "16 bits": sixteen_bits,
    "JPEG": lambda: packed(noise("RGB"), "JPEG", quality=80),
    "WebP": lambda: packed(noise("RGBA"), "WEBP", lossless=True, exact=True),
    "CMYK": lambda: packed(noise("CMYK"), "JPEG"),
}


@pytest.mark.parametrize("kind", ORIGINALS)
@pytest.mark.parametrize("answer_size", [SIZE, (SIZE[0] * 2, SIZE[1] * 2)])
def test_outside_of_the_mask_not_one_byte_of_a_pixel_differs(kind: str, answer_size: tuple[int, int]) -> None:
    original = ORIGINALS[kind]()
    answer = packed(Image.new("RGB", answer_size, (200, 20, 20)), "JPEG")
    laid = lay_over(original, answer, masks.box_mask(SPOT, *SIZE))
    assert laid
    with Image.open(io.BytesIO(laid.content)) as result, Image.open(io.BytesIO(original)) as opened:
        assert (result.format, result.size) == ("PNG", SIZE)
        before, after = opened.convert(result.mode), result.copy()
    bands = zip(before.split(), after.split(), strict=True)
    boxes = [ImageChops.difference(*pair).getbbox() for pair in bands]
    for box in filter(None, boxes):
        assert all(abs(edge - spot) <= REACH for edge, spot in zip(box, SPOT, strict=True))
    middle = after.convert("RGB").getpixel((125, 90))
    assert isinstance(middle, tuple)
    assert all(abs(a - b) <= 2 for a, b in zip(middle, (200, 20, 20), strict=True))


def test_a_grey_of_16_bits_keeps_its_upper_eight() -> None:
    grey = noise("I;16")
    laid = lay_over(packed(grey), packed(Image.new("RGB", SIZE)), masks.box_mask(SPOT, *SIZE))
    assert laid
    with Image.open(io.BytesIO(laid.content)) as result:
        for at in ((0, 0), (332, 216), (50, 90)):
            value = grey.getpixel(at)
            assert isinstance(value, int)
            assert result.getpixel(at) == (value >> 8,) * 3


def test_the_edge_is_measured_just_outside_of_the_mask() -> None:
    plain, mask = Image.new("RGB", SIZE, (100, 100, 100)), masks.box_mask(SPOT, *SIZE)
    inside = plain.copy()
    inside.paste((255, 0, 0), SPOT)
    seams = []
    for answer in (inside, Image.new("RGB", SIZE, (130, 100, 100)), Image.new("RGB", SIZE, (40, 40, 40))):
        laid = lay_over(packed(plain), packed(answer), mask)
        assert laid
        seams.append(laid.seam)
    assert seams == [0, 10, 60]


def test_an_answer_of_another_shape_is_not_laid_over() -> None:
    answer = packed(Image.new("RGB", (SIZE[0], SIZE[1] + 5)))
    assert lay_over(packed(noise("RGB")), answer, masks.box_mask(SPOT, *SIZE)) is None


def test_the_implicit_mark_of_the_answer_and_the_colours_of_the_original_are_carried_over() -> None:
    answer = with_xmp("png", xmp())
    with Image.open(io.BytesIO(answer)) as opened:
        size = opened.size
    original = packed(noise("RGB", size), icc_profile=b"a profile")
    laid = lay_over(original, answer, masks.box_mask((0, 0, 2, 2), *size))
    assert laid
    assert find_marks(laid.content)["aigc"] == {"place": "xmp", "fields": FIELDS}
    with Image.open(io.BytesIO(laid.content)) as result:
        assert result.info["icc_profile"] == b"a profile"


def test_places_that_nearly_touch_are_one_box() -> None:
    mask = Image.new("L", (1000, 600))
    for box in ((10, 20, 110, 90), (112, 20, 150, 60), (700, 400, 701, 402)):
        mask.paste(255, box)
    assert masks.boxes_of(packed(mask)) == [(10, 20, 150, 90), (700, 400, 701, 402)]


def test_a_mask_is_taken_as_grey_where_white_or_opaque_is_painted() -> None:
    clear = Image.new("RGBA", (40, 30), (255, 255, 255, 0))
    clear.paste((255, 255, 255, 255), (5, 6, 10, 12))
    grey = masks.read_mask(packed(clear), 40, 30)
    with Image.open(io.BytesIO(grey)) as image:
        assert (image.mode, image.getbbox()) == ("L", (5, 6, 10, 12))
    with Image.open(io.BytesIO(masks.as_alpha(grey))) as image:
        assert (image.mode, image.getpixel((5, 6))[3], image.getpixel((0, 0))[3]) == ("RGBA", 0, 255)  # type: ignore[index]


def test_a_mask_of_too_many_parts_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    content = packed(Image.new("L", (40, 30), 255))
    at = content.index(b"IDAT") - 4
    many = content[:at] + png_chunk(b"tEXt", b"") * 60_000 + content[at:]
    monkeypatch.setattr(masks, "open_image", lambda *_: pytest.fail("it is decoded"))
    with pytest.raises(InvalidRequest, match="打不开"):
        masks.read_mask(many, 40, 30)
