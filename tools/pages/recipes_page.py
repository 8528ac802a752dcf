"""Page object of the dialog of recipes, over an open table of products."""

import re

from playwright.sync_api import Page, expect

from tools.pages.batch_page import BatchPage, upload
from tools.server_process import ServerProcess
from tools.workbooks.written import by_openpyxl

HEADER = ("SKU", "品名", "类目", "产品图1", "产品图2")


def products(number: int) -> bytes:
    """A workbook of products: own columns, and photos 正1.png, 反1.png of the first."""
    lines = [(f"A-{n}", f"杯子{n}", "茶具", f"正{n}.png", f"反{n}.png") for n in range(1, number + 1)]
    return by_openpyxl([HEADER, *lines])


class RecipesPage:
    """User actions on the dialog, and expectations about it."""

    def __init__(self, page: Page, server: ServerProcess) -> None:
        self.page, self.server = page, server
        self.batch = BatchPage(page, server.address)
        self.dialog = page.locator("dialog[data-dialog=recipes]")
        self.roles = self.dialog.locator("[data-role-name]")
        self.words = self.dialog.locator("[name=prompt]")
        self.choice = self.dialog.locator("[data-recipes-choice]")
        self.problems = self.dialog.locator("[data-recipes-problems] > *")

    def import_products(self, number: int, photos: int | None = None) -> None:
        """Import products into a new table, with the first ``photos`` photos in the library."""
        names = range(1, (number if photos is None else photos) + 1)
        upload(self.server, *(f"正{n}.png" for n in names))
        self.batch.open()
        kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        file = {"name": "春季.xlsx", "mimeType": kind, "buffer": products(number)}
        self.page.locator("[data-file]").set_input_files(file)  # type: ignore[arg-type]
        expect(self.dialog).to_be_visible()

    def open(self) -> None:
        """Choose 配方… from the menu of the head, by key."""
        self.page.locator("[data-command=more]").press("Enter")
        self.page.locator("[data-more-menu] [data-command=recipes]").press("Enter")
        expect(self.dialog).to_be_visible()

    def press(self, hook: str) -> None:
        self.dialog.locator(f"[data-{hook}]").click()

    def press_in_menu(self, hook: str) -> None:
        self.dialog.locator("[data-popup] > summary").click()
        self.press(hook)

    def expect_sum(self, text: str) -> None:
        line = self.dialog.locator("[data-recipes-sum-line]")
        expect(line).to_have_attribute("aria-busy", "false")
        expect(line).to_have_text(re.compile(re.escape(text)))

    def expect_chosen(self, label: str) -> None:
        expect(self.choice.locator("option:checked")).to_have_text(label)
