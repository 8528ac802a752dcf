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

from tests.browser.records_page import RecordsPage, landscape, seed_records
from tests.fakes.jimeng import FakeJimeng
from tests.server_process import ServerProcess, running_server
from tests.waiting import wait_until

LONG = "很长的提示词，" * 100
_RECORDS = 30
_HOUR = 3600  # seconds: latency and timeout of the running images
_TABLE = f"""提示词,图片比例,分辨率,生成数量,参考示例图,文件名
一只橘猫趴在窗台上看雨,16：9,2k,1,示例一.jpg,猫
雪山木屋,5:4,2K,12,没有这张.png,a/b
{LONG},1:1,9K,1,,{"长" * 60}
"""
_GOOD_TABLE = "提示词,图片比例,分辨率,生成数量\n一只橘猫,16:9,2K,2\n雪山,1:1,1K,1\n"


@dataclass(frozen=True, kw_only=True)
class Scenarios:
    """Servers: without records, with many, with a password, with reference images; and files to upload.

    ``ids`` are batches of ``populated``: ended with failures and one unknown, paused by a wrong key, running.
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


def state(name: str, server: str, path: str, *steps: Step) -> State:
    """Build a State."""
    return State(name, server, path, steps)


def wait_for(selector: str) -> Step:
    """Wait until it is visible."""
    return lambda page, _town: expect(page.locator(f"{selector}:visible").first).to_be_visible()


def click(selector: str) -> Step:
    """Click the first visible match."""
    return lambda page, _town: page.locator(f"{selector}:visible").first.click()


def press_key(name: str) -> Step:
    return lambda page, _town: page.keyboard.press(name)


def type_text(text: str) -> Step:
    """Type where the focus is."""
    return lambda page, _town: page.keyboard.type(text)


def fill(selector: str, text: str) -> Step:
    return lambda page, _town: page.locator(selector).first.fill(text)


def choose_file(selector: str, name: str) -> Step:
    """Choose a file of the scenarios' folder."""
    return lambda page, scenarios: page.locator(selector).set_input_files(scenarios.folder / name)


def drop_image(page: Page, scenarios: Scenarios) -> None:
    """Drop the image of a deleted record onto the page of records."""
    RecordsPage(page, scenarios.populated.address).drop(scenarios.populated.data_dir / "output" / "图-2.jpg")


def expand_causes(page: Page, _town: Scenarios) -> None:
    """Show the causes of failures, which are collapsed on a phone."""
    causes = page.locator("[data-run-reasons]")
    expect(causes).to_be_visible()
    if causes.get_attribute("open") is None:
        causes.locator("summary").click()


_BATCH_READY = wait_for("[data-batch][data-ready]")
_RECORDS_READY = wait_for("[data-finder][data-ready]")
_LARGE = wait_for("dialog[data-lightbox]")
_TABLE_ROW = (
    _BATCH_READY,
    click("[data-do=add]"),
    type_text("猫"),
    press_key("Enter"),
    wait_for("[data-row='1']"),
)
_IMPORTED = (_BATCH_READY, choose_file("[data-file]", "table.csv"), wait_for("[data-report-problems]"))
_GOOD = (_BATCH_READY, choose_file("[data-file]", "good.csv"), wait_for("[data-row='2']"))
_PICKED_RECORDS = (
    _RECORDS_READY,
    click("[data-record-id]:nth-child(2) [data-pick]"),
    click("[data-record-id]:nth-child(3) [data-pick]"),
    wait_for("[data-selection]"),
)


def _dialog(name: str) -> Step:
    return wait_for(f"dialog[data-dialog={name}]")


