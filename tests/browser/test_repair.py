"""What failed in a table is mended where it stands, and nothing else is paid for."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage, start, start_to_end
from tools.server_process import ServerProcess

REFUSED = (2, 3, 5, 6)  # numbers of the rows that hold a refused word


@pytest.fixture
def run(server: ServerProcess, priced: BatchPage) -> BatchPage:
    """A finished run of seven rows: four were refused for one word, one for another."""
    rows = [
        row(f"高清，第 {n} 款，{'违禁花纹' if n in REFUSED else '保护词' if n == 7 else '白瓷'}", n)
        for n in range(1, 8)
    ]
    priced.open_run(start_to_end(server, rows))
    priced.expect_figures("完成 2 / 7失败 5")
    return priced


def row(prompt: str, number: int) -> dict[str, Any]:
    return {"prompt": prompt, "resolution": "1K", "filename": f"图{number}"}


def replace(run: BatchPage, words: str, by: str) -> None:
    """Replace words in the prompts of the rows that are shown."""
    run.page.keyboard.press("Control+h")
    run.replace_all(words, by)
    run.page.keyboard.press("Escape")
    run.wait_until_saved()


def test_refused_rows_are_mended_by_find_and_replace_and_nothing_else_is_bought(
    run: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    assert jimeng.charges == 2
    run.page.locator("[data-figure=failed]").click()
    run.expect_rows(5)
    run.cell(1, "prompt").click()
    replace(run, "违禁", "青花")
    run.expect_status(1, "to_make")
    expect(run.page.locator("[data-figure=failed]")).to_have_attribute("aria-pressed", "true")
    dialog = run.open_start()
    expect(dialog.locator("[data-kind=make]")).to_contain_text("要做的 4 行")
    dialog.get_by_label("也再试一次").uncheck()  # the one with the other word
    expect(dialog.locator("[data-order-yes]")).to_have_text("生成 4 张 · ¥0.88")
    batch_id = run.submit(dialog)
    run.expect_figures("完成 4 / 4")
    prompts = [order.body["prompt"] for order in jimeng.submissions]
    assert sorted(prompts[2:]) == [f"高清，第 {n} 款，青花花纹" for n in REFUSED]
    assert jimeng.charges == 6
    records = server.get(f"/api/batches/{batch_id}")["records"]
    assert sorted(record["requested_filename"] for record in records) == [f"图{n}" for n in REFUSED]


def test_figures_show_their_rows_alone(run: BatchPage) -> None:
    failed = run.page.locator("[data-figure=failed]")
    failed.click()
    run.expect_rows(5)
    expect(failed).to_have_attribute("aria-pressed", "true")
    expect(run.page.locator("[data-filter]")).to_contain_text("只显示失败的：5 行，共 7 行")
    run.expect_text(1, "number", "2")
    failed.click()
    run.expect_rows(7)
    expect(failed).to_have_attribute("aria-pressed", "false")
    failed.click()
    run.page.locator("[data-filter-all]").click()
    run.expect_rows(7)
    expect(failed).to_have_attribute("aria-pressed", "false")


def test_the_rows_of_one_cause_are_changed_and_retried_without_the_others(
    run: BatchPage, jimeng: FakeJimeng
) -> None:
    cause = run.open_causes().filter(has_text="50413")
    expect(cause).to_contain_text("1 张")
    submitted = jimeng.count("submit")
    cause.get_by_role("button", name="重试…").click()
    expect(run.order().locator("[data-order-yes]")).to_have_text("生成 1 张 · ¥0.22")
    run.page.keyboard.press("Escape")
    cause.get_by_role("button", name="只看这几行").click()
    run.expect_rows(1)
    run.edit_cell(1, "prompt", "第 7 款，粉彩")
    run.wait_until_saved()
    run.choose_row_action(1, "只生成这一行")
    run.submit(run.order())
    run.expect_status(1, "made")
    assert jimeng.count("submit") == submitted + 1


def test_words_are_changed_back_and_earlier_pictures_return_for_nothing(
    run: BatchPage, jimeng: FakeJimeng
) -> None:
    run.wait_for_image(1)
    run.edit_cell(1, "prompt", "第 1 款，青花")
    run.expect_status(1, "to_make")
    run.edit_cell(1, "prompt", "高清，第 1 款，白瓷")
    run.expect_status(1, "made")
    run.wait_for_image(1)


def test_what_is_wrong_with_a_change_stands_at_its_cell_and_it_is_left_out(
    run: BatchPage, jimeng: FakeJimeng
) -> None:
    run.edit_cell(2, "aspect_ratio", "7:5")
    run.edit_cell(3, "prompt", "好的词")
    run.wait_until_saved()
    expect(run.cell(2, "aspect_ratio")).to_have_class(re.compile("is-bad"))
    dialog = run.open_start()
    expect(dialog.locator("[data-kind=problem]")).to_contain_text("1 行有问题，先不做")
    dialog.get_by_label("也再试一次").uncheck()
    run.submit(dialog)
    run.expect_status(3, "made")
    assert jimeng.charges == 3


def test_words_are_replaced_in_picked_rows_in_one_step(draft: BatchPage) -> None:
    draft.fill(("红杯，红底",), ("红杯",), ("红碗",))
    for number in (1, 2):
        draft.pick_row(number)
    draft.choose_command("replace")
    draft.page.locator("[data-find-words]").fill("红")
    expect(draft.page.locator("[data-find-count]")).to_contain_text("选中的行里有 3 处")
    draft.replace_all("红", "$&")
    for number, text in enumerate(("$&杯，$&底", "$&杯", "红碗"), 1):
        draft.expect_text(number, "prompt", text)
    draft.page.keyboard.press("Control+z")
    draft.expect_text(1, "prompt", "红杯，红底")


def test_a_run_that_stopped_by_itself_is_mended_and_continued(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    rows = [row(f"第 {n} 款，{'违禁花纹' if n <= 2 else '白瓷'}", n) for n in range(1, 13)]
    rule = {"refused": 2, "of": 20, "failed": 0.3, "last": 30}
    run = priced
    run.open_run(start(server, rows, stop_after=rule))
    expect(run.page.locator("[data-run-reason]")).to_contain_text("2 张没有通过内容审核")
    run.resume()
    run.expect_figures("完成 10 / 12失败 2")
    run.cell(1, "prompt").click()
    replace(run, "违禁花纹", "青花")
    run.start_batch()
    run.expect_figures("完成 2 / 2")
    assert jimeng.charges == 12
