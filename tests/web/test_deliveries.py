"""Deliveries over HTTP: planned, made by portions, sent as a ZIP, and remembered."""

import io
import zipfile
from collections.abc import Sequence
from typing import Any

from tests.web.harness import WebHarness

ROWS: list[dict[str, Any]] = [
    {"prompt": "猫", "filename": "红/猫一", "columns": {"SKU": "A1"}},
    {"prompt": "猫", "filename": "猫二", "columns": {"SKU": "A2"}},
    {"prompt": "狗", "num_images": 2, "filename": "狗", "columns": {"SKU": "A3"}},
    {"prompt": "鸟", "filename": "鸟", "columns": {"SKU": ""}},
]


def table_of(web: WebHarness, rows: Sequence[dict[str, Any]] = ROWS) -> str:
    """A table whose pictures are made, and kept but that of the last row."""
    table: str = web.post("/api/tables", {"rows": rows, "name": "春季"}, 201)["table"]["id"]
    web.post(f"/api/tables/{table}/run", {}, 202)
    web.run()
    ids = [record["id"] for record in web.get("/api/records")["records"] if record["prompt"] != "鸟"]
    web.post("/api/records/pick", {"ids": ids, "pick": "keep"})
    return table


def delivered(web: WebHarness, table: str, profile: str = "京东 主图", **fields: object) -> str:
    """Plan a delivery and make all of its files -> its id."""
    body = {"table": table, "profile": profile, **fields}
    delivery_id: str = web.post("/api/deliveries", body, 201)["id"]
    while (total := web.post(f"/api/deliveries/{delivery_id}/make")["total"])["made"] < total["files"]:
        assert not total["failed"]
    return delivery_id


def test_a_delivery_is_planned_then_made_by_calls(demo: WebHarness) -> None:
    table = table_of(demo)
    planned = demo.post("/api/deliveries", {"table": table, "profile": "京东 主图"}, 201)
    names = ["主图/红/猫一.jpg", "主图/猫二.jpg", "主图/狗_1.jpg", "主图/狗_2.jpg"]
    assert [file["name"] for file in planned["files"]] == names
    assert [(one["row"], one["field"]) for one in planned["problems"]] == [(4, "pick")]
    assert (planned["counts"], planned["total"]["made"]) == ({"keep": 4, "all": 5}, 0)
    made = demo.post(f"/api/deliveries/{planned['id']}/make")
    while made["total"]["made"] < 4:
        made = demo.post(f"/api/deliveries/{planned['id']}/make")
    assert made["total"]["bytes"] > 0


def test_the_zip_has_the_files_the_workbook_and_the_note(demo: WebHarness) -> None:
    delivery_id = delivered(demo, table_of(demo))
    answer = demo.client.get(f"/api/deliveries/{delivery_id}.zip")
    assert answer.content_length == len(answer.data)
    with zipfile.ZipFile(io.BytesIO(answer.data)) as bundle:
        assert bundle.namelist()[-2:] == ["交付清单.xlsx", "交付说明.txt"]
