"""批量生成 in Chromium: from a messy workbook to saved images, and back into a workbook."""

import datetime
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from playwright.sync_api import Page, Route, expect

from tests.browser.batch_page import BatchPage
from tools.fakes.jimeng import FakeJimeng
from tools.noise_images import noise_image
from tools.server_process import ServerProcess
from tools.waiting import wait_until

Open = Callable[[ServerProcess], BatchPage]
HEADERS = ("提示词", "负面提示词", "图片比例", "分辨率", "参考示例图", "生成数量", "文件名")


@pytest.fixture
def batch(page: Page) -> Open:
    """Open 批量生成 of a server."""

    def open_batch(process: ServerProcess) -> BatchPage:
        opened = BatchPage(page, process.address)
        opened.open()
        return opened

    return open_batch


def workbook(file: Path, *rows: tuple[Any, ...]) -> Path:
    """A clean workbook of these rows, cells in the order of HEADERS."""
    book = Workbook()
    sheet = book.worksheets[0]
    for row in (HEADERS, *rows):
        sheet.append(row)
    book.save(file)
    return file


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


def prompts(count: int, *, bad: int = 0) -> list[dict[str, Any]]:
    """Rows for the API; row ``bad`` is refused by the service."""
    return [
        {"prompt": f"第 {n} 张{'违禁' if n == bad else ''}", "resolution": "1K", "filename": f"图{n}"}
        for n in range(1, count + 1)
    ]


def start_batch(server: ServerProcess, rows: list[dict[str, Any]], name: str = "") -> str:
    """A batch started by the API."""
    return str(server.post("/api/batches", {"rows": rows, "name": name, "source": "batch"})["batch_id"])


def test_a_messy_workbook_is_imported_corrected_extended_and_generated(
    server: ServerProcess, jimeng: FakeJimeng, batch: Open, tmp_path: Path
) -> None:
    page = batch(server)
    page.import_workbook(messy_workbook(tmp_path / "十一月.xlsx"))
    expect(page.report()).to_contain_text("读到 3 行，2 处要改，自动更正 1 处")
    page.expect_text(1, "aspect_ratio", "16:9")
    expect(page.bad_cells()).to_have_count(2)
    page.click_command("start")
    expect(page.page.locator("[data-footer-error]")).to_contain_text("5:4")

    page.edit_cell(2, "aspect_ratio", "4：3")
    page.expect_text(2, "aspect_ratio", "4:3")
    page.edit_cell(3, "num_images", "2")
    expect(page.bad_cells()).to_have_count(0)

    page.click_command("add")
    page.paste_block(4, "prompt", ("竹林茶室", "", "1：1", "1k"), ('"海边\n灯塔"', "", "9:16", "1K"))
    page.expect_rows(5)
    page.expect_text(4, "aspect_ratio", "1:1")

    dialog = page.open_start()
    expect(dialog).to_contain_text("新的 5 行")
    expect(dialog.locator("[data-start-yes]")).to_have_text("生成 6 张 · ¥1.32")
    expect(dialog.locator("[data-start-name]")).to_have_value("十一月")
    dialog.get_by_role("button", name="取消").click()
    assert jimeng.submissions == []
    jimeng.latency = 600.0
    page.start_batch("十一月")
    page.expect_title(r"^\(0/6\)")
    jimeng.latency = 0.1
    for row in range(1, 6):
        page.wait_for_image(row)
    page.expect_state("已完成")
    page.expect_figures("完成 6 / 6 · 花了 ¥1.32")
    page.expect_title("^✓")
    assert jimeng.charges == 6
    assert Counter(path.suffix for path in (server.data_dir / "output").iterdir() if path.is_file()) == {
        ".png": 6
    }


def test_a_batch_is_named_after_its_file(
    server: ServerProcess, jimeng: FakeJimeng, batch: Open, tmp_path: Path
) -> None:
    start_batch(server, prompts(1), "春茶")
    page = batch(server)
    page.import_workbook(workbook(tmp_path / "春茶.xlsx", ("茶园",)))
    page.open_start().locator("[data-start-yes]").click()
    expect(page.page.locator("[data-run-name]")).to_have_text("春茶 (2) · 即梦 4.0")


