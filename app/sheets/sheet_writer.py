"""Writes workbooks row by row in bounded memory, with columns of text, numbers, money and times.

Text is never interpreted: formula prefixes and control characters are read back unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from tempfile import TemporaryFile
from typing import IO, Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties

from app.errors import Message, SpreadsheetError, Translate, message
from app.sheets.limits import MAX_CELL_LENGTH

_FONT = "微软雅黑"
_BORDER = Border(bottom=Side(style="thin", color="D9DDE3"))
_FORMATS = {
    "text": "@",
    "number": "General",
    "money": "0.00##",
    "time": "yyyy-mm-dd hh:mm:ss",
    "date": "yyyy-mm-dd",
}
_FIRST_YEAR = 1900  # of Excel's calendar
_HEADER_HEIGHT = 26
ROWS_A_SHEET = 1_000_000

# Characters not allowed in XML, and text that looks like their escape.
_NOT_XML = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
LIKE_A_FORMULA = ("=", "+", "-", "@")


@dataclass(frozen=True, slots=True)
class Column:
    """A column: header, width in characters, kind (one of _FORMATS), and the value of an item."""

    label: str | Message
    width: float
    kind: str = "text"
    value: Callable[[Any], Any] = lambda item: None


class WorkbookWriter:
    """A write-only workbook whose titles, headers and Messages are translated."""

    def __init__(self, translate: Translate) -> None:
        self.translate = translate
        self.workbook = Workbook(write_only=True)

    def add_items(
        self, title: str, columns: Sequence[Column], items: Iterable[Any], *, frozen_columns: int = 0
    ) -> None:
        """Add one row per item, to as many sheets as needed."""
        title = self.translate(title)
        sheet = SheetWriter(self, title, columns, frozen_columns=frozen_columns)
        for index, item in enumerate(items):
            if index and index % ROWS_A_SHEET == 0:
                number = index // ROWS_A_SHEET + 1
                sheet = SheetWriter(self, f"{title} {number}", columns, frozen_columns=frozen_columns)
            sheet.append([column.value(item) for column in columns])

    def save(self, *, in_memory: bool = False) -> IO[bytes]:
        """The workbook as a file of bytes, or a temporary file that the caller closes; rewound."""
        file: IO[bytes] = BytesIO() if in_memory else TemporaryFile()  # noqa: SIM115 - see above
        self.workbook.save(file)
        file.seek(0)
        return file


@contextmanager
def open_workbook(translate: Translate) -> Iterator[WorkbookWriter]:
    """A new workbook; on an exception its temporary files are removed."""
    writer = WorkbookWriter(translate)
    try:
        yield writer
    except BaseException:
        for sheet in writer.workbook.worksheets:
            _discard(sheet)
        raise


class SheetWriter:
    """One sheet with a frozen header row; ``append`` takes one value per column."""

    def __init__(
        self,
        writer: WorkbookWriter,
        title: str,
        columns: Sequence[Column],
        *,
        frozen_columns: int = 0,
        row_height: float | None = None,
    ) -> None:
        # openpyxl-stubs cover write-only sheets only in part
        self.sheet: Any = writer.workbook.create_sheet(title)
        self._translate = writer.translate
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
        self.sheet.append([*map(self._cell, self._columns, self.texts(values))])

    def texts(self, values: Sequence[Any]) -> list[Any]:
        """What the cells of one more row show: translated text, other values in columns for them, or None."""
        self._rows += 1
        return [*map(self._shown, self._columns, values)]

    def style_index(self, kind: str) -> int:
        """The index, in the workbook's styles, of the cells of a kind, or of ``quoted`` text."""
        style = self._quoted if kind == "quoted" else self._styles[kind]
        return int(self.sheet.parent._cell_styles.add(style))

    def _shown(self, column: Column, value: Any) -> Any:
        if isinstance(value, Message):
            value = self._translate(value)
        if value is None or value == "":
            return None
        if column.kind != "text" and not isinstance(value, str):
            return value
        text = str(value)
        if len(text) > MAX_CELL_LENGTH:
            raise self._too_long(column, len(text))
        return text

    def _cell(self, column: Column, value: Any) -> Any:
        if value is None:
            return None
        cell: Any = WriteOnlyCell(self.sheet)
        cell._style = self._styles["time" if isinstance(value, datetime) else column.kind]
        if not isinstance(value, str):
            cell.value = value
            return cell
        text = value
        cell._value = escape(text)  # .value would turn "=…" into a formula and truncate escaped text
        cell.data_type = "s"
        if text.startswith(LIKE_A_FORMULA):
            cell._style = self._quoted
        return cell

    def _too_long(self, column: Column, length: int) -> SpreadsheetError:
        row, label = self._rows, message(column.label)
        where = message("「{sheet}」第 {number} 行的{column}", sheet=self._title, number=row, column=label)
        text = "{where}有 {length} 字，Excel 一格最多 {limit} 字，请先缩短"
        error = message(text, where=where, length=length, limit=MAX_CELL_LENGTH)
        return SpreadsheetError(error, row=row, column=str(label))

    def _heading(self, column: Column) -> Any:
        cell: Any = WriteOnlyCell(self.sheet)
        cell._value, cell.data_type = escape(self._translate(column.label)), "s"  # may start with "="
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
