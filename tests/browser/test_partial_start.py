"""A part of the draft is started: picked rows, those without problems, or a few to look at first."""

import json
import re
from pathlib import Path

from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.batch_page import BatchPage
from tools.fakes.jimeng import FakeJimeng
from tools.server_process import ServerProcess


def table(page: Page, server: ServerProcess, *rows: tuple[str, str]) -> BatchPage:
    """A draft of these prompts and ratios."""
    batch = BatchPage(page, server.address)
    batch.open()
    batch.click_command("add")
    batch.paste_block(1, "prompt", ("提示词", "图片比例"), *rows)
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
    batch.pick_row(1)
    batch.pick_row(3)
    dialog = open_part(batch, "只做选中的 2 行")
    expect(dialog.locator("[data-start-facts]")).to_contain_text("另外 2 行留在草稿里")
    expect(dialog.locator("[data-start-yes]")).to_have_text("生成 2 张 · ¥0.44")
    batch_id = submit(batch, dialog)
    left = page.locator("[data-left]")
    expect(left).to_contain_text("另外 2 行还在草稿里")
    batch.expect_state("已完成")
    assert sorted(order.body["prompt"] for order in jimeng.submissions) == ["猫", "羊"]

    batch.open(f"?id={batch_id}")
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


def test_reopened_page_counts_only_rows_that_were_not_submitted(
    page: Page, server: ServerProcess, tmp_path: Path
) -> None:
    """Although the page of the batch has neither the prefix nor the columns of the draft."""
    batch = BatchPage(page, server.address)
    batch.open()
    file = tmp_path / "新品.csv"
    file.write_text(
        "SKU,提示词,图片比例\nA-1,{SKU} 的猫,1:1\nA-2,{SKU} 的狗,1:1\nA-3,羊,5:4\n", encoding="utf-8"
    )
    batch.import_workbook(file)
    batch.set_affixes("水彩，", "")
    batch_id = submit(batch, open_part(batch, "先做没有问题的 2 行 · ¥0.44"))
    left = page.locator("[data-left]")
    expect(left).to_contain_text("另外 1 行还在草稿里")
    batch.open(f"?id={batch_id}")
    expect(left).to_contain_text("另外 1 行还在草稿里")


def test_rows_without_problems_are_started_while_the_others_are_mended(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch = table(page, server, ("猫", "1:1"), ("狗", "5:4"), ("羊", "1:1"))
    submit(batch, open_part(batch, "先做没有问题的 2 行 · ¥0.44"))
    batch.expect_state("已完成")
    assert sorted(order.body["prompt"] for order in jimeng.submissions) == ["猫", "羊"]
    batch.open()
    batch.expect_status(1, "success")
    expect(page.locator("[data-command=start-part]")).to_be_hidden()  # nothing is left without a problem
    batch.edit_cell(3, "prompt", "山羊")
    expect(page.locator("[data-command=start-part]")).to_have_text("先做没有问题的 1 行 · ¥0.22")


def test_a_picked_row_with_a_problem_is_shown_instead(page: Page, server: ServerProcess) -> None:
    batch = table(page, server, ("猫", "1:1"), ("狗", "5:4"))
    batch.pick_row(2)
    page.get_by_role("button", name="只做选中的 1 行").click()
    expect(batch.cell(2, "aspect_ratio")).to_have_class(re.compile("is-active"))
    expect(page.locator("dialog[data-dialog=start]")).to_be_hidden()


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


def test_the_time_of_a_run_is_estimated_from_what_the_model_took(page: Page, server: ServerProcess) -> None:
    def answer(route: Route) -> None:
        body = route.fetch().text()
        for name, value in {"seconds": {"low": 20, "high": 45}, "concurrency": 4}.items():
            known = json.dumps({name: value})[1:-1].replace('"', "&#34;")
            body, places = re.subn(f"&#34;{name}&#34;: *(null|[0-9]+)", known, body)
            assert places > 0  # of each model
        route.fulfill(body=body, content_type="text/html; charset=utf-8")

    page.route("**/batch", answer)
    batch = table(page, server, *((f"第 {n} 只猫", "1:1") for n in range(10)))
    facts = batch.open_start().locator("[data-start-facts]")
    expect(facts).to_contain_text("约 1–3 分钟，同时 4 张")
    page.get_by_label("先试", exact=True).check()
    expect(facts).to_contain_text("约 40 秒 到 2 分钟，同时 4 张")
