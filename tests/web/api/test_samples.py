"""A sample is tried first, through the API, with the fake Jimeng at the wire."""

import io

import pytest
from openpyxl import load_workbook

from tests.web.harness import WebHarness
from tools.fakes.jimeng import FakeJimeng


def test_only_the_sample_is_paid_for(web: WebHarness, service: FakeJimeng) -> None:
    batch_id = web.submit(sample=2)
    web.run()
    assert service.charges == 2
    batch = web.batch(batch_id)
    assert (batch["status"], batch["paused_cause"], batch["counts"]["held"]) == ("paused", "sample", 4)
    assert batch["paused_reason"] == "先试的 2 行做完了，看过再放行其余 4 行"
    assert batch["estimated_cost"] == pytest.approx(6 * 0.22)
    assert "放行" in web.post(f"/api/batches/{batch_id}/resume", status=409)["error"]


def test_a_workbook_of_the_results_says_what_waits(web: WebHarness) -> None:
    batch_id = web.submit(sample=1)
    web.run()
    sheet = load_workbook(io.BytesIO(web.client.get(f"/api/batches/{batch_id}/results.xlsx").data))
    rows = list(sheet.worksheets[0].iter_rows(values_only=True))
    column = rows[0].index("状态")
    assert [row[column] for row in rows[1:]] == ["成功", *["等放行"] * 5]
