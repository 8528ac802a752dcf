"""The usage report of the page and the API, read as one snapshot, of a range of local days."""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import database
from app.domain import Budget, BudgetScope
from app.domain.ledger import BatchSpend, SpendGroup, SpendTotals, UnresolvedCharge, UnresolvedCounts
from app.domain.requests import MAX_OWN_NAME_LENGTH, column_name
from app.domain.times import utc_text
from app.errors import InvalidRequest
from app.usage import sql
from app.usage.sql import COLUMN
from app.web.formatting import batch_label, model_label
from app.web.i18n import gettext
from app.web.openapi.check import read_fields
from app.web.openapi.schemas import Schema, enum, text

UNRESOLVED_SHOWN = 50
BATCHES_SHOWN = 12
DIFFERING_SHOWN = 20
GROUPS_SHOWN = 100
GROUPED_BY = {"model": "按模型", "batch": "按批次", "table": "按表格", "person": "按下单人"}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CostGroups:
    """The charges of a range by what ``parse_grouping`` returned: the dearest of ``number`` groups."""

    by: str
    groups: list[SpendGroup]
    number: int
    total: SpendTotals

    @property
    def column(self) -> str:
        """The own column that they are grouped by; empty without one."""
        return self.by.removeprefix(COLUMN) if self.by.startswith(COLUMN) else ""

    def label(self, group: SpendGroup) -> str:
        """What a group is called."""
        if self.by == "model":
            return model_label(group.key) or gettext("未记录")
        if self.column:
            return group.key or gettext("没写")
        if self.by == "person":
            return group.name or group.key or gettext("没记下是谁")
        if not group.key:
            return gettext("单张生成" if self.by == "batch" else "不在表格里")
        if self.by == "batch":
            return batch_label(group).striptags()
        if not group.created_at:
            return gettext("已经删除的表格")
        return group.name or gettext("没有名字的表格")


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """``spent`` has one entry per bucket; ``models`` and ``total`` cover the whole range; amounts in CNY.

    ``differing`` is how many charges of the range the service reported differently than ordered, and the
    records of the newest.
    """

    span: DateRange
    today: SpendTotals
    yesterday: SpendTotals
    month: SpendTotals
    in_all: SpendTotals
    spent: list[SpendTotals]
    total: SpendTotals
    models: dict[str, SpendTotals]
    groups: CostGroups
    batches: list[BatchSpend]
    differing: tuple[int, list[int]]
    failures: Mapping[str, int]
    unresolved: list[UnresolvedCharge]
    counts: UnresolvedCounts
    budgets: Mapping[BudgetScope, Budget]
    limit: Budget | None
    version: int


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


def parse_grouping(text: str) -> str:
    """What costs are grouped by: a name of GROUPED_BY, or ``column:`` and that of an own column.

    Raises InvalidRequest.
    """
    name = column_name(text.removeprefix(COLUMN)) if text.startswith(COLUMN) else ""
    if 0 < len(name) <= MAX_OWN_NAME_LENGTH and "\0" not in name:
        return COLUMN + name
    if text not in GROUPED_BY:
        raise InvalidRequest("by", "by 可选：{choices}", choices=(*GROUPED_BY, f"{COLUMN}SKU"))
    return text


def group_costs(db: database.Connection, span: DateRange, by: str, *, limit: int) -> CostGroups:
    """The charges of this range by what ``parse_grouping`` returned, read as one snapshot."""
    with database.read_transaction(db):
        (models,) = sql.spend_by_span(db, [span.low, span.high])
        if by == "model":
            groups, number = _by_model(models), len(models)
        else:
            groups, number = sql.spend_by_group(db, span.low, span.high, by, limit=limit)
    return CostGroups(by=by, groups=groups[:limit], number=number, total=_sum(models))


def _by_model(models: Mapping[str, SpendTotals]) -> list[SpendGroup]:
    spent = sorted(models.items(), key=lambda item: (-item[1].billed, item[0]))
    return [SpendGroup(key=model, spent=each) for model, each in spent]


def build_usage_report(
    db: database.Connection,
    span: DateRange,
    by: str = "model",
    *,
    models: Collection[str],
    budgets: Mapping[BudgetScope, Budget],
    limit: Budget | None,
) -> UsageReport:
    """Build the report of this range, inside a read transaction. ``models`` can be ordered from, ``limit`` is
    that of who asks."""
    days, month = days_around(date.today())
    cuts = sql.spend_by_span(db, span.bounds)
    spent_by_model: dict[str, SpendTotals] = {}
    for cut in cuts:
        for name, spent in cut.items():
            spent_by_model[name] = spent_by_model.get(name, SpendTotals()) + spent
    yesterday, today = (_sum(cut) for cut in sql.spend_by_span(db, days))
    return UsageReport(
        span=span,
        today=today,
        yesterday=yesterday,
        month=_sum(sql.spend_by_span(db, month)[0]),
        in_all=sql.total_spend(db),
        spent=[_sum(cut) for cut in cuts],
        total=_sum(spent_by_model),
        models={group.key: group.spent for group in _by_model(spent_by_model)},
        groups=group_costs(db, span, by, limit=GROUPS_SHOWN),
        batches=sql.spend_by_batch(db, span.low, span.high, limit=BATCHES_SHOWN),
        differing=sql.list_differing(db, span.low, span.high, limit=DIFFERING_SHOWN),
        failures=sql.count_failures(db, span.low, span.high),
        unresolved=database.list_unresolved(db, limit=UNRESOLVED_SHOWN),
        counts=database.count_unresolved(db, models=models),
        budgets=budgets,
        limit=limit,
        version=database.last_version(db),
    )


def _sum(spent: Mapping[str, SpendTotals]) -> SpendTotals:
    return sum(spent.values(), SpendTotals())
