"""Draws the previews that a client sees: JPEGs in sRGB without any metadata, with a watermark if asked for.

They lie beside the thumbnails under a name that follows from the bytes of the picture and the watermark.
"""

import hashlib
import io
import math
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont, ImageOps

from app.errors import DiskError, NotFound
from app.images import atomic_write
from app.images.decode import InvalidImage, open_image
from app.images.finishing import in_srgb, true_colour
from app.images.fonts import chinese_font
from app.images.store import PREVIEW, thumbnail_path

SMALL, LARGE = 480, 1600  # pixels of the long side
_QUALITY = {SMALL: 80, LARGE: 85}
_FORM = "2"  # another one draws all of them anew
_LETTERS = 30  # of a watermark in the long side
_SLOPE = 28  # degrees
_SHADE, _LIGHT = 70, 120  # of 255: how much of the dark edge and of the light letters is seen


class PreviewFile(NamedTuple):
    """The previews of a picture: its record, the hash of its bytes, and the watermark, or empty."""

    output_dir: Path
    record_id: int
    sha256: str
    watermark: str

    def path(self, side: int) -> Path:
        """Where the preview of this size lies once it was drawn."""
        tag = hashlib.sha256(f"{_FORM} {self.sha256} {self.watermark}".encode()).hexdigest()[:12]
        beside = thumbnail_path(self.output_dir, self.record_id)
        return beside.with_name(f"{self.record_id}{PREVIEW}{side}-{tag}.jpg")


def preview(file: PreviewFile, side: int, read: Callable[[], bytes]) -> bytes:
    """The preview of a picture, drawn in both sizes when it is asked for first; ``read`` reads the original.

    Raises NotFound for a picture that cannot be opened.
    """
    with suppress(OSError):
        return file.path(side).read_bytes()
    drawn = draw(read(), file.watermark)
    with suppress(DiskError), atomic_write.translate_os_errors(file.output_dir):
        for each, content in drawn.items():
            atomic_write.write_over(file.path(each), content, file.output_dir)
    return drawn[side]


def size_of(width: int | None, height: int | None, side: int = LARGE) -> tuple[int, int]:
    """The size of the preview of a picture; 1 × 1 when its own is not known."""
    if not (width and height):
        return 1, 1
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def can_draw(watermark: str) -> bool:
    """Whether this machine has a font with these letters."""
    return watermark.isascii() or chinese_font(20) is not None


def draw(content: bytes, watermark: str) -> dict[int, bytes]:
    """A picture as a JPEG of each size. Raises NotFound when it cannot be opened."""
    try:
        with open_image(io.BytesIO(content)) as image:
            image.draft(None, (2 * LARGE, 2 * LARGE))
            icc = image.info.get("icc_profile", b"")
            picture = in_srgb(true_colour(ImageOps.exif_transpose(image)), icc, [])
    except InvalidImage as error:
        raise NotFound("这张图片打不开") from error
    if picture.mode == "RGBA":
        flat = Image.new("RGB", picture.size, "white")
        flat.paste(picture, mask=picture.getchannel("A"))
        picture = flat
    drawn = {}
    for side in (LARGE, SMALL):
        picture = picture.resize(size_of(*picture.size, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
        packed = io.BytesIO()
        marked = _marked(picture, watermark) if watermark else picture
        marked.save(packed, "JPEG", quality=_QUALITY[side], exif=b"", icc_profile=b"", comment=b"")
        drawn[side] = packed.getvalue()
    return drawn


def _marked(picture: Image.Image, words: str) -> Image.Image:
    """The picture with words across it, light with a dark edge, so that they are seen on every ground."""
    marked = picture.copy()
    for colour, mask in zip(("black", "white"), _across(picture.size, words), strict=True):
        marked.paste(colour, mask=mask)
    return marked


@lru_cache(maxsize=4)  # both sizes of two shapes: 11 MB; drawing takes ten times as long as pasting
def _across(shape: tuple[int, int], words: str) -> list[Image.Image]:
    """How much of the dark edge and of the light letters is seen, for a picture of this width and height."""
    size = max(round(max(shape) / _LETTERS), 9)
    font = chinese_font(size) or ImageFont.load_default(size)
    across = math.ceil(math.hypot(*shape))
    letters, edge = Image.new("L", (across, across)), Image.new("L", (across, across))
    pen, shade = ImageDraw.Draw(letters), ImageDraw.Draw(edge)
    step = round(pen.textlength(words, font)) + 3 * size
    for line, y in enumerate(range(0, across, 5 * size)):
        for x in range(-(line % 2) * step // 2, across, step):
            shade.text((x, y), words, _SHADE, font, stroke_width=max(size // 14, 1), stroke_fill=_SHADE)
            pen.text((x, y), words, _LIGHT, font)
    left, top = (across - shape[0]) // 2, (across - shape[1]) // 2
    box = (left, top, left + shape[0], top + shape[1])
    return [mask.rotate(_SLOPE, Image.Resampling.BILINEAR).crop(box) for mask in (edge, letters)]
