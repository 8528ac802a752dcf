"""No layout shift while pages, images and updates come in."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewPage
from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage
from tools.pages.measures import READY
from tools.pages.scenarios import Scenarios
from tools.server_process import ServerProcess

MOST = 0.05  # cumulative layout shift, as browsers count it
SIZES = ((1440, 900), (390, 844))
_WATCH = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const { value, hadRecentInput, sources } of list.getEntries()) {
    const moved = sources.map(({ node }) => (node?.outerHTML ?? node?.data ?? "?").slice(0, 120));
    if (!hadRecentInput) window.shifts.push({ value, moved });
  }
}).observe({ type: "layout-shift", buffered: true });
"""
# A slow connection: style sheets, scripts and thumbnails arrive one by one.
_SLOW = {"offline": False, "latency": 80, "downloadThroughput": 200_000, "uploadThroughput": 200_000}
_AT_ONCE = 5  # contexts, each with its own limit
PATHS = (
    "/",
    "/batch",
    "/batch?id={ended}",
    "/batch?id={paused}",
    "/batch?id={running}",
    "/batch/pictures?id={ended}",
    "/records?view=table",
    "/records?view=grid",
    "/records?search=雪山&status=success",
    "/records?trash=1",
    "/samples",
    "/usage",
    "/model",
)

Open = Callable[..., Page]


@pytest.fixture
def open_page(new_page: NewPage) -> Open:
    """Open a page that records layout shifts."""

    def open_recorded(size: tuple[int, int], **how: Any) -> Page:
        page = new_page(*size, reduced_motion="no-preference", **how)
        page.add_init_script(_WATCH)
        return page

    return open_recorded


def settle(page: Page) -> None:
    """Wait until the page is ready and its visible images are loaded and drawn."""
    page.wait_for_function(READY)
    page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")


def layout_shifts(page: Page) -> list[dict[str, Any]]:
    """The largest layout shifts, or nothing if their sum is small."""
    shifts: list[dict[str, Any]] = page.evaluate("shifts")
    too_much = sum(shift["value"] for shift in shifts) >= MOST
    return sorted(shifts, key=lambda shift: -shift["value"])[:5] if too_much else []


@pytest.mark.parametrize(("size", "language"), list(zip(SIZES, ("zh-CN", "en-US"), strict=True)))
def test_pages_load_without_layout_shift(
    open_page: Open, scenarios: Scenarios, size: tuple[int, int], language: str
) -> None:
    addresses = [scenarios.populated.address + path.format(**scenarios.ids) for path in PATHS]
    addresses += [scenarios.empty.address + path for path in ("/", "/batch")]
    for first in range(0, len(addresses), _AT_ONCE):
        coming = []
        for address in addresses[first : first + _AT_ONCE]:
            page = open_page(size, locale=language)
            wire = page.context.new_cdp_session(page)
            wire.send("Network.emulateNetworkConditions", _SLOW)
            page.goto(address, wait_until="commit")
            coming.append(page)
        for page in coming:
            settle(page)
            assert layout_shifts(page) == [], page.url
            page.context.close()


@pytest.mark.parametrize("size", SIZES)
def test_a_batch_runs_without_layout_shift(
    open_page: Open, server: ServerProcess, size: tuple[int, int]
) -> None:
    batch = BatchPage(open_page(size), server.address)
    batch.open()
    batch.click_command("add")
    batch.paste_block(1, "prompt", ("雪山",), ("违禁",), ("茶杯",), ("竹林",))
    batch.start_batch()
    expect(batch.run_button("pause")).to_be_visible()
    batch.page.evaluate("shifts.length = 0")  # the click itself replaces the toolbar by the header
    batch.expect_figures("3 张做好，1 张没有成功")
    batch.wait_for_image(1)
    assert layout_shifts(batch.page) == []


@pytest.mark.parametrize("size", SIZES)
def test_updates_cause_no_layout_shift(
    open_page: Open, server: ServerProcess, jimeng: FakeJimeng, size: tuple[int, int]
) -> None:
    server.post("/api/batch-generate", {"prompt": "第一张", "num_images": 2, "resolution": "1K"})
    jimeng.latency = 600.0
    rows = [{"prompt": f"第 {n} 张" + ("违禁" if n == 2 else ""), "resolution": "1K"} for n in range(5)]
    single, batch = (
        server.post("/api/batches", {"rows": rows, "source": source})["batch_id"]
        for source in ("single", "batch")
    )
    pages = []
    for path in ("/", "/records?view=table", "/records?view=grid", "/usage", f"/batch?id={batch}"):
        pages.append(open_page(size))
        pages[-1].goto(server.address + path)
    jimeng.latency = 0.1
    for batch_id in (single, batch):
        server.wait_for_end(batch_id)
    for page in pages:
        page.bring_to_front()
        expect(page.locator("[data-status] [data-under-way]")).to_have_attribute("data-under-way", "0")
        settle(page)
        assert layout_shifts(page) == [], page.url
