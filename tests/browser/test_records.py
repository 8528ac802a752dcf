"""生成记录: search, lightbox, selection over pages, download, deletion, undo."""

import re
import shutil
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from openpyxl import load_workbook
from playwright.sync_api import Page, Route, expect

import database
from tests.browser.conftest import LONG_PROMPT, NewPage
from tools.noise_images import noise_image
from tools.pages.records_page import FAILURE, RecordsPage, seed_records
from tools.server_process import ServerProcess

_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const shift of list.getEntries()) window.shifted += shift.value;
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture
def records(page: Page, archive_server: ServerProcess) -> RecordsPage:
    """The page of a server that is not changed."""
    shown = RecordsPage(page, archive_server.address)
    shown.open()
    return shown


@pytest.fixture
def server(own_archive_server: ServerProcess) -> ServerProcess:
    return own_archive_server


def test_filter_chips_show_the_filters_and_can_be_removed(records: RecordsPage) -> None:
    records.filter("status", "失败")
    records.expect_total("找到 4 条")
    expect(records.records().first).to_contain_text(FAILURE)
    records.filter("aspect_ratio", "16:9")
    expect(records.page.locator("[data-total-label]")).not_to_have_text("找到 4 条")
    expect(records.page.locator("details.filter-more[open]")).to_have_count(0)
    records.expect_query(status="failed", aspect_ratio="16:9")
    records.page.get_by_role("link", name="取消筛选：比例").click()
    records.expect_total("找到 4 条")
    records.page.go_back()
    records.expect_query(status="failed", aspect_ratio="16:9")
    expect(records.page.get_by_role("link", name="取消筛选：比例")).to_be_visible()
    records.page.get_by_role("link", name="清除全部").click()
    records.expect_total("共 60 条")
    records.page.locator("details[data-filter-more=days] > summary").click()
    records.page.locator("input[name=to]").fill("2020-01-01")
    records.expect_query(to="2020-01-01")
    records.expect_total("找到 0 条")


def test_continuous_typing_is_one_history_entry(records: RecordsPage) -> None:
    records.filter("status", "失败")
    records.expect_total("找到 4 条")
    records.page.keyboard.press("/")
    records.page.keyboard.type("夜", delay=30)
    records.expect_total("找到 1 条")
    records.page.keyboard.type("市没有")
    records.expect_query(status="failed", search="夜市没有")
    records.expect_total("找到 0 条")
    records.page.go_back()
    records.expect_total("找到 4 条")
    expect(records.page.locator("[data-search]")).to_have_value("")
    records.page.go_forward()
    records.expect_total("找到 0 条")
    expect(records.page.locator("[data-search]")).to_have_value("夜市没有")


def test_back_closes_the_lightbox_and_keeps_the_list(records: RecordsPage) -> None:
    records.page.get_by_role("link", name="第 2 页").click()
    records.open_lightbox(38)
    records.page.keyboard.press("ArrowRight")
    records.expect_position("24 / 60")
    records.expect_query(page="2", record="37")
    records.page.go_back()
    expect(records.page.locator("dialog[data-lightbox]")).to_be_hidden()
    records.expect_query(page="2")
    records.open_lightbox(38)
    records.page.keyboard.press("Escape")
    expect(records.record(38).locator("[data-image-url]")).to_be_focused()
    expect(records.page).to_have_url(re.compile(r"page=2$"))
    records.page.go_back()
    expect(records.record(60)).to_be_visible()


def test_the_lightbox_crosses_page_boundaries_by_keyboard(records: RecordsPage) -> None:
    page, large = records.page, records.open_lightbox(42)
    records.expect_position("19 / 60")
    for key, position in (("ArrowRight", "20 / 60"), ("ArrowRight", "21 / 60"), ("ArrowLeft", "20 / 60")):
        page.keyboard.press(key)
        records.expect_position(position)
    page.keyboard.press("End")
    records.expect_position("60 / 60")
    expect(page).to_have_url(re.compile(r"\bpage=3\b"))
    expect(large.locator("[data-prompt]")).to_have_text(LONG_PROMPT)
    page.keyboard.press("Home")
    records.expect_position("1 / 60")
    page.keyboard.press("Escape")
    expect(large).to_be_hidden()
    expect(records.record(60).locator("[data-image-url]")).to_be_focused()


