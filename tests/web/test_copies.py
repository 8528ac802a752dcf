"""The rows of a batch are ordered from another model, through the API, with the fake services at the wire."""

from functools import partial
from typing import Any

import pytest

from tests.web.harness import ROWS, WebHarness, add_reference, at_once, import_sheet
from tests.web.test_release import TYPED, words
from tools.fakes.jimeng import FakeJimeng

OTHER = "jimeng_seedream46_cvtob"


def copy(web: WebHarness, batch_id: str, status: int = 202, **fields: Any) -> dict[str, Any]:
    return web.post(f"/api/batches/{batch_id}/copy", {"model": OTHER, **fields}, status)


def check(web: WebHarness, batch_id: str, **fields: Any) -> dict[str, Any]:
    return copy(web, batch_id, 200, check=True, **fields)


def test_a_copy_makes_the_same_rows_with_the_other_model(web: WebHarness, service: FakeJimeng) -> None:
    batch_id = web.submit(name="雪景")
    web.run()
    answer = copy(web, batch_id)
    assert (len(answer["records"]), answer["skipped"]) == (6, [])
    web.run()
    assert service.charges == 12
    batch = web.batch(answer["batch_id"])
    assert (batch["name"], batch["copied_from"]) == ("雪景 · 即梦 4.6", batch_id)
    assert batch["models"] == [
        {"model": OTHER, "label": "即梦 4.6", "total": 6, "cost": pytest.approx(6 * 0.22)}
    ]
    records = web.records(answer["batch_id"])
    assert [record["prompt"] for record in records] == [row["prompt"] for row in ROWS]
    assert [record["filename"] for record in records] == [f"图{n}-2.png" for n in range(1, 7)]
    assert web.batch(batch_id)["models"][0]["model"] == "jimeng_t2i_v40"


def test_a_copy_keeps_words_numbers_columns_and_typed_forms(web: WebHarness) -> None:
    rows = {3, 5, 6, 7, 8, 9}
    batch_id = web.submit([row for row in TYPED if row["prompt"]])
    copied = copy(web, batch_id)["batch_id"]
    expected = [{**record, "model": OTHER} for record in words(web, batch_id, rows)]
    assert words(web, copied, rows) == expected


def test_a_copy_belongs_to_the_workbook_of_its_batch(web: WebHarness) -> None:
    imported = import_sheet(web.client, "提示词,SKU\n猫,A1\n".encode(), "货.csv")
    batch_id = web.submit([{"prompt": "猫"}], workbook=imported["workbook"])
    copied = web.batch(copy(web, batch_id)["batch_id"])
    assert copied["workbook"] == web.batch(batch_id)["workbook"]


def test_what_the_model_has_made_is_left_out(web: WebHarness) -> None:
    batch_id = web.submit()
    bought = web.submit(ROWS[:2], model=OTHER)
    expected = [{"row": record["row_number"], "records": [record["id"]]} for record in web.records(bought)]
    checked = check(web, batch_id)
    assert (checked["rows"], checked["pictures"], checked["price"]) == (4, 4, pytest.approx(0.88))
    assert (checked["skipped"], checked["problems"]) == (expected, [])
    answer = copy(web, batch_id)
    assert (len(answer["records"]), answer["skipped"]) == (4, expected)
    again = copy(web, batch_id, 200)
    assert (again["batch_id"], again["records"], len(again["skipped"])) == (None, [], 6)
    assert check(web, batch_id, repeats="again")["pictures"] == 6
    assert len(copy(web, batch_id, repeats="again")["records"]) == 6


