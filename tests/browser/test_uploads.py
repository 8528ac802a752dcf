"""Files on their way into the library in real Chromium: many, slow, failing; dropped, pasted, chosen."""

from playwright.sync_api import FilePayload, Page, expect

from tests.browser.samples_page import Picker, SamplesPage, picture
from tests.fakes.oss import FakeOss
from tests.house_process import HouseProcess

THIRTY = [f"第 {number} 张 🍵.png" for number in range(1, 31)]
BROKEN: FilePayload = {"name": "坏的.png", "mimeType": "image/png", "buffer": b"nonsense"}


def said(page: Page) -> list[str]:
    """What a screen reader was told since ``listen``."""
    told: list[str] = page.evaluate("heard")
    return told


def listen(page: Page) -> None:
    """Note what a screen reader is told."""
    page.evaluate(
        """() => {
          globalThis.heard = [];
          const place = document.querySelector("[data-announcer]");
          new MutationObserver(() => heard.push(place.textContent)).observe(place, { childList: true });
        }"""
    )


class SlowLine:
    """A line that takes so many bytes a second, until it ends."""

    def __init__(self, page: Page, bytes_a_second: int) -> None:
        self._wire = page.context.new_cdp_session(page)
        self._take(bytes_a_second)

    def end(self) -> None:
        """As fast as it goes, also for what is on its way."""
        self._take(-1)

    def _take(self, bytes_a_second: int) -> None:
        line = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_a_second}
        self._wire.send("Network.emulateNetworkConditions", line)


def test_thirty_files_let_go_at_once_all_arrive_and_a_screen_reader_hears_of_each_quarter(
    library: SamplesPage,
) -> None:
    listen(library.page)
    library.drop(*(picture(name) for name in THIRTY))
    library.page.wait_for_function("() => heard.at(-1)?.startsWith('上传完了')", timeout=60_000)
    expect(library.samples()).to_have_count(30)
    expect(library.uploads.place).to_be_hidden()
    library.expect_count("共 30 张")
    first, *between, last = said(library.page)
    assert (first, last) == ("开始上传 30 个文件", "上传完了：完成 30 / 30")
    assert [words.rpartition("剩 ")[2] for words in between] == ["22", "15", "7"]
    library.open()
    assert set(library.names()) == set(THIRTY)


def test_what_failed_stays_with_its_reason_and_is_tried_again_where_that_may_help(
    page: Page, in_oss: HouseProcess, oss: FakeOss
) -> None:
    library = SamplesPage(page, in_oss.address)
    library.open()
    expect(page.locator("[data-counted]")).to_be_visible()
    oss.fail_next("500", deed="put", times=2)
    good = [picture(f"{number}.png") for number in range(5)]
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


def test_one_file_is_tried_again_once_the_house_is_back(library: SamplesPage, demo: HouseProcess) -> None:
    demo.kill()
    library.upload(picture("茶.png"))
    expect(library.uploads.line("茶.png")).to_contain_text("连不上服务")
    demo.start()
    library.uploads.press("重试 茶.png")
    library.expect_names("茶.png")
    expect(library.uploads.place).to_be_hidden()


def test_a_slow_line_shows_how_far_and_how_long_and_warns_before_leaving(library: SamplesPage) -> None:
    page = library.page
    page.get_by_role("heading", name="示例图", exact=True).click()  # nobody is warned who did nothing
    line = SlowLine(page, 50_000)
    library.upload(picture("大.png", (1200, 900)))
    library.uploads.expect_sum("还要约")
    bar = library.uploads.line("大.png").locator("progress")
    page.wait_for_function("bar => 0 < bar.value && bar.value < 1", arg=bar.element_handle())
    with page.expect_event("dialog") as question:
        page.close(run_before_unload=True)
    assert question.value.type == "beforeunload"
    question.value.dismiss()
    line.end()
    library.expect_names("大.png")
    expect(library.uploads.place).to_be_hidden()


def test_a_picture_in_the_clipboard_is_pasted_into_the_library(library: SamplesPage) -> None:
    library.paste(picture("image.png"))
    library.expect_names("image.png")
    library.expect_seen("image.png")


def test_the_same_picture_again_is_pointed_at_and_kept_once(library: SamplesPage) -> None:
    same = picture("茶.png")
    library.drop(same)
    library.expect_names("茶.png")
    library.drop({**same, "name": "又一次.png"})
    expect(library.uploads.line("又一次.png")).to_contain_text("库里已有同一张图：茶.png")
    library.expect_names("茶.png")


def test_what_is_dropped_or_pasted_in_the_picker_is_uploaded_and_chosen_in_that_order(
    page: Page, demo: HouseProcess
) -> None:
    picker = Picker(page)
    picker.open_on_index(demo.address)
    picker.drop(picture("甲.png"), picture("乙.png"), BROKEN)
    picker.expect_chosen("甲.png", "乙.png")
    expect(picker.uploads.line("坏的.png")).to_contain_text("这不是可用的图片")
    picker.paste(picture("丙.png"))
    picker.expect_chosen("甲.png", "乙.png", "丙.png")
    picker.pick("乙.png")
    expect(picker.uploads.line("坏的.png")).to_contain_text("这不是可用的图片")
    picker.confirm()
    expect(page.locator("[data-references] .reference")).to_have_count(2)


def test_uploads_go_on_when_the_picker_is_closed(page: Page, demo: HouseProcess) -> None:
    picker = Picker(page)
    picker.open_on_index(demo.address)
    line = SlowLine(page, 5_000)
    picker.drop(picture("甲.png", (400, 300)), picture("乙.png", (400, 300)))
    expect(picker.uploads.lines()).to_have_count(2)
    page.keyboard.press("Escape")
    expect(picker.dialog).to_be_hidden()
    line.end()
    expect(page.locator(".toast")).to_contain_text("已加入 2 张示例图", timeout=30_000)
    page.locator("[data-choose]").click()
    picker.expect_names("乙.png", "甲.png")
