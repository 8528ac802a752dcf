"""When a batch pauses by itself, because too many of its pictures fail. Pure."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict, dataclass

from app.errors import CAUSES, Message, message

MAX_PICTURES_WATCHED = 1_000
REFUSED = "moderation"  # the cause of what the service's moderation did not let pass


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRule:
    """Pause when ``refused`` of the first ``of`` pictures did not pass moderation, or when the failures among
    the last ``last`` are their share ``failed``.
    """

    refused: int = 5
    of: int = 20
    failed: float = 0.3
    last: int = 30

    @classmethod
    def from_json(cls, text: str) -> StopRule | None:
        """What ``to_json`` has written; None for an empty text."""
        return cls(**json.loads(text)) if text else None

    def to_json(self) -> str:
        """The rule as JSON, for storing."""
        return json.dumps(asdict(self))

    @property
    def failures(self) -> int:
        """The number of failed pictures at which to pause."""
        return max(math.ceil(round(self.failed * self.last, 6)), 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What ended since the batch was resumed.

    ended    the number of pictures that succeeded or failed; those of unknown outcome count as failed
    refused  those of the first ``StopRule.of`` that did not pass moderation
    last     the causes of the last ``StopRule.last``; None for a success
    """

    ended: int = 0
    refused: int = 0
    last: tuple[str | None, ...] = ()

    @classmethod
    def from_json(cls, text: str) -> Outcomes:
        """What ``to_json`` has written; nothing has ended in an empty text."""
        found = json.loads(text or "{}")
        return cls(**found | {"last": tuple(found.get("last", ()))})

    def to_json(self) -> str:
        """The outcomes as JSON, for storing."""
        return json.dumps(asdict(self))

    def after(self, cause: str | None, rule: StopRule) -> Outcomes:
        """The outcomes with one more picture."""
        counts = cause == REFUSED and self.ended < rule.of
        last = (*self.last, cause)[-rule.last :]
        return Outcomes(ended=self.ended + 1, refused=self.refused + counts, last=last)


def verdict(rule: StopRule, outcomes: Outcomes) -> Message | None:
    """Why to pause the batch: what was seen, and what to do. None to go on."""
    if outcomes.refused >= rule.refused and outcomes.ended <= rule.of:
        return message(
            "前 {ended} 张里有 {refused} 张没有通过内容审核，请改好它们的提示词再继续",
            ended=outcomes.ended,
            refused=outcomes.refused,
        )
    causes = Counter(cause for cause in outcomes.last if cause is not None)
    if causes.total() < rule.failures:
        return None
    seen = tuple(
        message("{cause} {n} 张", cause=message(CAUSES.get(cause, "其他")), n=number)
        for cause, number in causes.most_common()
    )
    return message(
        "最近 {ended} 张里有 {failed} 张没有成功：{causes}；请看过原因再继续",
        ended=len(outcomes.last),
        failed=causes.total(),
        causes=seen,
    )
