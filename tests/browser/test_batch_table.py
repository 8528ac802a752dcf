"""The table of 批量生成: its marks, its editor, and what a screen reader hears of it."""

import datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from playwright.sync_api import Page, expect

from tests.browser.batch_page import BatchPage
from tests.browser.test_batch_draft import upload
from tests.house_process import HouseProcess


@pytest.fixture
def batch(page: Page, demo: HouseProcess) -> BatchPage:
    """批量生成, open, without a key."""
    opened = BatchPage(page, demo.address)
    opened.open()
    return opened


def workbook(file: Path, *rows: tuple[Any, ...]) -> Path:
    """A workbook of prompt and ratio."""
    book = Workbook()
    for row in (("提示词", "图片比例"), *rows):
        book.worksheets[0].append(row)
    book.save(file)
    return file


def test_only_the_corrected_cell_says_what_was_corrected_and_no_longer_once_it_is_edited(
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
    batch.correct_cell(1, "aspect_ratio", "9:16")
    batch.expect_text(1, "aspect_ratio", "9:16")
    expect(corrected).to_have_count(0)


def test_leaving_the_window_keeps_the_open_cell_open(batch: BatchPage) -> None:
    batch.do("add")
    batch.cell(1, "prompt").click()
    batch.page.keyboard.type("一只")
    batch.page.locator("[data-table-editor]").dispatch_event("blur")  # the area stays the active element
    batch.page.keyboard.type("橘猫")
    batch.page.keyboard.press("Control+Enter")
    batch.expect_text(1, "prompt", "一只橘猫")


def test_a_press_elsewhere_on_the_page_keeps_what_was_typed_in_the_open_cell(batch: BatchPage) -> None:
    batch.do("add")
    batch.cell(1, "prompt").click()
    batch.page.keyboard.type("一只橘猫")
    batch.page.locator("[data-do=earlier]:visible").focus()
    batch.expect_text(1, "prompt", "一只橘猫")


def test_the_option_that_is_walked_to_is_the_active_descendant(batch: BatchPage) -> None:
    batch.do("add")
    batch.cell(1, "aspect_ratio").click()
    batch.page.keyboard.press("F2")
    for option in ("2:3", "3:2"):
        batch.page.keyboard.press("ArrowDown")
        active = batch.page.locator("[data-table-editor]").get_attribute("aria-activedescendant")
        expect(batch.page.locator(f"[id='{active}']")).to_have_text(option)


def test_the_button_of_a_row_menu_says_whether_it_is_open(batch: BatchPage) -> None:
    batch.do("add")
    button = batch.cell(1, "actions").locator("[data-row-menu]")
    expect(button).to_have_attribute("aria-expanded", "false")
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")
    batch.page.keyboard.press("Escape")
    expect(button).to_have_attribute("aria-expanded", "false")


def test_the_button_of_references_is_named_by_how_many_there_are(
    batch: BatchPage, demo: HouseProcess
) -> None:
    upload(demo, "杯子.png")
    batch.do("add")
    batch.pick_references(1, "杯子.png")
    button = batch.cell(1, "sample_images").locator("[data-references]")
    expect(button).to_have_accessible_name("选择 (1)，第 1 行的参考示例图")
