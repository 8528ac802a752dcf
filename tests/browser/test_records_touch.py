"""The lightbox of 生成记录 by touch: swipe, pinch, drag, close."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.records_page import RecordsPage, seed_records
from tests.server_process import running_server

Point = tuple[float, float]


class Fingers:
    """One or two touch points, sent to the browser as raw input."""

    def __init__(self, shown: RecordsPage) -> None:
        self.session = shown.page.context.new_cdp_session(shown.page)

    def move(self, *ways: tuple[Point, Point], steps: int = 8) -> None:
        """Move each finger from one point to another, simultaneously."""
        for number in range(steps + 1):
            at = [tuple(a + (b - a) * number / steps for a, b in zip(*way, strict=True)) for way in ways]
            self._send("touchStart" if number == 0 else "touchMove", at)
        self._send("touchEnd", [])

    def _send(self, kind: str, at: list[tuple[float, ...]]) -> None:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(at)]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


@pytest.fixture
def phone(browser: Browser, tmp_path: Path) -> Iterator[RecordsPage]:
    """A phone with six records, the second newest in the lightbox."""
    seed_records(tmp_path, 6)
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    with running_server(tmp_path, image_model="demo") as server:
        shown = RecordsPage(context.new_page(), server.address)
        shown.open("?record=5")
        shown.expect_position("2 / 6")
        yield shown
    context.close()


def test_a_swipe_moves_to_the_next_image_and_back(phone: RecordsPage) -> None:
    fingers = Fingers(phone)
    fingers.move(((300, 300), (120, 310)))
    phone.expect_position("3 / 6")
    fingers.move(((120, 300), (300, 290)))
    phone.expect_position("2 / 6")


def test_a_short_touch_does_nothing_and_a_swipe_down_closes_the_lightbox(phone: RecordsPage) -> None:
    fingers = Fingers(phone)
    fingers.move(((200, 300), (230, 305)))
    phone.expect_position("2 / 6")
    fingers.move(((200, 150), (205, 350)))
    expect(phone.page.locator("dialog[data-lightbox]")).to_be_hidden()


def test_pinch_zooms_and_then_one_finger_pans(phone: RecordsPage) -> None:
    fingers, image = Fingers(phone), phone.lightbox().locator("[data-viewer-image]")
    fingers.move(((175, 280), (95, 280)), ((215, 280), (295, 280)))
    expect(image).to_have_attribute("style", re.compile(r"scale\((4\.9|5)"))
    before = image.get_attribute("style")
    fingers.move(((300, 300), (200, 260)))
    phone.expect_position("2 / 6")
    expect(image).not_to_have_attribute("style", before or "")
    fingers.move(((45, 280), (185, 280)), ((345, 280), (205, 280)))
    expect(phone.lightbox().locator(".is-zoomed")).to_have_count(0)
