"""用量 over HTTP: the page, the API, and the ledger as a workbook and as CSV."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest
from openpyxl import Workbook, load_workbook

import database
from app.config import Settings
from app.domain import ImageRequest, Record
from app.domain.ledger import SpendTotals
from app.errors import Billed, InvalidRequest, ModelError
from app.web.charts import causes_chart, money_chart, pictures_chart
from app.web.date_range import parse_date_range
from tests.db import queue
from tests.db.queue import SAVED
from tests.web.harness import WebHarness

TODAY = date(2026, 3, 15)


class App(WebHarness):
    """An app whose ledger is written by the test."""

    def __init__(self, settings: Settings, db: database.Connection) -> None:
        super().__init__(settings)
        self.db = db

    def queue(self, *prompts: str, name: str = "") -> None:
        requests = [ImageRequest(prompt=prompt) for prompt in prompts]
        queue.add(self.db, *requests, models=self.runtime.engines.models, name=name)

    def charge(self, task_id: str = "") -> Record:
        record = queue.claimed(self.db, model=self.runtime.engines.default.model_id)
        queue.charge(self.db, record)
        if task_id:
            database.save_task_id(self.db, record, task_id)
        return record

    def finish(self, task_id: str = "") -> None:
        """Charge the next record and give it a picture."""
        database.finish_record(self.db, self.charge(task_id), SAVED)

    def lose(self, task_id: str = "") -> int:
        """Charge the next record and leave its outcome unknown -> its id."""
        record = self.charge(task_id)
        error = ModelError("断了", cause="network", billed=Billed.UNKNOWN, task_valid=bool(task_id))
        database.fail_record(self.db, record, error)
        return record.id

    def usage(self, query: str = "") -> str:
        return self.page(f"/usage{query}")

    def lines(self, query: str = "range=today") -> list[list[str]]:
        """The ledger as CSV lines."""
        answer = self.client.get(f"/api/usage/export.csv?{query}")
        assert answer.status_code == 200
        assert answer.data.startswith(b"\xef\xbb\xbf")
        return list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))

    def workbook(self) -> Workbook:
        """The ledger as a workbook."""
        answer = self.client.get("/api/usage/export.xlsx", buffered=True)
        return load_workbook(io.BytesIO(answer.data))


@pytest.fixture
def app(settings: Settings, db: database.Connection) -> App:
    return App(settings, db)


@pytest.fixture
def request_context(app: App) -> Iterator[None]:
    """A request context, so that texts have a language."""
    with app.client.application.test_request_context():
        yield


def test_the_page_shows_confirmed_and_possible_charges(app: App) -> None:
    app.queue("雪山", "<b>猫</b>", "狗", name="春季")
    app.finish()
    app.lose()
    html = app.usage()
    sums = re.findall(r'stat-amount">([^<]+)</span><span class="stat-label">([^<]+)', html)
    assert sums[0] == ("¥0.22", "1 张")
    assert ("¥0.22", "1 张，可能已计费") in sums
    assert "春季" in html
    assert "断了" in html
    assert "<b>猫" not in html


def test_the_empty_page_explains_what_it_will_show(app: App) -> None:
    assert "还没有花过钱" in app.usage()


def test_unresolved_pictures_of_one_prompt_differ_by_row_file_name_and_batch(app: App) -> None:
    app.queue("猫", "猫", name="春季主图")
    names = [app.lose(), app.lose()]
    items = re.findall(r'unresolved-details">(.*?)</p>', app.usage(), re.DOTALL)
    assert len(items) == len(names)
    assert {re.sub(r"\s", "", item)[:4] for item in items} == {"第1行·", "第2行·"}
    assert all("春季主图" in item for item in items)


def test_one_chart_shows_the_spending_or_the_pictures(app: App) -> None:
    app.queue("猫")
    app.finish()
    assert re.findall(r'<figure class="chart">.*?<h2>(.*?)</h2>', app.usage(), re.DOTALL)[0] == "每天的花费"
    pictures = app.usage("?range=7d&chart=pictures")
    assert "每天的图片" in pictures
    assert "每天的花费" not in pictures
    assert "/usage?range=today&amp;chart=pictures" in pictures


@pytest.mark.parametrize("query", ["?range=1y", "?from=2026-02-30", "?from=2026-03-02&to=2026-03-01"])
def test_an_invalid_range_is_reported_and_the_default_shown(module_demo: WebHarness, query: str) -> None:
    assert 'class="notice is-warn"' in module_demo.page(f"/usage{query}")
    assert module_demo.client.get(f"/api/usage{query}").status_code == 400
    assert module_demo.client.get(f"/api/usage/export.csv{query}").status_code == 400


def test_the_api_returns_the_figures_of_the_page(app: App) -> None:
    app.queue("雪山", "猫")
    app.finish()
    app.lose()
    usage = app.get("/api/usage?range=7d")["usage"]
    assert (usage["today"]["billed"], usage["in_all"]["unknown"], usage["total"]["pictures"]) == (
        0.22,
        0.22,
        1,
    )
    assert [one["pictures"] for one in usage["by_time"]] == [0, 0, 0, 0, 0, 0, 1]
    assert usage["failures"] == {"network": 1}
    assert usage["in_doubt"] == {"records": 1, "at_stake": 0.22, "collectable": 0, "orderable": 1}


def test_every_charge_is_a_line_and_the_last_line_is_the_sum(app: App) -> None:
    app.queue("雪山\n第二行", "猫", name="春季")
    app.finish("7392616336519610409")
    app.lose()
    heads, first, second, total = app.lines()
    line = dict(zip(heads, first, strict=True))
    assert line["批次"] == "春季"
    assert line["提示词"] == "雪山 第二行"
    assert (line["结果"], line["已计费（元）"], line["可能已计费（元）"]) == ("已计费", "0.22", "")
    assert line["任务编号"] == '="7392616336519610409"'
    assert dict(zip(heads, second, strict=True))["原因"] == "网络连接中断"
    assert (total[0], total[2], total[10], total[11]) == ("合计", "2 笔", "0.22", "0.22")


def test_text_that_looks_like_a_formula_stays_text(app: App) -> None:
    prompts = ("=1+1", "+1", "-1", "@sum", "'x")
    app.queue(*prompts)
    for _ in prompts:
        app.finish()
    assert [line[4] for line in app.lines()[1:-1]] == [f"'{prompt}" for prompt in prompts]
    cells = [row[4] for row in app.workbook()["账目"].iter_rows(2)]
    assert [(cell.value, cell.data_type) for cell in cells] == [(prompt, "s") for prompt in prompts]


def test_the_workbook_has_times_as_dates_long_numbers_as_text_and_a_summary_sheet(app: App) -> None:
    app.queue("雪山")
    app.finish("7392616336519610409")
    book = app.workbook()
    sent, closed = (book["账目"].cell(2, column) for column in (1, 13))
    assert isinstance(sent.value, datetime)
    assert isinstance(closed.value, datetime)
    assert sent.number_format == closed.number_format == "yyyy-mm-dd hh:mm:ss"
    assert [app.lines()[1][column] for column in (0, 12)] == [str(sent.value), str(closed.value)]
    assert book["账目"]["J2"].value == "7392616336519610409"
    assert [cell.value for cell in book["合计"][3]] == ["合计", 1, 0.22, 0, 0]


def test_an_export_without_charges_of_its_days_has_headers_and_a_sum(app: App) -> None:
    assert app.workbook()["账目"].max_row == 1
    app.queue("雪山")
    app.finish()
    assert [line[0] for line in app.lines("from=2020-01-01&to=2020-12-31")] == ["发出时间（本机）", "合计"]


def test_manual_resolutions_are_in_the_ledger(app: App) -> None:
    app.queue("雪山", "猫")
    first, second = app.lose(), app.lose()
    app.post("/api/records/drop", {"ids": [first], "billed": True})
    app.post("/api/records/drop", {"ids": [second], "billed": False})
    outcomes = [line[7] for line in app.lines()[1:3]]
    assert outcomes == ["已计费（人工确认）", "没有计费（人工确认）"]
    assert app.lines()[3][10] == "0.22"


def test_the_api_fetches_resubmits_writes_off_and_undoes(app: App) -> None:
    app.queue("雪山", "猫", "狗")
    collectable = app.lose("t-1")
    app.lose()
    dropped = app.lose()
    assert app.record(collectable)["collectable"] is True
    assert app.post("/api/records/collect", {"ids": [collectable]})["records"] == 1
    settled = app.post("/api/records/drop", {"ids": [dropped], "billed": True})
    assert (settled["records"], settled["amount"]) == (1, 0.22)
    assert app.post("/api/records/retry", {"all": True})["records"] == 1
    assert app.post("/api/records/undrop", {"undo": settled["undo"]})["records"] == 1
    assert database.get_record(app.db, dropped).status == "unknown"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("collect", {}, 400),
        ("collect", {"ids": []}, 400),
        ("collect", {"ids": [99]}, 409),
        ("collect", {"ids": [99], "all": True}, 400),
        ("retry", {"records": [99], "all": True}, 400),
        ("retry", {"all": False}, 400),
        ("retry", {"ids": [99]}, 409),
        ("drop", {"all": True}, 400),
        ("drop", {"ids": [99], "billed": True}, 409),
        ("undrop", {"undo": "x"}, 400),
    ],
)
def test_an_impossible_action_is_refused_in_one_sentence(
    module_demo: WebHarness, path: str, body: object, status: int
) -> None:
    assert module_demo.post(f"/api/records/{path}", body, status)["error"]


@pytest.mark.usefixtures("request_context")
def test_ranges_are_local_days() -> None:
    spans = {name: parse_date_range({"range": name}, TODAY) for name in ("today", "7d", "30d", "month")}
    assert {name: (str(span.first), span.unit) for name, span in spans.items()} == {
        "today": ("2026-03-15", "hour"),
        "7d": ("2026-03-09", "day"),
        "30d": ("2026-02-14", "day"),
        "month": ("2026-03-01", "day"),
    }
    assert len(spans["today"].labels) in (23, 24, 25)
    assert len(spans["7d"].bounds) == 8


@pytest.mark.usefixtures("request_context")
def test_a_long_range_is_grouped_by_month() -> None:
    span = parse_date_range({"from": "2025-12-20", "to": "2026-03-02"}, TODAY)
    assert span.labels == ["2025年12月", "2026年1月", "2026年2月", "2026年3月"]
    assert len(span.bounds) == 5


def test_a_range_beyond_ten_years_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        parse_date_range({"from": "2001-01-01", "to": "2026-01-01"}, TODAY)


@pytest.mark.usefixtures("request_context")
def test_the_highest_bar_fills_the_chart_and_unresolved_is_stacked_on_confirmed() -> None:
    span = parse_date_range({"range": "7d"}, TODAY)
    spent = [SpendTotals() for _ in span.labels]
    spent[1] = SpendTotals(billed=Decimal(2), pictures=4, unknown=Decimal(2), unknown_charges=1)
    spent[6] = SpendTotals(billed=Decimal(1), pictures=2)
    pictures, money = pictures_chart(span, spent), money_chart(span, spent)
    assert [bar.height for bar in pictures.bars] == [0, 120, 0, 0, 0, 0, 60]
    assert (money.bars[1].height, money.bars[1].unresolved, money.bars[6].height) == (60, 60, 30)
    assert money.rows == [("3月10日", "¥2.00", "¥2.00"), ("3月15日", "¥1.00", "¥0.00")]
    assert "最多的是 3月10日：4 张" in pictures.summary


@pytest.mark.usefixtures("request_context")
def test_causes_are_named_and_the_rarest_grouped() -> None:
    failures = {"moderation": 5, "network": 3, **{f"odd-{n}": 1 for n in range(9)}}
    bars = [(bar.label, bar.number) for bar in causes_chart(failures)]
    assert bars[:2] == [("内容审核没有通过", 5), ("网络连接中断", 3)]
    assert bars[-1] == ("其他", 3)


def test_the_top_bar_panel_links_here_with_the_remaining_budget(
    settings: Settings, db: database.Connection
) -> None:
    app = App(replace(settings, budget=Decimal(5)), db)
    assert "总预算还剩 ¥5.00" in app.page("/")
    assert "已用 ¥0.00，还剩 ¥5.00" in app.usage()
