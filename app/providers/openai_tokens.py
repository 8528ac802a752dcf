"""What the tokens of OpenAI's images cost; how many an image has: ``app.domain.token_prices``.

Dollars for a million tokens are those of gpt-image-2, 2.5 and 2.6. What the words of a prompt cost is not
known before the call; a reference counts as the most that one can cost.
"""

from decimal import Decimal
from typing import Any

from app.providers.kit import reported_usage

_TEXT_READ, _IMAGE_READ, _IMAGE_MADE = Decimal(5), Decimal(8), Decimal(30)
_MOST_TOKENS_READ = 1536  # of one reference
_MARGIN = Decimal("1.01")  # of an upper bound


def price_of_token(rate: Decimal, *, is_bound: bool) -> Decimal:
    """CNY for a token of an image; more where the number of tokens is a guess from above."""
    return rate * _IMAGE_MADE / 1_000_000 * (_MARGIN if is_bound else 1)


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
