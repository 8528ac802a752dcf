"""The open table: where it stands and the way on, its run, its causes and its log."""

import re
from typing import Any

from playwright.sync_api import expect

from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage, rows_of, start, start_to_end
from tools.pages.measures import controls_in_view
from tools.server_process import ServerProcess


def numbered(count: int, *, bad: int = 0) -> list[dict[str, Any]]:
    """Rows for the API; row ``bad`` is refused by the service."""
    return rows_of(*(f"第 {n} 张{'违禁' if n == bad else ''}" for n in range(1, count + 1)))


def test_a_run_survives_pause_reload_and_resume_and_a_second_tab_shows_the_same(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.latency = 600.0  # running images keep running
    batch_id = start(server, numbered(8))
    priced.open_run(batch_id)
    priced.expect_status(1, "running")
    priced.expect_status(2, "running")
    priced.expect_title(r"^\(0/8\)")
    other = BatchPage(priced.page.context.new_page(), server.address)
    other.open_run(batch_id)
    other.pause()
    reason = priced.page.locator("[data-stage]")
    expect(reason).to_have_text("已暂停，还有 6 张没有开始")
    jimeng.latency = 0.1
    priced.wait_for_image(1)
    priced.wait_for_image(2)
    priced.reload()
    expect(reason).to_have_text("已暂停，还有 6 张没有开始")
    priced.expect_status(8, "queued")
    assert len(jimeng.submissions) == 2
    priced.resume()
    for tab in (priced, other):
        tab.expect_ended()
        tab.expect_figures("8 张都做好了，8 张没看.*花了 ¥1.76")
        tab.wait_for_image(8)
    priced.expect_title("^✓")
    expect(priced.run_button("look")).to_be_visible()
    assert jimeng.charges == 8


def test_failures_are_grouped_by_cause_and_what_may_have_been_charged_is_left_out(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch = priced
    jimeng.fail_next("reset", when=lambda call: "第 3 张" in call.content.decode())
    batch.open_run(start_to_end(server, numbered(4, bad=2)))
    batch.expect_figures("2 张做好，2 张没有成功.*花了 ¥0.44 · 另有 ¥0.22 待确认")
    batch.expect_title("^⚠")
    causes = batch.open_causes()
    expect(causes).to_have_count(2)
    expect(causes.filter(has_text="提示词没有通过审核")).to_contain_text("50412")
    unknown = causes.filter(has_text="结果未知，可能已计费")
    expect(unknown.get_by_role("link", name="去「用量」处理")).to_be_visible()

    submitted = jimeng.count("submit")
    batch.page.locator("[data-filter-all]").click()
    dialog = batch.open_start()  # the unknown one is left out
    expect(dialog.locator("[data-order-yes]")).to_be_disabled()
    dialog.get_by_label("也再试一次").check()
    batch.submit(dialog)
    batch.expect_ended()
    batch.expect_status(2, "refused")
    assert jimeng.count("submit") == submitted + 1

    unknown.get_by_role("button", name="重试…").click()
    dialog = batch.order()
    expect(dialog.locator("[data-order-yes]")).to_be_disabled()
    dialog.get_by_label("再付一次 · ¥0.22").check()
    batch.submit(dialog)
    batch.wait_for_image(3)
    assert jimeng.count("submit") == submitted + 2


def test_a_wrong_key_pauses_the_run_with_one_sentence(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.fail_next("key", times=4)
    priced.open_run(start(server, numbered(20)))
    expect(priced.page.locator("[data-stage]")).to_contain_text(
        "火山引擎不接受这对密钥，请核对 Access Key ID 和 Secret Access Key"
    )
    expect(priced.run_button("change_key")).to_be_visible()
    expect(priced.run_button("causes")).to_be_hidden()
    expect(priced.cell(1, "status")).to_have_text("等待中")
    expect(priced.page.locator(".status")).to_have_text(re.compile(r"^\s*已暂停"))
    assert jimeng.count("submit") <= 4


def test_after_a_kill_and_restart_the_run_continues_and_the_page_recovers(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.latency = 4.0  # the run goes on while its page is looked at
    priced.open_run(start(server, numbered(8)))
    expect(priced.page.locator("[data-run]")).to_be_visible()
    priced.wait_for_image(1)  # either of the two running ones may finish first
    priced.wait_for_image(2)
    server.kill()
    offline = priced.page.get_by_text("连不上服务")
    expect(offline).to_have_count(1)  # in the top bar; the head and the run do not repeat it
    expect(priced.page.locator("[data-run]")).to_have_class(re.compile("is-stale"))
    priced.wait_for_image(1).click(trial=True)  # it is not covered
    server.start()
    expect(offline).to_have_count(0)
    server.wait_for_end(str(server.get("/api/batches")["batches"][0]["id"]))
    counts = server.get("/api/batches")["batches"][0]["counts"]
    assert counts["success"] + counts["unknown"] == 8
    assert jimeng.charges <= 8
    priced.expect_figures(f"^{counts['success']} 张")


def test_the_log_lists_each_image_and_can_be_limited_to_failures(
    priced: BatchPage, server: ServerProcess
) -> None:
    priced.open_run(start_to_end(server, numbered(3, bad=2)))
    lines = priced.open_log()
    expect(lines.last).to_contain_text("批次完成")
    priced.page.locator("[data-log-failures]").check()
    expect(lines).to_have_count(1)
    expect(lines).to_contain_text(re.compile("第 2 行.*50412"))
    priced.page.locator("[data-log-lines]").press("ArrowUp")
    expect(lines).to_be_focused()
    priced.page.keyboard.press("Enter")
    expect(priced.page.locator("[data-table-editor]")).to_be_focused()
    expect(priced.cell(2, "status")).to_have_attribute("aria-selected", "true")
    priced.open_causes()  # one thing at a time
    expect(lines.first).to_be_hidden()
    priced.page.locator("[data-strip-close]").click()
    expect(priced.page.locator("[data-strip]")).to_be_hidden()


def test_the_reason_of_a_refused_command_is_shown_until_the_next_one(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.latency = 600.0
    batch_id = start(server, numbered(4))
    priced.open_run(batch_id)
    priced.pause()
    why = {"error": "请换回原来的模型再继续"}
    priced.page.route("**/resume", lambda route: route.fulfill(status=409, json=why))
    priced.run_button("resume").click()
    refused = priced.page.locator("[data-run-offline]")
    expect(refused).to_have_text(why["error"])
    priced.page.unroute_all()
    priced.resume()
    expect(refused).to_be_hidden()


def test_what_has_not_begun_is_cancelled_and_that_is_undone(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.latency = 600.0
    priced.open_run(start(server, numbered(4)))
    priced.expect_status(2, "running")
    priced.open_run_menu().get_by_text("取消没开始的").click()
    said = priced.page.locator(".toast").filter(
        has_text="已取消还没开始的 2 张，没有计费，正在生成的 2 张会做完"
    )
    priced.expect_status(4, "to_make")
    said.get_by_role("button", name="撤销").click()
    priced.expect_status(4, "queued")


def test_the_keyboard_goes_on_from_pause_to_resume_and_back(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.latency = 600.0
    priced.open_run(start(server, numbered(4)))
    expect(priced.run_button("pause")).to_be_visible()
    priced.run_button("pause").press("Enter")
    expect(priced.run_button("resume")).to_be_focused()
    priced.page.keyboard.press("Enter")
    expect(priced.run_button("pause")).to_be_focused()


def test_on_a_phone_a_run_takes_one_line(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.latency = 600.0
    priced.page.set_viewport_size({"width": 390, "height": 844})
    priced.open_run(start(server, numbered(30, bad=2)))
    expect(priced.run_button("pause")).to_be_visible()
    assert priced.page.locator("[data-run]").evaluate("(run) => run.offsetHeight") <= 54
    priced.pause()
    assert priced.page.locator("[data-run]").evaluate("(run) => run.offsetHeight") <= 54


def test_why_a_download_is_refused_is_said_at_once(priced: BatchPage, server: ServerProcess) -> None:
    priced.open_run(start_to_end(server, numbered(3, bad=2)))
    why = {"error": "磁盘满了，请先清理"}
    priced.page.route("**/results.xlsx*", lambda route: route.fulfill(status=507, json=why))
    priced.open_run_menu().locator("[data-run-results]").click()
    expect(priced.page.locator(".toast")).to_have_text([re.compile(why["error"])])


def test_each_stage_has_one_filled_button_and_leads_to_the_next(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    page = priced.page
    head, filled = page.locator("[data-run]"), page.locator(".is-primary:visible")

    def expect_stage(name: str, sentence: str, button: str) -> None:
        expect(head).to_have_attribute("data-stage-name", name)
        expect(page.locator("[data-stage]")).to_have_text(sentence)
        expect(filled).to_have_text([re.compile(button)] if button else [])
        page.set_viewport_size({"width": 390, "height": 844})
        expect(filled).to_have_text([re.compile(button)] if button else [])
        page.set_viewport_size({"width": 1440, "height": 900})

    rows = [*rows_of(*(f"第 {n} 只茶杯" for n in range(1, 11))), {"prompt": "茶壶", "aspect_ratio": "7:5"}]
    priced.open_table(server.post("/api/tables", {"rows": rows})["table"]["id"])
    expect_stage("to_make", "要做 10 张", "开始批量生成.*¥2.20")
    priced.run_button("sample").click()
    priced.submit(priced.order())
    expect_stage("trial", "试了 8 行，等你看", "做其余的 2 行 · ¥0.44")
    expect(page.locator("[data-gallery-row]")).to_have_count(8)  # the pictures open by themselves
    jimeng.latency = 600
    priced.run_button("release").click()
    priced.submit(priced.order())
    expect(head).to_have_attribute("data-stage-name", "running")
    expect(filled).to_have_count(0)
    expect(page.locator("[data-gallery-row]")).to_have_count(10)
    priced.pause()
    jimeng.latency = 0.1
    expect(filled).to_have_text(["继续"])
    priced.resume()
    expect_stage("problems", "1 处要改", "改好这 1 处")
    priced.run_button("next-problem").click()
    priced.edit_cell(11, "aspect_ratio", "4:3")
    priced.start_batch()
    expect_stage("made", "11 张都做好了，11 张没看", "看图")
    priced.run_button("look").click()
    expect(page.locator("[data-gallery-row]")).to_have_count(11)
    expect(filled).to_have_text(["交付…"])
    assert jimeng.charges == 11


def test_controls_in_view_while_a_run_is_under_way(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.latency = 600.0
    priced.open_run(start(server, numbered(30)))
    expect(priced.run_button("pause")).to_be_visible()
    assert controls_in_view(priced.page) <= 35
