"""Makes the picture to deliver from its original: size, ground, colours, format and bytes."""

import io
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from PIL import Image, ImageCms, ImageOps

from app.errors import AppError, Message, message
from app.images import ground, marks, metadata
from app.images.containers import ENDING_OF, sniff
from app.images.decode import InvalidImage, open_image, upright_size
from app.images.ground import Ground

BEST_QUALITY = 95
FLOOR_QUALITY = 80
_SHARP_QUALITY = 88  # from here on full colour resolution is worth more than quality
_GAP = 2.0  # reduces in two steps, the first of which is fast
_MARGIN = 0.03  # between an overlay and the edge, as a share of the width
_ENOUGH = 0.92  # of the bytes allowed: further search gains nothing that is seen
_MAX_SHRINKS = 6
_MAX_OVERLAY_PIXELS = 4_000_000
_PLACED_FROM = 0.7  # share of the frame that a smaller original must fill to be placed without enlarging


class CannotFinish(AppError):
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
    the frame is exact.
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

    @property
    def ending(self) -> str:
        """The ending of the file's name, with its dot."""
        return ENDING_OF[self.format]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
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
        return Layout(frame=(width, height), picture=(width, height), scale=1.0)
    ratios = [side / of for side, of in ((wanted.width, width), (wanted.height, height)) if side]
    if wanted.fit == "inside":
        scale = min(1.0, *ratios)
        size = _scaled(width, height, scale)
        return Layout(frame=size, picture=size, scale=scale)
    scale = max(ratios) if wanted.fit == "crop" else min(ratios)
    frame = (wanted.width, wanted.height)
    if scale > 1 and wanted.least_side:
        smaller = min(max(1 / scale, wanted.least_side / max(frame)), 1.0)
        frame, scale = _scaled(*frame, smaller), scale * smaller
    if wanted.fit == "pad" and 1 < scale <= 1 / _PLACED_FROM:
        scale = 1.0
    picture = _scaled(width, height, scale)
    return Layout(frame=frame, picture=picture, scale=scale)


def _scaled(width: int, height: int, scale: float) -> tuple[int, int]:
    return max(1, round(width * scale)), max(1, round(height * scale))


def finish(content: bytes, wanted: Finish, *, text: str = "") -> Finished:
    """Make the picture; ``text`` (generation parameters) is embedded if given. Raises CannotFinish."""
    source_format = sniff(content)
    if source_format not in ENDING_OF:
        raise CannotFinish("原图不是 PNG、JPEG 或 WebP，没法交付，请重新生成这一张")
    try:
        value = marks.implicit_value(content, source_format)
        has_c2pa = marks.find_marks(content)["c2pa"]
        if wanted.fit == wanted.format == "original":
            return _as_it_is(content, source_format, value, has_c2pa, text)
        picture, source, changes = _prepared(content, wanted)
        image_format = source_format if wanted.format == "original" else wanted.format
        picture, placed = _placed(picture, source, wanted, image_format, changes)
        room = len(marks.packet(value)) + (2 * len(text.encode()) + 400 if text else 0) + 100
        picture, encoded, quality = _encoded(picture, image_format, wanted, room)
        encoded = marks.with_implicit_mark(encoded, image_format, value)
        if text:
            encoded = b"".join(metadata.embed(encoded, image_format, text))
        with open_image(io.BytesIO(encoded)) as check:
            measured = ground.measure(check if check.mode == "RGBA" else check.convert("RGB"))
    except InvalidImage as error:
        raise CannotFinish("原图已损坏或太大，打不开，请重新生成这一张") from error
    except marks.MarkLost as error:
        raise CannotFinish("原图的 AI 标识没能写进成品，没有交付；请改用「原图」规格") from error
    if has_c2pa:
        changes.append(message("原图带有 C2PA 内容凭证，这一份改过像素，不再带有"))
    return Finished(
        content=encoded,
        format=image_format,
        width=picture.width,
        height=picture.height,
        source=source,
        scale=placed.scale * picture.width / placed.frame[0],
        quality=quality,
        measured=measured,
        changes=tuple(changes),
        aigc=value,
        c2pa="left" if has_c2pa else "",
    )


def _as_it_is(content: bytes, image_format: str, value: str | None, has_c2pa: bool, text: str) -> Finished:
    """The pixels as they are, without metadata; a file with a valid manifest byte for byte.

    A manifest does not fit a file into which parameters were embedded since.
    """
    keeps = has_c2pa and metadata.extract(content) is None
    made = content if keeps else marks.with_implicit_mark(content, image_format, value)
    if text and not keeps:
        made = b"".join(metadata.embed(made, image_format, text))
    with open_image(io.BytesIO(made)) as image:
        source = upright_size(image)
        measured = ground.measure(_true_colour(ImageOps.exif_transpose(image), []))
    return Finished(
        content=made,
        format=image_format,
        width=source[0],
        height=source[1],
        source=source,
        scale=1.0,
        quality=None,
        measured=measured,
        aigc=value,
        c2pa="kept" if keeps else "left" if has_c2pa else "",
    )


