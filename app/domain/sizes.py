"""Aspect ratios, resolutions and sizes in pixels, and what a size costs where tokens are counted.

A size of one's own is written where a resolution is, as ``800x600``.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Self

from app.errors import Message, message

COMMON_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "16:9", "9:16")
USUAL_RATIOS = (*COMMON_RATIOS, "4:5", "5:4", "21:9", "9:21")  # of a model that takes any size
ASPECT_RATIOS = (*USUAL_RATIOS, "1:4", "4:1", "1:8", "8:1")
RESOLUTIONS = ("1K", "2K", "4K")
RESOLUTION_AREAS = {"1K": 1024 * 1024, "2K": 2048 * 2048, "4K": 4096 * 4096}
_LINES = (RESOLUTION_AREAS["1K"], RESOLUTION_AREAS["2K"])
_MIN_SIDE = 64  # in pixels: smaller numbers are meant as a ratio
_OWN_SIZE = re.compile(r"([0-9]{2,5})\s*[xX×✕✖*]\s*([0-9]{2,5})\s*(?:px|PX|像素)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A picture's width and height in pixels."""

    width: int
    height: int

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    @property
    def aspect_ratio(self) -> str:
        """The nearest of ASPECT_RATIOS."""
        return min(
            ASPECT_RATIOS, key=lambda ratio: abs(math.log(self.width / self.height / _quotient(ratio)))
        )

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeRule:
    """Which widths and heights a model takes, in pixels.

    ``max_ratio`` is the longest side divided by the shortest. ``lines`` are the most pixels that are priced
    as 1K, 2K …; a larger size is priced as the next resolution.
    """

    min_side: int = 64
    max_side: int = 16_384
    min_area: int = 64 * 64
    max_area: int = RESOLUTION_AREAS["4K"]
    max_ratio: int = 16
    multiple_of: int = 1
    lines: Sequence[int] = _LINES

    @classmethod
    def by_area(cls, least: int, most: int, *, max_ratio: int, lines: Sequence[int] = _LINES) -> Self:
        """A rule without bounds of its own for the sides, which follow from those of the area."""
        return cls(
            min_side=math.isqrt((least - 1) // max_ratio) + 1,
            max_side=math.isqrt(most * max_ratio),
            min_area=least,
            max_area=most,
            max_ratio=max_ratio,
            lines=lines,
        )

    def accepts(self, size: Size) -> bool:
        """Whether the model takes this size."""
        low, high = sorted((size.width, size.height))
        is_within = self.min_side <= low and high <= min(self.max_side, low * self.max_ratio)
        is_multiple = not (low % self.multiple_of or high % self.multiple_of)
        return is_within and is_multiple and self.min_area <= size.area <= self.max_area

    def tier(self, size: Size) -> str:
        """The resolution that a size is priced as."""
        return RESOLUTIONS[sum(size.area > line for line in self.lines)]

    @property
    def in_words(self) -> Message:
        """The bounds in one sentence."""
        text = "宽高每边 {low}–{high}，长短边最多差 {ratio} 倍，一共 {least}–{most} 像素"
        if self.multiple_of > 1:
            text = "宽高要是 {n} 的倍数，每边 {low}–{high}，长短边最多差 {ratio} 倍，一共 {least}–{most} 像素"
        return message(
            text,
            n=self.multiple_of,
            low=self.min_side,
            high=self.max_side,
            ratio=self.max_ratio,
            least=f"{self.min_area:,}",
            most=f"{self.max_area:,}",
        )


@lru_cache(maxsize=1024)
def own_size(text: str) -> Size | None:
    """``800x600``, ``800×600``, ``800 * 600 px`` in the width of NFKC -> the size; None for anything else."""
    found = _OWN_SIZE.fullmatch(text)
    sides = (int(found[1]), int(found[2])) if found else (0, 0)
    return Size(width=sides[0], height=sides[1]) if min(sides) >= _MIN_SIDE else None


def exact_size(aspect_ratio: str, area: int, rule: SizeRule) -> Size:
    """The size of exactly this ratio that the rule accepts whose area is nearest to ``area``, in pixels."""
    minimum, multiple_of = rule.min_area, rule.multiple_of
    across, down = (int(part) * multiple_of for part in aspect_ratio.split(":"))
    shrink = math.gcd(across, down) // multiple_of
    across, down = across // shrink, down // shrink
    unit = across * down
    lowest = math.isqrt(max(minimum - 1, 0) // unit) + 1 if minimum > unit else 1
    highest = min(math.isqrt(rule.max_area // unit), rule.max_side // max(across, down))
    guess = math.isqrt(area // unit)
    factors = [n for n in (guess, guess + 1, lowest, highest) if lowest <= n <= highest]
    best = min(factors, key=lambda n: abs(n * n * unit - area))
    return Size(width=across * best, height=down * best)


def nearest_choice(width: int | None, height: int | None) -> tuple[str, str]:
    """The (aspect ratio, resolution) nearest to a picture's size; empty strings when it is unknown."""
    if not width or not height:
        return "", ""
    areas = RESOLUTION_AREAS.items()
    ratio = Size(width=width, height=height).aspect_ratio
    return ratio, min(areas, key=lambda item: abs(math.log(width * height / item[1])))[0]


def _quotient(aspect_ratio: str) -> float:
    across, down = aspect_ratio.split(":")
    return int(across) / int(down)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPrices:
    """``units``: quality -> units of the longer side; ``usual`` is the quality where none is chosen.

    ``each`` is CNY for a token. ``static/js/core/sizes.js`` counts in the same way.
    """

    units: Mapping[str, int]
    usual: str
    each: Decimal

    def of(self, size: Size) -> dict[str, Decimal]:
        """Quality -> CNY for an image of this size; "" where none is chosen."""
        prices = {quality: tokens(size, units) * self.each for quality, units in self.units.items()}
        return {"": prices[self.usual], **prices}


def tokens(size: Size, units: int) -> int:
    """The tokens of an image whose longer side has so many units."""
    long, short = max(size.width, size.height), min(size.width, size.height)
    other = max((2 * units * short + long) // (2 * long), 1)
    return -(-units * other * (2_000_000 + size.area) // 4_000_000)
