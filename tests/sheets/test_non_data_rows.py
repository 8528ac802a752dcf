"""Sum rows and repeated headers are skipped and noted; prompts are kept."""

from typing import Any

import pytest
from openpyxl.worksheet.worksheet import Worksheet

from app.domain.tables import MAX_ROWS_A_TABLE
from app.errors import SpreadsheetError
from tests.sheets.tables import notes, only_problem, prompts, read

HEAD = ("序号", "提示词", "图片比例", "生成数量")


SUMS: list[tuple[Any, ...]] = [
    ("", "合计", "", 120),
    ("", "合计：", "", "120 张"),
    ("", "总计", "", "=SUM(D2:D3)"),
    ("", "小 计", "", 3),
    ("", "共 120 张", "", ""),
    ("", "总计：120 张，¥26.40", "", ""),
    ("", "合计（张）", "", 120),
    ("", "\u200b合计\ufeff", "", "\u200e120"),
    ("", "TOTAL:", "", 120),
    ("", "Grand Total", "", 120),
    (12, "合计", "", 120),
    ("合计", "", "", 120),
    ("合计", "", "", "=SUM(D2:D3)"),
    ("合计", 2, "", 120),
    ("总计：", "2 条", "", 120),
]


@pytest.mark.parametrize("line", SUMS)
def test_a_sum_row_is_skipped_and_noted(line: tuple[Any, ...]) -> None:
    found = read(HEAD, (1, "猫", "16:9", 2), (2, "狗", "16:9", 1), line)

    assert prompts(found) == ["猫", "狗"]
    assert found.problems == ()
    assert "跳过了 1 个合计行：第 4 行" in notes(found)


def test_sum_rows_between_data_rows_are_skipped() -> None:
    found = read(HEAD, (1, "猫"), ("小计", "", "", 1), (2, "狗"), ("小计", "", "", 1), ("总计", "", "", 2))

    assert prompts(found) == ["猫", "狗"]
    assert "跳过了 3 个合计行：第 3、5、6 行" in notes(found)


@pytest.mark.parametrize(
    "line",
    [
        ("", "总计划图", "", 3),
        ("", "小计时器的照片", "", 1),
        ("", "合计", "16:9", 1),
        ("", "共同富裕", "", 1),
        ("", "共 3 只猫", "", 1),
        ("", "Total recall", "", 1),
        ("", "合计栏上方的猫", "", ""),
        ("", "2024", "", 1),
        ("总计", "一只猫", "", 1),
    ],
)
def test_a_prompt_that_resembles_a_sum_row_is_kept(line: tuple[Any, ...]) -> None:
    found = read(HEAD, (1, "猫"), line)

    assert prompts(found) == ["猫", line[1]]
    assert "跳过" not in str(notes(found))


def test_a_row_without_content_is_skipped_and_noted() -> None:
    found = read(HEAD, (1, "猫"), (2, "", "21:9", 3), (3, "  ", "1:1"), (4, "狗"), ("合计", "", "", 3))

    assert found.problems == ()
    assert [row.number for row in found.rows] == [2, 5]
    assert "跳过了 2 个空行：第 3、4 行没有提示词、负面提示词、文件名和参考图" in notes(found)


@pytest.mark.parametrize("column", ["负面提示词", "文件名", "参考示例图"])
def test_a_row_with_content_but_no_prompt_is_a_problem(column: str) -> None:
    found = read(("提示词", column), ("猫",), ("", "杯子"))

    assert (only_problem(found).row, only_problem(found).column) == (3, "提示词")
    assert [row.number for row in found.rows] == [2, 3]


def test_a_table_with_only_a_sum_row_has_no_content() -> None:
    with pytest.raises(SpreadsheetError, match="下面还没有内容"):
        read(HEAD, ("合计", "", "", 0))


def test_a_repeated_header_is_skipped_and_noted() -> None:
    found = read(HEAD, (1, "猫"), HEAD, (2, "狗"), ("序号", " 提示词 ", "图片比例", "生成数量"), (3, "鱼"))

    assert prompts(found) == ["猫", "狗", "鱼"]
    assert found.problems == ()
    assert "跳过了 2 个重复的表头：第 3、5 行" in notes(found)


def test_a_row_that_partly_matches_the_header_is_kept() -> None:
    found = read(HEAD, (1, "猫"), (2, "提示词", "16:9", 1))

    assert prompts(found) == ["猫", "提示词"]


def test_a_full_table_may_be_followed_by_a_sum_row() -> None:
    found = read(("提示词", "生成数量"), *[("猫", 1)] * MAX_ROWS_A_TABLE, ("合计", MAX_ROWS_A_TABLE))

    assert len(found.rows) == MAX_ROWS_A_TABLE


def test_a_hidden_sum_row_is_not_counted_as_imported() -> None:
    def hide(sheet: Worksheet) -> None:
        sheet.row_dimensions[3].hidden = True

    found = read(HEAD, (1, "猫"), ("", "合计", "", 1), change=hide)

    assert "隐藏" not in str(notes(found))
