"""Runs: an order over rows of a table."""

from collections.abc import Sequence
from dataclasses import replace

import database
from app.domain import MAX_ROWS_A_BATCH
from app.domain.tables import Row, Table
from app.errors import InvalidRequest, NotFound
from app.orders.batches import BatchOptions, submit_parsed
from app.orders.conditions import Conditions
from app.orders.place import Placed
from app.orders.read import SKIP, ParsedRow
from app.tables.check import order_positions, read_rows
from app.tables.states import missing_pictures


def run_table(
    conditions: Conditions,
    table: Table,
    ids: Sequence[int] | None,
    options: BatchOptions,
    *,
    key: database.RequestKey | None = None,
) -> Placed:
    """Order the pictures of these rows of a table, or of all, which are read anew. A used ``key`` orders
    nothing.

    ``options`` need not say what the table has. Raises RowErrors with nothing ordered, NotFound for a row
    that is gone, InvalidRequest when there is nothing to make or too much.
    """
    options = replace(
        options,
        name=table.name,
        workbook_id=table.workbook_id,
        model=table.model,
        prefix=table.prefix,
        suffix=table.suffix,
        filled_on=table.filled_on,
        table_id=table.id,
    )

    def read() -> list[ParsedRow]:
        rows = _rows_to_run(conditions.db, table, ids, skips=options.repeats == SKIP)
        positions = order_positions(conditions.db, table.id)
        return read_rows(conditions.reader, conditions.library.pin, table, rows, positions)

    return submit_parsed(conditions, read, options, key=key)


def _rows_to_run(
    db: database.Connection, table: Table, ids: Sequence[int] | None, *, skips: bool
) -> list[Row]:
    """The rows to order; of all rows, where ``skips``, only those that lack pictures of their own."""
    rows = database.read_rows(db, table.id, ids)
    if ids is not None and (len(rows) < len(set(ids)) or any(row.removed_at for row in rows)):
        raise NotFound("有的行不在这个表格里，或已经被删掉了，请刷新页面再开始")
    rows = [row for row in rows if not row.is_empty]
    if ids is None and skips:
        linked = database.linked_pictures(db, [row.id for row in rows])
        rows = [row for row in rows if not row.fingerprint or missing_pictures(row, linked.get(row.id, ()))]
    if not rows:
        raise InvalidRequest("rows", "没有要做的行：都做好了，或是空的")
    if len(rows) > MAX_ROWS_A_BATCH:
        text = "一个批次最多 {limit} 行，现在有 {n} 行"
        raise InvalidRequest("rows", text, limit=MAX_ROWS_A_BATCH, n=len(rows))
    return rows
