"""A row shows what was made of it before, anywhere, and what it shares with others."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage
from tools.server_process import ServerProcess

OpenTable = Callable[..., BatchPage]


@pytest.fixture
def table(priced: BatchPage, server: ServerProcess) -> OpenTable:
    """Open a table of these prompts, or (prompt, number of pictures), at 1K."""

    def opened(*rows: str | tuple[str, int]) -> BatchPage:
        cells = [row if isinstance(row, tuple) else (row, 1) for row in rows]
        made = [{"prompt": prompt, "resolution": "1K", "num_images": n} for prompt, n in cells]
        priced.open_table(server.post("/api/tables", {"rows": made})["table"]["id"])
        return priced

    return opened


def make(server: ServerProcess, prompt: str, **fields: Any) -> list[int]:
    """Have a row made -> the ids of its records."""
    row = {"prompt": prompt, "resolution": "1K", **fields}
    answer = server.post("/api/batches", {"rows": [row]})
    server.wait_for_end(answer["batch_id"])
    return list(answer["records"])


def test_a_row_made_before_shows_its_picture_until_it_is_changed(
    table: OpenTable, server: ServerProcess, page: Page
) -> None:
    [record] = make(server, "猫")
    make(server, "狗")
    batch = table("猫", "狗", "狼")
    for row, status in enumerate(("✓ 已有", "✓ 已有", ""), 1):
        batch.expect_text(row, "status", status)
    batch.wait_for_image(1).click()
    dialog = page.locator("dialog[data-lightbox]")
    expect(dialog).to_contain_text(f"编号{record}")
    expect(dialog).to_contain_text("1 / 2")
    page.keyboard.press("ArrowRight")  # the large view walks through the pictures of all rows
    expect(dialog).to_contain_text("2 / 2")
    expect(dialog).to_contain_text("狗")
    page.keyboard.press("Escape")

    batch.edit_cell(1, "prompt", "虎")
    batch.expect_text(1, "status", "")
    page.keyboard.press("Control+z")
    batch.expect_text(1, "status", "✓ 已有")


def test_equal_rows_lead_to_each_other_and_a_part_of_the_pictures_is_told(
    table: OpenTable, server: ServerProcess
) -> None:
    make(server, "狼", num_images=2)
    batch = table("猫", "狗", "猫", ("狼", 3))
    batch.expect_text(3, "status", "同第 1 行")
    batch.cell(3, "status").get_by_role("button").click()
    expect(batch.cell(1, "prompt")).to_have_class(re.compile("is-active"))
    batch.expect_text(4, "status", "已有 2 / 3")
    expect(batch.page.locator("[data-footer-sum]")).to_have_text("4 行 · 6 张 · 已有 2 张 · 要做 3 张 ¥0.66")


def test_pictures_in_the_trash_are_brought_back_and_unknown_results_told(
    table: OpenTable, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.fail_next("reset")
    make(server, "狼")
    for prompt in ("猫", "狗"):
        server.post("/api/records/delete", {"ids": make(server, prompt)})
    batch = table("猫", "狗", "狼")
    for row, status in enumerate(("在回收站", "在回收站", "结果未知，可能已计费"), 1):
        batch.expect_text(row, "status", status)
    expect(batch.cell(3, "status").get_by_role("link")).to_have_attribute("href", "/usage")
    batch.choose_row_action(2, "恢复回收站里的 1 张")
    batch.expect_text(2, "status", "✓ 已有")
    batch.wait_for_image(2)
