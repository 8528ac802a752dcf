"""What failed in a table is mended where it stands, and nothing else is paid for."""

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
    priced.expect_figures("2 张做好，5 张没有成功")
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
    run.run_button("failed").click()
    run.expect_rows(5)
    run.cell(1, "prompt").click()
    replace(run, "违禁", "青花")
    run.expect_status(1, "to_make")
    expect(run.page.locator("[data-filter-text]")).to_contain_text("没有成功的")
    dialog = run.open_start()
    expect(dialog.locator("[data-kind=make]")).to_contain_text("要做的 4 行")
    expect(dialog.get_by_label("也再试一次")).not_to_be_checked()  # the one with the other word
    expect(dialog.locator("[data-order-yes]")).to_have_text("生成 4 张 · ¥0.88")
    batch_id = run.submit(dialog)
    run.expect_figures("6 张做好，1 张没有成功")
    prompts = [order.body["prompt"] for order in jimeng.submissions]
    assert sorted(prompts[2:]) == [f"高清，第 {n} 款，青花花纹" for n in REFUSED]
    assert jimeng.charges == 6
    records = server.get(f"/api/batches/{batch_id}")["records"]
    assert sorted(record["requested_filename"] for record in records) == [f"图{n}" for n in REFUSED]


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


def test_a_run_that_stopped_by_itself_is_mended_and_continued(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    rows = [row(f"第 {n} 款，{'违禁花纹' if n <= 2 else '白瓷'}", n) for n in range(1, 13)]
    rule = {"refused": 2, "of": 20, "failed": 0.3, "last": 30}
    run = priced
    run.open_run(start(server, rows, stop_after=rule))
    expect(run.page.locator("[data-stage]")).to_contain_text("2 张没有通过内容审核")
    run.resume()
    run.expect_figures("10 张做好，2 张没有成功")
    run.cell(1, "prompt").click()
    replace(run, "违禁花纹", "青花")
    run.start_batch()
    run.expect_figures("12 张都做好了")
    assert jimeng.charges == 12
