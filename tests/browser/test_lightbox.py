"""The large view is the same on every page: what closes it, its panel, and its buttons, which fade."""

import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tools.pages.batch_page import upload
from tools.pages.records_page import RecordsPage
from tools.server_process import ServerProcess

# Each page, and what opens a picture there.
_OPENERS = {
    "/": "a.result-card-frame",
    "/batch?table={}": "[data-picture]",
    "/batch?table={}&view=pictures": "[data-shot][href]",
    "/records": "[data-image-url]",
    "/samples": ".sample-link",
}
_IDLE = re.compile(r"\bis-idle\b")


def open_large(page: Page, server: ServerProcess) -> Locator:
    """The large view of the newest of sixty records, at 1440×900."""
    records = RecordsPage(page, server.address)
    records.open("?view=grid")
    return records.open_lightbox(60)


@pytest.fixture
def large(page: Page, archive_server: ServerProcess) -> Locator:
    return open_large(page, archive_server)


def test_back_or_escape_closes_the_large_view_on_every_page(page: Page, shared_server: ServerProcess) -> None:
    row = {"prompt": "一张图", "resolution": "1K"}
    shared_server.post("/api/batch-generate", row)
    table_id = shared_server.post("/api/tables", {"rows": [row]})["table"]["id"]
    upload(shared_server, "示例.png")
    large = page.locator("dialog[data-lightbox]")
    for path, opener in _OPENERS.items():
        address = shared_server.address + path.format(table_id)
        page.goto(address)
        for close in (page.go_back, lambda: page.keyboard.press("Escape")):
            page.locator(opener).first.click()
            expect(large).to_be_visible()
            close()
            expect(large).to_be_hidden()
            expect(page).to_have_url(address)


def test_the_buttons_fade_until_something_moves_or_has_the_focus(
    page: Page, archive_server: ServerProcess
) -> None:
    page.clock.install()
    large = open_large(page, archive_server)
    page.mouse.move(700, 400)
    expect(large).not_to_have_class(_IDLE)
    for place in ((720, 420), (740, 440)):
        page.clock.run_for(2_000)
        expect(large).to_have_class(_IDLE)
        page.mouse.move(*place)
        expect(large).not_to_have_class(_IDLE)
    page.keyboard.press("Tab")
    page.clock.run_for(6_000)
    expect(large).not_to_have_class(_IDLE)


def test_the_panel_stays_as_it_was_left_on_a_wide_screen(large: Locator) -> None:
    page, panel = large.page, large.locator("[data-panel]")
    expect(panel).to_be_hidden()
    page.keyboard.press("i")
    expect(panel).to_be_visible()
    expect(panel).to_contain_text("第 60 稿")
    page.keyboard.press("ArrowRight")
    expect(panel).to_contain_text("第 59 稿")
    page.reload()
    expect(panel).to_be_visible()
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("[data-record-id='60'] [data-image-url]").click()
    expect(panel).to_be_hidden()
    large.get_by_role("button", name="参数").click()
    expect(panel).to_be_visible()


def test_the_choices_of_the_list_are_counted(page: Page, own_archive_server: ServerProcess) -> None:
    large = open_large(page, own_archive_server)
    for key in ("p", "x", "x"):
        page.keyboard.press(key)
    expect(large.get_by_role("button", name="留下")).to_have_text(re.compile("留下 ?1"))
    expect(large.get_by_role("button", name="淘汰")).to_have_text(re.compile("淘汰 ?2"))
    page.keyboard.press("z")
    expect(large.get_by_role("button", name="淘汰")).to_have_text(re.compile("淘汰 ?1"))


def test_the_keys_are_listed_over_the_large_view(large: Locator) -> None:
    large.page.keyboard.press("?")
    keys = large.page.locator("dialog[data-dialog=shortcuts]")
    expect(keys).to_be_visible()
    expect(keys).to_contain_text("大图：留下、淘汰")
    large.page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    expect(large).to_be_visible()


def test_escape_gives_up_a_list_that_is_still_loading_and_leaves_the_large_view(large: Locator) -> None:
    page = large.page
    on_the_way: list[Route] = []
    page.context.route("**/live/shortcuts/*", lambda route: on_the_way.append(route))
    with page.expect_request("**/live/shortcuts/*"):
        page.keyboard.press("?")
    page.keyboard.press("Escape")
    on_the_way[0].continue_()
    keys = page.locator("dialog[data-dialog=shortcuts]")
    expect(keys).to_be_attached()
    page.keyboard.press("i")
    expect(large.locator("[data-panel]")).to_be_visible()
    expect(keys).to_be_hidden()


def test_a_held_arrow_loads_no_picture_that_it_passes(page: Page, archive_server: ServerProcess) -> None:
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url) if "/output/" in request.url else None)
    page.clock.install()
    large = open_large(page, archive_server)
    page.clock.pause_at(datetime.now() + timedelta(hours=1))
    for _ in range(19):  # past one that failed
        page.keyboard.down("ArrowRight")
    expect(large.locator("[data-position]")).to_have_text("21 / 60")
    page.clock.run_for(1_000)
    whole = page.locator("[data-record-id='40'] [data-image-url]").get_attribute("data-image-url")
    image = large.locator("[data-viewer-image]")
    expect(image).to_have_js_property("src", f"{archive_server.address}{whole}")
    assert len(asked) < 10
