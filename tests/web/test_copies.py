"""The rows of a batch are ordered from another model, through the API, with the fake services at the wire."""

import io
import threading
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

import database
from app.domain import ModelSpec
from app.worker.engines import Engine
from app.worker.worker import Worker
from tests.web.test_api import PNG, client, get, post, worker
from tests.web.test_release import TYPED, records_of, words
from tests.web.test_samples import ROWS, batch_of, run_all, submit
from tools.fakes.jimeng import FakeJimeng
from web_app import create_app

__all__ = ["client", "worker"]

OTHER = "jimeng_seedream46_cvtob"


def copy(client: FlaskClient, batch_id: str, status: int = 202, **fields: Any) -> dict[str, Any]:
    return post(client, f"/api/batches/{batch_id}/copy", {"model": OTHER, **fields}, status)


def check(client: FlaskClient, batch_id: str, **fields: Any) -> dict[str, Any]:
    return copy(client, batch_id, 200, check=True, **fields)


def engine_of(worker: Worker, model: str) -> Engine:
    engine = worker.engines.find(model)
    assert engine
    return engine


def change_other(worker: Worker, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> ModelSpec:
    """Change what the other model offers."""
    provider = engine_of(worker, OTHER).provider
    spec = replace(provider.spec, **changes)
    monkeypatch.setattr(provider, "spec", spec)
    return spec


def test_a_copy_makes_the_same_rows_with_the_other_model(
    client: FlaskClient, worker: Worker, service: FakeJimeng
) -> None:
    batch_id = submit(client, name="雪景")
    run_all(worker)
    answer = copy(client, batch_id)
    assert (len(answer["records"]), answer["skipped"]) == (6, [])
    run_all(worker)
    assert service.charges == 12
    batch = batch_of(client, answer["batch_id"])
    assert (batch["name"], batch["copied_from"]) == ("雪景 · 即梦 4.6", batch_id)
    assert batch["models"] == [
        {"model": OTHER, "label": "即梦 4.6", "total": 6, "cost": pytest.approx(6 * 0.22)}
    ]
    records = records_of(client, answer["batch_id"])
    assert [record["prompt"] for record in records] == [row["prompt"] for row in ROWS]
    assert [record["filename"] for record in records] == [f"图{n}-2.png" for n in range(1, 7)]
    assert batch_of(client, batch_id)["models"][0]["model"] == "jimeng_t2i_v40"


def test_a_copy_keeps_words_numbers_columns_and_typed_forms(client: FlaskClient) -> None:
    rows = {3, 5, 6, 7, 8, 9}
    batch_id = submit(client, [row for row in TYPED if row["prompt"]], prefix="{SKU}：", suffix="，夜景")
    copied = copy(client, batch_id)["batch_id"]
    expected = [{**record, "model": OTHER} for record in words(client, batch_id, rows)]
    assert words(client, copied, rows) == expected
    first, second = batch_of(client, batch_id), batch_of(client, copied)
    assert [second[name] for name in ("prefix", "suffix")] == [first[name] for name in ("prefix", "suffix")]


def test_a_copy_belongs_to_the_workbook_of_its_batch(client: FlaskClient) -> None:
    upload = {"file": (io.BytesIO("提示词,SKU\n猫,A1\n".encode()), "货.csv")}
    imported = client.post("/api/spreadsheet/import", data=upload).get_json()
    batch_id = submit(client, [{"prompt": "猫"}], workbook=imported["workbook"])
    copied = batch_of(client, copy(client, batch_id)["batch_id"])
    assert copied["workbook"] == batch_of(client, batch_id)["workbook"]


def test_what_the_model_has_made_is_left_out(client: FlaskClient) -> None:
    batch_id = submit(client)
    bought = submit(client, ROWS[:2], model=OTHER)
    expected = [
        {"row": record["row_number"], "records": [record["id"]]} for record in records_of(client, bought)
    ]
    checked = check(client, batch_id)
    assert (checked["rows"], checked["pictures"], checked["price"]) == (4, 4, pytest.approx(0.88))
    assert (checked["skipped"], checked["problems"]) == (expected, [])
    answer = copy(client, batch_id)
    assert (len(answer["records"]), answer["skipped"]) == (4, expected)
    again = copy(client, batch_id, 200)
    assert (again["batch_id"], again["records"], len(again["skipped"])) == (None, [], 6)
    assert check(client, batch_id, repeats="again")["pictures"] == 6
    assert len(copy(client, batch_id, repeats="again")["records"]) == 6


def test_a_check_changes_nothing(client: FlaskClient) -> None:
    batch_id = submit(client)
    assert check(client, batch_id)["pictures"] == 6
    assert get(client, "/api/batches")["total"] == 1


def test_a_size_that_the_model_lacks_is_reported_by_row_and_can_be_changed_for_all(
    client: FlaskClient, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = submit(
        client, [{"prompt": "猫", "number": 7}, {"prompt": "狗", "number": 9, "resolution": "1K"}]
    )
    sizes = engine_of(worker, OTHER).provider.spec.sizes
    change_other(worker, monkeypatch, sizes={size: value for size, value in sizes.items() if size[1] == "2K"})
    problem = {"row": 9, "field": "resolution", "error": "即梦 4.6 没有 1:1 的 1K，可选：2K"}
    assert check(client, batch_id)["problems"] == [problem]
    refused = copy(client, batch_id, 400)
    assert (refused["problems"], refused["field"]) == ([problem], "resolution")
    assert "第 9 行" in refused["error"]
    assert get(client, "/api/batches")["total"] == 1
    assert check(client, batch_id, resolution="2K")["problems"] == []
    copied = copy(client, batch_id, resolution="2K")["batch_id"]
    assert [record["resolution"] for record in records_of(client, copied)] == ["2K", "2K"]


def test_what_the_model_ignores_is_not_recorded(
    client: FlaskClient, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_other(worker, monkeypatch, takes_seed=True)
    batch_id = submit(client, [{"prompt": "猫", "seed": 7, "model": OTHER}])
    copied = copy(client, batch_id, model="jimeng_t2i_v40")["batch_id"]
    assert records_of(client, copied)[0]["seed"] is None


def test_a_seed_that_the_model_chose_is_not_asked_of_the_other(
    client: FlaskClient, worker: Worker, db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_other(worker, monkeypatch, takes_seed=True)
    batch_id = submit(
        client,
        [{"prompt": "猫", "model": OTHER}, {"prompt": "狗", "model": OTHER, "seed": 5, "num_images": 2}],
    )
    chosen = records_of(client, batch_id)[0]["id"]
    with database.transaction(db):
        db.execute("UPDATE generation_records SET seed = 99 WHERE id = :id", {"id": chosen})
    copied = copy(client, batch_id, repeats="again")["batch_id"]
    assert [record["seed"] for record in records_of(client, copied)] == [None, 5, 6]


def test_held_rows_and_those_in_the_trash_are_not_copied(client: FlaskClient, worker: Worker) -> None:
    batch_id = submit(client, sample=2)
    run_all(worker)
    tried = [record for record in records_of(client, batch_id) if record["status"] == "success"]
    assert check(client, batch_id)["pictures"] == 2
    post(client, "/api/records/delete", {"ids": [tried[0]["id"]]})
    assert [record["row_number"] for record in records_of(client, copy(client, batch_id)["batch_id"])] == [
        tried[1]["row_number"]
    ]
    post(client, "/api/records/delete", {"ids": [tried[1]["id"]]})
    assert "没有可以再做的行" in copy(client, batch_id, 409)["error"]
    assert "没有可以再做的行" in copy(client, batch_id, 409, check=True)["error"]


def test_enlarged_pictures_are_not_copied(client: FlaskClient, worker: Worker) -> None:
    batch_id = submit(client, [{"prompt": "猫", "resolution": "1K"}])
    run_all(worker)
    record_id = records_of(client, batch_id)[0]["id"]
    enlarged = post(client, f"/api/records/{record_id}/upscale", {}, 202)["batch_id"]
    assert "是放大的" in copy(client, enlarged, 409)["error"]


def test_references_are_those_of_the_batch_although_the_library_has_changed(
    client: FlaskClient, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for model in worker.engines.models:
        provider = engine_of(worker, model).provider
        monkeypatch.setattr(provider, "spec", replace(provider.spec, reference_form="any"))
    upload = {"file": (io.BytesIO(PNG), "杯子.png")}
    image = client.post("/api/sample-images", data=upload).get_json()["images"][0]
    reference = {"url": image["url"], "filename": image["filename"]}
    batch_id = submit(client, [{"prompt": "猫", "sample_images": [reference]}])
    client.delete(f"/api/sample-images/{image['key']}")
    copied = copy(client, batch_id)["batch_id"]
    first, second = (records_of(client, one)[0]["sample_images"] for one in (batch_id, copied))
    assert second == first != []


def test_a_copy_of_a_copy_is_named_after_its_own_model(client: FlaskClient) -> None:
    batch_id = submit(client, name="雪景")
    copied = copy(client, batch_id)["batch_id"]
    back = copy(client, copied, model="即梦 4.0", repeats="again")["batch_id"]
    assert batch_of(client, back)["name"] == "雪景 · 即梦 4.0"


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"model": "gpt"}, 400, "model"),
        ({"model": ""}, 400, "model"),
        ({"model": None}, 400, "model"),
        ({"resolution": "9K"}, 400, "resolution"),
        ({"repeats": "once"}, 400, "repeats"),
        ({"check": "yes"}, 400, "check"),
        ({"modell": "x"}, 400, "modell"),
    ],
)
def test_a_wrong_field_is_refused_by_name(
    client: FlaskClient, fields: dict[str, Any], status: int, field: str
) -> None:
    batch_id = submit(client)
    assert copy(client, batch_id, status, **fields)["field"] == field
    assert get(client, "/api/batches")["total"] == 1


def test_a_batch_that_is_not_there_is_not_found(client: FlaskClient) -> None:
    copy(client, "20260101-000000-none", 404)


def test_a_repeated_key_orders_once(client: FlaskClient) -> None:
    batch_id = submit(client)
    first = copy(client, batch_id, repeats="again", request_id="k1")
    assert copy(client, batch_id, repeats="again", request_id="k1") == first
    assert copy(client, batch_id, 422, request_id="k1")["success"] is False
    assert get(client, "/api/batches")["total"] == 2


@pytest.mark.parametrize("keys", [["a", "a", "a"], ["a", "b", "c"]])
def test_copies_at_the_same_time_order_each_picture_once(
    client: FlaskClient, worker: Worker, keys: list[str]
) -> None:
    batch_id = submit(client)
    answers = list[int]()
    apps = [create_app(worker.settings, Worker(worker.settings)) for _ in keys]
    start = threading.Barrier(len(keys))

    def call(number: int) -> None:
        with apps[number].test_client() as other:
            start.wait()
            body = {"model": OTHER, "request_id": keys[number]}
            answers.append(other.post(f"/api/batches/{batch_id}/copy", json=body).status_code)

    threads = [threading.Thread(target=call, args=[number]) for number in range(len(keys))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ([202] * 3 if keys[0] == keys[1] else [200, 200, 202])
    with closing(database.connect(worker.settings.database)) as db:
        sql = "SELECT count(*) AS number FROM generation_records WHERE model = :model"
        assert db.execute(sql, {"model": OTHER}).fetchone()["number"] == 6


def test_a_batch_of_two_models_says_what_each_cost(
    client: FlaskClient, worker: Worker, service: FakeJimeng
) -> None:
    batch_id = submit(client, [*ROWS[:2], {"prompt": "狗", "model": "即梦 4.6"}])
    run_all(worker)
    models = batch_of(client, batch_id)["models"]
    assert [(one["model"], one["total"]) for one in models] == [("jimeng_t2i_v40", 2), (OTHER, 1)]
    assert [one["cost"] for one in models] == [pytest.approx(0.44), pytest.approx(0.22)]
    assert batch_of(client, batch_id)["counts"]["success"] == 3
