"""A batch of refused prompts costs little and stops; repaired, it goes on."""

from typing import Any

import pytest

from tests.web.harness import WebHarness
from tools.fakes.jimeng import FakeJimeng

pytestmark = pytest.mark.sqlite  # no statements of its own kind

BAD = [{"prompt": f"违禁 {n}", "resolution": "1K"} for n in range(30)]


def test_a_table_stops_at_five_refusals_by_default(web: WebHarness, service: FakeJimeng) -> None:
    batch_id = web.submit(BAD)
    web.run()
    batch = web.batch(batch_id)
    assert (batch["status"], batch["paused_cause"]) == ("paused", "stop_rule")
    assert (batch["counts"]["failed"], batch["counts"]["queued"]) == (5, 25)
    assert "前 5 张里有 5 张没有通过内容审核" in batch["paused_reason"]
    assert service.charges == 0
    web.post(f"/api/batches/{batch_id}/resume")
    web.run()
    assert web.batch(batch_id)["counts"]["failed"] == 10


def test_repaired_rows_are_retried_and_the_rest_goes_on(web: WebHarness, service: FakeJimeng) -> None:
    batch_id = web.submit([*BAD[:5], *({"prompt": f"雪山 {n}", "resolution": "1K"} for n in range(3))])
    web.run()
    failed = [r["id"] for r in web.records(batch_id) if r["status"] == "failed"]
    changes = {str(record_id): {"prompt": f"花 {record_id}"} for record_id in failed}
    web.post(f"/api/batches/{batch_id}/retry", {"changes": changes})
    assert web.batch(batch_id)["paused_cause"] == "stop_rule"
    web.post(f"/api/batches/{batch_id}/resume")
    web.run()
    assert web.batch(batch_id)["status"] == "finished"
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
def test_a_rule_may_be_given(web: WebHarness, fields: dict[str, Any], failed: int) -> None:
    batch_id = web.submit(BAD, **fields)
    web.run()
    assert web.batch(batch_id)["counts"]["failed"] == failed
