"""Recipes over HTTP: stored, applied to a table, changed, and undone."""

import io
from typing import Any

import pytest

from tests.web.harness import WebHarness, add_reference, answered
from tools.noise_images import noise_image

PRODUCTS = [{"columns": {"SKU": f"A-{n}", "品名": f"杯子{n}", "产品图": f"a{n}.png"}} for n in range(1, 4)]
MAIN = {"role": "主图", "prompt": "{品名}，主图", "sample_images": [{"column": "产品图"}]}
WHITE = {"role": "白底", "prompt": "{品名}，白底", "aspect_ratio": "3:4"}
SCENE = {"role": "场景", "prompt": "{品名}，场景"}


@pytest.fixture
def web(demo: WebHarness) -> WebHarness:
    for number, product in enumerate(PRODUCTS, 20):
        picture = noise_image("PNG", size=(number, 20))
        add_reference(demo.client, product["columns"]["产品图"], picture)
    return demo


def table_of(web: WebHarness, rows: list[dict[str, Any]] = PRODUCTS) -> str:
    table: str = web.post("/api/tables", {"rows": rows, "name": "春季"}, 201)["table"]["id"]
    return table


def apply(web: WebHarness, table: str, *roles: Any, status: int = 200, **body: Any) -> dict[str, Any]:
    body |= {"recipe": {"name": "套图", "roles": [*roles]}} if roles else {}
    return web.post(f"/api/tables/{table}/recipe", body, status)


