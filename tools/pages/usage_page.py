"""Page object of 用量."""

from pathlib import Path

from playwright.sync_api import Locator, Page, expect


class UsagePage:
    """User actions on ``/usage`` and expectations about it."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address

    def open(self, query: str = "") -> None:
        """Open the page and wait until it is ready."""
        self.page.goto(f"{self.address}/usage{query}")
        expect(self.page.locator("[data-usage][data-ready]")).to_have_count(1)

    def expect_sum(self, label: str, amount: str) -> None:
        """One of the sums at the top."""
        sum_of = self.page.locator(".stat", has=self.page.locator("dt", has_text=label))
        expect(sum_of.locator(".stat-amount")).to_have_text(amount, timeout=30_000)

    def unresolved(self) -> Locator:
        """The unresolved records."""
        return self.page.locator(".unresolved-item")

    def act(self, name: str, index: int = 0) -> None:
        """取回, 重试…, 放弃… or 对账… of one of them."""
        self.unresolved().nth(index).get_by_role("button", name=name).click()

    def act_on_all(self, name: str) -> None:
        """The same for all."""
        self.page.locator(".unresolved-bulk").get_by_role("button", name=name).click()

    def confirm_cost(self) -> None:
        self.page.locator("[data-dialog=cost] [data-ask-choice]").click()

    def answer_bill_question(self, answer: str) -> None:
        """账单里有 or 账单里没有."""
        self.page.locator("dialog[data-dialog=billing]").get_by_role(
            "button", name=answer, exact=True
        ).click()

    def expect_toast(self, text: str) -> None:
        expect(self.page.locator(".toast")).to_contain_text(text)

    def chart(self, title: str) -> Locator:
        """A chart by its title."""
        return self.page.locator("figure.chart", has=self.page.get_by_role("heading", name=title))

    def expect_figures(self, title: str, *lines: str) -> None:
        """The rows of a chart's table, each with these words in it."""
        chart = self.chart(title)
        chart.locator("summary").click()
        expect(chart.locator("tbody tr")).to_contain_text(list(lines), use_inner_text=True)

    def download(self, name: str, folder: Path) -> Path:
        with self.page.expect_download() as download:
            self.page.get_by_role("link", name=name, exact=True).click()
        file = folder / download.value.suggested_filename
        download.value.save_as(file)
        return file
