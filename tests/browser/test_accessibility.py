"""Every state of every page in both languages: no axe violation, no sideways scroll, targets of 24 px."""

import os
import re
import subprocess
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from app.web.i18n import english
from tests.browser.conftest import TIMEOUT_MS
from tools.pages.measures import out_of_reach, resize
from tools.pages.scenarios import Scenarios
from tools.pages.states import STATES, State
from tools.pages.steps import wait_until_ready
from tools.server_process import ROOT

_AXE = Axe().axe_script
# All rules of WCAG 2.2 AA and good practice, or those named, for the page or the modal dialog that covers it.
# Targets are measured below.
_FIND = """(rules) => axe.run([...document.querySelectorAll("dialog:modal")].at(-1) ?? document, {
  resultTypes: ["violations"], preload: false, ...(rules && { runOnly: rules }),
}).then(({ violations }) => violations.flatMap(
  ({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`)
))"""

# Whether the focused element, or its representative, is visible and marked.
_SHOWS_ITS_FOCUS = """() => {
  const focused = document.activeElement;
  if (focused === document.body) return true;
  const marked = [focused, focused.parentElement, focused.closest("label")].find((element) => {
    const styles = element ? [getComputedStyle(element), getComputedStyle(element, "::after")] : [];
    return styles.some(({ outlineStyle, boxShadow }) => outlineStyle !== "none" || boxShadow !== "none");
  });
  const shown = marked ?? (focused.matches("[data-table-editor]") && focused); // the table marks its cell
  const box = shown && shown.getBoundingClientRect();
  return Boolean(box) && box.width * box.height > 0 && box.bottom > 0 && box.top < innerHeight
    || focused.outerHTML.slice(0, 200);
}"""


# Puts the Chinese words of labels in place of the English ones, until translateBack() is called.
_TRANSLATE = """(words) => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) found.push([texts.currentNode, texts.currentNode.data]);
  for (const [node, text] of found) node.data = text.replace(text.trim(), (word) => words[word] ?? word);
  document.documentElement.lang = "zh-CN";
  window.translateBack = () => {
    for (const [node, text] of found) node.data = text;
    document.documentElement.lang = "en";
  };
}"""
CHINESE = {english: chinese for chinese, english in english().items()}

# States that show most of a page: on a desk and in the dark too, and in each run.
FULL = (
    "index: all kinds of results",
    "batch: bad cells",
    "batch: ended",
    "pictures: by rows",
    "records: table",
    "records: grid",
    "samples: filled",
    "usage: filled",
    "model: settings",
    "login",
)

# In CI one of so many states runs, and those of each page whose files changed since the last release.
_SAMPLE = 5
_FILES = {  # of a page, where they are not named after it
    "index": "studio",
    "batch": "batch|grid|table|recipes|delivery|rounds|history",
    "pictures": "gallery|retouch|viewer|selection",
    "samples": "samples|library",
    "join": "before_login",
    "login": "login",
}


def states_of_this_run() -> list[State]:
    """All of them, but in CI those that can have changed, and a sample of the others."""
    if not os.environ.get("CI"):
        return list(STATES)
    tag = _git("describe", "--tags", "--abbrev=0")
    changed = _git("diff", "--name-only", tag, "--", "templates", "static") if tag else ""
    pages = [state.name.partition(":")[0] for state in STATES]
    return [
        state
        for number, (state, page) in enumerate(zip(STATES, pages, strict=True))
        if number % _SAMPLE == 0 or state.name in FULL or re.search(_FILES.get(page, page), changed)
    ]


def _git(*words: str) -> str:
    """What git says; nothing where there is none."""
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


# Layers that the Enter key opens: path, server, opener, layer.
OPENINGS = {
    "keys": ("/", "populated", "[data-open=shortcuts]", "dialog[data-dialog=shortcuts]"),
    "picker": ("/", "library", "[data-open-picker]", "dialog[data-dialog=references]"),
    "charge": ("/", "populated", ".result-card [data-command=resubmit]", "dialog[data-dialog=cost]"),
    "bill": ("/", "populated", ".result-card [data-command=write-off]", "dialog[data-dialog=billing]"),
    "tables": ("/batch?id={ended}", "populated", "[data-table-menu]", ".tables-menu"),
    "row": ("/batch?id={ended}", "populated", "[data-picture]", "dialog[data-lightbox]"),
}