def test_the_lightbox_reports_an_unreachable_server_at_a_page_boundary(records: RecordsPage) -> None:
    records.open("?limit=20")
    dialog = records.open_lightbox(41)
    records.page.context.set_offline(True)
    records.page.keyboard.press("ArrowRight")
    expect(dialog.locator("[data-viewer-message]")).to_contain_text("连不上服务")
    records.page.context.set_offline(False)
    records.page.keyboard.press("ArrowRight")
    expect(dialog.locator("[data-position]")).to_have_text("21 / 60")


def test_a_selection_spans_pages_and_is_downloaded_as_one_zip_unless_refused(records: RecordsPage) -> None:
    page, bar = records.page, records.selection_bar()
    records.pick(60, 57)
    page.get_by_role("link", name="第 2 页").click()
    records.pick(31)
    panel = page.locator("details.status-model")
    panel.locator("summary").click()
    panel.get_by_role("link").first.press("Escape")
    expect(panel).not_to_have_attribute("open", "")
    expect(bar).to_contain_text("已选 3 条，2 条在别的页")
    refused = {"success": False, "error": "已有两个下载在打包，请稍后再试"}
    page.route("**/archive.zip", lambda route: route.fulfill(status=503, json=refused))
    choose_zip = bar.get_by_role("button", name="下载 ZIP")
    bar.locator(".filter-more > summary").click()
    choose_zip.click()
    expect(page.locator(".toast").filter(has_text="已有两个下载在打包")).to_be_visible()
    records.expect_total("共 60 条")
    page.unroute("**/archive.zip")
    bar.locator(".filter-more > summary").click()
    with page.expect_download() as started:
        choose_zip.click()
    with zipfile.ZipFile(started.value.path()) as bundle:
        assert set(bundle.namelist()) == {"图-60.jpg", "图-57.jpg", "图-31.jpg", "生成记录.xlsx"}


def test_an_image_that_is_dropped_or_pasted_opens_its_record_or_shows_its_parameters(
    records: RecordsPage, archive_server: ServerProcess, tmp_path: Path
) -> None:
    dialog = records.page.locator("dialog[data-dialog=file]")
    renamed, plain = tmp_path / "客户要的那张.jpg", tmp_path / "照片.png"
    shutil.copy(archive_server.data_dir / "output" / "图-7.jpg", renamed)
    records.drop(renamed)
    records.expect_position("记录 7")
    expect(records.page.locator("dialog .toast")).to_contain_text("这是记录 7")
    records.page.keyboard.press("Escape")
    plain.write_bytes(noise_image("png"))
    held: list[Route] = []
    records.page.route("**/api/records/find-by-file", lambda route: held.append(route), times=1)
    records.paste(plain)
    overlay = records.page.locator("[data-drop-overlay]")
    expect(overlay).to_have_text("正在找这张图的记录")
    held.pop().continue_()
    expect(overlay).to_be_hidden()
    expect(dialog).to_contain_text("这张图不在记录里")
    dialog.get_by_role("button", name="关闭").last.click()
    seed_records(tmp_path / "elsewhere", 3, prompts=["", "别处画的猫"])
    records.drop(tmp_path / "elsewhere" / "output" / "图-2.jpg")
    expect(dialog).to_contain_text("别处画的猫")
    dialog.get_by_role("button", name="用这些参数生成").click()
    expect(records.page.locator("#prompt")).to_have_value("别处画的猫")


def test_details_that_fail_to_load_are_reported_beside_the_image_and_retried(records: RecordsPage) -> None:
    page = records.page
    page.route("**/details?*", lambda route: route.abort())
    large = records.open_lightbox(60)
    records.expect_full_image(60)
    page.keyboard.press("i")
    expect(large.locator("[data-details-error]")).to_contain_text("连不上服务，请确认程序还在运行")
    page.unroute("**/details?*")
    large.locator("[data-details-retry]").click()
    expect(large.locator("[data-prompt]")).to_contain_text("第 60 稿")
    expect(large.locator("[data-details-error]")).to_be_hidden()


