"""The ground behind the goods: measured at the border and around the goods, and lifted to white."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

from PIL import Image, ImageChops

from app.errors import Message, message

WHITE, PLAIN, SCENE, TRANSPARENT = "white", "plain", "scene", "transparent"
Colour = tuple[int, int, int]

ALL_WHITE = 0.995  # share of exact 255 white from which a ground counts as white
_RING = 0.02  # width of the border that is looked at, as a share of each side
_SMALL = 320  # pixels of the long side on which the goods are found
_ALIKE = 0.65  # share of the border that is like its median on a plain ground; goods may touch an edge
_LIGHT = 250  # the darkest channel of a ground that counts as white
_STANDS_OUT = 12  # difference of a channel by which goods differ from the ground
_BELT = 16  # pixels around the goods in which JPEG rings
_LIFTED_FROM = 230  # the darkest channel of a ground that is lifted to white
_PALE = 40  # difference up to which goods and shadows are too like the ground to be told from it
_MOST_PALE = 0.003  # share of the frame that such parts may have, beside the ground
_MOST_RUNS = 100_000  # of a mask, 15 MB; a plain ground has a few a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """``kind`` white, plain, scene or transparent, and the median ``colour`` of the border.

    ``white`` is the share of exact 255 white in a plain ground. ``fill`` and ``fill_area`` are shares of the
    frame that the goods take up, along the axis they fill most and by area; ``box`` is around them, and
    ``edges`` are those they touch (left, top, right, bottom). None of a scene or a transparent ground.
    """

    kind: str
    colour: Colour
    white: float
    fill: float | None = None
    fill_area: float | None = None
    edges: tuple[str, ...] = ()
    box: tuple[int, int, int, int] | None = None


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
        box=box,
    )


def lift_ground(image: Image.Image) -> tuple[Image.Image, float] | Message:
    """(an RGB picture whose near-white ground is exactly 255, the share of the frame that this ground takes).

    Only pixels change that differ from the colour of the border by at most 12 of 255 in each channel and are
    connected with the border by such pixels: nothing of what ``measure`` counts as goods, no edge of them, no
    white inside them. A message says why a picture is left as it is: its ground is transparent, a scene or
    too dark, or a shadow or pale goods run into it, which could not be told apart.
    """
    kind, colour = measure_border(image)
    if kind == TRANSPARENT:
        return message("背景是透明的")
    if kind == SCENE:
        return message("背景不是纯色")
    if min(colour) < _LIFTED_FROM:
        return message("底色 {colour} 离白色太远", colour=f"#{bytes(colour).hex().upper()}")
    image = image if image.mode == "RGB" else image.convert("RGB")
    distance = _distance(image, colour)
    alike = _mask(distance, lambda level: level <= _STANDS_OUT)
    around = _from_border(_mask(_reduced(_mask(distance, lambda level: level <= _PALE)), lambda n: n == 255))
    found = _from_border(alike)
    if around is None or found is None:
        return message("背景杂点太多")
    pale = ImageChops.subtract(around, _mask(_reduced(alike), lambda n: n >= 128))
    if _share(pale) > _MOST_PALE:
        return message("阴影或浅色的商品和底色连在一起，分不开")
    lifted = image.copy()
    lifted.paste((255, 255, 255), mask=found)
    return lifted, _share(found)


def _mask(levels: Image.Image, chosen: Callable[[int], bool]) -> Image.Image:
    """255 where a level is chosen, else 0."""
    return levels.point([255 * chosen(level) for level in range(256)])


def _share(mask: Image.Image) -> float:
    return mask.histogram()[255] / (mask.width * mask.height)


def _from_border(mask: Image.Image) -> Image.Image | None:
    """The white parts of a mask that are connected with its border; None: they are too many to follow."""
    width, height = mask.size
    content = bytearray(mask.tobytes())
    parents = [0]  # of labels; 0 is connected with the border

    def root(label: int) -> int:
        while parents[label] != label:
            parents[label] = label = parents[parents[label]]
        return label

    runs: list[tuple[int, int, int]] = []  # (start, end, label) in the whole mask
    above = 0  # the first run of the line before that may touch the next one
    for y in range(height):
        first, line = len(runs), y * width
        for run in re.compile(rb"\xff+").finditer(content, line, line + width):
            start, end = run.span()
            at_border = y in (0, height - 1) or start == line or end == line + width
            label = 0 if at_border else len(parents)
            if label:
                parents.append(label)
            while above < first and runs[above][1] <= start - width:
                above += 1
            touching = above
            while touching < first and runs[touching][0] < end - width:
                a, b = sorted((root(label), root(runs[touching][2])))
                parents[b] = a
                touching += 1
            runs.append((start, end, label))
        above = first
        if len(runs) > _MOST_RUNS:
            return None
    for start, end, label in runs:
        if root(label):
            content[start:end] = bytes(end - start)
    return Image.frombytes("L", mask.size, bytes(content))


def _reduced(image: Image.Image) -> Image.Image:
    factor = max(image.size) // _SMALL
    return image.reduce((min(factor, image.width), min(factor, image.height))) if factor > 1 else image


def _goods(image: Image.Image, colour: Colour) -> tuple[tuple[int, int, int, int] | None, float]:
    """(the box around what stands out from the ground, its share of the area); None: nothing does."""
    small = _reduced(image)
    mask = _mask(_distance(small, colour), lambda level: level > _STANDS_OUT)
    box = mask.getbbox()
    if box is None:
        return None, 0.0
    across, down = image.width / small.width, image.height / small.height
    left, top, right, bottom = box
    scaled = (int(left * across), int(top * down), round(right * across), round(bottom * down))
    return scaled, _share(mask)


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
