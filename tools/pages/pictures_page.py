"""Page object of 看图, the pictures of a batch by row."""

from playwright.sync_api import Locator, Page, expect

from tools.server_process import ServerProcess


class PicturesPage:
    """User actions on ``/batch/pictures``."""

    def __init__(self, page: Page, server: ServerProcess) -> None:
        self.page, self.server = page, server

    def open(self, batch_id: str, query: str = "") -> None:
        self.page.goto(f"{self.server.address}/batch/pictures?id={batch_id}{query}")
        expect(self.page.locator("[data-pictures-page][data-ready]")).to_have_count(1)

    def row(self, number: int) -> Locator:
        return self.page.locator(f"[data-picture-rows] > [data-row='{number}']")

    def picture(self, row: int, number: int = 1) -> Locator:
        return self.row(row).locator("[data-record-id]").nth(number - 1)

    def focus(self, row: int, number: int = 1) -> None:
        self.picture(row, number).locator("[data-place]").focus()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def expect_pick(self, row: int, number: int, pick: str) -> None:
        """Expect a choice on the page: keep, reject, or empty for none."""
        for name in ("keep", "reject"):
            button = self.picture(row, number).locator(f"[data-command={name}]")
            expect(button).to_have_attribute("aria-pressed", str(name == pick).lower())

    def expect_counts(self, **groups: int) -> None:
        for group, number in groups.items():
            expect(self.page.locator(f".pictures-groups [data-group={group}] .pictures-count")).to_have_text(
                str(number)
            )

    def release(self, part: str) -> Locator:
        return self.page.locator(f"[data-release-{part}]")
