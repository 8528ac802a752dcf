"""The door every image model stands behind: what it must offer, and the words it is told in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from app.domain import (
    ASPECT_RATIOS,
    RESOLUTION_AREAS,
    RESOLUTIONS,
    GeneratedImage,
    ImageRequest,
    ModelSpec,
    Reference,
    Size,
    exact_size,
)

Sleep = Callable[[float], None]  # sleeps that many seconds; raises when the worker is stopping


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitResult:
    """What came of one send: a ticket to collect the picture with, or the picture itself."""

    task_id: str | None = None
    image: GeneratedImage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCheck:
    """What a test of the key showed: whether the service knows it, and one sentence with what stays open."""

    verified: bool
    text: str


class Provider(Protocol):
    """One service. Every method raises ModelError and nothing else for what the service does."""

    @property
    def card(self) -> ModelSpec:
        """What it accepts and what it costs."""

    def submit(self, request: ImageRequest, references: Sequence[Reference]) -> SubmitResult:
        """Send once. The only call that costs money: never repeated inside."""

    def fetch(self, ticket: str, pause: Sleep) -> GeneratedImage:
        """Wait for what was ordered and fetch it. Costs nothing and may be repeated with the same ticket."""

    def check_key(self) -> KeyCheck:
        """Ask for something that no service charges for. Raises ModelError when orders would be refused."""


def with_negative_prompt(prompt: str, negative_prompt: str) -> str:
    """Fold what to avoid into the prompt in words, for models without a field for it."""
    return f"{prompt}\n画面中不要出现：{negative_prompt}" if negative_prompt else prompt


def prices(override: Decimal | None, *per_tier: Decimal) -> dict[str, Decimal]:
    """CNY a picture by resolution: the same for all, or one for each of 1K, 2K, 4K; PRICE_PER_IMAGE wins.

    Empty without either: nobody knows the price.
    """
    if override is None and not per_tier:
        return {}
    listed = per_tier * len(RESOLUTIONS) if len(per_tier) == 1 else per_tier
    return {tier: listed[n] if override is None else override for n, tier in enumerate(RESOLUTIONS)}


def size_table(
    published: Mapping[tuple[str, str], Size],
    *,
    minimum: int = 1,
    maximum: int | None = None,
    multiple_of: int = 1,
    resolutions: Sequence[str] = RESOLUTIONS,
) -> dict[tuple[str, str], Size]:
    """Sizes for every ratio and resolution: the published ones (portraits swap), else computed.

    Computed ones have exactly the ratio and the area nearest to the tier's, within minimum and maximum.
    """
    table = {}
    for ratio in ASPECT_RATIOS:
        for tier in resolutions:
            size = _published(published, ratio, tier)
            area = min(RESOLUTION_AREAS[tier], maximum or RESOLUTION_AREAS[tier])
            table[ratio, tier] = size or exact_size(
                ratio, area, minimum=minimum, maximum=maximum, multiple_of=multiple_of
            )
    return table


def _published(published: Mapping[tuple[str, str], Size], ratio: str, tier: str) -> Size | None:
    if (ratio, tier) in published:
        return published[ratio, tier]
    turned = published.get((":".join(reversed(ratio.split(":"))), tier))
    return Size(width=turned.height, height=turned.width) if turned else None
