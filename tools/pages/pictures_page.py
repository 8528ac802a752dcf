"""Page object of 看图, the open table as pictures."""

from typing import Any

from playwright.sync_api import Locator, Page, expect

from tools.server_process import ServerProcess

# Pictures and places of the grid that are whole in view.
_IN_VIEW = """
() => {
  const view = document.querySelector("[data-gallery-scroll]").getBoundingClientRect();
  const isWhole = ({ top, bottom, width }) => width > 0 && top >= view.top - 1 && bottom <= view.bottom + 1;
  const shots = [...document.querySelectorAll("[data-shot-key]")];
  return shots.filter((shot) => isWhole(shot.getBoundingClientRect())).length;
}
"""
# What can be pressed without hovering, the pictures aside.
_CONTROLS = """
() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
  .filter((element) => element.checkVisibility({ visibilityProperty: true }))
  .filter((element) => !element.matches("[data-shot], .skip-link")).length
"""


def made_table(server: ServerProcess, rows: list[dict[str, Any]], **run: Any) -> str:
    """A table of these rows; their pictures are made but for those that are held -> its id."""
    table_id = str(server.post("/api/tables", {"name": "茶具", "rows": rows})["table"]["id"])
    server.wait_for_end(str(server.post(f"/api/tables/{table_id}/run", run)["batch_id"]))
    return table_id


class PicturesPage:
    """User actions on ``/batch?table=…&view=pictures``."""

    def __init__(self, page: Page, server: ServerProcess) -> None:
        self.page, self.server = page, server

    def open(self, table_id: str) -> None:
        self.page.goto(f"{self.server.address}/batch?table={table_id}&view=pictures")
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        expect(self.page.locator("[data-batch][data-ready]")).to_have_count(1)
        expect(self.page.locator("[data-gallery]")).to_be_visible()

    def picture(self, row: int, number: int = 1) -> Locator:
        """A picture of a row, or the place of one that is not there."""
        return self.page.locator(f"[data-gallery-row='{row}'] [data-shot-key]").nth(number - 1)

    def focus(self, row: int, number: int = 1) -> None:
        self.picture(row, number).locator("[data-shot]").focus()

    def expect_focus(self, row: int, number: int = 1) -> None:
        expect(self.picture(row, number).locator("[data-shot]")).to_be_focused()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def expect_pick(self, row: int, number: int, pick: str) -> None:
        """Expect a choice on the page: keep, reject, or empty for none."""
        words = {"keep": "已留下", "reject": "已淘汰", "": ""}
        expect(self.picture(row, number).locator("[data-shot-mark]")).to_have_text(words[pick])

    def group(self, name: str) -> Locator:
        """The button of a group of rows: all, none, keep, reject, failed or waiting."""
        return self.page.locator(f"[data-gallery-group={name}]")

    def expect_counts(self, **groups: int) -> None:
        for group, number in groups.items():
            expect(self.group(group).locator("span")).to_have_text(str(number))

    def words(self, part: str) -> Locator:
        """Below the pictures: row, name, prompt, reason, edit, change or order."""
        return self.page.locator(f"[data-words-{part}]")

    def in_view(self) -> int:
        """How many pictures are whole in view."""
        return int(self.page.evaluate(_IN_VIEW))

    def controls(self) -> int:
        """How many controls are visible without hovering, the pictures aside."""
        return int(self.page.evaluate(_CONTROLS))
