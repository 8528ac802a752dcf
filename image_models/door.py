"""The door every image model stands behind: what it must offer, and the words it is told in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from domain import ImageRequest, ModelCard, Picture, Reference

Pause = Callable[[float], None]  # sleeps that many seconds; raises when the worker is stopping


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What came of one send: a ticket to collect the picture with, or the picture itself."""

    ticket: str | None = None
    picture: Picture | None = None


class ImageModel(Protocol):
    """One service. Every method raises ModelError and nothing else for what the service does."""

    @property
    def card(self) -> ModelCard:
        """What it accepts and what it costs."""

    def order(self, request: ImageRequest, references: Sequence[Reference]) -> Order:
        """Send once. The only call that costs money: never repeated inside."""

    def collect(self, ticket: str, pause: Pause) -> Picture:
        """Wait for what was ordered and fetch it. Costs nothing and may be repeated with the same ticket."""


def with_negative_prompt(prompt: str, negative_prompt: str) -> str:
    """Fold what to avoid into the prompt in words, for models without a field for it."""
    return f"{prompt}\n画面中不要出现：{negative_prompt}" if negative_prompt else prompt
