"""The words in which tests speak of 单图生成."""

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect


class StudioPage:
    """What a person does on ``/`` and what they see there."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address

    def open(self, query: str = "") -> None:
        """Go to the page, or load it anew."""
        self.page.goto(f"{self.address}/{query}")

    def write_prompt(self, prompt: str) -> None:
        """Type over what stands in the prompt."""
        self.page.get_by_label("提示词", exact=False).first.fill(prompt)

    def expect_prompt(self, prompt: str | re.Pattern[str]) -> None:
        """What stands in the prompt."""
        expect(self.page.get_by_label("提示词", exact=False).first).to_have_value(prompt)

    def expect_earlier(self, prompt: str) -> None:
        """Restore the prompt that was there before."""
        self.page.get_by_role("button", name="恢复").click()
        self.expect_prompt(prompt)

    def second_tab(self) -> "StudioPage":
        """The same page once more, open beside this one."""
        other = StudioPage(self.page.context.new_page(), self.address)
        other.open()
        return other

    def come_back(self) -> None:
        """Turn to this tab again."""
        self.page.bring_to_front()
        self.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    def choose(self, *names: str) -> None:
        """Pick ratios or resolutions by their label."""
        for name in names:
            self.page.locator(f"input[value='{name}']").check(force=True)

    def count(self, number: int) -> None:
        """How many pictures."""
        self.page.get_by_label("数量").fill(str(number))

    def generate(self) -> None:
        """Press the button."""
        self.page.locator("[data-composer] button[type=submit]").click()

    def generate_by_keyboard(self) -> None:
        """Ctrl+Enter from the prompt."""
        self.page.get_by_label("提示词", exact=False).first.press("Control+Enter")

    def tiles(self, status: str | None = None) -> Locator:
        """The places of pictures, all or those in one state."""
        return self.page.locator(".tile" if status is None else f".tile[data-status={status}]")

    def wait_for_pictures(self, number: int) -> None:
        """Until that many pictures are shown and decoded."""
        expect(self.tiles("success")).to_have_count(number, timeout=30_000)
        last = self.tiles("success").last.locator("img")
        last.scroll_into_view_if_needed()
        expect(last).not_to_have_js_property("naturalWidth", 0)

    def expect_idle(self) -> None:
        """Until a tile whose question was left can be pressed again."""
        expect(self.page.locator("[data-record-id][data-busy]")).to_have_count(0)

    def act(self, name: str, tile: int = 0) -> None:
        """One of the actions under a picture."""
        self.tiles().nth(tile).get_by_title(name).click()

    def enlarge(self, tile: int = 0) -> Locator:
        """Open the large view."""
        self.tiles().nth(tile).locator("a.tile-place").click()
        large = self.page.locator("dialog[data-lightbox]")
        expect(large).to_be_visible()
        return large

    def drop_references(self, *files: Path) -> None:
        """Choose files as reference images."""
        self.page.locator("[data-references] input[type=file]").set_input_files(files)
        expect(self.references()).to_have_count(len(files))
        expect(self.page.locator("[data-references] .is-coming")).to_have_count(0)

    def references(self) -> Locator:
        """The reference images attached."""
        return self.page.locator("[data-references] .reference")

    def expect_announced(self, sentence: str) -> None:
        """What is said to those who cannot see."""
        expect(self.page.locator("[data-announcer]")).to_have_text(sentence)

    def expect_title(self, pattern: str) -> None:
        """The tab's title."""
        expect(self.page).to_have_title(re.compile(pattern))
