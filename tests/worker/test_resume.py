"""Resuming a paused batch: if it would only pause again, the answer is the reason."""

from decimal import Decimal
from typing import Any

import pytest

from app.worker.availability import DiskSpace
from tests.harness import Harness
from tests.web.harness import get, post
from tests.worker.conftest import OpenFor
from tools.fakes.jimeng import FakeJimeng

pytestmark = pytest.mark.sqlite  # no statements of its own kind


class Pages:
    """The pages of a worker, and a batch of three rows; the worker runs turn by turn."""

    def __init__(self, harness: Harness, source: str = "batch") -> None:
        self.harness = harness
        self.client = harness.client()
        body = {"rows": [{"prompt": "雪山", "num_images": 3}], "source": source}
        self.path = f"/api/batches/{post(self.client, '/api/batches', body, 202)['batch_id']}"

    def post(self, command: str, status: int = 200) -> dict[str, Any]:
        return post(self.client, f"{self.path}/{command}", status=status)

    def batch(self) -> dict[str, Any]:
        batch: dict[str, Any] = get(self.client, self.path)["batch"]
        return batch

    def live(self, since: str = "") -> tuple[str, str]:
        """The tiles that changed since a version, and the version now."""
        answer = self.client.get(f"/live/results?since={since}" if since else "/live/results")
        return answer.text, answer.headers["X-Version"]


@pytest.fixture
def paused(open_for: OpenFor) -> Pages:
    """The budget is used up by the first picture."""
    pages = Pages(open_for(FakeJimeng, budget=Decimal("0.25")))
    pages.harness.run()
    return pages


def test_resume_over_budget_says_why_and_the_batch_stays_paused(paused: Pages) -> None:
    refused = paused.post("resume", status=409)
    assert "预算 ¥0.25 只剩 ¥0.03" in refused["error"]
    batch = paused.batch()
    assert (batch["status"], batch["paused_reason"]) == ("paused", refused["error"])
    assert paused.harness.service.charges == 1


def test_submitted_records_are_fetched_although_the_budget_is_used_up(paused: Pages) -> None:
    paused.harness.db.execute(
        "UPDATE generation_records SET task_id = 't-9', fetch_while_paused = 0 WHERE id = 3"
    )
    paused.post("resume")


def test_resume_without_disk_space_says_so(harness: Harness) -> None:
    pages, free = Pages(harness), 1
    pages.post("pause")
    harness.runtime.disk = DiskSpace((harness.settings.output_dir,), free=lambda _: free)
    assert "磁盘只剩" in pages.post("resume", status=409)["error"]
    free = 10**12
    harness.runtime.disk.invalidate()
    assert pages.post("resume")["batch"]["status"] == "queued"


def test_resume_without_a_key_names_it(harness: Harness) -> None:
    pages = Pages(harness)
    pages.post("pause")
    harness.restart(volcengine_ak="")
    pages.client = harness.client()
    assert "VOLCENGINE_AK" in pages.post("resume", status=409)["error"]


def test_the_pause_reason_is_shown_once_for_all_waiting_tiles(open_for: OpenFor) -> None:
    pages = Pages(open_for(FakeJimeng, budget=Decimal("0.25")), source="single")
    pages.harness.run()
    results, _ = pages.live()
    assert results.count('<p class="result-card-status">已暂停') == 2
    assert results.count("预算 ¥0.25 只剩 ¥0.03") == 1


def test_pause_and_resume_update_the_waiting_tiles(harness: Harness) -> None:
    pages = Pages(harness, source="single")
    _, seen = pages.live()
    pages.post("pause")
    paused, seen = pages.live(seen)
    assert paused.count('result-card-status">已暂停') == 3
    assert paused.count('data-command="resume"') == 1
    pages.post("resume")
    news, _ = pages.live(seen)
    assert news.count("等待中") == 3
    assert 'data-command="resume"' not in news


def test_a_batch_that_a_budget_paused_continues_after_the_budget_is_raised(harness: Harness) -> None:
    harness.client().put("/api/budgets", json={"batch": 0.25})
    pages = Pages(harness)
    harness.run()
    batch = pages.batch()
    assert (batch["status"], batch["paused_cause"]) == ("paused", "budget")
    assert "每批预算 ¥0.25 只剩 ¥0.03" in batch["paused_reason"]
    assert "每批预算" in pages.post("resume", status=409)["error"]
    pages.client.put("/api/budgets", json={"batch": 0.66})
    pages.post("resume")
    harness.run()
    assert pages.batch()["status"] == "finished"
    assert harness.service.charges == 3
