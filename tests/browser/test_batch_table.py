"""The table of 批量生成: its marks, its editor, and its accessibility."""

import datetime
import re
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from playwright.sync_api import expect

from tests.browser.batch_page import BatchPage
from tests.browser.test_batch_draft import upload
from tools.server_process import ServerProcess


def workbook(file: Path, *rows: tuple[Any, ...], title: str = "") -> Path:
    """A workbook of prompt, ratio and number of images, optionally below a title."""
    book = Workbook()
    for row in (*([(title,)] if title else []), ("提示词", "图片比例", "生成数量"), *rows):
        book.worksheets[0].append(row)
    book.save(file)
    return file


def test_only_a_corrected_cell_shows_its_correction_until_it_is_edited(
    batch: BatchPage, tmp_path: Path
) -> None:
    rows = [("雪山", datetime.time(16, 9) if n == 0 else "1:1") for n in range(80)]
    batch.import_workbook(workbook(tmp_path / "表.xlsx", *rows))
    corrected = batch.page.locator("[data-column][title*=更正]")
    expect(batch.cell(1, "aspect_ratio")).to_have_attribute("title", "导入时由「16:09」更正")
    expect(corrected).to_have_count(1)
    batch.cell(1, "prompt").click()
    batch.page.keyboard.press("Control+End")
    expect(batch.cell(80, "prompt")).to_be_visible()
    expect(corrected).to_have_count(0)
    batch.page.keyboard.press("Control+Home")
    batch.edit_cell(1, "aspect_ratio", "9:16")
    batch.expect_text(1, "aspect_ratio", "9:16")
    expect(corrected).to_have_count(0)


def test_leaving_the_window_keeps_the_open_cell_open(batch: BatchPage) -> None:
    batch.click_command("add")
    batch.cell(1, "prompt").click()
    batch.page.keyboard.type("一只")
    batch.page.locator("[data-table-editor]").dispatch_event("blur")  # the area stays the active element
    batch.page.keyboard.type("橘猫")
    batch.page.keyboard.press("Control+Enter")
    batch.expect_text(1, "prompt", "一只橘猫")


def test_clicking_elsewhere_commits_the_open_cell(batch: BatchPage) -> None:
    batch.click_command("add")
    batch.cell(1, "prompt").click()
    batch.page.keyboard.type("一只橘猫")
    batch.page.locator("[data-command=history]:visible").focus()
    batch.expect_text(1, "prompt", "一只橘猫")


def test_the_highlighted_option_is_the_active_descendant(batch: BatchPage) -> None:
    batch.click_command("add")
    batch.cell(1, "aspect_ratio").click()
    batch.page.keyboard.press("F2")
    for option in ("2:3", "3:2"):
        batch.page.keyboard.press("ArrowDown")
        active = batch.page.locator("[data-table-editor]").get_attribute("aria-activedescendant")
        expect(batch.page.locator(f"[id='{active}']")).to_have_text(option)


def test_the_row_menu_button_has_aria_expanded(batch: BatchPage) -> None:
    batch.click_command("add")
    button = batch.cell(1, "actions").locator("[data-row-menu]")
    expect(button).to_have_attribute("aria-expanded", "false")
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")
    batch.page.keyboard.press("Escape")
    expect(button).to_have_attribute("aria-expanded", "false")


def test_the_references_button_is_labelled_with_their_number(
    batch: BatchPage, demo_server: ServerProcess
) -> None:
    upload(demo_server, "杯子.png")
    batch.click_command("add")
    batch.pick_references(1, "杯子.png")
    button = batch.cell(1, "sample_images").locator("[data-references]")
    expect(button).to_have_accessible_name("选择 (1)，第 1 行的参考图")


def test_a_row_shows_its_line_number_in_the_file_everywhere(
    batch: BatchPage, demo_server: ServerProcess, tmp_path: Path
) -> None:
    rows = [("雪山", "1:1"), (None, "9:16"), ("橘猫", "16:9"), ("茶室", "5:4")]
    batch.import_workbook(workbook(tmp_path / "表.xlsx", *rows, title="十一月商品图"))
    expect(batch.report()).to_contain_text("读到 3 行，1 处要改")
    expect(batch.page.locator("[data-report-notes]")).to_contain_text("跳过了 1 个空行：第 4 行")
    expect(batch.page.locator("[data-report-problems] li")).to_contain_text("第 6 行 图片比例")
    for row, number in enumerate(("3", "5", "6"), 1):
        batch.expect_text(row, "number", number)
    batch.edit_cell(3, "aspect_ratio", "3:4")
    batch.click_command("add")
    batch.expect_text(4, "number", "7")
    expect(batch.open_start()).to_contain_text("1 行会跳过")
    batch.page.keyboard.press("Escape")
    batch_id = batch.start_batch()
    batch.expect_state("已完成")
    batch.expect_text(2, "number", "5")
    expect(batch.page.locator("[data-log-lines]")).to_contain_text("第 5 行")
    batch.open(f"?id={batch_id}")
    for row, number in enumerate(("3", "5", "6"), 1):
        batch.expect_text(row, "number", number)
        batch.wait_for_image(row)


