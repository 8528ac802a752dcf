"""The words in which tests speak of 用量."""

from pathlib import Path

from playwright.sync_api import Locator, Page, expect


class UsagePage:
    """What a person does on ``/usage`` and what they see there."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address

    def open(self, query: str = "") -> None:
        """Go to the page and wait until it can be used."""
        self.page.goto(f"{self.address}/usage{query}")
        expect(self.page.locator("[data-usage][data-ready]")).to_have_count(1)

    def expect_sum(self, label: str, amount: str) -> None:
        """One of the figures at the top."""
        sum_of = self.page.locator(".sum", has=self.page.locator("dt", has_text=label))
        expect(sum_of.locator(".sum-money")).to_have_text(amount, timeout=30_000)

    def doubts(self) -> Locator:
        """The pictures of which nobody knows."""
        return self.page.locator(".doubt")

    def act(self, name: str, doubt: int = 0) -> None:
        """取回, 重试…, 放弃… or 对账… of one of them."""
        self.doubts().nth(doubt).get_by_role("button", name=name).click()

    def act_on_all(self, name: str) -> None:
        """The same for all."""
        self.page.locator(".doubts-all").get_by_role("button", name=name).click()

    def expect_idle(self) -> None:
        """Until a doubt whose question was left can be pressed again."""
        expect(self.page.locator("[data-record-id][data-busy]")).to_have_count(0)

    def agree(self) -> None:
        """Yes to the question about money."""
        self.page.locator("[data-money-yes]").click()

    def say_of_the_bill(self, answer: str) -> None:
        """账单里有 or 账单里没有."""
        self.page.locator("dialog[data-dialog=bill]").get_by_role("button", name=answer, exact=True).click()

    def expect_toast(self, text: str) -> None:
        """The good news."""
        expect(self.page.locator(".toast")).to_contain_text(text)

    def chart(self, title: str) -> Locator:
        """A chart by its title."""
        return self.page.locator("figure.chart", has=self.page.get_by_role("heading", name=title))

    def expect_figures(self, title: str, *lines: str) -> None:
        """The figures of a chart, as its table tells them: a line each, with these words in it."""
        chart = self.chart(title)
        chart.locator("summary").click()
        expect(chart.locator("tbody tr")).to_contain_text(list(lines), use_inner_text=True)

    def download(self, name: str, folder: Path) -> Path:
        """The ledger as the browser saves it."""
        with self.page.expect_download() as download:
            self.page.get_by_role("link", name=name, exact=True).click()
        file = folder / download.value.suggested_filename
        download.value.save_as(file)
        return file
