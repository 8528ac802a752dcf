"""New batches of the rows of a call."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any

import database
from app.domain import (
    MAX_PICTURES_A_BATCH,
    MAX_ROWS_A_BATCH,
    Standing,
    own_column_names,
)
from app.domain.tables import Row, Table, new_table, sent_words, typed_fields
from app.errors import Conflict, InvalidRequest
from app.images.filenames import (
    TakenStems,
    archive_path,
    requested_stem,
    stem_from_prompt,
    unique_path,
)
from app.orders.doors import NewBatch
from app.orders.place import BatchOptions, Conditions, Placed, place, plan_rows, preview
from app.orders.plan import OrderRow, order_rows, total_price
from app.orders.read import SKIP, ParsedRow, RowErrors, today

Cells = Mapping[int, Mapping[str, Any]]


def submit_rows(
    conditions: Conditions,
    rows: Sequence[Any],
    options: BatchOptions,
    *,
    key: database.RequestKey | None = None,
    cells: Callable[[], Cells] = dict,
) -> Placed:
    """Fill and validate all rows, then queue them. Raises RowErrors with nothing queued.

    A ``key`` that was used before returns the batch it created, whatever its state. ``cells`` are those of
    the file that the rows came from, by row number.
    """
    options = replace(options, filled_on=options.filled_on or today())

    def read() -> list[ParsedRow]:
        fix = conditions.library.pin
        return conditions.reader.read(rows, fix, date=options.filled_on, model=options.model)

    return submit_parsed(conditions, read, options, key=key, cells=cells)


def submit_parsed(
    conditions: Conditions,
    read: Callable[[], Sequence[ParsedRow]],
    options: BatchOptions,
    *,
    key: database.RequestKey | None,
    cells: Callable[[], Cells] = dict,
) -> Placed:
    """Queue rows that ``read`` returns, or preview that. Raises RowErrors with nothing queued."""
    rows = _Rows(conditions=conditions, read=read, options=options, cells=cells)
    makes_table = options.source == "batch" and not options.table_id
    return (preview if options.previews else place)(
        conditions.db,
        NewBatch(
            models=conditions.models,
            person_id=conditions.person_id,
            key=key,
            require=conditions.require_models_of,
            is_taken=TakenStems(conditions.output_dir),
            read_rows=lambda: rows.ordered,
            options=options,
            new_table=(lambda: rows.table) if makes_table else None,
        ),
    )


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """The rows of a call, read when they are asked for, as a used key needs none, and then kept: ``place``
    asks for them twice where what it planned with changes meanwhile."""

    conditions: Conditions
    read: Callable[[], Sequence[ParsedRow]]
    options: BatchOptions
    cells: Callable[[], Cells]

    @cached_property
    def parsed(self) -> Sequence[ParsedRow]:
        """Raises RowErrors, InvalidRequest and Conflict."""
        parsed = self.read()
        problems = [(position, each) for position, row in enumerate(parsed, 1) for each in row.problems]
        if problems:
            raise RowErrors(problems, number=parsed[problems[0][0] - 1].number)
        requests = [row.request for row in parsed if row.request]
        pictures = sum(request.num_images for request in requests)
        if pictures > MAX_PICTURES_A_BATCH:
            text = "一个批次最多 {limit} 张，现在有 {n} 张"
            raise InvalidRequest("rows", text, limit=MAX_PICTURES_A_BATCH, n=pictures)
        if gone := {request.model for request in requests} - self.conditions.models.keys():
            # the default model is not used instead
            text = "{model} 的设置刚刚改了，现在用不了，请刷新页面后再下单"
            raise Conflict(text, model=min(gone))
        return parsed

    @cached_property
    def ordered(self) -> Sequence[OrderRow]:
        """The rows as an order takes them."""
        skips, output_dir = self.options.repeats == SKIP, self.conditions.output_dir
        return order_rows(self.parsed, self.conditions.models, skips=skips, output_dir=output_dir)

    @cached_property
    def table(self) -> tuple[Table, Sequence[Row]]:
        """The table to make of them; may read a file."""
        fields = {"model": self.options.model, "workbook_id": self.options.workbook_id}
        made = new_table(self.options.name, today=self.options.filled_on, **fields)
        return table_of(self.parsed, self.ordered, made, self.cells())


def table_of(
    parsed: Sequence[ParsedRow], ordered: Sequence[OrderRow], table: Table, cells: Cells
) -> tuple[Table, list[Row]]:
    """(the table with the own columns and the model of these rows, its rows), checked when opened first.

    ``cells`` are those of its file by row number.
    """
    models = [order.request.model for order in ordered]
    table = replace(
        table,
        model=table.model or max(set(models), key=models.count, default=""),
        own_columns=own_column_names(row.extras.columns for row in parsed),
    )
    rows = []
    for index, (row, order) in enumerate(zip(parsed, ordered, strict=True), 1):
        assert row.request is not None  # an order has only rows that can be read
        fields = typed_fields(row.request, row.extras, row.number, table)
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


def check_rows(
    conditions: Conditions,
    rows: Sequence[Any],
    *,
    model: str,
    most: int = MAX_ROWS_A_BATCH,
) -> dict[str, Any]:
    """What submitting these rows with ``repeats: skip`` would order, as JSON. Empty rows are ignored.

    ``model`` is that of the rows that name none, ``most`` how many there may be. Of each row: what is known
    of it, what is missing, and its problems; one with problems is not ordered. ``filename`` is the path of
    its pictures in a ZIP, without number and extension; ``name_taken``: it has a counter, since an earlier
    row has the same.
    """
    parsed = conditions.reader.read(rows, conditions.library.identify, date=today(), model=model, most=most)
    parsed = [replace(row, repeats=None) for row in parsed if not row.is_empty]
    models = conditions.models
    planned = plan_rows(conditions.db, order_rows(parsed, models, skips=True), models)[1].rows
    readable = (row for row in parsed if row.request)
    fine = [each for row, each in zip(readable, planned, strict=True) if not row.problems]
    pictures, new = sum(len(each.row.numbers) for each in fine), sum(len(each.numbers) for each in fine)
    total = {
        "pictures": pictures,
        "price": total_price([each.price for each in fine]),
        "made": pictures - new,
        "new": new,
    }
    found, paths = iter(planned), set[str]()
    answers = list[dict[str, Any]]()
    for row in parsed:
        request, each, path, name = row.request, None, "", ""
        if request:
            each = next(found)
            stem = requested_stem(request.filename) or stem_from_prompt(request.prompt)
            path = archive_path(request.filename, stem)
            name = unique_path(f"{path}.png", paths).removesuffix(".png")
        made = None if row.problems else each
        answers.append(
            {
                "row": row.number,
                "same_as": None if each is None or each.same_as is None else planned[each.same_as].row.number,
                **{known: [i for i in each.ids(known) if i > 0] if each else [] for known in Standing},
                "missing": len(made.numbers) if made else 0,
                "problems": [{"field": problem.field, "error": problem.message} for problem in row.problems],
                "prompt": request.prompt if request else "",
                "filename": name,
                "name_taken": name != path,
                "model": request.model if request else "",
                "price": made.price if made else Decimal(0),
            }
        )
    return {"rows": answers, "total": total}
