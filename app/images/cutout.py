"""The goods of a picture in their own pixels, on white or on nothing: by rule, or by an alpha that was drawn.

What is made is a PNG, with the colour profile and the implicit mark of the picture.
"""

import io
from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageChops, ImageFilter, ImageMath, ImageOps

from app.errors import Message, message
from app.images import ground, marks
from app.images.containers import sniff
from app.images.decode import InvalidImage, open_image

_EFFORT = 3  # 6 takes more than twice as long, for a twentieth of the bytes
_SAME_RATIO = 0.01
_NEAR, _LEAST = 0.02, 12  # of the short side, and pixels: how near the ground at an edge is looked for
_ENOUGH = 16  # of 255: the share of ground there
_STRIP = 256  # lines


class CannotCutOut(Exception):
    """Nothing can be made; ``reason`` says why, as half a sentence."""

    def __init__(self, reason: Message) -> None:
        super().__init__(str(reason))
        self.reason = reason


def on_white(content: bytes) -> bytes:
    """The picture with its near-white ground lifted to exact white, or on white where it is transparent.

    For 16 megapixels: 260 MB and about 3 s of one core. Raises CannotCutOut.
    """
    image, icc = _opened(content)
    flat = image
    if image.mode == "RGBA":
        flat = Image.new("RGB", image.size, "white")
        flat.paste(image, mask=image.getchannel("A"))
        if ground.measure_border(image)[0] == ground.TRANSPARENT:
            return _packed(flat, icc, content)
    lifted = ground.lift_ground(flat)
    if isinstance(lifted, Message):
        raise CannotCutOut(lifted)
    if ImageChops.difference(flat, lifted[0]).getbbox() is None:
        raise CannotCutOut(message("背景已经是纯白"))
    return _packed(lifted[0], icc, content)


def with_alpha(content: bytes, drawn: bytes) -> bytes:
    """The picture's own pixels with the alpha of a second one, which may have another size but not ratio.

    At a soft edge the ground is taken out of their colour, so that it does not shine on another ground. What
    is fully transparent is white, for programs that ignore transparency. Raises CannotCutOut.
    """
    image, icc = _opened(content)
    try:
        with open_image(io.BytesIO(drawn)) as other:
            alpha = other.convert("RGBA").getchannel("A")
    except InvalidImage:
        raise CannotCutOut(message("答复的图片打不开")) from None
    ratio = alpha.width * image.height / (alpha.height * image.width)
    if abs(ratio - 1) > _SAME_RATIO:
        sizes = {"w": alpha.width, "h": alpha.height, "x": image.width, "y": image.height}
        raise CannotCutOut(message("答复是 {w}×{h}，和原图 {x}×{y} 对不上", **sizes))
    if alpha.size != image.size:
        alpha = alpha.resize(image.size, Image.Resampling.BICUBIC)
    if image.mode == "RGBA":
        alpha = ImageChops.darker(alpha, image.getchannel("A"))
    darkest, lightest = alpha.getextrema()
    if darkest == 255 or lightest == 0:
        raise CannotCutOut(message("没有分出主体和背景"))
    made = _without_ground(image.convert("RGB"), alpha)
    made.putalpha(alpha)
    return _packed(made, icc, content)


def _without_ground(image: Image.Image, alpha: Image.Image) -> Image.Image:
    """An RGB picture whose half transparent pixels have the colour that they had before any ground."""
    around = ImageFilter.BoxBlur(max(_LEAST, round(min(image.size) * _NEAR)))
    outside = alpha.point([255] + [0] * 255)
    share = outside.filter(around)
    known = share.point([255 * (level >= _ENOUGH) for level in range(256)])
    edge = ImageChops.darker(alpha.point([0] + [255] * 254 + [0]), known)
    channels = []
    for channel in image.split():
        near = ImageChops.multiply(channel, outside).filter(around)
        made = ImageChops.lighter(channel, outside)
        for top in range(0, image.height, _STRIP):  # what is calculated takes four bytes a pixel
            box = (0, top, image.width, min(top + _STRIP, image.height))
            level, opaque, ground, of = (each.crop(box) for each in (channel, alpha, near, share))
            own = ImageMath.lambda_eval(_unmixed, level=level, alpha=opaque, near=ground, share=of)
            made.paste(own.convert("L"), box, edge.crop(box))
        channels.append(made)
    return Image.merge("RGB", channels)


def _unmixed(of: Mapping[str, Any]) -> Any:
    """The level of the goods in a pixel that is mixed of theirs, by alpha, and of the ground near it."""
    ground = of["near"] * 255 / of["max"](of["share"], 1)
    level = (of["level"] * 255 - (255 - of["alpha"]) * ground) / of["max"](of["alpha"], 1)
    return of["min"](of["max"](level, 0), 255)


def _opened(content: bytes) -> tuple[Image.Image, bytes]:
    """(the picture upright, as RGB or RGBA; its colour profile)."""
    try:
        with open_image(io.BytesIO(content)) as image:
            icc = image.info.get("icc_profile", b"") if image.mode in ("RGB", "RGBA") else b""
            ImageOps.exif_transpose(image, in_place=True)
            mode = "RGBA" if image.has_transparency_data else "RGB"
            return (image.copy() if image.mode == mode else image.convert(mode)), icc
    except InvalidImage:
        raise CannotCutOut(message("原图打不开")) from None


def _packed(image: Image.Image, icc: bytes, original: bytes) -> bytes:
    packed = io.BytesIO()
    image.save(packed, "PNG", compress_level=_EFFORT, icc_profile=icc or None)
    mark = marks.implicit_value(original, sniff(original) or "")
    if mark is None:
        return packed.getvalue()
    try:
        return marks.with_implicit_mark(packed.getvalue(), "png", mark)
    except marks.MarkLost:
        raise CannotCutOut(message("原图的 AI 标识写不进新图")) from None
