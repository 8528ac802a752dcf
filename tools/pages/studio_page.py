"""Page object of 单图生成."""

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect


class StudioPage:
    """User actions on ``/`` and expectations about it."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address

    def open(self, query: str = "") -> None:
        self.page.goto(f"{self.address}/{query}")

    def write_prompt(self, prompt: str) -> None:
        """Replace the prompt."""
        self.page.get_by_label("提示词", exact=False).first.fill(prompt)

    def expect_prompt(self, prompt: str | re.Pattern[str]) -> None:
        expect(self.page.get_by_label("提示词", exact=False).first).to_have_value(prompt)

    def restore_and_expect(self, prompt: str) -> None:
        """Click 恢复 and expect the earlier prompt."""
        self.page.get_by_role("button", name="恢复").click()
        self.expect_prompt(prompt)

    def second_tab(self) -> "StudioPage":
        """The same page in a second tab."""
        other = StudioPage(self.page.context.new_page(), self.address)
        other.open()
        return other

    def focus_tab(self) -> None:
        self.page.bring_to_front()
        self.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    def choose(self, *names: str) -> None:
        """Choose ratios or resolutions by their label."""
        for name in names:
            self.page.locator(f"input[value='{name}']").check(force=True)

    def set_count(self, number: int) -> None:
        self.page.get_by_label("数量").fill(str(number))

    def generate(self) -> None:
        self.page.locator("[data-studio-form] button[type=submit]").click()

    def generate_by_keyboard(self) -> None:
        """Ctrl+Enter in the prompt."""
        self.page.get_by_label("提示词", exact=False).first.press("Control+Enter")

    def tiles(self, status: str | None = None) -> Locator:
        """The tiles, all or those with one status."""
        return self.page.locator(".result-card" if status is None else f".result-card[data-status={status}]")

    def wait_for_images(self, number: int) -> None:
        """Wait until that many images are shown and decoded."""
        expect(self.tiles("success")).to_have_count(number, timeout=30_000)
        last = self.tiles("success").last.locator("img")
        last.scroll_into_view_if_needed()
        expect(last).not_to_have_js_property("naturalWidth", 0)

    def expect_idle(self) -> None:
        """Wait until a tile can be clicked again after its dialog was closed."""
        expect(self.page.locator("[data-record-id][data-busy]")).to_have_count(0)

    def act(self, name: str, tile: int = 0) -> None:
        """Click an action of a tile, in its menu when it is there."""
        button = self.tiles().nth(tile).get_by_title(name)
        if not button.is_visible():
            self.tiles().nth(tile).locator("[data-card-menu] > summary").click()
        button.click()

    def open_lightbox(self, tile: int = 0) -> Locator:
        self.tiles().nth(tile).locator("a.result-card-frame").click()
        large = self.page.locator("dialog[data-lightbox]")
        expect(large).to_be_visible()
        return large

    def attach_references(self, *files: Path) -> None:
        self.page.locator("[data-references] input[type=file]").set_input_files(files)
        expect(self.references()).to_have_count(len(files))
        expect(self.page.locator("[data-references] .is-uploading")).to_have_count(0)

    def references(self) -> Locator:
        """The attached reference images."""
        return self.page.locator("[data-references] .reference")

    def expect_announced(self, sentence: str) -> None:
        """The text of the live region."""
        expect(self.page.locator("[data-announcer]")).to_have_text(sentence)

    def expect_title(self, pattern: str) -> None:
        expect(self.page).to_have_title(re.compile(pattern))
