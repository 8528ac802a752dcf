"""A sheet of a workbook as an HTML page: cells, widths, heights and pictures as they are in the file."""

import base64
from html import escape
from pathlib import Path
from typing import Any

from openpyxl import load_workbook
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

_STYLE = """
body { margin: 0; font: 13px/1.35 "Noto Sans CJK SC", sans-serif; }
table { border-collapse: collapse; table-layout: fixed; width: 0; }
th { background: #f3f3f3; color: #666; font-weight: 400; }
th, td { border: 1px solid #d9d9d9; padding: 1px 5px; overflow: hidden; white-space: nowrap; }
td { text-align: left; vertical-align: middle; }
td.is-wrapped { white-space: pre-wrap; }
td:has(+ td:empty) { overflow: visible; }
img { display: block; max-width: none; }
"""


def sheet_page(file: Path, rows: int, last_column: int) -> str:
    """The first rows and columns of the first sheet."""
    sheet = load_workbook(file).worksheets[0]
    columns = range(1, last_column + 1)
    pictures = {_place(image): image for image in sheet._images}  # type: ignore[attr-defined]
    widths = "".join(f'<col style="width: {_width(sheet, column)}px">' for column in columns)
    head = "".join(f"<th>{get_column_letter(column)}</th>" for column in columns)
    lines = ""
    for row in range(1, rows + 1):
        cells = "".join(_cell(sheet, row, column, pictures.get((row, column))) for column in columns)
        height = (sheet.row_dimensions[row].height or 15) * 4 / 3
        lines += f'<tr style="height: {height}px"><th>{row}</th>{cells}</tr>'
    table = f'<table><col style="width: 36px">{widths}<tr><th></th>{head}</tr>{lines}</table>'
    return f'<!doctype html><meta charset="utf-8"><style>{_STYLE}</style>{table}'


def _cell(sheet: Worksheet, row: int, column: int, image: Any) -> str:
    cell = sheet.cell(row, column)
    if image is not None:
        content = base64.b64encode(image._data()).decode()
        size = f'width="{image.width}" height="{image.height}"'
        return f'<td><img alt="" {size} src="data:image/png;base64,{content}"></td>'
    words = "" if cell.value is None else escape(str(cell.value))
    return f'<td class="is-wrapped">{words}</td>' if cell.alignment.wrap_text else f"<td>{words}</td>"


def _place(image: Any) -> tuple[int, int]:
    """(row, column) of its upper left corner, from 1."""
    return image.anchor._from.row + 1, image.anchor._from.col + 1


def _width(sheet: Worksheet, column: int) -> int:
    """Pixels; the file has widths in digits of its font."""
    dimensions = sheet.column_dimensions.values()
    found = [each.width for each in dimensions if each.min and each.min <= column <= (each.max or 0)]
    return round((found[0] if found else 8.43) * 7 + 5)
