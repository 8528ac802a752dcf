"""Row numbers: the same in the records, the log and the results workbook."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from openpyxl import load_workbook

from app.config import Settings
from app.domain import MAX_ROW_NUMBER
from app.runtime import Runtime
from web_app import create_app


@pytest.fixture
def working(settings: Settings) -> Iterator[FlaskClient]:
    """The client of an app with the demo model and running worker threads."""
    runtime = Runtime(settings)
    app = create_app(settings, runtime)
    runtime.start()
    yield app.test_client()
    assert runtime.stop(30)


def rows(*numbers: object) -> list[dict[str, Any]]:
    """A row for each of these numbers."""
    return [{"prompt": f"猫 {place}", "number": number} for place, number in enumerate(numbers)]


def finished(client: FlaskClient, batch_id: str) -> dict[str, Any]:
    """The finished batch; each poll waits for a change."""
    while True:
        answer: dict[str, Any] = client.get(f"/api/batches/{batch_id}").get_json()
        if answer["batch"]["status"] == "finished":
            return answer


def test_records_log_and_results_use_the_row_number_of_the_file(working: FlaskClient) -> None:
    batch_id = working.post("/api/batches", json={"rows": rows(14, 3)}).get_json()["batch_id"]
    answer = finished(working, batch_id)
    assert {record["prompt"]: record["row_number"] for record in answer["records"]} == {"猫 0": 14, "猫 1": 3}
    assert sum(line["text"].startswith("第 14 行") for line in answer["log"]) == 1
    content = working.get(f"/api/batches/{batch_id}/results.xlsx", buffered=True).data
    lines = load_workbook(io.BytesIO(content)).worksheets[0].iter_rows(min_row=2, values_only=True)
    assert [line[0] for line in lines] == [14, 3]  # in the order of the request


def test_rows_without_a_number_count_from_one(client: FlaskClient) -> None:
    batch_id = client.post("/api/batches", json={"rows": rows(None, None)}).get_json()["batch_id"]
    answer = client.get(f"/api/batches/{batch_id}").get_json()
    assert [record["row_number"] for record in answer["records"]] == [1, 2]


def test_an_invalid_row_number_is_reported_at_its_row(client: FlaskClient) -> None:
    for number in (0, -1, MAX_ROW_NUMBER + 1, "3", 1.5, True, [3]):
        answer = client.post("/api/batches", json={"rows": rows(7, number)})
        assert answer.status_code == 400
        [problem] = answer.get_json()["problems"]
        assert (problem["row"], problem["field"]) == (2, "number"), number


def test_duplicate_row_numbers_are_refused(client: FlaskClient) -> None:
    answer = client.post("/api/batches", json={"rows": rows(7, 7)})
    assert answer.status_code == 400
    assert answer.get_json()["problems"] == [{"row": 2, "field": "number", "error": "行号 7 用了两次"}]


def test_a_refusal_names_the_row_by_its_number(client: FlaskClient) -> None:
    answer = client.post("/api/batches", json={"rows": [{"prompt": "", "number": 14}]})
    assert answer.get_json()["error"].startswith("第 14 行：请填写提示词")
    assert answer.get_json()["problems"][0]["row"] == 1
