"""An uploaded file -> rows to review, with every correction and error by cell."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from app.domain import MAX_PICTURES_A_BATCH, MAX_ROWS_A_BATCH, ImageRequest, ModelSpec, Status
from app.errors import SpreadsheetError
from app.sheets.cells import TEXTS, Problem, cut, parse_cell, problem, references_error, split_names
from app.sheets.file_types import open_sheets
from app.sheets.header_synonyms import is_doubtful
from app.sheets.headers import LABELS, STATUS_LABELS, Header, display_text, find_header, status_named
from app.sheets.non_data_rows import drop_empty_rows, drop_other_lines
from app.sheets.table import ExcelTime, FormattedNumber, Grid, Merge, Row, Sheet, UnreadableCell, Value

_HEADER_DEPTH = 50
_AS_SHOWN = (*TEXTS, "aspect_ratio", "resolution")
_SPARE_LINES = 200  # read beyond the batch limit, to allow for lines that are not data
_MOST_LOOKED_AT = 1_000  # cells searched for an ambiguous header
_OVERFULL = "这一行的格数比表头多，可能是文字里的逗号被当成了分隔，请核对这一行，或改用 .xlsx"
_DEFAULTS = {"aspect_ratio": "1:1", "resolution": "2K", "num_images": "1"}
_ASKED = tuple(name for name in LABELS if name != "references")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRow:
    """One row to review. ``number`` is the sheet's; ``fields`` use the API's names and keep invalid text.

    ``references`` are names of reference images as written. ``status`` is set only for a results workbook:
    a Status value, or "" for a line that was never submitted.
    """

    number: int
    fields: Mapping[str, Any]
    references: tuple[str, ...] = ()
    status: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The JSON form used by the API."""
        as_dict = {"number": self.number, **self.fields, "references": list(self.references)}
        return as_dict if self.status is None else {**as_dict, "status": self.status}


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """The result of an import: rows, problems by cell, and notes that concern no single cell."""

    sheet: str
    rows: tuple[ImportedRow, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The JSON form used by the API."""
        return {
            "sheet": self.sheet,
            "rows": [row.as_json() for row in self.rows],
            "problems": [found.as_json() for found in self.problems],
            "notes": list(self.notes),
        }


@dataclass(slots=True)
class _Findings:
    """Problems and notes collected while reading."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_workbook(
    content: bytes,
    filename: str,
    *,
    spec: ModelSpec | None = None,
    is_known: Callable[[str], bool] = lambda name: False,
) -> Import:
    """An uploaded ``.xlsx``, ``.xlsm`` or ``.csv`` -> Import; ``filename`` only improves error messages.

    ``is_known`` returns whether the library has a reference image of that name; called only for names with
    a 、. ``spec`` is a model spec to validate against. Raises SpreadsheetError or TooLarge when the file has
    no table, is damaged or hostile, or has too many rows.
    """
    sheets = open_sheets(content, filename)
    sheet, header, grid, notes = _choose(sheets)
    _check_bounds(header, grid)
    found = _Findings(notes=[*notes, *header.notes])
    _show_numbers(header, grid)
    _fill_merged(header, grid, found)
    _join_references(header, grid)
    _drop_empty(sheet, header, grid, found)
    _note_hidden(header, grid, found)
    _note_missing_columns(header, found)
    _note_floating_pictures(header, grid, found)
    found.problems += [problem(number, "prompt", "", _OVERFULL) for number in grid.rows_too_wide]
    rows = [_read_row(row, header, spec, is_known, found) for row in grid.rows]
    if header.of_results:
        rows = _gather_pictures(rows, [row.values.get(header.columns["row_number"]) for row in grid.rows])
        _note_unfinished(rows, found)
    _check_pictures(rows, found)
    _note_unsupported(rows, spec, found)
    found.problems.sort(key=lambda one: one.row)
    return Import(
        sheet=sheet.name, rows=tuple(rows), problems=tuple(found.problems), notes=tuple(found.notes)
    )


