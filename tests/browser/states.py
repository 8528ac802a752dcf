"""Every page, dialog, menu and state of the product, and the steps that lead a visitor there.

Steps speak of the page by its ``data-…`` names only, so that they are the same in every language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Page, expect

from tests.browser.records_page import RecordsPage, seed_records, small_picture
from tests.fakes.jimeng import FakeJimeng
from tests.server_process import ServerProcess, running_server
from tests.waiting import wait_until

LONG = "很长的提示词，" * 100
_RECORDS = 30
_FOR_EVER = 3600  # seconds that the pictures under way take, and are waited for
_TABLE = f"""提示词,图片比例,分辨率,生成数量,参考示例图,文件名
一只橘猫趴在窗台上看雨,16：9,2k,1,示例一.jpg,猫
雪山木屋,5:4,2K,12,没有这张.png,a/b
{LONG},1:1,9K,1,,{"长" * 60}
"""
_GOOD_TABLE = "提示词,图片比例,分辨率,生成数量\n一只橘猫,16:9,2K,2\n雪山,1:1,1K,1\n"


@dataclass(frozen=True, kw_only=True)
class Scenarios:
    """Servers: no records, many records, a password, a model that takes the reference images; and files.

    ``ids`` are batches of the second: ended with failures and one unknown, paused by a wrong key, running.
    """

    empty: ServerProcess
    lived: ServerProcess
    locked: ServerProcess
    library: ServerProcess
    ids: dict[str, str]
    folder: Path


Step = Callable[[Page, Scenarios], None]


@dataclass(frozen=True)
class State:
    """Where it is, and what leads from there to it."""

    name: str
    server: str
    path: str
    steps: tuple[Step, ...]

    def arrive(self, page: Page, scenarios: Scenarios) -> None:
        """Go there."""
        server: ServerProcess = getattr(scenarios, self.server)
        page.goto(server.address + self.path.format(**scenarios.ids))
        for step in self.steps:
            step(page, scenarios)


def at(name: str, server: str, path: str, *steps: Step) -> State:
    """A state in one line."""
    return State(name, server, path, steps)


def see(selector: str) -> Step:
    """Wait until it is shown."""
    return lambda page, _town: expect(page.locator(f"{selector}:visible").first).to_be_visible()


def press(selector: str) -> Step:
    """Click the first of them that is shown."""
    return lambda page, _town: page.locator(f"{selector}:visible").first.click()


def key(name: str) -> Step:
    """Press a key."""
    return lambda page, _town: page.keyboard.press(name)


def say(text: str) -> Step:
    """Type where the focus is."""
    return lambda page, _town: page.keyboard.type(text)


def write(selector: str, text: str) -> Step:
    """Fill a field."""
    return lambda page, _town: page.locator(selector).first.fill(text)


def bring(selector: str, name: str) -> Step:
    """Choose a file from the scenarios' folder."""
    return lambda page, scenarios: page.locator(selector).set_input_files(scenarios.folder / name)


def drop_picture(page: Page, scenarios: Scenarios) -> None:
    """Drag a picture of the server, one that is in its trash, onto the page of records."""
    RecordsPage(page, scenarios.lived.address).drop(scenarios.lived.data_dir / "output" / "图-2.jpg")


def unfold_causes(page: Page, _town: Scenarios) -> None:
    """Show the causes of failures, which are a line on a phone."""
    causes = page.locator("[data-run-reasons]")
    expect(causes).to_be_visible()
    if causes.get_attribute("open") is None:
        causes.locator("summary").click()


_BATCH_READY = see("[data-batch][data-ready]")
_RECORDS_READY = see("[data-finder][data-ready]")
_LARGE = see("dialog[data-lightbox]")
_TABLE_ROW = (_BATCH_READY, press("[data-do=add]"), say("猫"), key("Enter"), see("[data-row='1']"))
_IMPORTED = (_BATCH_READY, bring("[data-file]", "table.csv"), see("[data-report-problems]"))
_GOOD = (_BATCH_READY, bring("[data-file]", "good.csv"), see("[data-row='2']"))
_PICKED_RECORDS = (
    _RECORDS_READY,
    press("[data-record-id]:nth-child(2) [data-pick]"),
    press("[data-record-id]:nth-child(3) [data-pick]"),
    see("[data-selection]"),
)


