"""Own columns of a sheet: which are kept, how they are named, and variables in the other columns."""

import datetime
import io
from functools import partial
from typing import Any

import pytest
from openpyxl import load_workbook
from openpyxl.styles.numbers import FORMAT_TEXT

from app.domain import MAX_OWN_COLUMNS, Status
from app.sheets import read_workbook, write_records, write_requests
from app.sheets.headers import LABELS
from app.web.i18n import in_english
from tests.sheets import tables
from tests.sheets.tables import notes
from tests.sheets.test_results_export import record, written

read = partial(tables.read, date="2026-11-26")


def columns(*rows: tuple[Any, ...], **more: Any) -> list[list[tuple[str, str]]]:
    """The own columns of each row, in order."""
    return [[*row.columns.items()] for row in read(*rows, **more).rows]


def test_columns_that_mean_nothing_to_us_are_kept_in_order() -> None:
    header = ("SKU", "提示词", "客户\n名称", "交期", "图片比例", "序号")
    due = datetime.date(2026, 12, 1)

    assert columns(header, ("007", "猫", "张三", due, "16:9", 1), (8, "狗", None, None, "1:1", 2.5)) == [
        [("SKU", "007"), ("客户 名称", "张三"), ("交期", "2026-12-01"), ("序号", "1")],
        [("SKU", "8"), ("客户 名称", ""), ("交期", ""), ("序号", "2.5")],
    ]


def test_a_cell_is_kept_as_displayed() -> None:
    def formats(sheet: Any) -> None:
        sheet["B2"].number_format = '"SKU-"000'
        sheet["C2"].number_format = FORMAT_TEXT

    rows = (("提示词", "a", "b", "c", "d", "e"), ("猫", 1, "=1+1", True, "#N/A", " x "))

    assert columns(*rows, change=formats)[0] == [
        ("a", "SKU-001"),
        ("b", ""),  # a formula without a stored result
        ("c", "TRUE"),
        ("d", "#N/A"),
        ("e", "x"),
    ]


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (12.5, "0.00", "12.50"),
        (12.345, "0.00", "12.35"),
        (1234567.5, "#,##0.00", "1,234,567.50"),
        (1200, "#,##0", "1,200"),
        (0.125, "0%", "13%"),
        (0.125, "0.0%", "12.5%"),
        (99, "¥#,##0.00;¥-#,##0.00", "¥99.00"),
        (-99.5, '"¥"#,##0.00', "-¥99.50"),
        (99, "[$¥-804]#,##0.00", "¥99.00"),
        (99, "[$$-409]#,##0.00_);[Red]([$$-409]#,##0.00)", "$99.00"),
        (3.5, '0.0"kg"', "3.5kg"),
        (3, '0.0" 元"', "3.0 元"),
        (12.5, "General", "12.5"),
        (1234, "# ?/?", "1234"),
        (5, "@", "5"),
        (-0.001, "0.00", "0.00"),
        (1e20, "0.00", "1e+20"),
        (9.99e14, "0.0000000000%", "99900000000000000.0000000000%"),
    ],
)
def test_a_number_is_kept_as_displayed(value: float, number_format: str, text: str) -> None:
    def formats(sheet: Any) -> None:
        sheet["B2"].number_format = number_format

    assert columns(("提示词", "价格"), ("猫", value), change=formats)[0] == [("价格", text)]


def test_equal_headers_are_numbered() -> None:
    header = ("提示词", "备注", "备注", "SKU", "sku", "备注 2")

    assert [name for name, _ in columns(header, ("猫", 1, 2, 3, 4, 5))[0]] == [
        *("备注", "备注 2", "SKU", "sku 2", "备注 2 2")
    ]


def test_columns_of_the_template_are_never_own_columns() -> None:
    header = (*LABELS.values(), "Prompt", "参考图2", "反向提示词", "SKU")

    assert columns(header, ("猫",) * len(header))[0] == [("SKU", "猫")]


def test_a_size_that_is_neither_ratio_nor_resolution_is_an_own_column() -> None:
    header = ("提示词", "图片比例", "分辨率", "尺寸")

    assert columns(header, ("猫", "1:1", "2K", "30×40cm"))[0] == [("尺寸", "30×40cm")]
    assert columns(("提示词", "尺寸"), ("猫", "4K")) == [[]]


def test_a_column_without_a_header_is_ignored() -> None:
    assert columns(("提示词", None, "SKU"), ("猫", "x", "a"))[0] == [("SKU", "a")]


def test_columns_that_only_a_results_workbook_knows_are_own_columns_elsewhere() -> None:
    header = ("提示词", "状态", "原因", "费用", "行号", "编号")

    assert [name for name, _ in columns(header, ("猫", "已审", "x", 5, 1, "A"))[0]] == [*header[1:]]


