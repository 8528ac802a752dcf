"""The held rows of a batch are released, in other sizes, through the API."""

import threading
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

import app.orders.batches
import database
from tests.web.harness import ROWS, WebHarness, at_once
from tools.fakes.jimeng import FakeJimeng

# Own columns, built-in variables, doubled braces, an empty line above, a row that was filled before.
TYPED: list[dict[str, Any]] = [
    {"prompt": "{SKU} 的海报 {行号}", "columns": {"SKU": "A1", "颜色": "红"}, "number": 3},
    {"prompt": "", "number": 4},
    {"prompt": "没有变量", "columns": {"SKU": "A2", "颜色": "蓝"}, "number": 5, "num_images": 2, "seed": 7,
     "steps": 30},
    {"prompt": "第 {序号} 张 {{原样}}", "columns": {"SKU": "A3", "颜色": "绿"}, "number": 6, "position": 40},
    {"prompt": "做好了 {SKU}", "templates": {"prompt": "{SKU}"}, "number": 7},
    {"prompt": "{日期} {SKU}", "negative_prompt": "{颜色}", "filename": "{SKU}", "number": 8,
     "columns": {"SKU": "A4", "颜色": "黄"}},
    {"prompt": "最后 {颜色}", "columns": {"SKU": "A5", "颜色": "紫"}, "number": 9},
]  # fmt: skip


def words(web: WebHarness, batch_id: str, rows: set[int]) -> list[dict[str, Any]]:
    names = (
        *("row_number", "picture_number", "prompt", "negative_prompt", "requested_filename", "templates"),
        *("columns", "seed", "steps", "aspect_ratio", "resolution", "num_images", "model"),
    )
    records = web.records(batch_id)
    return [{name: record[name] for name in names} for record in records if record["row_number"] in rows]


def release(web: WebHarness, batch_id: str, status: int = 200, **body: Any) -> dict[str, Any]:
    return web.post(f"/api/batches/{batch_id}/release", body or None, status)


def statuses(web: WebHarness, batch_id: str) -> list[str]:
    return [record["status"] for record in web.records(batch_id)]


def test_a_release_makes_the_rest(web: WebHarness, service: FakeJimeng) -> None:
    batch_id = web.submit(sample=2)
    web.run()
    answer = release(web, batch_id)
    assert (answer["released"], answer["skipped"]) == (4, [])
    assert (answer["batch"]["status"], answer["batch"]["paused_cause"]) == ("running", "")
    web.run()
    assert service.charges == 6
    assert web.batch(batch_id)["status"] == "finished"
    assert "没有等放行" in release(web, batch_id, 409)["error"]


def test_a_release_in_another_size_has_the_words_of_a_new_submission(
    web: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row for row in TYPED if row["prompt"]]
    sizes: dict[str, Any] = {"aspect_ratio": "16:9", "resolution": "4K"}
    monkeypatch.setattr(app.orders.batches, "today", lambda: "2026-01-31")
    web.change_spec(monkeypatch, takes_seed=True, takes_steps=True)
    batch_id = web.submit(rows, sample=2)
    held = {record["row_number"] for record in web.records(batch_id) if record["status"] == "held"}
    assert len(held) == 4
    other = web.submit([{**row, **sizes} for row in rows])
    monkeypatch.setattr(app.orders.batches, "today", lambda: "2026-02-01")
    web.post(f"/api/batches/{other}/cancel")
    assert release(web, batch_id, **sizes)["skipped"] == []
    released = words(web, batch_id, held)
    assert released == words(web, other, held)
    assert {(record["seed"], record["steps"]) for record in released} == {(7, 30), (8, 30), (None, None)}
    sql = "SELECT row_number, picture_number, fingerprint FROM generation_records WHERE batch_id = ?"
    prints, expected = (
        {tuple(row) for row in web.select(sql, [each]) if row["row_number"] in held}
        for each in (batch_id, other)
    )
    assert prints == expected


