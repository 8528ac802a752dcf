"""The user's own workbook: imported, corrected, made, brought back the next day, and then changed."""

import re
from pathlib import Path

import pytest
from openpyxl import load_workbook
from playwright.sync_api import Page, expect

from tools.pages.batch_page import BatchPage
from tools.server_process import ServerProcess
from tools.workbooks.written import by_openpyxl

HEADER = ["SKU", "提示词", "图片比例", "分辨率"]
ROWS = [[f"A-{n}", f"第 {n} 款茶具，白底主图", "7:5" if n % 3 == 0 else "1:1", "1K"] for n in range(1, 13)]


def workbook(file: Path, rows: list[list[str]]) -> Path:
    file.write_bytes(by_openpyxl([HEADER, *rows], title="新品"))
    return file


@pytest.fixture
def made(page: Page, demo_server: ServerProcess, tmp_path: Path) -> BatchPage:
    """The open table of 12 rows, of which four were corrected, all made."""
    batch = BatchPage(page, demo_server.address)
    batch.open("?new=1")
    batch.import_workbook(workbook(tmp_path / "七月新品.xlsx", ROWS))
    expect(batch.report()).to_have_text("「七月新品.xlsx」读到 12 行，4 处要改")
    page.locator(".report-line").get_by_role("button", name="全部改").click()
    expect(batch.report()).to_have_text("「七月新品.xlsx」读到 12 行，没有问题")
    expect(page.locator("[data-saving]")).to_have_text("已保存")
    table = page.url.partition("table=")[2]
    placed = demo_server.post(f"/api/tables/{table}/run", {})
    demo_server.wait_for_end(placed["batch_id"])
    return batch


def test_the_same_file_has_nothing_to_make_the_next_day_and_a_changed_one_only_its_changes(
    made: BatchPage, demo_server: ServerProcess, tmp_path: Path
) -> None:
    page = made.page
    table = page.url.partition("table=")[2]
    page.goto(f"{demo_server.address}/batch")
    expect(page.locator("[data-tables-item]")).to_contain_text("12 张都做好了，12 张没看")
    page.locator("[data-file]").set_input_files(workbook(tmp_path / "七月新品 (1).xlsx", ROWS))
    page.locator("[data-ask-choice=update]", has_text="没有变 12").click()
    expect(made.report()).to_have_text("「七月新品 (1).xlsx」读到 12 行，没有问题")
    assert demo_server.get(f"/api/tables/{table}")["table"]["totals"]["to_make"] == 0

    newer = [[*row] for row in ROWS]
    for row in newer[2:4]:
        row[1] = row[1].replace("白底", "黑底")
    del newer[7]
    newer.append(["B-1", "新的一款", "1:1", "1K"])
    made.import_workbook(workbook(tmp_path / "改过.xlsx", newer), place="update")
    expect(page.locator("[data-report-counts]")).to_have_text("没有变 9 · 改过 2 · 新的 1 · 少了 1")
    changes = page.locator("[data-report-changed] .report-item")
    expect(changes.first).to_contain_text("第 4 行 提示词第 3 款茶具，白底主图 → 第 3 款茶具，黑底主图")
    changes.last.click()
    expect(made.cell(4, "prompt")).to_have_class(re.compile("is-active"))
    page.get_by_role("button", name="去掉这 1 行").click()
    made.expect_rows(12)
    made.reload()
    expect(page.locator("[data-report-counts]")).to_have_text("没有变 9 · 改过 2 · 新的 1 · 少了 1")
    totals = demo_server.get(f"/api/tables/{table}")["table"]["totals"]
    assert (totals["rows"], totals["to_make"]) == (12, 3)


def test_the_own_workbook_with_results_is_downloaded_from_the_list(
    made: BatchPage, demo_server: ServerProcess, tmp_path: Path
) -> None:
    page = made.page
    page.goto(f"{demo_server.address}/batch")
    page.locator("[data-tables-item]").hover()
    page.locator("[data-tables-more]").click()
    with page.expect_download() as started:
        page.get_by_role("menuitem", name="下载我的表（带结果）").click()
    own = tmp_path / started.value.suggested_filename
    assert own.name == "七月新品-结果.xlsx"
    started.value.save_as(own)
    expect(page.locator(".toast")).to_have_count(0, timeout=5_000)  # it was said that it is prepared
    assert [cell.value for cell in load_workbook(own)["新品"][2]][:5] == [*ROWS[0], "成功"]
