"""Makes the picture to deliver from its original: size, ground, colours, format and bytes."""

import io
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from PIL import Image, ImageCms, ImageOps

from app.errors import Conflict, Message, message
from app.images import exif, ground, marks, metadata
from app.images.containers import ENDING_OF, sniff
from app.images.decode import InvalidImage, open_image, upright_size
from app.images.ground import Colour, Ground

FLOOR_QUALITY = 80
POSITIONS = {  # of an overlay: shares of the free width and height before it
    f"{down}-{across}".replace("middle-", "").replace("-center", ""): (x, y)
    for y, down in ((0.0, "top"), (0.5, "middle"), (1.0, "bottom"))
    for x, across in ((0.0, "left"), (0.5, "center"), (1.0, "right"))
}
BEST_QUALITY = 95
_SHARP_QUALITY = 88  # from here on full colour resolution is worth more than quality
_SOFT_QUALITY = 92  # above it full colour resolution takes no more bytes
_GAP = 2.0  # reduces in two steps, the first of which is fast
_PLACED_FROM = 0.7  # share of the frame that a smaller original fills when it is placed without enlarging
_MARGIN = 0.03  # between an overlay and the edge, as a share of the width
_ENOUGH = 0.92  # of the bytes allowed: further search gains nothing that is seen
_STEPS = 14  # of quality, for twice the bytes
_MAX_SHRINKS = 6
_FILL_MARGIN = 0.03  # inside the bounds of the share of the goods, which is measured to a hundredth
_MAX_OVERLAY_PIXELS = 4_000_000
# Changes that could not be made, or show.
NOT_LIFTED, NOT_FILLED = "底色没有提白：{why}", "商品占比没有调：{why}"
FRAMED, SEAM = "背景不是纯色，补的边会像加了框", "原图底色是 {colour}，看得出接缝"


class CannotFinish(Conflict):
    """The picture cannot be made as the profile asks; the original is untouched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """A PNG laid on; ``size`` is its share of the width, ``position`` as ``top-left`` or ``center``."""

    image: bytes
    position: str = "bottom-right"
    size: float = 0.2
    opacity: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """What is wanted. ``width`` and ``height`` are pixels, 0: free (``inside``) or as it is (``original``).

    ``fit`` is pad, crop, inside or original; ``background`` is #rrggbb, auto (the ground at the border) or
    empty (transparent); ``format`` is jpeg, png, webp or original; 0 bytes are no bound. The frame of an
    original that is smaller gets smaller in proportion, down to ``least_side`` pixels of its long side; 0:
    the frame is exact. ``white`` lifts a near-white ground to 255; with ``fill``, (least, most), the goods on
    it get that share of the frame. ``parameters`` keeps the embedded text with prompt and parameters.
    """

    width: int = 0
    height: int = 0
    fit: str = "original"
    background: str = "auto"
    format: str = "original"
    max_bytes: int = 0
    min_bytes: int = 0
    least_side: int = 0
    least_quality: int = FLOOR_QUALITY
    focus: tuple[float, float] = (0.5, 0.5)
    white: bool = False
    fill: tuple[float, float] | None = None
    parameters: bool = False
    overlay: Overlay | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A finished picture, measured in its encoded bytes.

    ``source`` is the upright size of the original; ``scale`` above 1 means enlarged. ``quality`` is None
    unless JPEG or WebP was encoded. ``changes`` say what was done. ``aigc`` is the mark carried over, None:
    there was none. ``c2pa`` is kept, left (only the original has its manifest) or empty.
    """

    content: bytes
    format: str
    width: int
    height: int
    source: tuple[int, int]
    scale: float
    quality: int | None
    measured: Ground
    changes: tuple[Message, ...] = ()
    aigc: str | None = None
    c2pa: str = ""


class Layout(NamedTuple):
    """Sizes in pixels: of the frame, and of the picture in it before a crop; ``scale`` of the original."""

    frame: tuple[int, int]
    picture: tuple[int, int]
    scale: float


