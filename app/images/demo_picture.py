"""The picture of ``demo``: a landscape from the request, labelled 演示."""

from __future__ import annotations

import colorsys
import io
import math
from bisect import bisect_right
from collections.abc import Sequence
from random import Random

from PIL import Image, ImageDraw, ImageFont, ImageOps

from app.domain import ImageRequest, Reference, Size
from app.images.fonts import Font, chinese_font

_USUAL_STEPS = 20
_SMALL = 256
_SMOOTH_BELOW = 1_500_000  # pixels; smaller images are drawn at twice the size and reduced, for smooth edges

Colour = tuple[int, int, int]
_INK = (40, 44, 52)

# 演 and 示 as strokes in a 100 x 100 square, for machines without a Chinese font.
_STROKES = (
    (
        *(((12, 10), (25, 21)), ((6, 37), (19, 47)), ((8, 92), (27, 60))),
        *(((62, 2), (65, 13)), ((38, 32), (38, 19), (94, 19), (90, 31)), ((45, 34), (86, 34))),
        *(((45, 75), (45, 47), (86, 47), (86, 75), (45, 75)), ((45, 61), (86, 61)), ((65, 34), (65, 75))),
        *(((57, 81), (40, 97)), ((74, 81), (93, 97))),
    ),
    (
        *(((24, 14), (76, 14)), ((8, 40), (92, 40)), ((50, 40), (50, 94), (38, 87))),
        *(((28, 56), (12, 82)), ((72, 56), (90, 80))),
    ),
)


def draw(request: ImageRequest, size: Size, seed: int, references: Sequence[Reference] = ()) -> bytes:
    """Return a JPEG of that size, deterministic for a request and seed."""
    rng = Random(f"{request.prompt}\n{request.negative_prompt}\n{seed}")  # noqa: S311 - only draws shapes
    scale = 2 if size.area < _SMOOTH_BELOW else 1
    image = _landscape(rng, size.width * scale, size.height * scale, request.steps or _USUAL_STEPS)
    if scale > 1:
        image = image.reduce(scale)
    if request.edit and request.edit.edges:
        with Image.open(io.BytesIO(references[0].content or b"")) as opened:  # where it stands in its canvas
            image.paste(ImageOps.exif_transpose(opened).convert("RGB"), request.edit.canvas[2:])
    _draw_text(image, request, size, seed)
    _paste_references(image, () if request.edit else references)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _landscape(rng: Random, width: int, height: int, steps: int) -> Image.Image:
    hue = rng.random()
    sky, light = _colour(hue, 0.42, 0.40), _colour(hue + rng.uniform(0.08, 0.22), 0.30, 0.97)
    horizon = rng.uniform(0.42, 0.58)
    image = _sky(sky, light, horizon).resize((width, height), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    _draw_stars(pen, rng, width, height * horizon, steps)
    _draw_sun(pen, rng, width, height * horizon, light)
    ridges = 3 + min(steps, 150) // 8
    for number in range(ridges):
        depth = (number + 1) / ridges
        colour = _blend(light, _colour(hue - 0.04, 0.55, 0.16), depth**0.7)
        pen.polygon(_ridge(rng, width, height, horizon, depth, steps), fill=colour)
    return image


def _sky(top: Colour, bottom: Colour, horizon: float) -> Image.Image:
    ramp = Image.linear_gradient("L").resize((_SMALL, max(int(_SMALL * horizon * 1.3), 1)))
    grey = Image.new("L", (_SMALL, _SMALL), 255)
    grey.paste(ramp, (0, 0))
    return ImageOps.colorize(grey, black=top, white=bottom)


def _draw_stars(pen: ImageDraw.ImageDraw, rng: Random, width: int, depth: float, steps: int) -> None:
    """Draw one star per step, denser towards the top."""
    for _ in range(steps):
        x, y = rng.uniform(0, width), rng.uniform(0, depth) * rng.random()
        radius = max(width, depth) * rng.uniform(0.0006, 0.0018)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 255, 248))


def _draw_sun(pen: ImageDraw.ImageDraw, rng: Random, width: int, horizon: float, light: Colour) -> None:
    radius = min(width, horizon * 2) * rng.uniform(0.07, 0.13)
    x, y = width * rng.uniform(0.2, 0.8), horizon * rng.uniform(0.45, 0.8)
    for ring, share in ((1.28, 0.18), (1.12, 0.35), (1.0, 0.85)):
        reach = radius * ring
        pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=_blend(light, (255, 250, 235), share))


