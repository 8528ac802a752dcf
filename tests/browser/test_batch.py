"""批量生成 in Chromium: from a messy workbook to saved images, and back into a workbook."""

import datetime
import re
from collections import Counter
from pathlib import Path
from typing import Any

from openpyxl import Workbook, load_workbook
from playwright.sync_api import Route, expect

from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage, rows_of, start, start_to_end
from tools.server_process import ServerProcess


def messy_workbook(file: Path) -> Path:
    """A realistic workbook: a title, broken headers, ratios converted to times, and two wrong cells."""
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(("十一月商品图，周五前要",))
    sheet.append((" 提示词 ", "图片\n比例", "分辨率", "数量", "文件名"))
    sheet.append(("江南水乡的清晨", datetime.time(16, 9), "1k", "１", "江南"))
    sheet.append(("雪山脚下的木屋", "5:4", "１K", 1.0, "雪山"))
    sheet.append((None,))
    sheet.append(("一只橘猫打盹", "3：4", "1K", 12, "橘猫"))
    book.save(file)
    return file


def numbered(count: int, *, bad: int = 0) -> list[dict[str, Any]]:
    """Rows for the API; row ``bad`` is refused by the service."""
    return rows_of(*(f"第 {n} 张{'违禁' if n == bad else ''}" for n in range(1, count + 1)))


def test_a_messy_workbook_is_imported_corrected_extended_and_generated(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng, tmp_path: Path
) -> None:
    batch = priced
    batch.open()
    batch.import_workbook(messy_workbook(tmp_path / "十一月.xlsx"))
    expect(batch.report()).to_contain_text("读到 3 行，2 处要改，自动更正 1 处")
    batch.expect_text(1, "aspect_ratio", "16:9")
    expect(batch.bad_cells()).to_have_count(2)
    batch.click_command("start")
    expect(batch.page.locator("[data-footer-error]")).to_contain_text("5:4")

    batch.edit_cell(2, "aspect_ratio", "4：3")
    batch.expect_text(2, "aspect_ratio", "4:3")
    batch.edit_cell(3, "num_images", "2")
    expect(batch.bad_cells()).to_have_count(0)

    batch.click_command("add")
    batch.paste_block(4, "prompt", ("竹林茶室", "", "1：1", "1k"), ('"海边\n灯塔"', "", "9:16", "1K"))
    batch.expect_rows(5)
    batch.expect_text(4, "aspect_ratio", "1:1")

    dialog = batch.open_start()
    expect(dialog).to_contain_text("新的 5 行")
    expect(dialog.locator("[data-start-yes]")).to_have_text("生成 6 张 · ¥1.32")
    expect(dialog.locator("[data-start-name]")).to_have_value("十一月")
    dialog.get_by_role("button", name="取消").click()
    assert jimeng.submissions == []
    jimeng.latency = 600.0
    batch.start_batch("十一月")
    batch.expect_title(r"^\(0/6\)")
    jimeng.latency = 0.1
    for row in range(1, 6):
        batch.wait_for_image(row)
    batch.expect_state("已完成")
    batch.expect_figures("完成 6 / 6 · 花了 ¥1.32")
    batch.expect_title("^✓")
    assert jimeng.charges == 6
    assert Counter(path.suffix for path in (server.data_dir / "output").iterdir() if path.is_file()) == {
        ".png": 6
    }


def test_a_batch_is_named_after_its_file(draft: BatchPage, shared_server: ServerProcess) -> None:
    start(shared_server, numbered(1), name="春茶")
    draft.import_csv("提示词,分辨率", "茶园,1K", name="春茶.csv")
    draft.open_start().locator("[data-start-yes]").click()
    expect(draft.page.locator("[data-run-name]")).to_contain_text("春茶 (2) · ")


def test_a_dragged_row_moves_on_drop_and_not_on_cancel(draft: BatchPage) -> None:
    draft.fill(("一",), ("二",), ("三",))
    mouse = draft.page.mouse

    def drag_the_first_below_the_second() -> None:
        draft.cell(1, "number").locator("[data-handle]").hover()
        mouse.down()
        box = draft.cell(2, "number").bounding_box()
        assert box
        mouse.move(box["x"] + 10, box["y"] + box["height"] - 2, steps=4)

    drag_the_first_below_the_second()
    draft.page.keyboard.press("Escape")
    mouse.up()
    draft.expect_text(1, "prompt", "一")
    drag_the_first_below_the_second()
    mouse.up()
    draft.expect_text(1, "prompt", "二")
    draft.expect_text(2, "prompt", "一")


