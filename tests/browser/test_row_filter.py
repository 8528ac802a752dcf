"""Only some rows of the table of 批量生成 are shown: what is done meanwhile concerns these alone."""

import re

from playwright.sync_api import expect

from tools.pages.batch_page import BatchPage

BAD = "7:5"  # a ratio that is not offered


def test_rows_are_sorted_by_a_column_and_back_by_their_numbers(draft: BatchPage) -> None:
    page, menu = draft.page, draft.page.locator("[data-sort-menu]")
    lines = [("茶壶", "b 10"), ("茶杯", "b 9"), ("茶盘", ""), ("茶针", "A")]
    draft.fill(("提示词", "文件名"), *lines)
    draft.cell(1, "filename").click()
    page.keyboard.press("Shift+F10")
    menu.get_by_role("menuitem", name="升序排列").click()
    for row, name in enumerate(("A", "b 9", "b 10", ""), 1):
        draft.expect_text(row, "filename", name)
    expect(draft.cell(3, "filename")).to_have_class(re.compile("is-active"))
    draft.expect_text(1, "number", "4")
    page.keyboard.press("Control+z")
    draft.expect_text(1, "filename", "b 10")

    page.locator("[data-table-head] .is-filename").click()
    menu.get_by_role("menuitem", name="降序排列").click()
    draft.expect_text(4, "filename", "")
    draft.cell(1, "number").click(button="right")
    menu.get_by_role("menuitem", name="按序号排列").click()
    for row, (_prompt, name) in enumerate(lines, 1):
        draft.expect_text(row, "filename", name)
