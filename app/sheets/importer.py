"""An uploaded file -> rows to review, with every correction and error by cell."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import accumulate, islice
from typing import Any

from app.domain import (
    MAX_OWN_COLUMNS,
    MAX_OWN_TEXT_LENGTH,
    MAX_REFERENCES,
    READERS,
    TEXT_TEMPLATES,
    ImageRequest,
    ModelSpec,
    Pick,
    Status,
    fill_rows,
)
from app.errors import InvalidRequest, Message, SpreadsheetError, Translate, message
from app.sheets.cells import TEXT_FIELDS, Problem, parse_cell, problem, split_names, truncate
from app.sheets.file_types import open_sheets
from app.sheets.header_synonyms import SHEET_COLUMN
from app.sheets.headers import FIELD_LABELS, RESULT_STATUSES, Header, pick_named, status_named
from app.sheets.import_notes import DEFAULTS, grid_notes, model_notes, size_notes, unfinished_notes
from app.sheets.merged_cells import fill_merged, fill_merged_own
from app.sheets.non_data_rows import drop_empty_rows
from app.sheets.option_columns import take_options
from app.sheets.sheet_choice import Offered, choose_sheets, list_offered, no_rows
from app.sheets.table import (
    ExcelTime,
    FormattedNumber,
    Grid,
    Row,
    UnreadableCell,
    Value,
    display_text,
    own_text,
)

_AS_DISPLAYED = (*TEXT_FIELDS, "aspect_ratio", "resolution")
_TOO_WIDE = "这一行的格数比表头多，可能是文字里的逗号被当成了分隔，请核对这一行，或改用 .xlsx"
_SIZE = frozenset(("aspect_ratio", "resolution"))
_REQUEST_FIELDS = tuple(name for name in FIELD_LABELS if name != "references")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRow:
    """One row to review. ``number`` is the sheet's; ``fields`` use the API's names and keep invalid text.

    ``fields["model"]`` is the id of the model, empty for that of the whole table.
    ``references`` are names of reference images as written, ``sent_references`` those with their variables
    replaced. ``columns`` are all own columns of the sheet, in its order. Only in a results workbook there are
    ``status``, a Status value or "" for a line that was never submitted, and ``origin``, the row's number in
    the batch.
    """

    number: int
    fields: Mapping[str, Any]
    references: tuple[str, ...] = ()
    sent_references: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    status: str | None = None
    origin: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The JSON form used by the API."""
        as_dict = {"number": self.number, **self.fields, "references": list(self.references)}
        as_dict |= {"columns": self.columns} if self.columns else {}
        return as_dict if self.status is None else {**as_dict, "status": self.status}


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
class _Part:
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
) -> _Part:
    header, grid = offered.header, offered.grid
    header, kept = take_options(header, grid)
    _display_numbers(header, grid)
    problems = fill_merged(header, grid)
    fill_merged_own(header, grid)
    _join_references(header, grid)
    notes = [*offered.notes, *header.notes, *kept, *drop_empty_rows(header, grid), *grid_notes(header, grid)]
    if not grid.rows:
        raise no_rows(offered.sheet, header)
    reader = _RowReader(header, dict(islice(header.own.items(), MAX_OWN_COLUMNS)), find_model, is_known)
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
    return _Part(rows=rows, problems=problems, notes=notes, marks=marks, model_of=reader.model_of)


def _marks(row: Row, header: Header, origin: Value | None) -> Iterator[PickMark]:
    """The marks of a line: one a picture, or of a row in the user's own workbook one a picture and line."""
    lines = display_text(row.own.get(header.pick or 0, "")).split("\n")
    number = display_text(row.own.get(header.picture or 0, ""))
    of_row = row.number if origin is None else int(display_text(origin)) if str(origin).isdecimal() else None
    for place, line in enumerate(lines, 1):
        if (found := pick_named(line)) and of_row is not None:
            which = place if len(lines) > 1 else int(number) if number.isdecimal() else None
            yield PickMark(row=of_row, picture=which, pick=found)


def _numbered_on(part: _Part, name: str, last: int) -> _Part:
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


