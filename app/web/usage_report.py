"""What the page and the API say of money, gathered at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import database
from app.config import Settings
from app.domain.ledger import BatchSpent, Doubt, DoubtCounts, Spent
from app.web.date_range import Span, days_around

DOUBTS_SHOWN = 50
BATCHES_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """``spent`` is one a cut of the span; ``models`` and ``total`` are of the whole span; money is CNY."""

    span: Span
    today: Spent
    yesterday: Spent
    month: Spent
    in_all: Spent
    spent: list[Spent]
    total: Spent
    models: dict[str, Spent]
    batches: list[BatchSpent]
    failures: Mapping[str, int]
    doubts: list[Doubt]
    counts: DoubtCounts
    budget: Decimal | None
    budget_left: Decimal | None
    version: int


def gather(db: database.Connection, span: Span, *, settings: Settings, model: str) -> Usage:
    """Everything for this span, as of one moment; ``model`` is the image model in use."""
    days, month = days_around(date.today())
    with database.snapshot(db):
        cuts = database.spent_by_span(db, span.bounds)
        models: dict[str, Spent] = {}
        for cut in cuts:
            for name, spent in cut.items():
                models[name] = models.get(name, Spent()) + spent
        yesterday, today = (_sum(cut) for cut in database.spent_by_span(db, days))
        left = None if settings.budget is None else max(settings.budget - database.committed(db), Decimal(0))
        return Usage(
            span=span,
            today=today,
            yesterday=yesterday,
            month=_sum(database.spent_by_span(db, month)[0]),
            in_all=database.spent_in_all(db),
            spent=[_sum(cut) for cut in cuts],
            total=_sum(models),
            models=dict(sorted(models.items(), key=lambda item: (-item[1].billed, item[0]))),
            batches=database.spent_by_batch(db, span.low, span.high, limit=BATCHES_SHOWN),
            failures=database.count_failures(db, span.low, span.high),
            doubts=database.list_doubts(db, limit=DOUBTS_SHOWN),
            counts=database.count_doubts(db, model=model),
            budget=settings.budget,
            budget_left=left,
            version=database.last_version(db),
        )


def _sum(spent: Mapping[str, Spent]) -> Spent:
    return sum(spent.values(), Spent())