def test_leaving_an_open_choice_list_changes_nothing(demo_server: ServerProcess, batch: Open) -> None:
    page = batch(demo_server)
    page.click_command("add")
    page.paste_block(1, "prompt", ("猫", "", "5:4"))
    page.cell(1, "aspect_ratio").click()
    page.cell(1, "aspect_ratio").click()
    expect(page.page.get_by_role("option")).to_have_count(7)
    page.cell(1, "filename").click()
    page.expect_text(1, "aspect_ratio", "5:4")
    page.cell(1, "aspect_ratio").click()
    page.edit_cell(1, "aspect_ratio", "16")
    page.expect_text(1, "aspect_ratio", "16:9")


def test_the_draft_survives_a_reload_with_the_text_of_the_open_cell(
    demo_server: ServerProcess, batch: Open
) -> None:
    page = batch(demo_server)
    page.click_command("add")
    page.paste_block(1, "prompt", ("第一行", "", "16:9"), ("第二行", "", "2:3"))
    page.cell(2, "negative_prompt").click()
    page.page.keyboard.type("写了一半的")
    page.wait_until_saved("第二行", "写了一半的")
    page.reload()
    page.expect_rows(2)
    page.expect_text(1, "aspect_ratio", "16:9")
    page.expect_text(2, "negative_prompt", "写了一半的")


def test_every_step_can_be_undone_and_redone(demo_server: ServerProcess, batch: Open, tmp_path: Path) -> None:
    page = batch(demo_server)
    page.import_workbook(workbook(tmp_path / "a.xlsx", ("一",), ("二",), ("三",)))
    page.edit_cell(2, "prompt", "改过的二")
    page.pick_row(1)
    page.click_command("remove")
    page.expect_rows(2)
    page.page.get_by_role("button", name="撤销").last.click()
    page.expect_rows(3)
    page.click_command("undo")
    page.expect_text(2, "prompt", "二")
    page.click_command("redo")
    page.expect_text(2, "prompt", "改过的二")


def test_a_dragged_row_moves_on_drop_and_not_on_cancel(
    demo_server: ServerProcess, batch: Open, tmp_path: Path
) -> None:
    page = batch(demo_server)
    page.import_workbook(workbook(tmp_path / "a.xlsx", ("一",), ("二",), ("三",)))
    mouse = page.page.mouse

    def drag_the_first_below_the_second() -> None:
        page.cell(1, "number").locator("[data-handle]").hover()
        mouse.down()
        box = page.cell(2, "number").bounding_box()
        assert box
        mouse.move(box["x"] + 10, box["y"] + box["height"] - 2, steps=4)

    drag_the_first_below_the_second()
    page.page.keyboard.press("Escape")
    mouse.up()
    page.expect_text(1, "prompt", "一")
    drag_the_first_below_the_second()
    page.page.evaluate("dispatchEvent(new PointerEvent('pointercancel', { pointerId: 1 }))")
    mouse.up()
    page.expect_text(1, "prompt", "一")
    drag_the_first_below_the_second()
    mouse.up()
    page.expect_text(1, "prompt", "二")
    page.expect_text(2, "prompt", "一")


def test_references_are_uploaded_picked_in_order_and_found_by_name(
    demo_server: ServerProcess, batch: Open, tmp_path: Path
) -> None:
    for name in ("荷花.png", "石桥.png"):
        (tmp_path / name).write_bytes(noise_image("png"))
    page = batch(demo_server)
    rows = (("照着画", None, None, "1K"), ("按名字找", None, None, "1K", "石桥；不在的"))
    page.import_workbook(workbook(tmp_path / "a.xlsx", *rows))
    expect(page.report()).to_contain_text("1 处要改")

    dialog = page.open_references(1)
    dialog.locator("[data-picker-file]").set_input_files([tmp_path / "荷花.png", tmp_path / "石桥.png"])
    expect(dialog.locator("[data-picker-chosen] li")).to_have_count(2)
    dialog.get_by_role("button", name="全部移除").click()
    page.page.keyboard.press("Escape")
    page.expect_text(1, "sample_images", "选择 (0)")
    page.pick_references(1, "石桥.png", "荷花.png")
    page.expect_text(1, "sample_images", "选择 (2)")
    page.pick_references(2, "石桥.png")
    expect(page.bad_cells()).to_have_count(0)
    page.start_batch()
    page.wait_for_image(2)
    page.expect_state("已完成")
    records = demo_server.get("/api/records?sort=oldest")["records"]
    used = {record["prompt"]: [i["filename"] for i in record["sample_images"]] for record in records}
    assert used == {"照着画": ["石桥.png", "荷花.png"], "按名字找": ["石桥.png"]}


