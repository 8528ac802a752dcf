"""Own columns and variables through the API: from the submitted row to the record."""

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.config import Settings
from tests.web.harness import import_sheet, post
from tools.noise_images import noise_image
from tools.workbooks.written import by_openpyxl


def submit(client: FlaskClient, *rows: object, **fields: Any) -> list[dict[str, Any]]:
    """Queue these rows -> their records."""
    found = post(client, "/api/batches", {"rows": rows, **fields}, 202)
    batch: dict[str, Any] = client.get(f"/api/batches/{found['batch_id']}").get_json()
    records: list[dict[str, Any]] = batch["records"]
    return records


def problems(client: FlaskClient, *rows: object) -> list[tuple[int, str, str]]:
    answer = post(client, "/api/batches", {"rows": rows}, 400)
    return [(one["row"], one["field"], one["error"]) for one in answer["problems"]]


@pytest.fixture
def library(settings: Settings) -> Path:
    """Reference images A1.png, and two named B2."""
    settings.samples_dir.mkdir(exist_ok=True)
    for name, kind in (("A1.png", "PNG"), ("B2.png", "PNG"), ("B2.jpg", "JPEG")):
        (settings.samples_dir / name).write_bytes(noise_image(kind, size=(20, 20)))
    return settings.samples_dir


def test_own_columns_are_kept_in_order_with_each_record(client: FlaskClient) -> None:
    columns = {"SKU": "A1", "客户": "", "交期": "=1+1"}
    records = submit(client, {"prompt": "猫", "columns": columns, "num_images": 2}, {"prompt": "狗"})

    assert [list(record["columns"].items()) for record in records] == [[*columns.items()]] * 2 + [[]]
    assert {str(record["templates"]) for record in records} == {"{}"}
    one = client.get(f"/api/records/{records[0]['id']}").get_json()["record"]
    assert one["columns"] == columns


def test_records_keep_what_is_sent_and_what_was_typed(client: FlaskClient) -> None:
    row = {
        "prompt": "画：一只{颜色}的猫。",
        "negative_prompt": "{{水印}}",
        "filename": "{SKU}-{序号}",
        "columns": {"SKU": "A1", "颜色": "红"},
    }
    (record,) = submit(client, row)

    assert (record["prompt"], record["negative_prompt"]) == ("画：一只红的猫。", "{水印}")
    assert record["requested_filename"] == "A1-1"
    assert record["templates"] == {name: row[name] for name in ("prompt", "negative_prompt", "filename")}


def test_a_record_made_again_keeps_columns_and_templates(client: FlaskClient) -> None:
    (first,) = submit(client, {"prompt": "画{{猫}}{SKU}", "columns": {"SKU": "A1"}})
    row = {name: first[name] for name in ("prompt", "columns", "templates")}
    (again,) = submit(client, row)

    assert again["prompt"] == first["prompt"] == "画{猫}A1"
    assert (again["columns"], again["templates"]) == (first["columns"], first["templates"])


def test_an_unknown_name_or_an_empty_cell_queues_nothing(client: FlaskClient) -> None:
    rows = [
        {"prompt": "{SKU}", "columns": {"SKU": "A1"}},
        {"prompt": "{sku}", "columns": {"SKU": ""}},
        {"prompt": "猫", "filename": "{客户}", "columns": {"SKU": "A3"}},
    ]

    assert problems(client, *rows) == [
        (2, "prompt", "这一行的「sku」是空的，请填好这一格"),
        (3, "filename", "没有「客户」这一列，请改成表里的列名；要写花括号本身，请连写两个"),
    ]
    assert client.get("/api/batches").get_json()["batches"] == []


def test_invalid_columns_are_a_problem_of_their_row(client: FlaskClient) -> None:
    assert problems(client, {"prompt": "猫", "columns": {"SKU": 1}}) == [
        (1, "columns", "columns 应为列名到文字的对象")
    ]


