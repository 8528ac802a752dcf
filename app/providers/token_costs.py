"""What calls cost whose service bills tokens in dollars: those of Gemini at Google, and of OpenAI.

How many tokens an image of OpenAI has: ``app.domain.sizes``. Dollars for a million are those of
gpt-image-2, 2.5 and 2.6. What the words of a prompt cost is not known before the call; a reference counts as
the most that one can cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from app.domain import COMMON_RATIOS
from app.providers.kit import Family, objects, reported_usage

TEN_RATIOS = (*COMMON_RATIOS, "4:5", "5:4", "21:9")
FOURTEEN_RATIOS = (*TEN_RATIOS, "1:4", "4:1", "1:8", "8:1")
_TOKENS_OF_REFERENCE = 1120  # at Gemini
_TEXT_READ, _IMAGE_READ, _IMAGE_MADE = Decimal(5), Decimal(8), Decimal(30)
_MOST_TOKENS_READ = 1536  # of one reference, at OpenAI
_MARGIN = Decimal("1.01")  # of an upper bound


@dataclass(frozen=True, slots=True, kw_only=True)
class GeminiFamily(Family):
    """``tokens`` of an image by resolution, and dollars for a million tokens, ``image`` and ``text`` made,
    ``read`` of the request.
    """

    tokens: tuple[int, ...] = (1120,)
    ratios: tuple[str, ...] = TEN_RATIOS
    image: str = ""
    text: str = ""
    read: str = ""

    def priced(self, rate: Decimal | None) -> GeminiFamily:
        """With prices in CNY, where the rate and the dollars are known."""
        if not (rate and self.image):
            return self
        return replace(
            self,
            prices=tuple(tokens * Decimal(self.image) * rate / 1_000_000 for tokens in self.tokens),
            reference_price=_TOKENS_OF_REFERENCE * Decimal(self.read) * rate / 1_000_000,
        )

    def cost(self, usage: Mapping[str, int], rate: Decimal | None) -> Decimal | None:
        """CNY of an answer, by its tokens; None where others are billed, or the rate is unknown."""
        if not (rate and self.image and usage.get("imageTokenCount")):
            return None
        drawn = usage["imageTokenCount"]
        texts = usage.get("candidatesTokenCount", drawn) - drawn + usage.get("thoughtsTokenCount", 0)
        read = usage.get("promptTokenCount", 0) * Decimal(self.read)
        dollars = read + drawn * Decimal(self.image) + max(texts, 0) * Decimal(self.text)
        return dollars * rate / 1_000_000


def gemini_usage(found: Any) -> dict[str, int]:
    """The reported tokens, with those of the image as ``imageTokenCount``."""
    details = objects(found, "candidatesTokensDetails")
    tokens = [each.get("tokenCount") for each in details if each.get("modality") == "IMAGE"]
    return reported_usage(found) | reported_usage({"imageTokenCount": next(iter(tokens), None)})


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
