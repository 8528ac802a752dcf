"""Page object of 批量生成."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import FilePayload, Locator, Page, expect

from tools.noise_images import noise_image
from tools.server_process import ServerProcess

_READ = re.compile("读到|rows? read")


def upload(server: ServerProcess, *names: str) -> None:
    """Add images to the library."""
    for name in names:
        requests.post(
            f"{server.address}/api/sample-images", files={"file": (name, noise_image("png"))}, timeout=60
        ).raise_for_status()


def rows_of(*prompts: str) -> list[dict[str, Any]]:
    """Rows for the API, at the size that is drawn fastest."""
    return [{"prompt": prompt, "resolution": "1K"} for prompt in prompts]


def start(server: ServerProcess, rows: Sequence[dict[str, Any]], **more: Any) -> str:
    """Start a batch by the API -> its id."""
    return str(server.post("/api/batches", {"rows": rows, "source": "batch", **more})["batch_id"])


def start_to_end(server: ServerProcess, rows: Sequence[dict[str, Any]], **more: Any) -> str:
    """Start a batch by the API, and wait until nothing of it is queued -> its id."""
    batch_id = start(server, rows, **more)
    server.wait_for_end(batch_id)
    return batch_id


def csv_file(*lines: str, name: str = "表.csv") -> FilePayload:
    return {"name": name, "mimeType": "text/csv", "buffer": "\n".join(lines).encode()}


class BatchPage:
    """User actions on ``/batch`` and expectations about it."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address

    def open(self, query: str = "?new=1") -> None:
        """Open the page, with a new table unless told, and wait until it is ready."""
        self.page.goto(f"{self.address}/batch{query}")
        self.wait_until_ready()

    def open_run(self, batch_id: str) -> None:
        """Open the table of a batch that was started."""
        self.open(f"?id={batch_id}")

    def open_table(self, table_id: str) -> None:
        self.open(f"?table={table_id}")

    @property
    def table_id(self) -> str:
        """The id of the table that is open, once it is made."""
        self.page.wait_for_url(re.compile(r"[?]table="))
        return self.page.url.partition("table=")[2].partition("&")[0]

    def reload(self) -> None:
        self.page.reload()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until its scripts run."""
        expect(self.page.locator("[data-batch][data-ready]")).to_have_count(1)

    # The table.

    def cell(self, row: int, column: str) -> Locator:
        """The cell of a row (from 1) and a column by its English name."""
        return self.page.locator(f"[data-row='{row}'] [data-column='{column}']")

    def expect_text(self, row: int, column: str, text: str) -> None:
        expect(self.cell(row, column).locator("[data-value]")).to_have_text(text)

    def expect_rows(self, number: int) -> None:
        """Expect this number of rows, rendered or not."""
        expect(self.page.locator("[data-table-grid]")).to_have_attribute("aria-rowcount", str(number + 1))

    def bad_cells(self) -> Locator:
        """The rendered cells with a problem."""
        return self.page.locator("[data-column].is-bad")

    def click_command(self, name: str) -> None:
        """Click a button of the toolbar or footer by its command."""
        self.page.locator(f"[data-command='{name}']:visible").first.click()

    def choose_command(self, name: str) -> None:
        """Choose from the menu of the head by a command."""
        self.click_command("more")
        self.page.locator(f"[data-more-menu] [data-command='{name}']").click()

    def import_csv(self, *lines: str, name: str = "表.csv", place: str = "") -> None:
        """Choose a CSV file of these lines."""
        self.import_workbook(csv_file(*lines, name=name), place=place)

    def import_workbook(self, file: Path | FilePayload, *, place: str = "") -> None:
        """Choose a file; ``place`` answers what becomes of it: new (also without it), update or add."""
        self.page.locator("[data-file]").set_input_files(file)
        asked = self.page.locator(f"[data-ask-choice={place or 'new'}]")
        if not place:
            expect(asked.or_(self.report().filter(has_text=_READ)).first).to_be_visible()
        if place or asked.is_visible():
            asked.click()
        expect(self.report()).to_contain_text(_READ)

    def report(self) -> Locator:
        """The import report above the table."""
        return self.page.locator("[data-report-title]")

    def open_report(self) -> None:
        """Open the report, or the list of problems."""
        self.click_command("report")

    def close_strip(self) -> None:
        """Close the report, the causes or the log."""
        self.page.locator("[data-strip-close]").click()

    def edit_cell(self, row: int, column: str, text: str) -> None:
        """Click a cell and type over it."""
        self.cell(row, column).click()
        self.page.keyboard.type(text)
        self.page.keyboard.press("Control+Enter")

    def paste_block(self, row: int, column: str, *lines: tuple[str, ...]) -> None:
        """Paste cells with this cell at their upper left."""
        self.page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=self.address)
        text = "\r\n".join("\t".join(line) for line in lines)
        self.page.evaluate("text => navigator.clipboard.writeText(text)", text)
        self.cell(row, column).click()
        self.page.keyboard.press("Control+v")

    def fill(self, *lines: tuple[str, ...]) -> None:
        """Begin a table with these cells, from the prompt on."""
        self.click_command("add")
        self.paste_block(1, "prompt", *lines)

    def pick_row(self, row: int) -> None:
        """Toggle the checkbox of a row."""
        self.cell(row, "number").locator("[data-select]").click()

    def set_value(self, column: str, text: str) -> None:
        """设为同一个值 for the selected rows."""
        self.click_command("bulk-edit")
        dialog = self.page.locator("dialog[data-dialog=bulk-edit]")
        dialog.locator("[data-bulk-column]").select_option(column)
        dialog.locator("[data-bulk-value]").fill(text)
        dialog.get_by_role("button", name="设置").click()
        expect(dialog).to_be_hidden()

    def replace_all(self, words: str, by: str) -> None:
        """Put other words in the place of some, in the bar that is open."""
        bar = self.page.locator("[data-find]")
        bar.locator("[data-find-words]").fill(words)
        bar.locator("[data-find-with]").fill(by)
        bar.locator("[data-find-all]").click()

    def show_column(self, *names: str) -> None:
        """Show columns by their labels, or hide those that are shown."""
        self.click_command("columns")
        for name in names:
            self.page.get_by_role("menuitemcheckbox", name=name, exact=True).click()
        self.page.keyboard.press("Escape")

    def choose_row_action(self, row: int, item: str) -> None:
        """Open a row's menu and choose by its text."""
        self.cell(row, "actions").locator("[data-row-menu]").click()
        self.page.get_by_role("menuitem", name=item, exact=True).click()

    def open_references(self, row: int) -> Locator:
        """Click 选择 (N) -> the reference picker of a row."""
        self.cell(row, "sample_images").locator("[data-references]").click()
        dialog = self.page.locator("dialog[data-dialog=references]")
        expect(dialog).to_be_visible()
        return dialog

    def pick_references(self, row: int, *names: str) -> None:
        """Choose reference images of a row in this order."""
        dialog = self.open_references(row)
        for name in names:
            dialog.get_by_role("option", name=name).click()
        dialog.get_by_role("button", name="✓ 确认选择").click()
        expect(dialog).to_be_hidden()

    def wait_until_saved(self) -> None:
        """Wait until everything is on the server."""
        expect(self.saving()).to_have_attribute("data-saving", "saved")

    def saving(self) -> Locator:
        """Whether everything is saved, in the head."""
        return self.page.locator("[data-saving]")

    def notice(self) -> Locator:
        """What happened to the table elsewhere."""
        return self.page.locator("[data-notice]")

    # The run.

    def open_start(self) -> Locator:
        """Click 🚀 and wait for its dialog."""
        self.click_command("start")
        return self.order()

    def order(self) -> Locator:
        """The dialog of an order, which is open."""
        dialog = self.page.locator("dialog[data-dialog=order]")
        expect(dialog).to_be_visible()
        return dialog

    def submit(self, dialog: Locator) -> str:
        """Press the button that orders -> the batch's id."""
        with self.page.expect_response(re.compile(r"/(run|release)$")) as answer:
            dialog.locator("[data-order-yes]").click()
        expect(dialog).to_be_hidden()
        body = answer.value.json()
        return str(body.get("batch_id") or body["batch"]["id"])

    def start_batch(self) -> str:
        """Start all that is missing -> the batch's id."""
        return self.submit(self.open_start())

    def run_button(self, name: str) -> Locator:
        """The button of the head for pause, resume, release, or the causes of failures."""
        return self.page.locator(f"[data-command={name}]:visible, [data-run-{name}]:visible").first

    def pause(self) -> None:
        self.run_button("pause").click()
        expect(self.run_button("resume")).to_be_visible()

    def resume(self) -> None:
        self.run_button("resume").click()
        expect(self.run_button("resume")).to_be_hidden()

    def open_run_menu(self) -> Locator:
        """Open ⋯ of the head, with what concerns the run -> the menu."""
        expect(self.page.locator("[data-run-group]:not([hidden])")).to_have_count(1)
        self.click_command("more")
        return self.page.locator("[data-more-menu]")

    def open_log(self) -> Locator:
        """Show the log -> its lines."""
        self.open_run_menu().locator("[data-strip-open=log]").click()
        return self.page.locator(".log-line:visible")

    def expect_figures(self, pattern: str) -> None:
        """Expect this of where the table stands, and of the money of its run."""
        words = self.page.locator(".stage-words")
        expect(words).to_have_text(re.compile(pattern), timeout=45_000)

    def causes(self) -> Locator:
        """The causes of failures."""
        return self.page.locator("[data-causes-list] > li")

    def open_causes(self) -> Locator:
        """Show the causes of failures -> them."""
        self.page.locator("[data-run-causes]:visible, [data-command=failed]:visible").first.click()
        return self.causes()

    def expect_status(self, row: int, status: str) -> None:
        """Expect the state of a row: made, failed, refused, queued …"""
        expect(self.cell(row, "status")).to_have_attribute("data-status", status, timeout=45_000)

    def wait_for_image(self, row: int) -> Locator:
        """Wait until a row shows a decoded image."""
        picture = self.cell(row, "status").locator("[data-picture] img").first
        expect(picture).to_be_visible(timeout=45_000)
        expect(picture).not_to_have_js_property("naturalWidth", 0)
        return picture

    def download_results(self, folder: Path) -> Path:
        with self.page.expect_download() as download:
            self.open_run_menu().locator("[data-run-results]").click()
        file = folder / download.value.suggested_filename
        download.value.save_as(file)
        return file

    def expect_ended(self) -> None:
        """Wait until the run has ended."""
        ended = re.compile("finished|cancelled")
        expect(self.page.locator("[data-run]")).to_have_attribute("data-run-status", ended, timeout=45_000)

    def expect_title(self, pattern: str) -> None:
        expect(self.page).to_have_title(re.compile(pattern))
