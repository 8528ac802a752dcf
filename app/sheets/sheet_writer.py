"""Writes workbooks over the blank one of ``blank/``, row by row in bounded memory.

Text is never interpreted: formula prefixes and control characters are read back unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from shutil import copyfileobj
from tempfile import SpooledTemporaryFile, TemporaryFile
from typing import IO, Any
from xml.sax.saxutils import escape as escape_xml
from xml.sax.saxutils import quoteattr
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from openpyxl.utils import get_column_letter
from openpyxl.utils.datetime import to_excel

from app.errors import Message, SpreadsheetError, Translate, message
from app.sheets.limits import MAX_CELL_LENGTH
from app.sheets.xlsx_edit import CONTENT_TYPES, RELATIONSHIPS, with_child, with_content_types, with_relations

# The styles of cells by index in ``blank/xl/styles.xml``: two without a font, and the kinds of columns.
_STYLES = (
    "general",
    "as text",
    "text",
    "quoted",
    "number",
    "money",
    "time",
    "date",
    "heading",
    "right heading",
)
STYLES = {name: index for index, name in enumerate(_STYLES)}
_FOLDER = Path(__file__).with_name("blank")
_BLANK = {
    path.relative_to(_FOLDER).as_posix(): path.read_bytes()
    for path in sorted(_FOLDER.rglob("*"))
    if path.is_file()
}
_WORKBOOK, _WORKBOOK_RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"
_SHEET_START = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
# Any number of pages, each as wide as the table.
_FIT_TO_WIDTH = '<sheetPr><pageSetUpPr fitToPage="1"/></sheetPr>'
_PAGES = (
    '<pageMargins left="0.75" right="0.75" top="1" bottom="1" header="0.5" footer="0.5"/>'
    '<pageSetup orientation="landscape" fitToHeight="0"/>'
)
_FIRST_YEAR = 1900  # of Excel's calendar
_MAX_TITLE = 31  # UTF-16 units
_NOT_IN_TITLES = re.compile("[\\[\\]:*?/\\\\]|[^ -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_IN_MEMORY = 2**18  # bytes of a sheet; more are in a temporary file
ROWS_A_SHEET = 1_000_000

# Characters not allowed in XML, and text that looks like their escape.
_NOT_XML = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
LIKE_A_FORMULA = ("=", "+", "-", "@")

CellValue = str | float | Decimal | date


@dataclass(frozen=True, slots=True)
class SheetColumn:
    """A column: header, width in characters, kind (one of STYLES), and the value of an item."""

    label: str | Message
    width: float
    kind: str = "text"
    value: Callable[[Any], Any] = lambda item: None


class WorkbookWriter(ExitStack):
    """A workbook whose titles, headers and Messages are translated; its temporary files close with it."""

    def __init__(self, translate: Translate) -> None:
        super().__init__()
        self.translate = translate
        self.sheets: list[SheetWriter] = []  # in their order

    def add_items(
        self, title: str, columns: Sequence[SheetColumn], items: Iterable[Any], *, frozen_columns: int = 0
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
        kind, parts = f"{RELATIONSHIPS}/worksheet", dict(_BLANK)
        types = {sheet.part: _SHEET_TYPE for sheet in self.sheets}
        parts[CONTENT_TYPES] = with_content_types(parts[CONTENT_TYPES], types, {})
        relations = {
            f"sheet{number}": (kind, f"/{sheet.part}") for number, sheet in enumerate(self.sheets, 1)
        }
        parts[_WORKBOOK_RELATIONS] = with_relations(parts[_WORKBOOK_RELATIONS], relations)
        elements = "".join(
            f'<sheet name={quoteattr(sheet.title)} sheetId="{number}" r:id="sheet{number}"/>'
            for number, sheet in enumerate(self.sheets, 1)
        )
        parts[_WORKBOOK] = with_child(parts[_WORKBOOK], "sheets", elements.encode())
        file: IO[bytes] = BytesIO() if in_memory else TemporaryFile()  # noqa: SIM115 - see above
        with ZipFile(file, "w", ZIP_DEFLATED) as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
            for sheet in self.sheets:
                sheet.write_to(archive)
        file.seek(0)
        return file


class SheetWriter:
    """One sheet; ``append`` takes one value per column below a frozen header row, ``write`` any cells.

    Without columns it has no header. ``validations`` are the XML of drop-downs.
    """

    def __init__(
        self,
        writer: WorkbookWriter,
        title: str,
        columns: Sequence[SheetColumn] = (),
        *,
        frozen_columns: int = 0,
        row_height: float | None = None,
    ) -> None:
        writer.sheets.append(self)
        self.part = f"xl/worksheets/sheet{len(writer.sheets)}.xml"
        self.title = title
        self.validations = ""
        self._translate = writer.translate
        self._columns = columns
        self._rows = 1
        file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - the writer closes it
        self._file = writer.enter_context(file)
        self.head = _SHEET_START.encode() + b"<sheetData>"
        if columns:
            layout = _layout(columns, frozen_columns, row_height)
            styles = ("heading" if column.kind == "text" else "right heading" for column in columns)
            labels = (self._translate(column.label) for column in columns)
            headings = zip(range(1, len(columns) + 1), labels, styles, strict=True)
            header = row_xml(1, headings, ' ht="26" customHeight="1"')
            self.head = f"{_SHEET_START}{_FIT_TO_WIDTH}{layout}<sheetData>{header}".encode()
        self._file.write(self.head)

    def append(self, values: Sequence[Any]) -> None:
        """Add one row; None and "" leave a cell empty. SpreadsheetError for text over MAX_CELL_LENGTH."""
        texts = self.texts(values)  # counts the row
        self._file.write(self.line(self._rows, texts))

    def write(self, number: int, cells: Iterable[tuple[int, CellValue, str]]) -> None:
        """Add the row of this number: (column, value, style) in order."""
        self._file.write(row_xml(number, cells).encode())

    def texts(self, values: Sequence[Any]) -> list[Any]:
        """What the cells of one more row show: translated text, other values in columns for them, or None."""
        self._rows += 1
        return [*map(self._shown, self._columns, values)]

    def line(self, number: int, texts: Iterable[Any]) -> bytes:
        """The XML of a row with these ``texts``."""
        cells = list[tuple[int, CellValue, str]]()
        for at, (column, value) in enumerate(zip(self._columns, texts, strict=True), 1):
            style = "time" if isinstance(value, datetime) else column.kind
            if isinstance(value, str) and value.startswith(LIKE_A_FORMULA):
                style = "quoted"
            if value is not None:
                cells.append((at, value, style))
        return row_xml(number, cells).encode()

    def tail(self, drawing: str = "") -> bytes:
        """The XML behind the rows, with the element of a drawing."""
        pages = _PAGES if self._columns else ""
        return f"</sheetData>{self.validations}{pages}{drawing}</worksheet>".encode()

    def write_to(self, archive: ZipFile) -> None:
        """Write the sheet as a part of the workbook."""
        part = ZipInfo(self.part)
        part.compress_type, part.file_size = ZIP_DEFLATED, self._file.tell()
        self._file.seek(0)
        with archive.open(part, "w") as target:
            copyfileobj(self._file, target)
            target.write(self.tail())

    def _shown(self, column: SheetColumn, value: Any) -> Any:
        if isinstance(value, Message):
            value = self._translate(value)
        if value is None or value == "":
            return None
        if column.kind != "text" and not isinstance(value, str):
            return value
        text = str(value)
        if len(text) > MAX_CELL_LENGTH:
            row, label = self._rows, message(column.label)
            where = message("「{sheet}」第 {number} 行的{column}", sheet=self.title, number=row, column=label)
            sentence = "{where}有 {length} 字，Excel 一格最多 {limit} 字，请先缩短"
            error = message(sentence, where=where, length=len(text), limit=MAX_CELL_LENGTH)
            raise SpreadsheetError(error, row=row, column=str(label))
        return text


def _layout(columns: Sequence[SheetColumn], frozen_columns: int, row_height: float | None) -> str:
    """The elements before the rows: what is frozen, the height of rows and the widths of columns."""
    left = f'xSplit="{frozen_columns}" ' if frozen_columns else ""
    panes = ("topRight", "bottomLeft", "bottomRight") if frozen_columns else ("bottomLeft",)
    cell = f"{get_column_letter(frozen_columns + 1)}2"
    selections = "".join(f'<selection pane="{pane}"/>' for pane in panes)
    height = f'"{row_height:g}" customHeight="1"' if row_height else '"15"'
    widths = "".join(
        f'<col min="{number}" max="{number}" width="{column.width:g}" style="{STYLES[column.kind]}"'
        ' customWidth="1"/>'
        for number, column in enumerate(columns, 1)
    )
    return (
        f'<sheetViews><sheetView workbookViewId="0"><pane {left}ySplit="1" topLeftCell="{cell}" '
        f'activePane="{panes[-1]}" state="frozen"/>{selections}</sheetView></sheetViews>'
        f"<sheetFormatPr defaultRowHeight={height}/><cols>{widths}</cols>"
    )


def row_xml(number: int, cells: Iterable[tuple[int, CellValue, str]], attributes: str = "") -> str:
    """A row with cells (column, value, style)."""
    written = (
        cell_xml(f"{get_column_letter(at)}{number}", value, STYLES[style]) for at, value, style in cells
    )
    return f'<row r="{number}"{attributes}>{"".join(written)}</row>'


def cell_xml(reference: str, value: CellValue, style: int | None, p: str = "") -> str:
    """A cell with a text, number or time; ``p`` is the prefix of its namespace."""
    index = "" if style is None else f' s="{style}"'
    if not isinstance(value, str):
        number: Any = to_excel(value) if isinstance(value, date) else value  # type: ignore[no-untyped-call]
        return f'<{p}c r="{reference}"{index}><{p}v>{float(number):.16g}</{p}v></{p}c>'
    text = _NOT_XML.sub(lambda found: f"_x{ord(found[0]):04X}_", value)
    return (
        f'<{p}c r="{reference}"{index} t="inlineStr"><{p}is>'
        f'<{p}t xml:space="preserve">{escape_xml(text)}</{p}t></{p}is></{p}c>'
    )


def sheet_title(text: str, taken: set[str]) -> str:
    """A title of a sheet that no other has, and which is then ``taken``; Excel compares without case."""
    clean = _NOT_IN_TITLES.sub(" ", text)
    title, number = _cut(clean, _MAX_TITLE), 1
    while title.casefold() in taken:
        number += 1
        title = f"{_cut(clean, _MAX_TITLE - 4)} {number}"
    taken.add(title.casefold())
    return title


def _cut(title: str, units: int) -> str:
    return title.encode("utf-16-le")[: 2 * units].decode("utf-16-le", "ignore").strip(" '") or "-"


def local_time(at: str | None) -> datetime | str:
    """A stored UTC time -> local time; the text unchanged when Excel cannot represent it."""
    try:
        time = datetime.fromisoformat(at or "")
        time = time if time.tzinfo else time.replace(tzinfo=UTC)
        local = time.astimezone().replace(tzinfo=None, microsecond=0)
    except (ValueError, OverflowError, OSError):
        return at or ""
    return local if local.year >= _FIRST_YEAR else at or ""
