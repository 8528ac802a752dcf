"""What failed in a run of 批量生成 is mended where it stands, and nothing else is paid for."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage, start, start_to_end
from tools.server_process import ServerProcess
from tools.waiting import wait_until

REFUSED = (2, 3, 5, 6)  # numbers of the rows that hold a refused word


@pytest.fixture
def run(server: ServerProcess, priced: BatchPage) -> BatchPage:
    """A finished run of seven rows with a prefix: four were refused for one word, one for another."""
    rows = [
        row(f"第 {n} 款，{'违禁花纹' if n in REFUSED else '保护词' if n == 7 else '白瓷'}", n)
        for n in range(1, 8)
    ]
    priced.open_run(start_to_end(server, rows, prefix="高清，"))
    priced.expect_state("已完成")
    return priced


def row(prompt: str, number: int) -> dict[str, Any]:
    return {"prompt": prompt, "resolution": "1K", "filename": f"图{number}"}


def replace(run: BatchPage, words: str, by: str) -> None:
    """Replace words in the prompts of the rows that are shown."""
    run.page.locator("[data-run-repair] [data-command=replace]").click()
    run.replace_all(words, by)


def retry_changed(run: BatchPage) -> None:
    run.page.locator("[data-command=retry-changed]").click()


def test_refused_rows_are_mended_by_find_and_replace_and_nothing_else_is_bought(
    run: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    assert jimeng.charges == 2
    run.run_button("repair").click()
    run.expect_rows(5)
    expect(run.page.locator("[data-table-editor]")).to_be_focused()
    expect(run.cell(1, "prompt")).to_have_class(re.compile("is-active"))

    run.page.locator("[data-run-repair] [data-command=replace]").click()
    find = run.page.locator("[data-find]")
    find.locator("[data-find-words]").fill("违禁")
    find.locator("[data-find-with]").fill("青花")
    expect(find.locator("[data-find-count]")).to_have_text("第 1 处，共 4 处")
    find.get_by_role("button", name="全部替换（4）").click()
    bar = run.page.locator("[data-run-repair]")
    expect(bar).to_contain_text("改了 4 行，还没有重试")
    run.page.keyboard.press("Control+z")  # one step
    expect(bar).not_to_contain_text("改了")
    run.page.keyboard.press("Control+y")

    expect(bar.locator("[data-command=retry-changed]")).to_have_text("重试改过的 4 张 · ¥0.88")
    replace(run, "青花", "红花")
    replace(run, "红花", "青花")
    expect(run.page.get_by_role("button", name="撤销")).to_have_count(1)
    retry_changed(run)
    run.expect_figures("完成 6 / 7 · 失败 1")
    expect(run.page.get_by_role("button", name="撤销")).to_have_count(0)  # it was sent
    expect(run.page.locator("[data-table-editor]")).to_be_focused()
    expect(bar).not_to_contain_text("改了")
    prompts = [order.body["prompt"] for order in jimeng.submissions]
    assert sorted(prompts[2:]) == [f"高清，第 {n} 款，青花花纹" for n in REFUSED]
    assert jimeng.charges == 6
    records = server.get(f"/api/batches/{run.page.url.partition('id=')[2]}")["records"]
    assert sorted(record["requested_filename"] for record in records) == [f"图{n}" for n in range(1, 8)]


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


def test_only_what_failed_can_be_changed_and_changes_survive_a_reload(
    run: BatchPage, jimeng: FakeJimeng
) -> None:
    for number in (1, 2):
        run.edit_cell(number, "prompt", "青花瓷瓶")
    run.edit_cell(2, "filename", "别的名字")
    expect(run.cell(1, "prompt")).to_have_css("cursor", "default")
    expect(run.cell(2, "prompt")).to_have_css("cursor", "text")
    run.expect_text(1, "prompt", "高清，第 1 款，白瓷")
    run.expect_text(2, "filename", "图2")
    run.edit_cell(3, "prompt", "汝窑")
    run.edit_cell(3, "aspect_ratio", "16:9")
    run.reload()
    run.expect_text(2, "prompt", "青花瓷瓶")
    run.expect_text(3, "aspect_ratio", "16:9")
    expect(run.cell(2, "prompt")).to_have_attribute("title", re.compile("原来是「高清，第 2 款，违禁花纹」"))
    run.choose_row_action(3, "恢复原来的")
    run.expect_text(3, "aspect_ratio", "1:1")
    run.choose_row_action(2, "重试这一行")
    run.expect_status(2, "success")
    assert jimeng.submissions[-1].body["prompt"] == "青花瓷瓶"
    assert jimeng.charges == 3
    run.reload()
    expect(run.page.locator("[data-run-repair]")).to_be_hidden()


def test_the_rows_of_one_cause_are_changed_and_retried_without_the_others(
    run: BatchPage, jimeng: FakeJimeng
) -> None:
    cause = run.open_causes().filter(has_text="50413")
    expect(cause).to_contain_text("1 张")
    cause.get_by_role("button", name="改这几行").click()
    run.expect_rows(1)
    replace(run, "保护词", "粉彩")
    submitted = jimeng.count("submit")
    cause.locator("[data-command=retry]").click()
    run.expect_status(1, "success")
    run.expect_figures("完成 3 / 7 · 失败 4")
    assert jimeng.count("submit") == submitted + 1


def test_what_is_wrong_with_a_change_stands_at_its_cell_and_nothing_is_queued(
    run: BatchPage, jimeng: FakeJimeng
) -> None:
    submitted = jimeng.count("submit")
    run.edit_cell(2, "aspect_ratio", "5:4")
    run.edit_cell(3, "prompt", "好的词")
    retry_changed(run)
    expect(run.page.locator("[data-repair-problem]")).to_contain_text("不支持的图片比例「5:4」")
    expect(run.cell(2, "aspect_ratio")).to_have_class(re.compile("is-bad"))
    run.edit_cell(2, "aspect_ratio", "4:3")

    problem = {"record": 2, "row": 2, "field": "prompt", "error": "提示词里有看不见的字符"}
    answer: dict[str, Any] = {
        "success": False,
        "error": "第 2 行：提示词里有看不见的字符",
        "problems": [problem],
    }
    run.page.route("**/retry", lambda route: route.fulfill(status=400, json=answer))
    retry_changed(run)
    expect(run.page.locator("[data-repair-problem]")).to_have_text("提示词里有看不见的字符")
    expect(run.cell(2, "prompt")).to_have_class(re.compile("is-bad"))
    assert jimeng.count("submit") == submitted


def test_the_rest_of_a_run_leaves_out_what_was_bought_meanwhile(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.latency = 600.0
    rows = [row(f"第 {n} 款", n) for n in range(1, 5)]
    first = start(server, rows)
    wait_until(lambda: jimeng.charges == 2)
    server.post(f"/api/batches/{first}/cancel", {})
    jimeng.latency = 0.1
    start_to_end(server, rows[3:])
    assert jimeng.charges == 3
    run, page = priced, priced.page
    run.open_run(first)
    run.run_button("uncancel").click()
    page.locator("[data-cost-yes]").click()
    left_out = page.locator(".toast").filter(has_text="1 行刚才已经做过或正在做，没有再下单")
    expect(left_out).to_be_visible()
    run.expect_status(3, "success")
    run.expect_status(4, "cancelled")
    assert jimeng.charges == 4
    left_out.get_by_role("button", name="仍然再做").click()
    run.expect_status(4, "success")
    assert jimeng.charges == 5


def test_a_sample_says_where_to_look_at_it_and_which_rows_wait(
    priced: BatchPage, server: ServerProcess
) -> None:
    rows = [row(f"第 {n} 款", n) for n in range(1, 7)]
    batch_id = start(server, rows, sample=2)
    run, page = priced, priced.page
    run.open_run(batch_id)
    run.expect_state("已暂停")
    notice = page.locator("[data-run-paused]")
    expect(notice).to_contain_text("先试的 2 行做完了")
    look = page.locator("[data-run]").get_by_role("link", name="看先试的行")
    expect(look).to_have_attribute("href", f"/batch/pictures?id={batch_id}")
    expect(run.run_button("resume")).to_be_hidden()
    page.locator("[data-figure=held]").click()
    run.expect_rows(4)
    expect(run.cell(1, "status")).to_have_text("等放行")

    run.run_button("cancel").click()
    run.run_button("uncancel").click()
    expect(run.run_button("uncancel")).to_be_hidden()
    expect(page.locator(".toast").last).to_have_text("4 张恢复了，等放行")
    look.click()
    page.wait_for_url(re.compile("/batch/pictures"))


def test_words_are_replaced_in_picked_rows_of_the_draft_in_one_step(draft: BatchPage) -> None:
    draft.fill(("红杯，红底",), ("红杯",), ("红碗",))
    for number in (1, 2):
        draft.pick_row(number)
    draft.click_command("replace")
    draft.page.locator("[data-find-words]").fill("红")
    expect(draft.page.locator("[data-find-count]")).to_contain_text("选中的行里有 3 处")
    draft.replace_all("红", "$&")
    for number, text in enumerate(("$&杯，$&底", "$&杯", "红碗"), 1):
        draft.expect_text(number, "prompt", text)
    draft.page.keyboard.press("Control+z")
    draft.expect_text(1, "prompt", "红杯，红底")


def test_a_run_that_stopped_by_itself_is_mended_and_continued_from_its_notice(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    rows = [row(f"第 {n} 款，{'违禁花纹' if n <= 2 else '白瓷'}", n) for n in range(1, 13)]
    rule = {"refused": 2, "of": 20, "failed": 0.3, "last": 30}
    run, page = priced, priced.page
    run.open_run(start(server, rows, stop_after=rule))
    run.expect_state("已暂停")
    notice = page.locator("[data-run-paused]")
    expect(notice).to_contain_text("2 张没有通过内容审核")
    notice.get_by_role("button", name="改失败的 2 行").click()
    replace(run, "违禁花纹", "青花")
    retry_changed(run)
    expect(page.locator(".toast").filter(has_text="2 张已重新排队，按「继续」后开始")).to_be_visible()
    notice.get_by_role("button", name="继续").click()
    expect(notice).to_be_hidden()
    expect(page.locator("[data-run] [data-command]:focus")).to_have_count(1)
    run.expect_state("已完成")
    run.expect_figures("完成 12 / 12")
    assert jimeng.charges == 12
