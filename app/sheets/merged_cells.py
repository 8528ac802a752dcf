"""Copies cells that are merged over several rows into each of these rows."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from app.errors import message
from app.sheets.cells import Problem, problem
from app.sheets.headers import FIELD_LABELS, Header
from app.sheets.table import Grid, Merge, SheetRow, UnreadableCell, display_text


def fill_merged(header: Header, grid: Grid) -> list[Problem]:
    """Copy a cell merged over several rows into each of them -> a note per cell filled.

    Rows with no other content are not in the grid: there the merge only makes the cell taller.
    """
    problems: list[Problem] = []
    numbers = [row.number for row in grid.rows]
    merges: dict[int, list[Merge]] = {}
    for merge in sorted(grid.merges, key=lambda one: one.first_row):
        if header.row < merge.first_row < merge.last_row:
            merges.setdefault(merge.first_column, []).append(merge)
    for name in FIELD_LABELS:
        filled = 0  # the last row of the merges so far; one that overlaps them is ignored
        for merge in merges.get(header.columns.get(name, 0), []):
            start = bisect_left(numbers, merge.first_row)
            if merge.first_row > filled and merge.first_row in numbers[start : start + 1]:
                rows = grid.rows[start : bisect_right(numbers, merge.last_row)]
                problems += _fill(name, merge, rows)
            filled = max(filled, merge.last_row)
    return problems


def fill_merged_own(header: Header, grid: Grid) -> None:
    """Copy merged cells of own columns, without notes; a merge that overlaps an earlier one is ignored."""
    numbers = [row.number for row in grid.rows]
    filled = dict.fromkeys(header.own, header.row)  # the last row of the merges so far, by column
    for merge in sorted(grid.merges, key=lambda one: one.first_row):
        column = merge.first_column
        if merge.first_row <= filled.get(column, merge.first_row):
            continue
        filled[column] = merge.last_row
        rows = grid.rows[bisect_left(numbers, merge.first_row) : bisect_right(numbers, merge.last_row)]
        if rows and rows[0].number == merge.first_row and column in rows[0].own:
            for row in rows[1:]:
                row.own.setdefault(column, rows[0].own[column])


def _fill(name: str, merge: Merge, rows: Sequence[SheetRow]) -> list[Problem]:
    column = merge.first_column
    value = rows[0].values.get(column)
    empty = [row for row in rows[1:] if column not in row.values]
    if value is None:
        return []
    for row in empty:
        row.values[column] = value
    if isinstance(value, UnreadableCell):  # reported in each row anyway
        return []
    error = message("这格属于合并单元格 {range}，已填入同样的内容", range=merge.name)
    return [problem(row.number, name, "", error, display_text(value)) for row in empty]
