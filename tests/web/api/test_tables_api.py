"""Tables on the server: rows changed by operations, checked, shared and undone."""

import json
from typing import Any

import pytest

from app.tables import edit, operations
from tests.web.harness import WebHarness, add_reference, answered

CAT, DOG, BIRD = {"prompt": "猫"}, {"prompt": "狗"}, {"prompt": "鸟"}


def new(web: WebHarness, *rows: object, **fields: Any) -> str:
    """A new table of these rows -> its id."""
    table: str = web.post("/api/tables", {"rows": rows, **fields}, 201)["table"]["id"]
    return table


def opened(web: WebHarness, table: str, since: int = 0) -> dict[str, Any]:
    return web.get(f"/api/tables/{table}?since={since}" if since else f"/api/tables/{table}")


def rows_of(web: WebHarness, table: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = opened(web, table)["rows"]
    return rows


def change(
    web: WebHarness, table: str, *operations: object, status: int = 200, **more: Any
) -> dict[str, Any]:
    body = {"operations": operations, **more}
    return answered(web.client.patch(f"/api/tables/{table}", json=body), status)


def setting(row: dict[str, Any], **values: object) -> dict[str, Any]:
    return {"op": "set", "row": row["id"], "values": values}


def undo(web: WebHarness, table: str, version: int, status: int = 200) -> dict[str, Any]:
    return web.post(f"/api/tables/{table}/undo", {"version": version}, status)


def prompts(web: WebHarness, table: str) -> list[str]:
    return [row.get("prompt", "") for row in rows_of(web, table)]


def test_a_table_has_its_rows_as_checked(web: WebHarness) -> None:
    table = new(web, {**CAT, "columns": {"SKU": "A1"}}, {"prompt": "{SKU} 的狗"}, {}, CAT, name=" 双十二 ")
    found = opened(web, table)
    assert (found["table"]["name"], found["table"]["columns"]) == ("双十二", ["SKU"])
    assert found["table"]["totals"] == {"rows": 3, "pictures": 2, "to_make": 1, "price": 0.22}
    cat, dog, empty, same = found["rows"]
    assert cat == {
        "id": cat["id"],
        "number": 1,
        "place": 1,
        "state": "to_make",
        "prompt": "猫",
        "columns": {"SKU": "A1"},
        "missing": 1,
        "price": 0.22,
    }
    assert (dog["state"], dog["problems"][0]["field"]) == ("problem", "prompt")
    assert (empty["state"], same["same_as"], "price" in same) == ("empty", 1, False)


def test_cells_are_set_rows_added_moved_and_removed_in_one_call(web: WebHarness) -> None:
    table = new(web, CAT, DOG, BIRD)
    cat, dog, bird = rows_of(web, table)
    answer = change(
        web,
        table,
        setting(cat, prompt="虎", num_images=2),
        {"op": "add", "after": cat["id"], "rows": [{"prompt": "鱼"}, {"prompt": "虾"}]},
        {"op": "move", "rows": [bird["id"]], "after": 0},
        {"op": "remove", "rows": [dog["id"]]},
    )
    assert prompts(web, table) == ["鸟", "虎", "鱼", "虾"]
    assert [row["number"] for row in rows_of(web, table)] == [3, 1, 4, 5]
    assert {row["prompt"] for row in answer["rows"]} == {"鸟", "虎", "鱼", "虾"}
    assert (answer["removed"], answer["totals"]["to_make"]) == ([dog["id"]], 5)
    later = opened(web, table, since=answer["version"] - 1)
    assert ([row["id"] for row in later["rows"]], later["removed"]) == (
        [row["id"] for row in rows_of(web, table)],
        [dog["id"]],
    )
    assert opened(web, table, since=answer["version"])["rows"] == []


def test_rows_go_between_two_others_however_often(web: WebHarness) -> None:
    table = new(web, CAT, DOG)
    first = rows_of(web, table)[0]["id"]
    for _ in range(4):
        adding = [{"op": "add", "after": first, "rows": [{"prompt": f"{n}"}]} for n in range(20)]
        change(web, table, *adding)
    assert prompts(web, table) == ["猫", *[f"{n}" for n in reversed(range(20))] * 4, "狗"]


def test_rows_that_become_or_stop_being_equal_are_answered_too(web: WebHarness) -> None:
    table = new(web, CAT, DOG, DOG)
    cat, dog, _ = rows_of(web, table)
    answer = change(web, table, setting(cat, prompt="狗"))
    assert [(row["number"], row.get("same_as")) for row in answer["rows"]] == [(1, None), (2, 1), (3, 1)]
    assert answer["totals"] == {"rows": 3, "pictures": 3, "to_make": 1, "price": 0.22}
    answer = change(web, table, {"op": "remove", "rows": [cat["id"]]})
    assert [(row["number"], row.get("same_as")) for row in answer["rows"]] == [(2, None), (3, 2)]
    answer = change(web, table, setting(dog, num_images=3))
    assert (answer["totals"]["to_make"], [row["number"] for row in answer["rows"]]) == (3, [2, 3])


def test_a_value_that_no_model_takes_is_kept_and_marked(web: WebHarness) -> None:
    table = new(web, CAT)
    (cat,) = rows_of(web, table)
    values = {"aspect_ratio": "5:7", "num_images": 11, "model": "没有这个", "prompt": "字" * 10_001}
    (row,) = change(web, table, setting(cat, **values))["rows"]
    assert {name: row[name] for name in values} == values
    assert (row["state"], {problem["field"] for problem in row["problems"]}) == (
        "problem",
        {"aspect_ratio", "num_images", "prompt"},
    )
    (row,) = change(web, table, setting(cat, aspect_ratio="", num_images=None, model="", prompt="猫"))["rows"]
    assert row["state"] == "to_make"


def test_an_own_size_is_a_value_of_a_row(web: WebHarness) -> None:
    sizes: list[dict[str, str]] = [
        {"resolution": "1600×1200"},
        {"aspect_ratio": "5:4"},
        {"aspect_ratio": "2048*2048"},
        {"resolution": "2K"},
        {"resolution": "800x600"},
        {"aspect_ratio": "16:9", "resolution": "1600x1200"},
    ]
    table = new(web, *[CAT | size for size in sizes])
    rows = rows_of(web, table)
    assert [row["state"] for row in rows] == ["to_make"] * 4 + ["problem"] * 2
    assert [row.get("same_as") for row in rows] == [None, None, None, 3, None, None]
    assert [{name: row[name] for name in size} for row, size in zip(rows, sizes, strict=True)] == sizes
    run(web, table, rows=[row["id"] for row in rows[:4]])
    made = web.get("/api/records?status=queued")["records"]
    assert sorted((record["aspect_ratio"], record["resolution"]) for record in made) == [
        *(("1:1", "2K"), ("4:3", "1600x1200"), ("5:4", "2K"))
    ]
    assert web.get("/api/records?status=queued&resolution=1600×1200")["total"] == 1


def refused(web: WebHarness, table: str, operation: object, status: int = 400) -> str:
    """The sentence with which an operation is refused after a valid one; nothing is changed."""
    before = opened(web, table)
    valid = setting(before["rows"][0], prompt="虎")
    error: str = change(web, table, valid, operation, status=status)["error"]
    assert opened(web, table) == before
    return error


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"价钱": "1"}, "没有「价钱」这一列"),
        ({"prompt": "字" * 32_768}, "最多 32767 字"),
        ({"prompt": ["猫"]}, "请写文字"),
        ({"SKU": "字" * 2_001}, "一格最多 2000 字"),
        ({"sample_images": "a.png"}, "参考图应为"),
        ({"sample_images": [{"url": "", "filename": "a"}] * 17}, "最多 16 张"),
    ],
)
def test_a_value_past_its_bounds_is_refused(
    module_web: WebHarness, values: dict[str, object], sentence: str
) -> None:
    table = new(module_web, {**CAT, "columns": {"SKU": "A1"}})
    row = rows_of(module_web, table)[0]
    assert sentence in refused(module_web, table, setting(row, **values))


