"""Checking rows against what was made, and submitting only what is missing."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import database
from app.config import Settings
from tests.web.harness import PNG, WebHarness, add_reference, import_sheet
from tools.fakes.jimeng import FakeJimeng
from tools.noise_images import noise_image
from tools.server_process import running_server

CAT, DOG = {"prompt": "猫"}, {"prompt": "狗"}


def check(web: WebHarness, *rows: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = web.post("/api/rows/check", rows=rows)["rows"]
    return found


def submit(web: WebHarness, *rows: object, status: int = 202, **fields: Any) -> dict[str, Any]:
    return web.post("/api/batches", {"rows": rows, **fields}, status)


def test_a_check_lists_what_each_row_has(web: WebHarness) -> None:
    submit(web, CAT)
    web.run()
    waiting = submit(web, DOG, {"prompt": "鸟", "num_images": 2})["records"]
    web.execute("UPDATE generation_records SET status = 'unknown' WHERE id = ?", waiting[1:2])
    web.execute(
        "UPDATE generation_records SET status = 'failed', cost_micros = 220000 WHERE id = ?", waiting[2:]
    )
    cat, dog, bird, new = check(web, CAT, DOG, {"prompt": "鸟", "num_images": 3}, {"prompt": " 鱼 "})
    assert cat == {
        "row": 1,
        "model": "jimeng_t2i_v40",
        "made": [1],
        **{name: [] for name in ("under_way", "unknown", "charged", "trashed", "problems")},
        "missing": 0,
        "same_as": None,
        "prompt": "猫",
        "filename": "猫",
        "name_taken": False,
        "price": 0,
    }
    assert (dog["under_way"], dog["missing"]) == (waiting[:1], 0)
    assert (bird["unknown"], bird["charged"]) == (waiting[1:2], waiting[2:])
    assert (bird["missing"], bird["price"]) == (1, 0.22)
    assert (new["missing"], new["price"], new["prompt"]) == (1, 0.22, "鱼")


def test_the_total_counts_pictures_and_the_price_of_new_ones(web: WebHarness) -> None:
    submit(web, CAT)
    rows = [CAT, {"prompt": "狗", "num_images": 3}, DOG, {"prompt": ""}, {"prompt": "", "filename": "x"}]
    found = web.post("/api/rows/check", rows=rows)
    assert found["total"] == {"pictures": 5, "price": 0.66, "made": 2, "new": 3}
    assert [row["row"] for row in found["rows"]] == [1, 2, 3, 5]
    assert [row["same_as"] for row in found["rows"]] == [None, None, 2, None]
    assert found["rows"][2]["under_way"] == []


@pytest.mark.parametrize("model_id", ["5-5-261028", "5-0-pro-260628", "5-0-flash-260915"])
def test_what_a_seedream_does_not_take_is_a_problem_before_paying(settings: Settings, model_id: str) -> None:
    model_id = f"doubao-seedream-{model_id}"
    spec = replace(settings, image_model="seedream", ark_api_key="k", seedream_model=model_id)
    web = WebHarness(spec)
    images = [{"url": f"https://example.com/{n}.png", "filename": f"{n}.png"} for n in range(11)]
    large, many = {**CAT, "resolution": "4K"}, {**DOG, "sample_images": images}
    rows = [large, many, {**DOG, "sample_images": images[:10]}]
    problems = [[each["field"] for each in row["problems"]] for row in check(web, *rows)]
    assert problems == [["resolution"], ["sample_images"], []]
    assert "最多接受 10 张参考图" in submit(web, many, status=400)["error"]
    assert "没有 1:1 的 4K，可选：1K、2K" in submit(web, large, status=400)["error"]
    found = import_sheet(web.client, "提示词,分辨率\n猫,4K\n狗,2K\n".encode(), "a.csv")
    assert [(each["row"], each["column"], each["seen"]) for each in found["problems"]] == [
        (2, "分辨率", "4K")
    ]


def test_problems_of_rows_are_part_of_the_answer(module_web: WebHarness) -> None:
    rows = [
        {"prompt": "猫", "seed": "x", "number": 7},
        {"prompt": "猫", "number": 7},
        5,
        {**CAT, "sample_images": [{"url": "https://example.com/a.png", "filename": "a"}] * 11},
        {**CAT, "repeats": "never"},
        CAT,
    ]
    found = module_web.post("/api/rows/check", rows=rows)
    fields = [[problem["field"] for problem in row["problems"]] for row in found["rows"]]
    assert fields == [["seed"], ["number"], [""], ["sample_images"], ["repeats"], []]
    assert [row["row"] for row in found["rows"]] == [7, 7, 3, 4, 5, 6]
    assert [row["missing"] for row in found["rows"][:5]] == [0] * 5


def test_a_check_tells_the_delivered_name_and_whether_an_earlier_row_has_it(
    web: WebHarness, settings: Settings
) -> None:
    (settings.output_dir / "占用.png").write_bytes(b"x")
    submit(web, {"prompt": "旧", "filename": "封面", "num_images": 2})
    rows = [
        {"prompt": prompt, "filename": filename, "columns": {"SKU": "A/1"}, **more}
        for prompt, filename, more in (
            ("一", "占用", {}),
            ("二", "封面", {"num_images": 3}),
            ("三", "{SKU}", {}),
            ("四", "{sku}", {}),
            ("五", "甲/{SKU}", {}),
            ("六", "../con/a.png", {}),
            ("六", "又一张", {}),
            ("", "", {"negative_prompt": "x"}),
        )
    ]

    assert [(row["filename"], row["name_taken"]) for row in check(web, *rows)] == [
        ("占用", False),
        ("封面", False),
        ("A_1", False),
        ("A_1-2", True),
        ("甲/A_1", False),
        ("_con/a", False),
        ("又一张", False),
        ("", False),
    ]
    records = [web.record(each) for each in submit(web, *rows[:6])["records"]]
    assert [record["requested_filename"] for record in records[-3:]] == ["A_1", "甲/A_1", "../con/a.png"]


def test_a_check_fills_variables_as_a_submission_does(web: WebHarness) -> None:
    rows = [
        {"prompt": "画{颜色}的{序号}{行号}{日期}", "columns": {"颜色": "红"}, "number": 9},
        {"prompt": "{颜色}", "columns": {"颜色": ""}},
    ]
    one, two = web.post("/api/rows/check", rows=rows)["rows"]
    queued = submit(web, rows[0])

    assert one["prompt"] == web.record(queued["records"][0])["prompt"]
    assert one["prompt"].startswith("画红的19")
    assert two["problems"] == [{"field": "prompt", "error": "这一行的「颜色」是空的，请填好这一格"}]
    assert (two["missing"], two["price"]) == (0, 0)


def test_a_check_changes_nothing(demo: WebHarness, settings: Settings) -> None:
    submit(demo, CAT)
    (settings.samples_dir / "手放.png").write_bytes(PNG)
    row = {**CAT, "sample_images": [{"url": "/samples/files/手放.png", "filename": "手放.png"}]}
    with closing(database.connect(settings.database)) as db:
        before = database.last_version(db)
        assert check(demo, row)[0]["problems"] == []
        assert database.last_version(db) == before
    assert not (settings.samples_dir / ".pinned").exists()


def test_a_reference_counts_by_its_content(demo: WebHarness, settings: Settings) -> None:
    path = settings.samples_dir / "手放.png"
    path.write_bytes(PNG)
    row = {**CAT, "sample_images": [{"url": "/samples/files/手放.png", "filename": "手放.png"}]}
    ids = submit(demo, row)["records"]
    assert [row["under_way"] for row in check(demo, row, CAT)] == [ids, []]
    uploaded = add_reference(demo.client, "另一个名字.png")
    again = {**CAT, "sample_images": [{"url": uploaded["url"], "filename": "b"}]}
    path.write_bytes(noise_image("PNG", size=(31, 30)))
    assert [row["under_way"] for row in check(demo, row, again)] == [[], ids]


def test_a_picture_of_a_record_counts_by_its_content(demo: WebHarness, settings: Settings) -> None:
    (settings.output_dir / "猫.png").write_bytes(PNG)
    urls = [
        *("/output/猫.png", "/output/%E7%8C%AB.png", "http://localhost/output/%E7%8C%AB.png"),
        add_reference(demo.client, "同一张.png")["url"],
    ]
    rows = [{**CAT, "sample_images": [{"url": url, "filename": "猫"}]} for url in urls]
    first = submit(demo, *rows, repeats="skip")
    assert (len(first["records"]), len(first["skipped"])) == (1, 3)
    assert [row["missing"] for row in check(demo, *rows)] == [0] * 4


def test_fields_that_the_model_ignores_are_not_recorded_and_do_not_count(web: WebHarness) -> None:
    ids = submit(web, {**CAT, "seed": 1, "steps": 20})["records"]
    assert check(web, {**CAT, "seed": 2, "filename": "封面"})[0]["under_way"] == ids
    record = web.record(ids[0])
    assert (record["seed"], record["steps"]) == (None, None)


def test_a_row_is_bought_once(web: WebHarness, service: FakeJimeng) -> None:
    first = submit(web, CAT, DOG, repeats="skip")
    web.run()
    again = submit(web, CAT, {"prompt": "狗!"}, DOG, repeats="skip")
    web.run()
    assert (first["skipped"], len(again["records"])) == ([], 1)
    assert again["skipped"] == [
        {"row": 1, "records": first["records"][:1]},
        {"row": 3, "records": first["records"][1:]},
    ]
    assert service.charges == 3


def test_nothing_new_makes_no_batch(web: WebHarness) -> None:
    first = submit(web, CAT)
    answers = [submit(web, CAT, CAT, status=200, repeats="skip", request_id="k") for _ in range(2)]
    skipped = [{"row": row, "records": first["records"]} for row in (1, 2)]
    assert answers[0] == answers[1]
    assert [answers[0][name] for name in ("batch_id", "records", "skipped")] == [None, [], skipped]
    table = web.get(f"/api/tables/{answers[0]['table_id']}")
    assert [row["pictures"][0]["record_id"] for row in table["rows"]] == first["records"] * 2
    assert web.get("/api/batches")["total"] == 1


def test_by_default_a_row_is_made_again(web: WebHarness) -> None:
    submit(web, CAT)
    assert len(submit(web, CAT, CAT)["records"]) == 2
    assert len(submit(web, CAT, CAT, repeats="again")["records"]) == 2


def test_one_row_may_ask_for_another_picture_or_be_skipped(web: WebHarness) -> None:
    submit(web, CAT, DOG)
    once_more = submit(web, {**CAT, "repeats": "again"}, DOG, repeats="skip")
    assert (len(once_more["records"]), [row["row"] for row in once_more["skipped"]]) == (1, [2])
    skipped = submit(web, {**CAT, "repeats": "skip"}, DOG)
    assert (len(skipped["records"]), [row["row"] for row in skipped["skipped"]]) == (1, [1])


def test_a_waiting_call_ignores_repeats(web: WebHarness, service: FakeJimeng) -> None:
    web.runtime.start()
    for _ in range(2):
        made = web.post("/api/batch-generate", prompt="猫", repeats="skip")
        assert len(made["images"]) == 1
    assert web.runtime.stop(10)
    assert service.charges == 2


def test_a_picture_in_the_trash_is_offered_and_counts_once_it_is_restored(web: WebHarness) -> None:
    ids = submit(web, CAT)["records"]
    web.run()
    web.post("/api/records/delete", ids=ids)
    found = check(web, CAT)[0]
    assert (found["made"], found["trashed"], found["missing"]) == ([], ids, 1)
    web.post("/api/records/restore", ids=ids)
    assert submit(web, CAT, status=200, repeats="skip")["records"] == []


@pytest.mark.parametrize("path", ["/api/rows/check", "/api/batches"])
def test_only_a_model_that_is_there_can_be_named(web: WebHarness, path: str) -> None:
    refused = web.post(path, status=400, rows=[CAT], model="seedream")
    assert refused["field"] == "model"
    assert "即梦 4.0" in refused["error"]
    for model in ("jimeng", "jimeng_t2i_v40", None):
        assert web.client.post(path, json={"rows": [CAT], "model": model}).status_code < 300


@pytest.mark.parametrize("repeats", ["never", 1, 0, "", {}, ["skip"]])
def test_an_unknown_value_of_repeats_is_refused(module_web: WebHarness, repeats: object) -> None:
    assert submit(module_web, CAT, status=400, repeats=repeats)["field"] == "repeats"
    refused = submit(module_web, {**CAT, "repeats": repeats}, status=400)
    assert refused["problems"][0]["field"] == "repeats"


@pytest.mark.parametrize("of_table", [False, True], ids=["rows", "table"])
def test_two_servers_at_once_order_each_row_once(tmp_path: Path, service: FakeJimeng, of_table: bool) -> None:
    rows = [{"prompt": f"第 {number} 只猫", "resolution": "1K"} for number in range(12)]
    fields = {**service.settings(), "model_concurrency": 4}
    path, body = "/api/batches", {"rows": rows, "repeats": "skip"}
    other = tmp_path / "other"
    other.mkdir()
    shared = {"database_path": tmp_path / "generation_records.db", "output_dir": tmp_path / "output"}
    with running_server(tmp_path, **fields) as one, running_server(other, **fields, **shared) as two:
        if of_table:
            table = one.post("/api/tables", {"rows": rows})["table"]["id"]
            found = one.get(f"/api/tables/{table}")["rows"]
            path, body = f"/api/tables/{table}/run", {"rows": [row["id"] for row in found]}
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda server: server.post(path, body), [one, two] * 4))
        queued = [answer for answer in answers if answer["batch_id"]]
        assert len(queued) == 1
        records = queued[0]["records"]
        for answer in answers:
            if answer is not queued[0]:
                left_out = answer["shared" if of_table else "skipped"]
                assert [row["records"] for row in left_out] == [[each] for each in records]
        one.wait_for_end(queued[0]["batch_id"])
    assert service.charges == len(rows)
