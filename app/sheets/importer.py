"""An uploaded file -> rows to review, with every correction and error by cell."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice
from typing import Any

from app.domain import MAX_OWN_COLUMNS, TEXT_TEMPLATES, ImageRequest, ModelSpec, Pick, Status, fill_rows
from app.errors import Message, SpreadsheetError, Translate
from app.sheets.cells import TEXT_FIELDS, Problem, problem
from app.sheets.file_types import open_sheets
from app.sheets.header_synonyms import SHEET_COLUMN
from app.sheets.headers import Header, pick_named
from app.sheets.import_notes import grid_notes, model_notes, size_notes, unfinished_notes
from app.sheets.merged_cells import fill_merged, fill_merged_own
from app.sheets.non_data_rows import drop_empty_rows
from app.sheets.option_columns import take_options
from app.sheets.row_reader import ImportedRow, SheetRowReader
from app.sheets.sheet_choice import Offered, choose_sheets, list_offered, no_rows
from app.sheets.table import ExcelTime, FormattedNumber, Grid, SheetRow, UnreadableCell, Value, display_text

_AS_DISPLAYED = (*TEXT_FIELDS, "aspect_ratio", "resolution")
_TOO_WIDE = "这一行的格数比表头多，可能是文字里的逗号被当成了分隔，请核对这一行，或改用 .xlsx"


@dataclass(frozen=True, slots=True, kw_only=True)
class PickMark:
    """What the file says of a picture: ``picture`` counts those of the row from 1; None: it has one mark."""

    row: int
    picture: int | None
    pick: Pick


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSheet:
    """A sheet that was read: its rows are numbered on from ``before``, the last row of the sheet before."""

    name: str
    header_row: int
    before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """The result of an import: rows, problems by cell, and notes that concern no single cell.

    ``offered`` are the sheets that have rows, with their number; ``read`` those that were read. The ``row``
    of a mark is as in the batch that the results are of.
    """

    read: tuple[ReadSheet, ...]
    of_results: bool
    rows: tuple[ImportedRow, ...]
    problems: tuple[Problem, ...]
    notes: tuple[Message, ...]
    offered: tuple[tuple[str, int], ...] = ()
    marks: tuple[PickMark, ...] = ()

    def as_json(self, translate: Translate = str) -> dict[str, Any]:
        """The JSON form used by the API."""
        return {
            "sheet": self.read[0].name,
            "sheets": [{"name": name, "rows": count} for name, count in self.offered],
            "rows": [{**row.as_json(), "columns": row.columns} for row in self.rows],
            "problems": [found.as_json(translate) for found in self.problems],
            "notes": list(map(translate, self.notes)),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _SheetImport:
    """What was read of one sheet."""

    rows: Sequence[ImportedRow]
    problems: Sequence[Problem]
    notes: Sequence[Message]
    marks: Sequence[PickMark]
    model_of: Callable[[Mapping[str, Any]], ModelSpec | None]


def read_workbook(
    content: bytes,
    filename: str,
    *,
    sheets: Collection[str] = (),
    find_model: Callable[[str], ModelSpec] | None = None,
    is_known: Callable[[str], bool] = lambda name: False,
    date: str = "",
    needs_prompt: bool = True,
) -> Import:
    """An uploaded workbook or delimited text -> Import; ``filename`` only improves error messages.

    ``sheets`` are those to read, by default the active one, else the first that has rows. Of several the rows
    of each are numbered on from those before, and its name is the own column 「工作表」. Without
    ``needs_prompt`` a sheet may be of products, which a recipe makes rows of.
    ``is_known`` returns whether the library has a reference image of that name; called only for names with
    a 、. ``find_model`` returns the model to validate a row against, by what its cell says: "" for that of
    the whole table; it raises InvalidRequest for an unknown one. ``date`` is that of ``{日期}``. Raises
    SpreadsheetError or TooLarge when the file has no table, is damaged or hostile, or has too many rows.
    """
    offered, notes = list_offered(
        open_sheets(content, filename), is_choice=not sheets, needs_prompt=needs_prompt
    )
    chosen = choose_sheets(offered, sheets)
    header = chosen[0].header
    if (count := sum(len(each.grid.rows) + each.grid.dropped for each in chosen)) > header.max_rows:
        text = "表格有 {count} 行，一次最多 {limit} 行，请分成几个文件导入"
        raise SpreadsheetError(text, count=count, limit=header.max_rows)
    counts = tuple((each.sheet.name, len(each.grid.rows) + each.grid.dropped) for each in offered)
    parts = [_read_sheet(each, find_model, is_known) for each in chosen]
    ends = [0, *accumulate(max((row.number for row in part.rows), default=0) for part in parts)]
    if len(parts) > 1:
        parts = [
            _numbered_on(*each) for each in zip(parts, [one.sheet.name for one in chosen], ends, strict=False)
        ]
    rows, errors = _fill_variables([row for part in parts for row in part.rows], date)
    problems = [*(one for part in parts for one in part.problems), *errors]
    notes += [note for part in parts for note in part.notes]
    notes += size_notes([(row.status, row.fields["num_images"]) for row in rows])
    notes += unfinished_notes([row.status for row in rows])
    notes += model_notes([(spec, row.fields) for row in rows if (spec := parts[0].model_of(row.fields))])
    return Import(
        read=tuple(
            ReadSheet(name=each.sheet.name, header_row=each.header.row, before=before)
            for each, before in zip(chosen, ends, strict=False)
        ),
        of_results=header.of_results,
        rows=tuple(rows),
        problems=tuple(sorted(problems, key=lambda one: one.row)),
        notes=tuple(note for place, note in enumerate(notes) if note not in notes[:place]),
        offered=counts,
        marks=tuple(mark for part in parts for mark in part.marks),
    )


def _read_sheet(
    offered: Offered, find_model: Callable[[str], ModelSpec] | None, is_known: Callable[[str], bool]
) -> _SheetImport:
    header, grid = offered.header, offered.grid
    header, kept = take_options(header, grid)
    _display_numbers(header, grid)
    problems = fill_merged(header, grid)
    fill_merged_own(header, grid)
    _join_references(header, grid)
    notes = [*offered.notes, *header.notes, *kept, *drop_empty_rows(header, grid), *grid_notes(header, grid)]
    if not grid.rows:
        raise no_rows(offered.sheet, header)
    reader = SheetRowReader(header, dict(islice(header.own.items(), MAX_OWN_COLUMNS)), find_model, is_known)
    rows = [reader.read(row) for row in grid.rows]
    remaining = {row.number for row in grid.rows}
    problems = [one for one in problems if one.row in remaining]
    problems += [problem(number, "prompt", "", _TOO_WIDE) for number in grid.rows_too_wide]
    problems += reader.problems
    row_numbers = [
        row.values.get(header.columns["row_number"]) if header.of_results else None for row in grid.rows
    ]
    marks = [
        mark
        for row, origin in zip(grid.rows, row_numbers, strict=True)
        for mark in _marks(row, header, origin)
    ]
    if header.of_results:
        rows = _join_pictures(rows, row_numbers)
    notes += reader.notes()
    return _SheetImport(rows=rows, problems=problems, notes=notes, marks=marks, model_of=reader.model_of)


def _marks(row: SheetRow, header: Header, origin: Value | None) -> Iterator[PickMark]:
    """The marks of a line: one a picture, or of a row in the user's own workbook one a picture and line."""
    lines = display_text(row.own.get(header.pick or 0, "")).split("\n")
    number = display_text(row.own.get(header.picture or 0, ""))
    of_row = row.number if origin is None else int(display_text(origin)) if str(origin).isdecimal() else None
    for place, line in enumerate(lines, 1):
        if (found := pick_named(line)) and of_row is not None:
            which = place if len(lines) > 1 else int(number) if number.isdecimal() else None
            yield PickMark(row=of_row, picture=which, pick=found)


