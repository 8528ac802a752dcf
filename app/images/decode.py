"""Decodes images to validate them and create their WebP thumbnails. Sizes and limits are in pixels.

Pillow is imported here, in ``finishing`` and ``ground``, and in the demo provider.
"""

import contextlib
import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image, ImageOps

from app.images.containers import is_in_few_parts, is_whole, sniff

SUPPORTED_FORMATS = ("png", "jpeg", "webp")
MAX_PIXELS = 40_000_000  # of a picture from a service
THUMBNAIL_SIDE = 320
LARGE_THUMBNAIL_SIDE = 800  # for large tiles on screens of high density

_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_THUMBNAIL_QUALITY = 80
_FITTING_QUALITIES = (95, 90, 80, 70)
_PILLOW_FORMATS = [name.upper() for name in SUPPORTED_FORMATS]
_WEBP_EFFORT = 2  # 4 takes 3 ms longer and hardly saves bytes at this size
_REDUCING_GAP = 1.1  # decodes JPEG near thumbnail size; 2.0 takes 6 ms longer without visible gain
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_BROKEN = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, OverflowError)
_DAMAGED = (*_BROKEN, struct.error, zlib.error, MemoryError)


class InvalidImage(ValueError):
    """Base class of the errors below."""


class UnsupportedFormat(InvalidImage):
    """Not a supported format, by signature; ``format`` is the detected one, or None."""

    def __init__(self, image_format: str | None) -> None:
        super().__init__(image_format)
        self.format = image_format


class TooManyPixels(InvalidImage):
    """More pixels than allowed, according to the header; raised before memory is allocated."""


class TooManyParts(InvalidImage):
    """An image with so many scans, segments or chunks that decoding takes seconds or minutes."""


class Corrupt(InvalidImage):
    """A damaged or truncated file."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The result of decoding; width and height have the EXIF orientation applied."""

    format: str
    width: int
    height: int
    thumbnail: bytes


def decode(content: bytes, *, max_pixels: int) -> Decoded:
    """Decode the whole image, at reduced scale where supported. Raises InvalidImage."""
    image_format = sniff(content)
    if image_format is None or image_format not in SUPPORTED_FORMATS:
        raise UnsupportedFormat(image_format)
    lacks_end = not is_whole(content, image_format)
    is_noise = lacks_end and image_format == "jpeg"  # truncated scan data looks like markers
    if not is_noise and not is_in_few_parts(content, image_format):
        raise TooManyParts
    if lacks_end:
        raise Corrupt("no end mark")
    return _decode_file(io.BytesIO(content), image_format, max_pixels)


def thumbnail_of(file: BinaryIO, *, max_pixels: int, side: int = THUMBNAIL_SIDE) -> bytes:
    """Create a thumbnail of a saved image, read lazily from an open file. Raises as ``decode`` does."""
    image_format = sniff(file.read(12))
    if image_format is None:
        raise UnsupportedFormat(None)
    file.seek(0)
    return _decode_file(file, image_format, max_pixels, side).thumbnail


def jpeg_within(content: bytes, max_bytes: int, max_side: int = 0) -> bytes | None:
    """The image as a JPEG of at most ``max_bytes``; None when it does not fit at an acceptable quality.

    Transparency becomes white; no side is longer than ``max_side``, if any. ``content`` was decoded before.
    Raises Corrupt.
    """
    with open_image(io.BytesIO(content)) as image:
        flat = _on_white(ImageOps.exif_transpose(image))
    if max_side:
        flat.thumbnail((max_side, max_side))
    for quality in _FITTING_QUALITIES:
        packed = io.BytesIO()
        flat.save(packed, "JPEG", quality=quality)
        if packed.tell() <= max_bytes:
            return packed.getvalue()
    return None


@contextlib.contextmanager
def open_image(file: BinaryIO, *, max_pixels: int = MAX_PIXELS) -> Iterator[Image.Image]:
    """A PNG, JPEG or WebP, not decoded yet. Raises TooManyPixels, and Corrupt also while it is decoded."""
    try:
        with Image.open(file, formats=_PILLOW_FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise TooManyPixels(f"{image.width}x{image.height}")
            yield image
    except TooManyPixels:
        raise
    except _BOMBS as error:
        raise TooManyPixels(str(error)) from error
    except _DAMAGED as error:
        raise Corrupt(str(error)) from error


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height with the EXIF orientation applied."""
    turned = image.getexif().get(_ORIENTATION) in _SIDEWAYS
    return (image.height, image.width) if turned else image.size


def jpeg_thumbnail(thumbnail: bytes, box: tuple[int, int]) -> bytes:
    """Convert a thumbnail to JPEG within ``box`` pixels, for spreadsheets; transparency becomes white."""
    with Image.open(io.BytesIO(thumbnail), formats=["WEBP"]) as image:
        image.thumbnail(box, reducing_gap=_REDUCING_GAP)
        packed = io.BytesIO()
        _on_white(image).save(packed, "JPEG", quality=_THUMBNAIL_QUALITY)
        return packed.getvalue()


def _on_white(image: Image.Image) -> Image.Image:
    image = _in_true_colour(image)
    flat = Image.new("RGB", image.size, "white")
    flat.paste(image, mask=image.getchannel("A") if "A" in image.getbands() else None)
    return flat


def _decode_file(file: BinaryIO, image_format: str, max_pixels: int, side: int = THUMBNAIL_SIDE) -> Decoded:
    with open_image(file, max_pixels=max_pixels) as image:
        return Decoded(image_format, *upright_size(image), _thumbnail(image, side))


def _thumbnail(image: Image.Image, side: int) -> bytes:
    """Call ``Image.thumbnail`` before loading, so that a JPEG is decoded at reduced scale."""
    # Pixels can be interpolated: not those of a palette or of a single transparent colour.
    can_draft = image.mode in ("RGB", "RGBA", "L", "CMYK") and "transparency" not in image.info
    small = image if can_draft else _in_true_colour(image)
    small.thumbnail((side, side), reducing_gap=_REDUCING_GAP)
    small.load()
    turned = _in_true_colour(ImageOps.exif_transpose(small))
    packed = io.BytesIO()
    profile = image.info.get("icc_profile", b"") if image.mode in ("RGB", "RGBA") else b""
    turned.save(packed, "WEBP", quality=_THUMBNAIL_QUALITY, method=_WEBP_EFFORT, icc_profile=profile)
    return packed.getvalue()


def _in_true_colour(image: Image.Image) -> Image.Image:
    if image.mode == "RGBA" or (image.mode == "RGB" and not image.has_transparency_data):
        return image
    return image.convert("RGBA" if image.has_transparency_data else "RGB")
