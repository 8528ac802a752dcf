"""Versions of a workbook: which table a file belongs to, which of its rows each line is, and what changed.

A line is compared with the cells as they stood in the file before, not with what was sent: what was since
corrected, repaired or edited stays, unless the file has another cell now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import database
from app import sheets
from app.domain import (
    OPTIONS,
    READERS,
    ROW_FIELDS,
    ImageRequest,
    Record,
    variable_key,
    variable_names,
)
from app.domain.tables import Row, Table
from app.sheets.header_synonyms import COMMENT_COLUMN
from app.tables.matching import TableRow, match_rows
from app.tables.recipes import as_written, recipe_of
from app.tables.results import list_results

_MIN_EQUAL = 0.5  # of the rows, for a file that is recognised by them
_MIN_SAMPLED = 0.3  # of some rows of a table, for it to be compared whole
_MOST_COMPARED = 5
_FIELDS = tuple(name for name in READERS if name != "sample_images")
_DEFAULTS = {"aspect_ratio": "1:1", "resolution": "2K", "num_images": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class CellChange:
    """A cell that the file has otherwise now. ``field``: a field of rows or an own column; ``before`` is the
    value that the row had, which may have been corrected."""

    field: str
    before: Any
    now: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a file beside the row of the table that it is; ``row`` is None for a new one.

    cells      as they stand in the file, with the own columns under ``columns``
    values     the cells that the file has otherwise than before: what is written into the row
    changes    those of them that change what is asked for
    corrected  how many cells have another value than their unchanged cell
    """

    number: int
    row: Row | None
    cells: Mapping[str, Any]
    values: Mapping[str, Any]
    changes: Sequence[CellChange]
    corrected: int

    def is_kept(self, field: str) -> bool:
        """Whether the value of this field is the row's own, as the file has the same cell as before."""
        return self.row is not None and field not in self.values

    def value(self, field: str) -> Any:
        """The value that the row has with this version; None when it is empty."""
        return (self.row.fields if self.row and self.is_kept(field) else self.cells).get(field)

    @property
    def columns(self) -> dict[str, str]:
        """The own columns that the row has with this version."""
        if self.row is None:
            return dict(self.cells["columns"])
        changed = {name: text for name, text in self.values.items() if name not in READERS}
        return {name: text for name, text in {**self.row.columns, **changed}.items() if text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A file as a version of a table.

    gone      its rows that are not in the file
    batch_id  the run named in the file, else the last one
    results   what the file was filled with, if we filled it: the records by row number
    """

    table: Table
    lines: Sequence[Line]
    gone: Sequence[Row]
    batch_id: str | None
    results: Mapping[int, Sequence[Record]]

    def count(self) -> dict[str, int]:
        """How many rows are unchanged, changed, new and removed."""
        new = sum(line.row is None for line in self.lines)
        changed = sum(bool(line.changes) for line in self.lines)
        unchanged = len(self.lines) - new - changed
        return {"unchanged": unchanged, "changed": changed, "new": new, "removed": len(self.gone)}


def cells_of(row: sheets.ImportedRow) -> dict[str, Any]:
    """The cells of a line, without empty ones, as a table remembers them."""
    images = [{"url": "", "filename": name} for name in row.references]
    cells = {name: value for name in _FIELDS if (value := row.fields.get(name)) not in (None, "")}
    cells |= {"sample_images": images} if images else {}
    return cells | {"columns": {name: text for name, text in row.columns.items() if text}}


def find_version(
    db: database.Connection, found: sheets.Import, *, named_batch: str, workbook_id: str
) -> Version | None:
    """The table that a file is a version of, by the batch named in it, by its content, or by its rows.

    By its rows alone it is recognised when half of them are equal, whatever it is called. None without one.
    """
    certain = database.find_tables_of_file(db, batch_id=named_batch, workbook_id=workbook_id)
    versions = [compare(db, table_id, found, named_batch=named_batch) for table_id in certain]
    if not versions:
        likely = _likely_tables(db, found)
        versions = [compare(db, table_id, found, named_batch="") for table_id in likely]
        versions = [each for each in versions if _is_recognised(each)]
    return max(versions, key=lambda each: each.count()["unchanged"], default=None)


def _is_recognised(version: Version) -> bool:
    count = version.count()
    most = max(len(version.lines), count["unchanged"] + count["removed"])
    return count["unchanged"] > 0 and count["unchanged"] >= _MIN_EQUAL * most


def _likely_tables(db: database.Connection, found: sheets.Import) -> list[str]:
    """The tables of which most sampled rows are in the file, the likeliest first."""
    there = {_comparable(0, cells_of(row), "").request_key for row in found.rows}
    sampled, equal = defaultdict[str, int](int), defaultdict[str, int](int)
    for table_id, cells in database.sample_cells(db):
        sampled[table_id] += 1
        equal[table_id] += _comparable(0, cells, "").request_key in there
    shares = {table_id: equal[table_id] / number for table_id, number in sampled.items()}
    likely = [table_id for table_id, share in shares.items() if share >= _MIN_SAMPLED]
    return sorted(likely, key=lambda table_id: -shares[table_id])[:_MOST_COMPARED]


def compare(db: database.Connection, table_id: str, found: sheets.Import, *, named_batch: str) -> Version:
    """The file beside this table; ``named_batch`` is the batch, or the table, that its results are of, or
    empty. Raises NotFound."""
    table, rows = database.get_table(db, table_id), database.read_rows(db, table_id)
    batch_id = database.batch_of_table(db, table_id, named_batch)
    results: dict[int, list[Record]] = defaultdict(list)
    if named_batch in (table_id, batch_id):
        of_table = named_batch == table_id
        records = list_results(db, table) if of_table else database.list_delivered_records(db, named_batch)
        of_product = {} if found.of_results else {row.number: row.product for row in rows if row.product}
        if not of_product:
            records = sorted(records, key=lambda record: record.id)
        for record in records:  # those of a product in the order of its rows
            results[of_product.get(record.row_number, record.row_number)].append(record)
    if found.of_results:
        lines, gone = _compare_results({row.number: row for row in rows}, results, found)
    else:
        lines, gone = _compare_cells(table, rows, found.rows)
    return Version(table=table, lines=lines, gone=gone, batch_id=batch_id, results=results)


def as_new(table: Table, found: sheets.Import) -> Version:
    """The file as rows to add to this table, whatever rows it has."""
    lines = [_line(row.number, cells_of(row), None, own=()) for row in found.rows]
    return Version(table=table, lines=lines, gone=(), batch_id=None, results={})


def _compare_cells(
    table: Table, rows: Sequence[Row], imported: Sequence[sheets.ImportedRow]
) -> tuple[list[Line], list[Row]]:
    """(the lines of a file beside the rows of a table, the rows that are not in it), typed rows apart."""
    written = [row for row in as_written(rows) if row.cells]
    recipe = recipe_of(table)
    words = recipe.column_names() if recipe else ""
    new = [cells_of(row) for row in imported]
    old = [_comparable(row.number, row.cells, table.model) for row in written]
    pairs = match_rows(
        old, [_comparable(row.number, cells, table.model) for row, cells in zip(imported, new, strict=True)]
    )
    lines = [
        _line(
            line.number,
            cells,
            written[place] if place is not None else None,
            own=[*line.columns],
            words=words,
        )
        for line, cells, place in zip(imported, new, pairs, strict=True)
    ]
    taken = set(pairs)
    return lines, [row for place, row in enumerate(written) if place not in taken and not row.is_gone]


def _line(
    number: int, cells: Mapping[str, Any], row: Row | None, *, own: Iterable[str], words: str = ""
) -> Line:
    """A line of the user's file; ``own`` are the own columns that it has, ``words`` name some of them."""
    if row is None:
        return Line(number=number, row=None, cells=cells, values={}, changes=(), corrected=0)
    values: dict[str, Any] = {}
    changes: list[CellChange] = []
    corrected = 0
    for name in (*_FIELDS, "sample_images"):
        before, now, present = row.cells.get(name), cells.get(name), row.fields.get(name)
        if _is_same(name, before, now):
            corrected += not _is_same(name, before, present)
        else:
            values[name] = now
            if not _is_same(name, present, now):
                changes.append(CellChange(field=name, before=_shown(name, present), now=_shown(name, now)))
    earlier, used = (
        row.cells.get("columns", {}),
        variable_names(f"{[*row.fields.values(), *cells.values(), words]}"),
    )
    for name in own:
        before, now, present = (
            earlier.get(name, ""),
            cells["columns"].get(name, ""),
            row.columns.get(name, ""),
        )
        if before != now:
            values[name] = now
            if variable_key(name) in used and present != now:
                changes.append(CellChange(field=name, before=present, now=now))
    return Line(number=number, row=row, cells=cells, values=values, changes=changes, corrected=corrected)


def _compare_results(
    rows: Mapping[int, Row], results: Mapping[int, Sequence[Record]], found: sheets.Import
) -> tuple[list[Line], list[Row]]:
    """The lines of a results workbook beside the rows that they are of, compared with what was sent.

    ``rows`` are by number. The cells of the user's own file stay as they are.
    """
    lines: list[Line] = []
    for line in found.rows:
        cells, number = cells_of(line), line.origin or 0
        sent = results.get(number, ())
        row = rows.get(number) if sent else None
        values = min((_result_changes(record, cells) for record in sent), key=len, default={}) if row else {}
        changes = [
            CellChange(field=name, before=_shown(name, row.fields.get(name)), now=_shown(name, now))
            for name, now in values.items()
            if row and not _is_same(name, row.fields.get(name), now)
        ]
        own = {name: text for name, text in line.columns.items() if row and row.columns.get(name, "") != text}
        values = {**values, **own}
        number = number or line.number
        lines.append(Line(number=number, row=row, cells=cells, values=values, changes=changes, corrected=0))
    there = {line.row.number for line in lines if line.row}
    return lines, [rows[number] for number in sorted(results) if number in rows and number not in there]


def _result_changes(record: Record, cells: Mapping[str, Any]) -> dict[str, Any]:
    """The cells of a line of results that are not as the record was sent."""
    names = ("prompt", "negative_prompt", "aspect_ratio", "resolution", "filename", "seed", "steps", *OPTIONS)
    sent: dict[str, Any] = {name: getattr(record.request, name) for name in names}
    sent["sample_images"] = [{"filename": image.filename} for image in record.sample_images]
    changed = {
        name: cells.get(name) for name, value in sent.items() if not _is_same(name, value, cells.get(name))
    }
    if cells.get("model", record.model) != record.model:
        changed["model"] = cells["model"]
    return changed


def _comparable(number: int, cells: Mapping[str, Any], model: str) -> TableRow:
    """Cells in the form that they are compared in; ``model`` is that of rows that name none."""
    fields = {name: str(cells.get(name) or _DEFAULTS.get(name, "")) for name in _FIELDS}
    fields["model"] = fields["model"] or model
    names = tuple(str(image.get("filename", "")) for image in cells.get("sample_images", ()))
    return TableRow(number=number, fields=fields, references=names, columns=cells.get("columns", {}))


def _is_same(name: str, one: Any, other: Any) -> bool:
    return bool(one == other or _normal(name, one) == _normal(name, other))


def _normal(name: str, value: Any) -> Any:
    if name == "sample_images":
        return _comparable(0, {name: value or ()}, "").request_key
    return str(_DEFAULTS.get(name, "") if value in (None, "") else value)


def _shown(name: str, value: Any) -> Any:
    if name == "sample_images":
        return [image.get("filename", "") for image in value or ()]
    return _DEFAULTS.get(name, "") if value in (None, "") else value


def with_values(found: sheets.Import, version: Version) -> sheets.Import:
    """The file with the values that its rows have with this version, without problems solved before."""
    rows = [_with_values(row, line, found) for row, line in zip(found.rows, version.lines, strict=True)]
    line_of = {row.number: line for row, line in zip(found.rows, version.lines, strict=True)}
    fields = {each.column: each.sheet_name for each in ROW_FIELDS.values()}

    def is_open(problem: sheets.Problem) -> bool:
        line, field = line_of.get(problem.row), fields.get(problem.column, "")
        field = "sample_images" if field == "references" else field
        if line is None or not line.is_kept(field):
            return True
        return problem.fixed is None and _is_same(field, line.cells.get(field), line.value(field))

    return replace(found, rows=tuple(rows), problems=tuple(filter(is_open, found.problems)))


def _with_values(row: sheets.ImportedRow, line: Line, found: sheets.Import) -> sheets.ImportedRow:
    if line.row is None:
        return row
    kept = [
        name for name in row.fields if line.is_kept(name) and not (found.of_results and name == "num_images")
    ]
    empty = {name: ImageRequest.__dataclass_fields__[name].default for name in kept} | {"prompt": ""}
    fields = {name: empty[name] if (value := line.value(name)) is None else value for name in kept}
    names = tuple(_shown("sample_images", line.value("sample_images")))
    references = row.references if names == row.references else names
    sent = row.sent_references if names == row.references else names
    return replace(
        row,
        fields={**row.fields, **fields},
        references=references,
        sent_references=sent,
        columns={**row.columns, **line.columns},
    )


def marks_json(found: sheets.Import, version: Version | None) -> list[dict[str, Any]]:
    """What the file says of pictures: row (its number), picture, pick, comment."""
    comments = {
        row.origin or row.number: text for row in found.rows if (text := row.columns.get(COMMENT_COLUMN, ""))
    }
    marked = [
        {"row": mark.row, "picture": mark.picture, "pick": mark.pick, "comment": comments.get(mark.row, "")}
        for mark in found.marks
    ]
    seen = {mark.row for mark in found.marks}
    more = [(number, text) for number, text in comments.items() if number not in seen]
    marked += [{"row": number, "picture": None, "pick": None, "comment": text} for number, text in more]
    return sorted(marked, key=lambda each: each["row"]) if version else []
