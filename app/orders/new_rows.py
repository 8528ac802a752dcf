"""The rows of a new order, and the table that is made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.domain import Models, own_column_names
from app.domain.tables import Row, Table, sent_words, typed_fields
from app.images.filenames import filename_for
from app.orders.plan import OrderRow
from app.orders.read import SKIP, ParsedRow

Cells = Mapping[int, Mapping[str, Any]]


def table_of(
    parsed: Sequence[ParsedRow], ordered: Sequence[OrderRow], table: Table, cells: Cells
) -> tuple[Table, list[Row]]:
    """(the table with the own columns and the model of these rows, its rows), checked when opened first.

    ``cells`` are those of its file by row number.
    """
    models = [row.request.model for row in parsed if row.request]
    table = replace(
        table,
        model=table.model or max(set(models), key=models.count, default=""),
        own_columns=own_column_names(row.extras.columns for row in parsed),
    )
    rows = []
    for index, (row, order) in enumerate(zip(parsed, ordered, strict=True), 1):
        assert row.request is not None  # an order has only rows that can be read
        fields = typed_fields(row.request, row.extras, table)
        rows.append(
            Row(
                id=-index,
                position=index,
                number=row.number,
                cells=cells.get(row.number, {}),
                fields=fields,
                columns=row.extras.columns,
                sent=sent_words(row.request, row.extras),
                filename=row.request.filename,
                num_images=row.request.num_images,
                is_seeded=order.request.seed is not None,
                fingerprint=order.fingerprint,
            )
        )
    return table, rows


def order_rows(
    parsed: Sequence[ParsedRow], models: Models, *, skips: bool, output_dir: Path | None = None
) -> list[OrderRow]:
    """The readable rows as an order takes them; a row's own ``repeats`` takes precedence over ``skips``.

    Without ``output_dir`` they have no file names.
    """
    rows = []
    for row in parsed:
        if row.request:
            request = models.accept(row.request)
            rows.append(
                OrderRow(
                    number=row.number,
                    request=request,
                    numbers=range(1, request.num_images + 1),
                    stem=filename_for(output_dir, request.filename, request.prompt) if output_dir else "",
                    extras=row.extras,
                    skips=skips if row.repeats is None else row.repeats == SKIP,
                )
            )
    return rows
