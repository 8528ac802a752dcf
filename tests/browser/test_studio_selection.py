"""单图生成: several pictures selected at once, by mouse, keyboard and finger."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tools.pages.scenarios import Scenarios
from tools.pages.studio_page import StudioPage
from tools.pages.touch import press_long
from tools.server_process import ServerProcess


def open_with_pictures(page: Page, server: ServerProcess, number: int) -> StudioPage:
    """The page with that many pictures of one request."""
    server.post("/api/batch-generate", {"prompt": "选中的猫", "num_images": number})
    opened = StudioPage(page, server.address)
    opened.open()
    opened.wait_for_images(number)
    return opened


def bar(page: StudioPage) -> Locator:
    return page.page.get_by_role("region", name="选中的图片")


def tick(page: StudioPage, tile: int, *, shift: bool = False) -> None:
    page.tiles().nth(tile).hover()
    page.tiles().nth(tile).locator("[data-select]").click(modifiers=["Shift"] if shift else [])


@pytest.fixture
def pictures(demo_server: ServerProcess, page: Page) -> StudioPage:
    return open_with_pictures(page, demo_server, 4)


@pytest.fixture
def in_hand(demo_server: ServerProcess, phone: Page) -> StudioPage:
    return open_with_pictures(phone, demo_server, 2)


def test_a_range_is_kept_downloaded_and_deleted_with_undo(pictures: StudioPage) -> None:
    tick(pictures, 0)
    tick(pictures, 2, shift=True)
    expect(bar(pictures)).to_contain_text("已选 3 张")
    bar(pictures).get_by_role("button", name="留下").click()
    expect(pictures.page.locator(".result-card[data-pick=keep]")).to_have_count(3)
    expect(bar(pictures).get_by_role("button", name="取消留下")).to_be_visible()
    with pictures.page.expect_download() as download:
        bar(pictures).get_by_role("button", name="下载 ZIP").click()
    assert download.value.suggested_filename.endswith(".zip")
    bar(pictures).get_by_role("button", name="删除").click()
    expect(pictures.tiles()).to_have_count(1)
    expect(bar(pictures)).to_be_hidden()
    pictures.page.keyboard.press("Control+z")
    pictures.wait_for_images(4)
    expect(pictures.page.locator(".is-selected")).to_have_count(0)


def test_pictures_are_selected_and_rejected_by_keyboard(pictures: StudioPage) -> None:
    pictures.tiles().first.locator("a.result-card-frame").focus()
    for key in ("Space", "ArrowRight", "Space", "x"):
        pictures.page.keyboard.press(key)
    expect(pictures.page.locator(".result-card[data-pick=reject]")).to_have_count(2)
    expect(bar(pictures)).to_contain_text("已选 2 张")
    pictures.page.keyboard.press("Escape")
    expect(bar(pictures)).to_be_hidden()


def test_an_arrow_key_scrolls_where_there_is_no_result(scenarios: Scenarios, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 500})
    StudioPage(page, scenarios.empty.address).open()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowDown")
    page.wait_for_function("() => scrollY > 0")


def test_a_tap_opens_and_once_selecting_was_started_selects(in_hand: StudioPage) -> None:
    in_hand.open_lightbox().press("Escape")
    in_hand.page.get_by_role("button", name="选择", exact=True).tap()
    in_hand.tiles().last.locator("a.result-card-frame").tap()
    expect(bar(in_hand)).to_contain_text("已选 1 张")
    expect(in_hand.page.locator("dialog[data-lightbox]")).to_be_hidden()
    bar(in_hand).get_by_role("button", name="取消选择").tap()
    expect(bar(in_hand)).to_be_hidden()


def test_a_long_press_selects_and_opens_nothing(in_hand: StudioPage) -> None:
    picture = in_hand.tiles().first.locator("a.result-card-frame")
    press_long(picture, lambda: expect(bar(in_hand)).to_contain_text("已选 1 张"))
    in_hand.tiles().last.locator("a.result-card-frame").tap()
    expect(bar(in_hand)).to_contain_text("已选 2 张")
    expect(in_hand.page.locator("dialog[data-lightbox]")).to_be_hidden()


def test_on_a_phone_a_new_picture_comes_into_view_and_one_tap_leads_back(in_hand: StudioPage) -> None:
    in_hand.page.evaluate("scrollTo(0, 0)")
    in_hand.write_prompt("又一批猫")
    in_hand.set_count(2)
    in_hand.generate()
    expect(in_hand.tiles()).to_have_count(4)
    expect(in_hand.tiles().first).to_be_in_viewport(ratio=0.9)
    in_hand.page.get_by_role("button", name="回到提示词").tap()
    prompt = in_hand.page.get_by_label("提示词", exact=False).first
    expect(prompt).to_be_focused()
    expect(prompt).to_be_in_viewport(ratio=1)


def test_ctrl_a_selects_all_that_are_shown_and_again_none(pictures: StudioPage) -> None:
    pictures.tiles().first.locator("a.result-card-frame").focus()
    pictures.page.keyboard.press("Control+a")
    expect(bar(pictures)).to_contain_text("已选 4 张")
    pictures.page.keyboard.press("Control+a")
    expect(bar(pictures)).to_be_hidden()
    pictures.page.locator("#prompt").fill("猫")
    pictures.page.keyboard.press("Control+a")
    expect(bar(pictures)).to_be_hidden()
