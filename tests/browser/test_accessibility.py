"""Every state of every page: no axe violation in both themes, no sideways scroll, targets of 24 px."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.conftest import TIMEOUT_MS
from tests.browser.states import STATES, Scenarios, State, Step, wait_for

_AXE = Axe().axe_script
_NARROW, _WIDE = ViewportSize(width=360, height=740), ViewportSize(width=1440, height=900)
_PHONE = ViewportSize(width=390, height=844)
# All rules of WCAG 2.2 AA and good practice, or those named. Targets are measured below.
_FIND = """(rules) => axe.run({
  resultTypes: ["violations"], preload: false, ...(rules && { runOnly: rules }),
}).then(({ violations }) => violations.flatMap(
  ({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`)
))"""
# Elements of the page, or of its modal dialog, that cannot be reached by touch.
_OUT_OF_REACH = """() => {
  const found = [];
  if (document.documentElement.scrollWidth > innerWidth) found.push("the page scrolls sideways");
  const top = [...document.querySelectorAll("dialog:modal")].at(-1) ?? document.body;
  const told = (element) => element.outerHTML.slice(0, 160);
  for (const element of [top, ...top.querySelectorAll("*")]) {
    const sideways = element.scrollWidth > element.clientWidth + 1;
    const scrolls = ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
    const may = element.matches("pre, textarea");
    if (sideways && scrolls && !may) found.push(`scrolls sideways: ${told(element)}`);
  }
  const actions = "a[href], button, summary, input, select, textarea, [role=option], [role=menuitem]";
  for (const element of top.querySelectorAll(actions)) {
    if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    if (element.closest(".sr-only, .skip-link")) continue;
    const { left, right, width, height } = (element.closest("label") ?? element).getBoundingClientRect();
    if (left < -1 || right > innerWidth + 1) found.push(`beyond the edge: ${told(element)}`);
    const isAlone = element.parentElement.textContent.trim() === element.textContent.trim();
    const isWord = getComputedStyle(element).display === "inline" && !isAlone; // within a sentence
    if (!isWord && Math.min(width, height) < 23.9) found.push(`${width}×${height}: ${told(element)}`);
  }
  return found;
}"""

# Whether the focused element, or its representative, is visible and marked.
_SHOWS_ITS_FOCUS = """() => {
  const focused = document.activeElement;
  if (focused === document.body) return true;
  const marked = [focused, focused.parentElement, focused.closest("label")].find((element) => {
    const { outlineStyle, boxShadow } = element ? getComputedStyle(element) : {};
    return element && (outlineStyle !== "none" || boxShadow !== "none");
  });
  const shown = marked ?? (focused.matches("[data-table-editor]") && focused); // the table marks its cell
  const box = shown && shown.getBoundingClientRect();
  return Boolean(box) && box.width * box.height > 0 && box.bottom > 0 && box.top < innerHeight
    || focused.outerHTML.slice(0, 200);
}"""


@dataclass(frozen=True)
class Opening:
    """A layer that the Enter key opens, and its opener."""

    name: str
    state: State
    opener: str
    top: str


def opened(name: str, path: str, opener: str, top: str, *steps: Step, server: str = "populated") -> Opening:
    return Opening(name, State(name, server, path, steps), opener, top)


_READY = wait_for("[data-ready]")
OPENINGS = (
    opened("keys", "/", "[data-open=shortcuts]", "dialog[data-dialog=shortcuts]"),
    opened("picker", "/", "[data-open-picker]", "dialog[data-dialog=references]", server="library"),
    opened("large", "/", "a.result-card-frame", "dialog[data-lightbox]"),
    opened("charge", "/", ".result-card [data-command=resubmit]", "dialog[data-dialog=cost]"),
    opened("bill", "/", ".result-card [data-command=write-off]", "dialog[data-dialog=billing]"),
    opened("earlier", "/batch", "[data-command=history]", "dialog[data-dialog=history]", _READY),
    opened("record", "/records?status=success", "[data-image-url]", "dialog[data-lightbox]", _READY),
    opened("sample", "/samples", ".sample-link", "dialog[data-lightbox]"),
    opened("row", "/batch?id={ended}", "[data-picture]", "dialog[data-lightbox]", _READY),
    opened(
        "usage bill",
        "/usage",
        ".unresolved-item [data-command=write-off]",
        "dialog[data-dialog=billing]",
        _READY,
    ),
)


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page on a narrow phone."""
    contexts = []

    def open_page(**how: Any) -> Page:
        contexts.append(browser.new_context(viewport=_NARROW, reduced_motion="reduce", **how))
        contexts[-1].set_default_timeout(TIMEOUT_MS)
        return contexts[-1].new_page()

    yield open_page
    for context in contexts:
        context.close()


def found_by_axe(page: Page, *rules: str) -> list[str]:
    """The violations of all rules, or of these."""
    found: list[str] = page.evaluate(_FIND, list(rules) or None)
    return found


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_every_state_is_accessible_in_both_themes_and_fits(
    new_page: Callable[..., Page], scenarios: Scenarios, state: State
) -> None:
    page = new_page(color_scheme="light")
    state.open(page, scenarios)
    assert page.evaluate(_OUT_OF_REACH) == []
    page.evaluate(_AXE)
    assert found_by_axe(page) == []
    page.set_viewport_size(_PHONE)
    page.wait_for_function("() => document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(_OUT_OF_REACH) == []
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(_WIDE)
    page.wait_for_function("() => document.documentElement.scrollWidth <= innerWidth")
    assert found_by_axe(page) == []


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_every_state_is_accessible_and_fits_in_english(
    new_page: Callable[..., Page], scenarios: Scenarios, state: State
) -> None:
    page = new_page(locale="en-US", color_scheme="dark")
    state.open(page, scenarios)
    assert page.evaluate(_OUT_OF_REACH) == []
    page.evaluate(_AXE)
    assert found_by_axe(page) == []
    for width in (720, 1440, 1024):
        page.set_viewport_size(ViewportSize(width=width, height=740))
        page.wait_for_function(f"() => document.documentElement.scrollWidth <= {width}")
    page.emulate_media(color_scheme="light")
    assert found_by_axe(page, "color-contrast") == []


@pytest.mark.parametrize("opening", OPENINGS, ids=lambda opening: opening.name)
def test_escape_closes_the_topmost_layer_and_restores_the_focus(
    new_page: Callable[..., Page], scenarios: Scenarios, opening: Opening
) -> None:
    page = new_page()
    page.set_viewport_size(_WIDE)
    opening.state.open(page, scenarios)
    opener = page.locator(f"{opening.opener}:visible").first
    opener.focus()
    page.keyboard.press("Enter")
    top = page.locator(f"{opening.top}:visible")
    expect(top).to_have_count(1)
    page.wait_for_function(
        "selector => document.querySelector(selector).contains(document.activeElement)", arg=opening.top
    )
    for _ in range(6):
        page.keyboard.press("Tab")
        assert page.evaluate(_SHOWS_ITS_FOCUS) is True
    page.keyboard.press("Escape")
    expect(top).to_have_count(0)
    expect(opener).to_be_focused()


@pytest.mark.parametrize(
    "path", ["/", "/batch", "/batch/pictures?id={ended}", "/records", "/samples", "/usage", "/model"]
)
def test_tab_shows_the_focus(new_page: Callable[..., Page], scenarios: Scenarios, path: str) -> None:
    page = new_page()
    page.set_viewport_size(_WIDE)
    page.goto(scenarios.populated.address + path.format(**scenarios.ids))
    page.wait_for_load_state()
    for _ in range(30):
        page.keyboard.press("Tab")
        assert page.evaluate(_SHOWS_ITS_FOCUS) is True


def test_reduced_motion_disables_animations(new_page: Callable[..., Page], scenarios: Scenarios) -> None:
    page = new_page()
    for path in ("/", "/batch?id={running}", "/records", "/samples", "/usage"):
        page.goto(scenarios.populated.address + path.format(**scenarios.ids))
        page.wait_for_load_state()
        assert page.evaluate("document.getAnimations().map(({ effect }) => effect.target.outerHTML)") == []
