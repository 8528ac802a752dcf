"""Presets, and words around the rows of a table, as 0.2 had them, become recipes of one role."""

import io
import json
from contextlib import closing
from typing import Any

import pytest
from openpyxl import load_workbook

import database
from app.migrations.earlier_tables import make_recipes
from tests.web.api.test_table_import import import_version, new_table
from tests.web.harness import WebHarness, answered
from tools.fakes.jimeng import FakeJimeng
from tools.workbooks.written import by_openpyxl

PREFIX, SUFFIX = "白底，", "，高清"
HEADER = ["SKU", "提示词", "文件名"]
LINES = [["A-1", "白瓷杯", "杯"], ["A-2", "{SKU} 的碗", ""], ["A-3", "蓝盘", ""]]


def around(words: str) -> str:
    return f"{PREFIX}{words}{SUFFIX}"


def rows_of(web: WebHarness, table: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = web.get(f"/api/tables/{table}")["rows"]
    return sorted(rows, key=lambda row: int(row["number"]))


def to_make(web: WebHarness, table: str) -> int:
    number: int = web.get(f"/api/tables/{table}")["table"]["totals"]["to_make"]
    return number


def prints(web: WebHarness, table: str) -> list[str]:
    sql = "SELECT fingerprint FROM table_rows WHERE table_id = ? ORDER BY id"
    return [row["fingerprint"] for row in web.select(sql, [table])]


def upgrade_from_before(web: WebHarness, table: str, presets: dict[str, Any] | None = None) -> None:
    """Let the words around the rows of a table be its own, as they were, and take them over."""
    with closing(database.connect(web.settings.database)) as db, database.transaction(db):
        db.execute("CREATE TABLE presets (name TEXT PRIMARY KEY, fields TEXT NOT NULL)")
        for name, fields in (presets or {}).items():
            values = {"name": name, "fields": json.dumps(fields)}
            db.execute("INSERT INTO presets (name, fields) VALUES (:name, :fields)", values)
        for each in ("tables", "batches"):
            for name in ("prefix", "suffix"):
                db.execute(f"ALTER TABLE {each} ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")
        words = {"id": table, "prefix": PREFIX, "suffix": SUFFIX}
        db.execute("UPDATE tables SET prefix = :prefix, suffix = :suffix WHERE id = :id", words)
        sql = "SELECT id, fields, sent FROM table_rows WHERE table_id = :id"
        for row in db.execute(sql, {"id": table}).fetchall():
            fields, sent = json.loads(row["fields"]), json.loads(row["sent"] or "{}")
            sent = {"prompt": fields.get("prompt", ""), **sent}
            if "prompt" in fields:
                fields["prompt"] = fields["prompt"].removeprefix(PREFIX).removesuffix(SUFFIX)
            values = {"id": row["id"], "fields": json.dumps(fields), "sent": json.dumps(sent)}
            db.execute("UPDATE table_rows SET fields = :fields, sent = :sent WHERE id = :id", values)
        make_recipes(db)


def test_a_table_asks_for_what_was_bought_and_follows_its_file_as_before(
    web: WebHarness, service: FakeJimeng
) -> None:
    table = new_table(web, by_openpyxl([HEADER, *LINES]))
    words = {row["id"]: row["prompt"].replace("蓝盘", "绿盘") for row in rows_of(web, table)}
    changes: list[dict[str, Any]] = [
        {"op": "set", "row": row_id, "values": {"prompt": around(text)}} for row_id, text in words.items()
    ]
    changes += [{"op": "add", "rows": [{"prompt": around("茶壶")}]}]
    answered(web.client.patch(f"/api/tables/{table}", json={"operations": changes}))
    web.post(f"/api/tables/{table}/run", {}, 202)
    web.run()
    unwritten = {"operations": [{"op": "add", "rows": [{"filename": "还没写"}]}]}
    answered(web.client.patch(f"/api/tables/{table}", json=unwritten))
    bought = prints(web, table)
    upgrade_from_before(web, table)

    found = rows_of(web, table)
    assert [row["state"] for row in found] == ["made"] * 4 + ["problem"]
    assert (prints(web, table), to_make(web, table)) == (bought, 0)
    assert [row["prompt"] for row in found[:4]] == [
        "白底，{原提示词}，高清",
        "白底，{SKU} 的碗，高清",
        "白底，绿盘，高清",
        "白底，{原提示词}，高清",
    ]
    assert [row["columns"]["原提示词"] for row in found[:4]] == ["白瓷杯", "{SKU} 的碗", "蓝盘", "茶壶"]
    assert [row.get("filename") for row in found[:3]] == ["杯", None, None]
    assert [(row.get("product"), row.get("role")) for row in found] == [
        *((row["number"], "图片") for row in found[:4]),
        (None, None),
    ]

    same = import_version(web, table, by_openpyxl([HEADER, *LINES]), apply="1")
    assert (same["unchanged"], same["changed"], to_make(web, table)) == (3, [], 0)
    results = load_workbook(io.BytesIO(web.client.get(f"/api/tables/{table}/results.xlsx?form=own").data))
    header = [cell.value for cell in next(results.worksheets[0].iter_rows())]
    assert header[3:] == ["状态", "原因", "文件", "费用", "选中", "缩略图", "AI 标识", "实际提示词"]
    newer = [["A-1", "青瓷杯", "杯"], *LINES[1:], ["A-4", "壶", ""]]
    import_version(web, table, by_openpyxl([HEADER, *newer]), apply="1")
    made = [row for row in rows_of(web, table) if row["state"] == "to_make"]
    assert [row["sent"]["prompt"] for row in made] == [around("青瓷杯"), around("壶")]
    assert (to_make(web, table), service.charges) == (2, 4)


@pytest.mark.parametrize(
    ("columns", "has_recipe"),
    [({}, True), ({"SKU": "A-1"}, True), ({"角色": "主图"}, False)],
    ids=["none", "own", "taken"],
)
def test_words_with_braces_are_sent_as_before(
    demo: WebHarness, columns: dict[str, str], has_recipe: bool
) -> None:
    words = ["{{原样}} {序号}", '{"a": {"b": "杯"}}', "{写着 cat}" if not columns else "{{", "x" * 2_500]
    rows = [{"prompt": around(each), "columns": columns, "number": n} for n, each in enumerate(words, 3)]
    table = demo.post("/api/tables", {"rows": rows}, 201)["table"]["id"]
    before, sent = prints(demo, table), [row.get("sent", {}).get("prompt") for row in rows_of(demo, table)]
    assert all(before)
    upgrade_from_before(demo, table)
    found = rows_of(demo, table)
    assert (prints(demo, table), {row["state"] for row in found}) == (before, {"to_make"})
    assert [row.get("sent", {}).get("prompt") or row["prompt"] for row in found] == [
        each or row["prompt"] for each, row in zip(sent, rows, strict=True)
    ]
    assert bool(demo.get(f"/api/tables/{table}")["table"]["recipe"]) == has_recipe


def test_presets_become_recipes_under_names_that_are_free(demo: WebHarness) -> None:
    fields = {"aspect_ratio": "4:3", "resolution": "800x600", "quality": "high", "suffix": "，极简"}
    answered(demo.client.put("/api/recipes/海报", json={"roles": [{"role": "主图", "prompt": "猫"}]}))
    table = demo.post("/api/tables", {"rows": [{"prompt": "猫"}]}, 201)["table"]["id"]
    upgrade_from_before(demo, table, {"海报": fields, "电商五张": {"resolution": "4K"}})
    own = {
        each["name"]: each["roles"] for each in demo.get("/api/recipes")["recipes"] if not each["built_in"]
    }
    del fields["suffix"]
    assert own["海报 2"] == [{"role": "图片", "prompt": "{原提示词}，极简", **fields}]
    assert own["电商五张 2"] == [{"role": "图片", "prompt": "{原提示词}", "resolution": "4K"}]
    assert own["海报"][0]["role"] == "主图"