STATES = (
    state("index: first day", "empty", "/", wait_for("[data-example]")),
    state("index: 更多", "populated", "/", click("[data-more] > summary"), wait_for("#negative_prompt")),
    state(
        "index: a draft",
        "empty",
        "/",
        fill("#prompt", LONG),
        click("[data-more] > summary"),
        wait_for("#seed"),
    ),
    state(
        "index: complaint",
        "empty",
        "/",
        click("[data-composer] [type=submit]"),
        wait_for("[data-error-for=prompt]"),
    ),
    state("index: all kinds of results", "populated", "/", wait_for(".tile[data-status=running]")),
    state("index: the model", "populated", "/", click(".status-summary"), wait_for(".status-panel")),
    state("index: large", "populated", "/", click("a.tile-place"), _LARGE),
    state("index: a second charge", "populated", "/", click("[data-action=reorder]"), _dialog("money")),
    state("index: the bill", "populated", "/", click("[data-action=drop]"), _dialog("bill")),
    state(
        "index: deleted",
        "populated",
        "/",
        click(".tile[data-status=success] [data-action=delete]"),
        wait_for(".toast"),
    ),
    state(
        "index: picker",
        "library",
        "/",
        click("[data-choose]"),
        click("[role=option]"),
        wait_for(".picker-chosen img"),
    ),
    state("index: picker without pictures", "empty", "/", click("[data-choose]"), _dialog("references")),
    state("index: keys", "populated", "/", press_key("?"), _dialog("shortcuts")),
    state("batch: empty", "empty", "/batch", _BATCH_READY, wait_for("[data-empty]")),
    state("batch: a row", "populated", "/batch", *_TABLE_ROW),
    state("batch: bad cells", "populated", "/batch", *_IMPORTED),
    state(
        "batch: append or replace",
        "populated",
        "/batch",
        *_TABLE_ROW,
        choose_file("[data-file]", "table.csv"),
        wait_for("[data-place]"),
    ),
    state(
        "batch: a cell's choices",
        "populated",
        "/batch",
        *_IMPORTED,
        click("[data-row='1'] [data-column=aspect_ratio]"),
        press_key("F2"),
        wait_for("[data-table-choices]"),
    ),
    state(
        "batch: picked rows",
        "populated",
        "/batch",
        *_IMPORTED,
        click("[data-row='1'] [data-pick]"),
        wait_for("[data-picked-tools]"),
    ),
    state(
        "batch: one value",
        "populated",
        "/batch",
        *_IMPORTED,
        click("[data-row='1'] [data-pick]"),
        click("[data-do=set]"),
        _dialog("set"),
    ),
    state(
        "batch: a row's menu",
        "populated",
        "/batch",
        *_GOOD,
        click("[data-row='1'] [data-row-menu]"),
        wait_for("[data-menu]"),
    ),
    state(
        "batch: a row's references",
        "populated",
        "/batch",
        *_GOOD,
        click("[data-row='1'] [data-references]"),
        wait_for("[role=option]"),
    ),
    state(
        "batch: a row alone",
        "populated",
        "/batch",
        *_GOOD,
        click("[data-row='1'] [data-run-row]"),
        _dialog("money"),
    ),
    state("batch: start", "populated", "/batch", *_GOOD, click("[data-do=start]"), _dialog("start")),
    state(
        "batch: running", "populated", "/batch?id={running}", wait_for("[data-row='1'] [data-status=running]")
    ),
    state("batch: ended", "populated", "/batch?id={ended}", expand_causes, wait_for(".run-cause.is-unknown")),
    state("batch: log", "populated", "/batch?id={ended}", click("[data-log] summary"), wait_for(".log-line")),
    state("batch: gallery", "populated", "/batch?id={ended}", click("[data-picture]"), _LARGE),
    state("batch: paused", "populated", "/batch?id={paused}", wait_for("[data-run-paused]")),
    state("batch: not there", "populated", "/batch?id=nowhere", wait_for(".empty")),
    state(
        "batch: earlier",
        "populated",
        "/batch",
        _BATCH_READY,
        click("[data-do=earlier]"),
        wait_for(".earlier-item"),
    ),
    state(
        "batch: no earlier ones",
        "empty",
        "/batch",
        _BATCH_READY,
        click("[data-do=earlier]"),
        wait_for("[data-earlier-word]"),
    ),
    state("batch: keys", "populated", "/batch", _BATCH_READY, press_key("?"), _dialog("shortcuts")),
    state("records: empty", "empty", "/records", _RECORDS_READY, wait_for(".empty")),
    state(
        "records: nothing found",
        "populated",
        "/records?search=恐龙&status=failed",
        _RECORDS_READY,
        wait_for(".empty"),
    ),
    state("records: table", "populated", "/records?view=table&sort=oldest", _RECORDS_READY),
    state("records: grid", "populated", "/records?view=grid&sort=oldest", _RECORDS_READY),
    state("records: failed ones", "populated", "/records?status=failed,unknown&view=table", _RECORDS_READY),
    state(
        "records: a filter",
        "populated",
        "/records",
        _RECORDS_READY,
        click("[data-filter-more=status] > summary"),
        wait_for(".filter-choice"),
    ),
    state(
        "records: days",
        "populated",
        "/records",
        _RECORDS_READY,
        click("[data-filter-more=days] > summary"),
        wait_for(".filter-day"),
    ),
    state(
        "records: batches",
        "populated",
        "/records",
        _RECORDS_READY,
        click("[data-filter-more=batch_id] > summary"),
        wait_for(".filter-choice"),
    ),
    state(
        "records: more",
        "populated",
        "/records",
        _RECORDS_READY,
        click(".finder-end .filter-more > summary"),
        wait_for("[data-by-file]"),
    ),
    state("records: selection", "populated", "/records?view=table&status=success", *_PICKED_RECORDS),
    state(
        "records: selection in the grid", "populated", "/records?view=grid&status=success", *_PICKED_RECORDS
    ),
    state(
        "records: compare",
        "populated",
        "/records?view=table&status=success",
        *_PICKED_RECORDS,
        click("[data-deed=compare]"),
        wait_for("dialog[data-compare]"),
    ),
    state(
        "records: large",
        "populated",
        "/records?view=grid&status=success",
        _RECORDS_READY,
        click("[data-full]"),
        _LARGE,
    ),
    state("records: one", "populated", "/records?record=1", _LARGE, press_key("Escape"), _RECORDS_READY),
    state("records: unreadable address", "populated", "/records?record=4711&status=lost", _RECORDS_READY),
    state(
        "records: a file was dropped", "populated", "/records", _RECORDS_READY, drop_image, _dialog("file")
    ),
    state(
        "records: deleted",
        "populated",
        "/records?view=table&status=success",
        _RECORDS_READY,
        click("[data-action=delete]"),
        wait_for(".toast"),
    ),
    state(
        "records: trash",
        "populated",
        "/records?trash=1&view=table",
        _RECORDS_READY,
        click("[data-pick]"),
        wait_for("[data-selection]"),
    ),
    state("records: trash as a grid", "populated", "/records?trash=1&view=grid", _RECORDS_READY),
    state(
        "records: large out of the trash",
        "populated",
        "/records?trash=1&view=grid",
        _RECORDS_READY,
        click("[data-full]"),
        _LARGE,
    ),
    state("records: trash is empty", "empty", "/records?trash=1", _RECORDS_READY, wait_for(".empty")),
    state("records: keys", "populated", "/records", _RECORDS_READY, press_key("?"), _dialog("shortcuts")),
    state("samples: empty", "empty", "/samples", wait_for(".empty")),
    state("samples: filled", "populated", "/samples", wait_for(".sample")),
    state("samples: nothing found", "populated", "/samples?search=恐龙", wait_for(".empty")),
    state(
        "samples: a bad file",
        "empty",
        "/samples",
        choose_file("[data-files]", "table.csv"),
        wait_for(".upload"),
    ),
    state("samples: large", "populated", "/samples", click(".sample-link"), _LARGE),
    state(
        "samples: another name",
        "populated",
        "/samples",
        click("[data-action=rename]"),
        wait_for(".sample input"),
    ),
    state("samples: deleted", "populated", "/samples", click("[data-action=delete]"), wait_for(".toast")),
    state("samples: keys", "populated", "/samples", press_key("?"), _dialog("shortcuts")),
    state("usage: empty", "empty", "/usage", wait_for(".empty")),
    state(
        "usage: filled", "populated", "/usage", click("figure.chart summary"), wait_for("figure.chart tbody")
    ),
    state("usage: the bill", "populated", "/usage", click(".doubt [data-action=drop]"), _dialog("bill")),
    state(
        "usage: a second charge",
        "populated",
        "/usage",
        click(".doubt [data-action=reorder]"),
        _dialog("money"),
    ),
    state(
        "model: in use",
        "populated",
        "/model",
        click("[data-key-test] button"),
        wait_for(".model-result.is-good"),
    ),
    state("model: how", "empty", "/model", click(".model-how summary"), wait_for("pre")),
    state("login", "locked", "/", wait_for("#password")),
    state(
        "login: wrong",
        "locked",
        "/",
        fill("#password", "no"),
        press_key("Enter"),
        wait_for("#password-error"),
    ),
    state("not found", "populated", "/nowhere", wait_for(".empty")),
)


