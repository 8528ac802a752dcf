"""A part of the draft is started: picked rows, those without problems, or a few to look at first."""

import json
import re

from playwright.sync_api import Locator, Page, Route, expect

from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage
from tools.server_process import ServerProcess


def table(page: Page, server: ServerProcess, *rows: tuple[str, str]) -> BatchPage:
    """A draft of these prompts and ratios."""
    batch = BatchPage(page, server.address)
    batch.open()
    batch.fill(("提示词", "图片比例"), *rows)
    batch.expect_rows(len(rows))
    return batch


def open_part(batch: BatchPage, label: str) -> Locator:
    """Press the second button -> the start dialog."""
    batch.page.get_by_role("button", name=label, exact=True).click()
    dialog = batch.page.locator("dialog[data-dialog=start]")
    expect(dialog).to_be_visible()
    return dialog


def submit(batch: BatchPage, dialog: Locator) -> str:
    dialog.locator("[data-start-yes]").click()
    batch.page.wait_for_url(re.compile(r"[?]id="))
    return batch.page.url.partition("id=")[2]


def test_only_picked_rows_are_started_and_the_others_stay_in_the_draft(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch = table(page, server, ("猫", "1:1"), ("狗", "1:1"), ("羊", "1:1"), ("牛", "5:4"))
    batch.pick_row(4)
    page.get_by_role("button", name="只做选中的 1 行").click()
    expect(batch.cell(4, "aspect_ratio")).to_have_class(re.compile("is-active"))
    expect(page.locator("dialog[data-dialog=start]")).to_be_hidden()
    for row in (4, 1, 3):
        batch.pick_row(row)
    dialog = open_part(batch, "只做选中的 2 行")
    expect(dialog.locator("[data-start-facts]")).to_contain_text("另外 2 行留在草稿里")
    expect(dialog.locator("[data-start-yes]")).to_have_text("生成 2 张 · ¥0.44")
    batch_id = submit(batch, dialog)
    left = page.locator("[data-left]")
    expect(left).to_contain_text("另外 2 行还在草稿里")
    batch.expect_state("已完成")
    assert sorted(order.body["prompt"] for order in jimeng.submissions) == ["猫", "羊"]

    batch.open_run(batch_id)
    expect(left).to_contain_text("另外 2 行还在草稿里")
    left.get_by_role("link", name="回到草稿").click()
    batch.wait_until_ready()
    batch.expect_rows(4)
    batch.expect_status(1, "success")
    batch.edit_cell(4, "aspect_ratio", "4:3")
    batch_id = submit(batch, batch.open_start())
    batch.expect_state("已完成")
    assert sorted(order.body["prompt"] for order in jimeng.submissions) == ["牛", "狗", "猫", "羊"]
    expect(left).to_be_hidden()


def test_rows_without_problems_are_started_while_the_others_are_mended(
    priced: BatchPage, jimeng: FakeJimeng
) -> None:
    batch, left = priced, priced.page.locator("[data-left]")
    batch.open()
    batch.import_csv("SKU,提示词,图片比例", "A-1,{SKU} 的猫,1:1", "A-2,狗,5:4", "A-3,羊,1:1")
    batch.set_affixes("水彩，", "")
    batch_id = submit(batch, open_part(batch, "先做没有问题的 2 行 · ¥0.44"))
    batch.expect_state("已完成")
    assert sorted(order.body["prompt"] for order in jimeng.submissions) == ["水彩，A-1 的猫", "水彩，羊"]
    expect(left).to_contain_text("另外 1 行还在草稿里")
    batch.open_run(batch_id)  # this page has neither the prefix nor the columns of the draft
    expect(left).to_contain_text("另外 1 行还在草稿里")
    batch.open()
    batch.expect_status(1, "success")
    part = batch.page.locator("[data-command=start-part]")
    expect(part).to_be_hidden()  # nothing is left without a problem
    batch.edit_cell(3, "prompt", "山羊")
    expect(part).to_have_text("先做没有问题的 1 行 · ¥0.22")


def test_a_sample_is_made_and_the_rest_held(page: Page, server: ServerProcess, jimeng: FakeJimeng) -> None:
    batch = table(page, server, *((f"第 {n} 只猫", "1:1") for n in range(10)))
    dialog = open_part(batch, "先试 8 行")
    yes = dialog.locator("[data-start-yes]")
    expect(yes).to_have_text("先试 8 行 · ¥1.76")
    expect(dialog.locator("[data-start-facts]")).to_contain_text("其余的看过再做，约 ¥0.44")
    dialog.get_by_label("先试几行").fill("3")
    expect(yes).to_have_text("先试 3 行 · ¥0.66")
    dialog.get_by_label("先试几行").fill("50")  # no more than leaves a rest
    expect(yes).to_have_text("先试 9 行 · ¥1.98")
    dialog.get_by_label("先试几行").fill("3")
    dialog.get_by_label("先试", exact=True).uncheck()
    expect(yes).to_have_text("生成 10 张 · ¥2.20")
    dialog.get_by_label("先试", exact=True).check()
    expect(dialog.locator("[data-start-facts]")).to_contain_text("同时 2 张")  # from what the model took
    batch_id = submit(batch, dialog)
    batch.expect_state("已暂停")
    made = server.get(f"/api/batches/{batch_id}")["batch"]
    assert (made["counts"]["success"], made["counts"]["held"], jimeng.charges) == (3, 7, 3)
    expect(page.locator("[data-left]")).to_be_hidden()


def test_a_batch_stops_by_itself_unless_that_is_turned_off(page: Page, server: ServerProcess) -> None:
    batch = table(page, server, ("猫", "1:1"))
    sent: list[object] = []

    def answer(route: Route) -> None:
        sent.append(json.loads(route.request.post_data or "{}").get("stop_after", "usual"))
        route.abort()

    page.route("**/api/batches", answer)
    dialog = batch.open_start()
    expect(dialog.get_by_label("先试几行")).to_be_hidden()  # one row is no more than its sample
    dialog.locator("[data-start-yes]").click()
    expect(dialog.locator("[data-start-error]")).not_to_be_empty()
    dialog.get_by_label("失败太多时自己停下").uncheck()
    dialog.locator("[data-start-yes]").click()
    expect(dialog.locator("[data-start-yes]")).to_be_enabled()
    assert sent == ["usual", None]
