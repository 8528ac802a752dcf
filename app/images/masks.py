"""Masks of the areas to edit: grey PNG of the picture's size, white is edited. Sizes are in pixels.

The answer of a service is laid over the picture that it changed: outside the mask every pixel stays, decoded,
of 16-bit files the upper eight bits, as every page shows them.
"""

import io
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps, ImageStat

from app.domain.edits import Box
from app.errors import InvalidRequest
from app.images import marks
from app.images.containers import is_in_few_parts, sniff
from app.images.decode import InvalidImage, open_image

MAX_MASK_BYTES = 4_000_000  # what the services take
_CHANGED = 128  # from here on a grey counts as painted
_COARSE = 256  # the long side at which separate areas are found


def read_mask(content: bytes, width: int, height: int) -> bytes:
    """An untrusted mask in our own form. Transparency counts as black. Raises InvalidRequest."""
    if sniff(content) != "png":
        raise InvalidRequest("mask", "蒙版应是 PNG")
    if not is_in_few_parts(content, "png"):
        raise InvalidRequest("mask", "蒙版打不开，请重新涂")
    try:
        with open_image(io.BytesIO(content)) as image:
            if image.size != (width, height):
                text = "蒙版是 {width}×{height}，应和图片一样大：{expected}"
                size = {"width": image.width, "height": image.height, "expected": f"{width}×{height}"}
                raise InvalidRequest("mask", text, **size)
            mask = _grey(image)
    except InvalidImage as error:
        raise InvalidRequest("mask", "蒙版打不开，请重新涂") from error
    if not _painted(mask).getbbox():
        raise InvalidRequest("mask", "还没有涂要改的地方，请先涂或框出来")
    packed = _packed(mask)
    if len(packed) > MAX_MASK_BYTES:
        raise InvalidRequest("mask", "涂得太零碎，蒙版太大，请涂成整块")
    return packed


def box_mask(box: Box, width: int, height: int) -> bytes:
    """The mask of a rectangle."""
    mask = Image.new("L", (width, height))
    mask.paste(255, box)
    return _packed(mask)


def boxes_of(content: bytes) -> list[Box]:
    """The bounding boxes of the areas of a mask, from the top; areas that nearly touch share one."""
    with Image.open(io.BytesIO(content)) as image:
        mask = _painted(image)
    step = max(1, -(-max(mask.size) // _COARSE))
    left = mask.reduce(step).point(lambda value: 255 if value else 0).filter(ImageFilter.MaxFilter(5))
    boxes = []
    while found := left.getbbox():
        top_row = left.crop((found[0], found[1], found[2], found[1] + 1)).getbbox()
        assert top_row  # a bounding box has something in its first row
        before = left.copy()
        ImageDraw.floodfill(left, (found[0] + top_row[0], found[1]), 0)
        coarse = ImageChops.difference(before, left).getbbox()
        assert coarse
        x, y = coarse[0] * step, coarse[1] * step
        inner = mask.crop((x, y, coarse[2] * step, coarse[3] * step)).getbbox()
        if inner:
            boxes.append((x + inner[0], y + inner[1], x + inner[2], y + inner[3]))
    return boxes


def as_alpha(content: bytes) -> bytes:
    """The mask as services of the OpenAI form take it: PNG with alpha, transparent is changed."""
    with Image.open(io.BytesIO(content)) as image:
        clear = Image.new("LA", image.size)
        clear.putalpha(ImageChops.invert(image.convert("L")))
        packed = io.BytesIO()
        clear.convert("RGBA").save(packed, "PNG")
        return packed.getvalue()


def _grey(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("L")
    clear = image.convert("RGBA")
    black = Image.new("RGBA", clear.size, "black")
    return Image.alpha_composite(black, clear).convert("L")


def _painted(mask: Image.Image) -> Image.Image:
    return mask.convert("L").point(lambda value: 255 if value >= _CHANGED else 0)


def _packed(mask: Image.Image) -> bytes:
    packed = io.BytesIO()
    mask.save(packed, "PNG")
    return packed.getvalue()


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
    soft = painted.crop(box)  # wider by ``reach`` pixels, with a soft edge outside of what was painted
    around = soft.filter(ImageFilter.BoxBlur(reach)).point(lambda value: min(value * 2, 255))
    soft = ImageChops.lighter(soft, around)
    del painted, around
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
