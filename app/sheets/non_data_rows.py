"""Removes rows that are not data: totals, repeated headers and empty rows."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from app.domain import CONTENT_FIELDS
from app.errors import Message, message
from app.sheets.file_types import Sheet
from app.sheets.headers import Header, compact_text
from app.sheets.table import Grid, SheetRow, UnreadableCell, Value, is_blank

_MAX_LENGTH = 60
_MAX_LISTED = 8
_UNIT = "(?:张图片|张图|张|幅图|幅|条|个|行|项|组|元|块|pictures?|images?|rows?|%)"
_NUMBER = rf"[¥$]?[+-]?\d[\d,]*+(?:\.\d++)?{_UNIT}?+"
_AMOUNTS = rf"(?:约?+{_NUMBER}[,、;]?+)"
_WORD = (
    "(?:本页|本表|本批|以上|全部|图片|数量|张数|费用)?(?:合计|总计|小计|共计|总共|累计|總計|合計|小計)(?:数量|张数|费用)?"
    "|(?:grand|sub)?-?total"
)
_TOTAL = re.compile(rf"(?:{_WORD})(?:\({_UNIT}\))?[:=]?{_AMOUNTS}*+\.?|共:?{_AMOUNTS}++", re.IGNORECASE)
_AMOUNT = re.compile(_NUMBER, re.IGNORECASE)
# Fast rejection: nearly every cell is neither.
_MAY_NAME_TOTAL = re.compile("[计計共总總累tｔ]", re.IGNORECASE)
_MAY_BE_AMOUNT = re.compile(r"[\W_]*\d")


def drop_totals_and_headers(header: Header, sheet: Sheet, grid: Grid) -> list[Message]:
    """Remove totals and repeated headers from the grid -> one note per kind, with row numbers."""
    labels = _labels_beside(header, sheet, grid)
    totals = {row.number for row in grid.rows if _is_total(row.values, labels.get(row.number, {}))}
    repeated = {row.number for row in grid.rows if _is_header(row, header)}
    return [
        *_drop(grid, totals, "跳过了 {count} 个合计行：第 {rows} 行"),
        *_drop(grid, repeated, "跳过了 {count} 个重复的表头：第 {rows} 行"),
    ]


def drop_empty_rows(header: Header, grid: Grid) -> list[Message]:
    """Remove rows without any of CONTENT_FIELDS from the grid -> a note with their numbers.

    Merged cells must have been copied into each of their rows before.
    """
    if not header.has_prompt:
        return []  # any cell makes a product
    names = ("references" if name == "sample_images" else name for name in CONTENT_FIELDS)
    columns = [header.columns[name] for name in names if name in header.columns]
    empty = {row.number for row in grid.rows if all(is_blank(row.values.get(column)) for column in columns)}
    return _drop(grid, empty, "跳过了 {count} 个空行：第 {rows} 行没有提示词、负面提示词、文件名和参考图")


def _drop(grid: Grid, numbers: set[int], note: str) -> list[Message]:
    """Remove rows from the grid -> the note, if there are any."""
    if not numbers:
        return []
    grid.rows = [row for row in grid.rows if row.number not in numbers]
    grid.hidden_rows -= numbers
    grid.rows_too_wide = [number for number in grid.rows_too_wide if number not in numbers]
    return [message(note, count=len(numbers), rows=row_list(numbers))]


def _is_header(row: SheetRow, header: Header) -> bool:
    """Whether the row repeats the header exactly."""
    if not row.values or row.values.keys() != header.texts.keys():
        return False
    texts = {column: value for column, value in row.values.items() if isinstance(value, str)}
    return len(texts) == len(row.values) and all(
        compact_text(text) == header.texts[column] for column, text in texts.items()
    )


def _labels_beside(header: Header, sheet: Sheet, grid: Grid) -> Mapping[int, Mapping[int, Value]]:
    """Cells of the unread columns, for rows whose prompt is missing or only a number."""
    prompt = header.columns["prompt"]
    bare = [row.number for row in grid.rows if prompt not in row.values or _is_amount(row.values[prompt])]
    if not (bare and header.unread):
        return {}
    labels = sheet.read(header.unread, bare[0] - 1, len(grid.rows) + grid.dropped)
    wanted = set(bare)
    return {row.number: row.values for row in labels.rows if row.number in wanted}


def _is_total(values: Mapping[int, Value], labels: Mapping[int, Value]) -> bool:
    """Whether the row has a word for a total and otherwise only amounts."""
    others = [value for value in values.values() if not _names_total(value)]
    is_named = len(others) < len(values) or any(map(_names_total, labels.values()))
    return is_named and all(map(_is_amount, others))


def _names_total(value: Value) -> bool:
    if not isinstance(value, str) or len(value) > _MAX_LENGTH or not _MAY_NAME_TOTAL.search(value):
        return False
    return bool(_TOTAL.fullmatch(compact_text(value)))


def _is_amount(value: Value) -> bool:
    if isinstance(value, str):
        may_be = len(value) <= _MAX_LENGTH and _MAY_BE_AMOUNT.match(value)
        return bool(may_be and _AMOUNT.fullmatch(compact_text(value)))
    return isinstance(value, int | float | UnreadableCell)


def row_list(numbers: Collection[int]) -> tuple[str, ...]:
    """The first numbers in order, as the value of a message."""
    first = [str(number) for number in sorted(numbers)[:_MAX_LISTED]]
    return (*first[:-1], first[-1] + "…") if len(numbers) > _MAX_LISTED else tuple(first)
