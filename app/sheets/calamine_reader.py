"""``.xls``, ``.xlsb``, ``.et`` and ``.ods`` bytes -> grids, read by python-calamine in a bounded process.

Calamine gives values only: no formats of numbers, no hidden rows, and errors as empty cells.
"""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openpyxl.utils import get_column_letter

from app.errors import SpreadsheetError
from app.sheets.limits import MAX_CELLS, MAX_COLUMN, MAX_MERGES, MAX_SHEET_ROWS, TOO_MUCH, TextBudget
from app.sheets.table import ExcelTime, Grid, Merge, SheetRow, Value, is_blank
from app.sheets.xlsx_package import image_of_text
from app.system.bounded_process import run_bounded

MAX_MEMORY = 192 * 2**20
MAX_SECONDS = 20
_MAX_OUTPUT = 48 * 2**20
_PROGRAM = Path(__file__).with_name("calamine_process.py")
_FAILED = "这个文件读不出来，可能已损坏或内容太多，请用 Excel 或 WPS 打开后另存为 .xlsx 再导入"


@dataclass(slots=True)
class CalamineSheet:
    """One sheet, read already."""

    name: str
    hidden: bool
    active: bool
    _merges: list[Merge] = field(default_factory=list)
    _rows: list[SheetRow] = field(default_factory=list)

    def top(self, count: int) -> list[SheetRow]:
        """The non-empty rows numbered up to ``count``."""
        return [SheetRow(row.number, dict(row.values)) for row in self._rows if row.number <= count]

    def read(
        self, columns: Container[int], after: int, max_rows: int, own: Container[int] = frozenset()
    ) -> Grid:
        """At most ``max_rows`` rows after row ``after`` with content in ``columns``; see ``SheetRow.own``."""
        grid = Grid(merges=list(self._merges))
        for row in self._rows:
            grid.add(row, columns, after, max_rows, own)
        return grid


def read_sheets(content: bytes, kind: str) -> list[CalamineSheet]:
    """The sheets of a workbook; ``kind`` (``.xls``) is for the error when python-calamine is missing."""
    if importlib.util.find_spec("python_calamine") is None:
        text = "读 {kind} 要用的 python-calamine 没有安装，请运行 make run 安装，或另存为 .xlsx 再导入"
        raise SpreadsheetError(text, kind=kind)
    limits = (MAX_MEMORY, MAX_SECONDS, MAX_SHEET_ROWS, MAX_COLUMN)
    command = [sys.executable, "-I", str(_PROGRAM), *map(str, limits)]
    written = run_bounded(command, content, memory=MAX_MEMORY, seconds=MAX_SECONDS, output=_MAX_OUTPUT)
    if written is None:
        raise SpreadsheetError(_FAILED)
    return _parse(written)


def _parse(written: bytes) -> list[CalamineSheet]:
    sheets: list[CalamineSheet] = []
    budget, cells_left, is_whole = TextBudget(), MAX_CELLS, False
    for line in map(json.loads, written.splitlines()):
        if isinstance(line, list):
            number, cells = line
            cells_left -= len(cells)
            if cells_left < 0:
                raise SpreadsheetError(TOO_MUCH)
            sheets[-1]._rows += _row(number, cells, budget)
        elif "sheet" in line:
            sheets.append(_sheet(line, is_active=not sheets))
        else:
            is_whole = _check_end(line)
    if not is_whole:
        raise SpreadsheetError(_FAILED)
    return sheets


def _sheet(line: dict[str, Any], *, is_active: bool) -> CalamineSheet:
    merges = [
        Merge(column, row, last_row, f"{_place(column, row)}:{_place(last_column, last_row)}")
        for row, column, last_row, last_column in line["merges"][:MAX_MERGES]
    ]
    return CalamineSheet(line["sheet"], line["hidden"], is_active, merges)


def _place(column: int, row: int) -> str:
    return f"{get_column_letter(column)}{row}"


def _check_end(line: dict[str, Any]) -> bool:
    if line.get("error") == "password":
        raise SpreadsheetError("这个文件有打开密码，请在 Excel 里去掉密码后再导入")
    if line.get("error") == "rows":
        text = "工作表有超过 {limit} 行（含空行），请删掉多余的行再导入，一次最多 20000 行"
        raise SpreadsheetError(text, limit=MAX_SHEET_ROWS)
    return "end" in line


def _row(number: int, cells: list[Any], budget: TextBudget) -> list[SheetRow]:
    """The row, in a list that is empty when the row has no visible content."""
    values = {}
    for column, plain in cells:
        value = _value(plain)
        if isinstance(value, str):
            budget.spend_cell(number, value)
        if not is_blank(value):
            values[column] = value
    return [SheetRow(number, values)] if values else []


def _value(plain: Any) -> Value:
    if isinstance(plain, dict):
        return ExcelTime.of_clock(*plain["clock"]) if "clock" in plain else ExcelTime(plain["date"])
    if isinstance(plain, bool):
        return "TRUE" if plain else "FALSE"
    if isinstance(plain, str):
        return image_of_text(plain) or plain
    if not math.isfinite(plain):
        return ""  # an error, which is an empty cell
    return int(plain) if float(plain).is_integer() and abs(plain) < 1e15 else float(plain)
