"""A model without a price: shown as 价格未设, never as free, never charged twice."""

import csv
import io
import re
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from openpyxl import load_workbook

import database
import generator
from app.config import Settings, read_settings
from app.domain import BatchStatus, ModelSpec, Status
from app.domain.ledger import SpendTotals
from app.errors import SettingError
from app.usage.sql import spend_by_span, total_spend
from tests.harness import Harness, restart_after_crash
from tests.web.harness import get
from tests.worker.conftest import OpenFor
from tools.fakes.openai_images import FakeOpenAIImages
from web_app import create_app

UNSET = "价格未设"
OPENAI = {
    "IMAGE_MODEL": "openai",
    "OPENAI_BASE_URL": "http://127.0.0.1/v1",
    "OPENAI_IMAGE_MODEL": "gpt-image-2",
}

SEEDREAM = {"IMAGE_MODEL": "seedream", "ARK_API_KEY": "key"}


@pytest.fixture
def harness(byte_harness: Harness) -> Harness:
    """A worker with a model whose price is not known."""
    return byte_harness


@pytest.fixture
def client(harness: Harness) -> FlaskClient:
    return harness.client()


def workbook_rows(client: FlaskClient, path: str) -> list[dict[str, Any]]:
    sheet = load_workbook(io.BytesIO(client.get(path, buffered=True).data)).worksheets[0]
    head, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(map(str, head), row, strict=True)) for row in rows]


def configured(settings: Settings) -> dict[str, ModelSpec]:
    """Provider -> the spec of its configured model."""
    return {spec.name: spec for spec in reversed(generator.list_specs(settings))}


def test_only_services_that_bill_dollars_are_unpriced_without_a_rate() -> None:
    unpriced = [name for name, spec in configured(Settings()).items() if not spec.is_priced]
    assert sorted(unpriced) == ["gemini", "openai"]
    assert all(spec.is_priced for spec in configured(Settings(usd_cny=Decimal(7))).values())


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "unpriced",
    [
        OPENAI,
        SEEDREAM | {"SEEDREAM_MODEL": "ep-1"},
        SEEDREAM | {"SEEDREAM_MODEL": "dola-seedream-5-5-261028"},
    ],
)
def test_a_budget_without_a_price_stops_the_start_naming_the_variable(
    settings: Settings, unpriced: dict[str, str]
) -> None:
    with pytest.raises(SettingError, match=r"^(OPENAI|SEEDREAM)_PRICE：.*BUDGET.*0$"):
        create_app(started(settings, unpriced | {"BUDGET": "10"}))


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "values",
    [
        OPENAI,
        OPENAI | {"BUDGET": "10", "PRICE_PER_IMAGE": "0"},
        OPENAI | {"BUDGET": "10", "PRICE_PER_IMAGE": "0.3"},
        SEEDREAM | {"BUDGET": "10"},
        SEEDREAM | {"SEEDREAM_MODEL": "ep-1"},
        {"IMAGE_MODEL": "jimeng", "BUDGET": "10"},
        {"IMAGE_MODEL": "sdapi", "BUDGET": "10"},
    ],
)
def test_a_budget_with_a_price_or_no_budget_starts(settings: Settings, values: dict[str, str]) -> None:
    create_app(started(settings, values))


def started(settings: Settings, values: dict[str, str]) -> Settings:
    """Settings from these variables, with the folders of the test."""
    folders = ("database_path", "output_dir", "samples_dir")
    return read_settings(values | {name.upper(): str(getattr(settings, name)) for name in folders})


def test_an_unpriced_run_with_a_budget_pauses_before_the_first_charge(open_for: OpenFor) -> None:
    harness = open_for(FakeOpenAIImages, budget=Decimal(10))
    batch_id, _ = harness.ask("猫", "狗")
    harness.step()
    batch = harness.batch(batch_id)
    assert batch.status is BatchStatus.PAUSED
    assert "不知道这个模型每张多少钱" in str(batch.paused_reason)
    assert (harness.service.submissions, harness.outcomes()) == ([], [])