def _choose(sheets: Sequence[Sheet]) -> tuple[Sheet, Header, Grid, list[str]]:
    """The first visible sheet with a header and rows below it; the active sheet is tried first."""
    visible = [(sheet, sheet.top(_HEADER_DEPTH)) for sheet in sheets if not sheet.hidden]
    filled = [(sheet, top) for sheet, top in visible if top]
    headed = [(sheet, header) for sheet, top in filled if (header := find_header(top))]
    headed.sort(key=lambda one: not one[0].active)
    for sheet, header in headed:
        grid = sheet.read(header.read, header.row, _most_lines(header) + _SPARE_LINES)
        skipped = drop_other_lines(header, sheet, grid)
        if grid.rows:
            others = [other.name for other, _ in headed if other is not sheet]
            is_first = sheet is filled[0][0]
            return sheet, header, grid, [*_sheet_notes(sheet, others, is_first=is_first), *skipped]
    if headed:
        raise _nothing_below(*headed[0])
    _refuse_hidden([sheet for sheet in sheets if sheet.hidden])
    raise SpreadsheetError(_no_header([top for _, top in filled]))


def _nothing_below(sheet: Sheet, header: Header) -> SpreadsheetError:
    return SpreadsheetError(
        f"「{sheet.name}」的表头在第 {header.row} 行，下面还没有内容，请从下一行开始填写提示词"
    )


def _drop_empty(sheet: Sheet, header: Header, grid: Grid, found: _Findings) -> None:
    """Drop empty rows and the problems of their cells."""
    found.notes += drop_empty_rows(header, grid)
    if not grid.rows:
        raise _nothing_below(sheet, header)
    remaining = {row.number for row in grid.rows}
    found.problems = [one for one in found.problems if one.row in remaining]


def _sheet_notes(sheet: Sheet, others: list[str], *, is_first: bool) -> list[str]:
    if others:
        names = "、".join(f"「{name}」" for name in others[:10])
        return [f"只导入了工作表「{sheet.name}」；也有提示词的还有：{names}"]
    return [] if is_first else [f"导入的是工作表「{sheet.name}」"]


def _refuse_hidden(sheets: Sequence[Sheet]) -> None:
    """Refuse prompts on a hidden sheet: the user would pay for rows not shown in Excel."""
    found = next((sheet for sheet in sheets if find_header(sheet.top(_HEADER_DEPTH))), None)
    if found:
        raise SpreadsheetError(
            f"只有隐藏的工作表「{found.name}」里有提示词，请在 Excel 里取消隐藏、核对后再导入"
        )


def _no_header(tops: list[list[Row]]) -> str:
    if not tops:
        return "这个文件里没有内容，请下载模板，填好后再导入"
    texts = (display_text(value) for top in tops for row in top for value in row.values.values())
    if doubtful := next(filter(is_doubtful, islice(texts, _MOST_LOOKED_AT)), ""):
        text = " ".join(doubtful[:40].split())
        return f"表头「{text}」看不出是提示词还是负面提示词，请改成「提示词」或「负面提示词」再导入"
    first = [display_text(value).strip()[:10] for value in list(tops[0][0].values.values())[:6]]
    return f"没有找到「提示词」这一列，第一行是：{'、'.join(first)}。请在表头写上「提示词」，或下载模板来填"


def _most_lines(header: Header) -> int:
    return MAX_PICTURES_A_BATCH if header.of_results else MAX_ROWS_A_BATCH


def _check_bounds(header: Header, grid: Grid) -> None:
    count = len(grid.rows) + grid.dropped
    if count > _most_lines(header):
        raise SpreadsheetError(f"表格有 {count} 行，一次最多 {_most_lines(header)} 行，请分成几个文件导入")


def _note_hidden(header: Header, grid: Grid, found: _Findings) -> None:
    if grid.hidden_rows:
        numbers = sorted(grid.hidden_rows)
        which = "、".join(map(str, numbers[:8])) + ("…" if len(numbers) > 8 else "")
        found.notes.append(f"有 {len(numbers)} 行在表格里是隐藏的（第 {which} 行），也一起导入了")
    labels = [
        LABELS[name]
        for name, column in header.columns.items()
        if name in LABELS and any(first <= column <= last for first, last in grid.hidden_columns)
    ]
    if labels:
        found.notes.append(f"隐藏的列也一起导入了：{'、'.join(labels)}")


