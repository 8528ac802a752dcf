"""The table of prompts as a workbook: the empty template, and an export that imports unchanged."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from openpyxl import Workbook
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation

from app.domain import (
    ASPECT_RATIOS,
    MAX_PICTURES_A_ROW,
    MAX_REFERENCES,
    MAX_ROWS_A_BATCH,
    RESOLUTIONS,
    ModelSpec,
)
from app.sheets.cells import join_names
from app.sheets.headers import LABELS
from app.sheets.sheet_writer import Column, SheetWriter, Translate, open_workbook

SHEET_NAME = "提示词表"
WIDTHS: Mapping[str, float] = {
    "prompt": 56,
    "negative_prompt": 28,
    "aspect_ratio": 11,
    "resolution": 10,
    "num_images": 11,
    "filename": 22,
    "references": 26,
    "seed": 13,
    "steps": 11,
}

# How to fill in a column, and an example; arranged so that the import does not read it as a table of prompts.
_EXPLANATIONS: Mapping[str, tuple[str, str]] = {
    "prompt": ("必填。要画什么，一行一条；可以很长，可以换行。", "一只橘猫趴在窗台上晒太阳，水彩风格"),
    "negative_prompt": ("选填。不想出现的东西；模型没有这一项时，会用一句话写进提示词。", "模糊，水印"),
    "aspect_ratio": ("从下拉里选，不填按 1:1。可选：{ratios}。", "16:9"),
    "resolution": ("从下拉里选，不填按 2K。可选：{resolutions}。", "2K"),
    "num_images": (f"这一行要几张，1–{MAX_PICTURES_A_ROW}，不填按 1 张。每一张都计费。", "1"),
    "filename": ("选填。保存的文件名，不写扩展名；重名时自动加序号，不会覆盖。", "橘猫"),
    "references": (
        f"选填。「示例图」页里图片的名字，最多 {MAX_REFERENCES} 个，用逗号、顿号、分号或换行隔开。",
        "构图.png；配色.jpg",
    ),
    "seed": ("选填，整数。同一个种子画出来相近，一行多张时每张加 1；模型不接受种子时不会用到。", "42"),
    "steps": ("选填，整数。模型不接受步数时不会用到。", "20"),
}
_GENERAL_NOTES = (
    f"在「{SHEET_NAME}」里从第 2 行开始填写，保存后在「批量生成」页点「📂 导入 Excel」。",
    f"一次最多 {MAX_ROWS_A_BATCH} 行。列的顺序可以换，不用的列可以删，表头上面可以有标题行。",
    "各列都是文字格式，Excel 不会把 16:9 变成时间；格子左上角的绿色小三角不用管。",
    "导入后不会马上开始，也不会花钱：先逐格检查，有问题的地方会一一指出来。",
)


def write_template(spec: ModelSpec | None = None, *, translate: Translate = str) -> bytes:
    """The empty template: a table with drop-downs for the model spec ``spec``, and a sheet of instructions.

    ``tell`` translates headers and instructions; the import accepts the English headers too.
    """
    with open_workbook() as workbook:
        _add_table(workbook, (), spec, translate)
        _add_explanations(workbook, spec, translate)
        return _saved(workbook)


def write_requests(
    rows: Iterable[Mapping[str, Any]], spec: ModelSpec | None = None, *, translate: Translate = str
) -> bytes:
    """Rows by the API's field names -> a workbook that ``read_workbook`` reads back unchanged.

    Reference images are taken from ``references`` (names), else from ``sample_images`` ([{url, filename}]).
    Rows need not be valid: fields are written as they are. SpreadsheetError for text over MAX_CELL_LENGTH.
    """
    with open_workbook() as workbook:
        _add_table(workbook, rows, spec, translate)
        return _saved(workbook)


def reference_names(row: Mapping[str, Any]) -> list[str]:
    """The names of a row's reference images; the row may be invalid."""
    found = row.get("references") or row.get("sample_images") or ()
    listed = found if isinstance(found, list | tuple) else [found]
    return [str(one.get("filename", "") if isinstance(one, Mapping) else one) for one in listed]


def _add_table(
    workbook: Workbook, rows: Iterable[Mapping[str, Any]], spec: ModelSpec | None, translate: Translate
) -> None:
    columns = [Column(translate(LABELS[name]), WIDTHS[name]) for name in LABELS]
    table = SheetWriter(workbook, translate(SHEET_NAME), columns)
    _add_choice(table, "aspect_ratio", _ratios(spec), translate)
    _add_choice(table, "resolution", _resolutions(spec), translate)
    _add_choice(table, "num_images", [str(n) for n in range(1, MAX_PICTURES_A_ROW + 1)], translate)
    for row in rows:
        table.append(
            [join_names(reference_names(row)) if name == "references" else row.get(name) for name in LABELS]
        )


def _add_choice(table: SheetWriter, field: str, choices: Sequence[str], translate: Translate) -> None:
    """Add a drop-down of the allowed values to a whole column."""
    column = get_column_letter(list(LABELS).index(field) + 1)
    choice = DataValidation(
        type="list",
        formula1=f'"{",".join(choices)}"',
        allow_blank=True,
        showErrorMessage=True,
        errorTitle=translate(LABELS[field]),
        error=translate(f"可选：{'、'.join(choices)}"),
        sqref=f"{column}2:{column}{MAX_ROWS_A_BATCH + 1}",
    )
    table.sheet.data_validations.append(choice)


def _add_explanations(workbook: Workbook, spec: ModelSpec | None, translate: Translate) -> None:
    heads = (("列", 20), ("怎么填", 70), ("例子", 44))
    sheet = SheetWriter(
        workbook, translate("说明"), [Column(translate(label), width) for label, width in heads]
    )
    offered = {"ratios": "、".join(_ratios(spec)), "resolutions": "、".join(_resolutions(spec))}
    for number, (name, (how, example)) in enumerate(_EXPLANATIONS.items(), 1):
        note = spec.field_notes.get(name, "") if spec else ""
        where = translate(f"{get_column_letter(number)} 列：{LABELS[name]}")
        sheet.append([where, translate(how.format(**offered)) + translate(str(note)), translate(example)])
    for text in _GENERAL_NOTES:
        sheet.append(["", translate(text), ""])


def _ratios(spec: ModelSpec | None) -> list[str]:
    return [r for r in ASPECT_RATIOS if spec is None or any(ratio == r for ratio, _ in spec.sizes)]


def _resolutions(spec: ModelSpec | None) -> list[str]:
    return [r for r in RESOLUTIONS if spec is None or any(resolution == r for _, resolution in spec.sizes)]


def _saved(workbook: Workbook) -> bytes:
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()
