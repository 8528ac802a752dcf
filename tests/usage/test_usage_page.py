"""用量 over HTTP: the page, the API, and the ledger as a workbook and as CSV."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from html import unescape

import pytest
from openpyxl import Workbook, load_workbook

import database
from app.config import Settings
from app.domain import ImageRequest, Record, RowExtras
from app.domain.ledger import SpendTotals
from app.errors import Billed, InvalidRequest, ModelError
from app.usage.page import causes_chart, money_chart, pictures_chart
from app.usage.report import RANGES, parse_date_range
from tests.core.queue import queue
from tests.core.queue.queue import SAVED
from tests.web.harness import WebHarness

TODAY = date(2026, 3, 15)


class App(WebHarness):
    """An app whose ledger is written by the test."""

    def __init__(self, settings: Settings, db: database.Connection) -> None:
        super().__init__(settings)
        self.db = db

    def queue(self, *prompts: str, name: str = "", columns: Sequence[dict[str, str]] = ()) -> None:
        requests = [ImageRequest(prompt=prompt) for prompt in prompts]
        extras = [RowExtras(columns=each) for each in columns]
        queue.add(self.db, *requests, models=self.runtime.engines.models, name=name, extras=extras)

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

    def refuse(self) -> None:
        """Charge the next record, which is refused and not billed."""
        database.fail_record(self.db, self.charge(), queue.REFUSED)

    def usage(self, query: str = "") -> str:
        return self.page(f"/usage{query}")

    def lines(self, query: str = "range=today") -> list[list[str]]:
        """The ledger as CSV lines."""
        answer = self.client.get(f"/api/usage/export.csv?{query}")
        assert answer.status_code == 200
        assert answer.data.startswith(b"\xef\xbb\xbf")
        return list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))

    def workbook(self, path: str = "export.xlsx") -> Workbook:
        """The ledger as a workbook."""
        answer = self.client.get(f"/api/usage/{path}", buffered=True)
        return load_workbook(io.BytesIO(answer.data))

    def clients(self) -> None:
        """Rows of two clients and of none; the last charge of the first is of unknown outcome."""
        names = ("青禾", "青禾", "山海", "青禾")
        columns = [{"SKU": f"A-{n}", "客户": name} for n, name in enumerate(names)]
        self.queue(*"一二三四五", name="春季", columns=[*columns[:3], {}, columns[3]])
        for _ in range(4):
            self.finish()
        self.lose()


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
        ("retry", {"all": False}, 400),
        ("retry", {"ids": [99]}, 409),
        ("drop", {"ids": [99], "billed": True}, 409),
    ],
)
def test_an_impossible_action_is_refused_in_one_sentence(
    module_demo: WebHarness, path: str, body: object, status: int
) -> None:
    assert module_demo.post(f"/api/records/{path}", body, status)["error"]


def test_the_api_groups_the_ledger_by_an_own_column(app: App) -> None:
    app.clients()
    answer = app.get("/api/usage?by=column:客户&range=today")
    assert answer["groups"] == [
        {"key": "青禾", "label": "青禾", "pictures": 2, "cost": 0.44, "unconfirmed": 0.22},
        {"key": "山海", "label": "山海", "pictures": 1, "cost": 0.22, "unconfirmed": 0},
        {"key": "", "label": "没写", "pictures": 1, "cost": 0.22, "unconfirmed": 0},
    ]
    assert answer["total"] == {"groups": 3, "pictures": 4, "cost": 0.88, "unconfirmed": 0.22}


def test_the_api_groups_the_ledger_by_model_batch_and_table(app: App) -> None:
    app.queue("<b>猫</b>", name="<i>春季</i>")
    app.finish()
    model = app.runtime.engines.default.model_id
    found = {by: app.get(f"/api/usage?by={by}")["groups"][0] for by in ("model", "batch", "table")}
    assert found["model"]["key"] == model
    assert found["batch"]["label"] == "<i>春季</i>"
    assert found["table"]["label"] == "不在表格里"
    assert {group["cost"] for group in found.values()} == {0.22}


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("x", "by 可选"),
        ("column:", "by 可选"),
        ("column:" + "a" * 101, "by 可选"),
    ],
)
def test_a_wrong_grouping_is_refused_with_a_sentence(module_demo: WebHarness, by: str, said: str) -> None:
    answer = module_demo.client.get("/api/usage", query_string={"by": by})
    assert (answer.status_code, said in answer.get_json()["error"]) == (400, True)
    assert said in module_demo.page(f"/usage?by={by}")


def test_a_statement_of_no_column_is_refused(module_demo: WebHarness) -> None:
    answer = module_demo.client.get("/api/usage/statement.xlsx")
    assert (answer.status_code, answer.get_json()["field"]) == (400, "column")


def test_the_page_groups_by_what_is_chosen_and_leads_to_the_statements(app: App) -> None:
    app.clients()
    usual = app.usage("?range=today")
    assert "按批次（" in usual
    assert "statement.xlsx" not in usual
    html = app.usage("?range=today&by=column:客户")
    table = html[html.index('id="groups-title"') :]
    rows = re.findall(r'<bdi id="group-\d+">(.*?)</bdi>', table)
    assert rows == ["青禾", "山海"]
    assert re.findall(r"<tfoot>.*?¥(.*?)<.*?¥(.*?)<", table, re.DOTALL) == [("0.88", "0.22")]
    links = [unescape(link) for link in re.findall(r'href="(/api/usage/statement[^"]+)"', table)]
    assert len(links) == 4
    assert {app.client.get(link, buffered=True).status_code for link in links} == {200}


def test_the_ledger_has_the_own_columns_of_each_row_on_the_right(app: App) -> None:
    app.clients()
    heads, *lines, total = app.lines()
    assert heads[-2:] == ["SKU", "客户"]
    assert [line[-2:] for line in lines] == [
        ["A-0", "青禾"],
        ["A-1", "青禾"],
        ["A-2", "山海"],
        ["", ""],
        ["A-3", "青禾"],
    ]
    assert (len(total), total[10:12]) == (len(heads), ["0.88", "0.22"])
    cells = [cell.value for cell in app.workbook()["账目"][2]]
    assert cells[-2:] == ["A-0", "青禾"]


def test_the_statements_of_all_clients_add_up_to_the_ledger(app: App) -> None:
    app.clients()
    app.queue("六", columns=[{"客户": "青禾"}])
    app.refuse()
    book = app.workbook("statement.xlsx?column=客户&range=today")
    assert book.sheetnames == ["合计", "青禾", "山海", "没写"]
    assert [[cell.value for cell in row] for row in book["合计"].iter_rows()] == [
        ["客户", "图片", "金额（元）", "可能已计费（元）"],
        ["青禾", 2, 0.44, 0.22],
        ["山海", 1, 0.22, None],
        ["没写", 1, 0.22, None],
        ["合计", 4, 0.88, 0.22],
    ]
    heads, first, _, lost, total = [[cell.value for cell in row] for row in book["青禾"].iter_rows()]
    assert heads == ["日期", "表格", "行", "文件名", "模型", "金额（元）", "可能已计费（元）"]
    assert (str(first[0])[:10], first[1:4], first[5:]) == (
        str(date.today()),
        ["春季", 1, SAVED.filename],
        [0.22, None],
    )
    assert (lost[2], lost[5:]) == (5, [None, 0.22])
    assert total == ["合计", None, None, "2 张", None, 0.44, 0.22]


def test_the_statement_of_one_client_has_one_sheet(app: App) -> None:
    app.clients()
    for value, number in (("山海", 3), ("", 3), ("没有", 2)):
        book = app.workbook(f"statement.xlsx?column=客户&value={value}")
        assert [sheet.max_row for sheet in book.worksheets] == [number]


@pytest.mark.usefixtures("request_context")
def test_ranges_are_local_days() -> None:
    spans = {name: parse_date_range({"range": name}, TODAY) for name in RANGES}
    assert {name: (str(span.first), span.unit) for name, span in spans.items()} == {
        "today": ("2026-03-15", "hour"),
        "7d": ("2026-03-09", "day"),
        "30d": ("2026-02-14", "day"),
        "month": ("2026-03-01", "day"),
        "last_month": ("2026-02-01", "day"),
    }
    assert [str(spans[name].last) for name in ("month", "last_month")] == ["2026-03-15", "2026-02-28"]
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