def test_a_size_that_the_model_lacks_is_reported_by_row_and_can_be_changed_for_all(
    web: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = web.submit([{"prompt": "猫", "number": 7}, {"prompt": "狗", "number": 9, "resolution": "1K"}])
    spec = web.change_spec(monkeypatch, OTHER)
    web.change_spec(monkeypatch, OTHER, sizes={at: size for at, size in spec.sizes.items() if at[1] == "2K"})
    problem = {"row": 9, "field": "resolution", "error": "即梦 4.6 没有 1:1 的 1K，可选：2K"}
    assert check(web, batch_id)["problems"] == [problem]
    refused = copy(web, batch_id, 400)
    assert (refused["problems"], refused["field"]) == ([problem], "resolution")
    assert "第 9 行" in refused["error"]
    assert web.get("/api/batches")["total"] == 1
    assert check(web, batch_id, resolution="2K")["problems"] == []
    copied = copy(web, batch_id, resolution="2K")["batch_id"]
    assert [record["resolution"] for record in web.records(copied)] == ["2K", "2K"]


def test_what_the_model_ignores_is_not_recorded(web: WebHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    web.change_spec(monkeypatch, OTHER, takes_seed=True)
    batch_id = web.submit([{"prompt": "猫", "seed": 7, "model": OTHER}])
    copied = copy(web, batch_id, model="jimeng_t2i_v40")["batch_id"]
    assert web.records(copied)[0]["seed"] is None


def test_a_seed_that_the_model_chose_is_not_asked_of_the_other(
    web: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.change_spec(monkeypatch, OTHER, takes_seed=True)
    batch_id = web.submit(
        [{"prompt": "猫", "model": OTHER}, {"prompt": "狗", "model": OTHER, "seed": 5, "num_images": 2}],
    )
    chosen = web.records(batch_id)[0]["id"]
    web.execute("UPDATE generation_records SET seed = 99 WHERE id = ?", [chosen])
    copied = copy(web, batch_id, repeats="again")["batch_id"]
    assert [record["seed"] for record in web.records(copied)] == [None, 5, 6]


def test_held_rows_and_those_in_the_trash_are_not_copied(web: WebHarness) -> None:
    batch_id = web.submit(sample=2)
    web.run()
    tried = [record for record in web.records(batch_id) if record["status"] == "success"]
    assert check(web, batch_id)["pictures"] == 2
    web.post("/api/records/delete", {"ids": [tried[0]["id"]]})
    assert [record["row_number"] for record in web.records(copy(web, batch_id)["batch_id"])] == [
        tried[1]["row_number"]
    ]
    web.post("/api/records/delete", {"ids": [tried[1]["id"]]})
    assert "没有可以再做的行" in copy(web, batch_id, 409)["error"]
    assert "没有可以再做的行" in copy(web, batch_id, 409, check=True)["error"]


def test_enlarged_pictures_are_not_copied(web: WebHarness) -> None:
    batch_id = web.submit([{"prompt": "猫", "resolution": "1K"}])
    web.run()
    record_id = web.records(batch_id)[0]["id"]
    enlarged = web.post(f"/api/records/{record_id}/upscale", {}, 202)["batch_id"]
    assert "是放大" in copy(web, enlarged, 409)["error"]


def test_references_are_those_of_the_batch_although_the_library_has_changed(
    web: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    for model in web.runtime.engines.models:
        web.change_spec(monkeypatch, model, reference_form="any")
    image = add_reference(web.client, "杯子.png")
    reference = {"url": image["url"], "filename": image["filename"]}
    batch_id = web.submit([{"prompt": "猫", "sample_images": [reference]}])
    web.client.delete(f"/api/sample-images/{image['key']}")
    copied = copy(web, batch_id)["batch_id"]
    first, second = (web.records(one)[0]["sample_images"] for one in (batch_id, copied))
    assert second == first != []


def test_a_copy_of_a_copy_is_named_after_its_own_model(web: WebHarness) -> None:
    batch_id = web.submit(name="雪景")
    copied = copy(web, batch_id)["batch_id"]
    back = copy(web, copied, model="即梦 4.0", repeats="again")["batch_id"]
    assert web.batch(back)["name"] == "雪景 · 即梦 4.0"


@pytest.mark.parametrize(
    "fields",
    [
        *({"model": "gpt"}, {"model": ""}, {"model": None}, {"modell": "x"}),
        *({"resolution": "9K"}, {"repeats": "once"}, {"check": "yes"}),
    ],
    ids=str,
)
def test_a_wrong_field_is_refused_by_name(module_web: WebHarness, fields: dict[str, Any]) -> None:
    batch_id, before = module_web.submit(), module_web.get("/api/batches")["total"]
    assert copy(module_web, batch_id, 400, **fields)["field"] == next(iter(fields))
    assert module_web.get("/api/batches")["total"] == before


def test_a_repeated_key_orders_once(web: WebHarness) -> None:
    batch_id = web.submit()
    first = copy(web, batch_id, repeats="again", request_id="k1")
    assert copy(web, batch_id, repeats="again", request_id="k1") == first
    assert copy(web, batch_id, 422, request_id="k1")["success"] is False
    assert web.get("/api/batches")["total"] == 2


@pytest.mark.parametrize("keys", [["a", "a", "a"], ["a", "b", "c"]])
def test_copies_at_the_same_time_order_each_picture_once(web: WebHarness, keys: list[str]) -> None:
    batch_id = web.submit()
    path = f"/api/batches/{batch_id}/copy"

    def order(key: str) -> int:
        other = WebHarness(web.settings).client
        return other.post(path, json={"model": OTHER, "request_id": key}).status_code

    answers = at_once(*(partial(order, key) for key in keys))
    assert sorted(answers) == ([202] * 3 if keys[0] == keys[1] else [200, 200, 202])
    sql = "SELECT count(*) FROM generation_records WHERE model = ?"
    assert web.select(sql, [OTHER])[0][0] == 6


def test_a_batch_of_two_models_says_what_each_cost(web: WebHarness, service: FakeJimeng) -> None:
    batch_id = web.submit([*ROWS[:2], {"prompt": "狗", "model": "即梦 4.6"}])
    web.run()
    models = web.batch(batch_id)["models"]
    assert [(one["model"], one["total"]) for one in models] == [("jimeng_t2i_v40", 2), (OTHER, 1)]
    assert [one["cost"] for one in models] == [pytest.approx(0.44), pytest.approx(0.22)]
    assert web.batch(batch_id)["counts"]["success"] == 3
