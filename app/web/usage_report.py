"""The usage report of the page and the API, read as one snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import database
from app.domain import Budget, BudgetScope
from app.domain.ledger import BatchSpend, SpendGroup, SpendTotals, UnresolvedCharge, UnresolvedCounts
from app.domain.row_extras import MAX_OWN_NAME_LENGTH, column_name
from app.errors import InvalidRequest
from app.web.date_range import DateRange, days_around
from app.web.formatting import batch_label, model_label
from app.web.i18n import gettext
from app.web.middleware.login import current_person
from app.web.services import connection, services

UNRESOLVED_SHOWN = 50
BATCHES_SHOWN = 12
DIFFERING_SHOWN = 20
GROUPS_SHOWN = 100
GROUPED_BY = {"model": "按模型", "batch": "按批次", "table": "按表格", "person": "按下单人"}
COLUMN = "column:"


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
class Usage:
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


def group_costs(span: DateRange, by: str, *, limit: int) -> CostGroups:
    """The charges of this range by what ``parse_grouping`` returned, read as one snapshot."""
    db = connection()
    with database.read_transaction(db):
        (models,) = database.spend_by_span(db, [span.low, span.high])
        if by == "model":
            groups, number = _by_model(models), len(models)
        else:
            groups, number = database.spend_by_group(db, span.low, span.high, by, limit=limit)
    return CostGroups(by=by, groups=groups[:limit], number=number, total=_sum(models))


def _by_model(models: Mapping[str, SpendTotals]) -> list[SpendGroup]:
    spent = sorted(models.items(), key=lambda item: (-item[1].billed, item[0]))
    return [SpendGroup(key=model, spent=each) for model, each in spent]


def build_usage_report(span: DateRange, by: str = "model") -> Usage:
    """Build the report of this range in one read transaction."""
    db = connection()
    days, month = days_around(date.today())
    with database.read_transaction(db):
        cuts = database.spend_by_span(db, span.bounds)
        models: dict[str, SpendTotals] = {}
        for cut in cuts:
            for name, spent in cut.items():
                models[name] = models.get(name, SpendTotals()) + spent
        yesterday, today = (_sum(cut) for cut in database.spend_by_span(db, days))
        return Usage(
            span=span,
            today=today,
            yesterday=yesterday,
            month=_sum(database.spend_by_span(db, month)[0]),
            in_all=database.total_spend(db),
            spent=[_sum(cut) for cut in cuts],
            total=_sum(models),
            models={group.key: group.spent for group in _by_model(models)},
            groups=group_costs(span, by, limit=GROUPS_SHOWN),
            batches=database.spend_by_batch(db, span.low, span.high, limit=BATCHES_SHOWN),
            differing=database.list_differing(db, span.low, span.high, limit=DIFFERING_SHOWN),
            failures=database.count_failures(db, span.low, span.high),
            unresolved=database.list_unresolved(db, limit=UNRESOLVED_SHOWN),
            counts=database.count_unresolved(db, models=services().models.ids),
            budgets=list_budgets(db),
            limit=limit_of_me(),
            version=database.last_version(db),
        )


def list_budgets(db: database.Connection, batch_id: str | None = None) -> dict[BudgetScope, Budget]:
    """The budgets, BUDGET included, and what is spent of them."""
    return database.list_budgets(db, default=services().settings.budget, batch_id=batch_id)


def limit_of_me() -> Budget | None:
    """The monthly limit of who makes this request."""
    person_id = current_person().id
    return next(iter(database.person_budget(connection(), person_id)), None) if person_id else None


def budgets_of_me(budgets: Mapping[BudgetScope, Budget]) -> list[Budget]:
    """What may refuse the next order of who makes this request, but that of a batch; the least left first."""
    shown = (budgets[BudgetScope.TOTAL], budgets[BudgetScope.MONTH], limit_of_me())
    return sorted((each for each in shown if each and each.left is not None), key=lambda each: each.left or 0)


def _sum(spent: Mapping[str, SpendTotals]) -> SpendTotals:
    return sum(spent.values(), SpendTotals())
