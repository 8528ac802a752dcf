"""Several models in the API and on the pages: Jimeng, and an OpenAI-compatible one that has no price."""

import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

import database
from app.config import Settings
from app.domain import Retirement
from tests.web.harness import WebHarness
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.openai_images import FakeOpenAIImages

JIMENG, OPENAI = "jimeng_t2i_v40", "gpt-image-2"
MIXED = [{"prompt": "即"}, {"prompt": "外", "model": OPENAI}]


@pytest.fixture
def openai() -> Iterator[FakeOpenAIImages]:
    with FakeOpenAIImages() as fake:
        yield fake


@pytest.fixture
def web(settings: Settings, service: FakeJimeng, openai: FakeOpenAIImages) -> WebHarness:
    fields: dict[str, Any] = openai.settings() | service.settings(model_timeout=60)
    return WebHarness(replace(settings, **fields))


def end_all(web: WebHarness, status: str) -> None:
    """Give all records this status, as if they had been made."""
    web.execute("UPDATE generation_records SET status = ?", [status])


def retire(web: WebHarness, monkeypatch: pytest.MonkeyPatch, model_id: str) -> str:
    """Have the service end the model; returns what is to be said of it."""
    end = Retirement(since=date(2000, 1, 2), variable="OPENAI_IMAGE_MODEL", successor="next-1")
    spec = web.change_spec(monkeypatch, model_id, retirement=end)
    return str(spec.retirement_notice(date.today()))


