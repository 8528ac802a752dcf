"""The model of a page: from the address, the cookie, or the default."""

import html
import json
import re
from contextlib import closing
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient

import database
from app.domain.model_spec import Retirement
from app.worker.worker import Worker
from tests.web.test_api import client, worker

__all__ = ["client", "worker"]

OTHER = "jimeng_seedream46_cvtob"


@pytest.mark.parametrize("path", ["/", "/batch"])
def test_a_page_keeps_the_model_that_was_chosen_in_the_address(client: FlaskClient, path: str) -> None:
    assert f'value="{OTHER}" selected' not in client.get(path).get_data(as_text=True)
    assert f'value="{OTHER}" selected' in client.get(f"{path}?model={OTHER}").get_data(as_text=True)
    assert f'value="{OTHER}" selected' in client.get(path).get_data(as_text=True)


@pytest.mark.parametrize("path", ["/", "/batch"])
def test_a_model_that_is_not_there_gives_the_default_and_says_so_once(client: FlaskClient, path: str) -> None:
    sentence = "没有叫「无名」的模型"
    assert sentence in client.get(f"{path}?model=无名").get_data(as_text=True)
    assert sentence not in client.get(path).get_data(as_text=True)


def test_a_model_that_has_ended_cannot_be_chosen_and_is_not_kept(
    client: FlaskClient, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.get(f"/batch?model={OTHER}")
    engine = worker.engines.find(OTHER)
    assert engine
    ended = Retirement(since=date(2026, 1, 1), variable="JIMENG_REQ_KEY", successor="jimeng_t2i_v40")
    monkeypatch.setattr(engine.provider, "spec", replace(engine.spec, retirement=ended))
    page = client.get("/batch").get_data(as_text=True)
    assert "现在用的是 即梦 4.0" in page
    assert f'value="{OTHER}" disabled' in page
    assert "现在用的是" not in client.get("/batch").get_data(as_text=True)


def test_a_record_opens_the_form_for_the_model_that_made_it(client: FlaskClient) -> None:
    body = {"rows": [{"prompt": "猫", "model": OTHER}], "source": "single"}
    record = client.post("/api/batches", json=body).get_json()["records"][0]
    assert f'value="{OTHER}" selected' in client.get(f"/?from={record}").get_data(as_text=True)


def test_the_form_without_scripts_orders_from_the_chosen_model(client: FlaskClient) -> None:
    client.post("/", data={"prompt": "猫", "model": OTHER})
    assert client.get("/api/records/1").get_json()["record"]["model"] == OTHER


def test_the_page_of_a_batch_has_its_model_and_names_one_that_is_gone(
    client: FlaskClient, worker: Worker
) -> None:
    body = {"rows": [{"prompt": "猫"}, {"prompt": "狗"}], "model": OTHER}
    batch = client.post("/api/batches", json=body).get_json()["batch_id"]
    model, columns = page_data(client, batch)
    assert (model["id"], columns["model"]["placeholder"]) == (OTHER, "即梦 4.6")
    with closing(database.connect(worker.settings.database)) as db:
        db.execute("UPDATE generation_records SET model = 'old-1'")
    model, columns = page_data(client, batch)
    assert (model["id"], columns["model"]["words"]["old-1"]) == ("jimeng_t2i_v40", "old-1")


def page_data(client: FlaskClient, batch: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The page's model, and its columns by name, as its scripts get them."""
    page = client.get(f"/batch?id={batch}").get_data(as_text=True)
    model, columns = (
        json.loads(html.unescape(found.group(1)))
        for name in ("model", "columns")
        if (found := re.search(f'data-{name}="([^"]*)"', page))
    )
    return model, {column["name"]: column for column in columns}
