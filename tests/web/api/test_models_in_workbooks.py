"""Models and options in workbooks, over the API: imported, run, exported and brought back."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from openpyxl import load_workbook

from app.config import Settings
from tests.web.harness import import_sheet, post
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.seedream import FakeSeedream
from tools.workbooks.written import by_openpyxl, saved
from web_app import create_app

DEFAULT, OTHER = "jimeng_t2i_v40", "jimeng_seedream46_cvtob"
ENGLISH = {"Accept-Language": "en"}
SEEDREAM = "Seedream 5.5"
REQUEST = (
    *("number", "prompt", "aspect_ratio", "resolution", "num_images", "model"),
    *("background", "output_format", "columns"),
)


@pytest.fixture
def client(settings: Settings) -> Iterator[FlaskClient]:
    """Jimeng 4.0, 4.6 with the same key, and Seedream; nothing is run."""
    with FakeJimeng() as jimeng, FakeSeedream() as seedream:
        keys = {**seedream.settings(), **jimeng.settings()}
        yield create_app(replace(settings, **keys)).test_client()


def imported(client: FlaskClient, content: bytes, **form: str) -> dict[str, Any]:
    return import_sheet(client, content, "秋款.xlsx", **form)


def submitted(client: FlaskClient, found: dict[str, Any], **fields: Any) -> str:
    rows = [{name: row[name] for name in REQUEST} for row in found["rows"]]
    body = {"rows": rows, "workbook": found["workbook"], "repeats": "skip", **fields}
    return str(post(client, "/api/batches", body, 202)["batch_id"])


def models_of(client: FlaskClient, batch_id: str) -> list[str]:
    records = client.get(f"/api/records?batch_id={batch_id}&status=queued&limit=100").get_json()["records"]
    return [record["model"] for record in sorted(records, key=lambda record: int(record["id"]))]


def changes(found: dict[str, Any]) -> list[str]:
    return [row["change"] for row in found["rows"]]


MIXED = by_openpyxl(
    [("SKU", "提示词", "模型"), ("a", "猫", ""), ("b", "猫", "即梦 4.6"), ("c", "狗", "即梦 4.0")]
)


def test_each_row_is_ordered_from_the_model_of_its_cell(client: FlaskClient) -> None:
    found = imported(client, MIXED)

    assert [row["model"] for row in found["rows"]] == ["", OTHER, DEFAULT]
    assert models_of(client, submitted(client, found)) == [DEFAULT, OTHER, DEFAULT]


@pytest.mark.parametrize("place", ["form", "query"])
def test_an_import_is_checked_against_the_model_of_the_page(client: FlaskClient, place: str) -> None:
    content = by_openpyxl([("提示词", "模型", "参考图"), ("猫", "", "a")])
    address = "/api/spreadsheet/import"

    def problems(model: str) -> list[str]:
        data = {"file": (BytesIO(content), "a.xlsx")} | ({"model": model} if place == "form" else {})
        query = {} if place == "form" else {"model": model}
        answer = client.post(address, data=data, query_string=query).get_json()
        return [problem["error"] for problem in answer["problems"]]

    (problem,) = problems("")
    assert problem.startswith("即梦 4.0 看不到这台电脑里的图")
    assert problems(SEEDREAM) == []


def test_an_unknown_model_of_the_page_is_refused(client: FlaskClient) -> None:
    file = {"file": (BytesIO(MIXED), "a.xlsx"), "model": "丙"}
    for answer in (
        client.post("/api/spreadsheet/import", data=file),
        client.post("/api/spreadsheet/export", json={"rows": [], "model": "丙"}),
        client.get("/api/spreadsheet/template.xlsx?model=丙"),
    ):
        assert (answer.status_code, answer.get_json()["field"]) == (400, "model")


@pytest.mark.parametrize("headers", [{}, ENGLISH])
def test_a_table_exported_in_either_language_is_imported_unchanged(
    client: FlaskClient, headers: dict[str, str]
) -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "猫", "model": OTHER, "reference_strength": 60, "background": "", "quality": "high"},
        {"prompt": "狗", "model": "", "reference_strength": None, "background": "opaque", "quality": ""},
    ]

    content = client.post("/api/spreadsheet/export", json={"rows": rows}, headers=headers).data
    again = imported(client, content)

    shown = load_workbook(BytesIO(content)).worksheets[0]["J2"].value
    assert shown == ("Jimeng 4.6" if headers else "即梦 4.6")
    assert [{name: row[name] for name in rows[0]} for row in again["rows"]] == rows
    assert again["problems"] == []


def test_the_drop_downs_are_those_of_the_model_of_the_page(client: FlaskClient) -> None:
    def resolutions(model: str) -> str:
        file = client.get("/api/spreadsheet/template.xlsx", query_string={"model": model}).data
        validations = load_workbook(BytesIO(file)).worksheets[0].data_validations.dataValidation
        return next(str(each.formula1) for each in validations if str(each.sqref).startswith("D"))

    assert resolutions("") == '"1K,2K,4K"'
    assert resolutions(SEEDREAM) == '"1K,2K"'


def test_a_changed_model_is_a_changed_row(client: FlaskClient) -> None:
    submitted(client, imported(client, MIXED))
    book = load_workbook(BytesIO(MIXED))
    book.worksheets[0]["C2"], book.worksheets[0]["C3"] = "即梦 4.6", OTHER

    found = imported(client, saved(book))

    assert changes(found) == ["changed", "unchanged", "unchanged"]
    assert found["rows"][0]["was"] == {"model": DEFAULT}


def test_a_changed_option_is_a_changed_row(client: FlaskClient) -> None:
    table = [("SKU", "提示词", "背景", "格式"), ("a", "猫", "透明", "png"), ("b", "狗", "透明", "png")]
    submitted(client, imported(client, by_openpyxl(table), model=SEEDREAM), model=SEEDREAM)
    table[1] = ("a", "猫", "不透明", "png")

    found = imported(client, by_openpyxl(table), model=SEEDREAM)

    assert changes(found) == ["changed", "unchanged"]
    assert found["rows"][0]["was"] == {"background": "transparent"}


def test_an_option_that_the_model_did_not_take_is_no_change(client: FlaskClient) -> None:
    content = by_openpyxl([("提示词", "质量"), ("猫", "高")])
    submitted(client, imported(client, content))

    assert changes(imported(client, content)) == ["unchanged"]


def test_rows_that_name_no_model_have_changed_when_the_page_has_another(client: FlaskClient) -> None:
    content = by_openpyxl([("SKU", "提示词"), ("a", "猫"), ("b", "狗"), ("c", "鱼")])
    submitted(client, imported(client, content, model=OTHER), model=OTHER)
    moved = by_openpyxl([("SKU", "提示词"), ("c", "鱼"), ("a", "猫"), ("d", "鸟")])

    same, other = imported(client, moved, model=OTHER), imported(client, moved)

    assert changes(same) == ["unchanged", "unchanged", "new"]
    assert not any("上次是用" in note for note in same["notes"])
    assert changes(other) == ["changed", "changed", "new"]
    assert other["rows"][0]["was"] == {"model": OTHER}
    assert [row["prompt"] for row in other["removed"]] == ["狗"]
    note = "上次是用 即梦 4.6 做的，现在选的是 即梦 4.0：没有写模型的行会重新生成、重新计费"
    assert note in other["notes"]


def test_results_name_the_model_of_each_row_and_come_back_unchanged(client: FlaskClient) -> None:
    batch_id = submitted(client, imported(client, MIXED))
    content = client.get(f"/api/batches/{batch_id}/results.xlsx", buffered=True).data
    sheet = load_workbook(BytesIO(content)).worksheets[0]
    at = [cell.value for cell in sheet[1]].index("模型")

    found, other = imported(client, content), imported(client, content, model=OTHER)

    assert [row[at].value for row in sheet.iter_rows(2)] == [DEFAULT, OTHER, DEFAULT]
    assert changes(found) == changes(other) == ["unchanged"] * 3
    assert [row["model"] for row in found["rows"]] == ["", OTHER, ""]
    assert [row["model"] for row in other["rows"]] == [DEFAULT, "", DEFAULT]


def test_exported_records_have_the_columns_of_their_options(client: FlaskClient) -> None:
    rows = [{"prompt": "猫", "model": SEEDREAM, "background": "transparent"}, {"prompt": "狗"}]
    records = client.post("/api/batches", json={"rows": rows}).get_json()["records"]

    def header(ids: Sequence[int]) -> set[Any]:
        query = {"ids": ",".join(map(str, ids))}
        content = client.get("/api/records/export.xlsx", query_string=query, buffered=True).data
        return {cell.value for cell in load_workbook(BytesIO(content)).worksheets[0][1]}

    assert header(records) - header(records[1:]) == {"背景"}
    assert header(records) >= {"模型", "提示词", "背景"}
