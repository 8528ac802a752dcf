"""New batches of the rows of a call."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache, partial
from typing import Any

import database
from app.domain import (
    MAX_PICTURES_A_BATCH,
    MAX_ROWS_A_BATCH,
    Standing,
    StopRule,
    choose_sample,
    own_column_names,
)
from app.domain.samples import ONE_FIRST, choose_products, first_trial
from app.domain.tables import Row, Table, new_table, sent_words, typed_fields
from app.errors import Conflict, InvalidRequest, Message, message
from app.images.filenames import (
    TakenStems,
    archive_path,
    requested_stem,
    stem_from_prompt,
    unique_path,
)
from app.orders.place import Conditions, Order, Placed, place, plan_rows, preview
from app.orders.plan import OrderRow, PlannedRow, order_rows, total_price
from app.orders.read import AGAIN, SKIP, ParsedRow, RowErrors, today

Cells = Mapping[int, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """What applies to all rows of a batch.

    ``model``: the id of the model of the rows that name none; empty for the default. ``repeats``: whether
    rows that were bought are queued again; a row's own ``repeats`` takes precedence. ``sample``: how many
    rows are queued, the others being held; None for all. ``stop_rule``: when the batch pauses by itself; None
    for never. ``filled_on``: the date that ``{日期}`` stands for, by default today. ``unique_name``: whether
    a counter is added to a name that a batch has. ``products``: (product, category) by row number where a
    recipe made the rows, for a sample of products. ``previews``: only what it comes to is asked for.
    ``table_id``: the table whose rows these are; without it a table is made of them, unless they are single.
    """

    name: str = ""
    source: str = "batch"
    workbook_id: str | None = None
    repeats: str = AGAIN
    sample: int | None = None
    stop_rule: StopRule | None = None
    model: str = ""
    filled_on: str = ""
    unique_name: bool = False
    table_id: str = ""
    previews: bool = False
    products: Mapping[int, tuple[int, str]] = field(default_factory=dict)


SINGLE = BatchOptions(source="single")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBatch(Order):
    """Rows to queue as one batch; none when all their pictures are bought.

    ``read_rows`` returns them; ``new_table`` the table to make of them. Raises InvalidRequest for an unknown
    workbook.
    """

    read_rows: Callable[[], Sequence[OrderRow]]
    options: BatchOptions = field(default_factory=BatchOptions)
    new_table: Callable[[], tuple[Table, Sequence[Row]]] | None = None

    @property
    def table_id(self) -> str:
        """The table whose rows these are."""
        return self.new_table()[0].id if self.new_table else self.options.table_id

    def rows(self, seen: object) -> Sequence[OrderRow]:
        """What is ordered."""
        rows = self.read_rows()
        if self.new_table:
            self.new_table()  # may read a file
        return rows

    def hold(
        self, db: database.Connection, planned: Sequence[PlannedRow]
    ) -> tuple[Collection[int], Message | None]:
        """All rows to make but the sample, or but one whose model may not look at its references."""
        options, why = self.options, None
        ordered = [each for each in planned if each.numbers]
        requests = [each.row.request for each in ordered]
        made = partial(database.has_images_of_references, db, self.table_id)
        if self.table_id and (first := first_trial(requests, self.models, made)) is not None:
            tried, why = {first}, ONE_FIRST
        elif options.sample is None or not ordered:
            return (), None
        elif options.products:
            tried = choose_products([options.products[each.row.number] for each in ordered], options.sample)
        else:
            tried = choose_sample(requests, options.sample)
        return {each.row.number for index, each in enumerate(ordered) if index not in tried}, why

    def open(self, db: database.Connection, planned: Sequence[PlannedRow], warning: Message | None) -> str:
        """Insert the table and the batch."""
        options = self.options
        database.check_workbook(db, options.workbook_id)
        if self.new_table:
            database.add_table(db, *self.new_table(), self.person_id)
        ordered = [each for each in planned if each.numbers]
        if not ordered:
            return ""
        names = ("source", "workbook_id", "filled_on", "name")
        fields = {name: getattr(options, name) for name in names}
        prices = [each.price(self.models) for each in ordered]
        fields |= {
            "stop_after": options.stop_rule.to_json() if options.stop_rule else "",
            "total": sum(len(each.numbers) for each in ordered),
            "is_priced": None not in prices,
            "table_id": self.table_id or None,
            "person_id": self.person_id,
        }
        price = sum((each or Decimal(0) for each in prices), Decimal(0))
        batch_id = database.insert_batch(db, fields, price=price, unique_name=options.unique_name)
        if name := database.name_of_buyer(db, self.person_id):
            database.add_log(db, batch_id, "info", message("{name} 下的单，花费算在{name}名下", name=name))
        if warning:
            database.add_log(db, batch_id, "warning", warning)
        return batch_id


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
    skips, output_dir = options.repeats == SKIP, conditions.output_dir
    parsed: list[ParsedRow] = []

    @cache
    def read_rows() -> Sequence[OrderRow]:
        parsed[:] = read()
        problems = [(position, each) for position, row in enumerate(parsed, 1) for each in row.problems]
        if problems:
            raise RowErrors(problems, number=parsed[problems[0][0] - 1].number)
        requests = [row.request for row in parsed if row.request]
        pictures = sum(request.num_images for request in requests)
        if pictures > MAX_PICTURES_A_BATCH:
            text = "一个批次最多 {limit} 张，现在有 {n} 张"
            raise InvalidRequest("rows", text, limit=MAX_PICTURES_A_BATCH, n=pictures)
        if gone := {request.model for request in requests} - conditions.models.keys():
            # the default model is not used instead
            text = "{model} 的设置刚刚改了，现在用不了，请刷新页面后再下单"
            raise Conflict(text, model=min(gone))
        return order_rows(parsed, conditions.models, skips=skips, output_dir=output_dir)

    @cache
    def table() -> tuple[Table, Sequence[Row]]:
        fields = {"model": options.model, "workbook_id": options.workbook_id}
        made = new_table(options.name, today=options.filled_on, **fields)
        return table_of(parsed, read_rows(), made, cells())

    makes_table = options.source == "batch" and not options.table_id
    return (preview if options.previews else place)(
        conditions.db,
        NewBatch(
            models=conditions.models,
            person_id=conditions.person_id,
            key=key,
            require=conditions.require_models_of,
            is_taken=TakenStems(output_dir),
            read_rows=read_rows,
            options=options,
            new_table=table if makes_table else None,
        ),
    )


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
    reader, identify, models = conditions.reader, conditions.library.identify, conditions.models
    parsed = reader.read(rows, identify, date=today(), model=model, most=most)
    parsed = [replace(row, repeats=SKIP) for row in parsed if not row.is_empty]
    _, planned = plan_rows(conditions.db, order_rows(parsed, models, skips=True))
    fine = _without_problems(parsed, planned)
    pictures, new = sum(len(each.row.numbers) for each in fine), sum(len(each.numbers) for each in fine)
    total = {"pictures": pictures, "price": total_price(fine, models), "made": pictures - new, "new": new}
    found, paths = iter(planned), set[str]()
    answers = list[dict[str, Any]]()
    for row in parsed:
        request, each, path, name = row.request, None, "", ""
        if request:
            each = next(found)
            stem = requested_stem(request.filename) or stem_from_prompt(request.prompt)
            path = archive_path(request.filename, stem)
            name = unique_path(f"{path}.png", paths).removesuffix(".png")
        ordered = None if row.problems else each
        answers.append(
            {
                "row": row.number,
                "same_as": None if each is None or each.same_as is None else planned[each.same_as].row.number,
                **{known: [i for i in each.ids(known) if i > 0] if each else [] for known in Standing},
                "missing": len(ordered.numbers) if ordered else 0,
                "problems": [{"field": problem.field, "error": problem.message} for problem in row.problems],
                "prompt": request.prompt if request else "",
                "filename": name,
                "name_taken": name != path,
                "model": request.model if request else "",
                "price": ordered.price(models) if ordered else Decimal(0),
            }
        )
    return {"rows": answers, "total": total}


def _without_problems(parsed: Sequence[ParsedRow], planned: Sequence[PlannedRow]) -> list[PlannedRow]:
    readable = [row for row in parsed if row.request]
    return [each for row, each in zip(readable, planned, strict=True) if not row.problems]