def test_names_in_the_workbook_find_their_images_in_the_library(
    demo_server: ServerProcess, batch: Open, tmp_path: Path
) -> None:
    (tmp_path / "荷花.png").write_bytes(noise_image("png"))
    page = batch(demo_server)
    page.click_command("add")
    dialog = page.open_references(1)
    dialog.locator("[data-picker-file]").set_input_files(tmp_path / "荷花.png")
    expect(dialog.locator("[data-picker-chosen] li")).to_have_count(1)
    page.page.keyboard.press("Escape")
    file = workbook(tmp_path / "a.xlsx", ("猫", None, None, None, "荷花"))
    page.import_workbook(file)
    expect(page.report()).to_contain_text("没有问题")
    page.expect_text(1, "sample_images", "选择 (1)")


def test_a_run_survives_pause_reload_and_resume(
    server: ServerProcess, jimeng: FakeJimeng, batch: Open
) -> None:
    jimeng.latency = 600.0  # running images keep running
    page = batch(server)
    page.click_command("add")
    page.paste_block(1, "prompt", *[(f"第 {n} 张", "", "1:1", "1K") for n in range(1, 9)])
    page.start_batch("八张")
    page.expect_status(1, "running")
    page.expect_status(2, "running")
    page.pause()
    expect(page.page.locator("[data-run-paused]")).to_contain_text("按「继续」接着做")
    page.reload()
    page.expect_state("已暂停")
    page.expect_status(1, "running")
    jimeng.latency = 0.1
    page.wait_for_image(1)
    page.wait_for_image(2)
    page.reload()
    page.expect_state("已暂停")
    page.wait_for_image(1)
    page.expect_status(8, "queued")
    assert len(jimeng.submissions) == 2
    page.resume()
    page.expect_state("已完成")
    page.wait_for_image(8)
    assert jimeng.charges == 8


def test_a_second_tab_shows_the_same_run(server: ServerProcess, jimeng: FakeJimeng, batch: Open) -> None:
    jimeng.latency = 600.0
    batch_id = start_batch(server, prompts(4))
    page = batch(server)
    page.open(f"?id={batch_id}")
    page.expect_state("生成中")
    page.expect_title(r"^\(0/4\) 批量生成")
    other = BatchPage(page.page.context.new_page(), server.address)
    other.open(f"?id={batch_id}")
    other.pause()
    page.expect_state("已暂停")
    jimeng.latency = 0.1
    page.resume()
    for tab in (page, other):
        tab.expect_state("已完成")
        tab.wait_for_image(4)
    assert jimeng.charges == 4


def test_failures_are_grouped_by_cause_and_only_they_are_retried(
    server: ServerProcess, jimeng: FakeJimeng, batch: Open
) -> None:
    jimeng.fail_next("reset", when=lambda call: "第 3 张" in call.content.decode())
    batch_id = start_batch(server, prompts(4, bad=2))
    page = batch(server)
    page.open(f"?id={batch_id}")
    page.expect_state("已完成")
    page.expect_figures("完成 2 / 4 · 失败 1 · 结果未知 1 · 花了 ¥0.44 · 另有 ¥0.22 待确认")
    page.expect_title("^⚠")
    expect(page.causes()).to_have_count(2)
    expect(page.causes().filter(has_text="提示词没有通过审核")).to_contain_text("50412")
    expect(page.cell(2, "status")).to_contain_text("提示词没有通过审核")

    submitted = jimeng.count("submit")
    page.retry_failed()
    expect(page.page.locator(".toast")).to_contain_text("重新排队")
    server.wait_for_end(batch_id)
    page.expect_ended(2)
    page.expect_state("已完成")
    page.expect_status(2, "failed")
    assert jimeng.count("submit") == submitted + 1  # the unknown one was not resubmitted

    page.open_causes().filter(has_text="可能已计费").locator("[data-command=retry]").click()
    question = page.page.locator("dialog[data-dialog=cost]")
    expect(question).to_contain_text("¥0.22")
    question.locator("[data-cost-yes]").click()
    page.wait_for_image(3)
    page.expect_figures("完成 3 / 4 · 失败 1")