def _numbered_on(part: _SheetImport, name: str, last: int) -> _SheetImport:
    """The part with its rows numbered on from ``last``, and with the name of its sheet."""
    rows = [
        replace(row, number=row.number + last, columns={SHEET_COLUMN: name, **row.columns})
        for row in part.rows
    ]
    problems = [replace(one, row=one.row + last) for one in part.problems]
    marks = [replace(mark, row=mark.row + last) for mark in part.marks]
    return replace(part, rows=rows, problems=problems, marks=marks)


def _display_numbers(header: Header, grid: Grid) -> None:
    """Replace numbers in text columns by their displayed text; remove those displayed as empty."""
    for name in _AS_DISPLAYED:
        column = header.columns.get(name, 0)
        for row in grid.rows:
            value = row.values.get(column)
            if isinstance(value, FormattedNumber):
                if value.text:
                    row.values[column] = value.text
                elif name in TEXT_FIELDS:
                    del row.values[column]


def _join_references(header: Header, grid: Grid) -> None:
    """Join the names of several columns into the first; an unreadable value is left there to be reported."""
    if not header.extra_columns:
        return
    first = header.columns["references"]
    for row in grid.rows:
        found = [row.values[column] for column in (first, *header.extra_columns) if column in row.values]
        bad = [value for value in found if isinstance(value, ExcelTime | UnreadableCell)]
        if found:
            row.values[first] = bad[0] if bad else "；".join(map(display_text, found))


