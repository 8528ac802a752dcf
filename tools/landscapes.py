"""Small drawn landscapes, each different from the others."""

import colorsys
import io

from PIL import Image, ImageDraw

from app.domain import ASPECT_RATIOS

_SIDES = {ratio: tuple(int(side) * 24 for side in ratio.split(":")) for ratio in ASPECT_RATIOS}


def landscape(number: int, ratio: str) -> bytes:
    """A drawn landscape in this aspect ratio, different for every number."""
    width, height = _SIDES[ratio]
    scale = 320 / max(width, height)
    width, height = round(width * scale), round(height * scale)
    hue = number * 0.137 % 1

    def colour(light: float, full: float) -> tuple[int, ...]:
        return tuple(round(255 * part) for part in colorsys.hls_to_rgb(hue, light, full))

    image = Image.new("RGB", (width, height), colour(0.82, 0.45))
    pen = ImageDraw.Draw(image)
    sun = height * (0.2 + number % 5 * 0.06)
    pen.ellipse((width * 0.6, sun, width * 0.6 + height * 0.2, sun + height * 0.2), fill=colour(0.93, 0.8))
    for step, light in enumerate((0.62, 0.45, 0.28)):
        base = height * (0.55 + step * 0.13)
        peak = width * ((number * 0.31 + step * 0.37) % 1)
        pen.polygon(
            [(0, height), (0, base), (peak, base - height * 0.22), (width, base), (width, height)],
            fill=colour(light, 0.4),
        )
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=80)
    return packed.getvalue()