def test_a_row_that_is_held_again_after_a_release_is_released_as_it_was(web: WebHarness) -> None:
    batch_id = web.submit(sample=2)
    held = [record["id"] for record in web.records(batch_id) if record["status"] == "held"]
    undo = web.post(f"/api/records/{held[0]}/cancel")["undo"]
    assert release(web, batch_id, aspect_ratio="16:9")["released"] == 3
    web.post(f"/api/batches/{batch_id}/uncancel", {"records": undo})
    assert release(web, batch_id)["released"] == 1
    ratios = [record["aspect_ratio"] for record in web.records(batch_id)[1:5]]
    assert ratios == ["1:1", "16:9", "16:9", "16:9"]


def test_a_check_changes_nothing_and_tells_what_a_release_does(web: WebHarness) -> None:
    batch_id = web.submit(sample=2)
    before = web.records(batch_id)
    web.post("/api/batches", {"rows": [{**ROWS[2], "aspect_ratio": "16:9"}]}, 202)
    answer = release(web, batch_id, check=True, aspect_ratio="16:9", request_id="k")
    assert {name: answer[name] for name in ("rows", "pictures", "price")} == {
        "rows": 3,
        "pictures": 3,
        "price": pytest.approx(0.66),
    }
    assert [row["row"] for row in answer["skipped"]] == [3]
    assert web.records(batch_id) == before
    released = release(web, batch_id, aspect_ratio="16:9", request_id="k2")
    assert (released["released"], released["skipped"]) == (3, answer["skipped"])
    assert release(web, batch_id, 409, check=True)["error"]


def test_bought_rows_are_cancelled_with_the_record_that_has_them(
    web: WebHarness, service: FakeJimeng
) -> None:
    batch_id = web.submit(sample=2)
    bought = web.post("/api/batches", {"rows": [{**ROWS[2], "aspect_ratio": "16:9"}]}, 202)["records"]
    web.run()
    answer = release(web, batch_id, aspect_ratio="16:9")
    assert answer["skipped"] == [{"row": 3, "records": bought}]
    third = web.records(batch_id)[2]
    assert (third["status"], third["cause"], third["aspect_ratio"]) == ("cancelled", "bought", "16:9")
    assert str(bought[0]) in third["error"]
    assert answer["batch"]["estimated_cost"] == pytest.approx(5 * 0.22)
    assert web.post(f"/api/batches/{batch_id}/uncancel")["records"] == 0
    web.run()
    assert service.charges == 2 + 1 + 3
    assert web.batch(batch_id)["status"] == "finished"


def test_unchanged_rows_are_left_out_only_if_they_were_bought_since(web: WebHarness) -> None:
    twice = [{"prompt": prompt} for prompt in "猫狗鸟狗猫"]
    web.post("/api/batches", {"rows": twice[:2]}, 202)
    batch_id = web.submit(twice, sample=2)
    since = web.post("/api/batches", {"rows": [{"prompt": "鸟"}]}, 202)["records"]
    web.run()
    answer = release(web, batch_id)
    assert (answer["released"], answer["skipped"]) == (2, [{"row": 3, "records": since}])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"aspect_ratio": "7:5"}, "aspect_ratio"),
        ({"resolution": "9K"}, "resolution"),
        ({"model": "gpt-image-1"}, "model"),
    ],
)
def test_a_wrong_body_releases_nothing(module_web: WebHarness, body: dict[str, Any], field: str) -> None:
    batch_id = module_web.submit(sample=2)
    answer = release(module_web, batch_id, 400, **body)
    assert answer["error"]
    assert answer["field"] == field
    assert statuses(module_web, batch_id).count("held") == 4


def test_a_repeated_key_releases_once(web: WebHarness, service: FakeJimeng) -> None:
    batch_id = web.submit(sample=2)
    web.run()
    first = release(web, batch_id, aspect_ratio="16:9", request_id="once")
    again = release(web, batch_id, aspect_ratio="16:9", request_id="once")
    assert (again["released"], again["skipped"]) == (first["released"], first["skipped"])
    assert release(web, batch_id, 422, aspect_ratio="4:3", request_id="once")["error"]
    web.run()
    assert service.charges == 6


