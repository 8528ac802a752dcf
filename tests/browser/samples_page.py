"""The words in which tests speak of 示例图."""

from pathlib import Path

from playwright.sync_api import Locator, Page, expect


class SamplesPage:
    """What a person does on ``/samples`` and what they see there."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address

    def open(self, query: str = "") -> None:
        """Go to the page, or load it anew."""
        self.page.goto(f"{self.address}/samples{query}")

    def upload(self, *files: Path) -> None:
        """Choose files."""
        self.page.locator("[data-files]").set_input_files(files)

    def samples(self) -> Locator:
        """The pictures that are shown."""
        return self.page.locator(".sample")

    def names(self) -> list[str]:
        """Their names, in order."""
        return self.samples().locator(".sample-name").all_inner_texts()

    def search(self, words: str) -> None:
        """``/`` and the words."""
        self.page.keyboard.press("/")
        self.page.keyboard.type(words)

    def focus(self, number: int) -> None:
        """Put the focus on a picture."""
        self.samples().nth(number).locator("a").focus()

    def expect_count(self, text: str) -> None:
        """What stands beside the title."""
        expect(self.page.locator("[data-count]")).to_have_text(text)
