"""A row is bought once: what was made before is shown in the table, and left out of a run."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage
from tools.server_process import ServerProcess

FillTable = Callable[..., BatchPage]


@pytest.fixture
def table(priced: BatchPage) -> FillTable:
    """Open 批量生成 with these prompts, or (prompt, number of pictures), at 1K."""

    def fill(*rows: str | tuple[str, int]) -> BatchPage:
        priced.open()
        cells = [row if isinstance(row, tuple) else (row, 1) for row in rows]
        priced.fill(*[(each, "", "1:1", "1K", "", str(n)) for each, n in cells])
        return priced

    return fill


def make(server: ServerProcess, prompt: str, **fields: Any) -> list[int]:
    """Have a row made -> the ids of its records."""
    row = {"prompt": prompt, "resolution": "1K", **fields}
    answer = server.post("/api/batches", {"rows": [row]})
    server.wait_for_end(answer["batch_id"])
    return list(answer["records"])


def trash(server: ServerProcess, ids: list[int]) -> None:
    server.post("/api/records/delete", {"ids": ids})


def start_button(dialog: Locator) -> Locator:
    return dialog.locator("[data-start-yes]")


def test_a_row_made_before_shows_its_picture_until_it_is_changed(
    table: FillTable, server: ServerProcess, page: Page
) -> None:
    [record] = make(server, "猫")
    make(server, "狗")
    batch = table("猫", "狗", "狼")
    for row, status in enumerate(("已有", "已有", ""), 1):
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
    batch.expect_text(1, "status", "已有")
    page.route("**/api/rows/check", lambda _route: None)
    batch.edit_cell(1, "prompt", "虎")
    expect(batch.cell(1, "status")).to_have_class(re.compile("is-stale"))  # it may be outdated
    batch.expect_text(1, "status", "已有")


def test_only_the_missing_pictures_of_a_row_are_ordered_and_more_after_a_question(
    table: FillTable, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    make(server, "猫", num_images=2)
    batch = table(("猫", 3), "狗")
    expect(batch.page.locator("[data-footer-sum]")).to_have_text("2 行 · 4 张 · 已有 2 张 · 要做 2 张 ¥0.44")
    batch.expect_text(1, "status", "已有 2 / 3")
    order, question = (
        batch.cell(1, "actions").locator("[data-run-row]"),
        batch.page.locator("dialog[data-dialog=cost]"),
    )
    order.click()
    expect(question).to_contain_text("1 张，预计 ¥0.22")
    question.locator("[data-cost-yes]").click()
    batch.expect_text(1, "status", "已有 3 张")
    assert jimeng.charges == 3
    expect(order).to_be_hidden()
    batch.choose_row_action(1, "再来一张（¥0.22）")
    expect(question).to_contain_text("1 张，预计 ¥0.22")
    assert jimeng.charges == 3
    question.locator("[data-cost-yes]").click()
    batch.expect_text(1, "status", "已有 4 张")
    assert jimeng.charges == 4


def test_a_row_made_elsewhere_meanwhile_is_not_bought_by_its_button(
    table: FillTable, server: ServerProcess, page: Page, jimeng: FakeJimeng
) -> None:
    make(server, "狗")
    batch = table("猫", "狗")
    batch.expect_text(2, "status", "已有")
    make(server, "猫")
    batch.cell(1, "actions").locator("[data-run-row]").click()
    expect(page.locator(".toast")).to_contain_text("这一行已经有图了，没有再下单")
    batch.expect_text(1, "status", "已有")
    assert jimeng.charges == 2


def test_equal_rows_lead_to_each_other_and_are_made_once_unless_all_are_requested(
    table: FillTable, jimeng: FakeJimeng
) -> None:
    batch = table("猫", "狗", "猫")
    batch.expect_text(3, "status", "与第 1 行相同")
    batch.cell(3, "status").get_by_role("button").click()
    expect(batch.cell(1, "prompt")).to_have_class(re.compile("is-active"))
    dialog = batch.open_start()
    expect(dialog).to_contain_text("与别的行相同的 1 行")
    start_button(dialog).click()
    batch.expect_ended(1)
    assert jimeng.charges == 2

    batch.open()
    for row in (1, 3):
        batch.edit_cell(row, "prompt", "狼")
    batch.open_start().get_by_label("也各做一份（1 张 ¥0.22）").check()
    expect(start_button(dialog)).to_have_text("生成 2 张 · ¥0.44")
    start_button(dialog).click()
    batch.expect_ended(1)
    assert jimeng.charges == 4


def test_pictures_in_the_trash_are_offered_before_they_are_made_anew_and_unknown_results_told(
    table: FillTable, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.fail_next("reset")
    make(server, "狼")
    for prompt in ("猫", "狗"):
        trash(server, make(server, prompt))
    batch = table("猫", "狗", "狼")
    for row, status in enumerate(("在回收站", "在回收站", "结果未知"), 1):
        batch.expect_text(row, "status", status)
    expect(batch.cell(3, "status").get_by_role("link")).to_have_attribute("href", "/usage")
    batch.choose_row_action(2, "恢复回收站里的 1 张")
    batch.expect_text(2, "status", "已有")

    dialog = batch.open_start()
    expect(dialog).to_contain_text("结果未知的 1 行")
    expect(start_button(dialog)).to_have_text("生成 1 张 · ¥0.22")
    dialog.get_by_role("button", name="恢复，不再做").click()
    expect(start_button(dialog)).to_have_text("没有要做的")
    expect(dialog).to_contain_text("没有变的 2 行（已有）")
    batch.page.keyboard.press("Escape")
    batch.wait_for_image(1)
    assert jimeng.charges == 3


def test_a_row_ordered_elsewhere_while_the_dialog_was_open_is_not_paid_twice(
    table: FillTable, server: ServerProcess, page: Page, jimeng: FakeJimeng
) -> None:
    batch = table("猫", "狗")
    dialog = batch.open_start()
    make(server, "猫")
    make(server, "狗")
    start_button(dialog).click()
    expect(dialog).to_contain_text("刚才在别处已经开始做了，没有再下单")
    expect(start_button(dialog)).to_have_text("没有要做的")
    page.keyboard.press("Escape")
    for row, prompt in enumerate(("狼", "虎"), 1):
        batch.edit_cell(row, "prompt", prompt)
    batch.open_start()
    make(server, "狼")
    start_button(dialog).click()
    expect(page.locator(".toast")).to_contain_text("1 行刚才已经做过或正在做，没有再下单")
    batch.expect_ended(1)
    assert jimeng.charges == 4


def test_a_slow_check_says_so_and_a_failed_one_can_be_repeated_in_the_dialog(
    table: FillTable, page: Page
) -> None:
    batch = table("猫")
    waiting: list[Route] = []
    page.route("**/api/rows/check", lambda route: waiting.append(route))
    dialog = batch.open_start()
    expect(start_button(dialog)).to_have_text("正在核对…")
    expect(start_button(dialog)).to_be_disabled()
    for route in waiting:
        route.abort()
    page.unroute_all()
    expect(dialog.locator("[data-start-error]")).to_contain_text("连不上服务")
    start_button(dialog).click()
    expect(start_button(dialog)).to_have_text("生成 1 张 · ¥0.22")
