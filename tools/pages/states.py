"""Every page, dialog, menu and state of the product, and the steps that lead there.

Steps use only the page's ``data-…`` names, so that they work in every language.
"""

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page

from tools.pages.scenarios import LONG, PASSWORD, Scenarios
from tools.pages.steps import (
    Step,
    choose_file,
    click,
    drag_picture_over,
    drop_broken_picture,
    drop_image,
    expand,
    fill,
    import_file,
    open_columns,
    open_filter,
    press_at,
    press_key,
    select_records,
    type_text,
    unfold_report,
    wait_for,
)
from tools.server_process import ServerProcess


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


_NEXT = ":is([data-stage-action], [data-stage-foot])"  # on a phone it is in the foot
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
_FAILED = (click("[data-command=failed]"), wait_for("[data-filter]"))
_PICKED = (select_records(2, 3), wait_for("[data-selection]"))
_RUN_MENU = (click("[data-command=more]"), wait_for("[data-run-group]"))
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
    _batch("ended", click("[data-command=failed]"), wait_for(".run-error.is-unknown"), query=_ENDED),
    _batch("log", *_RUN_MENU, click("[data-strip-open=log]"), wait_for(".log-line"), query=_ENDED),
    _batch("another model", *_RUN_MENU, click("[data-run-model]"), _dialog("order"), query=_ENDED),
    _batch(
        "the rest",
        click(_NEXT),
        click("[data-order-changes] > summary"),
        wait_for("[data-order-field]"),
        query="?id={sampled}",
    ),
    _batch("gallery", click("[data-picture]"), _LARGE, query=_ENDED),
    _batch("paused", wait_for("[data-stage-name=paused]"), query="?id={paused}"),
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
        click(".recipes-rest > summary"),
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
    _batch("roles of the rest", click(_NEXT), wait_for("[data-kind^=role]"), **_TRIED),
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
        "selection, with its menu",
        *_PICKED,
        click("[data-selection] .filter-more summary"),
        query="?view=grid",
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
        (fill("#name", "no"), fill("#password", "no"), press_key("Enter"), wait_for("#password-error")),
    ),
    State("join", "locked", "/join/{invited}", (wait_for("#password"),)),
    State("join: gone", "locked", "/join/nothing", (wait_for(".login p"),)),
    State(
        "people",
        "locked",
        "/login?next=/people",
        (
            fill("#name", "主人"),
            fill("#password", PASSWORD),
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
