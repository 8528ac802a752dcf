"""The fill handle, and blocks that are filled or pasted as in a spreadsheet."""

import re

import pytest
from playwright.sync_api import expect

from tools.pages.batch_page import BatchPage

HANDLE = 4  # px from the lower right corner of a cell


@pytest.fixture
def table(draft: BatchPage) -> BatchPage:
    """Ten rows with a prompt; the first has more."""
    headers = ("提示词", "图片比例", "生成数量", "文件名")
    draft.fill(headers, ("第 1 款", "16:9", "2", "主图-09"), *((f"第 {n} 款",) for n in range(2, 11)))
    draft.cell(2, "negative_prompt").click()
    return draft


def corner(batch: BatchPage, row: int, column: str) -> tuple[float, float]:
    """Where the handle of a cell is, once the script for it is there."""
    cell = batch.cell(row, column)
    expect(cell).to_have_class(re.compile("is-corner"))
    expect(batch.page.locator(".table-fill")).to_be_attached()
    box = cell.bounding_box()
    assert box
    return box["x"] + box["width"] - HANDLE, box["y"] + box["height"] - HANDLE


def drag(batch: BatchPage, start: tuple[int, str], end: tuple[int, str]) -> None:
    """Drag the handle of the selection, whose last cell is ``start``, to another cell."""
    mouse = batch.page.mouse
    mouse.move(*corner(batch, *start))
    mouse.down()
    box = batch.cell(*end).bounding_box()
    assert box
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    mouse.up()


def expect_column(batch: BatchPage, column: str, *texts: str) -> None:
    for row, text in enumerate(texts, start=1):
        batch.expect_text(row, column, text)


def test_dragging_the_handle_repeats_values_and_counts_names_on_in_one_step(table: BatchPage) -> None:
    page = table.page
    table.cell(1, "num_images").click()
    page.keyboard.press("Shift+ArrowRight")
    drag(table, (1, "filename"), (4, "num_images"))
    expect_column(table, "num_images", "2", "2", "2", "2", "1")
    expect_column(table, "filename", "主图-09", "主图-10", "主图-11", "主图-12", "")
    page.keyboard.press("Control+z")
    expect_column(table, "num_images", "2", "1", "1", "1", "1")
    expect_column(table, "filename", "主图-09", "", "", "", "")


def test_the_table_scrolls_while_the_handle_is_dragged_to_its_edge_but_not_when_all_is_selected(
    draft: BatchPage,
) -> None:
    page = draft.page
    draft.fill(*((f"第 {n} 款",) for n in range(1, 201)))
    draft.expect_rows(200)
    draft.edit_cell(1, "filename", "图1")
    page.mouse.move(*corner(draft, 1, "filename"))
    page.mouse.down()
    box = page.locator("[data-table]").bounding_box()
    assert box
    page.mouse.move(box["x"] + 900, box["y"] + box["height"] - 4, steps=3)
    expect(draft.cell(60, "filename")).to_be_visible()
    page.mouse.up()
    last = page.locator("[data-row] .is-active")
    row = int(last.locator("xpath=..").get_attribute("data-row") or 0)
    assert row > 40
    expect(last).to_have_text(f"图{row}")
    draft.expect_text(row + 1, "filename", "")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+Home")
    expect_column(draft, "filename", "图1", "")

    page.keyboard.press("Control+End")
    last_state = draft.cell(200, "status")
    expect(last_state).to_have_attribute("aria-selected", "false")
    page.keyboard.press("Control+a")
    expect(last_state).to_have_attribute("aria-selected", "true")
    expect(draft.cell(200, "prompt")).to_be_in_viewport()
    page.keyboard.press("ArrowDown")
    expect(draft.cell(2, "number")).to_be_in_viewport()