def test_what_cannot_be_carried_out_is_refused_with_a_sentence(
    module_web: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, other = new(module_web, CAT, DOG), new(module_web, BIRD)
    cat, dog = rows_of(module_web, table)
    gone = setting(rows_of(module_web, other)[0], prompt="x")
    assert "不在这个表格里" in refused(module_web, table, gone, 404)
    assert "不在这个表格里" in refused(module_web, table, {"op": "remove", "rows": [10**15]}, 404)
    assert "set、add、remove、restore" in refused(module_web, table, {"op": "turn", "rows": []})
    assert "它自己" in refused(module_web, table, {"op": "move", "rows": [cat["id"]], "after": cat["id"]})
    for module in (operations, edit):
        monkeypatch.setattr(module, "MAX_ROWS_A_TABLE", 9)
    many: list[object] = [{}] * 8
    assert "最多 9 行" in refused(module_web, table, {"op": "add", "rows": many})
    change(module_web, table, {"op": "remove", "rows": [dog["id"]]})
    assert "删掉" in refused(module_web, table, setting(dog, prompt="x"), 404)
    assert "刷新" in module_web.get(f"/api/tables/{table}?since=999999", 409)["error"]
    for path in ("", "/undo", "/copy", "/restore"):
        calls = {"": module_web.client.get, "/restore": module_web.client.post}
        call = calls.get(path, module_web.client.post)
        body = {} if path == "" else {"json": {"version": 1} if path == "/undo" else {}}
        assert answered(call(f"/api/tables/none{path}", **body), 404)["error"] == (
            "没有这个表格，它可能已被删除"
        )


def test_a_call_that_comes_twice_changes_once(web: WebHarness) -> None:
    table = new(web, CAT)
    adding = {"op": "add", "rows": [DOG]}
    first, second = (change(web, table, adding, request_id="k") for _ in range(2))
    assert (first, prompts(web, table)) == (second, ["猫", "狗"])
    assert change(web, table, {**adding, "rows": [BIRD]}, request_id="k", status=422)
    made = [web.post("/api/tables", {"rows": [CAT], "request_id": "t"}, 201) for _ in range(2)]
    assert made[0] == made[1]


def test_new_rows_are_answered_by_their_ids_in_order(web: WebHarness) -> None:
    table = new(web, CAT)
    (cat,) = rows_of(web, table)
    adding = [{"op": "add", "after": 0, "rows": [DOG, BIRD]}, {"op": "add", "rows": [{"prompt": "鱼"}]}]
    first, again = (change(web, table, *adding, request_id="k") for _ in range(2))
    ids = {row["prompt"]: row["id"] for row in rows_of(web, table)}
    assert first["added"] == again["added"] == [ids["狗"], ids["鸟"], ids["鱼"]]
    assert change(web, table, setting(cat, prompt="虎"))["added"] == []


def test_a_removed_row_comes_back_to_its_place(web: WebHarness) -> None:
    table = new(web, CAT, DOG, BIRD)
    before = rows_of(web, table)
    ids = [before[0]["id"], before[1]["id"]]
    change(web, table, {"op": "remove", "rows": ids})
    assert prompts(web, table) == ["鸟"]
    answer = change(web, table, {"op": "restore", "rows": ids})
    assert (rows_of(web, table), answer["added"], answer["removed"]) == (before, [], [])


def test_undo_brings_back_what_a_change_replaced(web: WebHarness) -> None:
    table = new(web, {**CAT, "columns": {"SKU": "A1"}}, DOG, BIRD)
    before = rows_of(web, table)
    cat, dog, _ = before
    changed = change(
        web,
        table,
        setting(cat, prompt="虎", num_images=2, SKU=""),
        {"op": "add", "after": 0, "rows": [{"prompt": "鱼"}]},
        {"op": "move", "rows": [cat["id"]]},
        {"op": "remove", "rows": [dog["id"]]},
    )
    assert prompts(web, table) == ["鱼", "鸟", "虎"]
    undone = undo(web, table, changed["version"])
    assert rows_of(web, table) == before
    undo(web, table, undone["version"])
    assert prompts(web, table) == ["鱼", "鸟", "虎"]


def test_what_was_changed_since_is_not_undone(web: WebHarness) -> None:
    table = new(web, CAT, DOG)
    cat, dog = rows_of(web, table)
    first = change(web, table, setting(cat, prompt="虎"))["version"]
    added = change(web, table, {"op": "add", "rows": [BIRD]})
    change(web, table, setting(cat, prompt="豹"), setting(added["rows"][0], prompt="鹰"))
    change(web, table, setting(dog, prompt="狼"))
    for version in (first, added["version"]):
        assert "后来又改过" in undo(web, table, version, 409)["error"]
    assert undo(web, table, 1, 404)["error"].startswith("没有这一步")
    assert prompts(web, table) == ["豹", "狼", "鹰"]


def test_the_words_to_be_sent_follow_the_order_of_the_rows(web: WebHarness) -> None:
    table = new(
        web, {"prompt": "第 {序号} 张"}, {}, {"prompt": "第 {序号} 张，{SKU}", "columns": {"SKU": "A1"}}
    )
    first, empty, last = rows_of(web, table)
    assert [row.get("sent") for row in (first, empty, last)] == [
        {"prompt": "第 1 张"},
        None,
        {"prompt": "第 2 张，A1"},
    ]
    answer = change(web, table, setting(empty, prompt="猫"))
    assert [row["sent"]["prompt"] for row in answer["rows"] if "sent" in row] == ["第 3 张，A1"]
    answer = change(web, table, {"op": "move", "rows": [first["id"]]})
    assert [row["sent"]["prompt"] for row in answer["rows"]] == ["第 2 张，A1", "第 3 张"]


def test_rows_show_what_was_made_for_equal_rows_anywhere(web: WebHarness) -> None:
    made = web.post("/api/batches", {"rows": [CAT, DOG]}, 202)["records"]
    web.run()
    table = new(web, CAT, {**DOG, "num_images": 2})
    found = opened(web, table)
    cat, dog = found["rows"]
    assert cat["pictures"] == [
        {
            "record_id": made[0],
            "number": 1,
            "status": "success",
            "url": "/output/%E7%8C%AB.png",
            "thumbnail_url": f"/thumbnails/{made[0]}",
            "width": 2048,
            "height": 2048,
            "shared": True,
        }
    ]
    assert (cat["state"], dog["state"], dog["missing"]) == ("made", "to_make", 1)
    assert found["table"]["totals"] == {"rows": 2, "pictures": 3, "to_make": 1, "price": 0.22}
    seen = found["table"]["version"]
    answered(web.client.delete(f"/api/records/{made[0]}"))
    (row,) = opened(web, table, since=seen)["rows"]
    assert (row["number"], row["state"], "pictures" in row) == (1, "trashed", False)
    (brief,) = web.get(f"/api/tables/{table}?since={seen}&words=changed")["rows"]
    assert brief == {key: row[key] for key in ("id", "state", "missing", "price", "trashed")} | {
        "unchanged": True
    }
    change(web, table, setting(row, prompt="虎"))
    (whole,) = web.get(f"/api/tables/{table}?since={seen}&words=changed")["rows"]
    assert (whole["prompt"], "unchanged" in whole) == ("虎", False)


def test_words_that_are_changed_back_show_their_picture_for_nothing(web: WebHarness) -> None:
    table = new(web, CAT)
    run(web, table)
    web.run()
    (cat,) = rows_of(web, table)
    for words, state in (("虎", "to_make"), ("猫", "made")):
        change(web, table, setting(cat, prompt=words))
        (row,) = rows_of(web, table)
        assert row["state"] == state
    assert row["pictures"][0]["record_id"] == cat["pictures"][0]["record_id"]
    assert run(web, table, 200)["lines"] == []


def test_a_changed_cell_of_thousands_weighs_little(web: WebHarness) -> None:
    table = new(web, *({"prompt": f"第 {n} 行"} for n in range(5_000)))
    seen = opened(web, table)
    body = {"operations": [setting(seen["rows"][0], prompt="改过的")], "request_id": "k"}
    changed = web.client.patch(f"/api/tables/{table}", json=body)
    news = web.client.get(f"/api/tables/{table}?since={seen['table']['version']}&words=changed")
    assert [row["prompt"] for row in news.get_json()["rows"]] == ["改过的"]
    assert len(json.dumps(body)) + len(changed.data) + len(news.data) < 10_000


def test_an_opened_table_is_checked_anew_with_the_library_and_the_models(demo: WebHarness) -> None:
    table = new(demo, {**CAT, "sample_images": [{"url": "", "filename": "红茶"}]})
    assert rows_of(demo, table)[0]["problems"][0]["field"] == "sample_images"
    demo.execute("UPDATE table_rows SET problems = replace(problems, '红茶', '绿茶')")
    assert "绿茶" in rows_of(demo, table)[0]["problems"][0]["error"], "only when the library has changed"
    add_reference(demo.client, "红茶.png")
    assert rows_of(demo, table)[0]["state"] == "to_make"
    demo.execute("UPDATE tables SET checked_with = 'other prices'")
    demo.execute("UPDATE table_rows SET price_micros = 1")
    assert rows_of(demo, table)[0]["price"] == 0


def test_tables_are_listed_searched_archived_deleted_and_restored(web: WebHarness) -> None:
    first, second = new(web, CAT, name="春季"), new(web, DOG, BIRD, name="夏季 100%")
    listed = web.get("/api/tables")
    assert [(table["name"], table["rows"], table["price"]) for table in listed["tables"]] == [
        ("夏季 100%", 2, 0.44),
        ("春季", 1, 0.22),
    ]
    assert [each["id"] for each in web.get("/api/tables?search=0%25")["tables"]] == [second]
    put = answered(web.client.put(f"/api/tables/{first}", json={"name": "秋季", "archived": True}))
    assert (put["table"]["name"], put["table"]["archived"]) == ("秋季", True)
    assert [table["id"] for table in web.get("/api/tables")["tables"]] == [second]
    assert [table["id"] for table in web.get("/api/tables?archived=1")["tables"]] == [first]
    answered(web.client.delete(f"/api/tables/{first}"))
    assert web.get("/api/tables?archived=1")["total"] == 0
    web.get(f"/api/tables/{first}", 404)
    web.post(f"/api/tables/{first}/restore")
    assert prompts(web, first) == ["猫"]


def test_a_table_gets_columns_and_a_model(web: WebHarness) -> None:
    table = new(web, {**CAT, "columns": {"SKU": "A1"}})
    (row,) = rows_of(web, table)

    def put(status: int = 200, **fields: object) -> dict[str, Any]:
        return answered(web.client.put(f"/api/tables/{table}", json=fields), status)

    assert put(columns=["备注", "SKU"])["table"]["columns"] == ["备注", "SKU"]
    (changed,) = change(web, table, setting(row, 备注="急"))["rows"]
    assert list(changed["columns"].items()) == [("备注", "急"), ("SKU", "A1")]
    assert "还有内容" in put(409, columns=["SKU"])["error"]
    assert "没有叫" in put(400, model="没有这个")["error"]
    assert "没有「rows」" in put(400, rows=[])["error"]


def test_a_copy_has_the_rows_and_shares_the_pictures(web: WebHarness) -> None:
    web.post("/api/batches", {"rows": [CAT]}, 202)
    web.run()
    table = new(web, CAT, DOG, name="春季")
    copy = web.post(f"/api/tables/{table}/copy", {}, 201)["table"]
    assert (copy["name"], prompts(web, copy["id"])) == ("春季 副本", ["猫", "狗"])
    assert [row["state"] for row in rows_of(web, copy["id"])] == ["made", "to_make"]


def test_an_unchanged_table_is_not_sent_again(web: WebHarness) -> None:
    table = new(web, CAT)
    seen = opened(web, table)["table"]["version"]
    first = web.client.get(f"/api/tables/{table}?since={seen}")
    again = {"If-None-Match": first.headers["ETag"]}
    assert web.client.get(f"/api/tables/{table}?since={seen}", headers=again).status_code == 304
    change(web, table, setting(rows_of(web, table)[0], prompt="虎"))
    assert web.client.get(f"/api/tables/{table}?since={seen}", headers=again).status_code == 200


def run(web: WebHarness, table: str, status: int = 202, **fields: Any) -> dict[str, Any]:
    return web.post(f"/api/tables/{table}/run", fields, status)


def test_a_choice_is_a_change_of_each_row_that_shows_the_picture(web: WebHarness) -> None:
    table, other = new(web, CAT, DOG, CAT), new(web, CAT)
    cat, _ = run(web, table)["records"]
    web.run()
    for one, shown in ((table, [1, 3]), (other, [1])):
        seen = opened(web, one)["table"]["version"]
        pick = "keep" if one == table else "reject"
        web.post("/api/records/pick", {"ids": [cat], "pick": pick}, 200)
        changed = web.get(f"/api/tables/{one}?since={seen}")["rows"]
        assert [row["number"] for row in changed] == shown
        assert {row["pictures"][0]["pick"] for row in changed} == {pick}


def test_a_table_names_its_run_that_has_not_ended_else_the_newest(web: WebHarness) -> None:
    table = new(web, CAT, DOG)
    cat, dog = rows_of(web, table)
    assert opened(web, table)["table"]["run"] is None
    first = run(web, table, rows=[cat["id"]])["batch_id"]
    second = run(web, table, rows=[dog["id"]])["batch_id"]
    web.execute(f"UPDATE batches SET state = 'finished' WHERE id = '{second}'")
    assert opened(web, table)["table"]["run"] == first
    web.execute("UPDATE batches SET state = 'finished'")
    assert opened(web, table)["table"]["run"] == second


def states(web: WebHarness, table: str) -> list[str]:
    return [row["state"] for row in rows_of(web, table)]


def test_a_run_buys_what_is_missing_and_shows_it_in_equal_rows(web: WebHarness) -> None:
    table = new(web, CAT, DOG, CAT, {}, {**DOG, "num_images": 2}, name="双十二")
    rows = rows_of(web, table)
    answer = run(web, table)
    cat, dog, second_dog = answer["records"]
    assert answer["shared"] == [
        {"row": rows[2]["id"], "records": [cat]},
        {"row": rows[4]["id"], "records": [dog]},
    ]
    assert answer["price"] == 0.66
    batch = web.get(f"/api/batches/{answer['batch_id']}")["batch"]
    assert (batch["name"], states(web, table)) == (
        "双十二",
        ["queued", "queued", "queued", "empty", "queued"],
    )
    web.run()
    made = rows_of(web, table)
    pictures = [[(one["record_id"], one.get("shared")) for one in row.get("pictures", [])] for row in made]
    assert pictures == [[(cat, None)], [(dog, None)], [(cat, True)], [], [(dog, True), (second_dog, None)]]
    assert web.get("/api/tables")["tables"][0]["cost"] == 0.66


def test_rows_that_are_named_are_run_again_when_asked(web: WebHarness) -> None:
    table, other = new(web, CAT, DOG), new(web, BIRD)
    cat, _ = rows_of(web, table)
    assert len(run(web, table, rows=[cat["id"]])["records"]) == 1
    answer = run(web, table, 200, rows=[cat["id"]])
    assert (answer["batch_id"], answer["shared"][0]["row"], answer["price"]) == (None, cat["id"], 0)
    assert len(run(web, table, rows=[cat["id"]], repeats="again")["records"]) == 1
    assert "不在这个表格里" in run(web, table, 404, rows=[rows_of(web, other)[0]["id"]])["error"]
    wrong = change(web, table, setting(cat, aspect_ratio="5:7"))["rows"][0]
    answer = run(web, table, 400, rows=[wrong["id"]])
    assert answer["problems"][0]["field"] == "aspect_ratio"
    change(web, table, setting(cat, aspect_ratio=""))
    assert run(web, table, request_id="k") == run(web, table, request_id="k")


def test_some_rows_of_a_run_are_made_again_and_the_others_share(web: WebHarness) -> None:
    table = new(web, CAT, CAT, {**DOG, "num_images": 2})
    cat, same, dog = (row["id"] for row in rows_of(web, table))
    assert len(run(web, table, again=[same])["records"]) == 4
    web.run()
    one_more = run(web, table, rows=[dog], again=[dog], pictures=1)
    assert (len(one_more["records"]), one_more["price"]) == (1, 0.22)
    assert "不在这个表格里" in run(web, table, 404, rows=[cat], again=[dog + 1])["error"]
    assert run(web, table, 400, rows=[cat], pictures=0)["field"] == "pictures"


def test_another_model_makes_rows_that_are_made_and_they_keep_what_they_ask_for(web: WebHarness) -> None:
    table = new(web, CAT, {**DOG, "resolution": "4K"})
    run(web, table)
    web.run()
    other = "jimeng_seedream46_cvtob"
    refused = run(web, table, 400, model=other, resolution="8K")
    assert refused["field"] == "resolution"
    answer = run(web, table, model=other, resolution="2K")
    records = [web.get(f"/api/records/{each}")["record"] for each in answer["records"]]
    assert [(each["model"], each["resolution"]) for each in records] == [(other, "2K")] * 2
    rows = rows_of(web, table)
    assert [row["state"] for row in rows] == ["made", "made"]
    assert [[one.get("earlier") for one in row["pictures"]] for row in rows] == [[None, True]] * 2
    assert [[one.get("model") for one in row["pictures"]] for row in rows] == [[None, "即梦 4.6"]] * 2
    assert run(web, table, 200, model=other, resolution="2K")["records"] == []


def test_what_another_model_lacks_is_told_by_row_and_nothing_is_ordered(
    web: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "jimeng_seedream46_cvtob"
    sizes = web.change_spec(monkeypatch, other).sizes
    web.change_spec(monkeypatch, other, sizes={at: size for at, size in sizes.items() if at[1] == "2K"})
    table = new(web, CAT, {**DOG, "resolution": "1K"})
    (problem,) = run(web, table, 400, model=other)["problems"]
    assert (problem["row"], problem["field"]) == (2, "resolution")
    assert web.get("/api/batches")["total"] == 0


def test_what_was_written_off_as_billed_is_made_once_more_only_when_it_is_named(web: WebHarness) -> None:
    table = new(web, CAT, DOG, CAT)
    lost, _ = run(web, table)["records"]
    web.execute("UPDATE generation_records SET status = 'unknown' WHERE id = ?", [lost])
    charge = "INSERT INTO charges (record_id, model, price_micros, outcome) VALUES (?, 'm', 1, 'unknown')"
    web.execute(charge, [lost])
    web.run()
    web.post("/api/records/drop", {"ids": [lost], "billed": True})
    assert states(web, table) == ["paid", "made", "paid"]
    totals = opened(web, table)["table"]["totals"]
    assert (totals["to_make"], totals["paid"]) == (0, 1), "equal rows lack one picture"
    run(web, table, 200)
    first, second, third = (row["id"] for row in rows_of(web, table))
    named = run(web, table, rows=[first, second, third])
    assert (len(named["records"]), [one["row"] for one in named["shared"]]) == (1, [second, third])
    web.run()
    assert states(web, table) == ["made"] * 3
    assert "paid" not in opened(web, table)["table"]["totals"]


def test_a_run_with_nothing_to_make_answers_as_any_other(web: WebHarness) -> None:
    table = new(web, CAT, DOG)
    named = [row["id"] for row in rows_of(web, table)]
    asked = run(web, table)
    web.run()
    none: dict[str, Any] = {"success": True, "batch_id": None, "records": [], "price": 0}
    stage = opened(web, table)["table"]["stage"]
    assert none | {"shared": [], "lines": [], "stage": stage} == run(web, table, 200)
    again = run(web, table, 200, rows=named)
    assert again.keys() == asked.keys()
    assert again.items() >= none.items()
    assert again["lines"] == [line("made", 2, 0)]
    empty = new(web, {}, {})
    assert run(web, empty, 200, rows=[row["id"] for row in rows_of(web, empty)]) == run(web, empty, 200)
    assert web.get("/api/batches")["total"] == 1


def line(what: str, pictures: int, price: float) -> dict[str, Any]:
    return {"what": what, "pictures": pictures, "price": price}


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        ({}, [line("make", 4, 0.88), line("share", 1, 0)]),
        ({"sample": 1}, [line("make", 1, 0.22), line("held", 3, 0.66), line("share", 1, 0)]),
        ({"repeats": "again"}, [line("make", 6, 1.32)]),
        ({"model": "jimeng_seedream46_cvtob"}, [line("make", 5, 1.1), line("share", 1, 0)]),
        ({"all": True}, [line("make", 4, 0.88), line("share", 1, 0), line("made", 1, 0)]),
        ({"all": True, "pictures": 1}, [line("make", 2, 0.44), line("share", 1, 0), line("made", 1, 0)]),
    ],
)
def test_a_preview_answers_the_lines_and_the_sum_of_the_order_and_buys_nothing(
    web: WebHarness, fields: dict[str, Any], lines: list[dict[str, Any]]
) -> None:
    table = new(web, CAT, DOG, {**BIRD, "num_images": 3}, DOG)
    run(web, table, rows=[rows_of(web, table)[0]["id"]])
    web.run()
    if fields.pop("all", False):
        fields["rows"] = [row["id"] for row in rows_of(web, table)]
    before = web.get("/api/batches")
    seen = run(web, table, 200, preview=1, request_id="k", **fields)
    assert (seen["batch_id"], seen["records"], seen["shared"]) == (None, [], [])
    assert web.get("/api/batches") == before
    ordered = run(web, table, request_id="k", **fields)
    assert ordered == run(web, table, request_id="k", **fields)
    assert (
        (seen["lines"], seen["price"]) == (ordered["lines"], ordered["price"]) == (lines, lines[0]["price"])
    )


