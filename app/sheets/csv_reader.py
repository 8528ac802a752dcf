"""``.csv`` bytes -> one sheet. The separator chosen is the one that yields the most known headers."""

from __future__ import annotations

import csv
import re
from collections.abc import Container, Iterator

from app.errors import SpreadsheetError
from app.sheets.headers import find_header
from app.sheets.limits import MAX_CELL_LENGTH, MAX_COLUMN, MAX_LINE, MAX_SHEET_ROWS
from app.sheets.table import Grid, SheetRow, UnreadableCell, Value, is_blank
from app.sheets.text_encoding import decode
from app.sheets.xlsx_images import image_of_text

_SEPARATORS = ",\t;，；|"
_HEADER_DEPTH = 30
_SEPARATOR_LINE = re.compile(r"sep=([,;|\t；，])\s*?(?:\r\n|\r|\n)", re.IGNORECASE)
_TEXT_FORMULA = re.compile(r'="((?:[^"]|"")*+)"')  # how programs force Excel to read a number as text
_SCIENTIFIC = re.compile(r"-?[0-9](?:\.[0-9]+)?E\+[0-9]{2,3}")
_LOST_DIGITS = (
    "Excel 把这个长数字存成了科学计数法，后面几位已经丢了，请在原来的表格里改成文字格式并重新填写，再导出"
)
# A line with its terminator; a line over MAX_LINE matches in pieces, the first without a terminator.
_LINE = re.compile(rf"[^\r\n]{{0,{MAX_LINE}}}+(\r\n|\r|\n|\Z)?")


class DelimitedSheet:
    """The single sheet of a delimited text; row numbers count records, as in Excel."""

    hidden = False
    active = True

    def __init__(self, content: bytes, name: str) -> None:
        self.name = name
        self._text = decode(content)
        declared = _SEPARATOR_LINE.match(self._text)
        self._start = declared.end() if declared else 0
        self._separator = declared[1] if declared else max(_SEPARATORS, key=self._count_headers)

    def top(self, count: int) -> list[SheetRow]:
        """The non-empty rows numbered up to ``count``."""
        return self._top(count, self._separator)

    def read(
        self, columns: Container[int], after: int, max_rows: int, own: Container[int] = frozenset()
    ) -> Grid:
        """At most ``max_rows`` rows after row ``after`` with content in ``columns``; see ``SheetRow.own``."""
        grid = Grid()
        width = 0
        for number, record in self._records(self._separator):
            filled = _values(record)
            if number <= after:
                width = max(filled, default=0)
            grid.add(SheetRow(number, filled), columns, after, max_rows, own)
            if grid.rows and grid.rows[-1].number == number and max(filled) > width:
                grid.rows_too_wide.append(number)
        return grid

    def _count_headers(self, separator: str) -> int:
        try:
            header = find_header(self._top(_HEADER_DEPTH, separator))
        except SpreadsheetError:
            return 0
        return len(header.columns) if header else 0

    def _top(self, count: int, separator: str) -> list[SheetRow]:
        rows = []
        for number, record in self._records(separator):
            if number > count:
                break
            if values := _values(record):
                rows.append(SheetRow(number, values))
        return rows

    def _records(self, separator: str) -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader(_lines(self._text, self._start), delimiter=separator, strict=True)
        number = 1 if self._start else 0  # the line that declares the separator
        try:
            for record in reader:
                number += 1
                if number > MAX_SHEET_ROWS:
                    text = "文件有超过 {limit} 行，一次最多导入 20000 行，请分成几个文件"
                    raise SpreadsheetError(text, limit=MAX_SHEET_ROWS)
                yield number, record
        except csv.Error as error:
            raise SpreadsheetError(
                "第 {number} 行附近的引号不成对，或一格太长，请检查这一行，或在 Excel 里另存为 .xlsx 再导入",
                row=number + 1,
                number=number + 1,
            ) from error


def _lines(text: str, start: int) -> Iterator[str]:
    for line in _LINE.finditer(text, start):
        if line[1] is None:
            text = "有一行超过 {limit} 字，这不像是表格，请检查文件"
            raise SpreadsheetError(text, limit=f"{MAX_LINE:,}")
        if line[0]:
            yield line[0]


def _values(record: list[str]) -> dict[int, Value]:
    values: dict[int, Value] = {}
    for column, written in enumerate(record[:MAX_COLUMN], 1):
        found = _TEXT_FORMULA.fullmatch(written) if written.startswith("=") else None
        text = found[1].replace('""', '"') if found else written
        if len(text) > MAX_CELL_LENGTH:
            raise SpreadsheetError(
                "有一格写了 {length} 字，一格最多 {limit} 字，请缩短后再导入",
                length=len(text),
                limit=MAX_CELL_LENGTH,
            )
        if not is_blank(text):
            is_lost = _SCIENTIFIC.fullmatch(text)
            values[column] = UnreadableCell(text, _LOST_DIGITS) if is_lost else image_of_text(text) or text
    return values
