"""Bundled scripts run like separate ones."""

from playwright.sync_api import Page, Route

from app.web.assets.bundler import Bundler
from tests.web.assets.test_bundler import ENTRIES, SMALL


def test_bundled_modules_run_once_and_share_their_state(page: Page) -> None:
    site = Bundler(SMALL)

    def url_of(name: str) -> str:
        return f"/{name}" if name else "/a.mjs"

    files = {"/": '<script type="module" src="a.mjs"></script>', "/a.mjs": site.page(ENTRIES, url_of)}
    files |= {url_of(name): site.later(ENTRIES, name, url_of) for name in site.later_scripts(ENTRIES)}

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix("http://joined.test")
        kind = "text/html" if path == "/" else "text/javascript"
        route.fulfill(body=files[path], content_type=kind) if path in files else route.abort()

    page.route("http://joined.test/**", answer)
    page.goto("http://joined.test/")
    page.wait_for_function("globalThis.seen?.length === 4")
    assert page.evaluate("seen") == [11, 112, 32, 111]