def test_a_run_can_try_some_rows_first(web: WebHarness) -> None:
    table = new(web, CAT, DOG, BIRD)
    batch_id = run(web, table, sample=1)["batch_id"]
    assert sorted(states(web, table)) == ["held", "held", "queued"]
    assert {row["pictures"][0].get("run") for row in rows_of(web, table)} == {None, batch_id}


def test_rows_that_were_changed_while_they_were_held_are_not_made_as_they_were(web: WebHarness) -> None:
    table = new(web, CAT, DOG, BIRD, {"prompt": "狼"})
    batch_id = run(web, table, sample=1)["batch_id"]
    web.run()
    held = [row for row in rows_of(web, table) if row["state"] == "held"]
    change(web, table, setting(held[0], prompt="虎"), {"op": "remove", "rows": [held[1]["id"]]})
    answer = web.post(f"/api/batches/{batch_id}/release", {"check": True})
    assert (answer["rows"], answer["price"]) == (1, 0.22)
    released = web.post(f"/api/batches/{batch_id}/release", {"aspect_ratio": "4:3"})
    assert (released["released"], released["skipped"]) == (1, [])
    web.run()
    assert states(web, table) == ["made", "to_make", "made"]
    (mended,) = [row for row in rows_of(web, table) if row.get("aspect_ratio") == "4:3"]
    assert not {"model", "num_images"} & mended.keys()  # they stay as they were typed
    assert len(run(web, table)["records"]) == 1
    left = run(web, table, 400, model="jimeng_seedream46_cvtob", sample=1)
    assert left["field"] == "sample"


