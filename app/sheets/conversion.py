"""Files of other types as ``.xlsx``: the texts and numbers of their sheets, each in its own cell."""

from __future__ import annotations

import io
import re
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from app.domain import WorkbookFile
from app.sheets.file_types import open_sheets
from app.sheets.limits import MAX_COLUMN, MAX_SHEET_ROWS
from app.sheets.sheet_writer import escape
from app.sheets.table import FormattedNumber, Value, display_text
from app.sheets.xlsx_package import OoxmlPackage

_MAX_TITLE = 31
_NOT_IN_TITLE = re.compile(r"[\[\]:*?/\\]")


def is_ooxml(content: bytes) -> bool:
    """Whether the file is an ``.xlsx`` or ``.xlsm``, which results can be written into."""
    return content.startswith(b"PK") and "xl/workbook.xml" in OoxmlPackage(content)


def converted(file: WorkbookFile) -> tuple[bytes, dict[str, str]]:
    """The file as ``.xlsx`` -> (content, the names of its sheets there by their own)."""
    book = Workbook(write_only=True)
    titles: dict[str, str] = {}
    for sheet in open_sheets(file.content, file.filename):
        page = book.create_sheet(_NOT_IN_TITLE.sub(" ", sheet.name)[:_MAX_TITLE].strip("' ") or None)
        titles[sheet.name] = page.title
        number = 0
        for row in sheet.read(range(1, MAX_COLUMN + 1), 0, MAX_SHEET_ROWS).rows:
            for _ in range(number + 1, row.number):  # a gap in the numbers becomes empty rows
                page.append([])
            number = row.number
            cells = [None] * max(row.values)
            for column, value in row.values.items():
                cells[column - 1] = _cell(page, value)
            page.append(cells)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue(), titles


def _cell(page: Any, value: Value) -> Any:
    cell: Any = WriteOnlyCell(page)
    if isinstance(value, int | float) and not isinstance(value, FormattedNumber):
        cell.value = value
        return cell
    text = value.text if isinstance(value, FormattedNumber) else display_text(value)
    cell._value, cell.data_type = escape(text), "s"  # .value would turn "=…" into a formula
    cell.number_format = "@"
    return cell
