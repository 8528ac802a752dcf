"""The large view by touch: swipe, pinch, drag, tap, close; the list by touch: what selects."""

import re

import pytest
from playwright.sync_api import Page, expect

from tools.pages.records_page import RecordsPage
from tools.pages.touch import Fingers, middle, press_long
from tools.server_process import ServerProcess


@pytest.fixture
def in_hand(phone: Page, archive_server: ServerProcess) -> RecordsPage:
    """The page on a phone."""
    return RecordsPage(phone, archive_server.address)


@pytest.fixture
def large(in_hand: RecordsPage) -> RecordsPage:
    """The second newest record in the lightbox."""
    in_hand.open("?record=59")
    in_hand.expect_position("2 / 60")
    return in_hand


def test_a_swipe_moves_and_one_down_closes_the_lightbox_but_a_short_touch_does_nothing(
    large: RecordsPage,
) -> None:
    fingers = Fingers(large.page)
    fingers.move(((300, 300), (120, 310)))
    large.expect_position("3 / 60")
    fingers.move(((120, 300), (300, 290)))
    large.expect_position("2 / 60")
    fingers.move(((200, 300), (230, 305)))
    large.expect_position("2 / 60")
    fingers.move(((200, 150), (205, 350)))
    expect(large.page.locator("dialog[data-lightbox]")).to_be_hidden()


def test_pinch_zooms_and_then_one_finger_pans(large: RecordsPage) -> None:
    fingers, image = Fingers(large.page), large.lightbox().locator("[data-viewer-image]")
    fingers.move(((175, 280), (95, 280)), ((215, 280), (295, 280)))
    expect(image).to_have_attribute("style", re.compile(r"scale\((4\.9|5)"))
    before = image.get_attribute("style")
    fingers.move(((300, 300), (200, 260)))
    large.expect_position("2 / 60")
    expect(image).not_to_have_attribute("style", before or "")
    fingers.move(((45, 280), (185, 280)), ((345, 280), (205, 280)))
    expect(large.lightbox().locator(".is-zoomed")).to_have_count(0)


def test_the_image_follows_a_finger_that_pulls_it_and_goes_back(large: RecordsPage) -> None:
    fingers, view = Fingers(large.page), large.lightbox()
    image = view.locator("[data-viewer-image]")
    fingers.move(((200, 300), (200, 360)), lifts=False)
    expect(image).to_have_attribute("style", re.compile(r"translate\(0px, 60px\) scale\(0\.9"))
    expect(view).to_have_class(re.compile(r"\bis-pulled\b"))
    fingers.lift()
    expect(image).to_have_attribute("style", "")
    expect(view).not_to_have_class(re.compile(r"\bis-pulled\b"))
    large.expect_position("2 / 60")


def test_what_is_between_two_fingers_stays_between_them(large: RecordsPage) -> None:
    image = large.lightbox().locator("[data-viewer-image]")
    middle, before, after = (195, 422), (300, 300), (250, 340)
    fingers = [((before[0] + 20 * side, before[1]), (after[0] + 60 * side, after[1])) for side in (-1, 1)]
    Fingers(large.page).move(*fingers)
    expect(image).to_have_attribute("style", re.compile("scale"))
    x, y, scale = map(float, re.findall(r"-?[\d.]+", image.get_attribute("style") or ""))
    assert scale == pytest.approx(3, abs=0.02)
    assert x == pytest.approx(after[0] - middle[0] - scale * (before[0] - middle[0]), abs=2)
    assert y == pytest.approx(after[1] - middle[1] - scale * (before[1] - middle[1]), abs=2)


def test_two_taps_zoom_one_hides_the_buttons_and_one_beside_the_image_closes(large: RecordsPage) -> None:
    fingers, view = Fingers(large.page), large.lightbox()
    zoomed, is_idle = view.locator(".is-zoomed"), re.compile(r"\bis-idle\b")
    for count in (1, 0):
        fingers.tap((150, 400), times=2)
        expect(zoomed).to_have_count(count)
    expect(view).not_to_have_class(is_idle)
    fingers.tap((150, 400))
    expect(view).to_have_class(is_idle)
    fingers.tap((150, 800))
    expect(view).not_to_have_class(is_idle)
    fingers.tap((40, 760))
    expect(view).to_be_hidden()


def test_a_long_press_selects_and_taps_select_more(in_hand: RecordsPage) -> None:
    in_hand.open()
    fingers, box = Fingers(in_hand.page), "[data-select]"
    expect(in_hand.record(60).locator(box)).to_be_hidden()

    press_long(in_hand.record(60), expect(in_hand.record(60).locator(box)).to_be_checked)
    expect(in_hand.selection_bar()).to_contain_text("已选 1 条")
    expect(in_hand.record(59).locator(box)).to_be_visible()

    fingers.tap(middle(in_hand.record(58)))
    expect(in_hand.selection_bar()).to_contain_text("已选 2 条")
    for number in (60, 58):
        fingers.tap(middle(in_hand.record(number)))
    expect(in_hand.selection_bar()).to_contain_text("点选要处理的记录")
    expect(in_hand.page.locator("dialog[open]")).to_have_count(0)

    in_hand.selection_bar().get_by_role("button", name="完成").click()
    expect(in_hand.selection_bar()).to_be_hidden()
    fingers.tap(middle(in_hand.record(58)))
    in_hand.expect_position("3 / 60")


def test_in_the_table_a_tap_on_a_row_selects_it_after_a_long_press(in_hand: RecordsPage) -> None:
    in_hand.open("?view=table")
    fingers, row = Fingers(in_hand.page), in_hand.record(60)
    press_long(row.locator("[data-image-url]"), expect(row.locator("[data-select]")).to_be_checked)
    fingers.tap(middle(in_hand.record(59).locator("[data-image-url]")))
    expect(in_hand.selection_bar()).to_contain_text("已选 2 条")
    expect(in_hand.page.locator("dialog[open]")).to_have_count(0)


def test_a_finger_that_scrolls_selects_nothing(in_hand: RecordsPage) -> None:
    in_hand.page.clock.install()
    in_hand.open()
    x, y = middle(in_hand.record(56))
    Fingers(in_hand.page).move(((x, y), (x, y - 200)), lifts=False)
    in_hand.page.wait_for_function("() => scrollY > 0")
    in_hand.page.clock.run_for(2_000)
    expect(in_hand.selection_bar()).to_be_hidden()


def test_a_button_does_the_same_as_a_long_press(in_hand: RecordsPage) -> None:
    in_hand.open()
    button = in_hand.page.get_by_role("button", name="选择", exact=True)
    button.focus()
    in_hand.page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "true")
    in_hand.pick(60, 57)
    expect(in_hand.selection_bar()).to_contain_text("已选 2 条")
    button.focus()
    in_hand.page.keyboard.press("Enter")
    expect(in_hand.selection_bar()).to_be_hidden()
    expect(in_hand.record(60).locator("[data-select]")).not_to_be_checked()
