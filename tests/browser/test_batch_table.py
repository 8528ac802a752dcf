"""The table of 批量生成: its marks, its editor, its accessibility, and the report of an import."""

import datetime
import re
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from playwright.sync_api import expect

from tools.pages.batch_page import BatchPage, start_to_end
from tools.server_process import ServerProcess


def workbook(file: Path, *rows: tuple[Any, ...], title: str = "") -> Path:
    """A workbook of prompt, ratio and resolution, optionally below a title."""
    book = Workbook()
    for row in (*([(title,)] if title else []), ("提示词", "图片比例", "分辨率"), *rows):
        book.worksheets[0].append(row)
    book.save(file)
    return file


def test_only_a_corrected_cell_shows_its_correction_until_it_is_edited(
    draft: BatchPage, tmp_path: Path
) -> None:
    rows = [("雪山", datetime.time(16, 9) if n == 0 else "1:1") for n in range(80)]
    draft.import_workbook(workbook(tmp_path / "表.xlsx", *rows))
    corrected = draft.page.locator("[data-column][title*=更正]")
    expect(draft.cell(1, "aspect_ratio")).to_have_attribute("title", "导入时由「16:09」更正")
    expect(corrected).to_have_count(1)
    draft.cell(1, "prompt").click()
    draft.page.keyboard.press("Control+End")
    expect(draft.cell(80, "prompt")).to_be_visible()
    expect(corrected).to_have_count(0)
    draft.page.keyboard.press("Control+Home")
    draft.edit_cell(1, "aspect_ratio", "9:16")
    draft.expect_text(1, "aspect_ratio", "9:16")
    expect(corrected).to_have_count(0)


def test_the_open_cell_stays_when_the_window_is_left_and_is_taken_in_when_another_element_is_used(
    draft: BatchPage,
) -> None:
    editor, keyboard = draft.page.locator("[data-table-editor]"), draft.page.keyboard
    draft.click_command("add")
    draft.cell(1, "prompt").click()
    keyboard.type("一只")
    editor.dispatch_event("blur")  # the area stays the active element
    keyboard.type("橘猫")
    draft.page.locator("[data-command=more]").focus()
    draft.expect_text(1, "prompt", "一只橘猫")

    draft.cell(1, "aspect_ratio").click()
    keyboard.press("F2")
    for option in ("2:3", "3:2"):
        keyboard.press("ArrowDown")
        active = editor.get_attribute("aria-activedescendant")
        expect(draft.page.locator(f"[id='{active}']")).to_have_text(option)
    keyboard.press("Escape")

    button = draft.cell(1, "actions").locator("[data-row-menu]")
    expect(button).to_have_attribute("aria-expanded", "false")
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")
    keyboard.press("Escape")
    expect(button).to_have_attribute("aria-expanded", "false")


def test_a_row_shows_its_line_number_in_the_file_everywhere(draft: BatchPage, tmp_path: Path) -> None:
    rows = [
        ("雪山", datetime.time(16, 9), "1K"),
        (None, "9:16"),
        ("橘猫", "16:9", "1K"),
        ("茶室", "7:5", "1K"),
    ]
    draft.import_workbook(workbook(tmp_path / "表.xlsx", *rows, title="十一月商品图"))
    corrected = draft.page.locator("[data-column=aspect_ratio].is-fixed")
    expect(corrected).to_have_count(1)
    expect(draft.report()).to_contain_text("读到 3 行，1 处要改")
    expect(draft.page.locator("[data-report-notes]")).to_contain_text("跳过了 1 个空行：第 4 行")
    expect(draft.page.locator("[data-report-problems] li")).to_contain_text("第 6 行 图片比例")
    for row, number in enumerate(("3", "5", "6"), 1):
        draft.expect_text(row, "number", number)
    draft.edit_cell(3, "aspect_ratio", "3:4")
    draft.click_command("add")
    draft.expect_text(4, "number", "7")
    draft.start_batch()
    draft.expect_ended()
    expect(draft.open_log().filter(has_text="第 5 行").first).to_be_visible()
    draft.reload()
    for row, number in enumerate(("3", "5", "6"), 1):
        draft.expect_text(row, "number", number)
        draft.wait_for_image(row)


def test_the_import_report_stays_closed_after_a_reload_and_is_reopened(draft: BatchPage) -> None:
    draft.import_csv("提示词,图片比例,生成数量", "雪山,7:5,", "橘猫,4：3,12")
    draft.edit_cell(2, "num_images", "3")
    draft.close_strip()
    draft.wait_until_saved()
    draft.reload()
    expect(draft.report()).to_be_hidden()
    draft.open_report()
    expect(draft.report()).to_contain_text("「表.csv」读到 2 行，1 处要改")
    draft.page.locator("[data-report-problems] .report-item").click()
    expect(draft.cell(1, "aspect_ratio")).to_have_class(re.compile("is-active"))


def test_a_file_is_added_below_the_rows_of_the_open_table_and_taken_away_again(draft: BatchPage) -> None:
    draft.import_csv("提示词", "雪山", "橘猫")
    draft.import_csv("提示词,图片比例", "茶室,7:5", name="乙.csv", place="add")
    expect(draft.report()).to_contain_text("「乙.csv」读到 1 行，1 处要改")
    draft.expect_text(3, "number", "4")
    expect(draft.page.locator("[data-report-problems] li")).to_contain_text("第 4 行 图片比例")
    draft.page.get_by_role("button", name="撤销这次导入").click()
    draft.expect_rows(2)


def test_the_prompt_of_a_row_is_copied_by_its_menu(draft: BatchPage, shared_server: ServerProcess) -> None:
    page, prompt = draft.page, "很长的提示词，" * 60 + "到此为止"
    draft.open_run(start_to_end(shared_server, [{"prompt": prompt, "resolution": "1K"}]))
    draft.expect_status(1, "made")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=draft.address)
    toast = page.locator(".toast")
    draft.choose_row_action(1, "复制提示词")
    expect(toast).to_have_text("提示词已复制")
    page.evaluate("delete Navigator.prototype.clipboard")  # as over http
    draft.choose_row_action(1, "复制提示词")
    expect(toast).to_contain_text("请按 Ctrl+C")
    expect(draft.cell(1, "prompt")).to_have_attribute("aria-selected", "true")