def _note_missing_columns(header: Header, found: _Findings) -> None:
    missing = [
        f"{LABELS[name]}（{value}）" for name, value in _DEFAULTS.items() if name not in header.columns
    ]
    if missing:
        found.notes.append(f"表格里没有的列按默认值：{'、'.join(missing)}")


def _note_floating_pictures(header: Header, grid: Grid, found: _Findings) -> None:
    """Note images over the cells; in a results workbook they are its own thumbnails."""
    if grid.floating_pictures and not header.of_results:
        found.notes.append(
            f"有 {grid.floating_pictures} 张图片浮在表格上，没有读取；要用作参考图，"
            "请上传到「示例图」，再在「参考示例图」这一列写上它们的名字"
        )


def _show_numbers(header: Header, grid: Grid) -> None:
    """Replace numbers in text columns by their displayed text; remove those displayed as empty."""
    for name in _AS_SHOWN:
        column = header.columns.get(name, 0)
        for row in grid.rows:
            value = row.values.get(column)
            if isinstance(value, FormattedNumber):
                if value.shows:
                    row.values[column] = value.shows
                elif name in TEXTS:
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


def _fill_merged(header: Header, grid: Grid, found: _Findings) -> None:
    """Copy a cell merged over several rows into each of them.

    Rows with no other content are not in the grid: there the merge only makes the cell taller.
    """
    numbers = [row.number for row in grid.rows]
    by_column: dict[int, list[Merge]] = {}
    for merge in grid.merges:
        if merge.first_row > header.row and merge.last_row > merge.first_row:
            by_column.setdefault(merge.first_column, []).append(merge)
    for name in LABELS:
        reached = 0
        for merge in sorted(by_column.get(header.columns.get(name, 0), []), key=lambda one: one.first_row):
            start = bisect_left(numbers, max(merge.first_row, reached + 1))
            reached = max(reached, merge.last_row)
            covered = grid.rows[start : bisect_right(numbers, merge.last_row)]
            if len(covered) > 1 and covered[0].number == merge.first_row:
                _fill(name, header.columns[name], merge, covered, found)


def _fill(name: str, column: int, merge: Merge, covered: Sequence[Row], found: _Findings) -> None:
    value = covered[0].values.get(column)
    if value is None:
        return
    for row in covered[1:]:
        if column not in row.values:
            row.values[column] = value
            if isinstance(value, UnreadableCell):
                continue  # reported in each row anyway
            error = f"这格属于合并单元格 {merge.name}，已填入同样的内容"
            found.problems.append(problem(row.number, name, "", error, display_text(value)))


def _read_row(
    row: Row, header: Header, spec: ModelSpec | None, is_known: Callable[[str], bool], found: _Findings
) -> ImportedRow:
    status = _read_status(row, header, found) if header.of_results else None
    spec = None if status == Status.SUCCESS else spec
    texts: dict[str, str] = {}
    bad: set[str] = set()
    for name in LABELS:
        column = header.columns.get(name)
        texts[name], issue = parse_cell(row.number, name, None if column is None else row.values.get(column))
        if issue:
            found.problems.append(issue)
            if issue.fixed is None:
                bad.add(name)
    names = split_names(texts["references"], is_known)
    if "references" not in bad and (error := _references_error(names, spec)):
        found.problems.append(problem(row.number, "references", texts["references"], error))
    fields = _read_fields(row.number, texts, bad, spec, found)
    return ImportedRow(number=row.number, fields=fields, references=tuple(names), status=status)


