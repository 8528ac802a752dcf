"""Which sheet of a workbook is read, wherever its parts are stored, and the note about it."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from openpyxl import load_workbook

from app.errors import SpreadsheetError
from app.sheets import read_workbook
from tests.sheets.tables import notes, prompts, read_parts
from tools.workbooks import by_hand
from tools.workbooks.written import saved, with_sheets

TABLE = [("提示词",), ("猫",)]
OTHER = [("提示词",), ("狗",)]
COVER = [("目录",), ("第一页",)]
EMPTY_TABLE = [("提示词",)]


def opened_at(sheets: Mapping[str, Sequence[Sequence[Any]]], active: int, **states: Any) -> bytes:
    """A workbook with that active sheet; ``states`` hide some by name."""
    book = load_workbook(io.BytesIO(with_sheets(sheets)))
    book.active = active
    for name, state in states.items():
        book[name].sheet_state = state
    return saved(book)


def parts(target: str, stored: str) -> bytes:
    """A workbook whose sheet is referenced as ``target`` and stored at ``stored``."""
    whole = by_hand.workbook(by_hand.inline_rows([("提示词",), ("猫",)]), targets={"worksheet": target})
    return by_hand.moved(whole, "xl/worksheets/sheet1.xml", stored)


@pytest.mark.parametrize(
    ("sheets", "active", "chosen", "said"),
    [
        (
            {"甲": TABLE, "乙": OTHER, "备注": COVER},
            1,
            "乙",
            "还有 1 张工作表没有导入：「甲」",
        ),
        (
            {"首页": COVER, "甲": TABLE, "乙": OTHER},
            0,
            "甲",
            "还有 1 张工作表没有导入：「乙」",
        ),
        ({"首页": COVER, "甲": TABLE}, 1, "甲", "导入的是工作表「甲」"),
        ({"甲": TABLE, "乙": EMPTY_TABLE}, 1, "甲", None),
    ],
)
def test_the_active_sheet_is_read_or_the_first_that_has_prompts(
    sheets: dict[str, Any], active: int, chosen: str, said: str | None
) -> None:
    found = read_workbook(opened_at(sheets, active), "a.xlsx")

    assert (found.read[0].name, prompts(found)) == (chosen, [sheets[chosen][1][0]])
    assert said is None or said in notes(found)


@pytest.mark.parametrize("sheets", [{"甲": TABLE}, {"甲": TABLE, "说明": COVER}, {"空": [], "甲": TABLE}])
def test_no_note_about_sheets_when_there_is_no_choice(sheets: dict[str, Any]) -> None:
    assert "工作表" not in str(notes(read_workbook(with_sheets(sheets), "a.xlsx")))


def test_every_sheet_with_prompts_is_offered_with_its_number_of_rows() -> None:
    book = opened_at(
        {"甲": [*TABLE, ("虎",)], "备注": COVER, "乙": OTHER, "空": EMPTY_TABLE, "藏": TABLE}, 2, 藏="hidden"
    )

    assert read_workbook(book, "a.xlsx").offered == (("乙", 1), ("甲", 2))


def test_several_sheets_are_numbered_on_and_name_their_rows_in_an_own_column() -> None:
    first = [("SKU", "提示词", "图片比例"), ("A-1", "猫 {工作表}", "1:1"), ("A-2", "狗", "歪")]
    book = with_sheets({"甲": first, "乙": [("提示词", "SKU"), ("鸟", "B-1")], "丙": TABLE})
    found = read_workbook(book, "a.xlsx", sheets=["乙", "甲"])

    assert prompts(found) == ["猫 {工作表}", "狗", "鸟"]
    assert [row.number for row in found.rows] == [2, 3, 5]
    assert [row.columns for row in found.rows] == [
        {"工作表": "甲", "SKU": "A-1"},
        {"工作表": "甲", "SKU": "A-2"},
        {"工作表": "乙", "SKU": "B-1"},
    ]
    assert [(one.row, one.column) for one in found.problems] == [(3, "图片比例")]
    assert (found.read[0].name, found.read[0].header_row) == ("甲", 1)
    assert "工作表" not in str(notes(found))


def test_a_sheet_that_is_not_offered_is_refused() -> None:
    with pytest.raises(SpreadsheetError, match="没有可以导入的工作表「说明」"):
        read_workbook(with_sheets({"甲": TABLE, "说明": COVER}), "a.xlsx", sheets=["甲", "说明"])


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_a_hidden_sheet_is_skipped_even_when_active(state: str) -> None:
    found = read_workbook(opened_at({"旧": OTHER, "新": TABLE}, 0, 旧=state), "a.xlsx")

    assert found.read[0].name == "新"
    assert "旧" not in str(notes(found))


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_prompts_only_on_a_hidden_sheet_are_refused_naming_it(state: str) -> None:
    with pytest.raises(SpreadsheetError, match="隐藏的工作表「藏」里有提示词"):
        read_workbook(opened_at({"首页": COVER, "藏": TABLE}, 0, 藏=state), "a.xlsx")


@pytest.mark.parametrize("active", ["7", "x", "", "-1", "9" * 30])
def test_a_missing_active_sheet_is_ignored(active: str) -> None:
    views = f'<bookViews><workbookView activeTab="{active}"/></bookViews>'

    assert prompts(read_parts(by_hand.inline_rows(TABLE), before_sheets=views)) == ["猫"]


@pytest.mark.parametrize(
    ("target", "stored"),
    [
        ("/xl/worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"),
        ("worksheets\\sheet1.xml", "xl/worksheets/sheet1.xml"),
        ("\\xl\\worksheets\\sheet1.xml", "xl\\worksheets\\sheet1.xml"),
        ("./../xl/worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"),
        ("worksheets/sheet%201.xml", "xl/worksheets/sheet 1.xml"),
        ("worksheets/sheet%201.xml", "xl/worksheets/sheet%201.xml"),
        ("worksheets/%E8%A1%A8.xml", "xl/worksheets/表.xml"),
        ("worksheets%5Csheet1.xml", "xl/worksheets/sheet1.xml"),
        ("worksheets/sheet1.xml", "/xl/worksheets/sheet1.xml"),
        ("WORKSHEETS/Sheet1.XML", "xl/worksheets/sheet1.xml"),
    ],
)
def test_a_sheet_is_found_by_any_form_of_its_path(target: str, stored: str) -> None:
    assert prompts(read_workbook(parts(target, stored), "a.xlsx")) == ["猫"]


def test_a_path_outside_the_package_is_rejected() -> None:
    with pytest.raises(SpreadsheetError):
        read_workbook(parts("../../../%2e%2e/etc/passwd", "xl/worksheets/sheet1.xml"), "a.xlsx")
