"""Aspect ratios, resolutions and their sizes in pixels; re-exported by ``app.domain``."""

import math
from dataclasses import dataclass

ASPECT_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "16:9", "9:16")
RESOLUTIONS = ("1K", "2K", "4K")
RESOLUTION_AREAS = {"1K": 1024 * 1024, "2K": 2048 * 2048, "4K": 4096 * 4096}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A picture's width and height in pixels."""

    width: int
    height: int

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def exact_size(
    aspect_ratio: str, area: int, *, minimum: int = 1, maximum: int | None = None, multiple_of: int = 1
) -> Size:
    """The size of exactly this ratio whose area is nearest to ``area``, within minimum and maximum.

    Both sides are multiples of ``multiple_of``. Areas are in pixels.
    """
    across, down = (int(part) * multiple_of for part in aspect_ratio.split(":"))
    shrink = math.gcd(across, down) // multiple_of
    across, down = across // shrink, down // shrink
    unit = across * down
    lowest = math.isqrt(max(minimum - 1, 0) // unit) + 1 if minimum > unit else 1
    guess = math.isqrt(area // unit)
    factors = [
        n for n in (guess, guess + 1, lowest) if n >= lowest and (not maximum or n * n * unit <= maximum)
    ]
    best = min(factors, key=lambda n: abs(n * n * unit - area))
    return Size(width=across * best, height=down * best)


def nearest_choice(width: int | None, height: int | None) -> tuple[str, str]:
    """The (aspect ratio, resolution) nearest to a picture's size; empty strings when it is unknown."""
    if not width or not height:
        return "", ""
    ratio = min(ASPECT_RATIOS, key=lambda ratio: abs(math.log(width / height / _quotient(ratio))))
    areas = RESOLUTION_AREAS.items()
    return ratio, min(areas, key=lambda item: abs(math.log(width * height / item[1])))[0]


def _quotient(aspect_ratio: str) -> float:
    across, down = aspect_ratio.split(":")
    return int(across) / int(down)
