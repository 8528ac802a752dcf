"""What the tokens of OpenAI's images cost: before a call from the size and the quality, after it as reported.

Dollars for a million tokens are those of gpt-image-2, 2.5 and 2.6. What the words of a prompt cost is not
known before the call; a reference counts as the most that one can cost.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from app.domain import Size
from app.providers.base import reported_usage

_TEXT_READ, _IMAGE_READ, _IMAGE_MADE = Decimal(5), Decimal(8), Decimal(30)
_MOST_TOKENS_READ = 1536  # of one reference
_MARGIN = Decimal("1.01")  # of an upper bound


def tokens(size: Size, units: int) -> int:
    """The tokens of an image whose longer side has so many units."""
    long, short = max(size.width, size.height), min(size.width, size.height)
    other = max((2 * units * short + long) // (2 * long), 1)
    return -(-units * other * (2_000_000 + size.area) // 4_000_000)


def prices_by_quality(
    sizes: Mapping[tuple[str, str], Size],
    units: Mapping[str, int],
    rate: Decimal,
    *,
    usual: str,
    is_bound: bool,
) -> dict[tuple[str, str], dict[str, Decimal]]:
    """CNY for an image of each size by quality, and by "" for the ``usual`` one.

    ``rate`` is CNY for a dollar. With ``is_bound`` the units are a guess from above.
    """
    each = rate * _IMAGE_MADE / 1_000_000 * (_MARGIN if is_bound else 1)
    table = {}
    for pair, size in sizes.items():
        prices = {quality: tokens(size, of_side) * each for quality, of_side in units.items()}
        table[pair] = {"": prices[usual], **prices}
    return table


def price_of_reference(rate: Decimal) -> Decimal:
    """The most CNY that a reference costs."""
    return _MOST_TOKENS_READ * _IMAGE_READ * rate / 1_000_000


def cost_of(usage: Any, rate: Decimal) -> Decimal | None:
    """CNY of the tokens in an answer's ``usage``; None when it does not say all of them."""
    details = usage.get("input_tokens_details") if isinstance(usage, dict) else None
    made, read = reported_usage(usage), reported_usage(details)
    if "output_tokens" not in made or not {"text_tokens", "image_tokens"} <= read.keys():
        return None
    dollars = read["text_tokens"] * _TEXT_READ + read["image_tokens"] * _IMAGE_READ
    return (dollars + made["output_tokens"] * _IMAGE_MADE) * rate / 1_000_000
