"""What a first visit costs until a page is usable: requests and bytes over the wire, without images.

``python -m bench.page_weight``. In Chromium with an empty cache, in both languages; the reference is the
HTML alone.
"""

import sys
import tempfile
from pathlib import Path

import requests
from playwright.sync_api import sync_playwright

from tests.browser.test_weight import MAX_BYTES, MAX_REQUESTS, PAGES, first_visit
from tools.chromium import FLAGS, require_browser
from tools.server_process import running_server


def main() -> None:
    """Print a line for each page and language; exit with 1 above the bound."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(Path(folder), image_model="demo") as server,
        sync_playwright() as playwright,
    ):
        chromium = playwright.chromium.launch(executable_path=require_browser(), args=FLAGS)
        passed = True
        for language in ("zh-CN", "en-US"):
            page = chromium.new_context(locale=language).new_page()
            for path in PAGES:
                count, weight = first_visit(page, server.address + path)
                floor = _bare(server.address + path, language)
                text = f"{count:2} requests  {weight / 1000:5.1f} kB, the page {floor / 1000:.1f} kB"
                print(f"{path:9} {language}  {text}")
                passed = passed and count < MAX_REQUESTS and weight < MAX_BYTES
        chromium.close()
    print(f"(fewer than {MAX_REQUESTS} requests and {MAX_BYTES / 1000:.0f} kB)")
    sys.exit(0 if passed else 1)


def _bare(address: str, language: str) -> int:
    """Compressed bytes of the HTML alone."""
    with requests.get(address, headers={"Accept-Language": language}, stream=True, timeout=30) as answer:
        return len(answer.raw.read(decode_content=False))


if __name__ == "__main__":
    main()