@pytest.fixture(scope="module")
def english_tab(browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """A page for all states, so that its process starts once, and the errors in its console."""
    problems: list[str] = []
    with browser.new_context(locale="en-US") as context:
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        yield page, problems


@pytest.fixture
def english_page(english_tab: tuple[Page, list[str]]) -> Iterator[Page]:
    """That page, which keeps nothing of the states before. An error in its console fails."""
    page, problems = english_tab
    yield page
    where = {"origin": page.evaluate("origin"), "storageTypes": "local_storage,indexeddb"}
    page.goto(f"{where['origin']}/healthz")  # where no script writes anything more
    page.evaluate("sessionStorage.clear()")
    page.context.new_cdp_session(page).send("Storage.clearDataForOrigin", where)
    page.context.clear_cookies()
    page.emulate_media(color_scheme="light")
    found = problems.copy()
    problems.clear()
    assert found == []


def found_by_axe(page: Page, *rules: str) -> list[str]:
    """The violations of all rules, or of these."""
    found: list[str] = page.evaluate(_FIND, list(rules) or None)
    return found


@pytest.mark.parametrize("state", states_of_this_run(), ids=lambda state: state.name)
def test_every_state_is_accessible_and_fits_in_english_and_chinese(
    english_page: Page, scenarios: Scenarios, state: State
) -> None:
    page = english_page
    page.set_viewport_size({"width": 360, "height": 740})
    state.open(page, scenarios)
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert out_of_reach(page) == []
    page.evaluate(_AXE)
    assert found_by_axe(page) == []
    page.evaluate(_TRANSLATE, CHINESE)
    assert out_of_reach(page) == []
    resize(page, 390)
    assert out_of_reach(page) == []
    page.evaluate("window.translateBack()")
    for width in (720, 1024, 1440):
        resize(page, width)
    if state.name in FULL:
        assert found_by_axe(page) == []
    page.emulate_media(color_scheme="dark")
    assert found_by_axe(page, "color-contrast") == []
    if state.name in FULL:
        resize(page, 390)
        assert found_by_axe(page, "color-contrast") == []


@pytest.mark.parametrize(("path", "server", "opener", "layer"), OPENINGS.values(), ids=OPENINGS)
def test_escape_closes_the_topmost_layer_and_restores_the_focus(
    page: Page, scenarios: Scenarios, path: str, server: str, opener: str, layer: str
) -> None:
    State("", server, path, (wait_until_ready,)).open(page, scenarios)
    origin, top = page.locator(f"{opener}:visible").first, page.locator(f"{layer}:visible")
    origin.focus()
    page.keyboard.press("Enter")
    expect(top).to_have_count(1)
    page.wait_for_function(
        "selector => document.querySelector(selector).contains(document.activeElement)", arg=layer
    )
    for _ in range(6):
        page.keyboard.press("Tab")
        assert page.evaluate(_SHOWS_ITS_FOCUS) is True
    page.keyboard.press("Escape")
    expect(top).to_have_count(0)
    expect(origin).to_be_focused()


@pytest.mark.parametrize(
    "path", ["/", "/batch", "/batch/pictures?id={ended}", "/records", "/samples", "/usage", "/model"]
)
def test_tab_shows_the_focus(page: Page, scenarios: Scenarios, path: str) -> None:
    page.goto(scenarios.populated.address + path.format(**scenarios.ids))
    page.wait_for_load_state()
    for _ in range(30):
        page.keyboard.press("Tab")
        assert page.evaluate(_SHOWS_ITS_FOCUS) is True


def test_reduced_motion_disables_animations(page: Page, scenarios: Scenarios) -> None:
    for path in ("/", "/batch?id={running}", "/records", "/samples", "/usage"):
        page.goto(scenarios.populated.address + path.format(**scenarios.ids))
        page.wait_for_load_state()
        assert page.evaluate("document.getAnimations().map(({ effect }) => effect.target.outerHTML)") == []