def test_a_run_holds_no_row_that_asks_for_something_else_now(web: WebHarness) -> None:
    table = new(web, CAT, DOG, BIRD)
    batch_id = run(web, table, sample=1)["batch_id"]
    web.run()
    first, second = [row for row in rows_of(web, table) if row["state"] == "held"]
    change(web, table, setting(first, prompt="虎"))
    assert (web.batch(batch_id)["status"], web.batch(batch_id)["counts"]["held"]) == ("paused", 1)
    change(web, table, setting(second, filename="鸟"))
    assert web.batch(batch_id)["counts"]["held"] == 1  # the words are the same
    change(web, table, {"op": "remove", "rows": [second["id"]]})
    batch = web.batch(batch_id)
    assert (batch["status"], batch["counts"]["held"], batch["counts"]["cancelled"]) == ("finished", 0, 2)
    assert len(run(web, table)["records"]) == 1


def test_a_changed_row_leaves_what_is_held_for_an_equal_one(web: WebHarness) -> None:
    table = new(web, CAT, DOG, DOG)
    batch_id = run(web, table, sample=1)["batch_id"]
    change(web, table, setting(rows_of(web, table)[2], prompt="虎"))
    assert web.batch(batch_id)["counts"]["held"] == 1


def test_a_batch_of_rows_makes_a_table_of_them(web: WebHarness) -> None:
    rows = [
        {"prompt": "{SKU} 的猫", "columns": {"SKU": "A1"}, "filename": "{SKU}", "number": 4},
        {"prompt": "A1 的猫", "number": 7},
    ]
    body = {"rows": rows, "name": "春季", "repeats": "skip", "request_id": "k"}
    answers = [web.post("/api/batches", body, 202) for _ in range(2)]
    assert answers[0] == answers[1]
    found = opened(web, answers[0]["table_id"])
    assert found["table"]["name"] == "春季"
    first, second = found["rows"]
    assert (first["prompt"], first["sent"]["prompt"], first["number"]) == ("{SKU} 的猫", "A1 的猫", 4)
    assert (second["prompt"], second["same_as"], second["pictures"][0]["shared"]) == ("A1 的猫", 4, True)
    assert answers[0]["shared"] == [{"row": second["id"], "records": answers[0]["records"]}]
    assert web.post("/api/batch-generate", {"prompt": ""}, 400)
    assert web.get("/api/tables")["total"] == 1