@pytest.mark.sqlite
@pytest.mark.parametrize("fault", ["reset", "drop", "500"])
def test_an_unpriced_lost_response_is_unknown_and_never_resubmitted(harness: Harness, fault: str) -> None:
    harness.service.fail_next(fault)
    record = harness.make("猫")
    assert (record.status, record.cost, record.at_stake) == (Status.UNKNOWN, Decimal(0), None)
    harness.hurry()
    assert not harness.step()
    assert harness.service.count("submit") == 1
    assert harness.outcomes() == ["unknown"]


def test_an_error_of_a_server_declared_free_is_a_failure(open_for: OpenFor) -> None:
    harness = open_for(FakeOpenAIImages, price_per_image=Decimal(0))
    assert harness.make("崩").status is Status.FAILED
    assert harness.make("猫").cost == 0


def test_a_charge_opened_without_a_price_stays_unpriced(harness: Harness) -> None:
    batch_id, _ = harness.ask("猫", "狗")
    harness.step()
    restart_after_crash(harness, price_per_image=Decimal("0.3"))
    harness.step()
    batch = harness.batch(batch_id)
    assert (batch.cost, batch.estimated_cost) == (None, None)
    spent = total_spend(harness.db)
    assert (spent.billed, spent.pictures, spent.unpriced_pictures) == (Decimal("0.3"), 2, 1)


def test_resolving_an_unpriced_charge_has_no_amount_and_can_be_undone(harness: Harness) -> None:
    harness.service.fail_next("reset")
    record = harness.make("猫")
    settled = database.resolve_charges(harness.db, [record.id], billed=True)
    assert settled.amount is None
    record = harness.record(record.id)
    assert (record.cost, record.at_stake) == (None, Decimal(0))
    database.undo_resolution(harness.db, settled.undo)
    record = harness.record(record.id)
    assert (record.cost, record.at_stake) == (Decimal(0), None)


def test_totals_count_unpriced_charges(harness: Harness) -> None:
    harness.service.fail_next("reset")
    harness.make("猫")
    harness.make("狗")
    hours = spend_by_span(harness.db, ["2000-01-01 00:00:00", "2100-01-01 00:00:00"])
    lines = spend_by_span(harness.db, ["2000-01-01 00:00:01", "2100-01-01 00:00:00"])
    totals = SpendTotals(pictures=1, unpriced_pictures=1, unknown_charges=1, unpriced_unknown=1)
    assert hours == lines == [{"gpt-image-2": totals}]
    assert total_spend(harness.db) == totals
    harness.db.execute("DELETE FROM charges")
    assert total_spend(harness.db) == SpendTotals()


def without_other_models(page: str) -> str:
    """The page without its lists of the models, of which the demo is free."""
    return re.sub(r'(?s)<table class="status-models">.*?</table>|<option.*?</option>', "", page)


def card(page: str) -> str:
    """The card of the OpenAI-compatible model on 模型与密钥."""
    return page.partition('id="openai"')[2].partition("</section>")[0]


def test_pages_show_that_there_is_no_price_before_a_run(client: FlaskClient) -> None:
    page = client.get("/").text
    assert page.count(f"data-price>{UNSET}<") == 3
    assert "免费" not in without_other_models(page)
    assert f'"model-price">{UNSET}<' in card(client.get("/model").text)
    sizes = get(client, "/api/models")["model"]["sizes"]
    assert {size["price"] for size in sizes.values()} == {None}


def test_a_price_of_zero_is_shown_as_free(open_for: OpenFor) -> None:
    harness = open_for(FakeOpenAIImages, price_per_image=Decimal(0))
    client = harness.client()
    assert client.get("/").text.count("data-price>免费<") == 3
    assert UNSET not in card(client.get("/model").text)
    record = harness.make("猫")
    assert "<dd>免费</dd>" in client.get(f"/live/records/{record.id}/details").text


@pytest.mark.parametrize("prompt", ["猫", "崩"])
def test_a_record_says_that_its_price_is_not_set(client: FlaskClient, harness: Harness, prompt: str) -> None:
    record = harness.make(prompt)
    page = client.get(f"/live/records/{record.id}/details").text
    assert f"<dt>费用</dt><dd>{UNSET}</dd>" in page
    assert "免费" not in page + without_other_models(client.get(f"/records?record={record.id}").text)


