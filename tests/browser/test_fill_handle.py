"""The fill handle, and blocks that are filled or pasted as in a spreadsheet."""

import re

from playwright.sync_api import expect

from tools.pages.batch_page import BatchPage

HANDLE = 4  # px from the lower right corner of a cell


def corner(batch: BatchPage, row: int, column: str) -> tuple[float, float]:
    """Where the handle of a cell is, once the script for it is there."""
    cell = batch.cell(row, column)
    expect(cell).to_have_class(re.compile("is-corner"))
    expect(batch.page.locator(".table-fill")).to_be_attached()
    box = cell.bounding_box()
    assert box
    return box["x"] + box["width"] - HANDLE, box["y"] + box["height"] - HANDLE


def expect_column(batch: BatchPage, column: str, *texts: str) -> None:
    for row, text in enumerate(texts, start=1):
        batch.expect_text(row, column, text)


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