def _prepared(content: bytes, wanted: Finish) -> tuple[Image.Image, tuple[int, int], list[Message]]:
    """(the picture scaled and cropped, upright, in sRGB as RGB or RGBA; the original's size; changes)."""
    changes: list[Message] = []
    with open_image(io.BytesIO(content)) as image:
        source = upright_size(image)
        placed = layout(wanted, *source)
        turned = source != image.size
        near = [math.ceil(side * _GAP) for side in placed.picture]
        image.draft(None, (near[1], near[0]) if turned else (near[0], near[1]))  # JPEG: decodes fewer pixels
        image.load()
        icc = image.info.get("icc_profile", b"")
        upright = ImageOps.exif_transpose(image)
    if upright is not image and upright.getexif() != image.getexif():
        changes.append(message("按拍摄方向转正"))
    if content[24:25] == b"\x10" and sniff(content) == "png":
        changes.append(message("16 位减为 8 位"))
    picture = _true_colour(upright, changes)
    del image, upright
    box, size = None, placed.picture
    if wanted.fit == "crop":
        box, size = _crop_box(placed, picture.size, wanted.focus), placed.frame
        shares = [f"{a / b:.0%}" for a, b in zip(placed.frame, placed.picture, strict=True)]
        if placed.frame != placed.picture:
            changes.append(message("裁剪，留下宽的 {w}、高的 {h}", w=shares[0], h=shares[1]))
    if size != picture.size or box:
        picture = picture.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=_GAP)
    if placed.picture != source:
        sizes = {"w": source[0], "h": source[1], "x": placed.picture[0], "y": placed.picture[1]}
        words = "从 {w}×{h} 放大到 {x}×{y}" if placed.scale > 1 else "从 {w}×{h} 缩小到 {x}×{y}"
        changes.append(message(words, **sizes))
    return _in_srgb(picture, icc, changes), source, changes


def _true_colour(image: Image.Image, changes: list[Message]) -> Image.Image:
    """In L, RGB, RGBA or CMYK: pixels that can be interpolated, of 8 bits."""
    if image.mode.startswith(("I", "F")):
        return image.convert("I").point(lambda level: level * (1 / 257) + 0.5).convert("L")
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _crop_box(
    placed: Layout, size: tuple[int, int], focus: tuple[float, float]
) -> tuple[float, float, float, float]:
    """The part of a decoded picture of this size that fills the frame, around the focus."""
    shares = [min(a / b, 1.0) for a, b in zip(placed.frame, placed.picture, strict=True)]
    lefts = [min(max(at - share / 2, 0.0), 1 - share) for at, share in zip(focus, shares, strict=True)]
    (left, top), (right, bottom) = lefts, [at + share for at, share in zip(lefts, shares, strict=True)]
    return left * size[0], top * size[1], right * size[0], bottom * size[1]


def _in_srgb(image: Image.Image, icc: bytes, changes: list[Message]) -> Image.Image:
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
                converted = ImageCms.profileToProfile(flat, profile, srgb, intent, "RGB", flags=flags)
                flat = converted or flat
                changes.append(message("颜色从 {name} 转成 sRGB", name=name[:60]))
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            changes.append(message("原图的颜色配置读不出来，没有用"))
    elif flat.mode == "CMYK":
        changes.append(message("CMYK 没有颜色配置，转成 sRGB 只是近似"))
    flat = flat.convert("RGB")
    if alpha and alpha.getextrema() != (255, 255):
        flat.putalpha(alpha)
    return flat


def _placed(
    image: Image.Image, source: tuple[int, int], wanted: Finish, image_format: str, changes: list[Message]
) -> tuple[Image.Image, Layout]:
    """The picture on its ground, in its frame, with the overlay."""
    placed = layout(wanted, *source)
    keeps_alpha = image_format != "jpeg" and wanted.background in ("", "auto")
    kind, found = ground.measure_border(image)
    colour = found if wanted.background in ("", "auto") else _colour(wanted.background)
    if image.mode == "RGBA" and not keeps_alpha:
        flat = Image.new("RGB", image.size, colour)
        flat.paste(image, mask=image.getchannel("A"))
        image = flat
        changes.append(message("透明处铺上 {colour}", colour=_hex(colour)))
    if image.size != placed.frame:
        is_clear = keeps_alpha and (wanted.background == "" or kind == ground.TRANSPARENT)
        frame = Image.new("RGBA", placed.frame) if is_clear else Image.new("RGB", placed.frame, colour)
        across, down = ((a - b) // 2 for a, b in zip(placed.frame, image.size, strict=True))
        frame.paste(image, (across, down), image if image.mode == "RGBA" and not is_clear else None)
        changes += _padding_notes(kind, found, None if is_clear else colour)
        image = frame
    if wanted.overlay:
        image = _with_overlay(image, wanted.overlay)
        changes.append(message("叠加了规格里的图片"))
    return image, placed


def _padding_notes(kind: str, found: ground.Colour, colour: ground.Colour | None) -> list[Message]:
    if colour is None:
        return [message("四周补了透明")]
    notes = [message("四周补了 {colour}", colour=_hex(colour))]
    if kind == ground.SCENE:
        notes.append(message("背景不是纯色，补的边会像加了框"))
    elif kind != ground.TRANSPARENT and max(abs(a - b) for a, b in zip(found, colour, strict=True)) > 2:
        notes.append(message("原图底色是 {colour}，看得出接缝", colour=_hex(found)))
    return notes


def _with_overlay(image: Image.Image, overlay: Overlay) -> Image.Image:
    try:
        with open_image(io.BytesIO(overlay.image), max_pixels=_MAX_OVERLAY_PIXELS) as opened:
            laid_on = opened.convert("RGBA")
    except InvalidImage as error:
        raise CannotFinish("要叠加的图片打不开，请在规格里换一张") from error
    width = max(1, round(image.width * overlay.size))
    height = max(1, min(round(laid_on.height * width / laid_on.width), image.height))
    laid_on = laid_on.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=_GAP)
    laid_on.putalpha(laid_on.getchannel("A").point([round(n * overlay.opacity) for n in range(256)]))
    margin = round(image.width * _MARGIN)
    places = {"left": margin, "top": margin, "right": image.width - width - margin}
    across = next((places[word] for word in ("left", "right") if word in overlay.position), None)
    places["bottom"] = image.height - height - margin
    down = next((places[word] for word in ("top", "bottom") if word in overlay.position), None)
    at = (
        (image.width - width) // 2 if across is None else max(across, 0),
        (image.height - height) // 2 if down is None else max(down, 0),
    )
    below = image.convert("RGBA")
    below.alpha_composite(laid_on, at)
    return below if image.mode == "RGBA" else below.convert("RGB")


