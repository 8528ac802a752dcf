"""A model that its service ended takes no order; one that will end says so."""

import logging
from dataclasses import replace
from datetime import date

import pytest

import web_app
from app.config import Settings
from app.domain import Retirement
from tests.web.harness import WebHarness
from tools.fakes.jimeng import FakeJimeng

ENDED = Retirement(since=date(2000, 1, 2), variable="SEEDREAM_MODEL", successor="next-1")
ENDS = replace(ENDED, since=date(2999, 1, 2))
CAT = {"prompt": "猫"}


def retire(web: WebHarness, monkeypatch: pytest.MonkeyPatch, retirement: Retirement = ENDED) -> str:
    """Give the model an end; returns what is to be said of it."""
    spec = web.change_spec(monkeypatch, retirement=retirement)
    return str(spec.retirement_notice(date.today()))


def test_no_order_of_an_ended_model_is_queued(
    web: WebHarness, service: FakeJimeng, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = web.submit(sample=1)
    web.run()
    paused = web.submit([{"prompt": "狗"}, {"prompt": "鸟"}])
    web.post(f"/api/batches/{paused}/pause", {})
    unknown = web.records(paused)[0]["id"]
    web.execute("UPDATE generation_records SET status = 'unknown' WHERE id = ?", [unknown])
    notice = retire(web, monkeypatch)
    assert "2000-01-02 起已停用" in notice
    assert "改用 next-1" in notice
    for path, body in (
        ("/api/batches", {"rows": [CAT]}),
        ("/api/batch-generate", CAT),
        (f"/api/batches/{sample}/release", {}),
        (f"/api/batches/{paused}/resume", {}),
        ("/api/records/retry", {"ids": [unknown]}),
    ):
        assert web.post(path, body, 409)["error"] == notice, path
    web.run()
    assert len(web.get("/api/batches")["batches"]) == 2
    assert service.count("submit") == 1


def test_what_was_queued_before_the_end_is_not_submitted(
    web: WebHarness, service: FakeJimeng, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = web.submit()
    notice = retire(web, monkeypatch)
    web.run()
    batch = web.batch(batch_id)
    assert (batch["status"], batch["paused_cause"], batch["paused_reason"]) == ("paused", "model", notice)
    assert batch["counts"]["failed"] == 0
    assert web.select("SELECT * FROM charges") == []
    assert service.count("submit") == 0


def test_a_picture_that_was_submitted_before_the_end_is_fetched(
    web: WebHarness, service: FakeJimeng, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = web.submit([CAT])
    submitted = web.runtime.engines.default.provider.submit

    def submit_then_end(*order: object) -> object:
        answer = submitted(*order)  # type: ignore[arg-type]
        retire(web, monkeypatch)
        return answer

    monkeypatch.setattr(web.runtime.engines.default.provider, "submit", submit_then_end)
    service.fail_next("dead_url", step="download", times=4)
    web.run()
    assert web.batch(batch_id)["counts"]["success"] == 0
    assert web.runtime.engines.default.provider.spec.retirement == ENDED
    web.execute("UPDATE generation_records SET not_before = 0")
    web.run()
    assert web.batch(batch_id)["counts"]["success"] == 1
    assert service.charges == 1


@pytest.mark.parametrize(
    ("retirement", "state", "is_ready"), [(ENDED, "model_ended", False), (ENDS, "model_ends", True)]
)
def test_pages_and_api_say_when_the_model_ends(
    web: WebHarness,
    monkeypatch: pytest.MonkeyPatch,
    retirement: Retirement,
    state: str,
    is_ready: bool,
) -> None:
    notice = retire(web, monkeypatch, retirement)
    assert retirement.since.isoformat() in notice
    top_bar = web.client.get("/live/status").text
    assert f'data-state="{state}"' in top_bar
    assert notice in top_bar
    assert web.get("/api/models")["model"]["ready"] is is_ready
    assert web.client.get("/healthz").status_code == 503  # the threads of this worker do not run
    assert web.client.get("/healthz").get_json()["model"] is is_ready
    web.post("/api/batches", {"rows": [CAT]}, 202 if is_ready else 409)


def test_the_model_page_says_when_a_model_ends(module_settings: Settings) -> None:
    settings = replace(module_settings, seedream_model="doubao-seedream-4-0-250828")
    page = web_app.create_app(settings).test_client().get("/model").text
    assert page.count("data-notice") == page.count('class="model-notice"') == 1
    assert "doubao-seedream-4-0-250828" in page
    assert "2026-11-24" in page
    assert "改用 doubao-seedream-5-0-pro-260628" in page
    assert 'data-variable="SEEDREAM_MODEL"' in page


def test_the_end_is_said_at_the_start_and_in_the_log(
    web: WebHarness,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    notice = retire(web, monkeypatch)
    with caplog.at_level(logging.INFO):
        web_app.print_banner(web.settings, web.runtime.engines.default.provider.spec)
    assert f"注意　{notice}\n" in capsys.readouterr().err
    assert any("event=model_ends model=jimeng_t2i_v40 since=2000-01-02" in line for line in caplog.messages)