def test_results_appear_while_typing_and_the_url_follows(records: RecordsPage) -> None:
    records.expect_total("共 60 条")
    records.page.keyboard.press("/")
    records.page.keyboard.type("夜市")
    records.expect_total("找到 10 条")
    records.expect_query(search="夜市")
    expect(records.page.locator("[data-search]")).to_be_focused()
    expect(records.page.locator("[data-announcer]")).to_have_text("找到 10 条")
    records.page.reload()
    records.expect_total("找到 10 条")
    records.search("没有这个词")
    expect(records.page.locator(".empty")).to_contain_text("暂无记录")
    expect(records.page.locator(".empty")).to_contain_text("没有这个词")
    records.page.get_by_role("link", name="查看全部").click()
    records.expect_total("共 60 条")


def test_the_lightbox_zooms_and_is_panned_by_the_main_button_only(records: RecordsPage) -> None:
    image, mouse = records.open_lightbox(60).locator("[data-viewer-image]"), records.page.mouse
    mouse.move(500, 300)
    mouse.down()
    mouse.move(510, 500)  # a finger would close it
    mouse.up()
    records.expect_position("1 / 60")
    image.hover()
    mouse.wheel(0, -300)
    expect(image).to_have_attribute("style", "transform: translate(0px, 0px) scale(2.71828);")
    for button in ("right", "middle", "left"):
        mouse.move(500, 400)
        mouse.down(button=button)
        mouse.move(540, 400)
        mouse.up(button=button)
        moved = 40 if button == "left" else 0
        expect(image).to_have_attribute("style", re.compile(rf"translate\({moved}px"))
    records.page.keyboard.press("0")
    expect(records.page.locator(".viewer-canvas.is-zoomed")).to_have_count(0)
    image.dblclick()
    expect(records.page.locator(".viewer-canvas.is-zoomed")).to_be_visible()


def test_two_images_are_compared_and_judged_and_a_failure_is_shown_on_the_image_and_can_be_retried(
    own_records: RecordsPage,
) -> None:
    page = own_records.page
    compare = page.locator("dialog[data-compare]")
    names = compare.locator("[data-side]:visible [data-name]")
    word = compare.locator("[data-side]:visible [data-viewer-message]").last
    own_records.open_lightbox(60)
    page.keyboard.press("c")
    expect(names).to_have_text(["记录 60", "记录 59"])
    page.keyboard.press("ArrowRight")
    expect(names).to_have_text(["记录 60", "记录 58"])
    page.keyboard.press("+")
    expect(compare.locator(".viewer-canvas.is-zoomed")).to_have_count(2)
    page.keyboard.press("1")
    page.keyboard.press("p")
    kept = compare.locator("[data-side]").first.get_by_role("button", name="留下")
    expect(kept).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(own_records.lightbox().get_by_role("button", name="留下")).to_have_attribute(
        "aria-pressed", "true"
    )
    own_records.expect_position("1 / 60")
    page.keyboard.press("c")
    expect(names).to_have_text(["记录 60", "记录 59"])
    broken: set[str] = set()  # a single route: removing and adding one could miss a request

    def fail_if_broken(route: Route) -> None:
        route.abort() if route.request.url.rpartition("/")[2] in broken else route.continue_()

    page.route("**/api/records/*", fail_if_broken)
    for key, after in (("p", "59"), ("x", "58"), ("z", "59")):
        broken.add("pick")
        page.keyboard.press(key)
        message = compare.locator(".toast") if key == "z" else word
        expect(message).to_contain_text("连不上服务，请确认程序还在运行")
        broken.clear()
        with page.expect_response("**/api/records/pick"):
            page.keyboard.press(key)
        expect(compare.get_by_text("连不上服务，请确认程序还在运行")).to_be_hidden()
        expect(names).to_have_text(["记录 60", f"记录 {after}"])
    own_records.expect_total("共 60 条")