def test_reimported_results_contain_only_unfinished_rows(
    server: ServerProcess, batch: Open, tmp_path: Path
) -> None:
    batch_id = start_batch(server, prompts(3, bad=2), name="要补的")
    server.wait_for_end(batch_id)
    page = batch(server)
    page.open(f"?id={batch_id}")
    file = page.download_results(tmp_path)
    assert file.name == "要补的-结果.xlsx"
    statuses = [row[0] for row in load_workbook(file).worksheets[0].iter_rows(min_row=2, values_only=True)]
    assert len(statuses) == 3
    page.open()
    page.import_workbook(file)
    expect(page.report()).to_contain_text("读到 1 行，已生成的 2 行没有带进来")
    page.expect_rows(1)
    page.edit_cell(1, "prompt", "第二张，改过")
    page.start_batch("补")
    page.wait_for_image(1)
    page.expect_figures("完成 1 / 1")


def test_a_wrong_key_pauses_the_run_with_one_sentence(
    server: ServerProcess, jimeng: FakeJimeng, batch: Open
) -> None:
    jimeng.fail_next("key", times=4)
    page = batch(server)
    page.open(f"?id={start_batch(server, prompts(20))}")
    page.expect_state("已暂停")
    expect(page.page.locator("[data-run-paused]")).to_contain_text(
        "已自动暂停：火山引擎不接受这对密钥，请检查 VOLCENGINE_AK 和 VOLCENGINE_SK"
    )
    expect(page.causes()).to_have_count(0)
    expect(page.cell(1, "status")).to_have_text("等待中")
    expect(page.page.locator(".status")).to_have_text(re.compile(r"^\s*已暂停"))
    assert jimeng.count("submit") <= 4


def test_after_a_kill_and_restart_the_run_continues_and_the_page_recovers(
    server: ServerProcess, jimeng: FakeJimeng, batch: Open
) -> None:
    page = batch(server)
    page.open(f"?id={start_batch(server, prompts(8))}")
    page.wait_for_image(1)  # either of the two running ones may finish first
    page.wait_for_image(2)
    server.kill()
    offline = page.page.locator("[data-run-offline]")
    expect(offline).to_contain_text("连不上服务")
    page.wait_for_image(1).click(trial=True)  # it is not covered
    server.start()
    expect(offline).to_be_hidden()
    page.expect_state("已完成")
    batch_now = server.get("/api/batches")["batches"][0]
    counts = batch_now["counts"]
    assert counts["success"] + counts["unknown"] == 8
    assert jimeng.charges <= 8
    page.expect_figures(f"^完成 {counts['success']} / 8")


def test_typed_text_survives_an_unreachable_server_at_the_start(
    demo_server: ServerProcess, batch: Open
) -> None:
    page = batch(demo_server)
    page.click_command("add")
    page.paste_block(1, "prompt", ("一", "", "1:1", "1K"), ("二", "", "1:1", "1K"))
    dialog = page.open_start()
    demo_server.kill()
    dialog.locator("[data-start-yes]").click()
    expect(dialog.locator("[data-start-error]")).to_contain_text("连不上服务")
    demo_server.start()
    dialog.locator("[data-start-yes]").click()
    page.wait_for_image(2)
    assert len(demo_server.get("/api/batches")["batches"]) == 1


