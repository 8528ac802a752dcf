"""Makes the picture to deliver from its original: size, ground, colours, format and bytes."""

import io
from dataclasses import dataclass

from PIL import Image, ImageOps

from app.errors import AppError, Message
from app.images import ground
from app.images.decode import DAMAGED, InvalidImage
from app.images.ground import Ground

BEST_QUALITY = 95
FLOOR_QUALITY = 80
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
    try:
        with Image.open(io.BytesIO(content)) as image:
            image_format = str(image.format).lower() if wanted.format == "original" else wanted.format
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except DAMAGED as error:
        raise CannotFinish("原图已损坏，打不开，请重新生成这一张") from error
    except InvalidImage as error:
        raise CannotFinish("原图已损坏，打不开，请重新生成这一张") from error
    placed = layout(wanted, *upright.size)
    small = upright.resize(placed.picture, Image.Resampling.LANCZOS, reducing_gap=2.0)
    colour = ground.measure_border(small)[1]
    frame = Image.new("RGB", placed.frame, colour)
    across, down = ((a - b) // 2 for a, b in zip(placed.frame, placed.picture, strict=True))
    frame.paste(small, (across, down))
    packed = io.BytesIO()
    frame.save(packed, image_format.upper(), quality=BEST_QUALITY, dpi=(72, 72))
    return Finished(
        content=packed.getvalue(),
        format=image_format,
        width=frame.width,
        height=frame.height,
        source=upright.size,
        scale=placed.scale,
        quality=BEST_QUALITY if image_format != "png" else None,
        measured=ground.measure(frame),
    )
