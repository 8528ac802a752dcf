"""The usage report of the page and the API, read as one snapshot."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import database
from app.domain import Budget, BudgetScope
from app.domain.ledger import BatchSpend, SpendGroup, SpendTotals, UnresolvedCharge, UnresolvedCounts
from app.domain.row_extras import MAX_OWN_NAME_LENGTH, column_name
from app.errors import InvalidRequest
from app.usage import sql
from app.usage.date_range import DateRange, days_around
from app.usage.sql import COLUMN
from app.web.formatting import batch_label, model_label
from app.web.i18n import gettext

UNRESOLVED_SHOWN = 50
BATCHES_SHOWN = 12
DIFFERING_SHOWN = 20
GROUPS_SHOWN = 100
GROUPED_BY = {"model": "按模型", "batch": "按批次", "table": "按表格", "person": "按下单人"}


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
