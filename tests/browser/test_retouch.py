"""改图, over the large view: what is painted, boxed and framed, by pointer, finger and key, is sent."""

import base64
import io
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tools.pages.touch import Fingers, Point
from tools.server_process import ServerProcess

WORDS = "一束白色的花"


class RetouchPage:
    """User actions on the tool, open over the large view of a picture of 1376×774."""

    def __init__(self, page: Page, server: ServerProcess) -> None:
        self.page, self.server = page, server
        self.sent: list[dict[str, Any]] = []  # bodies of orders
        self.dialog = page.locator("dialog[data-retouch-dialog]")
        self.order = self.part("retouch-order")
        page.on("request", self._keep)
        rows = [{"prompt": "一只茶壶", "resolution": "1K", "aspect_ratio": "16:9"}]
        made = server.post("/api/batches", {"rows": rows})
        server.wait_for_end(made["batch_id"])
        (self.record,) = made["records"]
        page.goto(f"{server.address}/records?record={self.record}")
        page.get_by_role("button", name="改图").click()
        expect(self.order).to_be_visible()
        page.wait_for_timeout(500)  # until then it takes no key

    def _keep(self, request: Any) -> None:
        if request.method == "POST" and request.url.endswith("/edit"):
            self.sent.append(request.post_data_json)

    def part(self, hook: str) -> Locator:
        return self.dialog.locator(f"[data-{hook}]")

    def at(self, x: float, y: float) -> Point:
        """The point of the page at a share of the picture's width and height."""
        box = self.part("retouch-old").locator("[data-viewer-image]").bounding_box()
        assert box
        padding = 48 if box["width"] > 720 else 16
        width = min(box["width"] - padding, (box["height"] - padding) * 16 / 9)
        left, top = box["x"] + (box["width"] - width) / 2, box["y"] + (box["height"] - width * 9 / 16) / 2
        return left + width * x, top + width * 9 / 16 * y

    def drag(self, start: Point, end: Point) -> None:
        self.page.mouse.move(*start)
        self.page.mouse.down()
        self.page.mouse.move(*end, steps=5)
        self.page.mouse.up()

    def write(self, words: str = WORDS) -> None:
        self.part("retouch-words").fill(words)

    def expect_result(self) -> None:
        expect(self.part("retouch-new").locator("[data-viewer-image]")).to_be_visible()
        expect(self.dialog.get_by_role("button", name="打开新图")).to_be_focused()


def mask_of(body: dict[str, Any]) -> Image.Image:
    """The mask of an order, in grey."""
    content = base64.b64decode(body["mask"].removeprefix("data:image/png;base64,"))
    return Image.open(io.BytesIO(content)).convert("L")


@pytest.fixture
def retouch(page: Page, shared_server: ServerProcess) -> RetouchPage:
    return RetouchPage(page, shared_server)


def test_what_is_painted_is_sent_and_the_new_picture_stands_beside_the_old_one(retouch: RetouchPage) -> None:
    retouch.order.click()
    expect(retouch.part("retouch-error")).to_have_text("先涂出或框出要改的地方")
    retouch.drag(retouch.at(0.25, 0.5), retouch.at(0.5, 0.5))
    retouch.drag(retouch.at(0.9, 0.2), retouch.at(0.95, 0.2))
    retouch.page.keyboard.press("z")
    retouch.write()
    retouch.order.click()
    retouch.expect_result()
    (body,) = retouch.sent
    mask = mask_of(body)
    seen = [mask.getpixel((int(1376 * x), int(774 * y))) for x, y in ((0.25, 0.5), (0.4, 0.5), (0.5, 0.5))]
    beside = [mask.getpixel((int(1376 * x), int(774 * y))) for x, y in ((0.4, 0.6), (0.7, 0.5), (0.92, 0.2))]
    assert (mask.size, seen, beside, body["prompt"]) == ((1376, 774), [255] * 3, [0] * 3, WORDS)
    retouch.dialog.get_by_role("button", name="打开新图").click()
    expect(retouch.page.locator("dialog[data-lightbox] [data-viewer-image]")).to_have_attribute("alt", WORDS)


def test_an_order_that_did_not_get_through_leaves_marks_and_words(retouch: RetouchPage) -> None:
    retouch.drag(retouch.at(0.3, 0.3), retouch.at(0.4, 0.4))
    retouch.write()
    retouch.page.route("**/edit", lambda route: route.abort())
    retouch.order.click()
    expect(retouch.part("retouch-error")).to_contain_text("连不上服务")
    retouch.page.keyboard.press("Escape")
    expect(retouch.dialog).to_be_hidden()
    retouch.page.unroute("**/edit")
    retouch.page.keyboard.press("r")
    expect(retouch.part("retouch-words")).to_have_value(WORDS)
    retouch.order.click()
    retouch.expect_result()
    first, second = retouch.sent
    assert first == second


def test_a_box_is_placed_by_keys_alone(retouch: RetouchPage) -> None:
    page = retouch.page
    retouch.dialog.locator("[data-tool=box]").press("Enter")
    box = retouch.part("retouch-box")
    expect(box).to_be_focused()
    expect(box).to_have_accessible_name("方框：左 30%，上 30%，宽 40%，高 40%")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowLeft", "Shift+ArrowDown"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    expect(retouch.part("retouch-words")).to_be_focused()
    page.keyboard.type(WORDS)
    page.keyboard.press("Control+Enter")
    retouch.expect_result()
    step = 7.74  # a hundredth of the shorter side
    expected = {
        "x": 0.3 + 2 * step / 1376,
        "y": 0.3 - step / 774,
        "width": 0.4 - step / 1376,
        "height": 0.4 + step / 774,
    }
    assert retouch.sent[0]["region"] == pytest.approx(expected)
    assert "mask" not in retouch.sent[0]


def test_one_finger_paints_and_two_zoom(phone: Page, shared_server: ServerProcess) -> None:
    retouch = RetouchPage(phone, shared_server)
    undo, fingers = retouch.dialog.get_by_role("button", name="撤销"), Fingers(phone)
    (x, y) = retouch.at(0.5, 0.5)
    fingers.move(((x - 20, y), (x - 80, y)), ((x + 20, y), (x + 80, y)))
    expect(retouch.part("retouch-old")).to_have_class("viewer-canvas is-zoomed")
    expect(undo).to_be_disabled()
    fingers.tap((x, y), times=2)  # which zooms in the large view
    fingers.move(((x, y), (x + 40, y)))
    expect(retouch.part("retouch-old")).to_have_class("viewer-canvas is-zoomed")
    for _ in range(3):
        undo.click()
    expect(undo).to_be_disabled()


def test_a_frame_is_dragged_and_typed(retouch: RetouchPage) -> None:
    retouch.dialog.get_by_role("button", name="扩图", exact=True).click()
    frame = retouch.part("retouch-grown").bounding_box()
    assert frame
    right, middle = frame["x"] + frame["width"], frame["y"] + frame["height"] / 2
    retouch.drag((right, middle), (right + frame["width"] / 10, middle))
    expect(retouch.dialog.get_by_label("右 %")).to_have_value("10")
    retouch.dialog.get_by_label("上 %").fill("25")
    expect(retouch.part("retouch-size")).to_have_text("1514×968")
    retouch.order.click()
    retouch.expect_result()
    assert retouch.sent[0]["edges"] == {"left": 0, "top": 0.25, "right": 0.1, "bottom": 0}
