"""Long tasks of the batch table in Chromium: what is done among 5,000 rows.

Prints the longest task on the page's main thread for each activity, from the browser's own tracing; the
bound is 50 ms, and four times as much on a CPU slowed four times. A realistic workbook is imported, started
and opened; what these send and receive is bounded too.

    python -m bench.batch_table
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import FilePayload, Page, sync_playwright

from bench.recipe_table import eight_roles, workbook
from bench.spreadsheet_import import own_columns, table
from tools.chromium import FLAGS, require_browser
from tools.fakes.jimeng import FakeJimeng
from tools.server_process import running_server

ROWS = 5_000
PASTED = 1_000
BOUND_MS = 50.0
SLOWER = 4  # times
START_BYTES, OPEN_BYTES = 100_000, 300_000  # both ways
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def main() -> int:
    """Measure -> exit code 1 if a task or a weight is above its bound."""
    with (
        tempfile.TemporaryDirectory() as folder,
        FakeJimeng(latency=600.0) as jimeng,
        running_server(Path(folder), **jimeng.settings(model_concurrency=4, model_timeout=900)) as server,
        opened(server.address) as page,
    ):
        fill(page)
        passed = [report(name, *measure(page, run)) for name, run in ACTIVITIES.items()]
        for name, (run, most) in WEIGHED.items():
            weight = Weight(page)
            passed.append(report(name, *measure(page, run)))
            print(f"{'':22} {weight.end() / 1000:.0f} kB both ways (at most {most / 1000:.0f})", flush=True)
            passed.append(weight.total < most)
        open_sets(page, server.address)
        passed += [report(f"sets, {name}", *measure(page, run)) for name, run in OF_SETS.items()]
        page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        for name, run in SLOWED.items():
            passed.append(report(f"{name}, CPU ÷ {SLOWER}", *measure(page, run), bound=BOUND_MS * SLOWER))
    return int(not all(passed))


def report(name: str, longest: float, lasted: list[float], *, bound: float = BOUND_MS) -> bool:
    """Print a line -> whether all tasks are within the bound."""
    over = sum(one > bound for one in lasted)
    print(f"{name:<22} longest task {longest:6.1f} ms   over {bound:.0f} ms: {over}", flush=True)
    return not over


class Weight:
    """Bytes that a page sends and receives from now on, pictures aside."""

    def __init__(self, page: Page) -> None:
        self.total = 0
        self._wire = page.context.new_cdp_session(page)
        self._wire.send("Network.enable")
        self._wire.on("Network.loadingFinished", self._received)
        self._wire.on("Network.requestWillBeSent", self._sent)

    def _received(self, event: dict[str, Any]) -> None:
        self.total += int(event["encodedDataLength"])

    def _sent(self, event: dict[str, Any]) -> None:
        self.total += len(event["request"].get("postData", "").encode())

    def end(self) -> int:
        self._wire.detach()
        return self.total


def block(rows: int, *, start: int = 0) -> str:
    """Cells in the clipboard format of a spreadsheet: prompt, negative prompt, ratio, resolution, …"""
    lines = (
        f"清晨的雪山湖泊，倒影清晰，薄雾缭绕，第 {n} 幅\t模糊，水印\t16：9\t2k\t\t{n % 3 + 1}\t图_{n}"
        for n in range(start, start + rows)
    )
    return "\r\n".join(lines)


def fill(page: Page) -> None:
    """Paste 5,000 rows into the empty table."""
    paste(page, block(ROWS))
    page.wait_for_selector(f"[data-table-grid][aria-rowcount='{ROWS + 1}']")
    page.wait_for_timeout(1500)


def paste(page: Page, text: str) -> None:
    """Write to the clipboard and press Ctrl+V."""
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.keyboard.press("Control+v")


def scroll(page: Page) -> None:
    """Wheel down and up, fast and slow; then from end to end."""
    box = page.locator("[data-table]").bounding_box()
    assert box
    page.mouse.move(box["x"] + 400, box["y"] + 300)
    for distance in [120] * 20 + [2_000] * 20 + [-700] * 20:
        page.mouse.wheel(0, distance)
        page.wait_for_timeout(16)
    page.keyboard.press("Control+End")
    page.keyboard.press("Control+Home")
    page.wait_for_timeout(300)


def type_prompts(page: Page) -> None:
    """Type ten prompts, far down the table."""
    page.locator("[data-table] [data-column=prompt]").first.click()
    for _ in range(4):
        page.keyboard.press("PageDown")
    for _ in range(10):
        page.keyboard.type("海边的灯塔，夜色里一束光", delay=10)
        page.keyboard.press("Enter")
    page.wait_for_timeout(1_000)


def paste_rows(page: Page) -> None:
    """Paste 1,000 rows over existing ones, undo and redo."""
    page.keyboard.press("Control+Home")
    page.keyboard.press("ArrowRight")
    paste(page, block(PASTED, start=7_000))
    page.wait_for_timeout(1_200)
    page.keyboard.press("Control+z")
    page.wait_for_timeout(1_200)
    page.keyboard.press("Control+y")
    page.wait_for_timeout(1_200)
    assert "第 7000 幅" in page.locator("[data-row='1'] [data-column=prompt]").inner_text()


def move_about(page: Page) -> None:
    """Arrow keys, selecting and filling down."""
    for key in ["ArrowDown"] * 30 + ["Shift+ArrowDown"] * 30 + ["Control+d", "Control+z"]:
        page.keyboard.press(key)
    page.wait_for_timeout(1_000)


def replace_all(page: Page) -> None:
    """Find a word of every prompt, put another in its place, and undo that."""
    page.keyboard.press("Control+h")
    page.locator("[data-find-words]").fill("雪山")
    page.locator("[data-find-with]").fill("竹林")
    page.wait_for_timeout(500)
    page.locator("[data-find-all]").click()
    page.locator("[data-row='1'] [data-column=prompt]", has_text="竹林").wait_for()
    page.wait_for_timeout(1_000)
    page.locator("[data-find-close]").click()
    page.keyboard.press("Control+z")
    page.wait_for_timeout(1_200)


def sort_rows(page: Page) -> None:
    """Sort all rows by their prompt, descending, and undo that."""
    page.locator("[data-table-head] .is-prompt").click()
    page.get_by_role("menuitem", name="降序排列").click()
    page.wait_for_timeout(1_200)
    page.keyboard.press("Control+z")
    page.wait_for_timeout(1_200)


def filter_rows(page: Page) -> None:
    """Show the rows with one value alone, then all."""
    page.locator("[data-row='2'] [data-column=num_images]").click(button="right")
    page.get_by_role("menuitem", name="只看").click()
    page.wait_for_timeout(500)
    page.locator("[data-filter-all]").click()
    page.wait_for_timeout(500)


def fill_all(page: Page) -> None:
    """Fill a number down all rows by a double click on the handle, and undo that."""
    page.keyboard.press("Control+Home")
    cell = page.locator("[data-row='1'] [data-column=num_images]")
    cell.click()
    page.locator(".table-fill").wait_for(state="attached")
    box = cell.bounding_box()
    assert box
    page.mouse.dblclick(box["x"] + box["width"] - 4, box["y"] + box["height"] - 4)
    page.locator("[data-row='3'] [data-column=num_images]", has_text="2").wait_for()
    page.wait_for_timeout(1_200)
    page.keyboard.press("Control+z")
    page.wait_for_timeout(1_200)


def paste_all(page: Page) -> None:
    """Paste 5,000 rows over all of them."""
    page.locator("[data-table] [data-column=negative_prompt]:visible").first.click()
    page.keyboard.press("Control+Home")
    page.keyboard.press("ArrowRight")
    paste(page, block(ROWS, start=20_000))
    page.locator("[data-row='1'] [data-column=prompt]", has_text="20000").wait_for()
    page.wait_for_timeout(1_500)


def import_all(page: Page) -> None:
    """Import a realistic workbook of 5,000 rows as a table of its own, which opens."""
    content = own_columns(table(ROWS))
    file: FilePayload = {"name": "需求表.xlsx", "mimeType": XLSX, "buffer": content}
    page.locator("[data-file]").set_input_files(file)
    page.locator("[data-ask-choice=new]").click()
    page.locator("[data-row='1'] [data-column=prompt]", has_text="橘猫").wait_for()
    page.wait_for_timeout(1_500)


def start_all(page: Page) -> None:
    """Press 🚀, and order all rows; none is made meanwhile."""
    page.locator("[data-command=start]:visible").first.click()
    with page.expect_response(re.compile("/run$")) as answer:
        page.locator("dialog[data-dialog=order] [data-order-yes]").click()
    assert answer.value.status == 202, answer.value.text()
    page.locator("[data-run]").wait_for()
    page.wait_for_timeout(3_000)


def open_again(page: Page) -> None:
    """Load the table again, as it is during its run."""
    page.reload()
    page.wait_for_selector("[data-batch][data-ready]")
    page.wait_for_timeout(2_000)


def open_sets(page: Page, address: str) -> None:
    """Open a table of 1,000 products and eight roles."""
    api, content = page.context.request, workbook(is_plain=False)
    file: FilePayload = {"name": "产品.xlsx", "mimeType": XLSX, "buffer": content}
    imported = api.post(f"{address}/api/spreadsheet/import", multipart={"file": file, "recipe": "1"}).json()
    made = api.post(f"{address}/api/tables", data={"workbook": imported["workbook"]}).json()["table"]["id"]
    assert api.post(f"{address}/api/tables/{made}/recipe", data={"recipe": eight_roles()}).ok
    page.goto(f"{address}/batch?table={made}")
    page.locator("[data-row='1'] [data-column=prompt]").click()
    page.wait_for_timeout(2_000)


def mend_problems(page: Page) -> None:
    """Paste 1,000 rows with problems of ten kinds, show them alone, mend all of each kind, and undo that."""
    page.keyboard.press("Control+Home")
    page.keyboard.press("ArrowRight")
    wrong = "\r\n".join(f"湖\t\t5:{n % 5 + 3}\t2k\t\t{n % 5 + 20} 张" for n in range(PASTED))
    paste(page, wrong)
    page.locator("[data-command=report]").click()
    page.locator(".report-line").first.wait_for()
    page.wait_for_timeout(1_200)
    page.locator("[data-command=only-problems]").click()
    page.wait_for_timeout(500)
    page.locator("[data-command=only-problems]").click()
    for _ in range(3):
        page.locator(".report-line [data-issue-fixes] button").first.click()
        page.wait_for_timeout(1_200)
    page.locator("[data-command=undo]").click()
    page.wait_for_timeout(1_200)


ACTIVITIES: dict[str, Callable[[Page], None]] = {
    "scroll": scroll,
    "type": type_prompts,
    "paste 1,000 rows": paste_rows,
    "arrows, fill": move_about,
    "fill 5,000 rows": fill_all,
    "replace in 5,000": replace_all,
    "sort 5,000 rows": sort_rows,
    "filter 5,000 rows": filter_rows,
    "mend 1,000 rows": mend_problems,
    "paste 5,000 rows": paste_all,
    "import 5,000 rows": import_all,
}


WEIGHED: dict[str, tuple[Callable[[Page], None], int]] = {
    "start 5,000 rows": (start_all, START_BYTES),
    "open 5,000 rows": (open_again, OPEN_BYTES),
}
OF_SETS = {"scroll": scroll, "filter": filter_rows}
SLOWED = {"scroll": scroll, "type": type_prompts}


def measure(page: Page, activity: Callable[[Page], None]) -> tuple[float, list[float]]:
    """Run it under tracing -> (the longest task, each task) of the page's main thread, in ms."""
    browser = page.context.browser
    assert browser
    browser.start_tracing(categories=["disabled-by-default-devtools.timeline", "__metadata"])
    activity(page)
    lasted = main_thread_tasks(json.loads(browser.stop_tracing())["traceEvents"])
    return max(lasted), lasted


def main_thread_tasks(events: list[dict[str, Any]]) -> list[float]:
    """Milliseconds of each task on the main thread of the busiest page."""
    names = {
        (e["pid"], e["tid"])
        for e in events
        if e["name"] == "thread_name" and e["args"]["name"] == "CrRendererMain"
    }
    tasks: dict[tuple[int, int], list[float]] = {}
    for event in events:
        key = (event["pid"], event["tid"])
        if event["name"] == "RunTask" and key in names and "dur" in event:
            tasks.setdefault(key, []).append(event["dur"] / 1000)
    return max(tasks.values(), key=sum)


@contextmanager
def opened(address: str) -> Iterator[Page]:
    """The batch page in Chromium at 1440×900."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require_browser(), args=FLAGS)
        context = browser.new_context(
            locale="zh-CN",
            viewport={"width": 1440, "height": 900},
            permissions=["clipboard-read", "clipboard-write"],
        )
        page = context.new_page()
        page.goto(f"{address}/batch")
        page.wait_for_selector("[data-batch][data-ready]")
        yield page
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