def _dialog(name: str) -> Step:
    return see(f"dialog[data-dialog={name}]")


STATES = (
    at("index: first day", "empty", "/", see("[data-example]")),
    at("index: 更多", "lived", "/", press("[data-more] > summary"), see("#negative_prompt")),
    at("index: a draft", "empty", "/", write("#prompt", LONG), press("[data-more] > summary"), see("#seed")),
    at(
        "index: complaint",
        "empty",
        "/",
        press("[data-composer] [type=submit]"),
        see("[data-error-for=prompt]"),
    ),
    at("index: all kinds of results", "lived", "/", see(".tile[data-status=running]")),
    at("index: the model", "lived", "/", press(".status-summary"), see(".status-panel")),
    at("index: large", "lived", "/", press("a.tile-place"), _LARGE),
    at("index: a second charge", "lived", "/", press("[data-action=reorder]"), _dialog("money")),
    at("index: the bill", "lived", "/", press("[data-action=drop]"), _dialog("bill")),
    at(
        "index: deleted",
        "lived",
        "/",
        press(".tile[data-status=success] [data-action=delete]"),
        see(".toast"),
    ),
    at(
        "index: picker",
        "library",
        "/",
        press("[data-choose]"),
        press("[role=option]"),
        see(".picker-chosen img"),
    ),
    at("index: picker without pictures", "empty", "/", press("[data-choose]"), _dialog("references")),
    at("index: keys", "lived", "/", key("?"), _dialog("shortcuts")),
    at("batch: empty", "empty", "/batch", _BATCH_READY, see("[data-empty]")),
    at("batch: a row", "lived", "/batch", *_TABLE_ROW),
    at("batch: bad cells", "lived", "/batch", *_IMPORTED),
    at(
        "batch: append or replace",
        "lived",
        "/batch",
        *_TABLE_ROW,
        bring("[data-file]", "table.csv"),
        see("[data-place]"),
    ),
    at(
        "batch: a cell's choices",
        "lived",
        "/batch",
        *_IMPORTED,
        press("[data-row='1'] [data-column=aspect_ratio]"),
        key("F2"),
        see("[data-table-choices]"),
    ),
    at(
        "batch: picked rows",
        "lived",
        "/batch",
        *_IMPORTED,
        press("[data-row='1'] [data-pick]"),
        see("[data-picked-tools]"),
    ),
    at(
        "batch: one value",
        "lived",
        "/batch",
        *_IMPORTED,
        press("[data-row='1'] [data-pick]"),
        press("[data-do=set]"),
        _dialog("set"),
    ),
    at(
        "batch: a row's menu",
        "lived",
        "/batch",
        *_GOOD,
        press("[data-row='1'] [data-row-menu]"),
        see("[data-menu]"),
    ),
    at(
        "batch: a row's references",
        "lived",
        "/batch",
        *_GOOD,
        press("[data-row='1'] [data-references]"),
        see("[role=option]"),
    ),
    at(
        "batch: a row alone",
        "lived",
        "/batch",
        *_GOOD,
        press("[data-row='1'] [data-run-row]"),
        _dialog("money"),
    ),
    at("batch: start", "lived", "/batch", *_GOOD, press("[data-do=start]"), _dialog("start")),
    at("batch: running", "lived", "/batch?id={running}", see("[data-row='1'] [data-status=running]")),
    at("batch: ended", "lived", "/batch?id={ended}", unfold_causes, see(".run-cause.is-unknown")),
    at("batch: log", "lived", "/batch?id={ended}", press("[data-log] summary"), see(".log-line")),
    at("batch: gallery", "lived", "/batch?id={ended}", press("[data-picture]"), _LARGE),
    at("batch: paused", "lived", "/batch?id={paused}", see("[data-run-paused]")),
    at("batch: not there", "lived", "/batch?id=nowhere", see(".empty")),
    at("batch: earlier", "lived", "/batch", _BATCH_READY, press("[data-do=earlier]"), see(".earlier-item")),
    at(
        "batch: no earlier ones",
        "empty",
        "/batch",
        _BATCH_READY,
        press("[data-do=earlier]"),
        see("[data-earlier-word]"),
    ),
    at("batch: keys", "lived", "/batch", _BATCH_READY, key("?"), _dialog("shortcuts")),
    at("records: empty", "empty", "/records", _RECORDS_READY, see(".empty")),
    at(
        "records: nothing found", "lived", "/records?search=恐龙&status=failed", _RECORDS_READY, see(".empty")
    ),
    at("records: table", "lived", "/records?view=table&sort=oldest", _RECORDS_READY),
    at("records: grid", "lived", "/records?view=grid&sort=oldest", _RECORDS_READY),
    at("records: failed ones", "lived", "/records?status=failed,unknown&view=table", _RECORDS_READY),
    at(
        "records: a filter",
        "lived",
        "/records",
        _RECORDS_READY,
        press("[data-filter-more=status] > summary"),
        see(".filter-choice"),
    ),
    at(
        "records: days",
        "lived",
        "/records",
        _RECORDS_READY,
        press("[data-filter-more=days] > summary"),
        see(".filter-day"),
    ),
    at(
        "records: batches",
        "lived",
        "/records",
        _RECORDS_READY,
        press("[data-filter-more=batch_id] > summary"),
        see(".filter-choice"),
    ),
    at(
        "records: more",
        "lived",
        "/records",
        _RECORDS_READY,
        press(".finder-end .filter-more > summary"),
        see("[data-by-file]"),
    ),
    at("records: selection", "lived", "/records?view=table&status=success", *_PICKED_RECORDS),
    at("records: selection in the grid", "lived", "/records?view=grid&status=success", *_PICKED_RECORDS),
    at(
        "records: compare",
        "lived",
        "/records?view=table&status=success",
        *_PICKED_RECORDS,
        press("[data-deed=compare]"),
        see("dialog[data-compare]"),
    ),
    at(
        "records: large",
        "lived",
        "/records?view=grid&status=success",
        _RECORDS_READY,
        press("[data-full]"),
        _LARGE,
    ),
    at("records: one", "lived", "/records?record=1", _LARGE, key("Escape"), _RECORDS_READY),
    at("records: unreadable address", "lived", "/records?record=4711&status=lost", _RECORDS_READY),
    at("records: a file was dropped", "lived", "/records", _RECORDS_READY, drop_picture, _dialog("file")),
    at(
        "records: deleted",
        "lived",
        "/records?view=table&status=success",
        _RECORDS_READY,
        press("[data-action=delete]"),
        see(".toast"),
    ),
    at(
        "records: trash",
        "lived",
        "/records?trash=1&view=table",
        _RECORDS_READY,
        press("[data-pick]"),
        see("[data-selection]"),
    ),
    at("records: trash as a grid", "lived", "/records?trash=1&view=grid", _RECORDS_READY),
    at(
        "records: large out of the trash",
        "lived",
        "/records?trash=1&view=grid",
        _RECORDS_READY,
        press("[data-full]"),
        _LARGE,
    ),
    at("records: trash is empty", "empty", "/records?trash=1", _RECORDS_READY, see(".empty")),
    at("records: keys", "lived", "/records", _RECORDS_READY, key("?"), _dialog("shortcuts")),
    at("samples: empty", "empty", "/samples", see(".empty")),
    at("samples: filled", "lived", "/samples", see(".sample")),
    at("samples: nothing found", "lived", "/samples?search=恐龙", see(".empty")),
    at("samples: a bad file", "empty", "/samples", bring("[data-files]", "table.csv"), see(".upload")),
    at("samples: large", "lived", "/samples", press(".sample-link"), _LARGE),
    at("samples: another name", "lived", "/samples", press("[data-action=rename]"), see(".sample input")),
    at("samples: deleted", "lived", "/samples", press("[data-action=delete]"), see(".toast")),
    at("samples: keys", "lived", "/samples", key("?"), _dialog("shortcuts")),
    at("usage: empty", "empty", "/usage", see(".empty")),
    at("usage: filled", "lived", "/usage", press("figure.chart summary"), see("figure.chart tbody")),
    at("usage: the bill", "lived", "/usage", press(".doubt [data-action=drop]"), _dialog("bill")),
    at("usage: a second charge", "lived", "/usage", press(".doubt [data-action=reorder]"), _dialog("money")),
    at("model: in use", "lived", "/model", press("[data-key-test] button"), see(".model-result.is-good")),
    at("model: how", "empty", "/model", press(".model-how summary"), see("pre")),
    at("login", "locked", "/", see("#password")),
    at("login: wrong", "locked", "/", write("#password", "no"), key("Enter"), see("#password-error")),
    at("not found", "lived", "/nowhere", see(".empty")),
)