def rows_of(web: WebHarness, table: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = web.get(f"/api/tables/{table}")["rows"]
    return sorted(rows, key=lambda row: float(row["place"]))


def set_of(web: WebHarness, table: str) -> list[tuple[int, str, str]]:
    """(product, role, state) of the rows in their order."""
    return [(row.get("product", 0), row.get("role", ""), row["state"]) for row in rows_of(web, table)]


def change(web: WebHarness, table: str, *operations: dict[str, Any], status: int = 200) -> dict[str, Any]:
    return answered(web.client.patch(f"/api/tables/{table}", json={"operations": [*operations]}), status)


def test_a_recipe_is_stored_under_its_name_and_the_examples_stay(web: WebHarness) -> None:
    names = [each["name"] for each in web.get("/api/recipes")["recipes"]]
    assert names == ["电商五张", "电商多角度", "人像四张"]
    body = {"category": "类目", "roles": [MAIN, WHITE]}
    answered(web.client.put("/api/recipes/套图", json=body))
    assert web.get("/api/recipes/套图")["recipe"] == {"name": "套图", **body, "built_in": False}
    example = web.get("/api/recipes/电商五张")["recipe"]
    assert (example["built_in"], len(example["roles"])) == (True, 5)
    assert "自带" in answered(web.client.put("/api/recipes/电商五张", json=body), 409)["error"]
    wrong = answered(web.client.put("/api/recipes/套图", json={"roles": [{**MAIN, "model": "没有"}]}), 400)
    assert (wrong["field"], "角色「主图」" in wrong["error"]) == ("roles.1.model", True)
    answered(web.client.delete("/api/recipes/套图"))
    assert "没有配方" in web.get("/api/recipes/套图", 404)["error"]


def test_the_examples_are_in_the_language_of_the_page(web: WebHarness) -> None:
    answer = web.client.get("/api/recipes", headers={"Accept-Language": "en"}).get_json()
    names = [each["name"] for each in answer["recipes"]]
    assert names == ["Shop set of five", "Shop set of angles", "Portrait set of four"]
    assert {each["built_in"] for each in answer["recipes"]} == {True}
    sizes = [[role["aspect_ratio"] for role in each["roles"]] for each in answer["recipes"]]
    chinese = web.get("/api/recipes")["recipes"]
    assert sizes == [[role["aspect_ratio"] for role in each["roles"]] for each in chinese]
    assert web.get("/api/recipes/Shop set of five")["recipe"] == answer["recipes"][0]


def test_there_are_at_most_a_hundred_own_recipes(web: WebHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.core.named.MAX_NAMED", 2)
    body = {"roles": [{"role": "主图", "prompt": "猫"}]}
    answers = [web.client.put(f"/api/recipes/{n}", json=body).status_code for n in (1, 2, 3, 2)]
    assert answers == [200, 200, 409, 200]


def test_a_recipe_goes_out_as_a_sheet_and_comes_back(web: WebHarness) -> None:
    fixed = {"url": "", "filename": "a1.png"}
    main = {**MAIN, "sample_images": [{"column": "产品图"}, fixed], "file_name": "{SKU}/{角色}", "seed": 7}
    roles = [{"num_images": 2, "aspect_ratio": "3:4", "resolution": "1K", **role} for role in (main, SCENE)]
    answered(web.client.put("/api/recipes/套图", json={"roles": roles}))
    file = web.client.get("/api/recipes/套图/sheet.xlsx").data
    sent = {"file": (io.BytesIO(file), "秋款.xlsx")}
    back = answered(web.client.post("/api/recipes/import", data=sent))["recipe"]
    assert back == {"name": "秋款", "roles": roles, "built_in": False}
    wrong = {"file": (io.BytesIO("提示词,角色\n白底,主图\n白底,主图\n".encode()), "a.csv")}
    assert "两个角色都叫" in answered(web.client.post("/api/recipes/import", data=wrong), 400)["error"]


def test_products_and_roles_make_the_rows_of_a_table_which_is_said_before(web: WebHarness) -> None:
    table = table_of(web)
    before = rows_of(web, table)
    said = apply(web, table, MAIN, WHITE, apply=0)
    assert rows_of(web, table) == before
    done = apply(web, table, MAIN, WHITE)
    counts = {"products": 3, "rows": 6, "pictures": 6, "to_make": 6, "problems": []}
    assert {name: said[name] for name in counts} == {name: done[name] for name in counts} == counts
    assert set_of(web, table) == [(n, role, "to_make") for n in (1, 2, 3) for role in ("主图", "白底")]
    first, second = rows_of(web, table)[:2]
    assert first["sent"] == {"prompt": "杯子1，主图", "filename": "A-1_主图"}
    assert first["columns"] == {"SKU": "A-1", "品名": "杯子1", "产品图": "a1.png", "角色": "主图"}
    assert (second["aspect_ratio"], "sample_images" in second) == ("3:4", False)
    shown = web.get(f"/api/tables/{table}")["table"]
    assert ([role["role"] for role in shown["recipe"]["roles"]], shown["columns"][-1]) == (
        ["主图", "白底"],
        "角色",
    )
    web.post(f"/api/tables/{table}/undo", {"version": done["version"]})
    assert [row.get("product") for row in rows_of(web, table)] == [None] * 3
    assert web.get(f"/api/tables/{table}")["table"]["recipe"] is None
    assert apply(web, table, MAIN, WHITE)["rows"] == 6


def test_a_changed_role_makes_its_rows_to_make_and_no_others(web: WebHarness) -> None:
    table = table_of(web)
    apply(web, table, MAIN, WHITE)
    web.post(f"/api/tables/{table}/run", {}, 202)
    web.run()
    assert apply(web, table)["to_make"] == 0
    said = apply(web, table, MAIN, {**WHITE, "prompt": "{品名}，纯白"}, SCENE, apply=0)
    assert (said["pictures"], said["to_make"]) == (9, 6)
    done = apply(web, table, MAIN, {**WHITE, "prompt": "{品名}，纯白"}, SCENE)
    assert done["to_make"] == 6
    states = {"主图": "made", "白底": "to_make", "场景": "to_make"}
    assert set_of(web, table) == [(n, role, state) for n in (1, 2, 3) for role, state in states.items()]
    back = apply(web, table, MAIN, WHITE)
    assert (back["to_make"], back["rows"]) == (0, 6)


def test_what_a_person_changed_in_a_row_stays_when_its_role_changes(web: WebHarness) -> None:
    table = table_of(web)
    apply(web, table, MAIN, WHITE)
    row = rows_of(web, table)[1]
    change(web, table, {"op": "set", "row": row["id"], "values": {"prompt": "手写的", "aspect_ratio": ""}})
    apply(web, table, MAIN, {**WHITE, "prompt": "新的", "aspect_ratio": "16:9", "resolution": "4K"})
    mine, other = rows_of(web, table)[1], rows_of(web, table)[3]
    assert (mine["prompt"], "aspect_ratio" in mine, mine["resolution"]) == ("手写的", False, "4K")
    assert (other["prompt"], other["aspect_ratio"], other["resolution"]) == ("新的", "16:9", "4K")


def test_a_role_that_is_gone_removes_its_rows_but_those_with_a_picture(web: WebHarness) -> None:
    table = table_of(web)
    apply(web, table, MAIN, WHITE)
    made = next(row["id"] for row in rows_of(web, table) if row["role"] == "白底")
    web.post(f"/api/tables/{table}/run", {"rows": [made]}, 202)
    web.run()
    done = apply(web, table, SCENE, MAIN)
    assert set_of(web, table) == [
        *((1, "场景", "to_make"), (1, "主图", "to_make"), (1, "白底", "made")),
        *((2, "场景", "to_make"), (2, "主图", "to_make")),
        *((3, "场景", "to_make"), (3, "主图", "to_make")),
    ]
    assert [row["id"] for row in rows_of(web, table) if row.get("is_gone")] == [made]
    web.post(f"/api/tables/{table}/undo", {"version": done["version"]})
    assert [role for _, role, _ in set_of(web, table)] == ["主图", "白底"] * 3
    assert not [row for row in rows_of(web, table) if row.get("is_gone")]


def test_a_role_switched_off_for_a_product_stays_off(web: WebHarness) -> None:
    table = table_of(web)
    apply(web, table, MAIN, WHITE)
    off = [row["id"] for row in rows_of(web, table) if (row["product"], row["role"]) == (2, "白底")]
    change(web, table, {"op": "remove", "rows": off})
    assert apply(web, table, MAIN, {**WHITE, "prompt": "新的"}, SCENE)["rows"] == 8
    assert [role for n, role, _ in set_of(web, table) if n == 2] == ["主图", "场景"]
    change(web, table, {"op": "restore", "rows": off})
    assert [role for n, role, _ in set_of(web, table) if n == 2] == ["主图", "白底", "场景"]


def test_a_role_that_was_switched_off_comes_back_as_the_recipe_has_it_now(web: WebHarness) -> None:
    table = table_of(web)
    apply(web, table, MAIN, WHITE)
    off = [row["id"] for row in rows_of(web, table) if row["role"] == "白底"]
    change(web, table, {"op": "remove", "rows": off})
    apply(web, table, MAIN, {**WHITE, "prompt": "新的"})
    before = rows_of(web, table)
    answer = web.post(f"/api/tables/{table}/recipe", {"back": [2]})
    assert [role for n, role, _ in set_of(web, table)] == ["主图", "主图", "白底", "主图"]
    assert [row["prompt"] for row in rows_of(web, table) if row["product"] == 2] == ["{品名}，主图", "新的"]
    web.post(f"/api/tables/{table}/undo", {"version": answer["version"]})
    assert rows_of(web, table) == before


def test_a_copy_of_a_row_of_a_recipe_is_no_product(web: WebHarness) -> None:
    table = table_of(web)
    apply(web, table, MAIN, WHITE)
    row = rows_of(web, table)[0]
    copied = {"prompt": row["prompt"], "columns": row["columns"]}
    change(web, table, {"op": "add", "after": row["id"], "rows": [copied]})
    assert (apply(web, table)["products"], len(rows_of(web, table))) == (3, 7)


def test_own_columns_are_those_of_all_rows_of_a_product(web: WebHarness) -> None:
    table = table_of(web)
    apply(web, table, MAIN, WHITE)
    row = rows_of(web, table)[0]
    answer = change(web, table, {"op": "set", "row": row["id"], "values": {"品名": "壶"}})
    assert [each["columns"]["品名"] for each in answer["rows"]] == ["壶", "壶"]
    web.post(f"/api/tables/{table}/undo", {"version": answer["version"]})
    assert {each["columns"]["品名"] for each in rows_of(web, table)} == {"杯子1", "杯子2", "杯子3"}
    refused = change(web, table, {"op": "set", "row": row["id"], "values": {"角色": "别的"}}, status=400)
    assert "由配方决定" in refused["error"]


def test_what_is_wrong_is_said_once_a_role_before_anything_is_made(web: WebHarness) -> None:
    products = [*PRODUCTS, {"columns": {"SKU": "A-4", "品名": "", "产品图": "没有.png；a1.png"}}]
    table = table_of(web, products)
    said = apply(web, table, {**MAIN, "sample_images": [{"column": "产品图2"}]}, SCENE, apply=0)
    assert [(each["role"], each["field"], each["products"]) for each in said["problems"]] == [
        ("主图", "sample_images", [1, 2, 3, 4]),
        ("主图", "prompt", [4]),
        ("场景", "prompt", [4]),
    ]
    assert "没有「产品图2」这一列" in said["problems"][0]["error"]
    missing = apply(web, table, {**MAIN, "prompt": "主图"})["problems"]
    assert [(each["field"], each["products"]) for each in missing] == [("sample_images", [4])]
    assert "没有「没有.png」" in missing[0]["error"]


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("rows", "roles", "said"),
    [
        ([], [MAIN], "还没有产品"),
        ([{"columns": {"角色": "侠客"}}], [MAIN], "请改个列名"),
        (PRODUCTS, [MAIN, {**SCENE, "prompt": "{1|2|3|4|5|6|7|8|9|10}" * 4}], "10001 张"),
        (PRODUCTS, [MAIN, MAIN], "两个角色都叫「主图」"),
    ],
)
def test_a_recipe_that_does_not_fit_changes_nothing(
    web: WebHarness, rows: list[dict[str, Any]], roles: list[dict[str, Any]], said: str
) -> None:
    table = table_of(web, rows)
    before = rows_of(web, table)
    assert said in apply(web, table, *roles, status=400)["error"]
    assert rows_of(web, table) == before


def test_files_are_named_by_a_key_that_a_product_lacks_and_a_line_repeats(web: WebHarness) -> None:
    lines = [("A-1", "杯子"), ("A-2", "碗"), ("", "碗"), ("A-3", "盘"), ("A-1", "杯子")]
    table = table_of(web, [{"columns": {"备注": "", "SKU": key, "品名": name}} for key, name in lines])
    apply(web, table, {**MAIN, "sample_images": []}, WHITE)
    names = [row["sent"]["filename"] for row in rows_of(web, table) if row["role"] == "主图"]
    assert names == ["A-1_主图", "A-2_主图", "碗_主图", "A-3_主图", "A-1_主图"]


def test_variants_are_rows_that_come_and_go_with_the_words(web: WebHarness) -> None:
    table = table_of(web, PRODUCTS[:1])
    apply(web, table, {**MAIN, "prompt": "{红|蓝}{品名}"})
    names = [row["sent"]["filename"] for row in rows_of(web, table)]
    assert names == ["A-1_主图_红", "A-1_主图_蓝"]
    assert apply(web, table, {**MAIN, "prompt": "{蓝|绿}{品名}"})["rows"] == 2
    assert [row["columns"]["变体"] for row in rows_of(web, table)] == ["蓝", "绿"]


def test_only_the_rows_that_are_named_become_products(web: WebHarness) -> None:
    table = table_of(web)
    second = rows_of(web, table)[1]["id"]
    assert apply(web, table, MAIN, WHITE, rows=[second])["products"] == 1
    assert set_of(web, table) == [
        (0, "", "empty"),
        (2, "主图", "to_make"),
        (2, "白底", "to_make"),
        (0, "", "empty"),
    ]
    assert apply(web, table)["products"] == 3


def test_a_row_with_words_of_its_own_lends_them_to_the_roles(web: WebHarness) -> None:
    table = table_of(web, [{"prompt": "青花碗", "filename": "碗"}])
    apply(web, table, {"role": "白底", "prompt": "白底，{原提示词}"}, {**SCENE, "prompt": "{原提示词}在桌上"})
    assert [row["sent"] for row in rows_of(web, table)] == [
        {"prompt": "白底，青花碗", "filename": "碗_白底"},
        {"prompt": "青花碗在桌上", "filename": "碗_场景"},
    ]
    apply(web, table, {"role": "白底", "prompt": "纯白，{原提示词}"})
    assert [row["sent"]["prompt"] for row in rows_of(web, table)] == ["纯白，青花碗"]
