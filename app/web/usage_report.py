"""The usage report of the page and the API, read as one snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import database
from app.domain import Budget, BudgetScope
from app.domain.ledger import BatchSpend, SpendTotals, UnresolvedCharge, UnresolvedCounts
from app.web.date_range import DateRange, days_around
from app.web.services import connection, services

UNRESOLVED_SHOWN = 50
BATCHES_SHOWN = 12
DIFFERING_SHOWN = 20


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
    batches: list[BatchSpend]
    differing: tuple[int, list[int]]
    failures: Mapping[str, int]
    unresolved: list[UnresolvedCharge]
    counts: UnresolvedCounts
    budgets: Mapping[BudgetScope, Budget]
    version: int


def build_usage_report(span: DateRange) -> Usage:
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
            models=dict(sorted(models.items(), key=lambda item: (-item[1].billed, item[0]))),
            batches=database.spend_by_batch(db, span.low, span.high, limit=BATCHES_SHOWN),
            differing=database.list_differing(db, span.low, span.high, limit=DIFFERING_SHOWN),
            failures=database.count_failures(db, span.low, span.high),
            unresolved=database.list_unresolved(db, limit=UNRESOLVED_SHOWN),
            counts=database.count_unresolved(db, models=services().models.ids),
            budgets=list_budgets(db),
            version=database.last_version(db),
        )


def list_budgets(db: database.Connection, batch_id: str | None = None) -> dict[BudgetScope, Budget]:
    """The budgets, BUDGET included, and what is spent of them."""
    return database.list_budgets(db, default=services().settings.budget, batch_id=batch_id)


def _sum(spent: Mapping[str, SpendTotals]) -> SpendTotals:
    return sum(spent.values(), SpendTotals())