@pytest.mark.parametrize("name", ["prefix", "suffix"])
def test_words_around_all_rows_are_refused_and_not_left_out(client: FlaskClient, name: str) -> None:
    for path in ("/api/batches", "/api/rows/check"):
        answer = post(client, path, {"rows": [{"prompt": "猫"}], name: "白底"}, 400)
        assert "写进每一行的提示词" in answer["error"]


def test_a_reference_is_found_by_the_name_that_the_row_makes(client: FlaskClient, library: Path) -> None:
    images = [{"url": "", "filename": "{SKU}.png"}]
    (record,) = submit(client, {"prompt": "猫", "sample_images": images, "columns": {"SKU": "A1"}})

    assert [image["filename"] for image in record["sample_images"]] == ["A1.png"]
    assert record["sample_images"][0]["url"].startswith("/samples/files/")
    assert record["templates"] == {"sample_images": images}


def test_a_reference_name_of_none_or_several_images_is_a_problem(client: FlaskClient, library: Path) -> None:
    rows = [
        {"prompt": "猫", "sample_images": [{"url": "", "filename": name}], "columns": {"SKU": sku}}
        for name, sku in (("{SKU}.png", "C3"), ("{SKU}", "B2"), ("A1", "x"))
    ]

    assert problems(client, *rows) == [
        (1, "sample_images", "示例图里没有「C3.png」，请先上传"),
        (2, "sample_images", "示例图里有 2 张都叫「B2」，请选定一张"),
    ]


def test_a_single_picture_takes_variables_too(client: FlaskClient) -> None:
    answer = post(
        client, "/api/batches", {"rows": [{"prompt": "{猫} {行号}", "number": 12}], "source": "single"}, 202
    )

    record = client.get(f"/api/batches/{answer['batch_id']}").get_json()["records"][0]
    assert record["prompt"] == "{猫} 12"


def test_an_import_looks_references_up_by_the_name_that_the_row_makes(
    client: FlaskClient, library: Path
) -> None:
    rows = [
        ("提示词", "参考图", "SKU"),
        ("猫", "{SKU}.png", "A1"),
        ("狗", "{SKU}.png", "C3"),
        ("鸟", "A1", None),
    ]
    found = import_sheet(client, by_openpyxl(rows))

    keys = ("row", "name", "filename", "match")
    assert [tuple(one[key] for key in keys) for one in found["references"]] == [
        (2, "{SKU}.png", "A1.png", "exact"),
        (3, "{SKU}.png", "C3.png", "missing"),
        (4, "A1", "A1", "exact"),
    ]
    assert [row["columns"] for row in found["rows"]] == [{"SKU": "A1"}, {"SKU": "C3"}, {"SKU": ""}]
    assert import_sheet(client, by_openpyxl([("提示词",), ("猫",)]))["rows"][0]["columns"] == {}


def test_own_columns_go_from_sheet_to_results_and_back(client: FlaskClient) -> None:
    header, row = ("客户", "提示词", "SKU", "交期"), ("张三", "{客户}的猫", "=007", "下周")
    found = import_sheet(client, by_openpyxl([header, row], change=as_text))
    (record,) = submit(client, {**found["rows"][0], "sample_images": []})

    own = {"客户": "张三", "SKU": "=007", "交期": "下周"}
    assert (record["prompt"], list(record["columns"].items())) == ("张三的猫", list(own.items()))
    client.post(f"/api/batches/{record['batch_id']}/cancel")
    for answer in (
        client.post("/api/spreadsheet/export", json={"rows": found["rows"]}),
        client.get(f"/api/batches/{record['batch_id']}/results.xlsx"),
        client.get(f"/api/records/export.xlsx?ids={record['id']}"),
    ):
        with answer:
            assert list(import_sheet(client, answer.data)["rows"][0]["columns"].items()) == list(own.items())


def as_text(sheet: Any) -> None:
    """Make every cell text, also those that look like a formula."""
    for cells in sheet.iter_rows():
        for cell in cells:
            cell.data_type = "s"