def test_the_seed_shown_is_that_of_all_images_of_the_row(demo_server: ServerProcess, batch: Open) -> None:
    rows: list[dict[str, Any]] = [{"prompt": "一张"}, {"prompt": "两张", "num_images": 2}]
    batch_id = start_batch(demo_server, [{**row, "resolution": "1K"} for row in rows])
    page = batch(demo_server)
    page.open(f"?id={batch_id}")
    page.expect_state("已完成")
    first, *others = demo_server.get(f"/api/batches/{batch_id}")["records"]
    page.expect_text(1, "seed", str(first["seed"]))
    assert len({record["seed"] for record in others}) == 2
    page.expect_text(2, "seed", "随机")


def test_unsupported_columns_explain_why_and_keep_their_values_unsent(
    server: ServerProcess, batch: Open, tmp_path: Path
) -> None:
    file = tmp_path / "种子.csv"
    file.write_text("提示词,种子,步数\n一座山,随便,30\n", encoding="utf-8")
    page = batch(server)
    page.import_workbook(file)
    expect(page.report()).to_contain_text("没有问题")
    expect(page.bad_cells()).to_have_count(0)
    expect(page.cell(1, "seed")).to_be_hidden()
    page.show_column("种子", "步数")
    page.expect_text(1, "seed", "随便")
    expect(page.cell(1, "seed")).to_have_attribute("title", re.compile("即梦不接受种子"))
    page.cell(1, "steps").click()
    page.page.keyboard.type("7")
    page.page.keyboard.press("Enter")
    page.expect_text(1, "steps", "30")
    batch_id = page.start_batch()
    page.wait_for_image(1)
    record = server.get(f"/api/batches/{batch_id}")["records"][0]
    assert (record["seed"], record["steps"]) == (None, None)


def test_the_log_lists_each_image_and_can_be_limited_to_failures(server: ServerProcess, batch: Open) -> None:
    batch_id = start_batch(server, prompts(3, bad=2))
    server.wait_for_end(batch_id)
    page = batch(server)
    page.open(f"?id={batch_id}")
    page.page.locator("[data-log] summary").click()
    lines = page.page.locator(".log-line:visible")
    expect(lines.last).to_contain_text("批次完成")
    page.page.locator("[data-log-failures]").check()
    expect(lines).to_have_count(1)
    expect(lines).to_contain_text("50412")
    page.page.locator("[data-log-lines]").press("ArrowUp")
    expect(lines).to_be_focused()
    page.page.keyboard.press("Enter")
    expect(page.page.locator("[data-table-editor]")).to_be_focused()
    expect(page.cell(2, "status")).to_have_attribute("aria-selected", "true")


def test_a_single_row_is_generated_after_confirming_the_cost(
    server: ServerProcess, jimeng: FakeJimeng, batch: Open
) -> None:
    page = batch(server)
    page.click_command("add")
    page.paste_block(1, "prompt", ("先试这张", "", "1:1", "1K"), ("以后再说", "", "1:1", "1K"))
    page.cell(1, "actions").locator("[data-run-row]").click()
    question = page.page.locator("dialog[data-dialog=cost]")
    expect(question).to_contain_text("1 张，预计 ¥0.22")
    question.locator("[data-cost-yes]").click()
    page.wait_for_image(1)
    assert jimeng.charges == 1
    page.reload()
    page.wait_for_image(1)
    page.expect_text(2, "prompt", "以后再说")


def test_undo_restores_a_draft_replaced_by_a_copied_batch(demo_server: ServerProcess, batch: Open) -> None:
    page = batch(demo_server)
    page.click_command("add")
    page.paste_block(1, "prompt", ("旧的一",), ("旧的二",), ("旧的三",))
    page.cell(2, "negative_prompt").click()
    page.page.keyboard.type("写了一半的")
    page.wait_until_saved("旧的三", "写了一半的")
    batch_id = start_batch(demo_server, prompts(2))
    demo_server.wait_for_end(batch_id)
    page.open(f"?id={batch_id}")
    page.copy_to_draft()
    page.expect_rows(2)
    page.expect_text(2, "negative_prompt", "")
    expect(page.notice()).to_contain_text("原来的草稿还在")
    page.wait_until_saved("第 2 张")

    page.click_command("undo")
    page.expect_rows(3)
    page.expect_text(2, "negative_prompt", "写了一半的")
    expect(page.notice()).to_be_hidden()
    page.click_command("redo")
    page.expect_rows(2)


