"""Only some rows of the table of 批量生成 are shown: what is done meanwhile concerns these alone."""

import re

from playwright.sync_api import expect

from tools.pages.batch_page import BatchPage

BAD = "7:5"  # a ratio that is not offered


def fill(batch: BatchPage) -> None:
    """Rows 甲 to 己, of which only those with a problem are shown: 乙, 丁 and 己."""
    lines = [(name, BAD if index % 2 else "1:1") for index, name in enumerate("甲乙丙丁戊己")]
    batch.fill(("提示词", "图片比例"), *lines)
    batch.expect_rows(6)
    batch.click_command("only-problems")
    batch.expect_rows(3)


def expect_all(batch: BatchPage, column: str, *texts: str) -> None:
    """Show all rows again, and expect these cells."""
    batch.page.locator("[data-filter-all]").click()
    batch.expect_rows(len(texts))
    for row, text in enumerate(texts, 1):
        batch.expect_text(row, column, text)


def test_filling_and_pasting_leave_out_hidden_rows(draft: BatchPage) -> None:
    fill(draft)
    draft.edit_cell(1, "aspect_ratio", "16:9")
    draft.page.keyboard.press("Shift+Control+End")
    draft.page.keyboard.press("Control+d")
    draft.paste_block(1, "filename", ("a",), ("b",), ("c",), ("d",))
    draft.expect_text(4, "number", "7")  # what is pasted below the last row is new, and shown
    expect_all(draft, "filename", "", "a", "", "b", "", "c", "d")
    for row, ratio in enumerate(("1:1", "16:9", "1:1", "16:9", "1:1", "16:9"), 1):
        draft.expect_text(row, "aspect_ratio", ratio)


def test_only_rows_that_are_shown_are_picked_moved_and_deleted(draft: BatchPage) -> None:
    fill(draft)
    draft.page.locator("[data-select-all]").click()
    expect(draft.page.locator("[data-selected-count]")).to_have_text("已选 3 行")
    draft.click_command("pick-none")
    draft.cell(3, "prompt").click()
    draft.page.keyboard.press("Alt+ArrowUp")
    draft.expect_text(2, "prompt", "己")
    draft.pick_row(1)
    draft.click_command("remove")
    draft.expect_rows(2)
    expect_all(draft, "prompt", "甲", "丙", "己", "丁", "戊")


def test_an_undo_shows_what_it_changed(draft: BatchPage) -> None:
    draft.fill(("提示词", "图片比例"), ("甲", "1:1"), ("乙", BAD))
    draft.edit_cell(1, "prompt", "丙")
    draft.click_command("only-problems")
    draft.expect_rows(1)
    draft.click_command("undo")
    draft.expect_rows(2)
    draft.expect_text(1, "prompt", "甲")


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


def test_rows_with_one_value_are_shown_alone(draft: BatchPage) -> None:
    lines = [(name, "16:9" if index % 2 else "1:1") for index, name in enumerate("甲乙丙丁")]
    draft.fill(("提示词", "图片比例"), *lines)
    draft.cell(2, "aspect_ratio").click(button="right")
    draft.page.locator("[data-sort-menu]").get_by_role("menuitem", name="只看「16:9」").click()
    draft.expect_rows(2)
    expect(draft.page.locator("[data-filter]")).to_contain_text("只显示图片比例是「16:9」的：2 行，共 4 行")
    draft.expect_text(2, "prompt", "丁")
    draft.cell(1, "prompt").click(button="right")
    draft.page.locator("[data-sort-menu]").get_by_role("menuitem", name="升序排列").click()
    for key in ("z", "y", "z"):
        draft.page.keyboard.press(f"Control+{key}")
        draft.expect_text(1, "number", "4" if key == "y" else "2")
        draft.expect_rows(2)
    draft.page.locator("[data-table-head] .is-aspect_ratio").click()
    draft.page.locator("[data-sort-menu]").get_by_role("menuitem", name="显示全部行").click()
    draft.expect_rows(4)
