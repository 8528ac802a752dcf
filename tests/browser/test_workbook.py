"""The user's own workbook: imported, run, filled in, edited and brought back."""

import re
from pathlib import Path

import pytest
from openpyxl import load_workbook
from playwright.sync_api import Locator, Page, expect

from tests.browser.batch_page import BatchPage
from tools.server_process import ServerProcess
from tools.workbooks.written import by_openpyxl

HEADER = ["SKU", "提示词", "图片比例", "分辨率"]
ROWS = [[f"A-{number}", f"第 {number} 款茶具，白底主图", "1:1", "1K"] for number in range(1, 11)]


def workbook(folder: Path, rows: list[list[str]], name: str = "七月新品.xlsx") -> Path:
    file = folder / name
    file.write_bytes(by_openpyxl([HEADER, *rows], title="新品"))
    return file


def group(page: Page, name: str) -> Locator:
    """The button of a group of compared rows: unchanged, changed, new, done or removed."""
    return page.locator(f"[data-comparison-group={name}]")


@pytest.fixture
def own(batch: BatchPage, tmp_path: Path) -> Path:
    """The workbook after it was imported, run, and downloaded with its results; the draft is open again."""
    batch.import_workbook(workbook(tmp_path, ROWS))
    batch.start_batch("七月")
    batch.expect_state("已完成")
    with batch.page.expect_download() as download:
        batch.page.locator(".run-line > [data-run-own-results]").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    batch.open()
    return file


def edit(file: Path) -> Path:
    """Change two prompts, delete a row and add one."""
    book = load_workbook(file)
    page = book.worksheets[0]
    for row in (3, 5):
        page.cell(row, 2).value = str(page.cell(row, 2).value).replace("白底", "黑底")
    page.delete_rows(8)
    page.append(["B-1", "新的一款", "1:1", "1K"])
    edited = file.with_name("改过.xlsx")
    book.save(edited)
    return edited


def test_a_workbook_comes_back_and_only_its_changes_are_run(
    batch: BatchPage, own: Path, demo_server: ServerProcess
) -> None:
    assert own.name == "七月新品-结果.xlsx"
    page = load_workbook(own)["新品"]
    assert [cell.value for cell in page[2]][:5] == [*ROWS[0], "成功"]
    batch.import_workbook(edit(own), place="replace")
    shown = {name: group(batch.page, name).inner_text().split() for name in ("unchanged", "changed", "new")}
    assert shown == {"unchanged": ["没有变", "7"], "changed": ["改过", "2"], "new": ["新的", "1"]}
    batch.expect_rows(10)
    batch.start_batch()
    batch.expect_state("已完成")
    records = demo_server.get("/api/records?limit=100")
    assert records["total"] == 13
    assert sorted(each["prompt"] for each in records["records"][:3]) == sorted(
        ["第 2 款茶具，黑底主图", "第 4 款茶具，黑底主图", "新的一款"]
    )


def test_what_changed_in_a_row_is_listed_and_leads_to_its_cell(batch: BatchPage, own: Path) -> None:
    batch.import_workbook(edit(own), place="replace")
    changes = batch.page.locator("[data-report-changed] .report-item")
    expect(changes).to_have_count(2)
    expect(changes.first).to_contain_text("第 3 行 提示词第 2 款茶具，白底主图 → 第 2 款茶具，黑底主图")
    changes.last.click()
    expect(batch.cell(4, "prompt")).to_have_class(re.compile("is-active"))


def test_the_comparison_is_still_told_after_a_reload(batch: BatchPage, own: Path) -> None:
    batch.import_workbook(edit(own), place="replace")
    batch.wait_until_saved("改过 2")
    batch.reload()
    batch.page.locator("[data-command=report]").click()
    expect(batch.page.locator("[data-report-notes]")).to_contain_text("没有变 7 · 改过 2 · 新的 1 · 删掉 1")


def test_the_own_workbook_is_offered_in_the_history(batch: BatchPage, own: Path) -> None:
    batch.click_command("history")
    link = batch.page.locator("[data-history] [data-own-results]")
    expect(link).to_have_attribute("title", "下载「七月新品.xlsx」，右边加上结果")
    with batch.page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename == own.name


def test_what_the_own_workbook_cannot_carry_is_said(batch: BatchPage, tmp_path: Path) -> None:
    file = tmp_path / "茶具.csv"
    file.write_text("SKU,提示词,分辨率\nA-1,猫,1K\n", "utf-8")
    batch.import_workbook(file)
    batch.start_batch()
    batch.expect_state("已完成")
    with batch.page.expect_download() as download:
        batch.page.locator(".run-line > [data-run-own-results]").click()
    assert download.value.suggested_filename == "茶具-结果.xlsx"
    expect(batch.page.locator(".toast")).to_contain_text("结果会填进一份新的 .xlsx")


def test_a_row_added_in_the_table_gets_no_line_of_the_file(batch: BatchPage, own: Path) -> None:
    batch.import_workbook(edit(own), place="replace")
    group(batch.page, "new").click()
    batch.expect_rows(9)
    batch.click_command("add")
    batch.expect_text(10, "number", "12")
