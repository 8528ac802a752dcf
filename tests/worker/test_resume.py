"""Resuming a paused batch: if it would only pause again, the answer is the reason."""

from contextlib import closing
from dataclasses import replace
from decimal import Decimal

from flask.testing import FlaskClient

import database
from app.config import Settings
from app.worker.disk_space import DiskSpace
from app.worker.worker import Worker
from tests.web.harness import get, post
from tools.fakes.jimeng import FakeJimeng
from web_app import create_app


def server(settings: Settings, service: FakeJimeng, **more: object) -> tuple[FlaskClient, Worker]:
    """The client and the worker, whose threads do not run: the test runs its turns."""
    settings = replace(settings, **service.settings(model_timeout=60, **more))
    worker = Worker(settings)
    return create_app(settings, worker).test_client(), worker


def used_up(client: FlaskClient, worker: Worker, source: str = "batch") -> str:
    """A batch of three that was paused by the budget -> its id."""
    body = {"rows": [{"prompt": "雪山", "num_images": 3}], "source": source}
    batch_id: str = post(client, "/api/batches", body, 202)["batch_id"]
    with closing(database.connect(worker.settings.database)) as db:
        while worker.run_once(db):
            pass
    return batch_id


def test_resume_over_budget_says_why_and_the_batch_stays_paused(
    settings: Settings, service: FakeJimeng
) -> None:
    client, worker = server(settings, service, budget=Decimal("0.25"))
    batch_id = used_up(client, worker)
    refused = post(client, f"/api/batches/{batch_id}/resume", status=409)
    assert "预算 ¥0.25 只剩 ¥0.03" in refused["error"]
    batch = get(client, f"/api/batches/{batch_id}")["batch"]
    assert (batch["status"], batch["paused_reason"]) == ("paused", refused["error"])
    assert service.charges == 1


def test_resume_with_a_higher_budget_continues(settings: Settings, service: FakeJimeng) -> None:
    batch_id = used_up(*server(settings, service, budget=Decimal("0.25")))
    client, _ = server(settings, service, budget=Decimal("0.75"))
    assert post(client, f"/api/batches/{batch_id}/resume")["batch"]["status"] == "running"


def test_submitted_records_are_fetched_although_the_budget_is_used_up(
    settings: Settings, service: FakeJimeng
) -> None:
    client, worker = server(settings, service, budget=Decimal("0.25"))
    batch_id = used_up(client, worker)
    with closing(database.connect(worker.settings.database)) as db:
        db.execute(
            "UPDATE generation_records SET task_id = 't-9', fetch_while_paused = 0 WHERE id = "
            "(SELECT max(id) FROM generation_records WHERE batch_id = ?)",
            [batch_id],
        )
    post(client, f"/api/batches/{batch_id}/resume")


def test_resume_without_disk_space_says_so(settings: Settings, service: FakeJimeng) -> None:
    client, worker = server(settings, service)
    batch_id = post(client, "/api/batches", {"rows": [{"prompt": "雪山"}]}, 202)["batch_id"]
    post(client, f"/api/batches/{batch_id}/pause")
    free = [1]
    worker.disk = DiskSpace((settings.output_dir,), free=lambda _: free[0])
    assert "磁盘只剩" in post(client, f"/api/batches/{batch_id}/resume", status=409)["error"]
    free[0] = 10**12
    assert post(client, f"/api/batches/{batch_id}/resume")["batch"]["status"] == "queued"


def test_resume_without_a_key_names_it(settings: Settings, service: FakeJimeng) -> None:
    client, _ = server(settings, service)
    batch_id = post(client, "/api/batches", {"rows": [{"prompt": "雪山"}]}, 202)["batch_id"]
    post(client, f"/api/batches/{batch_id}/pause")
    keyless, _ = server(settings, service, volcengine_ak="")
    assert "VOLCENGINE_AK" in post(keyless, f"/api/batches/{batch_id}/resume", status=409)["error"]


def test_the_pause_reason_is_shown_once_for_all_waiting_tiles(
    settings: Settings, service: FakeJimeng
) -> None:
    client, worker = server(settings, service, budget=Decimal("0.25"))
    used_up(client, worker, source="single")
    results = client.get("/live/results").text
    assert results.count('<p class="result-card-status">已暂停') == 2
    assert results.count("预算 ¥0.25 只剩 ¥0.03") == 1


def test_pause_and_resume_update_the_waiting_tiles(settings: Settings, service: FakeJimeng) -> None:
    client, _ = server(settings, service)
    body = {"rows": [{"prompt": "雪山", "num_images": 2}], "source": "single"}
    batch_id = post(client, "/api/batches", body, 202)["batch_id"]
    seen = client.get("/live/results").headers["X-Version"]
    post(client, f"/api/batches/{batch_id}/pause")
    paused = client.get(f"/live/results?since={seen}")
    assert paused.text.count('result-card-status">已暂停') == 2
    assert paused.text.count('data-command="resume"') == 1
    post(client, f"/api/batches/{batch_id}/resume")
    news = client.get(f"/live/results?since={paused.headers['X-Version']}").text
    assert news.count("等待中") == 2
    assert 'data-command="resume"' not in news


def test_a_batch_that_a_budget_paused_continues_after_the_budget_is_raised(
    settings: Settings, service: FakeJimeng
) -> None:
    client, worker = server(settings, service)
    client.put("/api/budgets", json={"batch": 0.25})
    batch_id = used_up(client, worker)
    batch = get(client, f"/api/batches/{batch_id}")["batch"]
    assert (batch["status"], batch["paused_cause"]) == ("paused", "budget")
    assert "每批预算 ¥0.25 只剩 ¥0.03" in batch["paused_reason"]
    assert "每批预算" in post(client, f"/api/batches/{batch_id}/resume", status=409)["error"]
    client.put("/api/budgets", json={"batch": 0.66})
    post(client, f"/api/batches/{batch_id}/resume")
    with closing(database.connect(worker.settings.database)) as db:
        while worker.run_once(db):
            pass
    assert get(client, f"/api/batches/{batch_id}")["batch"]["status"] == "finished"
    assert service.charges == 3
