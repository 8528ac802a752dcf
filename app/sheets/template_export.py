"""The table of prompts as a workbook: the empty template, and an export that imports unchanged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, Any
from xml.sax.saxutils import escape, quoteattr

from openpyxl.utils import get_column_letter

from app.domain import (
    ASPECT_RATIOS,
    MAX_PICTURES_A_ROW,
    MAX_REFERENCES,
    OPTIONS,
    RESOLUTIONS,
    ModelSpec,
    own_column_names,
)
from app.domain.row_fields import GUIDES
from app.domain.tables import MAX_ROWS_A_TABLE
from app.errors import Message, Translate, message
from app.sheets.cells import join_names
from app.sheets.headers import FIELD_LABELS, LABELS, OPTION_LABELS
from app.sheets.option_columns import option_text
from app.sheets.sheet_writer import SheetColumn, SheetWriter, WorkbookWriter

SHEET_NAME = "提示词表"
_MAX_FORMULA = 255  # characters of a list of allowed values
_COMMON_HEADERS = message("背景、格式、质量这几列，每一格都是可选的值才按选项读，否则是自己的列。")
_GENERAL_NOTES = (
    message(
        "在「{sheet}」里从第 2 行开始填写，保存后在「批量生成」页点「📂 导入 Excel」。",
        sheet=message(SHEET_NAME),
    ),
    message(
        "一次最多 {limit} 行。列的顺序可以换，不用的列可以删，表头上面可以有标题行。", limit=MAX_ROWS_A_TABLE
    ),
    message(
        "可以加自己的列（例如 SKU、客户），会跟着每一行；在提示词、文件名里写 {SKU}，就换成这一行的那一格。"
    ),
    message("各列都是文字格式，Excel 不会把 16:9 变成时间；格子左上角的绿色小三角不用管。"),
    message("导入后不会马上开始，也不会花钱：先逐格检查，有问题的地方会一一指出来。"),
)


def write_template(specs: Sequence[ModelSpec] = (), *, translate: Translate = str) -> IO[bytes]:
    """The empty template: a table with drop-downs for the first of the models, and a sheet of instructions.

    These explain what the other models take, too. The import accepts the English headers too.
    """
    with WorkbookWriter(translate) as workbook:
        _add_table(workbook, (), specs)
        _add_explanations(workbook, specs)
        return workbook.save(in_memory=True)


def write_requests(
    rows: Iterable[Mapping[str, Any]], specs: Sequence[ModelSpec] = (), *, translate: Translate = str
) -> IO[bytes]:
    """Rows by the API's field names -> a workbook that ``read_workbook`` reads back unchanged.

    Reference images are taken from ``references`` (names), else from ``sample_images`` ([{url, filename}]);
    the model and options have a column when a row has them, and the own columns of all rows, ``columns``,
    are on the right. The drop-downs are for the first of the models, for all of them if rows name a model.
    Rows need not be valid: fields are written as they are. SpreadsheetError for text over MAX_CELL_LENGTH.
    """
    with WorkbookWriter(translate) as workbook:
        _add_table(workbook, rows, specs)
        return workbook.save(in_memory=True)


def own_columns(names: Iterable[str], cells: Callable[[Any], Mapping[str, str]]) -> list[SheetColumn]:
    """The user's own columns; ``cells`` returns those of an item. Their headers are not translated."""
    return [
        SheetColumn(message("{name}", name=name), 16, value=lambda item, name=name: cells(item).get(name))  # type: ignore[misc]
        for name in names
    ]


def _add_table(
    workbook: WorkbookWriter, rows: Iterable[Mapping[str, Any]], specs: Sequence[ModelSpec]
) -> None:
    rows = list(rows)
    used = [name for name in OPTION_LABELS if any(row.get(name) not in (None, "") for row in rows)]
    fields = {name: FIELD_LABELS[name] for name in (*LABELS, *used)}
    own = own_columns(own_column_names(map(_own_cells, rows)), _own_cells)
    columns = [*(SheetColumn(label, GUIDES[name][0]) for name, label in fields.items()), *own]
    table = SheetWriter(workbook, workbook.translate(SHEET_NAME), columns)
    choices, lists = _choices(specs if "model" in used else specs[:1]), ""
    for number, name in enumerate(fields, 1):
        if words := [workbook.translate(word) for word in choices.get(name, ())]:
            lists += _drop_down(workbook, number, fields[name], words)
    if lists:
        table.validations = f"<dataValidations>{lists}</dataValidations>"
    labels = _sole_labels(specs)
    for row in rows:
        values = [_cell(row, name, labels) for name in fields]
        table.append([*values, *(column.value(row) for column in own)])


