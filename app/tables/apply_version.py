"""Makes a file the newest version of a table, with the choices of pictures in it, in one change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import database
from app import sheets
from app.domain import READERS, Pick, own_column_names
from app.errors import InvalidRequest
from app.tables.check import Checker
from app.tables.edit import TableEdit, check_number_of_columns
from app.tables.operations import Changed, change_table
from app.tables.recipes import recipe_of, write_recipe
from app.tables.versions import Line, Version, as_new, compare


def apply_version(
    db: database.Connection,
    table_id: str,
    found: sheets.Import,
    *,
    named_batch: str,
    workbook_id: str,
    checker: Checker,
    is_new: bool = False,
    person_id: int | None = None,
) -> tuple[Version, Changed, Mapping[int, int]]:
    """Make a file the newest version of a table, and the choices in it those of the pictures, in one change.

    A row that is not in the file is marked as gone and kept. With ``is_new`` each line is a new row after
    the others. -> (the version, the change, the numbers of the rows by line). Raises InvalidRequest with the
    line.
    """
    applied: list[tuple[Version, Mapping[int, int]]] = []

    def change(edit: TableEdit) -> None:
        if is_new:
            version = as_new(edit.table, found)
        else:
            version = compare(edit.db, table_id, found, named_batch=named_batch)
        edit.noted = {"import": True}
        edit.picks = dict(_picks(found, version))
        applied.append((version, _write(edit, version, found, workbook_id, is_new=is_new)))

    changed = change_table(db, table_id, change, checker=checker, person_id=person_id)
    return applied[-1][0], changed, applied[-1][1]


def _picks(found: sheets.Import, version: Version) -> dict[int, Pick]:
    """The choices that the file makes, by record."""
    picks: dict[int, Pick] = {}
    numbers = {line.number: line.row.number for line in version.lines if line.row}
    for mark in found.marks:
        results = version.results.get(mark.row if found.of_results else numbers.get(mark.row, 0), ())
        made = [record for record in results if record.filename]
        place = mark.picture or 1
        of_number = [record for record in made if record.picture_number == place]
        chosen = of_number[-1:] if found.of_results else made[place - 1 : place]
        picks |= {record.id: mark.pick for record in chosen}
    return picks


def _write(
    edit: TableEdit, version: Version, found: sheets.Import, workbook_id: str, *, is_new: bool
) -> Mapping[int, int]:
    """Change the rows -> their numbers by line."""
    names = [*edit.table.own_columns, *own_column_names(row.columns for row in found.rows)]
    names = list(dict.fromkeys(names))
    check_number_of_columns(names)
    edit.table = replace(edit.table, own_columns=tuple(names))
    rows = [*(line.row for line in version.lines if line.row), *version.gone]
    rows_of = {  # with the others of its product
        row.id: [*dict.fromkeys([row.id, *(edit.rows_of_product(row.product) if row.product else ())])]
        for row in rows
    }
    edit.load([row_id for ids in rows_of.values() for row_id in ids], removed=True)
    for line in version.lines:
        if line.row and line.values:
            values = line.values
            if line.row.product and not found.of_results:  # what its roles ask for is in the cells
                values = {name: value for name, value in values.items() if name not in READERS}
            with _named_line(line.number):
                edit.set(line.row.id, values)
    ids = dict(_added(edit, version.lines, after=None if is_new else 0))
    row_of = {line.number: line.row.id if line.row else ids[line.number] for line in version.lines}
    there = {line: edit.rows[row_id] for line, row_id in row_of.items()}
    numbers = {line: row.product or row.number for line, row in there.items()}
    if found.of_results:
        return numbers
    if not (is_new and edit.table.workbook_id):
        edit.table = replace(edit.table, workbook_id=workbook_id)
    for line in version.lines:
        first = row_of[line.number]
        for row_id in rows_of.get(first, [first]):
            edit.rows[row_id] = replace(edit.rows[row_id], cells=line.cells, is_gone=False)
    for row in version.gone:
        for row_id in rows_of[row.id]:
            edit.rows[row_id] = replace(edit.rows[row_id], is_gone=True)
    if recipe := recipe_of(edit.table):
        write_recipe(edit, recipe)
    return numbers


def _added(edit: TableEdit, lines: Sequence[Line], *, after: int | None) -> Iterator[tuple[int, int]]:
    """Add the new lines, each after the one above it, the first ones after this row -> (line, id)."""
    new: list[Line] = []
    for line in (*lines, None):
        if line and line.row is None:
            new.append(line)
            continue
        if new:
            with _named_line(new[0].number):
                written = [{**each.cells, "columns": each.columns} for each in new]
                yield from zip((each.number for each in new), edit.add(written, after), strict=True)
            new = []
        after = line.row.id if line and line.row else after


@contextmanager
def _named_line(number: int) -> Iterator[None]:
    """Says the line of the file that a problem is in."""
    try:
        yield
    except InvalidRequest as problem:
        text = "第 {number} 行：{problem}"
        raise InvalidRequest(problem.field, text, number=number, problem=problem.message) from problem
