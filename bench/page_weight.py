"""What a first visit costs until a page is usable: requests and bytes over the wire, without pictures.

``python -m bench.page_weight``. In Chromium with an empty cache, in both languages; the reference is the
HTML alone.
"""

import sys
import tempfile
from pathlib import Path

import requests
from playwright.sync_api import Page, sync_playwright

from bench import NOT_MEASURED
from tools.chromium import FLAGS, browser_path
from tools.server_process import ServerProcess, running_server

PAGES = ("/", "/batch", "/records", "/samples", "/usage", "/model")
MAX_REQUESTS, MAX_BYTES = 20, 60_000  # the contract's
TABLE = "/batch?table={id}"  # with its second script, which is loaded when the browser is idle
MAX_TABLE_BYTES = 155_000  # what it has; the contract wants 100 kB


def main() -> None:
    """Print a line for each page and language; exit with 1 above the bound."""
    if not browser_path():
        print("no Chromium on this machine: nothing was measured. See tests/browser/install")
        sys.exit(NOT_MEASURED)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(Path(folder), image_model="demo") as server,
        sync_playwright() as playwright,
    ):
        bounds = dict.fromkeys(PAGES, MAX_BYTES) | {TABLE.format(id=_paused_table(server)): MAX_TABLE_BYTES}
        chromium = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        passed = True
        for language in ("zh-CN", "en-US"):
            page = chromium.new_context(locale=language).new_page()
            page.route("**/thumbnails/**", lambda route: route.abort())
            for path, bound in bounds.items():
                count, weight = _first_visit(page, server.address + path)
                floor = _bare(server.address + path, language)
                text = f"{count:2} requests  {weight / 1000:5.1f} kB, the page {floor / 1000:.1f} kB"
                print(f"{path[:16]:16} {language}  {text}")
                passed = passed and 0 < count < MAX_REQUESTS and floor < weight < bound
        chromium.close()
    print(f"(fewer than {MAX_REQUESTS} requests and {MAX_BYTES / 1000:.0f} kB; an open table, which is to")
    print(f"have at most 100 kB and has more: {MAX_TABLE_BYTES / 1000:.0f} kB)")
    sys.exit(0 if passed else 1)


def _paused_table(server: ServerProcess) -> str:
    """A table of 100 rows; few of them are made."""
    rows = [{"prompt": f"第 {n} 款茶具，白底主图", "resolution": "1K"} for n in range(100)]
    made = server.post("/api/batches", {"rows": rows})
    server.post(f"/api/batches/{made['batch_id']}/pause", {})
    return str(made["table_id"])


def _first_visit(page: Page, address: str) -> tuple[int, int]:
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


def _bare(address: str, language: str) -> int:
    """Compressed bytes of the HTML alone."""
    with requests.get(address, headers={"Accept-Language": language}, stream=True, timeout=30) as answer:
        answer.raise_for_status()
        return len(answer.raw.read(decode_content=False))


if __name__ == "__main__":
    main()