def test_the_whole_result_is_selected_exported_marked_deleted_and_restored(
    own_records: RecordsPage, server: ServerProcess
) -> None:
    bar = own_records.selection_bar()
    own_records.search("夜市")
    own_records.expect_total("找到 10 条")
    own_records.page.get_by_label("选择本页全部").check()
    expect(bar).to_contain_text("已选 10 条")
    with own_records.page.expect_download() as started:
        own_records.press_more("导出 Excel")
    with started.value.path().open("rb") as file:
        assert load_workbook(file).worksheets[0].max_row == 11
    own_records.search("")
    own_records.expect_total("共 60 条")
    expect(bar).to_be_hidden()
    own_records.pick(60)
    bar.get_by_role("button", name="选择全部 60 条").click()
    own_records.unpick(59)
    expect(bar).to_contain_text("已选 59 条")
    bar.get_by_role("button", name="留下").click()
    expect(own_records.page.locator(".toast").last).to_contain_text("已留下 59 条")
    assert server.get("/api/records?pick=keep")["total"] == 59
    own_records.open()
    own_records.pick(60)
    bar.get_by_role("button", name="选择全部 60 条").click()
    bar.get_by_role("button", name="🗑️ 删除").click()
    expect(own_records.page.locator(".empty")).to_contain_text("暂无记录")
    expect(own_records.page.locator("[data-total-label]")).to_be_focused()
    own_records.undo()
    own_records.expect_total("共 60 条")
    assert server.get("/api/records?trash=1")["total"] == 0


def test_new_images_are_announced_shown_on_request_and_not_part_of_what_was_selected(
    own_records: RecordsPage, server: ServerProcess
) -> None:
    page = own_records.page
    page.get_by_label("选择本页全部").check()
    own_records.selection_bar().get_by_role("button", name="选择全部 60 条").click()
    made = server.post("/api/batch-generate", {"prompt": "后来的"})["images"][0]["record_id"]
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # opened again
    page.get_by_role("button", name="有 1 条新的，刷新").click()
    own_records.expect_total("共 61 条")
    expect(page.locator("[data-total-label]")).to_be_focused()
    expect(own_records.records().first).to_contain_text("后来的")
    expect(own_records.record(made).locator("[data-select]")).not_to_be_checked()
    expect(own_records.selection_bar()).to_contain_text("已选 60 条")
    own_records.selection_bar().get_by_role("button", name="🗑️ 删除").click()
    own_records.expect_total("共 1 条")
    expect(own_records.record(made)).to_be_visible()


