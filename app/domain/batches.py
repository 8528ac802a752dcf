"""Batches and their logs, which of their rows are tried first, and when they pause by themselves. Pure."""

from __future__ import annotations

import heapq
import json
import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise

from app.domain.records import Pick, Status
from app.domain.requests import ImageRequest
from app.errors import CAUSES, Message, message

MAX_ROWS_A_BATCH = 5_000
MAX_PICTURES_A_BATCH = 10_000
MAX_ROW_NUMBER = 9_999_999
MAX_BATCH_NAME_LENGTH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWorkbook:
    """The imported file that a batch was submitted from; ``id`` is the SHA-256 of its content.

    ``notes`` say what cannot be carried through when the results are written into it.
    """

    id: str
    filename: str
    notes: Sequence[Message] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkbookFile:
    """An imported file: its content, the sheet that was read, and the number of its header row."""

    id: str
    filename: str
    sheet: str
    header_row: int
    content: bytes = field(repr=False)


class BatchStatus(StrEnum):
    """Status of a batch, derived from its records and its paused flag."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class PauseCause(StrEnum):
    """Why a batch is paused. OTHER: see the reason.

    LIMIT: the monthly limit of its person. KEY: wrong key, missing entitlement or empty account.
    """

    USER = "user"
    SAMPLE = "sample"
    STOP_RULE = "stop_rule"
    BUDGET = "budget"
    LIMIT = "limit"
    KEY = "key"
    NETWORK = "network"
    DISK = "disk"
    MODEL = "model"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchModel:
    """A model of a batch: its id, the number of its pictures, and CNY charged for them (None: unknown)."""

    model: str
    total: int
    cost: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records submitted together. Costs are CNY, None when a
    price in them is unknown; ``eta_seconds`` is extrapolated from the measured rate, or before its first
    picture from what the model took before. While it is queued, ``ahead`` counts the pictures of others that
    come first. ``retryable`` counts records that failed without a charge, ``picks`` those that a user chose.
    ``number_in_minute`` tells apart the batches without a name of one minute: it counts them from 1.
    ``paused_cause`` is empty unless it is paused. ``models`` are those of its records, most pictures first;
    ``table_id`` is the id of the table of its rows.
    """

    id: str
    name: str
    created_at: str
    status: BatchStatus
    paused_reason: Message
    total: int
    counts: Mapping[Status, int]
    cost: Decimal | None
    at_stake: Decimal | None
    estimated_cost: Decimal | None
    eta_seconds: int | None
    version: int
    source: str
    ahead: int = 0
    retryable: int = 0
    workbook: StoredWorkbook | None = None
    paused_cause: str = ""
    picks: Mapping[Pick, int] = field(default_factory=dict)
    models: Sequence[BatchModel] = ()
    table_id: str | None = None
    number_in_minute: int = 1

    @property
    def done(self) -> int:
        """Number of pictures in a final state."""
        return self.total - sum(self.counts[each] for each in (Status.HELD, Status.QUEUED, Status.RUNNING))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of a batch's log; ``level`` is info, warning or error."""

    at: str
    level: str
    text: Message
    record_id: int | None


ONE_FIRST = message("没有证实这个模型会看这台电脑上的参考图：先做一行，看过再放行其余的")


def choose_sample(requests: Sequence[ImageRequest], size: int) -> set[int]:
    """The indexes of ``size`` rows to try first; all when there are no more.

    In this order: the first row, the last, the one with the longest prompt, the one with most references,
    one of each aspect ratio, one of each resolution, then rows spread evenly between those.
    """
    if size >= len(requests):
        return set(range(len(requests)))
    chosen: dict[int, None] = {}
    for index in _telling_rows(requests):
        if len(chosen) < size:
            chosen[index] = None
    return _spread({*chosen}, size)


def choose_products(rows: Sequence[tuple[int, str]], size: int) -> set[int]:
    """The indexes of all rows of ``size`` products to try first; rows are (product, category).

    In this order: the first product, the first one of each other category, the last, then evenly between.
    """
    categories = dict(rows)
    products = [*dict.fromkeys(product for product, _ in rows)]
    chosen: dict[int, None] = {0: None}
    seen = {categories[products[0]]}
    for index, product in enumerate(products):
        if categories[product] not in seen and len(chosen) < size:
            seen.add(categories[product])
            chosen[index] = None
    if len(chosen) < size < len(products):
        chosen[len(products) - 1] = None
    places = range(len(products)) if size >= len(products) else _spread({*chosen}, size)
    tried = {products[place] for place in places}
    return {index for index, (product, _) in enumerate(rows) if product in tried}


def _telling_rows(requests: Sequence[ImageRequest]) -> Iterator[int]:
    """Indexes of the rows that differ most, each perhaps several times."""
    rows = range(len(requests))
    yield rows[0]
    yield rows[-1]
    yield max(rows, key=lambda row: len(requests[row].prompt))
    if any(request.sample_images for request in requests):
        yield max(rows, key=lambda row: len(requests[row].sample_images))
    yield from _first_of_each(requests, lambda request: request.aspect_ratio)
    yield from _first_of_each(requests, lambda request: request.resolution)


def _first_of_each(
    requests: Sequence[ImageRequest], value_of: Callable[[ImageRequest], Hashable]
) -> Iterator[int]:
    seen = set[Hashable]()
    for index, request in enumerate(requests):
        if (value := value_of(request)) not in seen:
            seen.add(value)
            yield index


def _spread(chosen: set[int], size: int) -> set[int]:
    """Add the middles of the longest gaps until ``size`` rows are chosen."""
    gaps = [(low - high, low, high) for low, high in pairwise(sorted(chosen))]
    heapq.heapify(gaps)
    while len(chosen) < size:
        _, low, high = heapq.heappop(gaps)
        middle = (low + high) // 2
        chosen.add(middle)
        heapq.heappush(gaps, (low - middle, low, middle))
        heapq.heappush(gaps, (middle - high, middle, high))
    return chosen


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
