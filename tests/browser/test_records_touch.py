"""The large view by touch: swipe, pinch, drag, tap, close; the list by touch: what selects."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.records_page import RecordsPage, seed_records
from tools.server_process import running_server

Point = tuple[float, float]


class Fingers:
    """One or two touch points, sent to the browser as raw input."""

    def __init__(self, shown: RecordsPage) -> None:
        self.session = shown.page.context.new_cdp_session(shown.page)

    def tap(self, at: Point, times: int = 1) -> None:
        for _ in range(times):
            self.move((at, at), steps=0)

    def move(self, *ways: tuple[Point, Point], steps: int = 8, lifts: bool = True) -> None:
        """Move each finger from one point to another, simultaneously."""
        for number in range(steps + 1):
            share = number / steps if steps else 0
            at = [tuple(a + (b - a) * share for a, b in zip(*way, strict=True)) for way in ways]
            self._send("touchStart" if number == 0 else "touchMove", at)
        if lifts:
            self.lift()

    def lift(self) -> None:
        self._send("touchEnd", [])

    def _send(self, kind: str, at: list[tuple[float, ...]]) -> None:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(at)]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


@pytest.fixture
def in_hand(browser: Browser, tmp_path: Path) -> Iterator[RecordsPage]:
    """The page on a phone, with 24 records that have a picture."""
    seed_records(tmp_path, 24, failed_every=0)
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, locale="zh-CN", has_touch=True, is_mobile=True
    )
    with running_server(tmp_path, image_model="demo") as server:
        yield RecordsPage(context.new_page(), server.address)
    context.close()


@pytest.fixture
def phone(in_hand: RecordsPage) -> RecordsPage:
    """The second newest record in the lightbox."""
    in_hand.open("?record=23")
    in_hand.expect_position("2 / 24")
    return in_hand


def test_a_swipe_moves_to_the_next_image_and_back(phone: RecordsPage) -> None:
    fingers = Fingers(phone)
    fingers.move(((300, 300), (120, 310)))
    phone.expect_position("3 / 24")
    fingers.move(((120, 300), (300, 290)))
    phone.expect_position("2 / 24")


def test_a_short_touch_does_nothing_and_a_swipe_down_closes_the_lightbox(phone: RecordsPage) -> None:
    fingers = Fingers(phone)
    fingers.move(((200, 300), (230, 305)))
    phone.expect_position("2 / 24")
    fingers.move(((200, 150), (205, 350)))
    expect(phone.page.locator("dialog[data-lightbox]")).to_be_hidden()


def test_pinch_zooms_and_then_one_finger_pans(phone: RecordsPage) -> None:
    fingers, image = Fingers(phone), phone.lightbox().locator("[data-viewer-image]")
    fingers.move(((175, 280), (95, 280)), ((215, 280), (295, 280)))
    expect(image).to_have_attribute("style", re.compile(r"scale\((4\.9|5)"))
    before = image.get_attribute("style")
    fingers.move(((300, 300), (200, 260)))
    phone.expect_position("2 / 24")
    expect(image).not_to_have_attribute("style", before or "")
    fingers.move(((45, 280), (185, 280)), ((345, 280), (205, 280)))
    expect(phone.lightbox().locator(".is-zoomed")).to_have_count(0)


def test_the_image_follows_a_finger_that_pulls_it_and_goes_back(phone: RecordsPage) -> None:
    fingers, large = Fingers(phone), phone.lightbox()
    image = large.locator("[data-viewer-image]")
    fingers.move(((200, 300), (200, 360)), lifts=False)
    expect(image).to_have_attribute("style", re.compile(r"translate\(0px, 60px\) scale\(0\.9"))
    expect(large).to_have_class(re.compile(r"\bis-pulled\b"))
    fingers.lift()
    expect(image).to_have_attribute("style", "")
    expect(large).not_to_have_class(re.compile(r"\bis-pulled\b"))
    phone.expect_position("2 / 24")


def test_what_is_between_two_fingers_stays_between_them(phone: RecordsPage) -> None:
    image = phone.lightbox().locator("[data-viewer-image]")
    middle, before, after = (195, 422), (300, 300), (250, 340)
    fingers = [((before[0] + 20 * side, before[1]), (after[0] + 60 * side, after[1])) for side in (-1, 1)]
    Fingers(phone).move(*fingers)
    expect(image).to_have_attribute("style", re.compile("scale"))
    x, y, scale = map(float, re.findall(r"-?[\d.]+", image.get_attribute("style") or ""))
    assert scale == pytest.approx(3, abs=0.02)
    assert x == pytest.approx(after[0] - middle[0] - scale * (before[0] - middle[0]), abs=2)
    assert y == pytest.approx(after[1] - middle[1] - scale * (before[1] - middle[1]), abs=2)


def test_two_taps_zoom_one_hides_the_buttons_and_one_beside_the_image_closes(phone: RecordsPage) -> None:
    fingers, large = Fingers(phone), phone.lightbox()
    zoomed, is_idle = large.locator(".is-zoomed"), re.compile(r"\bis-idle\b")
    for count in (1, 0):
        fingers.tap((150, 400), times=2)
        expect(zoomed).to_have_count(count)
    expect(large).not_to_have_class(is_idle)
    fingers.tap((150, 400))
    expect(large).to_have_class(is_idle)
    fingers.tap((150, 800))
    expect(large).not_to_have_class(is_idle)
    fingers.tap((40, 760))
    expect(large).to_be_hidden()


def _middle(locator: Locator) -> Point:
    box = locator.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_long_press_selects_and_taps_select_more(in_hand: RecordsPage) -> None:
    in_hand.open()
    fingers, box = Fingers(in_hand), "[data-select]"
    expect(in_hand.record(24).locator(box)).to_be_hidden()

    at = _middle(in_hand.record(24))
    fingers.move((at, at), steps=0, lifts=False)
    expect(in_hand.record(24).locator(box)).to_be_checked()
    fingers.lift()
    expect(in_hand.selection_bar()).to_contain_text("已选 1 条")
    expect(in_hand.record(23).locator(box)).to_be_visible()

    fingers.tap(_middle(in_hand.record(22)))
    expect(in_hand.selection_bar()).to_contain_text("已选 2 条")
    for number in (24, 22):
        fingers.tap(_middle(in_hand.record(number)))
    expect(in_hand.selection_bar()).to_contain_text("点选要处理的记录")
    expect(in_hand.page.locator("dialog[open]")).to_have_count(0)

    in_hand.selection_bar().get_by_role("button", name="完成").click()
    expect(in_hand.selection_bar()).to_be_hidden()
    fingers.tap(_middle(in_hand.record(22)))
    in_hand.expect_position("3 / 24")


def test_in_the_table_a_tap_on_a_row_selects_it_after_a_long_press(in_hand: RecordsPage) -> None:
    in_hand.open("?view=table")
    fingers, row = Fingers(in_hand), in_hand.record(24)
    at = _middle(row.locator("[data-image-url]"))
    fingers.move((at, at), steps=0, lifts=False)
    expect(row.locator("[data-select]")).to_be_checked()
    fingers.lift()
    fingers.tap(_middle(in_hand.record(23).locator("[data-image-url]")))
    expect(in_hand.selection_bar()).to_contain_text("已选 2 条")
    expect(in_hand.page.locator("dialog[open]")).to_have_count(0)


def test_a_finger_that_scrolls_selects_nothing(in_hand: RecordsPage) -> None:
    in_hand.page.clock.install()
    in_hand.open()
    x, y = _middle(in_hand.record(20))
    Fingers(in_hand).move(((x, y), (x, y - 200)), lifts=False)
    in_hand.page.wait_for_function("() => scrollY > 0")
    in_hand.page.clock.run_for(2_000)
    expect(in_hand.selection_bar()).to_be_hidden()


def test_a_button_does_the_same_as_a_long_press(in_hand: RecordsPage) -> None:
    in_hand.open()
    button = in_hand.page.get_by_role("button", name="选择", exact=True)
    button.focus()
    in_hand.page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "true")
    in_hand.pick(24, 21)
    expect(in_hand.selection_bar()).to_contain_text("已选 2 条")
    button.focus()
    in_hand.page.keyboard.press("Enter")
    expect(in_hand.selection_bar()).to_be_hidden()
    expect(in_hand.record(24).locator("[data-select]")).not_to_be_checked()
