"""How light a page is: few requests and few bytes before it can be used; joined scripts run as apart."""

import pytest
from playwright.sync_api import Page, Route

from tests.house_process import HouseProcess
from tests.test_joining import ENTRIES, SMALL, joiner

MOST_REQUESTS, MOST_BYTES = 20, 60_000  # the contract's, without pictures


@pytest.mark.parametrize("path", ["/", "/batch", "/records", "/samples", "/usage", "/model"])
def test_a_first_visit_is_light(page: Page, demo: HouseProcess, path: str) -> None:
    weights: list[int] = []
    wire = page.context.new_cdp_session(page)
    wire.send("Network.enable")
    wire.on("Network.loadingFinished", lambda event: weights.append(event["encodedDataLength"]))
    page.goto(demo.address + path)
    page.wait_for_load_state("networkidle")
    assert 3 <= len(weights) < MOST_REQUESTS
    assert sum(weights) < MOST_BYTES


def test_joined_modules_run_once_each_and_share_their_state(page: Page) -> None:
    site = joiner()
    files = {
        "/": '<script type="module" src="a.mjs"></script>',
        "/a.mjs": site.page("a", ENTRIES),
        "/late-more.mjs": site.late("a", ENTRIES, "late/more.js"),
        "/late-other.mjs": site.late("a", ENTRIES, "late/other.js"),
    }

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix("http://joined.test")
        kind = "text/html" if path == "/" else "text/javascript"
        route.fulfill(body=files[path], content_type=kind) if path in files else route.abort()

    page.route("http://joined.test/**", answer)
    page.goto("http://joined.test/")
    page.wait_for_function("globalThis.seen?.length === 4")
    assert page.evaluate("seen") == [11, 111, 2, 111]
    assert len(SMALL) == 6