def test_the_keyboard_moves_selects_deletes_and_undoes(own_records: RecordsPage) -> None:
    page = own_records.page
    page.keyboard.press("ArrowDown")
    expect(own_records.record(60).locator("[data-image-url]")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(own_records.record(59).locator("[data-select]")).to_be_checked()
    page.keyboard.press("Escape")
    expect(own_records.selection_bar()).to_be_hidden()
    page.route("**/api/records/delete", lambda route: route.abort())
    error = own_records.record(59).locator("[data-error]")
    page.keyboard.press("Delete")
    expect(error).to_have_text("连不上服务，请确认程序还在运行")
    page.unroute("**/api/records/delete")
    page.keyboard.press("Delete")
    expect(own_records.record(59)).to_have_count(0)
    expect(own_records.record(58).locator("[data-image-url]")).to_be_focused()
    expect(page.locator(".toast")).to_contain_text("已删除 1 条")
    own_records.undo()
    own_records.expect_total("共 60 条")


def test_a_deleted_record_is_restored_by_its_image_and_from_the_trash(
    own_records: RecordsPage, server: ServerProcess
) -> None:
    page, record = own_records.page, own_records.record(60)
    record.get_by_role("button", name="🗑️ 删除").click()
    own_records.expect_total("共 59 条")
    own_records.drop(server.data_dir / "output" / "图-60.jpg")
    dialog = page.locator("dialog[data-dialog=file]")
    expect(dialog).to_contain_text("这张图的记录在回收站里")
    dialog.get_by_role("button", name="恢复").click()
    expect(dialog).to_be_hidden()
    own_records.expect_total("共 60 条")
    record.get_by_role("button", name="🗑️ 删除").click()
    own_records.expect_total("共 59 条")
    page.locator(".records-end summary").click()
    page.get_by_role("link", name="回收站").click()
    expect(record).to_contain_text("还留 29 天")
    expect(record.locator("img")).not_to_have_js_property("naturalWidth", 0)
    expect(page.locator("[data-records-page][data-ready]")).to_have_count(1)
    record.get_by_role("button", name="恢复").click()
    expect(page.locator(".empty")).to_contain_text("回收站是空的")


def test_what_is_deleted_in_the_lightbox_or_in_another_tab_is_gone(
    own_records: RecordsPage, server: ServerProcess
) -> None:
    page = own_records.page
    server.post("/api/records/delete", {"ids": [60]})
    large = own_records.open_lightbox(60)
    expect(page).to_have_url(re.compile("record=60"))
    page.keyboard.press("Delete")
    expect(large.locator(".toast")).to_contain_text("可能已经删掉了")
    own_records.expect_position("1 / 59")
    page.keyboard.press("z")
    expect(large.locator(".toast").last).to_contain_text("没有可以撤销的")
    assert server.get("/api/records?trash=1")["total"] == 1
    page.keyboard.press("Delete")
    own_records.expect_position("1 / 58")
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(re.compile("record="))
    expect(page.locator("[data-permalink]")).to_have_count(0)


def test_the_url_of_a_record_opens_it_or_leads_to_its_row(records: RecordsPage) -> None:
    records.page.goto(f"{records.address}/records/7")
    records.expect_position("记录 7")
    records.page.keyboard.press("ArrowRight")
    records.expect_position("记录 6")
    records.expect_query(record="6")
    records.page.keyboard.press("Escape")
    expect(records.page.locator("[data-permalink]")).to_contain_text("记录 6")
    records.page.goto(f"{records.address}/records?record=58")
    records.expect_position("3 / 60")
    records.page.goto(f"{records.address}/records/4711")
    expect(records.page.locator("main")).to_contain_text("没有编号 4711 的记录")
    records.open("?record=13&limit=60")
    expect(records.record(13)).to_contain_text(FAILURE)
    expect(records.record(13)).to_be_in_viewport()
    expect(records.record(13).locator("[data-select]")).to_be_focused()


def test_a_missing_image_says_so_in_list_lightbox_and_comparison_and_can_be_retried(
    own_records: RecordsPage, server: ServerProcess, tmp_path: Path
) -> None:
    page, output, away = own_records.page, server.data_dir / "output", tmp_path / "away"
    away.mkdir()
    for number in (20, 59):
        shutil.move(output / f"图-{number}.jpg", away)
        (output / f".thumbnails/0/{number}.webp").unlink()
    own_records.open("?page=3")
    missing = own_records.record(20).locator("[data-gone]")
    expect(missing).to_contain_text("加载失败")
    again = missing.get_by_role("button", name="重试", exact=True)
    with page.expect_response(re.compile("/thumbnails/20")):
        again.click()
    expect(again).to_be_visible()
    shutil.move(away / "图-20.jpg", output)
    again.click()
    expect(own_records.record(20).locator("img")).to_be_visible()
    own_records.expect_total("共 60 条")

    own_records.open("?record=59")
    large = own_records.lightbox()
    expect(large).to_contain_text("加载失败")
    page.keyboard.press("c")
    expect(page.locator("dialog[data-compare] [data-side]").first).to_contain_text("加载失败")
    page.keyboard.press("Escape")
    shutil.move(away / "图-59.jpg", output)
    large.get_by_role("button", name="重试").click()
    expect(large.locator("[data-viewer-image]")).to_be_visible()
    expect(large.locator("[data-viewer-message]")).to_be_hidden()


def test_the_page_shows_enough_without_scrolling(records: RecordsPage) -> None:
    visible = """rows => {
      const end = document.querySelector(".pagination-pages")?.getBoundingClientRect().top ?? innerHeight;
      return rows.filter((row) => row.getBoundingClientRect().bottom <= end).length;
    }"""
    assert records.records().evaluate_all(visible) >= 8
    records.open("?view=grid")
    assert records.records().evaluate_all(visible) >= 24


@pytest.mark.parametrize("width", [1440, 390])
def test_the_layout_is_stable_while_loading_and_typing(
    new_page: NewPage, archive_server: ServerProcess, width: int
) -> None:
    shown = RecordsPage(new_page(width, 844), archive_server.address)
    shown.page.add_init_script(_SHIFTS)
    for view in ("table", "grid"):
        shown.open(f"?view={view}")
        shown.page.wait_for_load_state("networkidle")
        shown.page.locator("[data-search]").press_sequentially("夜市，水彩")
        shown.expect_total("找到 2 条")
        shown.page.wait_for_load_state("networkidle")
        assert shown.page.evaluate("shifted") < 0.05


def test_the_page_works_without_javascript(new_page: NewPage, server: ServerProcess) -> None:
    page = new_page(java_script_enabled=False)
    page.goto(f"{server.address}/records")
    page.locator("[data-search]").fill("夜市")
    page.get_by_role("button", name="搜索").click()
    expect(page.locator("[data-total-label]")).to_have_text("找到 10 条")
    page.locator("summary[data-focus-key=status]").click()
    page.locator(".filter-choice").filter(has_text="失败").click()
    expect(page.locator("[data-total-label]")).to_have_text("找到 1 条")
    page.get_by_role("button", name="🗑️ 删除", exact=True).first.click()
    expect(page.locator("[data-total-label]")).to_have_text("找到 0 条")
    page.goto(f"{server.address}/records?trash=1")
    page.locator("[name=ids]").first.check()
    page.get_by_role("button", name="恢复勾选的").click()
    expect(page.locator(".empty")).to_contain_text("回收站是空的")
    page.goto(f"{server.address}/records")
    for number in (60, 58):
        page.locator(f"[name=ids][value='{number}']").check()
    with page.expect_download() as started:
        page.get_by_role("button", name="下载勾选的 ZIP").click()
    with zipfile.ZipFile(started.value.path()) as bundle:
        assert set(bundle.namelist()) == {"图-60.jpg", "图-58.jpg", "生成记录.xlsx"}


def test_deselected_records_stay_deselected_and_return_after_a_failure(
    own_records: RecordsPage,
) -> None:
    page, bar = own_records.page, own_records.selection_bar()
    held_routes: list[Route] = []
    page.route("**/api/records/ids?**", lambda route: held_routes.append(route))
    own_records.pick(60)
    bar.get_by_role("button", name="选择全部 60 条").click()
    with page.expect_request("**/api/records/ids?**"):
        own_records.unpick(59, 58)
    expect(bar).to_contain_text("正在取编号…")
    bar.get_by_role("button", name="🗑️ 删除").click()
    held_routes.pop().abort()
    expect(bar).to_contain_text("连不上服务")
    expect(bar).to_contain_text("已选 60 条")
    expect(own_records.record(59).locator("[data-select]")).to_be_checked()
    with page.expect_request("**/api/records/ids?**"):
        own_records.unpick(59, 58)
    expect(bar).to_contain_text("正在取编号…")
    held_routes.pop().continue_()
    expect(bar).to_contain_text("已选 58 条")
    bar.get_by_role("button", name="🗑️ 删除").click()
    own_records.expect_total("共 2 条")
    expect(own_records.record(59)).to_be_visible()
    assert held_routes == []


def test_index_progress_is_shown_until_complete(own_records: RecordsPage, server: ServerProcess) -> None:
    with closing(database.connect(server.data_dir / "generation_records.db")) as db:
        with database.transaction(db):
            db.executemany("INSERT INTO generation_records (prompt) VALUES (?)", [("草稿",)] * 4_000)
        db.execute("BEGIN IMMEDIATE")  # no writes are possible: the index makes no progress
        own_records.open("?search=草稿")
        own_records.expect_total("找到 4,000 条")
        expect(own_records.page.locator("[data-indexing]")).to_contain_text("/ 4,060")
        db.execute("ROLLBACK")
    expect(own_records.page.locator("[data-indexing]")).to_have_count(0)
    own_records.expect_total("找到 4,000 条")
