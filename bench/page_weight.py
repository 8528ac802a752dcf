"""What a visit costs: requests and bytes over the wire, without pictures.

``python -m bench.page_weight``. In Chromium with an empty cache, in both languages; the reference is the
HTML alone. First the pages of a new installation, until they are usable; then those that people have, with
60 results and a run of 100 rows, with all that is loaded when a pointer moves over them.
"""

import sys
import tempfile
import time
from pathlib import Path

import requests
from playwright.sync_api import Browser, Page, sync_playwright

from bench import NOT_MEASURED
from tools.chromium import FLAGS, browser_path
from tools.server_process import ServerProcess, running_server

RESULTS = 60
Points = tuple[tuple[int, int], ...]
POINTS: Points = ((200, 30), (400, 300), (900, 500))
PAGES = ("/", "/batch", "/records", "/samples", "/usage", "/model")
MAX_REQUESTS, MAX_BYTES = 20, 60_000  # the contract's
MAX_USED_BYTES = 100_000  # the contract's, with results and a pointer
MAX_TABLE_BYTES = 100_000  # an open table, with its second script


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
        chromium = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        new = dict.fromkeys(PAGES, MAX_BYTES) | {"/batch": MAX_TABLE_BYTES}  # an empty table
        passed = _measure(chromium, server, new, points=())
        _make_results(server)
        table = f"/batch?table={_paused_table(server)}"
        used = {"/": MAX_USED_BYTES, "/records": MAX_USED_BYTES, table: MAX_TABLE_BYTES}
        print(f"with {RESULTS} results, a run of 100 rows and a pointer:")
        passed = _measure(chromium, server, used, points=POINTS) and passed
        chromium.close()
    print(f"(fewer than {MAX_REQUESTS} requests; {MAX_BYTES / 1000:.0f} kB, as people have them")
    print(f"{MAX_USED_BYTES / 1000:.0f} kB; an open table {MAX_TABLE_BYTES / 1000:.0f} kB)")
    sys.exit(0 if passed else 1)


def _measure(chromium: Browser, server: ServerProcess, bounds: dict[str, int], *, points: Points) -> bool:
    """Print a line for each page and language -> whether all are within their bounds."""
    passed = True
    for language in ("zh-CN", "en-US"):
        page = chromium.new_context(locale=language, viewport={"width": 1440, "height": 900}).new_page()
        page.route("**/thumbnails/**", lambda route: route.abort())
        for path, bound in bounds.items():
            count, weight = _visit(page, server.address + path, points)
            floor = _bare(server.address + path, language)
            text = f"{count:2} requests  {weight / 1000:5.1f} kB, the page {floor / 1000:.1f} kB"
            print(f"{path[:16]:16} {language}  {text}", flush=True)
            passed = passed and 0 < count < MAX_REQUESTS and floor < weight < bound
    return passed


def _make_results(server: ServerProcess) -> None:
    """Results of the page of one image, newest last."""
    rows = [{"prompt": f"第 {n} 张：雪山下的小屋", "resolution": "1K"} for n in range(RESULTS)]
    made = server.post("/api/batches", {"rows": rows, "source": "single"})
    server.wait_for_end(made["batch_id"])


def _paused_table(server: ServerProcess) -> str:
    """A table of 100 rows; few of them are made."""
    rows = [{"prompt": f"第 {n} 款茶具，白底主图", "resolution": "1K"} for n in range(100)]
    made = server.post("/api/batches", {"rows": rows})
    batch = f"/api/batches/{made['batch_id']}"
    server.post(f"{batch}/pause", {})
    while server.get(batch)["batch"]["counts"]["running"]:  # a change is one more request
        time.sleep(0.1)
    return str(made["table_id"])


def _visit(page: Page, address: str, points: Points) -> tuple[int, int]:
    """Requests and bytes of a page without a cache, pictures aside; a pointer goes to these points."""
    weights: list[int] = []
    wire = page.context.new_cdp_session(page)
    wire.send("Network.enable")
    wire.send("Network.clearBrowserCache")
    wire.on("Network.loadingFinished", lambda event: weights.append(event["encodedDataLength"]))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    for x, y in points:
        page.mouse.move(x, y)
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
