"""The user's own workbook: imported, run, filled in, edited and brought back."""

import re
from pathlib import Path

from openpyxl import load_workbook
from playwright.sync_api import Download, Locator, Page, expect

from tools.pages.batch_page import BatchPage
from tools.server_process import ServerProcess
from tools.workbooks.written import by_openpyxl

HEADER = ["SKU", "提示词", "图片比例", "分辨率"]
ROWS = [[f"A-{number}", f"第 {number} 款茶具，白底主图", "1:1", "1K"] for number in range(1, 11)]


def workbook(folder: Path) -> Path:
    file = folder / "七月新品.xlsx"
    file.write_bytes(by_openpyxl([HEADER, *ROWS], title="新品"))
    return file


def group(page: Page, name: str) -> Locator:
    """The button of a group of compared rows: unchanged, changed, new, done or removed."""
    return page.locator(f"[data-comparison-group={name}]")


def download(batch: BatchPage, button: Locator) -> Download:
    with batch.page.expect_download() as started:
        button.click()
    return started.value


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
    batch: BatchPage, demo_server: ServerProcess, tmp_path: Path
) -> None:
    page = batch.page
    batch.import_workbook(workbook(tmp_path))
    batch.start_batch("七月")
    batch.expect_state("已完成")
    results = download(batch, page.locator(".run-line > [data-run-own-results]"))
    own = tmp_path / results.suggested_filename
    assert own.name == "七月新品-结果.xlsx"
    results.save_as(own)
    assert [cell.value for cell in load_workbook(own)["新品"][2]][:5] == [*ROWS[0], "成功"]
    batch.open()
    batch.click_command("history")
    link = page.locator("[data-history] [data-own-results]")
    expect(link).to_have_attribute("title", "下载「七月新品.xlsx」，右边加上结果")
    assert download(batch, link).suggested_filename == own.name
    page.keyboard.press("Escape")

    batch.import_workbook(edit(own), place="replace")
    shown = {name: group(page, name).inner_text().split() for name in ("unchanged", "changed", "new")}
    assert shown == {"unchanged": ["没有变", "7"], "changed": ["改过", "2"], "new": ["新的", "1"]}
    batch.expect_rows(10)
    changes = page.locator("[data-report-changed] .report-item")
    expect(changes).to_have_count(2)
    expect(changes.first).to_contain_text("第 3 行 提示词第 2 款茶具，白底主图 → 第 2 款茶具，黑底主图")
    changes.last.click()
    expect(batch.cell(4, "prompt")).to_have_class(re.compile("is-active"))

    batch.wait_until_saved("改过 2")
    batch.reload()
    page.locator("[data-command=report]").click()
    expect(page.locator("[data-report-notes]")).to_contain_text("没有变 7 · 改过 2 · 新的 1 · 删掉 1")
    batch.start_batch()
    batch.expect_state("已完成")
    records = demo_server.get("/api/records?limit=100")
    assert records["total"] == 13
    assert sorted(each["prompt"] for each in records["records"][:3]) == sorted(
        ["第 2 款茶具，黑底主图", "第 4 款茶具，黑底主图", "新的一款"]
    )


def test_what_the_own_workbook_cannot_carry_is_said(draft: BatchPage) -> None:
    draft.import_csv("SKU,提示词,分辨率", "A-1,猫,1K", name="茶具.csv")
    draft.start_batch()
    draft.expect_state("已完成")
    results = download(draft, draft.page.locator(".run-line > [data-run-own-results]"))
    assert results.suggested_filename == "茶具-结果.xlsx"
    expect(draft.page.locator(".toast")).to_contain_text("结果会填进一份新的 .xlsx")
