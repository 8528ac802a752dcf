"""Touch, sent to the browser as raw input."""

from collections.abc import Callable

from playwright.sync_api import Locator, Page

Point = tuple[float, float]


class Fingers:
    """One or two touch points, sent to the browser as raw input."""

    def __init__(self, page: Page) -> None:
        self.session = page.context.new_cdp_session(page)

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


def middle(locator: Locator) -> Point:
    """The middle of an element that is in view."""
    box = locator.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def press_long(place: Locator, expect_effect: Callable[[], object]) -> None:
    """Hold a finger on it until the effect is there."""
    place.scroll_into_view_if_needed()
    fingers, at = Fingers(place.page), middle(place)
    fingers.move((at, at), steps=0, lifts=False)
    expect_effect()
    fingers.lift()
