"""Measures the ground behind the goods: at the border of a picture, and what stands out from it."""

from dataclasses import dataclass
from itertools import accumulate

from PIL import Image, ImageChops

WHITE, PLAIN, SCENE, TRANSPARENT = "white", "plain", "scene", "transparent"
Colour = tuple[int, int, int]

_RING = 0.02  # width of the border that is looked at, as a share of each side
_SMALL = 320  # pixels of the long side on which the goods are found
_ALIKE = 0.65  # share of the border that is like its median on a plain ground; goods may touch an edge
_LIGHT = 250  # the darkest channel of a ground that counts as white
_STANDS_OUT = 12  # difference of a channel by which goods differ from the ground
_BELT = 16  # pixels around the goods in which JPEG rings


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """``kind`` white, plain, scene or transparent, and the median ``colour`` of the border.

    ``white`` is the share of exact 255 white in a plain ground. ``fill`` and ``fill_area`` are shares of the
    frame that the goods take up, along the axis they fill most and by area; ``edges`` are those they touch
    (left, top, right, bottom). The last three are None and empty on a scene or a transparent ground.
    """

    kind: str
    colour: Colour
    white: float
    fill: float | None = None
    fill_area: float | None = None
    edges: tuple[str, ...] = ()


def measure_border(image: Image.Image) -> tuple[str, Colour]:
    """(kind, colour) of the ground at the border of an RGB or RGBA picture."""
    small = _reduced(image)
    ring = _ring(small.size)
    if small.mode == "RGBA":
        if _median(small.getchannel("A").histogram(ring)) < 255:
            return TRANSPARENT, (255, 255, 255)
        small = small.convert("RGB")
    red, green, blue = (_median(channel.histogram(ring)) for channel in small.split())
    colour = (red, green, blue)
    levels = _distance(small, colour).histogram(ring)
    if sum(levels[: _STANDS_OUT + 1]) < _ALIKE * sum(levels):
        return SCENE, colour
    return WHITE if min(colour) >= _LIGHT else PLAIN, colour


def measure(image: Image.Image) -> Ground:
    """The ground of a finished picture (RGB or RGBA), in its own pixels."""
    kind, colour = measure_border(image)
    if kind in (SCENE, TRANSPARENT):
        return Ground(kind=kind, colour=colour, white=0.0)
    image = image if image.mode == "RGB" else image.convert("RGB")
    box, area = _goods(image, colour)
    red, green, blue = image.split()
    darkest = ImageChops.darker(red, ImageChops.darker(green, blue))
    levels = darkest.histogram(_outside(image.size, box))
    left, top, right, bottom = box or (0, 0, 0, 0)
    width, height = image.size
    touched = {"left": left <= 0, "top": top <= 0, "right": right >= width, "bottom": bottom >= height}
    return Ground(
        kind=kind,
        colour=colour,
        white=levels[255] / max(sum(levels), 1),
        fill=max((right - left) / width, (bottom - top) / height),
        fill_area=area,
        edges=tuple(name for name, touches in touched.items() if box and touches),
    )


def _reduced(image: Image.Image) -> Image.Image:
    factor = max(image.size) // _SMALL
    return image.reduce((min(factor, image.width), min(factor, image.height))) if factor > 1 else image


def _goods(image: Image.Image, colour: Colour) -> tuple[tuple[int, int, int, int] | None, float]:
    """(the box around what stands out from the ground, its share of the area); None: nothing does."""
    small = _reduced(image)
    mask = _distance(small, colour).point([255 * (level > _STANDS_OUT) for level in range(256)])
    box = mask.getbbox()
    if box is None:
        return None, 0.0
    across, down = image.width / small.width, image.height / small.height
    left, top, right, bottom = box
    scaled = (int(left * across), int(top * down), round(right * across), round(bottom * down))
    return scaled, mask.histogram()[255] / (small.width * small.height)


def _outside(size: tuple[int, int], box: tuple[int, int, int, int] | None) -> Image.Image:
    """A mask of everything but the box and a belt around it."""
    mask = Image.new("L", size, 255)
    if box:
        left, top, right, bottom = box
        mask.paste(0, (max(left - _BELT, 0), max(top - _BELT, 0), right + _BELT, bottom + _BELT))
    return mask if mask.getbbox() else _ring(size)


def _ring(size: tuple[int, int]) -> Image.Image:
    """A mask of the border."""
    mask = Image.new("L", size, 255)
    across, down = (max(1, round(side * _RING)) for side in size)
    inside = (across, down, size[0] - across, size[1] - down)
    if inside[0] < inside[2] and inside[1] < inside[3]:
        mask.paste(0, inside)
    return mask


def _distance(image: Image.Image, colour: Colour) -> Image.Image:
    """The largest difference of a channel to the colour, for each pixel."""
    red, green, blue = ImageChops.difference(image, Image.new("RGB", image.size, colour)).split()
    return ImageChops.lighter(red, ImageChops.lighter(green, blue))


def _median(histogram: list[int]) -> int:
    half = max(sum(histogram), 1) / 2
    return next((level for level, seen in enumerate(accumulate(histogram)) if seen >= half), 0)
