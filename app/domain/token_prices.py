"""What an image costs by its size and quality, at a service that counts tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from app.domain.sizes import Size


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