def layout(wanted: Finish, width: int, height: int) -> Layout:
    """Where an original of this size goes.

    ``inside`` never enlarges. With ``pad`` an original that is too small is placed as it is if it fills 70 %
    of the frame along one side; otherwise, and with ``crop``, it is enlarged, and ``scale`` says so.
    """
    if wanted.fit == "original":
        return Layout((width, height), (width, height), 1.0)
    ratios = [side / of for side, of in ((wanted.width, width), (wanted.height, height)) if side]
    if wanted.fit == "inside":
        scale = min(1.0, *ratios)
        size = _scaled(width, height, scale)
        return Layout(size, size, scale)
    scale = max(ratios) if wanted.fit == "crop" else min(ratios)
    frame = (wanted.width, wanted.height)
    if scale > 1 and wanted.least_side:
        smaller = min(max(1 / scale, wanted.least_side / max(frame)), 1.0)
        frame, scale = _scaled(*frame, smaller), scale * smaller
    if wanted.fit == "pad" and 1 < scale <= 1 / _PLACED_FROM:
        scale = 1.0
    return Layout(frame, _scaled(width, height, scale), scale)


def _scaled(width: int, height: int, scale: float) -> tuple[int, int]:
    return max(1, round(width * scale)), max(1, round(height * scale))


def finish(content: bytes, wanted: Finish) -> Finished:
    """Make the picture. Raises CannotFinish.

    A caller that keeps no reference to ``content`` has its memory back before the picture is resized.
    """
    image_format = sniff(content)
    if image_format not in ENDING_OF:
        raise CannotFinish("原图不是 PNG、JPEG 或 WebP，没法交付，请重新生成这一张")
    changes: list[Message] = []
    try:
        mark = marks.implicit_value(content, image_format)
        c2pa = "left" if marks.find_marks(content)["c2pa"] else ""
        text = (metadata.extract(content) or "") if wanted.parameters else ""
        quality, source, scale = None, None, 1.0
        if wanted.fit == wanted.format == "original":
            encoded = content
            _measured(encoded)  # one that is damaged cannot be taken apart
            if c2pa and metadata.extract(content) is None:  # a manifest does not fit what was embedded since
                c2pa = "kept"
        else:
            image_format = image_format if wanted.format == "original" else wanted.format
            original = io.BytesIO(content)
            del content
            image, source, scale = _arranged(original, wanted, image_format, changes)
            room = len(marks.packet(mark)) + (4 * len(text) + 400 if text else 0) + 100
            encoded, quality = _encoded(image, image_format, wanted, room)
            del image
        if c2pa != "kept":
            encoded = marks.with_implicit_mark(encoded, image_format, mark)
            encoded = b"".join(metadata.embed(encoded, image_format, text)) if text else encoded
        (width, height), measured = _measured(encoded)
    except InvalidImage as error:
        raise CannotFinish("原图已损坏或太大，打不开，请重新生成这一张") from error
    except marks.MarkLost as error:
        raise CannotFinish("原图的 AI 标识没能写进成品，没有交付；请改用「原图」规格") from error
    return Finished(
        content=encoded,
        format=image_format,
        width=width,
        height=height,
        source=source or (width, height),
        scale=scale,
        quality=quality,
        measured=measured,
        changes=tuple(changes),
        aigc=mark,
        c2pa=c2pa,
    )


