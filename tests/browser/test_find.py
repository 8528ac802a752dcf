"""Find and replace in all rows of the table of 批量生成, and how much of it is in view."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.batch_page import BatchPage
from tools.server_process import ServerProcess

ROWS = 300


@pytest.fixture
def batch(page: Page, demo_server: ServerProcess, tmp_path: Path) -> BatchPage:
    """A draft of many rows; every hundredth speaks of a cat, twice."""
    file = tmp_path / "表.csv"
    prompts = [f"第 {n} 款{'，Cat 与 cat' if n % 100 == 0 else ''}" for n in range(1, ROWS + 1)]
    file.write_text("提示词,文件名\n" + "".join(f"{prompt},茶\n" for prompt in prompts), encoding="utf-8")
    opened = BatchPage(page, demo_server.address)
    opened.open()
    opened.import_workbook(file)
    page.locator("[data-report-close]").click()
    return opened


def test_words_are_found_and_replaced_in_rows_out_of_view(batch: BatchPage) -> None:
    page, bar = batch.page, batch.page.locator("[data-find]")
    batch.cell(1, "prompt").click()
    page.keyboard.press("Control+f")
    expect(bar.locator("[data-find-words]")).to_be_focused()
    page.keyboard.type("CAT")
    expect(bar.locator("[data-find-count]")).to_have_text("6 处")
    for key, row, place in (
        ("Enter", 100, 1),
        ("Enter", 200, 3),
        ("Shift+Enter", 100, 1),
        ("Shift+Enter", 300, 5),
    ):
        page.keyboard.press(key)
        expect(batch.cell(row, "prompt")).to_have_class(re.compile("is-active"))
        expect(batch.cell(row, "prompt")).to_be_in_viewport()
        expect(bar.locator("[data-find-count]")).to_have_text(f"第 {place} 处，共 6 处")
    assert page.evaluate("CSS.highlights.get('found').size") == 2

    bar.locator("[data-find-with]").fill("狗")
    page.keyboard.press("Enter")  # in this cell, then on to the next
    expect(bar.locator("[data-find-count]")).to_have_text("第 1 处，共 4 处")
    bar.get_by_role("button", name="全部替换（4）").click()
    batch.expect_text(100, "prompt", "第 100 款，狗 与 狗")
    expect(bar.locator("[data-find-count]")).to_have_text("没有找到")
    page.keyboard.press("Control+z")  # all of them are one step
    batch.expect_text(100, "prompt", "第 100 款，Cat 与 cat")
    expect(bar.locator("[data-find-count]")).to_contain_text("共 4 处")
    bar.locator("[data-find-with]").fill("Cat")
    for _ in range(2):  # once they are the same, too
        bar.get_by_role("button", name="全部替换（4）").click()
        batch.expect_text(100, "prompt", "第 100 款，Cat 与 Cat")
    expect(bar.get_by_role("button", name="全部替换（4）")).to_be_enabled()
    bar.locator("[data-find-words]").fill("狗 与 狗")
    page.keyboard.press("Enter")
    batch.expect_text(300, "prompt", "第 300 款，狗 与 狗")
    bar.locator("[data-find-words]").press("Escape")
    expect(bar).to_be_hidden()
    expect(page.locator("[data-table-editor]")).to_be_focused()