@pytest.mark.parametrize("keys", [("k", "k", "k", "k"), (None,) * 4])
def test_servers_that_release_at_once_release_once(web: WebHarness, keys: tuple[str | None, ...]) -> None:
    servers = [WebHarness(web.settings) for _ in keys]
    batch_id = web.submit(sample=2)

    def call(server: WebHarness, key: str | None) -> int:
        body = {"aspect_ratio": "16:9", "request_id": key}
        return server.client.post(f"/api/batches/{batch_id}/release", json=body).status_code

    answers = at_once(*(partial(call, *each) for each in zip(servers, keys, strict=True)))
    assert sorted(answers) == ([200] * 4 if keys[0] else [200, 409, 409, 409])
    assert {record["aspect_ratio"] for record in web.records(batch_id)[1:5]} == {"16:9"}
    log = web.get(f"/api/batches/{batch_id}")["log"]
    assert [line["text"] for line in log].count("放行 4 张") == 1


def test_a_repeated_key_answers_as_before_although_its_first_call_ends_only_now(
    web: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = web.submit(sample=2)
    first = list[dict[str, Any]]()
    read_held = database.read_held

    def end_the_first_call(db: database.Connection, name: str) -> database.HeldRows:
        monkeypatch.setattr(database, "read_held", read_held)
        other = WebHarness(web.settings)
        thread = threading.Thread(target=lambda: first.append(release(other, batch_id, request_id="once")))
        thread.start()
        thread.join()
        return read_held(db, name)

    monkeypatch.setattr(database, "read_held", end_the_first_call)
    assert release(web, batch_id, request_id="once")["released"] == first[0]["released"] == 4


def test_a_release_while_the_sample_runs_or_is_paused_resumes_the_batch(
    web: WebHarness, service: FakeJimeng
) -> None:
    batch_id = web.submit(sample=2)
    web.post(f"/api/batches/{batch_id}/pause")
    assert release(web, batch_id)["batch"]["status"] == "queued"
    web.run()
    assert service.charges == 6


def test_a_release_checks_the_budget_as_a_resume_does_at_the_price_of_its_size(
    web: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = WebHarness(replace(web.settings, budget=Decimal("0.5")))
    prices = web.runtime.engines.default.spec.prices
    web.change_spec(monkeypatch, prices={**prices, "1K": Decimal("0.05")})
    batch_id = web.submit(sample=2)
    web.run()
    assert "预算" in release(web, batch_id, 409)["error"]
    assert statuses(web, batch_id).count("held") == 4
    assert release(web, batch_id, resolution="1K")["released"] == 4


def test_a_resolution_that_the_model_lacks_is_a_problem_of_each_row_and_nothing_is_released(
    web: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = web.submit(sample=2)
    sizes = web.runtime.engines.default.spec.sizes
    web.change_spec(monkeypatch, sizes={at: size for at, size in sizes.items() if at[1] != "4K"})
    for check in (True, False):
        answer = release(web, batch_id, 400, resolution="4K", check=check)
        assert [(one["row"], one["field"]) for one in answer["problems"]] == [
            (row, "resolution") for row in range(2, 6)
        ]
        assert "第 2 行" in answer["error"]
    assert statuses(web, batch_id).count("held") == 4


def test_held_rows_of_a_model_that_is_gone_go_to_the_default(web: WebHarness) -> None:
    batch_id = web.submit([{**row, "seed": 5} for row in ROWS], sample=1)
    web.run()
    other = WebHarness(replace(web.settings, image_model="demo", volcengine_ak=""))
    assert release(other, batch_id)["released"] == 5
    models = [record["model"] for record in other.records(batch_id)]
    assert models == [each.runtime.engines.default.model_id for each in (web, *[other] * 5)]
    assert other.batch(batch_id)["estimated_cost"] == pytest.approx(0.22)


def test_a_release_that_names_another_model_releases_nothing(web: WebHarness) -> None:
    batch_id = web.submit(sample=2)
    own, other = list(web.runtime.engines.models)[:2]
    for more in ({}, {"check": True}):
        answer = release(web, batch_id, 400, model=other, **more)
        assert (answer["field"], own in answer["error"]) == ("model", True)
    assert statuses(web, batch_id).count("held") == 4
    assert release(web, batch_id, model=own)["released"] == 4
