"""Checks a finished picture against the figures of its profile; says what was seen, never 合规."""

from dataclasses import dataclass
from typing import Any

from app.delivery.profiles import Profile, finish_of
from app.errors import Message, message
from app.images.finishing import Finished, layout

PASS, FAIL, NOT_CHECKED = "pass", "fail", "not_checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule: pixels, ratio, bytes, format, quality, white_ground, fill, edge, enlarged or name."""

    rule: str
    result: str
    seen: Message
    wanted: Message


def check(profile: Profile, name: str, finished: Finished | None, source: tuple[int, int]) -> list[Check]:
    """All checks of a finished picture; without one those known from the upright size of its original."""
    placed = layout(finish_of(profile), *source)
    size = (finished.width, finished.height) if finished else placed.frame
    return [
        Check(
            rule="pixels",
            result=PASS,
            seen=message("{w}×{h}", w=size[0], h=size[1]),
            wanted=message("{w}×{h}", w=profile.width, h=profile.height),
        )
    ]


def as_fields(check: Check) -> dict[str, Any]:
    """As the database stores it: the sentences as JSON of messages."""
    return {"rule": check.rule, "result": check.result, "seen": check.seen, "wanted": check.wanted}
