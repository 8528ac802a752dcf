"""The user's own columns, and variables."""

import pytest
from playwright.sync_api import expect

from tools.pages.batch_page import BatchPage
from tools.server_process import ServerProcess
from tools.waiting import wait_until


@pytest.fixture
def table(draft: BatchPage, shared_server: ServerProcess) -> BatchPage:
    """The page with a table of two rows, one of which lacks its colour."""
    row = {"prompt": "一只{颜色}的猫", "filename": "{SKU}-主图", "resolution": "1K"}
    rows = [
        row | {"columns": {"SKU": "A-1", "颜色": "橘色"}},
        row | {"columns": {"SKU": "A-2", "颜色": ""}},
    ]
    draft.open_table(shared_server.post("/api/tables", {"rows": rows})["table"]["id"])
    return draft


def test_own_cells_and_variables_are_edited_undone_and_kept(table: BatchPage) -> None:
    page = table.page
    table.show_column("SKU")
    table.edit_cell(1, "column:SKU", "B-7")
    table.expect_text(1, "column:SKU", "B-7")
    page.keyboard.press("Control+z")
    table.expect_text(1, "column:SKU", "A-1")
    page.keyboard.press("Control+y")
    table.expect_text(1, "prompt", "一只橘色的猫")
    table.expect_text(1, "filename", "B-7-主图")
    table.cell(1, "prompt").click()
    page.keyboard.press("F2")
    expect(page.locator("[data-table-editor]")).to_have_value("一只{颜色}的猫")
    page.keyboard.press("Escape")

    table.cell(1, "negative_prompt").click()
    page.keyboard.type("不要{S")
    expect(page.locator("[data-table-choices] [role=option]")).to_have_text(["{SKU}"])
    page.keyboard.press("Enter")
    page.keyboard.type("标签")
    page.keyboard.press("Enter")
    table.expect_text(1, "negative_prompt", "不要{SKU}标签")

    table.wait_until_saved()
    table.reload()
    table.expect_text(1, "column:SKU", "B-7")
    table.expect_text(1, "prompt", "一只橘色的猫")


def width_of(batch: BatchPage, column: str) -> int:
    label = batch.page.locator(f"[data-table-head] .is-{column}")
    return round(float(label.evaluate("label => label.getBoundingClientRect().width")))


def test_columns_are_as_wide_as_they_were_made(draft: BatchPage) -> None:
    page, head = draft.page, draft.page.locator("[data-table-head]")
    draft.fill(("提示词", "文件名"), ("一只橘猫趴在窗台上看雨", "猫" * 20))
    before = width_of(draft, "prompt")
    label = head.locator(".is-prompt").bounding_box()
    assert label
    x, y = label["x"] + label["width"] - 3, label["y"] + label["height"] / 2
    page.mouse.move(x, y)
    expect(page.locator("[data-batch] [data-find]")).to_be_attached()  # the late script runs
    page.mouse.down()
    page.mouse.move(x + 60, y, steps=4)
    page.mouse.up()
    assert width_of(draft, "prompt") == before + 60

    draft.cell(1, "resolution").click()
    narrow = width_of(draft, "resolution")
    page.keyboard.press("Alt+Shift+ArrowRight")
    wait_until(lambda: width_of(draft, "resolution") == narrow + 24)

    name = head.locator(".is-filename").bounding_box()
    assert name
    page.mouse.dblclick(name["x"] + name["width"] - 3, y)
    fitted = width_of(draft, "filename")
    assert draft.cell(1, "filename").locator("[data-value]").evaluate("text => text.offsetHeight") < 30

    draft.reload()
    wait_until(lambda: width_of(draft, "prompt") == before + 60)
    assert width_of(draft, "filename") == fitted
    draft.click_command("columns")
    page.get_by_role("menuitem", name="恢复列宽").click()
    assert width_of(draft, "prompt") == before
