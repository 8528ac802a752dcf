"""Every page, dialog, menu and state of the product, and the steps that lead there.

Steps use only the page's ``data-…`` names, so that they work in every language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Page, expect

from tools.fakes.jimeng import FakeJimeng
from tools.landscapes import landscape
from tools.pages.records_page import RecordsPage, seed_records
from tools.pages.samples_page import drop
from tools.server_process import ServerProcess, running_server
from tools.waiting import wait_until

LONG = "很长的提示词，" * 100
_RECORDS = 30
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
_IN_VIEW = """() => {
  const seen = (element) => {
    if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return false;
    if (!element.matches("input") && element.closest(".sr-only, .skip-link")) return false;
    const box = (element.closest("label") ?? element).getBoundingClientRect();
    const isInside = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
    return box.width * box.height > 0 && isInside;
  };
  const controls = "a[href], button, summary, input, select, textarea";
  return [...document.querySelectorAll(controls)].filter(seen).length;
}"""
READY = """
() => document.readyState === "complete"
  && [...document.querySelectorAll("[data-batch], [data-records-page], [data-usage]")]
    .every((place) => "ready" in place.dataset)
  && [...document.images].every((image) => image.complete || !image.checkVisibility()
    || image.getBoundingClientRect().top > innerHeight)
"""
_HOUR = 3600  # seconds: latency and timeout of the running images
_TABLE = f"""提示词,图片比例,分辨率,生成数量,参考示例图,文件名
一只橘猫趴在窗台上看雨,16：9,2k,1,示例一.jpg,猫
雪山木屋,7:5,2K,12,没有这张.png,a/b
{LONG},1:1,9K,1,,{"长" * 60}
"""
_RUN_TABLE = "SKU,提示词,图片比例,分辨率\n" + "".join(
    f"A-{n},第 {n} 款茶具，白底主图,1:1,1K\n" for n in range(1, 9)
)
_EDITED_TABLE = _RUN_TABLE.replace("3 款茶具，白底", "3 款茶具，黑底").replace("A-6,第 6 款茶具", "A-6,茶壶")
_EDITED_TABLE = _EDITED_TABLE.replace(
    "A-8,第 8 款茶具，白底主图,1:1,1K\n", "B-1,新的一款,1:1,1K\nB-2,又一款,3:4,1K\n"
)
_OWN_TABLE = (
    "SKU,客户,交期,提示词,文件名\nA-1,张三,2026-08-01,{客户}的猫,{SKU}-主图\nA-2,,,{客户}的狗,{SKU}\n"
)
_GOOD_TABLE = "提示词,图片比例,分辨率,生成数量\n一只橘猫,16:9,2K,2\n雪山,1:1,1K,1\n"

_MADE_TABLE = """提示词,图片比例,分辨率,生成数量
雪山,1:1,1K,1
茶杯,1:1,1K,4
丢失,1:1,1K,1
竹林,1:1,1K,2
新的一只猫,1:1,1K,1
新的一只猫,1:1,1K,1
"""


@dataclass(frozen=True, kw_only=True)
class Scenarios:
    """Servers: without records, with many, with a password, with reference images; and files to upload.

    ``ids`` are batches of ``populated``: ended with failures and one unknown, a sample whose other rows are
    held, paused by a wrong key, running.
    """

    empty: ServerProcess
    populated: ServerProcess
    locked: ServerProcess
    library: ServerProcess
    ids: dict[str, str]
    folder: Path


Step = Callable[[Page, Scenarios], None]


@dataclass(frozen=True)
class State:
    """A state of a page: where it is, and the steps that lead to it."""

    name: str
    server: str
    path: str
    steps: tuple[Step, ...]

    def open(self, page: Page, scenarios: Scenarios) -> None:
        server: ServerProcess = getattr(scenarios, self.server)
        page.goto(server.address + self.path.format(**scenarios.ids))
        for step in self.steps:
            step(page, scenarios)


def out_of_reach(page: Page) -> list[str]:
    """Why elements of the page cannot be reached by touch."""
    found: list[str] = page.evaluate(_OUT_OF_REACH)
    return found


def controls_in_view(page: Page) -> int:
    """How many controls are seen without scrolling, the pointer elsewhere."""
    page.mouse.move(0, 0)
    number: int = page.evaluate(_IN_VIEW)
    return number


def resize(page: Page, width: int) -> None:
    """Make the page this wide, and wait until it fits."""
    page.set_viewport_size({"width": width, "height": 844})
    page.wait_for_function(f"() => innerWidth === {width} && document.documentElement.scrollWidth <= {width}")


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


_CHOSEN_OPTION = "[role=option][aria-selected=true]"
_LARGE = wait_for("dialog[data-lightbox]")
_RECORDS_READY = wait_for("[data-records-page][data-ready]")
_FIRST_ROW = click("[data-row='1'] [data-select]")
_ROW_MENU = (click("[data-row='1'] [data-row-menu]"), wait_for("[data-menu]"))
_FOCUSED = click("[data-row='1'] [data-column=prompt]")  # on a phone it shows all fields then
_REFERENCES = (_FOCUSED, click("[data-row='1'] [data-references]"), wait_for("[role=option]"))
_NEW_ROW = (click("[data-command=add]"), type_text("猫"), press_key("Enter"), wait_for("[data-row='1']"))
_BAD = (import_file("table.csv"), unfold_report)
_GOOD = (import_file("good.csv"), wait_for("[data-row='2']"))
_MADE = (import_file("made.csv"), wait_for(".is-status[data-status=made]"))
_OWN = (import_file("own.csv"), wait_for("[data-row='1'] [data-column=prompt].is-filled"))
_PICTURE_MENU = (click("[data-card-menu] > summary"), wait_for("[data-card-menu] [data-command=delete]"))
_FAILED = (click("[data-figure=failed]"), wait_for("[data-filter]"))
_PICKED = (select_records(2, 3), wait_for("[data-selection]"))
_RUN_MENU = (click("[data-run] [data-run-more]"), wait_for("[data-run-menu]"))
_DELIVERY = (click("[data-command=deliver]"), wait_for("[data-delivery-make][aria-disabled=false]"))
_RETOUCH = (click("[data-image-url]"), _LARGE, press_key("r"), wait_for("[data-retouch-order]"))
_RECIPE = (click("[data-command=recipes]"), wait_for("[data-recipes-apply][aria-disabled=false]"))
_TRIED = {"query": "?id={tried}", "server": "library"}
_PRODUCTS = {"query": "?table={products}", "server": "library"}
_ENDED, _MADE_ONES = "?id={ended}", "?view=table&status=success"


def _dialog(name: str) -> Step:
    return wait_for(f"dialog[data-dialog={name}]")


_KEYS = (press_key("?"), _dialog("shortcuts"))


def _page(page: str, path: str, *ready: Step, usual: str = "") -> Callable[..., State]:
    def state(name: str, *steps: Step, server: str = "populated", query: str = usual) -> State:
        return State(f"{page}: {name}", server, path + query, (*ready, *steps))

    return state


def _select_pictures(page: Page, _town: Scenarios) -> None:
    """Two of 看图."""
    for n in range(2):
        page.locator("[data-shot][href]").nth(n).click(modifiers=["Control"])


_index = _page("index", "/")
_batch = _page("batch", "/batch", wait_for("[data-batch][data-ready]"), usual="?new=1")
_tables = _page("tables", "/batch", wait_for("[data-tables-page][data-ready]"))
_pictures = _page("pictures", "/batch/pictures", wait_for("[data-gallery]:not([hidden]) [data-shot]"))
_records = _page("records", "/records", _RECORDS_READY)
_samples, _usage, _model = _page("samples", "/samples"), _page("usage", "/usage"), _page("model", "/model")


STATES = (
    _index("first day", wait_for("[data-example]"), server="empty"),
    _index("更多", click("[data-more] > summary"), wait_for("#negative_prompt")),
    _index(
        "a draft", fill("#prompt", LONG), click("[data-more] > summary"), wait_for("#seed"), server="empty"
    ),
    _index(
        "complaint",
        click("[data-studio-form] [type=submit]"),
        wait_for("[data-error-for=prompt]"),
        server="empty",
    ),
    _index("all kinds of results", wait_for(".result-card[data-status=running]")),
    _index("the model", click(".status-summary"), wait_for(".status-panel")),
    _index("large", click("a.result-card-frame"), _LARGE),
    _index("a second charge", click("[data-command=resubmit]"), _dialog("cost")),
    _index("the bill", click("[data-command=write-off]"), _dialog("billing")),
    _index("a picture's menu", *_PICTURE_MENU),
    _index("selected", select_records(1, 2), wait_for("[data-selection]:not([hidden])")),
    _index("deleted", *_PICTURE_MENU, click("[data-card-menu] [data-command=delete]"), wait_for(".toast")),
    _index(
        "picker",
        click("[data-open-picker]"),
        click("[role=option]"),
        wait_for(".picker-chosen img"),
        server="library",
    ),
    _index("picker without pictures", click("[data-open-picker]"), _dialog("references"), server="empty"),
    _index("keys", *_KEYS),
    _index("commands", click("[data-more] > summary"), press_key("Control+k"), wait_for(_CHOSEN_OPTION)),
    _index(
        "save as a recipe", click("[data-more] > summary"), click("[data-keep-recipe]"), _dialog("recipes")
    ),
    _index("earlier prompts", click("[data-earlier]"), wait_for(_CHOSEN_OPTION)),
    _index(
        "no such prompt",
        click("[data-earlier]"),
        wait_for("[role=option]"),
        type_text("没有这样一条"),
        wait_for("[data-search-list-note]:not(:empty)"),
    ),
    _batch("empty", wait_for("[data-empty]"), server="empty"),
    _batch("a row", *_NEW_ROW),
    _batch("bad cells", *_BAD),
    _batch("bad rows alone", *_BAD, click("[data-command=only-problems]"), wait_for("[data-filter]")),
    _batch("start of a part", *_GOOD, _FIRST_ROW, click("[data-command=start-part]"), _dialog("order")),
    _batch(
        "what becomes of a file",
        *_NEW_ROW,
        choose_file("[data-file]", "table.csv"),
        wait_for("[data-ask-choice=add]"),
    ),
    _batch(
        "a version of a table",
        choose_file("[data-file]", "茶具.csv"),
        click("[data-ask-choice=update]"),
        unfold_report,
        server="library",
    ),
    _batch("other tables", click("[data-table-menu]"), wait_for(".tables-choice")),
    _tables("of every state", wait_for(".tables-item .chip")),
    _tables("a menu", click("[data-tables-more]"), wait_for("[data-tables-item-menu]")),
    _tables("a new name", press_at("[data-tables-link]", "F2"), wait_for(".tables-name .input")),
    _tables("none is found", wait_for(".empty"), query="?search=没有这个"),
    _tables("none is put away", wait_for(".empty"), query="?archived=1"),
    _tables("a bad file", choose_file("[data-file]", "bad.xlsx"), wait_for("[data-ask-error]")),
    _batch(
        "a cell's choices",
        *_BAD,
        click("[data-row='1'] [data-column=aspect_ratio]"),
        press_key("F2"),
        wait_for("[data-table-choices]"),
    ),
    _batch("picked rows", *_BAD, _FIRST_ROW, wait_for("[data-selection-toolbar]")),
    _batch("one value", *_BAD, _FIRST_ROW, click("[data-command=bulk-edit]"), _dialog("bulk-edit")),
    _batch("a row's menu", *_GOOD, *_ROW_MENU),
    _batch("a row's references", *_GOOD, *_REFERENCES),
    _batch(
        "a row for each picture",
        *_GOOD,
        *_REFERENCES,
        *(click(f"[role=option]:nth-child({number})") for number in range(1, 6)),
        wait_for("[data-picker-split]"),
        server="library",
    ),
    _batch("pictures over the table", *_GOOD, drag_picture_over, wait_for("[data-drop]"), server="library"),
    _batch(
        "a picture that is none", *_GOOD, drop_broken_picture, wait_for(".upload.is-bad"), server="library"
    ),
    _batch(
        "columns",
        *_OWN,
        open_columns,
        click("[role=menuitemcheckbox]"),
        wait_for("[role=menuitemcheckbox][aria-checked=true]"),
    ),
    _batch("the table's menu", *_OWN, click("[data-command=more]"), wait_for("[data-more-menu]")),
    _batch(
        "names of variables",
        *_OWN,
        _FOCUSED,
        press_key("F2"),
        type_text("{"),
        wait_for("[data-table-choices]"),
    ),
    _batch("find", *_GOOD, press_key("Control+f"), fill("[data-find-words]", "猫"), wait_for("[data-find]")),
    _batch("a column's menu", *_GOOD, _FOCUSED, press_key("Shift+F10"), wait_for("[data-sort-menu]")),
    _batch("a row alone", *_GOOD, _FOCUSED, click("[data-row='1'] [data-run-row]"), _dialog("order")),
    _batch("start", *_GOOD, click("[data-command=start]"), _dialog("order")),
    _batch("rows made before", *_MADE),
    _batch("a made row's menu", *_MADE, *_ROW_MENU),
    _batch("one more", *_MADE, *_ROW_MENU, click("[data-menu] > :first-child"), _dialog("order")),
    _batch("start with made rows", *_MADE, click("[data-command=start]"), wait_for(".start-option input")),
    _batch("running", wait_for("[data-row='1'] [data-status=running]"), query="?id={running}"),
    _batch("ended", click("[data-run-causes]"), wait_for(".run-error.is-unknown"), query=_ENDED),
    _batch("log", *_RUN_MENU, click("[data-strip-open=log]"), wait_for(".log-line"), query=_ENDED),
    _batch("another model", *_RUN_MENU, click("[data-run-model]"), _dialog("order"), query=_ENDED),
    _batch(
        "the rest",
        click("[data-run-release]"),
        click("[data-order-changes] > summary"),
        wait_for("[data-order-field]"),
        query="?id={sampled}",
    ),
    _batch("gallery", click("[data-picture]"), _LARGE, query=_ENDED),
    _batch("paused", wait_for("[data-run-reason]"), query="?id={paused}"),
    _batch("failed rows", *_FAILED, query=_ENDED),
    _batch(
        "find and replace",
        *_FAILED,
        _FOCUSED,
        press_key("Control+h"),
        fill("[data-find-words]", "违禁"),
        wait_for("[data-find-all]:enabled"),
        query=_ENDED,
    ),
    _batch("a run's menu", *_RUN_MENU, query=_ENDED),
    _batch("delivery", click("[data-command=more]"), *_DELIVERY, query=_ENDED),
    _batch(
        "a profile of one's own",
        click("[data-command=more]"),
        *_DELIVERY,
        click("[data-delivery-copy]"),
        wait_for("[data-form-picture]"),
        query=_ENDED,
    ),
    _batch("recipe", click("[data-command=more]"), *_RECIPE, query=_ENDED),
    _batch(
        "a role's options",
        click("[data-command=more]"),
        *_RECIPE,
        click("[data-recipes-rest] > summary"),
        fill("[name=prompt]", "{型号}"),
        wait_for("[data-problem-role]"),
        query=_ENDED,
    ),
    _batch(
        "the name of a recipe",
        click("[data-command=more]"),
        *_RECIPE,
        click("[data-recipes-store]"),
        query=_ENDED,
    ),
    _batch("products", wait_for("[data-sets]"), wait_for(".is-set-start"), **_TRIED),
    _batch("products to try", click("[data-command=start]"), wait_for(".trial"), **_PRODUCTS),
    _batch("roles of the rest", click("[data-run-release]"), wait_for("[data-kind^=role]"), **_TRIED),
    State("batch: not there", "populated", "/batch?id=nowhere", (wait_for(".empty"),)),
    _batch("keys", *_KEYS),
    _pictures("by rows", query=_ENDED),
    _pictures("by products", wait_for("[data-set-count]"), **_TRIED),
    _pictures("changed", press_key("e"), wait_for("[data-words-edit]:focus"), query=_ENDED),
    _pictures(
        "waiting rows",
        click("[data-gallery-group=waiting]"),
        wait_for("[data-status=held]"),
        query="?id={sampled}",
    ),
    _pictures(
        "side by side",
        _select_pictures,
        click("[data-gallery-survey]"),
        wait_for("dialog[data-compare]"),
        query=_ENDED,
    ),
    _pictures("large", click("[data-shot][href]"), _LARGE, query=_ENDED),
    _pictures("a picture to change", click("[data-shot][href]"), *_RETOUCH[1:], query=_ENDED),
    _pictures("keys", *_KEYS, query=_ENDED),
    _records("empty", wait_for(".empty"), server="empty"),
    _records("nothing found", wait_for(".empty"), query="?search=恐龙&status=failed"),
    _records("table", query="?view=table&sort=oldest"),
    _records("grid", query="?view=grid&sort=oldest"),
    _records("failed ones", query="?status=failed,unknown&view=table"),
    _records("a filter", open_filter("status"), wait_for(".filter-choice")),
    _records("days", open_filter("days"), wait_for(".filter-day")),
    _records("batches", open_filter("batch_id"), wait_for(".filter-choice")),
    _records("more", click(".records-end .filter-more > summary"), wait_for("[data-by-file]")),
    _records("selection", *_PICKED, query=_MADE_ONES),
    _records("delivery of a selection", *_PICKED, *_DELIVERY, query=_MADE_ONES),
    _records("selection in the grid", *_PICKED, query="?view=grid&status=success"),
    _records(
        "compare",
        *_PICKED,
        click("[data-command=compare]"),
        wait_for("dialog[data-compare]"),
        query=_MADE_ONES,
    ),
    _records(
        "large, with its panel",
        click("[data-image-url]"),
        _LARGE,
        press_key("i"),
        wait_for("[data-copy=prompt]"),
        query="?view=grid&status=success",
    ),
    _records("a spot to change", *_RETOUCH, press_at("[data-tool=box]", "Enter"), server="library"),
    _records("a larger frame", *_RETOUCH, click("[data-mode=expand]"), server="library"),
    _records(
        "changed",
        *_RETOUCH,
        click("[data-mode=vary]"),
        click("[data-retouch-order]"),
        wait_for("[data-retouch-done]"),
        server="library",
    ),
    _records(
        "large, rejected, with its menu",
        click("[data-image-url]"),
        _LARGE,
        press_key("x"),
        press_key("ArrowLeft"),
        click("[data-lightbox-more] summary"),
        query="?view=grid&status=success",
    ),
    _records(
        "selection, with its menu", *_PICKED, click("[data-selection-more] summary"), query="?view=grid"
    ),
    State(
        "records: one",
        "populated",
        "/records?record=1",
        (_LARGE, press_key("Escape"), _RECORDS_READY),
    ),
    _records("unreadable address", query="?record=4711&status=lost"),
    _records("a file was dropped", drop_image, _dialog("file")),
    _records("deleted", click("[data-command=delete]"), wait_for(".toast"), query=_MADE_ONES),
    _records("trash", select_records(1), wait_for("[data-selection]"), query="?trash=1&view=table"),
    _records("trash as a grid", query="?trash=1&view=grid"),
    _records("large out of the trash", click("[data-image-url]"), _LARGE, query="?trash=1&view=grid"),
    _records("trash is empty", wait_for(".empty"), server="empty", query="?trash=1"),
    _records("keys", *_KEYS),
    _samples("empty", wait_for(".empty"), server="empty"),
    _samples("filled", wait_for(".sample")),
    _samples("nothing found", wait_for(".empty"), query="?search=恐龙"),
    _samples("a bad file", choose_file("[data-files]", "table.csv"), wait_for(".upload"), server="empty"),
    _samples("large", click(".sample-link"), _LARGE),
    _samples("another name", press_at(".sample-link", "F2"), wait_for(".sample-new-name")),
    _samples("selected", press_at(".sample-link", " "), wait_for("[data-selection]")),
    _samples("deleted", press_at(".sample-link", "Delete"), wait_for(".toast")),
    _samples("keys", *_KEYS),
    _usage("empty", wait_for(".empty"), server="empty"),
    _usage("filled", click("figure.chart summary"), wait_for("figure.chart tbody")),
    _model("a tested key", click("[value=test]"), wait_for(".model-result.is-good")),
    _model("settings", expand("[data-settings]"), wait_for("#set-VOLCENGINE_AK")),
    _model(
        "a wrong value",
        click("#seedream summary"),
        fill("#set-ARK_API_KEY", "你的密钥"),
        click("#seedream [value=save]"),
        wait_for("#set-ARK_API_KEY[aria-invalid]"),
        server="empty",
    ),
    State("login", "locked", "/", (wait_for("#password"),)),
    State(
        "login: wrong",
        "locked",
        "/",
        (fill("#password", "no"), press_key("Enter"), wait_for("#password-error")),
    ),
    State(
        "people",
        "locked",
        "/login?next=/people",
        (
            fill("#password", "sesame"),
            press_key("Enter"),
            wait_for("[data-people][data-ready]"),
            fill("#token-name", LONG[:40]),
            click("[data-make=token] [type=submit]"),
            wait_for("[data-secret=token]:not([hidden])"),
        ),
    ),
    State("people: alone", "populated", "/people", (wait_for("[data-people][data-ready]"),)),
    State("not found", "populated", "/nowhere", (wait_for(".empty"),)),
)


@contextmanager
def scenarios(folder: Path) -> Iterator[Scenarios]:
    """The four running servers with their data."""
    for name in ("empty", "populated", "locked", "library", "files"):
        (folder / name).mkdir()
    (folder / "files/table.csv").write_text(_TABLE, "utf-8")
    (folder / "files/bad.xlsx").write_text("nothing", "utf-8")
    (folder / "files/own.csv").write_text(_OWN_TABLE, "utf-8")
    (folder / "files/good.csv").write_text(_GOOD_TABLE, "utf-8")
    (folder / "files/made.csv").write_text(_MADE_TABLE, "utf-8")
    (folder / "files/茶具.csv").write_text(_EDITED_TABLE, "utf-8")
    seed_records(folder / "populated", _RECORDS, prompts=[LONG])
    with ExitStack() as ends:
        service = ends.enter_context(FakeJimeng())
        budgeted = service.settings(model_concurrency=6, model_timeout=_HOUR, budget=100)
        servers = {
            "empty": running_server(folder / "empty", image_model="demo"),
            "populated": running_server(folder / "populated", **budgeted),
            "locked": running_server(folder / "locked", image_model="demo", access_password="sesame"),
            "library": running_server(folder / "library", image_model="demo"),
        }
        started = {name: ends.enter_context(server) for name, server in servers.items()}
        _add_reference_images(started["library"])
        _run_workbook(started["library"])
        ids = _populate(started["populated"], service) | _try_recipe(started["library"])
        yield Scenarios(**started, ids=ids, folder=folder / "files")


def _add_reference_images(server: ServerProcess) -> None:
    for number in range(1, 6):
        file = {"file": (f"示例{number}{'长' * 20 * (number % 2)}.jpg", landscape(number, "4:3"))}
        requests.post(f"{server.address}/api/sample-images", files=file, timeout=30)


def _run_workbook(server: ServerProcess) -> None:
    file = {"file": ("茶具.csv", _RUN_TABLE.encode())}
    found = requests.post(f"{server.address}/api/spreadsheet/import", files=file, timeout=30).json()
    rows = [_row(row["prompt"], number=row["number"], columns=row["columns"]) for row in found["rows"]]
    server.wait_for_end(_post(server, rows, workbook=found["workbook"], name="茶具"))


def _try_recipe(server: ServerProcess) -> dict[str, str]:
    """Two tables of products with a recipe: one is not begun, of the other one product was tried."""
    roles = [
        {"role": role, "prompt": f"{{SKU}}，{role}", "resolution": "1K"} for role in ("主图", "白底", "场景")
    ]
    ids = {}
    for name in ("products", "tried"):
        columns = [{"SKU": f"{name[:4]}-{n}", "品名": LONG[:40], "类目": str(n % 2)} for n in range(1, 5)]
        rows = [{"columns": each} for each in columns]
        ids[name] = str(server.post("/api/tables", {"rows": rows, "name": "套图"})["table"]["id"])
        server.post(f"/api/tables/{ids[name]}/recipe", {"recipe": {"name": "三张", "roles": roles}})
    ids["tried"] = str(server.post(f"/api/tables/{ids['tried']}/run", {"sample": 1})["batch_id"])
    server.wait_for_end(ids["tried"])
    return ids


def _populate(server: ServerProcess, service: FakeJimeng) -> dict[str, str]:
    """Add batches in every state, images of every outcome, reference images and deleted records."""
    _add_reference_images(server)
    service.fail_next("reset", times=2, when=lambda call: "丢失" in call.content.decode())
    rows = [_row("雪山"), _row("违禁"), _row("丢失"), _row(LONG[:700]), _row("茶杯", num_images=3)]
    ended = _post(server, rows, name="名字" * 40)
    server.wait_for_end(ended)
    sampled = _post(server, [_row("石壶", num_images=2), *[_row("石杯")] * 3], sample=1)
    server.wait_for_end(sampled)
    singles = [_row("猫", num_images=5, aspect_ratio="16:9"), _row("违禁的画"), _row("丢失的画")]
    for row in singles:
        server.wait_for_end(_post(server, [row], source="single"))
    service.fail_next("key", times=9)
    paused = _post(server, [_row("台灯", num_images=3)])
    wait_until(lambda: server.get(f"/api/batches/{paused}")["batch"]["status"] == "paused")
    service.clear_faults()
    service.latency = _HOUR
    single = _post(server, [_row("灯塔", num_images=2)], source="single")
    wait_until(lambda: server.get(f"/api/batches/{single}")["batch"]["counts"]["running"] == 2)
    running = _post(server, [_row("竹林", num_images=2), *[_row("沙漠")] * 5])
    wait_until(lambda: server.get(f"/api/batches/{running}")["batch"]["counts"]["running"] > 0)
    _post(server, [_row("麦田")], source="single")  # queued behind the others
    server.post("/api/records/delete", {"ids": [2, 3, 4]})
    return {"ended": ended, "sampled": sampled, "paused": paused, "running": running}


def _row(prompt: str, **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, "resolution": "1K", **more}


def _post(server: ServerProcess, rows: list[dict[str, Any]], **more: Any) -> str:
    return str(server.post("/api/batches", {"rows": rows, **more})["batch_id"])