@contextmanager
def scenarios(folder: Path) -> Iterator[Scenarios]:
    """The four running servers with their data."""
    for name in ("empty", "populated", "locked", "library", "files"):
        (folder / name).mkdir()
    (folder / "files/table.csv").write_text(_TABLE, "utf-8")
    (folder / "files/good.csv").write_text(_GOOD_TABLE, "utf-8")
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
        yield Scenarios(**started, ids=_populate(started["populated"], service), folder=folder / "files")


def _add_reference_images(server: ServerProcess) -> None:
    for number in range(1, 6):
        file = {"file": (f"示例{number}{'长' * 20 * (number % 2)}.jpg", landscape(number, "4:3"))}
        requests.post(f"{server.address}/api/sample-images", files=file, timeout=30)


def _populate(server: ServerProcess, service: FakeJimeng) -> dict[str, str]:
    """Add batches in every state, images of every outcome, reference images and deleted records."""
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
    service.latency = _HOUR
    single = _post(server, [_row("灯塔", num_images=2)], source="single")
    wait_until(lambda: server.get(f"/api/batches/{single}")["batch"]["counts"]["running"] == 2)
    running = _post(server, [_row("竹林", num_images=2), *[_row("沙漠")] * 5])
    wait_until(lambda: server.get(f"/api/batches/{running}")["batch"]["counts"]["running"] > 0)
    _post(server, [_row("麦田")], source="single")  # queued behind the others
    server.post("/api/records/delete", {"ids": [2, 3, 4]})
    return {"ended": ended, "paused": paused, "running": running}


def _row(prompt: str, **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, "resolution": "1K", **more}


def _post(server: ServerProcess, rows: list[dict[str, Any]], **more: str) -> str:
    return str(server.post("/api/batches", {"rows": rows, **more})["batch_id"])