@contextmanager
def scenarios(folder: Path) -> Iterator[Scenarios]:
    """The four servers, started and filled."""
    for name in ("empty", "lived", "locked", "library", "files"):
        (folder / name).mkdir()
    (folder / "files/table.csv").write_text(_TABLE, "utf-8")
    (folder / "files/good.csv").write_text(_GOOD_TABLE, "utf-8")
    seed_records(folder / "lived", _RECORDS, prompts=[LONG])
    with ExitStack() as ends:
        service = ends.enter_context(FakeJimeng())
        budgeted = service.settings(model_concurrency=6, model_timeout=_FOR_EVER, budget=100)
        servers = {
            "empty": running_server(folder / "empty", image_model="demo"),
            "lived": running_server(folder / "lived", **budgeted),
            "locked": running_server(folder / "locked", image_model="demo", access_password="sesame"),
            "library": running_server(folder / "library", image_model="demo"),
        }
        started = {name: ends.enter_context(server) for name, server in servers.items()}
        _add_reference_images(started["library"])
        yield Scenarios(**started, ids=_live_in(started["lived"], service), folder=folder / "files")


def _add_reference_images(server: ServerProcess) -> None:
    for number in range(1, 6):
        file = {"file": (f"示例{number}{'长' * 20 * (number % 2)}.jpg", small_picture(number, "4:3"))}
        requests.post(f"{server.address}/api/sample-images", files=file, timeout=30)


