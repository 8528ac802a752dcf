"""A row is bought once: what was made before is shown in the table, and left out of a run."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.batch_page import BatchPage
from tools.fakes.jimeng import FakeJimeng
from tools.server_process import ServerProcess

FillTable = Callable[..., BatchPage]


@pytest.fixture
def table(page: Page, server: ServerProcess) -> FillTable:
    """Open 批量生成 with these prompts, or (prompt, number of pictures), at 1K."""

    def fill(*rows: str | tuple[str, int]) -> BatchPage:
        batch = BatchPage(page, server.address)
        batch.open()
        batch.click_command("add")
        cells = [row if isinstance(row, tuple) else (row, 1) for row in rows]
        batch.paste_block(1, "prompt", *[(each, "", "1:1", "1K", "", str(n)) for each, n in cells])
        return batch

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


def test_a_row_made_before_shows_its_picture(table: FillTable, server: ServerProcess, page: Page) -> None:
    [record] = make(server, "猫")
    batch = table("猫", "狗")
    batch.expect_text(1, "status", "已有")
    batch.expect_text(2, "status", "")
    batch.wait_for_image(1).click()
    expect(page.locator("dialog[data-lightbox]")).to_contain_text(f"编号{record}")


def test_the_large_view_walks_through_the_pictures_of_all_rows(
    table: FillTable, server: ServerProcess, page: Page
) -> None:
    for prompt in ("猫", "狗", "狼"):
        make(server, prompt)
    batch = table("猫", "狗", "狼")
    batch.wait_for_image(1).click()
    dialog = page.locator("dialog[data-lightbox]")
    expect(dialog).to_contain_text("1 / 3")
    page.keyboard.press("ArrowRight")
    expect(dialog).to_contain_text("2 / 3")
    expect(dialog).to_contain_text("狗")
    page.keyboard.press("End")
    expect(dialog).to_contain_text("3 / 3")


def test_a_changed_row_is_new_and_its_undo_is_made(table: FillTable, server: ServerProcess) -> None:
    make(server, "猫")
    batch = table("猫")
    batch.expect_text(1, "status", "已有")
    batch.edit_cell(1, "prompt", "狼")
    batch.expect_text(1, "status", "")
    batch.page.keyboard.press("Control+z")
    batch.expect_text(1, "status", "已有")


def test_a_state_that_may_be_outdated_is_dimmed(table: FillTable, server: ServerProcess, page: Page) -> None:
    make(server, "猫")
    batch = table("猫")
    batch.expect_text(1, "status", "已有")
    page.route("**/api/rows/check", lambda _route: None)
    batch.edit_cell(1, "prompt", "狼")
    expect(batch.cell(1, "status")).to_have_class(re.compile("is-stale"))
    batch.expect_text(1, "status", "已有")


def test_the_footer_counts_what_is_made_and_what_is_to_be_paid(
    table: FillTable, server: ServerProcess
) -> None:
    make(server, "猫", num_images=2)
    batch = table(("猫", 3), "狗")
    expect(batch.page.locator("[data-footer-sum]")).to_have_text("2 行 · 4 张 · 已有 2 张 · 要做 2 张 ¥0.44")


def test_only_the_missing_pictures_of_a_row_are_ordered(
    table: FillTable, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    make(server, "猫", num_images=2)
    batch = table(("猫", 3))
    batch.expect_text(1, "status", "已有 2 / 3")
    batch.cell(1, "actions").locator("[data-run-row]").click()
    expect(batch.page.locator("dialog[data-dialog=cost]")).to_contain_text("1 张，预计 ¥0.22")
    batch.page.locator("[data-cost-yes]").click()
    batch.expect_text(1, "status", "已有 3 张")
    assert jimeng.charges == 3


def test_one_more_picture_of_a_made_row_is_ordered_after_a_question(
    table: FillTable, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    make(server, "猫")
    batch = table("猫")
    batch.expect_text(1, "status", "已有")
    expect(batch.cell(1, "actions").locator("[data-run-row]")).to_be_hidden()
    batch.choose_row_action(1, "再来一张（¥0.22）")
    expect(batch.page.locator("dialog[data-dialog=cost]")).to_contain_text("1 张，预计 ¥0.22")
    assert jimeng.charges == 1
    batch.page.locator("[data-cost-yes]").click()
    batch.expect_text(1, "status", "已有 2 张")
    assert jimeng.charges == 2


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


def test_equal_rows_lead_to_each_other_and_are_made_once(table: FillTable, jimeng: FakeJimeng) -> None:
    batch = table("猫", "狗", "猫")
    batch.expect_text(3, "status", "与第 1 行相同")
    batch.cell(3, "status").get_by_role("button").click()
    expect(batch.cell(1, "prompt")).to_have_class(re.compile("is-active"))
    dialog = batch.open_start()
    expect(dialog).to_contain_text("与别的行相同的 1 行")
    start_button(dialog).click()
    batch.expect_ended(1)
    assert jimeng.charges == 2


def test_equal_rows_are_all_made_when_requested(table: FillTable, jimeng: FakeJimeng) -> None:
    batch = table("猫", "猫")
    dialog = batch.open_start()
    dialog.get_by_label("也各做一份（1 张 ¥0.22）").check()
    expect(start_button(dialog)).to_have_text("生成 2 张 · ¥0.44")
    start_button(dialog).click()
    batch.expect_ended(1)
    assert jimeng.charges == 2


def test_pictures_in_the_trash_are_offered_before_they_are_made_anew(
    table: FillTable, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    trash(server, make(server, "猫"))
    batch = table("猫")
    batch.expect_text(1, "status", "在回收站")
    dialog = batch.open_start()
    expect(start_button(dialog)).to_have_text("生成 1 张 · ¥0.22")
    dialog.get_by_role("button", name="恢复，不再做").click()
    expect(start_button(dialog)).to_have_text("没有要做的")
    expect(dialog).to_contain_text("没有变的 1 行（已有）")
    batch.page.keyboard.press("Escape")
    batch.wait_for_image(1)
    assert jimeng.charges == 1


def test_the_row_menu_restores_a_picture_from_the_trash(table: FillTable, server: ServerProcess) -> None:
    trash(server, make(server, "猫"))
    batch = table("猫")
    batch.expect_text(1, "status", "在回收站")
    batch.choose_row_action(1, "恢复回收站里的 1 张")
    batch.expect_text(1, "status", "已有")


def test_an_unknown_result_leads_to_the_usage_page(
    table: FillTable, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.fail_next("reset", times=2)
    make(server, "猫")
    batch = table("猫", "狗")
    batch.expect_text(1, "status", "结果未知")
    expect(batch.cell(1, "status").get_by_role("link")).to_have_attribute("href", "/usage")
    expect(batch.open_start()).to_contain_text("结果未知的 1 行")


def test_a_row_ordered_elsewhere_while_the_dialog_was_open_is_not_paid_twice(
    table: FillTable, server: ServerProcess, page: Page, jimeng: FakeJimeng
) -> None:
    batch = table(("猫", 1), ("狗", 1))
    dialog = batch.open_start()
    make(server, "猫")
    start_button(dialog).click()
    expect(page.locator(".toast")).to_contain_text("1 行刚才已经做过或正在做，没有再下单")
    batch.expect_ended(1)
    assert jimeng.charges == 2


def test_the_dialog_stays_when_everything_was_ordered_elsewhere(
    table: FillTable, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch = table("猫")
    dialog = batch.open_start()
    make(server, "猫")
    start_button(dialog).click()
    expect(dialog).to_contain_text("刚才在别处已经开始做了，没有再下单")
    expect(start_button(dialog)).to_have_text("没有要做的")
    assert jimeng.charges == 1


def test_a_failed_check_can_be_repeated_in_the_dialog(table: FillTable, page: Page) -> None:
    batch = table("猫")
    page.route("**/api/rows/check", lambda route: route.abort())
    dialog = batch.open_start()
    expect(dialog.locator("[data-start-error]")).to_contain_text("连不上服务")
    page.unroute_all()
    start_button(dialog).click()
    expect(start_button(dialog)).to_have_text("生成 1 张 · ¥0.22")


def test_a_slow_check_says_so(table: FillTable, page: Page) -> None:
    batch = table("猫")
    waiting: list[Route] = []
    page.route("**/api/rows/check", lambda route: waiting.append(route))
    dialog = batch.open_start()
    expect(start_button(dialog)).to_have_text("正在核对…")
    expect(start_button(dialog)).to_be_disabled()
    for route in waiting:
        route.continue_()
    expect(start_button(dialog)).to_have_text("生成 1 张 · ¥0.22")


def test_a_row_under_way_elsewhere_is_followed_to_its_picture(
    table: FillTable, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.latency = 600.0
    server.post("/api/batches", {"rows": [{"prompt": "猫", "resolution": "1K"}]})
    batch = table("猫")
    batch.expect_text(1, "status", "生成中")
    jimeng.latency = 0.1
    batch.wait_for_image(1)
    batch.expect_text(1, "status", "已有")