def _encoded(
    image: Image.Image, image_format: str, wanted: Finish, room: int
) -> tuple[Image.Image, bytes, int | None]:
    """(the picture, its bytes, quality): the best that fits, ``inside`` shrunk until it does."""
    most = wanted.max_bytes - room if wanted.max_bytes else sys.maxsize
    for _ in range(_MAX_SHRINKS if wanted.fit == "inside" else 1):
        best, smallest = _best(image, image_format, wanted, most)
        if best:
            return image, *best
        factor = min(math.sqrt(max(most, 1) / smallest), 0.95)
        if wanted.fit == "inside":
            size = _scaled(*image.size, max(factor, 0.3))
            image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=_GAP)
    raise CannotFinish(
        "{w}×{h} 的 {format} 放不进 {kb} KB，请在规格里放宽上限、改小尺寸或换一种格式",
        w=image.width,
        h=image.height,
        format=image_format.upper(),
        kb=wanted.max_bytes // 1000,
    )


def _best(
    image: Image.Image, image_format: str, wanted: Finish, most: int
) -> tuple[tuple[bytes, int | None] | None, int]:
    """((bytes, quality) or None, the fewest bytes that were reached)."""
    if image_format == "png":
        packed = _packed(image, "PNG", dpi=(72, 72))
        return ((packed, None) if len(packed) <= most else None), len(packed)
    if image_format == "webp":
        pack: Callable[[int], bytes] = partial(_packed, image, "WEBP", use_sharp_yuv=True)
        return _search(pack, range(wanted.least_quality, BEST_QUALITY + 1), most, wanted.min_bytes)
    sharp = partial(_packed, image, "JPEG", subsampling=0, optimize=True, dpi=(72, 72))
    qualities = range(max(_SHARP_QUALITY, wanted.least_quality), BEST_QUALITY + 1)
    best, smallest = _search(sharp, qualities, most, wanted.min_bytes)
    if best:
        return best, smallest
    soft = partial(_packed, image, "JPEG", subsampling=2, optimize=True, dpi=(72, 72))
    return _search(soft, range(wanted.least_quality, BEST_QUALITY), most, 0)


def _search(
    pack: Callable[[int], bytes], qualities: Sequence[int], most: int, least: int
) -> tuple[tuple[bytes, int | None] | None, int]:
    """The best quality that fits, by halving; above the last one if there are fewer bytes than ``least``."""
    packed = pack(qualities[-1])
    if len(packed) <= most:
        for quality in (97, 100) if len(packed) < least else ():
            more = pack(quality)
            if least <= len(more) <= most:
                return (more, quality), len(more)
        return (packed, qualities[-1]), len(packed)
    best, smallest = None, len(packed)
    low, high = 0, len(qualities) - 2
    while low <= high and not (best and len(best[0]) >= most * _ENOUGH):
        middle = (low + high) // 2
        packed = pack(qualities[middle])
        smallest = min(smallest, len(packed))
        if len(packed) <= most:
            best, low = (packed, qualities[middle]), middle + 1
        else:
            high = middle - 1
    return best, smallest


def _packed(image: Image.Image, image_format: str, quality: int = 0, **options: object) -> bytes:
    packed = io.BytesIO()
    chosen = {"quality": quality} if quality else {}
    image.save(packed, image_format, **chosen, **options)
    return packed.getvalue()


def _colour(text: str) -> ground.Colour:
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


def _hex(colour: ground.Colour) -> str:
    return f"#{bytes(colour).hex().upper()}"
