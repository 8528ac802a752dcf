"""Which columns of a table hold the model and its options, and which are the user's own.

背景, 格式 and 质量 are common headers: such a column is an option only if each of its cells is a value of
that option. A column whose header is used as a variable is the user's own.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from app.domain import OPTION_WORDS, READERS, variable_key, variable_names
from app.errors import InvalidRequest, Message, message
from app.sheets.cells import TEXT_FIELDS
from app.sheets.headers import Header, brief, own_names
from app.sheets.non_data_rows import row_list
from app.sheets.table import ExcelTime, Grid, UnreadableCell, Value, own_text

# What a header is for that stands for one of the other fields.
_FIELDS = {"transparent": "background"}
# Fields whose header is not used for anything else: every cell is read, and may be a problem.
_CERTAIN = ("model", "reference_strength")
_YES_NO = {
    **dict.fromkeys(("是", "yes", "true", "1", "✓", "√"), "transparent"),
    **dict.fromkeys(("否", "no", "false", "0"), "opaque"),
}
_PERCENT = re.compile(r"\s*([0-9.]+)\s*[%％]\s*")


def take_options(header: Header, grid: Grid) -> tuple[Header, list[Message]]:
    """The header with the columns of the model and its options, whose cells become values of the rows.

    The notes say which columns are kept as the user's own.
    """
    variables = _variables(header, grid)
    taken: dict[str, int] = {}
    notes: list[Message] = []
    for meaning, column in header.options.items():
        field = _FIELDS.get(meaning, meaning)
        cells = {row.number: row.own[column] for row in grid.rows if column in row.own}
        is_variable = column in header.named and variable_key(header.named[column]) in variables
        if field in taken or is_variable:
            continue
        unknown = [] if field in _CERTAIN else [n for n, v in cells.items() if not _is_known(meaning, v)]
        if not unknown and (cells or field in _CERTAIN):
            taken[field] = column
            _take(grid, column, meaning)
        elif len(unknown) < len(cells):
            text = "「{header}」列有几格不是 {choices}（第 {rows} 行），整列按自己的列保留"
            choices = tuple(map(message, OPTION_WORDS[field].values()))
            name, rows = brief(header.named[column]), row_list(unknown)
            notes.append(message(text, header=name, choices=choices, rows=rows))
    named = {column: text for column, text in header.named.items() if column not in taken.values()}
    header = replace(header, columns={**header.columns, **taken}, named=named, own=own_names(named))
    if names := tuple(brief(named[column]) for column in sorted(header.unknown & named.keys())):
        notes.insert(0, message("自己的列会保留，点「列」显示：{headers}", headers=names[:20]))
    return header, notes


def option_text(field: str, value: object) -> object:
    """A valid value of an option as a workbook shows it; anything else is unchanged."""
    word = OPTION_WORDS.get(field, {}).get(str(value))
    return message(word) if word else value


def _variables(header: Header, grid: Grid) -> set[str]:
    """The names in braces in the texts of all rows."""
    columns = [header.columns[name] for name in TEXT_FIELDS if name in header.columns]
    texts = (row.values[column] for row in grid.rows for column in columns if column in row.values)
    return {name for text in texts if isinstance(text, str) and "{" in text for name in variable_names(text)}


def _is_known(meaning: str, value: Value) -> bool:
    return isinstance(value, str | int | float) and _read(meaning, _text(meaning, value))


@lru_cache(maxsize=1024)
def _read(meaning: str, text: str) -> bool:
    try:
        READERS[_FIELDS.get(meaning, meaning)](text)
    except InvalidRequest:
        return False
    return True


def _text(meaning: str, value: Value) -> str:
    """The text of a cell, as ``READERS`` take it."""
    text = own_text(value)
    if meaning == "transparent":
        return _YES_NO.get(text.lower(), text)
    if meaning == "reference_strength" and (found := _PERCENT.fullmatch(text)):
        return found[1]
    return text


def _take(grid: Grid, column: int, meaning: str) -> None:
    """Move the cells of a column to the values of their rows."""
    for row in grid.rows:
        if column in row.own:
            value = row.own.pop(column)
            is_special = isinstance(value, ExcelTime | UnreadableCell)
            row.values[column] = value if is_special else _text(meaning, value)
