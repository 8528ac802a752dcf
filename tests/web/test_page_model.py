"""The model of a page: from the address, the cookie, or the default."""

import html
import json
import re
from datetime import date
from typing import Any

import pytest

from app.domain.models import Retirement
from tests.web.harness import WebHarness

OTHER = "jimeng_seedream46_cvtob"


@pytest.mark.parametrize("path", ["/", "/batch"])
def test_a_page_keeps_the_model_that_was_chosen_in_the_address(web: WebHarness, path: str) -> None:
    assert f'value="{OTHER}" selected' not in web.client.get(path).text
    assert f'value="{OTHER}" selected' in web.client.get(f"{path}?model={OTHER}").text
    assert f'value="{OTHER}" selected' in web.client.get(path).text


@pytest.mark.parametrize("path", ["/", "/batch"])
def test_a_model_that_is_not_there_gives_the_default_and_says_so_once(web: WebHarness, path: str) -> None:
    sentence = "没有叫「无名」的模型"
    assert sentence in web.client.get(f"{path}?model=无名").text
    assert sentence not in web.client.get(path).text


def test_a_model_that_has_ended_cannot_be_chosen_and_is_not_kept(
    web: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.client.get(f"/batch?model={OTHER}")
    ended = Retirement(since=date(2026, 1, 1), variable="JIMENG_REQ_KEY", successor="jimeng_t2i_v40")
    web.change_spec(monkeypatch, OTHER, retirement=ended)
    page = web.client.get("/batch").text
    assert "现在用的是 即梦 4.0" in page
    assert f'value="{OTHER}" disabled' in page
    assert "现在用的是" not in web.client.get("/batch").text
    studio = web.client.get("/").text
    assert studio.index('<optgroup label="更多">') < studio.index(f'value="{OTHER}" disabled')


def test_a_record_opens_the_form_for_the_model_that_made_it(web: WebHarness) -> None:
    body = {"rows": [{"prompt": "猫", "model": OTHER}], "source": "single"}
    record = web.post("/api/batches", body, 202)["records"][0]
    assert f'value="{OTHER}" selected' in web.client.get(f"/?from={record}").text


def test_the_form_without_scripts_orders_from_the_chosen_model(web: WebHarness) -> None:
    web.client.post("/", data={"prompt": "猫", "model": OTHER})
    assert web.record(1)["model"] == OTHER


def test_the_page_of_a_table_has_its_model_or_the_default(web: WebHarness) -> None:
    table = web.post("/api/tables", {"rows": [{"prompt": "猫"}], "model": OTHER}, 201)["table"]["id"]
    model, columns = page_data(web, table)
    assert (model["id"], columns["model"]["placeholder"]) == (OTHER, "即梦 4.6")
    web.execute("UPDATE tables SET model = 'old-1'")
    model, _ = page_data(web, table)
    assert model["id"] == "jimeng_t2i_v40"


def page_data(web: WebHarness, table: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The page's model, and its columns by name, as its scripts get them."""
    page = web.client.get(f"/batch?table={table}").text
    model, columns = (
        json.loads(html.unescape(found.group(1)))
        for name in ("model", "columns")
        if (found := re.search(f'data-{name}="([^"]*)"', page))
    )
    return model, {column["name"]: column for column in columns}
