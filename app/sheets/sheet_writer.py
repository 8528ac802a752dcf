"""Writes workbooks row by row in bounded memory, with columns of text, numbers, money and times.

Text is never interpreted: formula prefixes and control characters are read back unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties

from app.errors import SpreadsheetError
from app.sheets.limits import MAX_CELL_LENGTH

_FONT = "微软雅黑"
_BORDER = Border(bottom=Side(style="thin", color="D9DDE3"))
_FORMATS = {"text": "@", "number": "General", "money": "0.00##", "time": "yyyy-mm-dd hh:mm:ss"}
_FIRST_YEAR = 1900  # of Excel's calendar
_HEADER_HEIGHT = 26

# Characters not allowed in XML, and text that looks like their escape.
_NOT_XML = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_LIKE_A_FORMULA = ("=", "+", "-", "@")


Translate = Callable[[str], str]  # a Chinese sentence -> the user's language


@dataclass(frozen=True, slots=True)
class Column:
    """A column: header, width in characters, and kind: text, number, money or time."""

    label: str
    width: float
    kind: str = "text"


@contextmanager
def open_workbook() -> Iterator[Workbook]:
    """A write-only workbook; on an exception its temporary files are removed."""
    workbook = Workbook(write_only=True)
    try:
        yield workbook
    except BaseException:
        for sheet in workbook.worksheets:
            _discard(sheet)
        raise


class SheetWriter:
    """One sheet with a frozen header row; ``append`` takes one value per column."""

    def __init__(
        self,
        workbook: Workbook,
        title: str,
        columns: Sequence[Column],
        *,
        frozen_columns: int = 0,
        row_height: float | None = None,
    ) -> None:
        self.sheet: Any = workbook.create_sheet(
            title
        )  # a write-only sheet, which openpyxl-stubs cover only in part
        self._columns = columns
        self._title = title
        self._rows = 1
        self.sheet.freeze_panes = f"{get_column_letter(frozen_columns + 1)}2"
        self.sheet.row_dimensions[1].height = _HEADER_HEIGHT
        self.sheet.page_setup.orientation = "landscape"
        self.sheet.page_setup.fitToHeight = 0  # any number of pages, each as wide as the table
        self.sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
        if row_height is not None:
            self.sheet.sheet_format.defaultRowHeight = row_height
            self.sheet.sheet_format.customHeight = True
        self._styles = {kind: self._style(kind) for kind in _FORMATS}
        self._quoted = self._style("text", quoted=True)
        for number, column in enumerate(columns, 1):
            dimension = self.sheet.column_dimensions[get_column_letter(number)]
            dimension.width = column.width
            dimension._style = self._styles[column.kind]
        self.sheet.append([self._heading(column) for column in columns])

    def append(self, values: Sequence[Any]) -> None:
        """Add one row; None and "" leave a cell empty. SpreadsheetError for text over MAX_CELL_LENGTH."""
        self._rows += 1
        pairs = zip(self._columns, values, strict=True)
        self.sheet.append(
            [None if value in (None, "") else self._cell(column, value) for column, value in pairs]
        )

    def _cell(self, column: Column, value: Any) -> Any:
        cell: Any = WriteOnlyCell(self.sheet)
        cell._style = self._styles["time" if isinstance(value, datetime) else column.kind]
        if column.kind != "text" and not isinstance(value, str):
            cell.value = value
            return cell
        text = str(value)
        if len(text) > MAX_CELL_LENGTH:
            where = f"「{self._title}」第 {self._rows} 行的{column.label}"
            message = f"{where}有 {len(text)} 字，Excel 一格最多 {MAX_CELL_LENGTH} 字，请先缩短"
            raise SpreadsheetError(message, row=self._rows, column=column.label)
        cell._value = escape(text)  # .value would turn "=…" into a formula and truncate escaped text
        cell.data_type = "s"
        if text.startswith(_LIKE_A_FORMULA):
            cell._style = self._quoted
        return cell

    def _heading(self, column: Column) -> Any:
        cell: Any = WriteOnlyCell(self.sheet)
        cell._value, cell.data_type = escape(column.label), "s"  # a label may be text written by a user
        cell.font = Font(name=_FONT, size=11, bold=True, color="FFFFFF")
        cell.fill = PatternFill("solid", fgColor="2F4858")
        side = None if column.kind == "text" else "right"
        cell.alignment = Alignment(horizontal=side, vertical="center", wrap_text=True)
        cell.number_format = "@"
        return cell

    def _style(self, kind: str, *, quoted: bool = False) -> Any:
        """The style shared by all cells of a kind; built once, because it is slow."""
        cell: Any = WriteOnlyCell(self.sheet)
        cell.font = Font(name=_FONT, size=11)
        cell.border = _BORDER
        text = kind == "text"
        cell.alignment = Alignment(horizontal=None if text else "right", vertical="top", wrap_text=text)
        cell.number_format = _FORMATS[kind]
        cell._style.quotePrefix = int(quoted)
        return cell._style


def local_time(at: str | None) -> datetime | str:
    """A stored UTC time -> local time; the text unchanged when Excel cannot represent it."""
    try:
        time = datetime.fromisoformat(at or "")
        time = time if time.tzinfo else time.replace(tzinfo=UTC)
        local = time.astimezone().replace(tzinfo=None, microsecond=0)
    except (ValueError, OverflowError, OSError):
        return at or ""
    return local if local.year >= _FIRST_YEAR else at or ""


def _discard(sheet: Any) -> None:
    if not sheet.closed:
        sheet.close()
        sheet._writer.cleanup()


def escape(text: str) -> str:
    """Escape characters that XML cannot hold, as in ``_x000D_``."""
    return _NOT_XML.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
