"""The ground behind the goods: measured at the border and around the goods, and lifted to white."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

from PIL import Image, ImageChops, ImageFilter

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
_LIFTED_FROM = 215  # the darkest channel of a ground that is lifted to white
_TINT = 12  # difference of its channels
_RARE = 0.02  # of how often its commonest level is seen
_GROUND_AT_BORDER = 0.5  # share of the border that is ground, at least
_GREY, _GREY_AT_BORDER = 190, 0.2  # levels and share of what is light there and yet no ground, at most
_GAP = 0.004  # of the short side; half of the narrowest gap that the ground is followed through
_EDGE = 2  # pixels around the ground in which goods mix with it
_STEEP = 4  # difference over two pixels: an edge of goods, no shadow
_EVERY = 4  # a shadow is looked for in every fourth pixel
_FADING, _FAR = 64, 0.04  # levels, and share of the short side, over which the lift of a shadow fades out
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

    The ground is what is as light as the border and connected with it through no gap narrower than 0.8 % of
    the short side: no white inside the goods. An edge of goods stays as soft as it was. A shadow stays, as
    much darker than white as it was than the ground. A message says why a picture is left as it is.
    """
    kind, colour = measure_border(image)
    if kind == TRANSPARENT:
        return message("背景是透明的")
    image = image if image.mode == "RGB" else image.convert("RGB")
    red, green, blue = image.split()
    darkest = ImageChops.darker(red, ImageChops.darker(green, blue))
    tint = ImageChops.subtract(ImageChops.lighter(red, ImageChops.lighter(green, blue)), darkest)
    ring = _ring(image.size)
    low = _lowest_of_ground(darkest.histogram(ring))
    if min(colour) < _LIFTED_FROM or max(colour) - min(colour) > _TINT:
        far = message("底色 {colour} 离白色太远", colour=f"#{bytes(colour).hex().upper()}")
        return message("背景不是纯色") if kind == SCENE else far
    smooth = darkest.filter(ImageFilter.BoxBlur(1))
    found = _lightest_from_border(smooth, low)
    if found is None or low < _LIFTED_FROM:
        return message("背景杂点太多")
    grey = ImageChops.darker(
        _mask(smooth, lambda level: low > level >= _GREY), _mask(tint, lambda level: level <= 2 * _TINT)
    )
    at_border = _share(found, ring)
    if at_border < _GROUND_AT_BORDER or _share(grey, ring) > _GREY_AT_BORDER:
        return message("背景不是纯色") if kind == SCENE else message("背景深浅不一")
    edges = _grown(found, _EDGE).filter(ImageFilter.BoxBlur(1))
    amount = ImageChops.lighter(edges, _gentle_from(found, smooth, tint, low))
    fading = [max(0, min(255, round(255 * (level - low + _FADING) / _FADING))) for level in range(256)]
    amount = ImageChops.multiply(amount, darkest.point(fading))
    amount = amount.point([round(level * (255 - low) / 255) for level in range(256)])
    lifted = [ImageChops.lighter(ImageChops.add(each, amount), found) for each in (red, green, blue)]
    return Image.merge("RGB", lifted), _share(found)


def _lowest_of_ground(levels: list[int]) -> int:
    """The darkest level of the ground, by how often the border has each: downwards until they are rare."""
    common = max(range(_LIFTED_FROM, 256), key=lambda level: levels[level])
    low = common
    while low > 1 and max(levels[low - 2 : low]) > _RARE * levels[common]:
        low -= 1
    return low - 1


def _lightest_from_border(smooth: Image.Image, low: int) -> Image.Image | None:
    """A mask of the ground, which ends a few pixels behind a narrow gap such as one in an outline."""
    gap = max(2, round(min(smooth.size) * _GAP))
    light = _mask(smooth, lambda level: level >= low)
    wide = _from_border(_narrowed(light, gap))
    return wide and _from_border(ImageChops.darker(_grown(wide, 3 * gap), light))


def _gentle_from(found: Image.Image, smooth: Image.Image, tint: Image.Image, low: int) -> Image.Image:
    """How much a shadow takes part in the lift, 0 to 255: what darkens gently from the ground on."""
    differences = [ImageChops.difference(smooth, ImageChops.offset(smooth, *by)) for by in ((2, 0), (0, 2))]
    steep = _mask(ImageChops.lighter(*differences), lambda level: level > _STEEP).reduce(_EVERY)
    dark = _mask(smooth.reduce(_EVERY), lambda level: low - _FADING <= level <= low)
    gentle = ImageChops.darker(dark, _mask(steep, lambda level: level < 96))
    gentle = ImageChops.darker(gentle, _mask(tint.reduce(_EVERY), lambda level: level <= 2 * _TINT))
    ground = _mask(found.reduce(_EVERY), lambda level: level >= 128)
    around = _from_border(_narrowed(ImageChops.lighter(gentle, ground), 2))
    if around is None:
        return Image.new("L", found.size)
    far = max(2, round(min(ground.size) * _FAR))
    amount = ImageChops.multiply(
        _grown(around, 2).filter(ImageFilter.BoxBlur(1)), _grown(ground, far).filter(ImageFilter.BoxBlur(far))
    )
    return amount.resize(found.size, Image.Resampling.BILINEAR)


def _narrowed(mask: Image.Image, by: int) -> Image.Image:
    """A mask without what is at most so many pixels away from its edge, along the axes."""
    return _mask(mask.filter(ImageFilter.BoxBlur(by)), lambda level: level == 255)


def _grown(mask: Image.Image, by: int) -> Image.Image:
    """A mask with what is at most so many pixels away, along the axes."""
    while by > 0:  # in steps whose share of one pixel is not rounded to nothing
        mask = _mask(mask.filter(ImageFilter.BoxBlur(min(by, 8))), lambda level: level > 0)
        by -= 8
    return mask


def _mask(levels: Image.Image, chosen: Callable[[int], bool]) -> Image.Image:
    """255 where a level is chosen, else 0."""
    return levels.point([255 * chosen(level) for level in range(256)])


def _share(mask: Image.Image, of: Image.Image | None = None) -> float:
    seen = mask.histogram(of)
    return seen[255] / sum(seen)


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