def _join_pictures(lines: Sequence[ImportedRow], row_numbers: Sequence[Value | None]) -> list[ImportedRow]:
    """Lines of a results workbook, one per picture -> rows, grouped by row, status and fields, with counts.

    A row with two finished pictures and one failed becomes two rows: 2 done, 1 to do. A line without a row
    number was added by the user and stays as it is.
    """
    groups: dict[tuple[Any, ...], list[ImportedRow]] = {}
    for line, row_number in zip(lines, row_numbers, strict=True):
        key = line.number if row_number is None else display_text(row_number)
        groups.setdefault((key, line.status, line.references, *line.fields.values()), []).append(line)
    return [
        replace(
            group[0],
            fields={**group[0].fields, "num_images": len(group)},
            origin=int(key) if key.isdecimal() and len(key) < 9 else None,
        )
        if isinstance(key, str)
        else group[0]
        for (key, *_), group in groups.items()
    ]


def _fill_variables(rows: Sequence[ImportedRow], date: str) -> tuple[list[ImportedRow], list[Problem]]:
    """(the rows with ``sent_references``, the problems of variables and of texts that they make)."""
    texts = ([*(row.fields[name] for name in TEXT_TEMPLATES), *row.references] for row in rows)
    if not any("{" in text for each in texts for text in each):
        return [*rows], []
    filled: list[ImportedRow] = []
    problems: list[Problem] = []
    fields = [
        {
            **{name: row.fields[name] for name in TEXT_TEMPLATES},
            "sample_images": [{"url": "", "filename": name} for name in row.references],
            "columns": row.columns,
        }
        for row in rows
    ]
    for row, fill in zip(rows, fill_rows(fields, [row.number for row in rows], date=date), strict=True):
        if row.status == Status.SUCCESS or fill.fields is None:
            filled.append(row)
            continue
        names = tuple(image["filename"] for image in fill.fields["sample_images"])
        filled.append(replace(row, sent_references=names))
        made = [error for error in ImageRequest.read(fill.fields)[1] if error.field in fill.extras.templates]
        for error in (*fill.problems, *made):
            name = "references" if error.field == "sample_images" else error.field
            seen = "；".join(row.references) if name == "references" else row.fields[name]
            problems.append(problem(row.number, name, seen, error.message))
    return filled, problems
