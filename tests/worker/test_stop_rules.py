"""A batch of refused prompts costs little and stops; repaired, it goes on."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.worker.worker import Worker
from tests.web.test_api import client, get, post, worker
from tests.web.test_samples import batch_of, run_all, submit
from tools.fakes.jimeng import FakeJimeng

pytestmark = pytest.mark.sqlite  # no statements of its own kind

__all__ = ["client", "worker"]

BAD = [{"prompt": f"违禁 {n}", "resolution": "1K"} for n in range(30)]


def test_a_table_stops_at_five_refusals_by_default(
    client: FlaskClient, worker: Worker, service: FakeJimeng
) -> None:
    batch_id = submit(client, BAD)
    run_all(worker)
    batch = batch_of(client, batch_id)
    assert (batch["status"], batch["paused_cause"]) == ("paused", "stop_rule")
    assert (batch["counts"]["failed"], batch["counts"]["queued"]) == (5, 25)
    assert "前 5 张里有 5 张没有通过内容审核" in batch["paused_reason"]
    assert service.charges == 0
    post(client, f"/api/batches/{batch_id}/resume")
    run_all(worker)
    assert batch_of(client, batch_id)["counts"]["failed"] == 10


def test_repaired_rows_are_retried_and_the_rest_goes_on(
    client: FlaskClient, worker: Worker, service: FakeJimeng
) -> None:
    batch_id = submit(client, [*BAD[:5], *({"prompt": f"雪山 {n}", "resolution": "1K"} for n in range(3))])
    run_all(worker)
    failed = [r["id"] for r in get(client, f"/api/batches/{batch_id}")["records"] if r["status"] == "failed"]
    changes = {str(record_id): {"prompt": f"花 {record_id}"} for record_id in failed}
    post(client, f"/api/batches/{batch_id}/retry", {"changes": changes})
    assert batch_of(client, batch_id)["paused_cause"] == "stop_rule"
    post(client, f"/api/batches/{batch_id}/resume")
    run_all(worker)
    assert batch_of(client, batch_id)["status"] == "finished"
    assert service.charges == 8


@pytest.mark.parametrize(
    ("fields", "failed"),
    [
        ({"stop_after": None}, 30),
        ({"stop_after": {"refused": 2}}, 2),
        ({"stop_after": {"refused": 30, "of": 30, "failed": 1, "last": 12}}, 12),
        ({"source": "single"}, 30),
        ({"source": "single", "stop_after": {"refused": 3}}, 3),
    ],
)
def test_a_rule_may_be_given(
    client: FlaskClient, worker: Worker, fields: dict[str, Any], failed: int
) -> None:
    batch_id = submit(client, BAD, **fields)
    run_all(worker)
    assert batch_of(client, batch_id)["counts"]["failed"] == failed


@pytest.mark.parametrize("rule", [5, "never", {"refused": 0}, {"failed": 2}, {"odd": 1}])
def test_a_wrong_rule_is_refused(client: FlaskClient, rule: object) -> None:
    answer = post(client, "/api/batches", {"rows": BAD, "stop_after": rule}, 400)
    assert answer["field"] == "stop_after"
    assert get(client, "/api/batches")["total"] == 0