def test_a_row_that_is_retried_with_other_words_asks_for_them_from_then_on(web: WebHarness) -> None:
    body = {"rows": [{**CAT, "columns": {"SKU": "1"}}, DOG]}
    added = web.post("/api/batches", body, 202)
    web.execute("UPDATE generation_records SET status = 'failed', cause = 'moderation'")
    web.execute("UPDATE batches SET state = 'finished'")
    assert states(web, added["table_id"]) == ["refused", "refused"]
    record_id = added["records"][0]
    changes = {"changes": {str(record_id): {"prompt": "一只虎"}}, "records": [record_id]}
    web.post(f"/api/batches/{added['batch_id']}/retry", changes)
    web.run()
    row, _ = rows_of(web, added["table_id"])
    assert (row["prompt"], row["state"], row["columns"]) == ("一只虎", "made", {"SKU": "1"})
    assert run(web, added["table_id"], rows=[row["id"]], status=200)["records"] == []


def test_rows_that_are_released_with_a_ratio_have_it(web: WebHarness) -> None:
    added = web.post("/api/batches", {"rows": [CAT, DOG, BIRD], "sample": 1}, 202)
    web.run()
    body = {"aspect_ratio": "16:9"}
    web.post(f"/api/batches/{added['batch_id']}/release", body)
    web.run()
    found = rows_of(web, added["table_id"])
    assert {row["state"] for row in found} == {"made"}
    assert sorted(row["aspect_ratio"] for row in found) == ["16:9", "16:9", "1:1"]
    assert opened(web, added["table_id"])["table"]["totals"]["to_make"] == 0
