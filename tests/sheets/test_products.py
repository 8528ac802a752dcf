"""Sheets of products, without prompts, for a recipe."""

import pytest

from app.errors import SpreadsheetError
from app.sheets.importer import read_workbook
from tools.workbooks.written import by_openpyxl, with_sheets

LINES: list[list[str | None]] = [
    ["春季新品"],
    ["SKU", "品名", "图片比例"],
    ["A-1", "杯子", "16:9"],
    [None, None, None],
    ["A-2", "壶", None],
]


def test_a_sheet_without_prompts_is_read_when_a_recipe_asks_for_its_lines() -> None:
    content = by_openpyxl(LINES)
    with pytest.raises(SpreadsheetError, match="用配方来做"):
        read_workbook(content, "a.xlsx")
    found = read_workbook(content, "a.xlsx", needs_prompt=False)
    assert [(row.number, row.columns["SKU"], row.fields["prompt"]) for row in found.rows] == [
        (3, "A-1", ""),
        (5, "A-2", ""),
    ]
    assert (found.rows[0].fields["aspect_ratio"], found.rows[0].columns) == (
        "16:9",
        {"SKU": "A-1", "品名": "杯子"},
    )
    assert found.problems == ()
    assert not any("默认值" in note.id for note in found.notes)  # the recipe says them


def test_a_csv_of_products_and_lines_that_repeat_a_header_or_add_up() -> None:
    content = "SKU,件数\nA-1,3\n合计,3\n".encode()
    found = read_workbook(content, "a.csv", needs_prompt=False)
    assert [row.columns["SKU"] for row in found.rows] == ["A-1"]


def test_a_sheet_with_prompts_is_read_before_one_of_products() -> None:
    content = with_sheets({"产品": LINES, "图": [["提示词", "SKU"], ["猫", "A-1"]]})
    found = read_workbook(content, "a.xlsx", needs_prompt=False)
    assert [row.fields["prompt"] for row in found.rows] == ["猫"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (by_openpyxl([["一只猫"], ["一只狗"]]), "没有找到「提示词」"),
        (by_openpyxl([["画面描述", "一只猫在窗台上"], ["风格", "水彩"]]), "没有找到「提示词」"),
        (by_openpyxl([["SKU", "提示词（无负面）"], ["A-1", "猫"]]), "看不出是提示词还是负面提示词"),
        (with_sheets({"产品": LINES, "图": [["提示词"], ["猫"]]}, hidden=["图"]), "隐藏的工作表「图」"),
    ],
    ids=("one column", "a form", "a doubtful header", "hidden prompts"),
)
def test_what_may_have_prompts_is_not_taken_for_products(content: bytes, says: str) -> None:
    with pytest.raises(SpreadsheetError, match=says):
        read_workbook(content, "a.xlsx", needs_prompt=False)