def test_appended_rows_with_taken_numbers_are_renumbered_and_reported(
    batch: BatchPage, tmp_path: Path
) -> None:
    batch.import_workbook(workbook(tmp_path / "甲.xlsx", ("雪山",), ("橘猫",)))
    batch.import_workbook(workbook(tmp_path / "乙.xlsx", ("茶室", "5:4")), place="append")
    batch.expect_text(3, "number", "4")
    problem = batch.page.locator("[data-report-problems] li")
    expect(problem).to_contain_text("第 4 行（文件第 2 行）图片比例")
    batch.choose_row_action(1, "复制这一行")
    batch.expect_text(2, "number", "5")


def test_the_import_report_follows_the_table(batch: BatchPage, tmp_path: Path) -> None:
    batch.import_workbook(workbook(tmp_path / "表.xlsx", ("雪山", "5:4"), ("橘猫", "1:1", 12)))
    problems = batch.page.locator("[data-report-problems] li")
    expect(batch.report()).to_contain_text("2 处要改")
    expect(problems).to_have_count(2)
    batch.edit_cell(1, "aspect_ratio", "3:4")
    expect(batch.report()).to_contain_text("1 处要改")
    expect(problems).to_have_count(1)
    batch.page.keyboard.press("Control+z")
    expect(problems).to_have_count(2)


def test_a_closed_report_can_be_reopened_even_after_a_reload(batch: BatchPage, tmp_path: Path) -> None:
    batch.import_workbook(workbook(tmp_path / "表.xlsx", ("雪山", "5:4"), ("橘猫", datetime.time(16, 9))))
    opener = batch.page.get_by_role("button", name="导入报告", exact=True)
    batch.page.locator("[data-report-close]").click()
    expect(batch.report()).to_be_hidden()
    opener.click()
    expect(batch.report()).to_have_text("「表.xlsx」读到 2 行，1 处要改，自动更正 1 处")
    batch.wait_until_saved("表.xlsx")
    batch.reload()
    expect(batch.report()).to_be_hidden()
    opener.click()
    expect(batch.report()).to_have_text("「表.xlsx」读到 2 行，1 处要改，自动更正 1 处")
    batch.page.locator("[data-report-problems] .report-item").click()
    expect(batch.cell(1, "aspect_ratio")).to_have_class(re.compile("is-active"))


def test_the_whole_prompt_of_a_row_that_was_made_is_read_in_its_cell(
    batch: BatchPage, demo_server: ServerProcess
) -> None:
    prompt = "很长的提示词，" * 60 + "到此为止"
    batch_id = str(demo_server.post("/api/batches", {"rows": [{"prompt": prompt}]})["batch_id"])
    demo_server.wait_for_end(batch_id)
    batch.open(f"?id={batch_id}")
    batch.expect_status(1, "success")
    editor = batch.page.locator("[data-table-editor]")
    batch.cell(1, "prompt").click()
    batch.page.keyboard.press("Enter")
    expect(editor).to_have_class(re.compile("is-editing"))
    expect(editor).to_have_value(prompt)
    batch.page.keyboard.type("猫")
    expect(editor).to_have_value(prompt)
    batch.page.keyboard.press("Escape")
    expect(editor).not_to_have_class(re.compile("is-editing"))


def test_corrections_of_the_import_are_not_marked_in_the_run(batch: BatchPage, tmp_path: Path) -> None:
    batch.import_workbook(workbook(tmp_path / "表.xlsx", ("橘猫", datetime.time(16, 9))))
    marked = batch.page.locator("[data-column=aspect_ratio].is-fixed")
    expect(marked).to_have_count(1)
    batch.start_batch()
    batch.expect_state("已完成")
    expect(marked).to_have_count(0)


def test_an_import_that_is_closed_while_it_asks_can_be_taken_up_again(
    batch: BatchPage, tmp_path: Path
) -> None:
    batch.click_command("add")
    batch.edit_cell(1, "prompt", "竹林")
    batch.page.locator("[data-file]").set_input_files(workbook(tmp_path / "表.xlsx", ("雪山", "1:1")))
    expect(batch.page.locator("[data-import-mode=append]")).to_be_visible()
    batch.page.locator("[data-report-close]").click()
    toast = batch.page.locator(".toast").filter(has_text="「表.xlsx」没有导入")
    toast.get_by_role("button", name="再次导入").click()
    batch.page.locator("[data-import-mode=append]").click()
    batch.expect_rows(2)
