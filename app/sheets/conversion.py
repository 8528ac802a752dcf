"""Files of other types as ``.xlsx``: the texts and numbers of their sheets, each in its own cell."""

from __future__ import annotations

from app.domain import WorkbookFile
from app.sheets.file_types import open_sheets
from app.sheets.limits import MAX_COLUMN, MAX_SHEET_ROWS
from app.sheets.sheet_writer import SheetWriter, WorkbookWriter, sheet_title
from app.sheets.table import FormattedNumber, Value, display_text
from app.sheets.xlsx_package import OoxmlPackage


def is_ooxml(content: bytes) -> bool:
    """Whether the file is an ``.xlsx`` or ``.xlsm``, which results can be written into."""
    return content.startswith(b"PK") and "xl/workbook.xml" in OoxmlPackage(content)


def converted(file: WorkbookFile) -> tuple[bytes, dict[str, str]]:
    """The file as ``.xlsx`` -> (content, the names of its sheets there by their own)."""
    titles: dict[str, str] = {}
    taken: set[str] = set()
    with WorkbookWriter(str) as workbook:
        for sheet in open_sheets(file.content, file.filename):
            titles[sheet.name] = sheet_title(sheet.name, taken)
            page = SheetWriter(workbook, titles[sheet.name])
            for row in sheet.read(range(1, MAX_COLUMN + 1), 0, MAX_SHEET_ROWS).rows:
                cells = ((column, *_cell(value)) for column, value in sorted(row.values.items()))
                page.write(row.number, cells)
        with workbook.save(in_memory=True) as written:
            return written.read(), titles


def _cell(value: Value) -> tuple[str | float, str]:
    """What a cell shows and its style."""
    if isinstance(value, int | float) and not isinstance(value, FormattedNumber):
        return value, "general"
    return value.text if isinstance(value, FormattedNumber) else display_text(value), "as text"