@dataclass(slots=True)
class _RowReader:
    """Reads rows under a header; ``problems`` collects those of their cells."""

    header: Header
    own: Mapping[int, str]
    find_model: Callable[[str], ModelSpec] | None
    is_known: Callable[[str], bool]
    problems: list[Problem] = field(default_factory=list)
    is_cut: bool = False
    known_models: int = 0
    unknown_models: int = 0

    def read(self, row: Row) -> ImportedRow:
        """The row, validated against its model unless its picture is finished."""
        status = self._read_status(row) if self.header.of_results else None
        texts, bad = self._read_texts(row)
        spec = self._read_model(row.number, texts, bad, is_finished=status == Status.SUCCESS)
        names = split_names(texts["references"], self.is_known)
        if "references" not in bad and (error := _references_error(names, spec)):
            self.problems.append(problem(row.number, "references", texts["references"], error))
        if self.header.has_prompt:
            fields = self._read_fields(row.number, texts, bad, spec)
        else:
            fields = self._read_fields(row.number, {**texts, "prompt": "·"}, bad, spec) | {"prompt": ""}
        return ImportedRow(
            number=row.number,
            fields=fields,
            references=tuple(names),
            sent_references=tuple(names),
            columns=self._read_own(row),
            status=status,
        )

    def notes(self) -> Iterator[Message]:
        """What was left out of the own columns, and a column that may not be meant for the model."""
        if self.unknown_models and not self.known_models:
            yield message("「模型」这一列没有一格是可选的模型；如果它是自己的列，请改个列名再导入")
        if self.is_cut or len(self.own) < len(self.header.own):
            yield message(
                "自己的列最多保留 {columns} 列、每格 {length} 字，多出的没有导入",
                columns=MAX_OWN_COLUMNS,
                length=MAX_OWN_TEXT_LENGTH,
            )

    def model_of(self, fields: Mapping[str, Any]) -> ModelSpec | None:
        """The model of a row as read; None when there is no such model, or none to validate against."""
        with suppress(InvalidRequest):
            return self.find_model(fields["model"]) if self.find_model else None
        return None

    def _read_model(
        self, number: int, texts: dict[str, str], bad: set[str], *, is_finished: bool
    ) -> ModelSpec | None:
        """The model to validate the row against; in ``texts`` its id replaces what the cell says."""
        if self.find_model is None or "model" in bad:
            return None
        try:
            spec = self.find_model(texts["model"])
        except InvalidRequest as error:
            bad.add("model")
            if not is_finished:
                self.unknown_models += 1
                self.problems.append(problem(number, "model", texts["model"], error.message))
            return None
        if texts["model"]:
            texts["model"] = spec.model_id
            self.known_models += 1
        return None if is_finished else spec

    def _read_own(self, row: Row) -> dict[str, str]:
        texts = {name: own_text(row.own.get(column)) for column, name in self.own.items()}
        self.is_cut = self.is_cut or any(len(text) > MAX_OWN_TEXT_LENGTH for text in texts.values())
        return {name: text[:MAX_OWN_TEXT_LENGTH] for name, text in texts.items()}

    def _read_status(self, row: Row) -> str:
        text = display_text(row.values.get(self.header.columns["status"], "")).strip()
        status = status_named(text)
        if text and status is None:
            known = tuple(RESULT_STATUSES.values())
            error = message("不认识的状态，可选：{known}；不再生成的行请删掉", known=known)
            self.problems.append(problem(row.number, "status", text[:60], error))
        return status or ""

    def _read_texts(self, row: Row) -> tuple[dict[str, str], set[str]]:
        """The text of each field, and the fields that are not readable."""
        texts = dict.fromkeys(FIELD_LABELS, "")
        bad: set[str] = set()
        for name in FIELD_LABELS:
            if (value := row.values.get(self.header.columns.get(name, 0))) is None:
                continue
            texts[name], issue = parse_cell(row.number, name, value)
            if issue:
                self.problems.append(issue)
                if issue.fixed is None:
                    bad.add(name)
        return texts, bad

    def _read_fields(
        self, number: int, texts: Mapping[str, str], bad: set[str], spec: ModelSpec | None
    ) -> dict[str, Any]:
        """The fields of a row, parsed, or the raw text where a problem was found."""
        raw = {
            name: texts[name] if name in TEXT_FIELDS else truncate(texts[name]) for name in _REQUEST_FIELDS
        }
        request, errors = ImageRequest.read({**raw, **dict.fromkeys(bad)} if bad else raw)
        for error in errors:
            if error.field not in bad:
                bad.add(error.field)
                self.problems.append(problem(number, error.field, raw[error.field], error.message))
        if request is None:
            good = {name: text for name, text in raw.items() if name not in bad}
            request = ImageRequest.parse({"prompt": "·", **good})
        for error in spec.validate(request) if spec else ():
            if error.field not in _SIZE or not bad & _SIZE:
                seen = raw[error.field] or DEFAULTS.get(error.field, "")
                self.problems.append(problem(number, error.field, seen, error.message))
        fields = {name: texts[name] if name in bad else getattr(request, name) for name in _REQUEST_FIELDS}
        if request.own_size:  # it stays where it was written
            own = {name: READERS[name](raw[name]) if raw[name] else "" for name in _SIZE - bad}
            return {**fields, **own}
        return fields


def _references_error(names: Sequence[str], spec: ModelSpec | None) -> str | Message | None:
    count = len(names)
    if spec and names and spec.local_reference_problem:
        return spec.local_reference_problem
    if spec and count > spec.max_references:
        model, limit = message(spec.label), spec.max_references
        return message("{model} 最多接受 {limit} 张参考图", model=model, limit=limit)
    if count > MAX_REFERENCES:
        return message("参考图有 {count} 张，一行最多 {limit} 张", count=count, limit=MAX_REFERENCES)
    return None


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
    typed = [_texts_with_variables(row) for row in rows]
    filled: list[ImportedRow] = []
    problems: list[Problem] = []
    fields = [{**texts, "columns": row.columns} for texts, row in zip(typed, rows, strict=True)]
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


def _texts_with_variables(row: ImportedRow) -> dict[str, Any]:
    """The fields of a row that may hold variables, as a row of the API."""
    images = [{"url": "", "filename": name} for name in row.references]
    return {**{name: row.fields[name] for name in TEXT_TEMPLATES}, "sample_images": images}
