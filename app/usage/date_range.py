"""Parses date ranges for the ledger, in local days, and divides them into buckets."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from app.domain.times import utc_text
from app.errors import InvalidRequest
from app.web.i18n import gettext
from app.web.openapi.check import read_fields
from app.web.openapi.schemas import Schema, enum, text

RANGES = {"today": "今天", "7d": "近 7 天", "30d": "近 30 天", "month": "本月", "last_month": "上月"}
DATE_RANGE_QUERY: dict[str, Schema] = {
    "range": {**enum(*RANGES), "default": "30d"},
    "from": text(description="日期，代替 range"),
    "to": text(description="日期（含当天）"),
}
_LABELS = {"hour": "{hour} 时", "day": "{month}月{day}日", "month": "{year}年{month}月"}
_MAX_DAYS = 3660
_MAX_DAILY_BARS = 62


@dataclass(frozen=True, slots=True, kw_only=True)
class DateRange:
    """Days ``first`` to ``last``, both included; ``bounds`` (UTC) divide them into hours, days or months.

    ``name`` is one of RANGES, or empty for explicit days; ``labels`` has one label per bucket.
    """

    name: str
    first: date
    last: date
    unit: str
    bounds: list[str]
    labels: list[str]

    @property
    def low(self) -> str:
        """Start, UTC, inclusive."""
        return self.bounds[0]

    @property
    def high(self) -> str:
        """End, UTC, exclusive."""
        return self.bounds[-1]

    @property
    def text(self) -> str:
        """The text of the range: ``近 7 天``, or its days."""
        if self.name:
            return gettext(RANGES[self.name])
        return gettext("{first} 至 {last}", first=self.first, last=self.last)

    @property
    def query(self) -> dict[str, str]:
        """The query parameters of this range."""
        return {"range": self.name} if self.name else {"from": str(self.first), "to": str(self.last)}


def parse_date_range(fields: Mapping[str, Any], today: date | None = None) -> DateRange:
    """``range``, or ``from`` and ``to`` as ``2026-03-01`` -> the range. Raises InvalidRequest."""
    today, fields = today or date.today(), read_fields(fields, DATE_RANGE_QUERY)
    if "from" in fields or "to" in fields:
        last = _day(fields, "to") or today
        first = _day(fields, "from") or last
        if not 0 <= (last - first).days <= _MAX_DAYS:
            raise InvalidRequest("from", "开始的日子应不晚于结束的日子，最多相隔十年")
        return _range("", first, last)
    name = fields["range"]
    month = today.replace(day=1)
    last = month - timedelta(days=1) if name == "last_month" else today
    firsts = {
        "today": today,
        "7d": today - timedelta(days=6),
        "30d": today - timedelta(days=29),
        "month": month,
        "last_month": last.replace(day=1),
    }
    return _range(name, firsts[name], last)


def days_around(today: date) -> tuple[list[str], list[str]]:
    """UTC bounds of yesterday and today, and of this month."""
    days = [_midnight(today + timedelta(days=offset)) for offset in (-1, 0, 1)]
    next_month = (today.replace(day=28) + timedelta(days=4)).replace(day=1)
    month = [_midnight(today.replace(day=1)), _midnight(next_month)]
    return [utc_text(at) for at in days], [utc_text(at) for at in month]


def _range(name: str, first: date, last: date) -> DateRange:
    unit, starts = _buckets(first, last)
    end = _midnight(last + timedelta(days=1))
    local = [at.astimezone() for at in starts]
    return DateRange(
        name=name,
        first=first,
        last=last,
        unit=unit,
        bounds=[utc_text(at) for at in (*starts, end)],
        labels=[
            gettext(_LABELS[unit], hour=at.hour, day=at.day, month=at.month, year=at.year) for at in local
        ],
    )


def _buckets(first: date, last: date) -> tuple[str, list[datetime]]:
    """(unit, UTC start of each bucket). A day has 23 or 25 hours when daylight saving time changes."""
    days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    if len(days) == 1:
        start, end = _midnight(first), _midnight(last + timedelta(days=1))
        hours = range(math.ceil((end - start) / timedelta(hours=1)))
        return "hour", [start + timedelta(hours=hour) for hour in hours]
    if len(days) > _MAX_DAILY_BARS:
        return "month", [_midnight(day) for day in days if day in (first, day.replace(day=1))]
    return "day", [_midnight(day) for day in days]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min).astimezone(UTC)


def _day(fields: Mapping[str, Any], name: str) -> date | None:
    text = fields.get(name)
    if not text:
        return None
    try:
        day = date.fromisoformat(text) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
    except ValueError:
        day = None
    if day is None or not 2000 <= day.year <= 2100:
        raise InvalidRequest(name, "{name} 应为日期，例如 2026-03-01", name=name)
    return day
