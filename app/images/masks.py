"""Masks of the areas to edit: grey PNG of the picture's size, white is edited. Sizes are in pixels."""

import io

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from app.domain.edits import Box
from app.errors import InvalidRequest
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