def _cell(row: Mapping[str, Any], name: str, labels: Mapping[str, str]) -> Any:
    """The value of a field in its cell; the row may be invalid."""
    if name == "references":
        names = row.get("references") or row.get("sample_images") or ()
        images = names if isinstance(names, list | tuple) else [names]
        return join_names(
            [str(image.get("filename", "") if isinstance(image, Mapping) else image) for image in images]
        )
    value = row.get(name)
    if name == "model":
        return message(labels[value]) if isinstance(value, str) and value in labels else value
    return option_text(name, value)


def _sole_labels(specs: Iterable[ModelSpec]) -> dict[str, str]:
    """The label of each model, by id, where no other has the same."""
    specs = list(specs)
    counts = Counter(spec.label for spec in specs)
    return {spec.model_id: spec.label for spec in specs if counts[spec.label] == 1}


def _own_cells(row: Mapping[str, Any]) -> dict[str, str]:
    """The own columns of a row, which may be invalid."""
    cells = row.get("columns")
    return {name: str(text) for name, text in cells.items()} if isinstance(cells, Mapping) else {}


def _drop_down(workbook: WorkbookWriter, column: int, label: str, choices: Sequence[str]) -> str:
    """The XML of the allowed values of a whole column; "" when Excel cannot hold them in a list."""
    letter, formula = get_column_letter(column), f'"{",".join(choices)}"'
    if len(formula) > _MAX_FORMULA or any(sign in choice for choice in choices for sign in ',"'):
        return ""
    error = workbook.translate(message("可选：{choices}", choices=tuple(choices)))
    style = "warning" if label == LABELS["resolution"] else "stop"  # it may be an own size
    return (
        f'<dataValidation type="list" allowBlank="1" showErrorMessage="1" errorStyle="{style}" '
        f"errorTitle={quoteattr(workbook.translate(label))} error={quoteattr(error)} "
        f'sqref="{letter}2:{letter}{MAX_ROWS_A_TABLE + 1}">'
        f"<formula1>{escape(formula)}</formula1></dataValidation>"
    )


def _add_explanations(workbook: WorkbookWriter, specs: Sequence[ModelSpec]) -> None:
    translate, spec = workbook.translate, next(iter(specs), None)
    columns = [SheetColumn("列", 20), SheetColumn("怎么填", 70), SheetColumn("例子", 44)]
    sheet = SheetWriter(workbook, translate("说明"), columns)
    choices = _choices(specs[:1])
    values = {
        "ratios": choices["aspect_ratio"],
        "resolutions": choices["resolution"],
        "max_pictures": MAX_PICTURES_A_ROW,
        "max_references": spec.max_references if spec else MAX_REFERENCES,
    }
    for number, (name, label) in enumerate(LABELS.items(), 1):
        column = message("{letter} 列：{label}", letter=get_column_letter(number), label=message(label))
        note = spec.field_notes.get(name, "") if spec else ""
        _, how, example = GUIDES[name]
        sheet.append([column, translate(message(how, **values)) + translate(note), message(example)])
    options = _option_choices(specs)
    for name, words in options.items():
        _, how, example = GUIDES[name]
        column = message("可以加的列：{label}", label=message(OPTION_LABELS[name]))
        sheet.append([column, message(how, choices=words), message(example, first=words[0])])
    common = [_COMMON_HEADERS] if options.keys() & {"background", "output_format", "quality"} else []
    for text in (*common, *_GENERAL_NOTES):
        sheet.append(["", text, ""])


def _option_choices(specs: Sequence[ModelSpec]) -> dict[str, tuple[Message, ...]]:
    """The columns that a table for these models may have besides, with their values in words."""
    found: dict[str, tuple[Message, ...]] = {}
    labels = _sole_labels(specs)
    if len(specs) > 1:
        found["model"] = tuple(message(labels.get(spec.model_id, spec.model_id)) for spec in specs)
    for name in OPTIONS:
        values = dict.fromkeys(value for spec in specs for value in spec.options.get(name, ()))
        if values:
            found[name] = tuple(message(str(option_text(name, value))) for value in values)
    return found


def _choices(specs: Sequence[ModelSpec]) -> dict[str, tuple[str | Message, ...]]:
    """The values of the fields with a drop-down, for these models or for any."""
    sizes = [size for spec in specs for size in spec.sizes]
    ratios, resolutions = zip(*sizes, strict=True) if sizes else (ASPECT_RATIOS, RESOLUTIONS)
    options = _option_choices(specs)
    options.pop("reference_strength", None)
    return {
        "aspect_ratio": tuple(ratio for ratio in ASPECT_RATIOS if ratio in ratios),
        "resolution": tuple(resolution for resolution in RESOLUTIONS if resolution in resolutions),
        "num_images": tuple(str(number) for number in range(1, MAX_PICTURES_A_ROW + 1)),
        **options,
    }
