"""Page weight: few requests and bytes until usable; bundled scripts run like separate ones."""

from playwright.sync_api import Page, Route

from app.web.assets.bundler import Bundler
from tests.browser.conftest import NewPage
from tests.web.test_bundler import ENTRIES, SMALL
from tools.server_process import ServerProcess

PAGES = ("/", "/batch", "/batch/pictures?id={id}", "/records", "/samples", "/usage", "/model")
MAX_REQUESTS, MAX_BYTES = 20, 60_000  # the contract's, without pictures


def test_a_first_visit_is_light(new_page: NewPage, demo_server: ServerProcess) -> None:
    paused = paused_batch(demo_server)
    for language in ("zh-CN", "en-US"):
        page = new_page(locale=language)
        page.route("**/thumbnails/**", lambda route: route.abort())
        for path in PAGES:
            requests, weight = first_visit(page, demo_server.address + path.format(id=paused))
            assert 3 <= requests < MAX_REQUESTS, path
            assert weight < MAX_BYTES, path
            assert page.evaluate("document.documentElement.lang")[:2] == language[:2]


def paused_batch(server: ServerProcess) -> str:
    """A batch of as many rows as a page of 看图 has; few of them are made."""
    rows = [{"prompt": f"第 {n} 款茶具，白底主图", "resolution": "1K"} for n in range(100)]
    batch_id = str(server.post("/api/batches", {"rows": rows})["batch_id"])
    server.post(f"/api/batches/{batch_id}/pause", {})
    return batch_id


def first_visit(page: Page, address: str) -> tuple[int, int]:
    """Requests and bytes of a page without a cache."""
    weights: list[int] = []
    wire = page.context.new_cdp_session(page)
    wire.send("Network.enable")
    wire.send("Network.clearBrowserCache")
    wire.on("Network.loadingFinished", lambda event: weights.append(event["encodedDataLength"]))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    wire.detach()
    return len(weights), sum(weights)


def test_bundled_modules_run_once_and_share_their_state(page: Page) -> None:
    site = Bundler(SMALL)
    files = {
        "/": '<script type="module" src="a.mjs"></script>',
        "/a.mjs": site.page(ENTRIES, lambda _path: "./late.mjs"),
        "/late.mjs": site.late(ENTRIES, "late/more.js", "./a.mjs"),
    }

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix("http://joined.test")
        kind = "text/html" if path == "/" else "text/javascript"
        route.fulfill(body=files[path], content_type=kind) if path in files else route.abort()

    page.route("http://joined.test/**", answer)
    page.goto("http://joined.test/")
    page.wait_for_function("globalThis.seen?.length === 3")
    assert page.evaluate("seen") == [11, 112, 111]
