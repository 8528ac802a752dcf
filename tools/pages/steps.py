"""Steps that lead to the states of pages, by the ``data-…`` names of the page only."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tools.pages.measures import READY
from tools.pages.records_page import RecordsPage
from tools.pages.samples_page import drop
from tools.pages.scenarios import Scenarios

Step = Callable[[Page, Scenarios], None]


def wait_until_ready(page: Page, _town: Scenarios) -> None:
    """Wait until the scripts of the page run and its visible images are loaded."""
    page.wait_for_function(READY)


def wait_for(selector: str) -> Step:
    """Wait until it is visible."""
    return lambda page, _town: expect(page.locator(f"{selector}:visible").first).to_be_visible()


def click(selector: str) -> Step:
    """Click the first visible match."""
    return lambda page, _town: page.locator(f"{selector}:visible").first.click()


def press_key(name: str) -> Step:
    return lambda page, _town: page.keyboard.press(name)


def press_at(selector: str, name: str) -> Step:
    """Press a key with the focus on the first match."""
    return lambda page, _town: page.locator(selector).first.press(name)


def type_text(text: str) -> Step:
    """Type where the focus is."""
    return lambda page, _town: page.keyboard.type(text)


def fill(selector: str, text: str) -> Step:
    return lambda page, _town: page.locator(selector).first.fill(text)


def choose_file(selector: str, name: str) -> Step:
    """Choose a file of the scenarios' folder."""
    return lambda page, scenarios: page.locator(selector).set_input_files(scenarios.folder / name)


def import_file(name: str) -> Step:
    """Import a file of the scenarios' folder as a new table, also where it is asked what becomes of it."""

    def choose(page: Page, scenarios: Scenarios) -> None:
        page.locator("[data-file]").set_input_files(scenarios.folder / name)
        asked = page.locator("[data-ask-choice=new]")
        reported = page.locator("[data-report-title]:not(:empty)")
        expect(asked.or_(reported).first).to_be_visible()
        if asked.is_visible():
            asked.click()
        expect(reported).to_be_visible()

    return choose


def open_columns(page: Page, _town: Scenarios) -> None:
    """Open the menu of columns, which on a phone is a line of the menu of the head."""
    opener = page.locator("[data-batch-toolbar] [data-command=columns]")
    if not opener.is_visible():
        page.locator("[data-command=more]").click()
        opener = page.locator("[data-more-menu] [data-command=columns]")
    opener.click()


def unfold_report(page: Page, _town: Scenarios) -> None:
    """Show the report, which is one line on a phone."""
    expect(page.locator("[data-report-title]:not(:empty)")).to_be_visible()
    if page.locator("[data-report-fold]").is_visible():
        page.locator("[data-report-fold]").click()
    expect(page.locator("[data-report-body]")).to_be_visible()


def drop_image(page: Page, scenarios: Scenarios) -> None:
    """Drop the image of a deleted record onto the page of records."""
    RecordsPage(page, scenarios.populated.address).drop(scenarios.populated.data_dir / "output" / "图-2.jpg")


def drag_picture_over(page: Page, _town: Scenarios) -> None:
    page.evaluate(
        """() => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([], "壶.png", { type: "image/png" }));
          document.dispatchEvent(new DragEvent("dragover", { dataTransfer }));
        }"""
    )


def drop_broken_picture(page: Page, _town: Scenarios) -> None:
    broken = {"name": "坏.png", "mimeType": "image/png", "buffer": b"no picture"}
    drop(page.locator("[data-table]"), [broken])  # type: ignore[list-item]


def expand(selector: str) -> Step:
    """Open the first matching <details>, which may be open already."""
    return lambda page, _town: page.locator(selector).first.evaluate("(details) => { details.open = true; }")


def select_records(*places: int) -> Step:
    """Select records by their places in the list; a touch screen shows the checkboxes on request."""

    def select(page: Page, _town: Scenarios) -> None:
        if page.locator("[data-select-mode]").is_visible():
            page.locator("[data-select-mode]").click()
        for place in places:
            page.locator(f"[data-record-id]:nth-child({place}) [data-select]").check()

    return select


def open_filter(name: str) -> Step:
    """Open the menu of a filter of the records; a phone shows the filters on request."""

    def open_menu(page: Page, _town: Scenarios) -> None:
        menu = page.locator(f"[data-filter-more={name}] > summary")
        if not menu.is_visible():
            page.locator("[data-filters-toggle]").click()
        menu.click()

    return open_menu