def test_a_row_with_only_own_cells_is_no_row() -> None:
    found = read(("提示词", "SKU"), ("猫", "a"), (None, "b"), ("狗", "c"))

    assert [row.columns["SKU"] for row in found.rows] == ["a", "c"]
    assert not any("空行" in str(note) for note in found.notes)


def test_a_repeated_header_and_a_total_are_skipped_with_own_columns_too() -> None:
    header = ("提示词", "生成数量", "SKU")
    found = read(header, ("猫", 1, "a"), header, ("合计", 1, 5))

    assert [row.columns["SKU"] for row in found.rows] == ["a"]


def test_a_merged_own_cell_is_in_each_of_its_rows() -> None:
    rows = (("提示词", "客户"), ("猫", "张三"), ("狗", None), ("鸟", "李四"))
    found = read(*rows, change=lambda sheet: sheet.merge_cells("B2:B3"))

    assert [row.columns["客户"] for row in found.rows] == ["张三", "张三", "李四"]
    assert found.problems == ()


def test_what_exceeds_the_bounds_is_left_out_with_one_note() -> None:
    header = ("提示词", *(f"列{number}" for number in range(60)))
    found = read(header, ("猫", "x" * 3_000, "y"))

    assert len(found.rows[0].columns) == MAX_OWN_COLUMNS
    assert len(found.rows[0].columns["列0"]) == 2_000
    assert notes(found).count("自己的列最多保留 50 列、每格 2000 字，多出的没有导入") == 1
    assert "自己的列最多" not in str(notes(read(("提示词", "a"), ("猫", "x" * 2_000))))


def test_a_row_is_read_as_written_and_its_variables_are_checked() -> None:
    header = ("提示词", "负面提示词", "文件名", "参考示例图", "SKU", "客户")
    found = read(
        header,
        ("{客户}的杯子", "{SKU}", "{日期}/{SKU}", "{SKU}.png，b.png", "A1", "张三"),
        ("{客戸}", "", "{客户}", "{客户}.png", "A2", None),
    )

    assert found.rows[0].fields["prompt"] == "{客户}的杯子"
    assert found.rows[0].references == ("{SKU}.png", "b.png")
    assert found.rows[0].sent_references == ("A1.png", "b.png")
    assert [(one.row, one.column, str(one.error)) for one in found.problems] == [
        (3, "提示词", "没有「客戸」这一列，请改成表里的列名；要写花括号本身，请连写两个"),
        (3, "文件名", "这一行的「客户」是空的，请填好这一格"),
        (3, "参考示例图", "这一行的「客户」是空的，请填好这一格"),
    ]


def header_of(content: bytes) -> list[Any]:
    return [cell.value for cell in load_workbook(io.BytesIO(content)).worksheets[0][1]]


OWN = {"SKU": "=1+1", "状态": "已审", "客户": ""}


def test_exported_rows_have_their_own_columns_on_the_right() -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "猫", "columns": {"SKU": "007"}},
        {"prompt": "狗", "columns": {"客户": "@张三"}},
        {"columns": "?"},
    ]
    with write_requests(rows) as file:
        content = file.read()

    assert header_of(content) == [*LABELS.values(), "SKU", "客户"]
    assert [row.columns for row in read_workbook(content, "a.xlsx").rows] == [
        {"SKU": "007", "客户": ""},
        {"SKU": "", "客户": "@张三"},
    ]


def test_results_give_own_columns_back_and_none_of_ours() -> None:
    records = [record(1, columns=OWN), record(2, columns={**OWN, "交期": "x"}, status=Status.FAILED)]
    content = written(records)

    assert header_of(content)[-4:] == ["SKU", "状态", "客户", "交期"]
    found = read_workbook(content, "a.xlsx")
    assert [[*row.columns.items()] for row in found.rows] == [
        [*OWN.items(), ("交期", "")],
        [*OWN.items(), ("交期", "x")],
    ]
    assert [row.status for row in found.rows] == [Status.SUCCESS, Status.FAILED]


def test_exported_records_have_own_columns_and_an_import_takes_only_those() -> None:
    with write_records([record(1, columns=OWN), record(2)], own_names=OWN) as file:
        content = file.read()

    assert [row.columns for row in read_workbook(content, "a.xlsx").rows] == [OWN, dict.fromkeys(OWN, "")]


@pytest.mark.parametrize("translate", [str, in_english])
def test_every_label_of_our_workbooks_is_known_as_ours(translate: Any) -> None:
    with write_records([], translate=translate) as file:
        content = file.read()

    header = header_of(content)
    assert read(header, ["x"] * len(header)).rows[0].columns == {}