def _read_fields(
    number: int, texts: Mapping[str, str], bad: set[str], spec: ModelSpec | None, found: _Findings
) -> dict[str, Any]:
    """The fields of a row, parsed, or the raw text where a problem was found."""
    asked = {name: texts[name] if name in TEXTS else cut(texts[name]) for name in _ASKED}
    request, complaints = ImageRequest.read({**asked, **dict.fromkeys(bad)} if bad else asked)
    for complaint in complaints:
        if complaint.field not in bad:
            bad.add(complaint.field)
            found.problems.append(problem(number, complaint.field, asked[complaint.field], str(complaint)))
    if request is None:
        good = {name: text for name, text in asked.items() if name not in bad}
        request = ImageRequest.parse({"prompt": "·", **good})
    if spec and not bad & {"aspect_ratio", "resolution"}:
        for refusal in spec.validate(request):
            found.problems.append(problem(number, refusal.field, asked["resolution"] or "2K", str(refusal)))
    return {name: texts[name] if name in bad else getattr(request, name) for name in _ASKED}


def _references_error(names: list[str], spec: ModelSpec | None) -> str | None:
    if spec and names and spec.local_reference_problem:
        return spec.local_reference_problem
    if spec and len(names) > spec.max_references:
        return (
            spec.field_notes.get("sample_images") or f"{spec.label} 最多接受 {spec.max_references} 张参考图"
        )
    return references_error(names)


def _read_status(row: Row, header: Header, found: _Findings) -> str:
    value: Value | None = row.values.get(header.columns["status"])
    text = "" if value is None else display_text(value).strip()
    status = status_named(text)
    if text and status is None:
        error = f"不认识的状态，可选：{'、'.join(STATUS_LABELS.values())}；不再生成的行请删掉"
        found.problems.append(Problem(row=row.number, column="状态", seen=text[:60], error=error))
    return status or ""


def _gather_pictures(lines: Sequence[ImportedRow], row_numbers: Sequence[Value | None]) -> list[ImportedRow]:
    """Lines of a results workbook, one per picture -> rows, grouped by row, status and fields, with counts.

    A row with two finished pictures and one failed becomes two rows: 2 done, 1 to do.
    """
    groups: dict[tuple[Any, ...], list[ImportedRow]] = {}
    for line, row_number in zip(lines, row_numbers, strict=True):
        own = ("added", line.number) if row_number is None else ("row", display_text(row_number))
        groups.setdefault((own, line.status, line.references, *line.fields.values()), []).append(line)
    return [_counted(group) if own[0] == "row" else group[0] for (own, *_), group in groups.items()]


def _counted(group: Sequence[ImportedRow]) -> ImportedRow:
    return replace(group[0], fields={**group[0].fields, "num_images": len(group)})


def _note_unfinished(rows: Sequence[ImportedRow], found: _Findings) -> None:
    """Note rows that may be charged or generated twice when submitted again."""
    unknown = sum(row.status == Status.UNKNOWN for row in rows)
    open_ = sum(row.status in (Status.QUEUED, Status.RUNNING) for row in rows)
    if unknown:
        found.notes.append(
            f"有 {unknown} 行结果未知，可能已计费：再生成会再花一次钱，可以先在原来的批次里取回"
        )
    if open_:
        found.notes.append(f"有 {open_} 行当时还在排队或生成中：原来的批次会接着做，再生成会多出一份")


def _check_pictures(rows: Sequence[ImportedRow], found: _Findings) -> None:
    total = 0
    for row in rows:
        count = row.fields["num_images"]
        total += count if isinstance(count, int) and row.status != Status.SUCCESS else 0
        if total > MAX_PICTURES_A_BATCH:
            error = (
                f"到这一行已超过 {MAX_PICTURES_A_BATCH} 张，一批最多 {MAX_PICTURES_A_BATCH} 张，请分成几批"
            )
            found.problems.append(problem(row.number, "num_images", str(count), error))
            return


def _note_unsupported(rows: Sequence[ImportedRow], spec: ModelSpec | None, found: _Findings) -> None:
    if spec is None:
        return
    for name, taken in (("seed", spec.takes_seed), ("steps", spec.takes_steps)):
        if not taken and any(row.fields[name] is not None for row in rows):
            found.notes.append(
                spec.field_notes.get(name) or f"{spec.label} 不接受{LABELS[name]}，这一列不会用到"
            )
    long = sum(len(row.fields["prompt"]) > spec.prompt_limit for row in rows)
    if long:
        found.notes.append(
            f"有 {long} 行的提示词超过 {spec.label} 建议的 {spec.prompt_limit} 字，可能被忽略一部分"
        )
