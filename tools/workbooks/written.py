"""Workbooks as openpyxl and XlsxWriter write them, from rows of plain values."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import xlsxwriter
from openpyxl import Workbook
from openpyxl.worksheet.worksheet import Worksheet

HEADER = (
    "提示词",
    "负面提示词",
    "图片比例",
    "分辨率",
    "生成数量",
    "文件名",
    "参考示例图",
    "种子",
    "采样步数",
)


def by_openpyxl(
    rows: Sequence[Sequence[Any]],
    *,
    title: str = "Sheet1",
    change: Callable[[Worksheet], object] | None = None,
) -> bytes:
    """One sheet of these rows; ``change`` may modify it."""
    workbook = Workbook()
    sheet = workbook.active
    assert isinstance(sheet, Worksheet)
    sheet.title = title
    for row in rows:
        sheet.append(list(row))
    if change:
        change(sheet)
    return saved(workbook)


def with_sheets(sheets: Mapping[str, Sequence[Sequence[Any]]], *, hidden: Sequence[str] = ()) -> bytes:
    """Several sheets in this order; those named in ``hidden`` are hidden."""
    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    for title, rows in sheets.items():
        sheet = workbook.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
        if title in hidden:
            sheet.sheet_state = "hidden"
    return saved(workbook)


def by_xlsxwriter(write: Callable[[Any, Any], object], **options: Any) -> bytes:
    """A workbook with one sheet, filled by ``write(workbook, sheet)``; ``options`` are XlsxWriter's own."""
    buffer = io.BytesIO()
    workbook = xlsxwriter.Workbook(buffer, {"in_memory": True, **options})
    write(workbook, workbook.add_worksheet())
    workbook.close()
    return buffer.getvalue()


def saved(workbook: Workbook) -> bytes:
    buffer = io.BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()
