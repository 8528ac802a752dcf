"""How much is seen at once: what is needed less often appears under the pointer or with the focus."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenStudio
from tools.pages.measures import controls_in_view
from tools.pages.records_page import RecordsPage
from tools.server_process import ServerProcess


@pytest.mark.parametrize(("view", "most"), [("table", 50), ("grid", 65)])
def test_the_list_of_records_shows_few_controls(
    page: Page, archive_server: ServerProcess, view: str, most: int
) -> None:
    RecordsPage(page, archive_server.address).open(f"?view={view}")
    assert controls_in_view(page) <= most


def test_a_row_shows_its_buttons_under_the_pointer_or_with_the_focus(
    page: Page, archive_server: ServerProcess
) -> None:
    records = RecordsPage(page, archive_server.address)
    records.open("?view=table")
    row, opacity = records.record(60), "(element) => element.checkVisibility({ opacityProperty: true })"
    buttons = [row.get_by_text(name, exact=True) for name in ("⬇️ 下载", "🗑️ 删除")]
    hidden = [row.locator(f"{part} >> visible=true") for part in ("[data-select]", "[data-row-menu] summary")]
    assert [part.evaluate(opacity) for part in (*buttons, *hidden)] == [False] * 4
    row.hover()
    assert [part.evaluate(opacity) for part in (*buttons, *hidden)] == [True] * 4
    page.mouse.move(0, 0)
    buttons[0].focus()
    assert [part.evaluate(opacity) for part in (*buttons, *hidden)] == [True] * 4


def test_the_single_page_with_results_shows_few_controls(
    demo_server: ServerProcess, studio: OpenStudio
) -> None:
    demo_server.post("/api/batches", {"rows": [{"prompt": "猫", "num_images": 10}], "source": "single"})
    page = studio(demo_server)
    page.wait_for_images(10)
    assert controls_in_view(page.page) <= 40
    page.tiles().first.hover()
    expect(page.tiles().first.locator("[data-command=again]")).to_have_css("opacity", "1")


def test_on_paper_the_grid_is_pictures_with_captions(page: Page, archive_server: ServerProcess) -> None:
    records = RecordsPage(page, archive_server.address)
    records.open("?view=grid")
    page.emulate_media(media="print")
    assert page.locator("button:visible, summary:visible, input:visible").count() == 0
    assert records.record(60).locator(".record-card-details").is_visible()