def _arranged(
    original: io.BytesIO, wanted: Finish, image_format: str, changes: list[Message]
) -> tuple[Image.Image, tuple[int, int], float]:
    """(the picture on its ground, in sRGB as RGB or RGBA; the size of the original; its scale).

    Closes the file, which frees its bytes.
    """
    with original, open_image(original) as image:
        source = shown = upright_size(image)
        placed = layout(wanted, *source)
        near = [math.ceil(side * _GAP) for side in placed.picture]
        if not wanted.white:
            image.draft(None, (near[0], near[1]) if source == image.size else (near[1], near[0]))
        icc = image.info.get("icc_profile", b"")
        if image.getexif().get(exif.ORIENTATION, 1) != 1:
            changes.append(message("按拍摄方向转正"))
        ImageOps.exif_transpose(image, in_place=True)
        if image.format == "PNG" and original.getbuffer()[24] == 16:
            changes.append(message("16 位减为 8 位"))
        picture = true_colour(image)
    del image
    if wanted.white:
        before = picture = in_srgb(picture, icc, changes)
        picture, icc = _on_white(picture, wanted, changes), b""
        shown = picture.size
        if shown != before.size:  # in the shape of the frame, and to fill it
            placed = layout(replace(wanted, fit="crop"), *shown)
        del before
    if placed.picture != shown:
        sizes = {"w": shown[0], "h": shown[1], "x": placed.picture[0], "y": placed.picture[1]}
        words = "从 {w}×{h} 放大到 {x}×{y}" if placed.scale > 1 else "从 {w}×{h} 缩小到 {x}×{y}"
        changes.append(message(words, **sizes))
    size = placed.frame if wanted.fit == "crop" else placed.picture
    box = None
    if size != placed.picture:
        across, down = (a / b for a, b in zip(size, placed.picture, strict=True))
        changes.append(message("裁剪，留下宽的 {w}、高的 {h}", w=f"{across:.0%}", h=f"{down:.0%}"))
        left, right = _kept(across, wanted.focus[0], picture.width)
        top, bottom = _kept(down, wanted.focus[1], picture.height)
        box = (left, top, right, bottom)
    if size != picture.size or box:
        picture = picture.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=_GAP)
    picture = _on_ground(in_srgb(picture, icc, changes), placed.frame, wanted, image_format, changes)
    if wanted.overlay:
        picture = _with_overlay(picture, wanted.overlay)
        changes.append(message("叠加了规格里的图片"))
    return picture, source, placed.scale


def _on_white(image: Image.Image, wanted: Finish, changes: list[Message]) -> Image.Image:
    """On an exact white ground if its own is nearly white; with ``fill`` cut or widened until the goods have
    that share of the frame, which cuts nothing but ground. ``changes`` say what was done, or why not."""
    if image.mode == "RGBA":
        flat = Image.new("RGB", image.size, "white")
        flat.paste(image, mask=image.getchannel("A"))
        image = flat
        changes.append(message("透明处铺上 {colour}", colour="#FFFFFF"))
    found = ground.measure(image)
    if found.kind != ground.WHITE or found.white < ground.ALL_WHITE:
        lifted = ground.lift_ground(image)
        if isinstance(lifted, Message):
            changes.append(message(NOT_LIFTED, why=lifted))
            return image
        image = lifted[0]
        changes.append(message("底色从 {colour} 提到纯白", colour=_hex(found.colour)))
        found = ground.measure(image)
    if wanted.fill is None or wanted.fit != "pad":
        return image
    if found.box is None or found.edges:
        why = message("商品碰到了边" if found.box else "没有找到商品")
        changes.append(message(NOT_FILLED, why=why))
        return image
    left, top, right, bottom = found.box
    size, (least, most) = _framed(image.size, (wanted.width, wanted.height)), wanted.fill
    share = max((right - left) / size[0], (bottom - top) / size[1])
    if least <= share <= most:
        return image
    margin = min(_FILL_MARGIN, (most - least) / 2)
    target = min(max(share, least + margin), most - margin)
    size = (round(size[0] * share / target), round(size[1] * share / target))
    framed = Image.new("RGB", size, "white")
    framed.paste(image, (round((size[0] - left - right) / 2), round((size[1] - top - bottom) / 2)))
    changes.append(message("商品占比从 {a} 调到 {b}", a=f"{share:.0%}", b=f"{target:.0%}"))
    return framed


def _framed(size: tuple[int, int], frame: tuple[int, int]) -> tuple[float, float]:
    """The size of a frame, of this ratio, around a picture."""
    scale = max(size[0] / frame[0], size[1] / frame[1])
    return frame[0] * scale, frame[1] * scale


