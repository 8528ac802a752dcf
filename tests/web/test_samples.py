"""A sample is tried first, through the API, with the fake Jimeng at the wire."""

import io
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest
from flask.testing import FlaskClient
from openpyxl import load_workbook

import database
from app.worker.worker import Worker
from tests.web.test_api import client, get, post, worker
from tools.fakes.jimeng import FakeJimeng

__all__ = ["client", "worker"]

ROWS = [{"prompt": f"雪山 {n}", "filename": f"图{n}"} for n in range(1, 7)]


def run_all(worker: Worker) -> None:
    with closing(database.connect(worker.settings.database)) as db:
        while worker.run_once(db):
            pass


def submit(client: FlaskClient, rows: Sequence[Any] = ROWS, **fields: Any) -> str:
    batch_id: str = post(client, "/api/batches", {"rows": rows, **fields}, 202)["batch_id"]
    return batch_id


def batch_of(client: FlaskClient, batch_id: str) -> dict[str, Any]:
    batch: dict[str, Any] = get(client, f"/api/batches/{batch_id}")["batch"]
    return batch


def test_only_the_sample_is_paid_for(client: FlaskClient, worker: Worker, service: FakeJimeng) -> None:
    batch_id = submit(client, sample=2)
    run_all(worker)
    assert service.charges == 2
    batch = batch_of(client, batch_id)
    assert (batch["status"], batch["paused_cause"], batch["counts"]["held"]) == ("paused", "sample", 4)
    assert batch["paused_reason"] == "先试的 2 行做完了，看过再放行其余 4 行"
    assert batch["estimated_cost"] == pytest.approx(6 * 0.22)
    assert "放行" in post(client, f"/api/batches/{batch_id}/resume", status=409)["error"]


@pytest.mark.parametrize("sample", [0, -1, 1.5, "8", True, 5_001, [1]])
def test_a_wrong_sample_is_refused(client: FlaskClient, sample: object) -> None:
    assert "sample" in post(client, "/api/batches", {"rows": ROWS, "sample": sample}, 400)["error"]
    assert get(client, "/api/batches")["total"] == 0


def test_a_workbook_of_the_results_says_what_waits(client: FlaskClient, worker: Worker) -> None:
    batch_id = submit(client, sample=1)
    run_all(worker)
    content = client.get(f"/api/batches/{batch_id}/results.xlsx").data
    sheet = load_workbook(io.BytesIO(content)).worksheets[0]
    rows = list(sheet.iter_rows(values_only=True))
    column = rows[0].index("状态")
    assert [row[column] for row in rows[1:]] == ["成功", *["等放行"] * 5]