def test_the_api_and_health_tell_the_state_of_every_model(
    web: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = web.get("/api/models")
    found = {model["model_id"]: model for model in answer["models"]}
    assert next(iter(found)) == answer["model"]["model_id"] == JIMENG
    assert [model["is_default"] for model in found.values()] == [True] + [False] * (len(found) - 1)
    assert (found[OPENAI]["ready"], found[OPENAI]["problem"]) == (True, None)
    assert found[OPENAI]["options"]["quality"] == ["low", "medium", "high"]
    notice = retire(web, monkeypatch, OPENAI)
    found = {model["model_id"]: model for model in web.get("/api/models")["models"]}
    assert (found[OPENAI]["ready"], found[OPENAI]["problem"]) == (False, notice)
    health = web.client.get("/healthz").get_json()
    assert health["model"] is True
    assert (health["models"][JIMENG], health["models"][OPENAI]) == (True, False)


@pytest.mark.parametrize("written", ["即梦4.6", "  即梦　4.6 ", "JIMENG seedream46 cvtob"])
def test_a_model_is_found_however_its_name_is_spaced(web: WebHarness, written: str) -> None:
    assert web.runtime.engines.models.find(written).model_id == "jimeng_seedream46_cvtob"


def test_the_top_bar_lists_the_models_with_what_is_under_way(
    web: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    retire(web, monkeypatch, OPENAI)
    engine = web.runtime.engines.find(JIMENG)
    assert engine is not None
    engine.limit.on_throttled()
    web.submit([{"prompt": "即", "num_images": 3}])
    with closing(database.connect(web.settings.database)) as db:
        for _ in range(2):
            database.claim_record(db, model=JIMENG, owner="", now=time.time(), lease=60)
    rows = re.findall(r"<tr data-state=(.*?)</tr>", web.client.get("/live/status").text, re.DOTALL)
    texts = [" ".join(re.sub(r"<[^>]*>", " ", row).split()) for row in rows]
    assert texts[0] == '"throttled"> 即梦 4.0 ¥0.22 限流中，同时 2 · 生成中 2'
    assert '"model_ended"> gpt-image-2 价格未设 已停用' in texts


def test_a_model_whose_key_was_refused_is_not_listed_as_ready(web: WebHarness, service: FakeJimeng) -> None:
    def bar() -> str:
        return " ".join(re.sub(r"<[^>]*>", " ", web.client.get("/live/status").text).split())

    service.fail_next("key", times=1)
    batch_id = web.submit([{"prompt": "即"}])
    web.run()
    assert bar().startswith("已暂停 火山引擎不接受这对密钥")
    assert "即梦 4.0 ¥0.22 服务商拒绝" in bar()
    options = re.findall(r"<option[^>]*>([^<]*)</option>", web.client.get("/batch?new=1").text)
    assert "即梦 4.0 · 服务商拒绝" in [" ".join(option.split()) for option in options]
    web.post(f"/api/batches/{batch_id}/cancel", {})
    assert bar().startswith("即梦 4.0 服务商拒绝 火山引擎不接受这对密钥")
    web.submit([{"prompt": "又"}])
    web.run()
    assert "服务商拒绝" not in bar()
    assert bar().startswith("即梦 4.0 就绪")


def test_pages_show_labels_and_ids_of_models_that_are_gone(web: WebHarness) -> None:
    web.submit([*MIXED, {"prompt": "旧"}])
    web.run()
    web.execute("UPDATE generation_records SET model = 'gone-1' WHERE prompt = '旧'")
    page = web.client.get("/records").text
    assert re.search(rf'title="{JIMENG}"[^>]*>.*?<span>即梦 4.0</span>', page, re.DOTALL)
    assert re.search(r'title="gone-1"[^>]*>.*?<span>gone-1</span>', page, re.DOTALL)
    assert web.get("/api/records?model=gone-1")["total"] == 1
    for model, label in (("gone-1", "gone-1"), (JIMENG, "即梦 4.0")):
        found = web.client.get(f"/records?model={model}").text
        assert f'<span class="filter-value">{label}</span>' in found
    record = web.get(f"/api/records?model={JIMENG}")["records"][0]["id"]
    assert f'<dd title="{JIMENG}">即梦 4.0</dd>' in web.client.get(f"/live/records/{record}/details").text
    by_model = {line["model"]: line["label"] for line in web.get("/api/usage")["usage"]["by_model"]}
    assert by_model == {JIMENG: "即梦 4.0", OPENAI: OPENAI}
    assert f'即梦 4.0 <span class="hint">{JIMENG}</span>' in web.client.get("/usage").text


def test_a_budget_is_set_although_another_model_has_no_price(web: WebHarness) -> None:
    assert web.client.put("/api/budgets", json={"total": 10}).status_code == 200
    refusal = web.post("/api/batches", {"rows": MIXED}, 409)["error"]
    assert "不知道 gpt-image-2 每张多少钱" in refusal
    assert web.get("/api/batches")["total"] == 0
    web.run()
    assert web.batch(web.submit(MIXED[:1]))["counts"]["queued"] == 1


def test_a_budget_that_is_set_later_pauses_a_batch_with_an_unpriced_model(
    web: WebHarness, openai: FakeOpenAIImages
) -> None:
    batch_id = web.submit(MIXED)
    assert web.client.put("/api/budgets", json={"total": 10}).status_code == 200
    web.run()
    batch = web.batch(batch_id)
    assert (batch["status"], batch["paused_cause"], batch["counts"]["failed"]) == ("paused", "budget", 0)
    assert openai.count("submit") == 0
    assert "不知道 gpt-image-2 每张多少钱" in web.post(f"/api/batches/{batch_id}/resume", status=409)["error"]


@pytest.mark.parametrize(
    ("status", "path", "body"),
    [
        ("failed", "/api/batches/{id}/retry", {}),
        ("cancelled", "/api/batches/{id}/uncancel", {}),
        ("cancelled", "/api/batches/{id}/retry", {"records": "all"}),
        ("unknown", "/api/records/retry", {"ids": "all"}),
    ],
)
def test_no_record_of_an_ended_model_is_queued_again(
    web: WebHarness,
    monkeypatch: pytest.MonkeyPatch,
    status: str,
    path: str,
    body: dict[str, Any],
) -> None:
    """Its record is one of two: the other is not queued either."""
    batch_id = web.submit(MIXED)
    ids = [record["id"] for record in web.records(batch_id)]
    end_all(web, status)
    body = {name: ids if value == "all" else value for name, value in body.items()}
    notice = retire(web, monkeypatch, OPENAI)
    assert web.post(path.format(id=batch_id), body, 409)["error"] == notice
    assert web.batch(batch_id)["counts"][status] == 2
    ids_of_other = {name: value[:1] if value == ids else value for name, value in body.items()}
    if ids_of_other != body:
        web.post(path.format(id=batch_id), ids_of_other)


def test_a_submitted_image_of_an_ended_model_is_fetched_by_a_retry(
    web: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = web.submit(MIXED[:1])
    end_all(web, "failed")
    web.execute("UPDATE generation_records SET task_id = '7'")
    retire(web, monkeypatch, JIMENG)
    assert web.post(f"/api/batches/{batch_id}/retry", {})["retried"] == 1


def test_held_rows_of_an_ended_model_are_not_released(
    web: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = web.submit([*MIXED[:1], *[row | {"model": OPENAI} for row in MIXED]], sample=1)
    web.run()
    notice = retire(web, monkeypatch, OPENAI)
    assert web.post(f"/api/batches/{batch_id}/release", {}, 409)["error"] == notice
    assert web.batch(batch_id)["counts"]["held"] == 2