def true_colour(image: Image.Image) -> Image.Image:
    """In L, RGB, RGBA or CMYK: pixels that can be interpolated, of 8 bits."""
    if image.mode.startswith(("I", "F")):
        return image.convert("I").point(lambda level: level * (1 / 257) + 0.5).convert("L")
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _kept(share: float, focus: float, side: int) -> tuple[float, float]:
    """From where to where a crop that keeps this share goes, around the focus."""
    start = min(max(focus - share / 2, 0.0), 1 - share)
    return start * side, min(start + share, 1.0) * side


def in_srgb(image: Image.Image, icc: bytes, changes: list[Message]) -> Image.Image:
    """In RGB or RGBA, by the embedded profile; without one CMYK is converted roughly."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    flat = image.convert("RGB") if alpha else image
    if icc:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            name = ImageCms.getProfileName(profile).strip()
            if "sRGB" not in name:
                intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
                srgb = ImageCms.createProfile("sRGB")
                flat = ImageCms.profileToProfile(flat, profile, srgb, intent, "RGB", flags=flags) or flat
                changes.append(message("颜色从 {name} 转成 sRGB", name=name[:60]))
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            changes.append(message("原图的颜色配置读不出来，没有用"))
    elif flat.mode == "CMYK":
        changes.append(message("CMYK 没有颜色配置，转成 sRGB 只是近似"))
    flat = flat if flat.mode == "RGB" else flat.convert("RGB")
    if alpha and alpha.getextrema() != (255, 255):
        flat.putalpha(alpha)
    return flat


def _on_ground(
    image: Image.Image, frame: tuple[int, int], wanted: Finish, image_format: str, changes: list[Message]
) -> Image.Image:
    """In the middle of its frame; transparent parts are filled unless format and profile keep them."""
    kind, found = ground.measure_border(image)
    asked = wanted.background.startswith("#")
    red, green, blue = bytes.fromhex(wanted.background[1:]) if asked else found
    colour, keeps_alpha = (red, green, blue), image_format != "jpeg" and not asked
    if image.mode == "RGBA" and not keeps_alpha:
        flat = Image.new("RGB", image.size, colour)
        flat.paste(image, mask=image.getchannel("A"))
        image = flat
        changes.append(message("透明处铺上 {colour}", colour=_hex(colour)))
    if image.size == frame:
        return image
    across, down = ((a - b) // 2 for a, b in zip(frame, image.size, strict=True))
    if keeps_alpha and (wanted.background == "" or kind == ground.TRANSPARENT):
        padded = Image.new("RGBA", frame)
        padded.paste(image, (across, down))
        changes.append(message("四周补了透明"))
        return padded
    padded = Image.new("RGB", frame, colour)
    padded.paste(image, (across, down), image if image.mode == "RGBA" else None)
    changes.append(message("四周补了 {colour}", colour=_hex(colour)))
    if kind == ground.SCENE:
        changes.append(message(FRAMED))
    elif kind != ground.TRANSPARENT and max(abs(a - b) for a, b in zip(found, colour, strict=True)) > 2:
        changes.append(message(SEAM, colour=_hex(found)))
    return padded


def _with_overlay(image: Image.Image, overlay: Overlay) -> Image.Image:
    try:
        with open_image(io.BytesIO(overlay.image), max_pixels=_MAX_OVERLAY_PIXELS) as opened:
            laid_on = opened.convert("RGBA")
    except InvalidImage as error:
        raise CannotFinish("要叠加的图片打不开，请在规格里换一张") from error
    margin = round(image.width * _MARGIN)
    free = (max(image.width - 2 * margin, 1), max(image.height - 2 * margin, 1))
    width = max(1, min(round(image.width * overlay.size), free[0]))
    height = max(1, min(round(laid_on.height * width / laid_on.width), free[1]))
    laid_on = laid_on.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=_GAP)
    laid_on.putalpha(laid_on.getchannel("A").point([round(n * overlay.opacity) for n in range(256)]))
    across, down = POSITIONS[overlay.position]
    at = (margin + round(across * (free[0] - width)), margin + round(down * (free[1] - height)))
    below = image.convert("RGBA")
    below.alpha_composite(laid_on, (min(at[0], image.width - width), min(at[1], image.height - height)))
    return below if image.mode == "RGBA" else below.convert("RGB")


def _encoded(image: Image.Image, image_format: str, wanted: Finish, room: int) -> tuple[bytes, int | None]:
    """(bytes, quality): the best that fits beside ``room`` bytes; ``inside`` is shrunk until it does."""
    most = wanted.max_bytes - room if wanted.max_bytes else sys.maxsize
    for _ in range(_MAX_SHRINKS if wanted.fit == "inside" else 1):
        packed, quality = _best(image, image_format, wanted, most)
        if len(packed) <= most:
            return packed, quality
        factor = min(max(math.sqrt(max(most, 1) / len(packed)), 0.3), 0.95)
        if wanted.fit == "inside":
            size = _scaled(*image.size, factor)
            image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=_GAP)
    sizes = {"w": image.width, "h": image.height, "kb": wanted.max_bytes // 1000}
    words = "{w}×{h} 的 {format} 放不进 {kb} KB，请在规格里放宽上限、改小尺寸或换一种格式"
    raise CannotFinish(words, format=image_format.upper(), **sizes)


def _best(image: Image.Image, image_format: str, wanted: Finish, most: int) -> tuple[bytes, int | None]:
    """(bytes, quality): the best that fits, or the smallest if none does."""
    if image_format == "png":
        return _packed(image, "PNG", dpi=(72, 72)), None
    floor = wanted.least_quality
    if image_format == "webp":
        pack = partial(_packed, image, "WEBP", use_sharp_yuv=True)
        return _search(pack, range(floor, BEST_QUALITY + 1), most)
    pack = partial(_packed, image, "JPEG", optimize=True, dpi=(72, 72))
    sharp = partial(pack, subsampling=0)
    best = _search(sharp, range(max(_SHARP_QUALITY, floor), BEST_QUALITY + 1), most)
    if len(best[0]) > most:
        return _search(partial(pack, subsampling=2), range(floor, max(_SOFT_QUALITY, floor) + 1), most)
    for quality in (97, 100) if len(best[0]) < wanted.min_bytes else ():  # a plain picture can be too small
        if wanted.min_bytes <= len(packed := sharp(quality=quality)) <= most:
            return packed, quality
    return best


def _search(pack: Callable[..., bytes], qualities: Sequence[int], most: int) -> tuple[bytes, int]:
    """The best that fits, or the lowest if none does; two to five are tried."""
    low, at = 0, len(qualities) - 1
    high, best, tried = at, None, (b"", 0)
    while low <= high:
        tried = pack(quality=qualities[at]), qualities[at]
        size = len(tried[0])
        if size <= most:
            best, low = tried, at + 1
            if size >= most * _ENOUGH:
                break
            at = (low + high) // 2
        else:
            high = at - 1
            at = max(high - int((size / max(most, 1) - 1) * _STEPS), low)
    return best or tried


def _packed(image: Image.Image, image_format: str, **options: Any) -> bytes:
    packed = io.BytesIO()
    image.save(packed, image_format, **options)
    return packed.getvalue()


def _measured(encoded: bytes) -> tuple[tuple[int, int], Ground]:
    """(size upright, ground) of a finished picture."""
    with open_image(io.BytesIO(encoded)) as image:
        ImageOps.exif_transpose(image, in_place=True)
        picture = true_colour(image)
    picture = picture if picture.mode in ("RGB", "RGBA") else picture.convert("RGB")
    return picture.size, ground.measure(picture)


def _hex(colour: Colour) -> str:
    return f"#{bytes(colour).hex().upper()}"