def _ridge(
    rng: Random, width: int, height: int, horizon: float, depth: float, steps: int
) -> list[tuple[float, float]]:
    """Return the outline of one ridge: a sum of sines, more of them with more steps."""
    base = height * (horizon + (0.94 - horizon) * depth**1.3)
    waves = [
        (rng.uniform(0.6, 1.6) * 2**octave, rng.uniform(0, math.tau), 0.5**octave)
        for octave in range(2 + min(steps, 60) // 15)
    ]
    reach = height * 0.055 * (1.25 - depth * 0.5)
    points = [(0.0, float(height))]
    for step in range(241):
        at = step / 240
        elevation = sum(share * math.sin(at * math.tau * pace + phase) for pace, phase, share in waves)
        points.append((at * width, base - reach * elevation))
    return [*points, (float(width), float(height))]


def _draw_text(image: Image.Image, request: ImageRequest, size: Size, seed: int) -> None:
    """Draw the label at the top left and the request at the bottom.

    Without a Chinese font: the parameters and an ASCII prompt in Pillow's default font.
    """
    pen, unit = ImageDraw.Draw(image), min(image.size) / 100
    chinese = chinese_font(round(unit * 3.4))
    large: object
    small: object
    if chinese:
        _draw_label(pen, chinese, unit)
        large, small = chinese_font(round(unit * 4.2)) or chinese, chinese_font(round(unit * 2.4)) or chinese
        steps = f"{request.steps} 步" if request.steps else "默认步数"
        facts = f"{request.aspect_ratio} · {size.width}×{size.height} · 种子 {seed} · {steps}"
    else:
        _draw_label_strokes(image, unit)
        large, small = ImageFont.load_default(unit * 4.2), ImageFont.load_default(unit * 2.4)
        steps = f"{request.steps} steps" if request.steps else "default steps"
        facts = f"{request.aspect_ratio} | {size.width} x {size.height} | seed {seed} | {steps}"
    if not isinstance(large, Font) or not isinstance(small, Font):
        return
    bottom = _draw_line(pen, (unit * 4, image.height - unit * 4), facts, small)
    if chinese and request.negative_prompt:
        avoided = _wrapped(f"不要 {request.negative_prompt}", small, image.width - unit * 8, 1)[0]
        strike = bottom - unit - small.size * 0.4
        bottom = _draw_line(pen, (unit * 4, bottom - unit), avoided, small, (235, 225, 225)) - unit
        start, end = (unit * 4 + small.getlength(part) for part in ("不要 ", avoided))
        pen.line((start, strike, end, strike), fill=(235, 120, 110), width=max(round(unit * 0.3), 1))
    if chinese or request.prompt.isascii():
        for line in reversed(_wrapped(request.prompt, large, image.width - unit * 8, 3)):
            bottom = _draw_line(pen, (unit * 4, bottom - unit), line, large)


def _draw_label_strokes(image: Image.Image, unit: float) -> None:
    """Draw 演示 as strokes, at four times the size and reduced, dark on white."""
    side, fine = round(unit * 5), 4
    mask = Image.new("L", (side * fine * 3, side * fine * 2))
    pen, scale, width = ImageDraw.Draw(mask), side * fine / 100, round(side * fine * 0.07)
    for number, strokes in enumerate(_STROKES):
        left, top = 40 + number * 115, 50
        for stroke in strokes:
            points = [((x + left) * scale, (y + top) * scale) for x, y in stroke]
            pen.line(points, fill=255, width=width, joint="curve")
            for x, y in (points[0], points[-1]):
                pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
    at = (round(unit * 4), round(unit * 4))
    field = Image.new("L", mask.size)
    ImageDraw.Draw(field).rounded_rectangle((0, 0, *mask.size), radius=mask.height / 2, fill=255)
    image.paste("white", at, field.reduce(fine))
    image.paste(_INK, at, mask.reduce(fine))


def _draw_label(pen: ImageDraw.ImageDraw, font: Font, unit: float) -> None:
    at = (unit * 6, unit * 5.4)
    left, top, right, bottom = pen.textbbox(at, "演示", font=font)
    frame = (left - unit * 2, top - unit * 1.4, right + unit * 2, bottom + unit * 1.4)
    pen.rounded_rectangle(frame, radius=(frame[3] - frame[1]) / 2, fill="white")
    pen.text(at, "演示", font=font, fill=_INK)


def _draw_line(
    pen: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    font: Font,
    colour: Colour = (255, 255, 255),
) -> float:
    """Draw an outlined line of text with its baseline at ``at``; returns y of the next line above."""
    shade = max(round(font.size / 22), 1)
    pen.text(at, text, font=font, fill=colour, anchor="ls", stroke_width=shade, stroke_fill=(24, 26, 32))
    return at[1] - font.size * 1.15


def _wrapped(text: str, font: Font, width: float, lines: int) -> list[str]:
    """Wrap the text to at most ``lines`` lines of that width, ending in … when truncated."""
    rest = " ".join(text.split())
    found: list[str] = []
    while rest and len(found) < lines:
        fits = _fitting_length(rest, font, width)
        found.append(rest[:fits].strip())
        rest = rest[fits:].lstrip()
    if rest and found:
        found[-1] = found[-1][:-1] + "…"
    return found


def _fitting_length(text: str, font: Font, width: float) -> int:
    """Return how many characters fit, at least one, breaking at a nearby space if possible."""
    lengths = range(1, min(len(text), 400) + 1)
    fits = max(bisect_right(lengths, width, key=lambda n: font.getlength(text[:n])), 1)
    space = text.rfind(" ", max(fits - 16, 0), fits)
    return space if space > 0 and fits < len(text) and text[fits].isascii() else fits


def _paste_references(image: Image.Image, references: Sequence[Reference]) -> None:
    """Paste thumbnails of the references along the right edge; the spec allows four."""
    side, gap = min(image.size) // 8, min(image.size) // 40
    top = gap * 2
    for reference in references:
        small = _thumbnail(reference, side)
        image.paste(
            ImageOps.expand(small, border=max(gap // 6, 1), fill="white"), (image.width - side - gap * 2, top)
        )
        top += side + gap


def _thumbnail(reference: Reference, side: int) -> Image.Image:
    try:
        with Image.open(io.BytesIO(reference.content or b"")) as opened:
            opened.draft("RGB", (side, side))
            return ImageOps.fit(opened.convert("RGB"), (side, side))
    except (OSError, ValueError, Image.DecompressionBombError):
        return Image.new("RGB", (side, side), (214, 218, 224))


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _blend(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue
