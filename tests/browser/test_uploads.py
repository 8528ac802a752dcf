"""Uploads into the library: many, slow, failing; dropped, pasted, chosen."""

from playwright.sync_api import FilePayload, Page, Route, expect

from tools.fakes.oss import FakeOss
from tools.pages.samples_page import Picker, SamplesPage, image_file
from tools.pages.studio_page import StudioPage
from tools.server_process import ServerProcess

THIRTY = [f"第 {number} 张 🍵.png" for number in range(1, 31)]
BROKEN: FilePayload = {"name": "坏的.png", "mimeType": "image/png", "buffer": b"nonsense"}


def announcements(page: Page) -> list[str]:
    """The live-region texts since ``listen``."""
    texts: list[str] = page.evaluate("heard")
    return texts


def listen(page: Page) -> None:
    """Record the live-region texts."""
    page.evaluate(
        """() => {
          globalThis.heard = [];
          const place = document.querySelector("[data-announcer]");
          new MutationObserver(() => heard.push(place.textContent)).observe(place, { childList: true });
        }"""
    )


def counted_library(page: Page, server: ServerProcess) -> SamplesPage:
    """示例图 of a bucket, once its list was read."""
    library = SamplesPage(page, server.address)
    library.open()
    expect(page.locator("[data-counted]")).to_be_visible()
    return library


class Throttle:
    """Limits uploads to this many bytes a second until ended."""

    def __init__(self, page: Page, bytes_a_second: int) -> None:
        self._page = page
        self._wire = page.context.new_cdp_session(page)
        self._take(bytes_a_second)

    def end(self) -> None:
        """Remove the limit, also for uploads under way."""
        self._page.evaluate("fetch('/api/models')")  # Chromium closes those before it asks this
        self._take(-1)

    def _take(self, bytes_a_second: int) -> None:
        line = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_a_second}
        self._wire.send("Network.emulateNetworkConditions", line)


def test_thirty_dropped_files_all_arrive_with_progress_announced(library: SamplesPage) -> None:
    listen(library.page)
    library.drop(*(image_file(name) for name in THIRTY))
    library.page.wait_for_function("() => heard.at(-1)?.startsWith('上传完成')", timeout=60_000)
    expect(library.samples()).to_have_count(30)
    expect(library.uploads.place).to_be_hidden()
    library.expect_count("共 30 张")
    first, *between, last = announcements(library.page)
    assert (first, last) == ("开始上传 30 个文件", "上传完成：完成 30 / 30")
    assert [words.rpartition("剩 ")[2] for words in between] == ["22", "15", "7"]
    library.open()
    assert set(library.names()) == set(THIRTY)


def test_failed_uploads_keep_their_reason_and_offer_a_useful_retry(
    page: Page, oss_server: ServerProcess, oss: FakeOss
) -> None:
    library = counted_library(page, oss_server)
    oss.fail_next("500", operation="put", times=2)
    good = [image_file(f"{number}.png") for number in range(5)]
    library.upload(*good, BROKEN)
    library.uploads.expect_sum("完成 3 / 6 · 失败 3")
    expect(library.uploads.lines()).to_have_count(3)
    expect(library.uploads.place.get_by_text("OSS 暂时忙不过来")).to_have_count(2)
    bad = library.uploads.line("坏的.png")
    expect(bad).to_contain_text("这不是可用的图片")
    expect(bad.get_by_text("重试")).to_be_hidden()
    library.uploads.press("全部重试")
    expect(library.samples()).to_have_count(5)
    expect(library.uploads.lines()).to_have_count(1)
    library.uploads.press("关闭 坏的.png")
    expect(library.uploads.place).to_be_hidden()


def test_a_slow_upload_shows_progress_and_warns_before_leaving(library: SamplesPage) -> None:
    page = library.page
    page.get_by_role("heading", name="示例图", exact=True).click()  # no warning without an action
    line = Throttle(page, 50_000)
    library.upload(image_file("大.png", (1200, 900)))
    library.uploads.expect_sum("还要约")
    library.uploads.wait_until_partly_sent("大.png")
    with page.expect_event("dialog") as question:
        page.close(run_before_unload=True)
    assert question.value.type == "beforeunload"
    question.value.dismiss()
    line.end()
    library.expect_names("大.png")
    expect(library.uploads.place).to_be_hidden()


def test_an_image_is_pasted_into_the_library_and_the_same_one_is_stored_once(library: SamplesPage) -> None:
    same = image_file("image.png")
    library.paste(same)
    library.expect_names("image.png")
    library.expect_image_loaded("image.png")
    library.drop({**same, "name": "又一次.png"})
    expect(library.uploads.line("又一次.png")).to_contain_text("已有同一张示例图：image.png")
    library.expect_names("image.png")


def test_files_dropped_pasted_or_opened_in_the_picker_are_uploaded_and_chosen_in_order(
    page: Page, demo_server: ServerProcess
) -> None:
    picker = Picker(page)
    picker.open_on_index(demo_server.address)
    picker.drop(image_file("甲.png"), image_file("乙.png"), BROKEN)
    picker.expect_chosen("甲.png", "乙.png")
    expect(picker.uploads.line("坏的.png")).to_contain_text("这不是可用的图片")
    picker.paste(image_file("丙.png"))
    picker.expect_chosen("甲.png", "乙.png", "丙.png")
    picker.dialog.get_by_role("button", name="全部移除").click()
    picker.expect_chosen()
    picker.pick("甲.png")
    picker.dialog.locator("[data-picker-file]").set_input_files(image_file("丁.png"))
    picker.expect_chosen("甲.png", "丁.png")
    expect(picker.uploads.line("坏的.png")).to_contain_text("这不是可用的图片")
    picker.confirm()
    expect(page.locator("[data-references] .reference")).to_have_count(2)


def large(*names: str) -> list[FilePayload]:
    """Images that take long at the limited rate."""
    return [image_file(name, (700, 500)) for name in names]


def test_one_of_three_uploads_is_cancelled_and_the_rest_continue(
    page: Page, oss_server: ServerProcess, oss: FakeOss
) -> None:
    library = counted_library(page, oss_server)
    listen(page)
    line = Throttle(page, 20_000)
    library.upload(*large("甲.png", "乙.png", "丙.png"))
    library.uploads.expect_sum("完成 0 / 3 · 剩 3")
    library.uploads.wait_until_partly_sent("乙.png")
    library.uploads.button("取消 乙.png").press("Enter")
    library.uploads.expect_sum("完成 0 / 2 · 剩 2")
    expect(library.uploads.lines()).to_have_count(2)
    expect(library.uploads.button("取消 丙.png")).to_be_focused()
    assert announcements(page)[-1] == "已取消上传 乙.png"
    line.end()
    expect(page.locator(".toast")).to_contain_text("已加入 2 张示例图")
    expect(library.uploads.place).to_be_hidden()
    expect(page.locator("[data-files]")).to_be_focused()  # the focused line has been removed
    assert set(library.names()) == {"甲.png", "丙.png"}
    assert not [key for key in oss.objects if "乙" in key]
    assert oss.count("put") == len(oss.objects)
    assert announcements(page)[-1] == "上传完成：完成 2 / 2"


def test_all_uploads_are_cancelled_and_nothing_is_stored(
    library: SamplesPage, demo_server: ServerProcess
) -> None:
    page = library.page
    listen(page)
    library.upload(BROKEN)
    expect(library.uploads.line("坏的.png")).to_contain_text("这不是可用的图片")
    line = Throttle(page, 20_000)
    library.upload(*large("甲.png", "乙.png", "丙.png", "丁.png"))  # the fourth is queued
    library.uploads.expect_sum("完成 0 / 5 · 失败 1 · 剩 4")
    library.uploads.wait_until_partly_sent("丙.png")
    library.uploads.press("全部取消")
    assert announcements(page)[-1] == "已取消上传 4 个文件"
    expect(library.uploads.lines()).to_have_count(1)
    expect(library.uploads.button("关闭 坏的.png")).to_be_focused()
    page.keyboard.press("Enter")
    expect(library.uploads.place).to_be_hidden()
    expect(page.locator("[data-files]")).to_be_focused()
    line.end()
    library.upload(image_file("后来.png"))
    library.expect_names("后来.png")
    library.open()
    library.expect_names("后来.png")
    stored = [path.name for path in (demo_server.data_dir / "samples").rglob("*") if path.is_file()]
    assert len(stored) == 2, stored  # the picture and its thumbnail


def test_an_upload_complete_before_its_cancellation_is_kept(
    page: Page, oss_server: ServerProcess, oss: FakeOss
) -> None:
    library = counted_library(page, oss_server)
    oss.fail_next("slow", operation="put", seconds=1)
    library.upload(image_file("茶.png"))
    expect(library.uploads.line("茶.png")).to_contain_text("正在检查和保存…")
    library.uploads.press("取消 茶.png")
    expect(library.uploads.place).to_be_hidden()
    library.expect_names("茶.png")
    expect(library.uploads.place).to_be_hidden()


def test_in_the_picker_escape_keeps_uploads_and_cancel_stops_them(
    page: Page, demo_server: ServerProcess
) -> None:
    picker = Picker(page)
    picker.open_on_index(demo_server.address)
    line = Throttle(page, 20_000)
    picker.drop(*large("甲.png", "乙.png"))
    picker.uploads.wait_until_partly_sent("甲.png")
    picker.uploads.button("取消 甲.png").press("Escape")
    expect(picker.dialog).to_be_hidden()
    page.locator("[data-open-picker]").click()
    expect(picker.uploads.lines()).to_have_count(2)
    picker.uploads.button("取消 甲.png").press("Enter")
    expect(picker.uploads.button("取消 乙.png")).to_be_focused()
    picker.uploads.wait_until_partly_sent("乙.png")  # it has started
    picker.uploads.button("取消 乙.png").press("Enter")
    expect(picker.uploads.place).to_be_hidden()
    expect(picker.dialog.locator("[data-picker-upload]")).to_be_focused()
    line.end()
    picker.drop(image_file("丙.png"))
    picker.expect_chosen("丙.png")
    picker.expect_names("丙.png")


def test_a_reference_removed_while_uploading_is_aborted(page: Page, demo_server: ServerProcess) -> None:
    studio = StudioPage(page, demo_server.address)
    studio.open()
    pick = page.locator("[data-references] input[type=file]")
    line = Throttle(page, 20_000)
    with page.expect_event("requestfailed", lambda request: "sample-images" in request.url) as stopped:
        pick.set_input_files(large("甲.png"))
        expect(page.locator("[data-references] .is-uploading")).to_have_count(1)
        page.get_by_role("button", name="移除参考图 1：甲.png").press("Enter")
    assert stopped.value.failure == "net::ERR_ABORTED"
    expect(studio.references()).to_have_count(0)
    expect(page.locator("[data-select]")).to_be_focused()
    line.end()
    pick.set_input_files(image_file("乙.png"))
    expect(studio.references()).to_have_count(1)
    expect(page.locator("[data-references] .is-uploading")).to_have_count(0)
    assert [image["filename"] for image in demo_server.get("/api/sample-images")["images"]] == ["乙.png"]


def test_a_defect_while_one_file_is_shown_does_not_stop_the_others(library: SamplesPage) -> None:
    answered: list[str] = []

    def answer(route: Route) -> None:
        answered.append(route.request.url)
        if route.request.method == "POST" and len(answered) == 1:
            route.fulfill(json={"success": True})  # without its image
        else:
            route.continue_()

    library.page.route("**/api/sample-images", answer)
    library.drop(*(image_file(name) for name in THIRTY[:6]))
    expect(library.samples()).to_have_count(5)
    failed = library.uploads.place.locator("[data-upload-list] .upload-status")
    expect(failed).to_have_text("这一页显示出错了，生成不受影响，请刷新页面")
