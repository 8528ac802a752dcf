"""Repairing a batch through the API: changed words are validated, queued and shown in the results."""

import io
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from openpyxl import load_workbook

import database
from app.config import Settings
from app.worker.worker import Worker
from tools.fakes.jimeng import FakeJimeng
from tools.noise_images import noise_image
from web_app import create_app

ROWS = [{"prompt": "猫", "filename": "红茶"}, {"prompt": "狗"}, {"prompt": "鸟"}]


@pytest.fixture
def worker(settings: Settings, service: FakeJimeng) -> Worker:
    settings = replace(settings, **service.settings(model_timeout=60))
    return Worker(settings)


@pytest.fixture
def client(worker: Worker) -> FlaskClient:
    return create_app(worker.settings, worker).test_client()


def post(client: FlaskClient, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    fields: dict[str, Any] = answer.get_json()
    return fields


def failed_batch(client: FlaskClient, settings: Settings) -> tuple[str, list[int]]:
    """A batch of three rows, all of which failed without a charge."""
    added = post(client, "/api/batches", 202, rows=ROWS)
    with closing(database.connect(settings.database)) as db:
        db.execute("UPDATE generation_records SET status = 'failed'")
        db.execute("UPDATE batches SET state = 'finished'")
    return added["batch_id"], added["records"]


def record(client: FlaskClient, record_id: int) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/api/records/{record_id}").get_json()["record"]
    return found


def run(worker: Worker) -> None:
    with closing(database.connect(worker.settings.database)) as db:
        while worker.run_once(db):
            pass


def test_exactly_the_changed_records_are_made_with_their_new_words(
    client: FlaskClient, worker: Worker, service: FakeJimeng
) -> None:
    batch_id, ids = failed_batch(client, worker.settings)
    changes = {str(ids[0]): {"prompt": " 白{猫} ", "aspect_ratio": "16：9"}, str(ids[1]): {"prompt": None}}
    done = post(client, f"/api/batches/{batch_id}/retry", changes=changes)
    assert (done["retried"], done["skipped"], done["batch"]["counts"]["queued"]) == (2, [], 2)
    run(worker)
    made = record(client, ids[0])
    assert (made["prompt"], made["aspect_ratio"], made["status"]) == ("白{猫}", "16:9", "success")
    assert made["filename"].startswith("红茶.")
    assert [record(client, each)["status"] for each in ids[1:]] == ["success", "failed"]
    assert "白{猫}" in [call.body["prompt"] for call in service.submissions]
    book = client.get(f"/api/batches/{batch_id}/results.xlsx", buffered=True).data
    first, *lines = load_workbook(io.BytesIO(book)).worksheets[0].iter_rows(values_only=True)
    assert [line[first.index("提示词")] for line in lines] == ["白{猫}", "狗", "鸟"]


def test_a_change_that_is_not_valid_queues_nothing_and_names_every_problem(
    client: FlaskClient, worker: Worker
) -> None:
    batch_id, ids = failed_batch(client, worker.settings)
    changes = {
        str(ids[0]): {"prompt": "白猫"},
        str(ids[1]): {"prompt": " ", "aspect_ratio": "9:1"},
        str(ids[2]): {"sample_images": [{"url": "", "filename": "没有的图"}]},
    }
    answer = post(client, f"/api/batches/{batch_id}/retry", 400, changes=changes)
    problems = [(each["record"], each["row"], each["field"]) for each in answer["problems"]]
    assert problems == [(ids[1], 2, "prompt"), (ids[1], 2, "aspect_ratio"), (ids[2], 3, "sample_images")]
    assert answer["error"].startswith("第 2 行：请填写提示词（共 3 处问题")
    assert [record(client, each)["status"] for each in ids] == ["failed"] * 3
    assert record(client, ids[0])["prompt"] == "猫"


@pytest.mark.parametrize(
    "body",
    [
        {"changes": []},
        {"changes": {"x": {"prompt": "猫"}}},
        {"changes": {"0": {"prompt": "猫"}}},
        {"changes": {"1": []}},
        {"changes": {"1": {"seed": 5}}},
        {"changes": {"1": {"prompt": "猫"}}, "records": [2]},
        {"repeats": "maybe"},
    ],
)
def test_a_malformed_repair_is_refused_in_one_sentence(
    client: FlaskClient, worker: Worker, body: dict[str, Any]
) -> None:
    batch_id, _ = failed_batch(client, worker.settings)
    assert post(client, f"/api/batches/{batch_id}/retry", 400, **body)["error"]


def test_changes_of_no_record_retry_none(client: FlaskClient, worker: Worker) -> None:
    batch_id, _ = failed_batch(client, worker.settings)
    assert post(client, f"/api/batches/{batch_id}/retry", changes={})["retried"] == 0


def test_a_record_of_another_batch_is_not_changed(client: FlaskClient, worker: Worker) -> None:
    _, ids = failed_batch(client, worker.settings)
    other = post(client, "/api/batches", 202, rows=ROWS)["batch_id"]
    post(client, f"/api/batches/{other}/retry", 409, changes={str(ids[0]): {"prompt": "白猫"}})
    assert record(client, ids[0])["prompt"] == "猫"


def test_a_repeated_key_answers_as_before_although_the_records_are_queued(
    client: FlaskClient, worker: Worker
) -> None:
    batch_id, ids = failed_batch(client, worker.settings)
    body: dict[str, Any] = {"changes": {str(ids[0]): {"prompt": "白猫"}}, "request_id": "k"}
    path = f"/api/batches/{batch_id}/retry"
    assert post(client, path, **body)["retried"] == post(client, path, **body)["retried"] == 1


def test_references_of_a_change_are_fixed_as_those_of_a_row(settings: Settings) -> None:
    client = create_app(settings).test_client()
    files = {"file": (io.BytesIO(noise_image("PNG", size=(40, 30))), "绿茶.png")}
    image = client.post("/api/sample-images", data=files).get_json()["images"][0]
    batch_id, ids = failed_batch(client, settings)
    changes = {
        str(ids[0]): {"sample_images": [{"url": "", "filename": "绿茶"}]},
        str(ids[1]): {"sample_images": [{"url": image["url"], "filename": "绿茶.png"}]},
    }
    post(client, f"/api/batches/{batch_id}/retry", changes=changes)
    post(
        client, "/api/batches", 202, rows=[ROWS[1] | {"sample_images": changes[str(ids[1])]["sample_images"]}]
    )
    with closing(database.connect(settings.database)) as db:
        prints = db.execute("SELECT fingerprint FROM generation_records ORDER BY id").fetchall()
        stored = database.get_record(db, ids[0]).sample_images
    assert prints[1]["fingerprint"] == prints[3]["fingerprint"]
    assert stored[0].sha256
    assert stored[0].key
    assert [each["filename"] for each in record(client, ids[0])["sample_images"]] == ["绿茶.png"]


def test_another_picture_is_made_beside_the_first_and_listed_with_its_row(
    client: FlaskClient, worker: Worker
) -> None:
    batch_id = post(client, "/api/batches", 202, rows=[*ROWS, {"prompt": "鱼", "num_images": 2}])["batch_id"]
    run(worker)
    body: dict[str, Any] = {
        "records": [1, 1, 2, 5],
        "changes": {"2": {"prompt": "白狗"}},
        "request_id": "k",
    }
    path = f"/api/batches/{batch_id}/again"
    added = post(client, path, 202, **body)
    assert added["records"] == post(client, path, 202, **body)["records"] == [6, 7, 8]
    assert (added["batch"]["total"], added["batch"]["counts"]["queued"]) == (8, 3)
    run(worker)
    files = [record(client, each)["filename"].rpartition(".")[0] for each in (1, *added["records"])]
    assert files == ["红茶", "红茶_2", "白狗_2", "鱼_3"]
    assert record(client, 2)["filename"].startswith("狗.")
    book = client.get(f"/api/batches/{batch_id}/results.xlsx", buffered=True).data
    first, *lines = load_workbook(io.BytesIO(book)).worksheets[0].iter_rows(values_only=True)
    columns = [first.index(name) for name in ("行号", "第几张", "提示词")]
    assert [tuple(line[column] for column in columns) for line in lines] == [
        *((1, 1, "猫"), (1, 2, "猫"), (2, 1, "狗"), (2, 2, "白狗"), (3, 1, "鸟")),
        *((4, 1, "鱼"), (4, 2, "鱼"), (4, 3, "鱼")),
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"records": []}, 400),
        ({"records": [1], "changes": {"2": {"prompt": "猫"}}}, 400),
        ({"records": [1], "changes": {"1": {"prompt": ""}}}, 400),
        ({"records": [99]}, 409),
    ],
)
def test_another_picture_that_cannot_be_ordered_is_refused(
    client: FlaskClient, worker: Worker, body: dict[str, Any], status: int
) -> None:
    batch_id, _ = failed_batch(client, worker.settings)
    assert post(client, f"/api/batches/{batch_id}/again", status, **body)["error"]
    assert client.get(f"/api/batches/{batch_id}").get_json()["batch"]["total"] == 3
