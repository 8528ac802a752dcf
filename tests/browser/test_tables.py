"""The list of tables: found, renamed, put away, copied, deleted and undone; files that are put there."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tools.pages.batch_page import csv_file
from tools.server_process import ServerProcess
from tools.workbooks.written import with_sheets


def new(server: ServerProcess, name: str, *prompts: str) -> str:
    rows = [{"prompt": prompt} for prompt in prompts]
    return str(server.post("/api/tables", {"name": name, "rows": rows})["table"]["id"])


def items(page: Page) -> Locator:
    return page.locator("[data-tables-item]")


def item(page: Page, name: str) -> Locator:
    return items(page).filter(has=page.locator("[data-tables-link]", has_text=name))


def link(page: Page, name: str) -> Locator:
    return page.get_by_role("link", name=name, exact=True)


def choose(page: Page, name: str, command: str) -> None:
    """Choose from the menu of a table."""
    item(page, name).hover()
    item(page, name).locator("[data-tables-more]").click()
    page.get_by_role("menuitem", name=command, exact=True).click()


@pytest.fixture
def tables(page: Page, demo_server: ServerProcess) -> Page:
    """The list of three tables, open."""
    for name in ("双十二需求表", "茶具", "杯子"):
        new(demo_server, name, f"{name} 一", f"{name} 二")
    page.goto(f"{demo_server.address}/batch")
    expect(page.locator("[data-tables-page][data-ready]")).to_have_count(1)
    return page


def test_a_table_is_renamed_put_away_copied_and_deleted_from_its_menu(tables: Page) -> None:
    page = tables
    expect(page.locator("[data-tables-link]")).to_have_text(["杯子", "茶具", "双十二需求表"])
    choose(page, "茶具", "改名")
    page.keyboard.type("冬季茶具")
    page.keyboard.press("Enter")
    expect(link(page, "冬季茶具")).to_be_focused()
    choose(page, "冬季茶具", "复制")
    expect(link(page, "冬季茶具 副本")).to_be_focused()
    choose(page, "杯子", "收起来")
    expect(item(page, "杯子")).to_have_count(0)
    page.get_by_role("link", name="收起来的").click()
    choose(page, "杯子", "放回来")
    expect(page.locator("[data-tables-rest]")).to_contain_text("没有收起来的表格")
    page.get_by_role("link", name="查看全部").click()
    choose(page, "杯子", "删除")
    expect(item(page, "杯子")).to_have_count(0)
    page.locator(".toast").get_by_role("button", name="撤销").click()
    expect(link(page, "杯子")).to_be_focused()


def test_the_list_is_used_by_keyboard(tables: Page) -> None:
    page = tables
    link(page, "杯子").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("F2")
    page.keyboard.type("不要")
    page.keyboard.press("Escape")
    expect(link(page, "茶具")).to_be_focused()
    page.keyboard.press("Delete")
    expect(item(page, "茶具")).to_have_count(0)
    expect(link(page, "双十二需求表")).to_be_focused()
    page.keyboard.press("Control+z")
    expect(link(page, "茶具")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("[data-row='2'] [data-column=prompt]")).to_contain_text("茶具 二")


def test_a_search_is_in_the_address_and_earlier_tables_are_loaded(
    tables: Page, demo_server: ServerProcess
) -> None:
    page = tables
    page.locator("[data-search]").fill("双十二")
    expect(page.locator("[data-tables-link]")).to_have_text(["双十二需求表"])
    expect(page).to_have_url(re.compile("search="))
    page.reload()
    expect(page.locator("[data-tables-link]")).to_have_text(["双十二需求表"])
    for n in range(30):
        new(demo_server, f"第 {n} 个")
    page.locator("[data-search]").fill("")
    expect(items(page)).to_have_count(30)
    page.get_by_role("link", name="加载更早的").click()
    expect(items(page)).to_have_count(33)
    expect(items(page).nth(30).locator("[data-tables-link]")).to_be_focused()


def test_a_file_that_is_put_on_the_list_becomes_a_table_or_says_what_is_wrong(tables: Page) -> None:
    page = tables
    dialog = page.locator("dialog[data-dialog=import]")
    file = page.locator("[data-file]")
    file.set_input_files({"name": "坏的.xlsx", "mimeType": "", "buffer": b"nothing"})
    expect(dialog).to_contain_text("「坏的.xlsx」没有导入")
    expect(dialog.locator("[data-ask-error]")).not_to_be_empty()
    dialog.get_by_role("button", name="关闭").click()
    sheets: dict[str, list[list[Any]]] = {"春": [["提示词"], ["樱"]], "夏": [["提示词"], ["荷"], ["蝉"]]}
    file.set_input_files({"name": "四季.xlsx", "mimeType": "", "buffer": with_sheets(sheets)})
    expect(dialog).to_contain_text("「四季.xlsx」有 2 张工作表")
    dialog.get_by_role("checkbox", name="夏").check()
    dialog.get_by_role("button", name="导入选中的").click()
    expect(page.locator("[data-report-title]")).to_contain_text("「四季.xlsx」读到 3 行")
    expect(page.locator("[data-name]").first).to_have_text("四季")


def test_a_file_with_the_rows_of_a_table_is_asked_about_once(tables: Page) -> None:
    page = tables
    page.locator("[data-file]").set_input_files(csv_file("SKU,提示词", "A,樱", "B,荷", "C,菊", name="花.csv"))
    expect(page.locator("[data-row='2'] [data-column=prompt]")).to_contain_text("荷")
    page.go_back()
    page.locator("[data-file]").set_input_files(
        csv_file("SKU,提示词", "A,樱", "B,粉荷", "C,菊", "D,梅", name="花-改.csv")
    )
    choice = page.locator("dialog[data-dialog=import] [data-ask-choice=update]")
    expect(choice).to_have_text("更新「花」没有变 2 · 改过 1 · 新的 1")
    choice.click()
    expect(page.locator("[data-report-counts]")).to_have_text("没有变 2 · 改过 1 · 新的 1")
    expect(page.locator("[data-report-changed] .report-item")).to_contain_text("荷 → 粉荷")
    page.get_by_role("button", name="撤销这次导入").click()
    expect(page.locator("[data-row='2'] [data-column=prompt]")).to_have_text("荷")
    expect(page.locator("[data-table-grid]")).to_have_attribute("aria-rowcount", "4")