def _live_in(server: ServerProcess, service: FakeJimeng) -> dict[str, str]:
    """Batches in every state, pictures of every outcome, reference images, something in the trash."""
    _add_reference_images(server)
    service.fail_next("reset", times=2, when=lambda call: "丢失" in call.content.decode())
    rows = [_row("雪山"), _row("违禁"), _row("丢失"), _row(LONG[:700]), _row("茶杯", num_images=3)]
    ended = _post(server, rows, name="名字" * 40)
    server.wait_for_end(ended)
    singles = [_row("猫", num_images=5, aspect_ratio="16:9"), _row("违禁的画"), _row("丢失的画")]
    for row in singles:
        server.wait_for_end(_post(server, [row], source="single"))
    service.fail_next("key", times=9)
    paused = _post(server, [_row("台灯", num_images=3)])
    wait_until(lambda: server.get(f"/api/batches/{paused}")["batch"]["status"] == "paused")
    service.clear_faults()
    service.latency = _FOR_EVER
    single = _post(server, [_row("灯塔", num_images=2)], source="single")
    wait_until(lambda: server.get(f"/api/batches/{single}")["batch"]["counts"]["running"] == 2)
    running = _post(server, [_row("竹林", num_images=2), *[_row("沙漠")] * 5])
    wait_until(lambda: server.get(f"/api/batches/{running}")["batch"]["counts"]["running"] > 0)
    _post(server, [_row("麦田")], source="single")  # which has to wait for the others
    server.post("/api/records/delete", {"ids": [2, 3, 4]})
    return {"ended": ended, "paused": paused, "running": running}


def _row(prompt: str, **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, "resolution": "1K", **more}


def _post(server: ServerProcess, rows: list[dict[str, Any]], **more: str) -> str:
    return str(server.post("/api/batches", {"rows": rows, **more})["batch_id"])
