"""The results of 单图生成, as its page shows them: the pictures of one request together."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby

from app.domain import Record, Status

_PROMINENT = timedelta(minutes=1)  # how long what did not succeed keeps the place of a picture
_WITHOUT_PICTURE = (Status.FAILED, Status.CANCELLED)


@dataclass(frozen=True)
class Request:
    """One row that was ordered.

    key      unique among requests: ``<batch id>/<row number>``
    first    id of its first picture; requests are listed by it, newest first
    prompt   of its pictures
    count    its pictures that are not deleted
    waiting  those of them that are queued
    cost     CNY charged for them; None while a price is not known, or when nothing is charged
    records  those to draw, by picture number
    """

    key: str
    first: int
    prompt: str
    count: int
    waiting: int
    cost: Decimal | None
    records: list[Record]

    @property
    def batch_id(self) -> str:
        """The batch that it is, or is in."""
        return self.key.rpartition("/")[0]


def group_by_request(records: Iterable[Record], drawn: set[int]) -> list[Request]:
    """All pictures of some requests -> the requests, newest first; ``drawn`` are ids of what is drawn."""
    ordered = sorted(records, key=_request_key)
    requests = [_request(key, list(group), drawn) for key, group in groupby(ordered, key=_request_key)]
    return sorted(requests, key=lambda request: request.first, reverse=True)


def settled_ids(records: Iterable[Record], now: datetime | None = None) -> set[int]:
    """Ids of failed and cancelled records that ended a minute ago, or before the newest order."""
    listed = list(records)
    ordered_at = (datetime.fromisoformat(record.created_at).replace(tzinfo=UTC) for record in listed)
    before = max([(now or datetime.now(UTC)) - _PROMINENT, *ordered_at])
    ended = {
        record.id: datetime.fromisoformat(record.finished_at or record.created_at).replace(tzinfo=UTC)
        for record in listed
        if record.status in _WITHOUT_PICTURE
    }
    return {record_id for record_id, at in ended.items() if at < before}


def _request_key(record: Record) -> tuple[str, int]:
    return record.batch_id or "", record.row_number


def _request(key: tuple[str, int], records: list[Record], drawn: set[int]) -> Request:
    records.sort(key=lambda record: (record.picture_number, record.id))
    charged = [record.cost for record in records if record.status is Status.SUCCESS or record.cost]
    known = [cost for cost in charged if cost is not None]
    return Request(
        key=f"{key[0]}/{key[1]}",
        first=min(record.id for record in records),
        prompt=records[0].prompt,
        count=len(records),
        waiting=sum(record.status is Status.QUEUED for record in records),
        cost=(sum(known, Decimal(0)) or None) if len(known) == len(charged) else None,
        records=[record for record in records if record.id in drawn],
    )
