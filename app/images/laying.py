"""Lays the answer of a service over the picture that it changed: outside the mask every pixel stays.

What stays are the decoded pixels, of 16-bit files the upper eight bits, as every page shows them.
"""

import io
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageFilter, ImageOps, ImageStat

from app.domain.edits import Box
from app.images import marks
from app.images.containers import sniff
from app.images.decode import open_image

_SAME_RATIO = 0.01
_SOFT = 1 / 400  # of the short side: how far the mask is widened and softened
_RING = 3  # pixels that are compared around it, times the softening
_EFFORT = 4  # of compression: more takes seconds at 4K and saves little


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """The composited picture, as PNG; ``seam`` is the mean difference between original and answer in a ring
    around the mask, from 0 to 255."""

    content: bytes
    seam: float


def lay_over(original: bytes, answer: bytes, mask: bytes) -> Laid | None:
    """Lay the answer over the original through the mask; None when the answer has another shape.

    The mask is widened and softened by a few pixels. The implicit mark of the answer, else of the original,
    is carried over. Takes both pictures decoded at once. Raises InvalidImage, MarkLost and OSError.
    """
    with open_image(io.BytesIO(original)) as opened:
        profile = opened.info.get("icc_profile")
        picture = _true_colour(ImageOps.exif_transpose(opened))
    with open_image(io.BytesIO(mask)) as opened:
        painted = opened.convert("L")
    reach = max(2, round(min(picture.size) * _SOFT))
    if painted.size != picture.size or not (inside := painted.getbbox()):
        return None
    box = _grown(inside, (1 + _RING) * reach, picture.size)
    soft = _softened(painted.crop(box), reach)
    del painted
    with open_image(io.BytesIO(answer)) as opened:
        received = ImageOps.exif_transpose(opened)
        ratio = received.width / received.height * picture.height / picture.width
        if abs(ratio - 1) > _SAME_RATIO:
            return None
        part = _part(received, box, picture.size, picture.mode)
        del received
    seam = _difference_around(picture.crop(box), part, soft, _RING * reach)
    picture.paste(part, box[:2], soft)
    packed = io.BytesIO()
    picture.save(packed, "PNG", compress_level=_EFFORT, icc_profile=profile)
    content = packed.getvalue()
    values = (marks.implicit_value(each, sniff(each) or "") for each in (answer, original))
    if mark := next(filter(None, values), None):
        content = marks.with_implicit_mark(content, "png", mark)
    return Laid(content=content, seam=round(seam, 1))


def _true_colour(image: Image.Image) -> Image.Image:
    """RGB, or RGBA where there is transparency; a grey of 16 bits keeps the upper eight."""
    if image.mode.startswith("I"):
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _softened(mask: Image.Image, reach: int) -> Image.Image:
    """The mask, wider by ``reach`` pixels, with a soft edge outside of what was painted."""
    around = mask.filter(ImageFilter.BoxBlur(reach)).point(lambda value: min(value * 2, 255))
    return ImageChops.lighter(mask, around)


def _grown(box: Box, by: int, size: tuple[int, int]) -> Box:
    left, top, right, bottom = box
    return max(left - by, 0), max(top - by, 0), min(right + by, size[0]), min(bottom + by, size[1])


def _part(answer: Image.Image, box: Box, size: tuple[int, int], mode: str) -> Image.Image:
    """What the answer has in this box of a picture of this size."""
    if answer.size == size:
        part = answer.crop(box)
    else:
        across, down = answer.width / size[0], answer.height / size[1]
        area = (box[0] * across, box[1] * down, box[2] * across, box[3] * down)
        shape = (box[2] - box[0], box[3] - box[1])
        clean = answer if answer.mode in ("RGB", "RGBA", "L") else _true_colour(answer)
        part = clean.resize(shape, Image.Resampling.LANCZOS, box=area, reducing_gap=3.0)
    part = _true_colour(part)
    if mode == "RGB" and part.mode == "RGBA":
        flat = Image.new("RGB", part.size, "white")
        flat.paste(part, mask=part.getchannel("A"))
        return flat
    return part.convert(mode)


def _difference_around(there: Image.Image, part: Image.Image, soft: Image.Image, width: int) -> float:
    """The mean difference in a ring of this width outside of the soft mask."""
    inside = soft.point(lambda value: 255 if value else 0)
    wide = inside.filter(ImageFilter.BoxBlur(width)).point(lambda value: 255 if value else 0)
    ring = ImageChops.subtract(wide, inside)
    if not ring.getbbox():
        return 0.0
    means = ImageStat.Stat(ImageChops.difference(there.convert("RGB"), part.convert("RGB")), ring).mean
    return sum(means) / len(means)
