"""The user's own workbook: imported, run, filled in, edited and brought back."""

from pathlib import Path

from openpyxl import load_workbook
from playwright.sync_api import Locator, Page

from tests.browser.batch_page import BatchPage
from tests.server_process import ServerProcess
from tests.workbooks.written import by_openpyxl

HEADER = ["SKU", "提示词", "图片比例", "分辨率"]
ROWS = [[f"A-{number}", f"第 {number} 款茶具，白底主图", "1:1", "1K"] for number in range(1, 11)]


def workbook(folder: Path, rows: list[list[str]], name: str = "七月新品.xlsx") -> Path:
    file = folder / name
    file.write_bytes(by_openpyxl([HEADER, *rows], title="新品"))
    return file


def group(page: Page, name: str) -> Locator:
    """The button of a group of compared rows: unchanged, changed, new, done or removed."""
    return page.locator(f"[data-comparison-group={name}]")


def run_and_download(batch: BatchPage, folder: Path) -> Path:
    """Import the workbook, run it, and download it with its results."""
    batch.import_workbook(workbook(folder, ROWS))
    batch.start_batch("七月")
    batch.expect_state("已完成")
    with batch.page.expect_download() as download:
        batch.page.locator("[data-run-own-results]").click()
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
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
    batch: BatchPage, demo_server: ServerProcess, tmp_path: Path
) -> None:
    own = run_and_download(batch, tmp_path)
    assert own.name == "七月新品-结果.xlsx"
    page = load_workbook(own)["新品"]
    assert [cell.value for cell in page[2]][:5] == [*ROWS[0], "成功"]
    batch.open()
    batch.import_workbook(edit(own), place="replace")
    shown = {name: group(batch.page, name).inner_text().split() for name in ("unchanged", "changed", "new")}
    assert shown == {"unchanged": ["没有变", "7"], "changed": ["改过", "2"], "new": ["新的", "1"]}
    group(batch.page, "unchanged").click()
    batch.expect_rows(3)
    batch.start_batch()
    batch.expect_state("已完成")
    records = demo_server.get("/api/records?limit=100")
    assert records["total"] == 13
    assert sorted(each["prompt"] for each in records["records"][:3]) == sorted(
        ["第 2 款茶具，黑底主图", "第 4 款茶具，黑底主图", "新的一款"]
    )
