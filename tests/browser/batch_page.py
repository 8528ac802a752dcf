"""The words in which tests speak of 批量生成."""

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.waiting import wait_until

_KEPT = """
() => new Promise((resolve) => {
  indexedDB.open("batch", 1).onsuccess = ({ target: { result: database } }) => {
    database.transaction("kept").objectStore("kept").getAll().onsuccess = ({ target: { result: kept } }) => {
      database.close();
      resolve(JSON.stringify(kept));
    };
  };
})
"""


class BatchPage:
    """What a person does on ``/batch`` and what they see there."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address

    def open(self, query: str = "") -> None:
        """Go to the page and wait until it can be used."""
        self.page.goto(f"{self.address}/batch{query}")
        self.wait_until_ready()

    def reload(self) -> None:
        """Load what is shown anew."""
        self.page.reload()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Until its scripts are at work."""
        expect(self.page.locator("[data-batch][data-ready]")).to_have_count(1)

    # The table.

    def cell(self, row: int, column: str) -> Locator:
        """The cell of a row (from 1) and a column by its English name."""
        return self.page.locator(f"[data-row='{row}'] [data-column='{column}']")

    def expect_text(self, row: int, column: str, text: str) -> None:
        """What a cell shows."""
        expect(self.cell(row, column).locator("[data-value]")).to_have_text(text)

    def expect_rows(self, number: int) -> None:
        """How many rows the table has, drawn or not."""
        expect(self.page.locator("[data-table-grid]")).to_have_attribute("aria-rowcount", str(number + 1))

    def bad_cells(self) -> Locator:
        """The marked cells among those drawn."""
        return self.page.locator("[data-column].is-bad")

    def do(self, name: str) -> None:
        """Press a button of the toolbar or the foot by what it does."""
        self.page.locator(f"[data-do='{name}']:visible").first.click()

    def import_workbook(self, file: Path, *, place: str = "") -> None:
        """Choose a file; ``place`` answers where its rows go when there are some already."""
        self.page.locator("[data-file]").set_input_files(file)
        if place:
            self.page.locator(f"[data-place={place}]").click()
        expect(self.report()).to_contain_text("读到")

    def report(self) -> Locator:
        """The sentence above the table that tells of the import."""
        return self.page.locator("[data-report-title]")

    def correct_cell(self, row: int, column: str, text: str) -> None:
        """Click a cell and type over it."""
        self.cell(row, column).click()
        self.page.keyboard.type(text)
        self.page.keyboard.press("Control+Enter")

    def paste_block(self, row: int, column: str, *lines: tuple[str, ...]) -> None:
        """Copy cells elsewhere and paste them with this cell at their upper left."""
        self.page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=self.address)
        text = "\r\n".join("\t".join(line) for line in lines)
        self.page.evaluate("text => navigator.clipboard.writeText(text)", text)
        self.cell(row, column).click()
        self.page.keyboard.press("Control+v")

    def pick_row(self, row: int) -> None:
        """Tick a row, or untick it."""
        self.cell(row, "number").locator("[data-pick]").click()

    def set_value(self, column: str, text: str) -> None:
        """设为同一个值 for the ticked rows."""
        self.do("set")
        dialog = self.page.locator("dialog[data-dialog=set]")
        dialog.locator("[data-set-column]").select_option(column)
        dialog.locator("[data-set-value]").fill(text)
        dialog.get_by_role("button", name="设置").click()
        expect(dialog).to_be_hidden()

    def choose_of_row(self, row: int, item: str) -> None:
        """Open a row's menu and choose by its words."""
        self.cell(row, "actions").locator("[data-row-menu]").click()
        self.page.get_by_role("menuitem", name=item, exact=True).click()

    def open_references(self, row: int) -> Locator:
        """Press 选择 (N) -> the dialog of a row's reference images."""
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

    def wait_until_kept(self, *texts: str) -> None:
        """Until the browser's database holds these texts of the draft."""
        wait_until(lambda: all(text in self.page.evaluate(_KEPT) for text in texts))

    def notice(self) -> Locator:
        """What stands above the table about the draft."""
        return self.page.locator("[data-draft-notice]")

    # The run.

    def open_start(self) -> Locator:
        """🚀 and the question it asks."""
        self.do("start")
        dialog = self.page.locator("dialog[data-dialog=start]")
        expect(dialog).to_be_visible()
        return dialog

    def start_batch(self, name: str = "") -> str:
        """Start and agree to the price -> the batch's id."""
        dialog = self.open_start()
        dialog.locator("[data-start-name]").fill(name)
        dialog.locator("[data-start-yes]").click()
        expect(dialog).to_be_hidden()
        self.page.wait_for_url(re.compile(r"[?]id="))
        return self.page.url.partition("id=")[2]

    def run_button(self, name: str) -> Locator:
        """pause, resume, cancel, retry or copy."""
        return self.page.locator(f"[data-run-do={name}]")

    def pause(self) -> None:
        """Press 暂停."""
        self.run_button("pause").click()
        self.expect_state("已暂停")

    def resume(self) -> None:
        """Press 继续."""
        self.run_button("resume").click()
        expect(self.run_button("resume")).to_be_hidden()

    def copy_to_draft(self) -> None:
        """Press 复制为新草稿."""
        self.run_button("copy").click()
        self.page.wait_for_url(re.compile(r"/batch$"))
        self.wait_until_ready()

    def retry_failed(self) -> None:
        """Press 重试失败."""
        self.run_button("retry").click()

    def expect_state(self, word: str) -> None:
        """排队中, 生成中, 已暂停, 已完成, 已取消."""
        expect(self.page.locator("[data-run-state]")).to_have_text(word, timeout=45_000)

    def expect_figures(self, pattern: str) -> None:
        """The figures beside the state."""
        expect(self.page.locator("[data-run-figures]")).to_have_text(re.compile(pattern), timeout=45_000)

    def causes(self) -> Locator:
        """The groups of failures."""
        return self.page.locator(".run-cause")

    def expect_status(self, row: int, status: str) -> None:
        """The state of a row."""
        expect(self.cell(row, "status")).to_have_attribute("data-status", status, timeout=45_000)

    def wait_for_picture(self, row: int) -> Locator:
        """Until a row shows a picture that is whole."""
        picture = self.cell(row, "status").locator("[data-picture] img").first
        expect(picture).to_be_visible(timeout=45_000)
        expect(picture).not_to_have_js_property("naturalWidth", 0)
        return picture

    def download_results(self, folder: Path) -> Path:
        """The results workbook as the browser saves it."""
        with self.page.expect_download() as download:
            self.page.locator("[data-run-results]").click()
        file = folder / download.value.suggested_filename
        download.value.save_as(file)
        return file

    def expect_ended(self, times: int) -> None:
        """Until the page has heard so many times that the batch came to its end."""
        lines = self.page.locator("[data-log-lines] [data-text]")
        expect(lines.filter(has_text="批次完成")).to_have_count(times, timeout=45_000)

    def expect_title(self, pattern: str) -> None:
        """The tab's title."""
        expect(self.page).to_have_title(re.compile(pattern))
