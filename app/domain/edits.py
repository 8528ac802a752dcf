"""An edit of a picture: of a masked area, of the canvas, or of the whole picture. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from app.errors import InvalidRequest

MASK, EXPAND, WHOLE = "mask", "expand", "whole"
KINDS = (MASK, EXPAND, WHOLE)
SIDES = ("left", "top", "right", "bottom")
Box = tuple[int, int, int, int]  # left, top, right, bottom; the last two are outside


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """How the picture that is the first reference of a request is changed; its mask is the second.

    ``kind`` is one of KINDS; ``width`` and ``height`` are the pixels of the picture. ``boxes`` are around the
    areas of the mask, for models that take boxes: left, top, right, bottom in pixels, the last two outside.
    ``edges`` are what is added at the SIDES, as fractions of the picture's sides.
    """

    kind: str
    width: int
    height: int
    boxes: tuple[Box, ...] = ()
    edges: tuple[float, ...] = ()

    @property
    def canvas(self) -> tuple[int, int, int, int]:
        """Width and height of the result, and where the picture stands in it: left, top; in pixels."""
        left, top, right, bottom = self.edges or (0.0,) * len(SIDES)
        width, height = round(self.width * (1 + left + right)), round(self.height * (1 + top + bottom))
        return width, height, round(self.width * left), round(self.height * top)

    def to_json(self) -> dict[str, Any]:
        """What is stored with the record, and counts in its fingerprint."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, stored: Any) -> Edit | None:
        """The stored edit; None when it is not of this form."""
        with suppress(AttributeError, TypeError, ValueError, KeyError):
            edges = tuple(map(float, stored.get("edges", ())))
            if stored["kind"] in KINDS and len(edges) == (len(SIDES) if stored["kind"] == EXPAND else 0):
                boxes = [tuple(map(int, box)) for box in stored.get("boxes", ())]
                return cls(
                    kind=stored["kind"],
                    width=int(stored["width"]),
                    height=int(stored["height"]),
                    boxes=tuple((left, top, right, bottom) for left, top, right, bottom in boxes),
                    edges=edges,
                )
        return None


def read_region(value: Mapping[str, Any], width: int, height: int) -> Box:
    """A ``region``, in fractions of the sides -> the box in pixels. Raises InvalidRequest."""
    x, y, across, down = (value[name] for name in ("x", "y", "width", "height"))
    if not (across and down):
        raise InvalidRequest("region", "框是空的，请先框出要改的地方")
    if x + across > 1 + 1e-6 or y + down > 1 + 1e-6:
        raise InvalidRequest("region", "框超出了图片，请框在图片里面")
    left, top = min(int(x * width), width - 1), min(int(y * height), height - 1)
    right, bottom = min(round((x + across) * width), width), min(round((y + down) * height), height)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def read_edges(value: Mapping[str, Any]) -> tuple[float, ...]:
    """``edges`` -> the fractions added at the SIDES. Raises InvalidRequest."""
    edges = tuple(round(float(value.get(side, 0)), 4) for side in SIDES)
    if not any(edges):
        raise InvalidRequest("edges", "没有要扩的边，请至少拉大一边")
    return edges
