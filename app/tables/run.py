"""Runs: an order over rows of a table."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

import database
from app.domain import MAX_ROWS_A_BATCH, Models, ModelSpec
from app.domain.batches import ONE_FIRST
from app.domain.tables import Row, Table
from app.errors import InvalidRequest, NotFound
from app.orders.batches import submit_parsed
from app.orders.place import BatchOptions, Conditions, Placed
from app.orders.read import AGAIN, PAID, SKIP, ParsedRow
from app.tables.check import order_positions, read_rows
from app.tables.recipes import products_of
from app.tables.states import RowState, missing_pictures, state_of, view_of

_UNSUCCESSFUL = (RowState.FAILED, RowState.REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChoices:
    """What a run asks of its rows beside what they say.

    again       the ids of rows that are made although there are pictures of them
    pictures    how many of each; None: as many as the row says
    spec        the model that makes all of them; None: that of each row
    resolution  of all of them, with ``spec``; empty: that of each row
    """

    again: Collection[int] = ()
    pictures: int | None = None
    spec: ModelSpec | None = None
    resolution: str = ""


def run_table(
    conditions: Conditions,
    table: Table,
    ids: Sequence[int] | None,
    options: BatchOptions,
    *,
    choices: RunChoices = RunChoices(),
    key: database.RequestKey | None = None,
) -> Placed:
    """Order the pictures of these rows of a table, or of all, which are read anew. A used ``key`` orders
    nothing. What was charged without a picture is made once more only of rows that are named.

    ``options`` need not say what the table has. The pictures of another model are earlier versions of their
    rows, which ask for their own model as before. Raises RowErrors with nothing ordered, NotFound for a row
    that is gone, InvalidRequest when there is too much to make.
    """
    options = replace(
        options,
        name=table.name,
        workbook_id=table.workbook_id,
        model=table.model,
        filled_on=table.filled_on,
        table_id=table.id,
        products=products_of(conditions.db, table),
    )

    fix = conditions.library.identify if options.previews else conditions.library.pin

    def read_anew() -> list[ParsedRow]:
        only_missing = options.repeats == SKIP and not choices.spec
        rows = _rows_to_run(conditions.db, table, ids, choices.again, only_missing=only_missing)
        named = [row for row in rows if row.id in (ids or ())] if only_missing else []
        states = {view.row.number: view.state for view in view_of(conditions.db, named, {})}
        positions = order_positions(conditions.db, table.id)
        read = read_rows(conditions.reader, fix, table, rows, positions)
        again = {row.number for row in rows if row.id in choices.again}
        for index, row in enumerate(read):
            request, repeats = row.request, AGAIN if row.number in again else row.repeats
            if repeats is None and states.get(row.number) is RowState.PAID:
                repeats = PAID
            if request and choices.pictures:
                request = replace(request, num_images=choices.pictures)
            read[index] = replace(row, request=request, repeats=repeats)
        if choices.spec is None:
            return read
        chosen = conditions.reader.for_model(read, choices.spec, choices.resolution, fix)
        # What is held is compared with what its rows ask for.
        requests = [row.request for row in chosen if row.request]
        made = partial(database.has_images_of_references, conditions.db, table.id)
        if Models([choices.spec]).first_trial(requests, made) is not None:
            raise InvalidRequest("rows", "{problem}。请先选一行来做", problem=ONE_FIRST)
        return chosen

    return submit_parsed(conditions, read_anew, options, key=key)


def _rows_to_run(
    db: database.Connection,
    table: Table,
    ids: Sequence[int] | None,
    again: Collection[int],
    *,
    only_missing: bool,
) -> list[Row]:
    """The rows to order and those of ``again``; of all, where ``only_missing``, those that lack pictures but
    were not refused and did not fail."""
    rows = database.read_rows(db, table.id, None if ids is None else [*dict.fromkeys([*ids, *again])])
    known = {row.id for row in rows if not row.removed_at}
    if not known.issuperset([*(ids or ()), *again]):
        raise NotFound("有的行不在这个表格里，或已经被删掉了，请刷新页面再开始")
    rows = [row for row in rows if not row.is_empty and not row.removed_at]
    if ids is None and only_missing:
        linked = database.linked_pictures(db, [row.id for row in rows])
        failed = {row.fingerprint for row in rows if state_of(row, linked.get(row.id, ())) in _UNSUCCESSFUL}
        rows = [
            row
            for row in rows
            if row.id in again
            or not row.fingerprint
            or (row.fingerprint not in failed and missing_pictures(row, linked.get(row.id, ())))
        ]
    if len(rows) > MAX_ROWS_A_BATCH:
        text = "一次最多开始 {limit} 行，现在有 {n} 行，请选出一部分行再开始"
        raise InvalidRequest("rows", text, limit=MAX_ROWS_A_BATCH, n=len(rows))
    return rows