def test_a_possible_charge_at_a_known_price_is_not_shown_as_free(open_for: OpenFor) -> None:
    harness = open_for(FakeOpenAIImages, price_per_image=Decimal("0.3"))
    client = harness.client()
    record = harness.make("崩")
    assert "<dd>可能已计费 ¥0.30</dd>" in client.get(f"/live/records/{record.id}/details").text


def test_the_api_returns_an_unknown_price_as_null(client: FlaskClient, harness: Harness) -> None:
    batch_id, ids = harness.ask("猫", "崩")
    harness.run()
    answer = get(client, f"/api/batches/{batch_id}")
    batch = answer["batch"]
    assert (batch["cost"], batch["at_stake"], batch["estimated_cost"]) == (None, None, None)
    assert [(one["cost"], one["at_stake"]) for one in answer["records"]] == [(None, 0), (0, None)]
    usage = get(client, "/api/usage?range=today")["usage"]
    assert (usage["today"]["billed"], usage["today"]["unpriced"]) == (0, 2)
    assert usage["in_doubt"]["at_stake"] is None
    dropped = client.post("/api/records/drop", json={"ids": [ids[1]], "billed": True}).get_json()
    assert dropped["amount"] is None


def test_the_usage_page_says_so_and_shows_no_amount(client: FlaskClient, harness: Harness) -> None:
    harness.make("猫")
    harness.make("崩")
    page = re.sub(r">\s+<", "><", client.get("/usage").text)
    assert f'<dt>今天</dt><dd><span class="stat-amount">{UNSET}</span>' in page
    assert f'<dt>结果未知</dt><dd><span class="stat-amount">{UNSET}</span>' in page
    assert f"<td>1</td><td>{UNSET}</td><td>{UNSET}</td>" in page
    assert f'<p class="unresolved-amount">{UNSET}</p>' in page
    assert page.count('data-at-stake=""') == 4
    assert "¥0.00" not in page.partition("累计")[2].partition("正在生成")[0]


def test_the_usage_page_counts_unpriced_charges_beside_priced_ones(
    client: FlaskClient, harness: Harness
) -> None:
    harness.make("猫")
    restart_after_crash(harness, price_per_image=Decimal("0.3"))
    harness.make("狗")
    page = client.get("/usage").text
    assert (
        '<span class="stat-amount">¥0.30</span><span class="stat-label">2 张，其中 1 张价格未设</span>'
        in page
    )


def test_exports_leave_the_cell_of_an_unknown_price_empty(client: FlaskClient, harness: Harness) -> None:
    batch_id, _ = harness.ask("猫", "崩")
    harness.run()
    made, unknown = workbook_rows(client, f"/api/batches/{batch_id}/results.xlsx")
    assert (made["费用（元）"], made["可能已计费（元）"]) == (None, None)
    assert unknown["可能已计费（元）"] is None
    listed = workbook_rows(client, "/api/records/export.xlsx?status=success")
    assert [row["费用（元）"] for row in listed] == [None]


def test_the_ledger_export_leaves_unpriced_lines_and_sums_empty(
    client: FlaskClient, harness: Harness
) -> None:
    harness.make("猫")
    text = client.get("/api/usage/export.csv?range=today", buffered=True).text.lstrip("\ufeff")
    head, line, total = csv.reader(io.StringIO(text))
    totals = dict(zip(head, line, strict=True))
    assert (totals["单价（元）"], totals["已计费（元）"], totals["结果"]) == ("", "", "已计费")
    assert dict(zip(head, total, strict=True))["已计费（元）"] == ""
    book = load_workbook(io.BytesIO(client.get("/api/usage/export.xlsx?range=today", buffered=True).data))
    assert [row[1:3] for row in book.worksheets[-1].iter_rows(min_row=2, values_only=True)] == [(1, None)] * 2


@pytest.mark.sqlite
def test_the_sums_of_a_batch_are_read_from_an_index_alone(db: database.Connection) -> None:
    sql = """
        SELECT status, sum(cost_micros), sum(cost_unpriced), sum(at_stake_micros), sum(at_stake_unpriced)
        FROM generation_records WHERE batch_id = 'a' GROUP BY status
    """
    plan = " ".join(row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}"))
    assert "COVERING INDEX records_sums" in plan