def test_a_run_survives_pause_reload_and_resume_and_a_second_tab_shows_the_same(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.latency = 600.0  # running images keep running
    batch_id = start(server, numbered(8))
    priced.open_run(batch_id)
    priced.expect_status(1, "running")
    priced.expect_status(2, "running")
    priced.expect_title(r"^\(0/8\) 批量生成")
    other = BatchPage(priced.page.context.new_page(), server.address)
    other.open_run(batch_id)
    other.pause()
    priced.expect_state("已暂停")
    expect(priced.page.locator("[data-run-paused]")).to_contain_text("按「继续」接着做")
    jimeng.latency = 0.1
    priced.wait_for_image(1)
    priced.wait_for_image(2)
    priced.reload()
    priced.expect_state("已暂停")
    priced.wait_for_image(1)
    priced.expect_status(8, "queued")
    assert len(jimeng.submissions) == 2
    priced.resume()
    for tab in (priced, other):
        tab.expect_state("已完成")
        tab.wait_for_image(8)
    assert jimeng.charges == 8


def test_failures_are_grouped_by_cause_and_only_they_are_retried(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch = priced
    jimeng.fail_next("reset", when=lambda call: "第 3 张" in call.content.decode())
    batch_id = start(server, numbered(4, bad=2))
    batch.open_run(batch_id)
    batch.expect_state("已完成")
    batch.expect_figures("完成 2 / 4 · 失败 1 · 结果未知 1 · 花了 ¥0.44 · 另有 ¥0.22 待确认")
    batch.expect_title("^⚠")
    expect(batch.causes()).to_have_count(2)
    expect(batch.causes().filter(has_text="提示词没有通过审核")).to_contain_text("50412")
    expect(batch.cell(2, "status")).to_contain_text("提示词没有通过审核")

    submitted = jimeng.count("submit")
    batch.retry_failed()
    expect(batch.page.locator(".toast")).to_contain_text("重新排队")
    server.wait_for_end(batch_id)
    batch.expect_ended(2)
    batch.expect_state("已完成")
    batch.expect_status(2, "failed")
    assert jimeng.count("submit") == submitted + 1  # the unknown one was not resubmitted

    batch.open_causes().filter(has_text="可能已计费").locator("[data-command=retry]").click()
    question = batch.page.locator("dialog[data-dialog=cost]")
    expect(question).to_contain_text("¥0.22")
    question.locator("[data-cost-yes]").click()
    batch.wait_for_image(3)
    batch.expect_figures("完成 3 / 4 · 失败 1")


def test_reimported_results_contain_only_unfinished_rows(
    priced: BatchPage, server: ServerProcess, tmp_path: Path
) -> None:
    priced.open_run(start_to_end(server, numbered(3, bad=2), name="要补的"))
    file = priced.download_results(tmp_path)
    assert file.name == "要补的-结果.xlsx"
    statuses = [row[0] for row in load_workbook(file).worksheets[0].iter_rows(min_row=2, values_only=True)]
    assert len(statuses) == 3
    priced.open()
    priced.import_workbook(file)
    expect(priced.report()).to_contain_text("读到 1 行，已生成的 2 行没有带进来")
    priced.expect_rows(1)
    priced.edit_cell(1, "prompt", "第二张，改过")
    priced.start_batch("补")
    priced.wait_for_image(1)
    priced.expect_figures("完成 1 / 1")


def test_a_wrong_key_pauses_the_run_with_one_sentence(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.fail_next("key", times=4)
    priced.open_run(start(server, numbered(20)))
    priced.expect_state("已暂停")
    expect(priced.page.locator("[data-run-paused]")).to_contain_text(
        "已自动暂停：火山引擎不接受这对密钥，请检查 VOLCENGINE_AK 和 VOLCENGINE_SK"
    )
    expect(priced.causes()).to_have_count(0)
    expect(priced.cell(1, "status")).to_have_text("等待中")
    expect(priced.page.locator(".status")).to_have_text(re.compile(r"^\s*已暂停"))
    assert jimeng.count("submit") <= 4


def test_after_a_kill_and_restart_the_run_continues_and_the_page_recovers(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    priced.open_run(start(server, numbered(8)))
    priced.wait_for_image(1)  # either of the two running ones may finish first
    priced.wait_for_image(2)
    server.kill()
    offline = priced.page.locator("[data-run-offline]")
    expect(offline).to_contain_text("连不上服务")
    priced.wait_for_image(1).click(trial=True)  # it is not covered
    server.start()
    expect(offline).to_be_hidden()
    priced.expect_state("已完成")
    counts = server.get("/api/batches")["batches"][0]["counts"]
    assert counts["success"] + counts["unknown"] == 8
    assert jimeng.charges <= 8
    priced.expect_figures(f"^完成 {counts['success']} / 8")


def test_the_log_lists_each_image_and_can_be_limited_to_failures(
    priced: BatchPage, server: ServerProcess
) -> None:
    priced.open_run(start_to_end(server, numbered(3, bad=2)))
    priced.retry_failed()
    priced.expect_ended(2)
    priced.page.locator("[data-log] summary").click()
    lines = priced.page.locator(".log-line:visible")
    expect(lines.last).to_contain_text("批次完成")
    priced.page.locator("[data-log-failures]").check()
    expect(lines).to_have_count(1)  # a record has one line, though it failed twice
    expect(lines).to_contain_text(re.compile("第 2 行.*50412"))
    priced.page.locator("[data-log-lines]").press("ArrowUp")
    expect(lines).to_be_focused()
    priced.page.keyboard.press("Enter")
    expect(priced.page.locator("[data-table-editor]")).to_be_focused()
    expect(priced.cell(2, "status")).to_have_attribute("aria-selected", "true")


def test_a_single_row_is_generated_after_confirming_the_cost(priced: BatchPage, jimeng: FakeJimeng) -> None:
    priced.open()
    priced.fill(("先试这张", "", "1:1", "1K"), ("以后再说", "", "1:1", "1K"))
    priced.cell(1, "actions").locator("[data-run-row]").click()
    question = priced.page.locator("dialog[data-dialog=cost]")
    expect(question).to_contain_text("1 张，预计 ¥0.22")
    question.locator("[data-cost-yes]").click()
    priced.wait_for_image(1)
    assert jimeng.charges == 1
    priced.reload()
    priced.wait_for_image(1)
    priced.expect_text(2, "prompt", "以后再说")


def test_undo_restores_a_draft_replaced_by_a_copied_batch(
    draft: BatchPage, shared_server: ServerProcess
) -> None:
    draft.fill(("旧的一",), ("旧的二",), ("旧的三",))
    draft.cell(2, "negative_prompt").click()
    draft.page.keyboard.type("写了一半的")
    draft.wait_until_saved("旧的三", "写了一半的")
    draft.open_run(start_to_end(shared_server, numbered(2)))
    draft.copy_to_draft()
    draft.expect_rows(2)
    draft.expect_text(2, "negative_prompt", "")
    expect(draft.notice()).to_contain_text("原来的草稿还在")
    draft.wait_until_saved("第 2 张")

    draft.click_command("undo")
    draft.expect_rows(3)
    draft.expect_text(2, "negative_prompt", "写了一半的")
    expect(draft.notice()).to_be_hidden()
    draft.click_command("redo")
    draft.expect_rows(2)


def test_a_partly_loaded_page_extends_the_stored_draft(draft: BatchPage) -> None:
    draft.fill(("一",), ("二",))
    draft.wait_until_saved("二")
    draft.page.route("**/table/late.js*", lambda route: route.abort())
    draft.page.reload()
    draft.click_command("history")
    expect(draft.page.locator("[data-offline]")).to_contain_text("刷新页面")
    draft.expect_rows(2)
    draft.click_command("add")
    draft.edit_cell(3, "prompt", "三")
    draft.wait_until_saved("一", "二", "三")
    draft.page.unroute_all()
    draft.reload()
    draft.expect_rows(3)


def test_looking_up_names_in_one_tab_does_not_overwrite_the_draft_of_another(draft: BatchPage) -> None:
    library = "**/api/sample-images"
    answer: dict[str, Any] = {"status": 502, "json": {"error": "连不上图库"}}
    draft.page.context.route(library, lambda route: route.fulfill(**answer))
    draft.fill(("猫", "", "", "", "石桥"))
    draft.wait_until_saved("石桥")
    idle = BatchPage(draft.page.context.new_page(), draft.address)
    idle.page.clock.install()
    idle.open()
    expect(idle.cell(1, "sample_images")).to_have_attribute("title", re.compile("连不上图库"))
    draft.edit_cell(1, "prompt", "改过的猫")
    draft.wait_until_saved("改过的猫")
    with idle.page.expect_response(library):
        idle.page.clock.fast_forward(3_000)

    answer = {"json": {"images": [{"url": "/bridge.png", "filename": "石桥.png"}]}}
    idle.page.clock.fast_forward(3_000)
    expect(idle.bad_cells()).to_have_count(0)
    expect(idle.page.locator("[data-command=next-problem]")).to_be_hidden()
    idle.page.clock.fast_forward(3_000)
    draft.wait_until_saved("改过的猫")
    expect(draft.notice()).to_be_hidden()


def test_a_held_ctrl_enter_does_not_confirm_its_own_dialog(draft: BatchPage) -> None:
    draft.click_command("add")
    draft.edit_cell(1, "prompt", "按住不放")
    orders: list[Route] = []
    draft.page.route("**/api/batches", lambda route: orders.append(route))
    draft.page.keyboard.down("Control")
    draft.page.keyboard.down("Enter")
    expect(draft.page.locator("[data-start-yes]")).to_be_focused()
    for _ in range(5):
        draft.page.keyboard.down("Enter")
    draft.page.evaluate("fetch('/healthz')")
    expect(draft.page.locator("dialog[data-dialog=start]")).to_be_visible()
    assert orders == []


def test_a_submission_in_progress_cannot_be_left_or_repeated(draft: BatchPage) -> None:
    draft.fill(("猫", "", "1:1", "1K"))
    on_the_way: list[Route] = []
    draft.page.route("**/api/batches", lambda route: on_the_way.append(route))
    dialog = draft.open_start()
    dialog.locator("[data-start-yes]").click()
    expect(dialog.locator("[data-start-yes]")).to_have_text("正在提交…")
    expect(dialog.get_by_role("button", name="取消")).to_be_disabled()
    for _ in range(2):
        draft.page.keyboard.press("Escape")
        expect(dialog).to_be_visible()
        draft.page.mouse.click(5, 5)
        expect(dialog).to_be_visible()
    on_the_way[0].fulfill(status=507, json={"error": "磁盘满了"})
    expect(dialog.locator("[data-start-error]")).to_have_text("磁盘满了")
    draft.page.unroute_all()
    dialog.locator("[data-start-yes]").click()
    draft.wait_for_image(1)
    assert len(on_the_way) == 1


def test_the_reason_of_a_refusal_is_shown_until_the_next_submission(
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
    for _ in range(2):
        priced.page.wait_for_event("response", lambda response: f"{batch_id}?since=" in response.url)
    expect(refused).to_have_text(why["error"])
    priced.page.unroute_all()
    priced.resume()
    expect(refused).to_be_hidden()


def test_the_table_regains_the_keyboard_after_the_pressed_button_disappears(draft: BatchPage) -> None:
    draft.fill(("一",), ("二",), ("三",))
    draft.import_csv("提示词", "四", "五", place="append")
    draft.expect_rows(5)
    draft.page.keyboard.press("Control+z")
    draft.expect_rows(3)
    draft.page.get_by_role("button", name="关闭导入报告").click()
    draft.page.keyboard.press("Control+y")
    draft.expect_rows(5)

    draft.pick_row(1)
    draft.click_command("remove")
    draft.expect_rows(4)
    draft.page.keyboard.press("Control+z")
    draft.expect_rows(5)
    draft.pick_row(1)
    draft.click_command("pick-none")
    draft.page.keyboard.press("Control+y")
    draft.expect_rows(4)
    draft.click_command("undo")
    draft.pick_row(1)
    draft.click_command("remove")
    draft.page.locator(".toast").get_by_role("button", name="撤销").click()
    draft.expect_rows(5)
    draft.page.keyboard.press("Control+y")
    draft.expect_rows(4)
