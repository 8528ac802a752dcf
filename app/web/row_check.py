"""Says which rows were bought before, and what is missing of them; changes nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import database
from app.domain import Models, RowPlan, Standing, fingerprint
from app.images.filenames import archive_path, requested_stem, stem_from_prompt, unique_path
from app.orders.read import ParsedRow, today
from app.web.services import connection, services
from app.web.submit import row_reader

_NOTHING = RowPlan(fingerprint="", numbers=(), known=(), same_as=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRow:
    """A row, and what ``repeats: skip`` orders for it; a row with problems is not ordered.

    ``filename`` is the path of its pictures in a ZIP, without number and extension; ``name_taken``: it has
    a counter, since an earlier row has the same.
    """

    row: ParsedRow
    plan: RowPlan
    same_as: int | None
    filename: str
    name_taken: bool

    @property
    def missing(self) -> int:
        """The number of pictures to order."""
        return 0 if self.row.problems else len(self.plan.numbers)

    @property
    def wanted(self) -> int:
        """The number of pictures that the row asks for."""
        return self.row.request.num_images if self.row.request and not self.row.problems else 0

    def price(self, models: Models) -> Decimal | None:
        """CNY for the missing pictures; None if the price is unknown."""
        if not (self.missing and self.row.request):
            return Decimal(0)
        price = models.price(self.row.request)
        return None if price is None else price * self.missing


def check_rows(rows: Sequence[Any], *, model: str, prefix: str = "", suffix: str = "") -> dict[str, Any]:
    """What submitting these rows with ``repeats: skip`` would order, as JSON. Empty rows are ignored.

    ``model`` is that of the rows that name none.
    """
    affixes = {"prefix": prefix, "suffix": suffix}
    parsed = row_reader().read(rows, services().library.identify, date=today(), model=model, **affixes)
    parsed = [row for row in parsed if not row.is_empty]
    models = services().models
    checked = checked_rows(parsed, models)
    return {"rows": [_row_json(row, models) for row in checked], "total": total_json(checked, models)}


def checked_rows(parsed: Sequence[ParsedRow], models: Models, *, skips: bool = True) -> list[CheckedRow]:
    """What ordering these rows would order: only missing pictures where ``skips``, else all of them."""
    readable = [row for row in parsed if row.request]
    requests = [models.accept(row.request) for row in readable if row.request]
    prints = [fingerprint(request) for request in requests]
    database.complete_fingerprints(connection())
    plans = database.plan_submission(connection(), requests, prints, [skips] * len(prints))
    paths: set[str] = set()
    found = {}
    for row, request, plan in zip(readable, requests, plans, strict=True):
        stem = requested_stem(request.filename) or stem_from_prompt(request.prompt)
        path = archive_path(request.filename, stem)
        unique = unique_path(f"{path}.png", paths).removesuffix(".png")
        found[id(row)] = plan, unique, unique != path
    checked = []
    for row in parsed:
        plan, filename, name_taken = found.get(id(row), (_NOTHING, "", False))
        same_as = None if plan.same_as is None else readable[plan.same_as].number
        checked.append(
            CheckedRow(row=row, plan=plan, same_as=same_as, filename=filename, name_taken=name_taken)
        )
    return checked


def _row_json(checked: CheckedRow, models: Models) -> dict[str, Any]:
    row, request = checked.row, checked.row.request
    return {
        "row": row.number,
        **{standing: recorded(checked.plan.ids(standing)) for standing in Standing},
        "missing": checked.missing,
        "same_as": checked.same_as,
        "problems": [{"field": problem.field, "error": problem.message} for problem in row.problems],
        "prompt": request.prompt if request else "",
        "filename": checked.filename,
        "name_taken": checked.name_taken,
        "model": request.model if request else "",
        "price": checked.price(models),
    }


def recorded(ids: Iterable[int]) -> list[int]:
    """Without those that would be ordered for an earlier row of the table."""
    return [record_id for record_id in ids if record_id > 0]


def total_json(checked: Sequence[CheckedRow], models: Models) -> dict[str, Any]:
    """Pictures asked for: of these, made or otherwise bought, and new, with the price of the new ones."""
    pictures, new = sum(row.wanted for row in checked), sum(row.missing for row in checked)
    prices = [row.price(models) for row in checked]
    known = [price for price in prices if price is not None]
    price = sum(known, Decimal(0)) if len(known) == len(prices) else None
    return {"pictures": pictures, "price": price, "made": pictures - new, "new": new}