def test_a_partly_loaded_page_extends_the_stored_draft(demo_server: ServerProcess, batch: Open) -> None:
    page = batch(demo_server)
    page.click_command("add")
    page.paste_block(1, "prompt", ("一",), ("二",))
    page.wait_until_saved("二")
    page.page.route("**/batch/late.js*", lambda route: route.abort())
    page.page.reload()
    page.click_command("history")
    expect(page.page.locator("[data-offline]")).to_contain_text("刷新页面")
    page.expect_rows(2)
    page.click_command("add")
    page.edit_cell(3, "prompt", "三")
    page.wait_until_saved("一", "二", "三")
    page.page.unroute_all()
    page.reload()
    page.expect_rows(3)


def test_looking_up_names_in_one_tab_does_not_overwrite_the_draft_of_another(
    demo_server: ServerProcess, batch: Open
) -> None:
    page = batch(demo_server)
    library = "**/api/sample-images"
    answer: dict[str, Any] = {"status": 502, "json": {"error": "连不上图库"}}
    page.page.context.route(library, lambda route: route.fulfill(**answer))
    page.click_command("add")
    page.paste_block(1, "prompt", ("猫", "", "", "", "石桥"))
    page.wait_until_saved("石桥")
    idle = BatchPage(page.page.context.new_page(), demo_server.address)
    idle.page.clock.install()
    idle.open()
    expect(idle.cell(1, "sample_images")).to_have_attribute("title", re.compile("连不上图库"))
    page.edit_cell(1, "prompt", "改过的猫")
    page.wait_until_saved("改过的猫")
    with idle.page.expect_response(library):
        idle.page.clock.fast_forward(3_000)

    answer = {"json": {"images": [{"url": "/bridge.png", "filename": "石桥.png"}]}}
    idle.page.clock.fast_forward(3_000)
    expect(idle.bad_cells()).to_have_count(0)
    expect(idle.page.locator("[data-command=next-problem]")).to_be_hidden()
    idle.page.clock.fast_forward(3_000)
    page.wait_until_saved("改过的猫")
    expect(page.notice()).to_be_hidden()


def test_a_held_ctrl_enter_does_not_confirm_its_own_dialog(demo_server: ServerProcess, batch: Open) -> None:
    page = batch(demo_server)
    page.click_command("add")
    page.edit_cell(1, "prompt", "按住不放")
    page.page.keyboard.down("Control")
    page.page.keyboard.down("Enter")
    expect(page.page.locator("[data-start-yes]")).to_be_focused()
    for _ in range(5):
        page.page.keyboard.down("Enter")
    page.page.evaluate("fetch('/healthz')")
    expect(page.page.locator("dialog[data-dialog=start]")).to_be_visible()
    assert demo_server.get("/api/batches")["total"] == 0


def test_a_submission_in_progress_cannot_be_left_or_repeated(
    server: ServerProcess, jimeng: FakeJimeng, batch: Open
) -> None:
    page = batch(server)
    page.click_command("add")
    page.paste_block(1, "prompt", ("猫", "", "1:1", "1K"))
    on_the_way: list[Route] = []
    page.page.route("**/api/batches", lambda route: on_the_way.append(route))
    dialog = page.open_start()
    dialog.locator("[data-start-yes]").click()
    expect(dialog.locator("[data-start-yes]")).to_have_text("正在提交…")
    expect(dialog.get_by_role("button", name="取消")).to_be_disabled()
    for _ in range(2):
        page.page.keyboard.press("Escape")
        expect(dialog).to_be_visible()
        page.page.mouse.click(5, 5)
        expect(dialog).to_be_visible()
    on_the_way[0].fulfill(status=507, json={"error": "磁盘满了"})
    expect(dialog.locator("[data-start-error]")).to_have_text("磁盘满了")
    page.page.unroute_all()
    dialog.locator("[data-start-yes]").click()
    page.wait_for_image(1)
    assert len(on_the_way) == jimeng.charges == 1


