"""The four tasks by keyboard alone: a first image, a batch, an image found, a key tested."""

import re
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook
from playwright.sync_api import Locator, Page, expect

from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage
from tools.pages.records_page import RecordsPage
from tools.pages.studio_page import StudioPage
from tools.server_process import ServerProcess

FARTHEST = 60  # stops of Tab


class Keys:
    """A user without a mouse."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def reach(self, place: Locator) -> None:
        """Tab until it has the focus; leave the table, where Tab moves between cells, with Esc."""
        expect(place).to_be_visible()
        self.page.wait_for_load_state()  # of the page that the last key led to
        for _ in range(FARTHEST):
            if place.evaluate("element => element === document.activeElement"):
                return
            if self.page.locator("[data-table-editor]:focus").count():
                self.page.keyboard.press("Escape")
            self.page.keyboard.press("Tab")
        pytest.fail(f"Tab does not lead to {place}")

    def press(self, place: Locator, key: str = "Enter") -> None:
        """Tab to it and press Enter."""
        self.reach(place)
        self.page.keyboard.press(key)

    def type(self, *keys: str) -> None:
        """Press keys one by one; anything that is no key name is typed as text."""
        for key in keys:
            if key.isascii() and key[0].isupper():
                self.page.keyboard.press(key)
            else:
                self.page.keyboard.type(key)


@pytest.fixture
def keys(page: Page) -> Keys:
    return Keys(page)


def test_a_first_image_is_generated_and_viewed_by_keyboard(
    demo_server: ServerProcess, page: Page, keys: Keys
) -> None:
    studio = StudioPage(page, demo_server.address)
    studio.open()
    keys.reach(page.get_by_label("提示词").first)
    keys.type("一只橘猫趴在窗台上看雨", "Control+Enter")
    studio.wait_for_images(1)
    picture = page.locator("a.result-card-frame")
    keys.press(picture)
    expect(page.locator("dialog[data-lightbox]")).to_be_visible()
    keys.type("Escape")
    expect(picture).to_be_focused()


def test_a_workbook_is_generated_by_keyboard(
    server: ServerProcess, jimeng: FakeJimeng, page: Page, keys: Keys, tmp_path: Path
) -> None:
    batch = BatchPage(page, server.address)
    batch.open()
    with page.expect_file_chooser() as chooser:
        keys.press(page.get_by_role("button", name="📂 导入 Excel"))
    chooser.value.set_files(workbook(tmp_path / "十一月.xlsx"))
    expect(batch.report()).to_contain_text("1 处要改")
    keys.press(page.get_by_role("button", name="第 3 行 图片比例"))
    expect(page.locator("[data-footer-error]")).to_contain_text("7:5")
    keys.type("4:3", "Enter")
    expect(batch.bad_cells()).to_have_count(0)
    keys.type("Escape", "Control+Enter")
    jimeng.latency = 600.0  # nothing finishes before the pause
    keys.reach(page.locator("[data-order-yes]"))
    page.wait_for_timeout(500)  # until then it takes no key
    keys.type("Enter")

    keys.press(batch.run_button("pause"))
    jimeng.latency = 0.1
    keys.press(batch.run_button("resume"))
    batch.expect_figures("7 张做好，1 张没有成功")
    results = page.locator("[data-run-results]")
    keys.press(page.locator("[data-command=more]"))
    while not results.evaluate("link => link === document.activeElement"):
        keys.type("ArrowDown")
    with page.expect_download() as download:
        keys.type("Enter")
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert load_workbook(file).worksheets[0].max_row == 9


def workbook(file: Path) -> Path:
    """Eight rows, one with an invalid ratio, one that the service refuses."""
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(("提示词", "图片比例", "分辨率"))
    for number in range(1, 9):
        prompt = f"第 {number} 款" + ("违禁" if number == 3 else "")
        sheet.append((prompt, "7:5" if number == 2 else "1:1", "1K"))
    book.save(file)
    return file


def test_an_image_is_found_and_downloaded_by_keyboard(
    archive_server: ServerProcess, page: Page, keys: Keys
) -> None:
    records = RecordsPage(page, archive_server.address)
    records.open()
    records.pick(60)
    keys.type("/")
    expect(page.locator("[data-search]")).to_be_focused()
    keys.type("夜市")
    records.expect_query(search="夜市")  # for both letters: the list is final
    records.expect_total("找到 10 条")
    keys.type("ArrowDown", "Enter")
    records.expect_position("1 / 10")
    with page.expect_download() as download:
        keys.type("d")
    assert download.value.suggested_filename == "图-57.jpg"
    keys.type("Escape")
    expect(records.record(57).locator("[data-image-url]")).to_be_focused()


def test_a_key_is_tested_from_the_top_bar_by_keyboard(
    server: ServerProcess, jimeng: FakeJimeng, page: Page, keys: Keys
) -> None:
    page.goto(f"{server.address}/records")
    keys.press(page.locator(".status-summary"))
    keys.press(page.get_by_role("link", name="测试密钥"))
    page.wait_for_url(re.compile("/model"))  # and for its script
    test, result = page.get_by_role("button", name="测试密钥"), page.locator("#jimeng [data-result]")
    jimeng.fail_next("slow", step="poll", seconds=1.0)
    keys.press(test)
    expect(result).to_contain_text("正在测试")
    expect(result).to_contain_text("密钥有效")
    jimeng.entitled = False
    keys.press(test)
    expect(page.locator("#jimeng [data-result].is-bad")).to_contain_text("开通")
    assert jimeng.charges == 0


def test_updates_keep_the_focus_in_the_status_panel_and_esc_restores_it(
    demo_server: ServerProcess, page: Page, keys: Keys
) -> None:
    studio = StudioPage(page, demo_server.address)
    studio.open()
    summary = page.locator(".status-summary")
    keys.press(summary)
    link = page.get_by_role("banner").get_by_role("link", name="设置密钥")
    keys.reach(link)
    before = page.locator(".status").get_attribute("data-version")
    demo_server.post("/api/batch-generate", {"prompt": "别处画的"})
    studio.focus_tab()
    expect(page.locator(".status")).not_to_have_attribute("data-version", before or "")
    expect(link).to_be_focused()
    keys.type("Escape")
    expect(link).to_be_hidden()
    expect(summary).to_be_focused()
