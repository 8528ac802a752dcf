"""Repairing a batch through the API: changed words are validated, queued and shown in the results."""

import io
from contextlib import closing
from typing import Any

import pytest
from openpyxl import load_workbook

import database
from tests.web.harness import WebHarness, add_reference
from tools.fakes.jimeng import FakeJimeng

ROWS = [{"prompt": "猫", "filename": "红茶"}, {"prompt": "狗"}, {"prompt": "鸟"}]


def failed_batch(web: WebHarness) -> tuple[str, list[int]]:
    """A batch of three rows, all of which failed without a charge."""
    added = web.post("/api/batches", status=202, rows=ROWS)
    web.execute("UPDATE generation_records SET status = 'failed'")
    web.execute("UPDATE batches SET state = 'finished'")
    return added["batch_id"], added["records"]


@pytest.fixture(scope="module")
def failed(module_web: WebHarness) -> str:
    """A failed batch with the records 1 to 3, for calls that are refused."""
    return failed_batch(module_web)[0]


def test_exactly_the_changed_records_are_made_with_their_new_words(
    web: WebHarness, service: FakeJimeng
) -> None:
    batch_id, ids = failed_batch(web)
    changes = {str(ids[0]): {"prompt": " 白{猫} ", "aspect_ratio": "16：9"}, str(ids[1]): {"prompt": None}}
    done = web.post(f"/api/batches/{batch_id}/retry", changes=changes)
    assert (done["retried"], done["skipped"], done["batch"]["counts"]["queued"]) == (2, [], 2)
    web.run()
    made = web.record(ids[0])
    assert (made["prompt"], made["aspect_ratio"], made["status"]) == ("白{猫}", "16:9", "success")
    assert made["filename"].startswith("红茶.")
    assert [web.record(each)["status"] for each in ids[1:]] == ["success", "failed"]
    assert "白{猫}" in [call.body["prompt"] for call in service.submissions]
    book = web.client.get(f"/api/batches/{batch_id}/results.xlsx", buffered=True).data
    first, *lines = load_workbook(io.BytesIO(book)).worksheets[0].iter_rows(values_only=True)
    assert [line[first.index("提示词")] for line in lines] == ["白{猫}", "狗", "鸟"]


def test_a_row_that_becomes_equal_to_another_of_its_batch_shows_that_picture(web: WebHarness) -> None:
    batch_id, ids = failed_batch(web)
    body = {"records": ids[:2], "changes": {str(ids[1]): {"prompt": "猫"}}, "repeats": "skip"}
    done = web.post(f"/api/batches/{batch_id}/retry", body)
    assert (done["retried"], done["skipped"]) == (1, [{"row": 2, "records": ids[:1]}])
    (shared,) = done["shared"]
    assert shared["records"] == ids[:1]
    web.run()
    assert web.record(ids[1])["error"] == f"已经有同样的图片（记录 {ids[0]}），没有再做"
    (table,) = web.get("/api/tables")["tables"]
    row = web.get(f"/api/tables/{table['id']}")["rows"][1]
    assert (row["id"], row["prompt"], row["state"]) == (shared["row"], "猫", "made")
    assert [picture["record_id"] for picture in row["pictures"] if picture.get("shared")] == ids[:1]
    again = web.post(f"/api/batches/{batch_id}/retry", records=ids[1:2])
    assert again["retried"] == 1


def test_a_change_that_is_not_valid_queues_nothing_and_names_every_problem(web: WebHarness) -> None:
    batch_id, ids = failed_batch(web)
    changes = {
        str(ids[0]): {"prompt": "白猫"},
        str(ids[1]): {"prompt": " ", "aspect_ratio": "9:1"},
        str(ids[2]): {"sample_images": [{"url": "", "filename": "没有的图"}]},
    }
    answer = web.post(f"/api/batches/{batch_id}/retry", status=400, changes=changes)
    problems = [(each["record"], each["row"], each["field"]) for each in answer["problems"]]
    assert problems == [(ids[1], 2, "prompt"), (ids[1], 2, "aspect_ratio"), (ids[2], 3, "sample_images")]
    assert answer["error"].startswith("第 2 行：请填写提示词（共 3 处问题")
    assert [web.record(each)["status"] for each in ids] == ["failed"] * 3
    assert web.record(ids[0])["prompt"] == "猫"


@pytest.mark.parametrize(
    "body",
    [
        {"changes": []},
        {"changes": {"x": {"prompt": "猫"}}},
        {"changes": {"0": {"prompt": "猫"}}},
        {"changes": {"1": []}},
        {"changes": {"1": {"seed": 5}}},
        {"changes": {"1": {"prompt": "猫"}}, "records": [2]},
    ],
)
def test_a_malformed_repair_is_refused_in_one_sentence(
    module_web: WebHarness, failed: str, body: dict[str, Any]
) -> None:
    assert module_web.post(f"/api/batches/{failed}/retry", body, 400)["error"]


def test_changes_of_no_record_retry_none(web: WebHarness) -> None:
    batch_id, _ = failed_batch(web)
    assert web.post(f"/api/batches/{batch_id}/retry", changes={})["retried"] == 0


@pytest.mark.parametrize("prompt", ["白猫", " "])
def test_a_record_of_another_batch_is_neither_changed_nor_checked(web: WebHarness, prompt: str) -> None:
    _, ids = failed_batch(web)
    other = web.submit(ROWS)
    web.post(f"/api/batches/{other}/retry", status=409, changes={str(ids[0]): {"prompt": prompt}})
    assert web.record(ids[0])["prompt"] == "猫"


def test_a_repeated_key_answers_as_before_although_the_records_are_queued(web: WebHarness) -> None:
    batch_id, ids = failed_batch(web)
    body: dict[str, Any] = {"changes": {str(ids[0]): {"prompt": "白猫"}}, "request_id": "k"}
    path = f"/api/batches/{batch_id}/retry"
    assert web.post(path, **body)["retried"] == web.post(path, **body)["retried"] == 1


def test_references_of_a_change_are_fixed_as_those_of_a_row(demo: WebHarness) -> None:
    image = add_reference(demo.client, "绿茶.png")
    batch_id, ids = failed_batch(demo)
    changes = {
        str(ids[0]): {"sample_images": [{"url": "", "filename": "绿茶"}]},
        str(ids[1]): {"sample_images": [{"url": image["url"], "filename": "绿茶.png"}]},
    }
    demo.post(f"/api/batches/{batch_id}/retry", changes=changes)
    demo.submit([ROWS[1] | changes[str(ids[1])]])
    prints = demo.select("SELECT fingerprint FROM generation_records ORDER BY id")
    assert prints[1]["fingerprint"] == prints[3]["fingerprint"]
    with closing(database.connect(demo.settings.database)) as db:
        (stored,) = database.get_record(db, ids[0]).sample_images
    assert stored.sha256
    assert stored.key
    assert [each["filename"] for each in demo.record(ids[0])["sample_images"]] == ["绿茶.png"]