def test_a_row_being_submitted_is_not_submitted_again(demo_server: ServerProcess, batch: Open) -> None:
    page = batch(demo_server)
    page.click_command("add")
    page.paste_block(1, "prompt", ("猫", "", "1:1", "1K"))
    on_the_way: list[Route] = []
    page.page.route("**/api/batches", lambda route: on_the_way.append(route))
    page.cell(1, "actions").locator("[data-run-row]").click()
    page.expect_text(1, "status", "…")
    page.choose_row_action(1, "只生成这一行")
    page.choose_row_action(1, "在下面插入一行")
    page.expect_rows(2)
    wait_until(lambda: bool(on_the_way))
    on_the_way[0].continue_()
    page.wait_for_image(1)
    assert len(on_the_way) == 1


def test_the_reason_of_a_refusal_is_shown_until_the_next_submission(
    server: ServerProcess, jimeng: FakeJimeng, batch: Open
) -> None:
    jimeng.latency = 600.0
    batch_id = start_batch(server, prompts(4))
    page = batch(server)
    page.open(f"?id={batch_id}")
    page.pause()
    why = {"error": "请换回原来的模型再继续"}
    page.page.route("**/resume", lambda route: route.fulfill(status=409, json=why))
    page.run_button("resume").click()
    refused = page.page.locator("[data-run-offline]")
    expect(refused).to_have_text(why["error"])
    for _ in range(2):
        page.page.wait_for_event("response", lambda response: f"{batch_id}?since=" in response.url)
    expect(refused).to_have_text(why["error"])
    page.page.unroute_all()
    page.resume()
    expect(refused).to_be_hidden()


def test_the_table_regains_the_keyboard_after_the_pressed_button_disappears(
    demo_server: ServerProcess, batch: Open, tmp_path: Path
) -> None:
    page = batch(demo_server)
    file = workbook(tmp_path / "a.xlsx", ("一",), ("二",))
    page.import_workbook(file)
    page.import_workbook(file, place="append")
    page.expect_rows(4)
    page.page.keyboard.press("Control+z")
    page.expect_rows(2)
    page.page.get_by_role("button", name="关闭导入报告").click()
    page.page.keyboard.press("Control+y")
    page.expect_rows(4)

    page.pick_row(1)
    page.click_command("remove")
    page.expect_rows(3)
    page.page.keyboard.press("Control+z")
    page.expect_rows(4)
    page.pick_row(1)
    page.click_command("pick-none")
    page.page.keyboard.press("Control+y")
    page.expect_rows(3)
    page.click_command("undo")
    page.pick_row(1)
    page.click_command("remove")
    page.page.locator(".toast").get_by_role("button", name="撤销").click()
    page.expect_rows(4)
    page.page.keyboard.press("Control+y")
    page.expect_rows(3)


def test_an_unknown_record_says_so(server: ServerProcess, jimeng: FakeJimeng, batch: Open) -> None:
    jimeng.fail_next("reset")
    batch_id = start_batch(server, prompts(1))
    page = batch(server)
    page.open(f"?id={batch_id}")
    page.open_causes().locator("[data-command=write-off]").click()
    page.page.locator("dialog[data-dialog=billing] [data-command=not-billed]").click()
    page.expect_text(1, "status", "已放弃")


def test_copying_a_prompt_reports_success_or_failure(demo_server: ServerProcess, batch: Open) -> None:
    batch_id = start_batch(demo_server, prompts(1))
    page = batch(demo_server)
    page.open(f"?id={batch_id}")
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=demo_server.address)
    toast = page.page.locator(".toast")
    page.choose_row_action(1, "复制提示词")
    expect(toast).to_have_text("提示词已复制")
    page.page.evaluate("delete Navigator.prototype.clipboard")  # as over http
    page.choose_row_action(1, "复制提示词")
    expect(toast).to_contain_text("请按 Ctrl+C")
    expect(page.cell(1, "prompt")).to_have_attribute("aria-selected", "true")
