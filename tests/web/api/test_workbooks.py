"""Imported files are kept with the batches submitted from them."""

import hashlib
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from openpyxl import load_workbook

import database
from app.config import Settings
from app.core.tables import workbooks
from tests.web.harness import get, import_sheet, post
from tools.workbooks.written import by_openpyxl, saved

CSV = "提示词\n猫\n狗\n".encode()


def imported(client: FlaskClient, content: bytes = CSV, name: str = "秋款.csv") -> dict[str, Any]:
    return import_sheet(client, content, name)


def submitted(client: FlaskClient, status: int = 202, **fields: Any) -> dict[str, Any]:
    return post(client, "/api/batches", {"rows": [{"prompt": "猫", "number": 2}], **fields}, status)


def batch_of(client: FlaskClient, batch_id: str) -> dict[str, Any]:
    found: dict[str, Any] = get(client, f"/api/batches/{batch_id}")["batch"]
    return found


def test_an_imported_file_is_kept_under_its_hash(client: FlaskClient, settings: Settings) -> None:
    workbook = imported(client)["workbook"]
    assert workbook == hashlib.sha256(CSV).hexdigest()
    with closing(database.connect(settings.database)) as db:
        file = database.get_workbook_file(db, workbook)
    assert (file.content, file.filename, file.sheet, file.header_row) == (CSV, "秋款.csv", "秋款", 1)


def test_a_batch_names_the_file_it_was_submitted_from(client: FlaskClient) -> None:
    workbook = imported(client)["workbook"]
    batch_id = submitted(client, workbook=workbook)["batch_id"]
    found = batch_of(client, batch_id)["workbook"]
    assert (found["id"], found["filename"]) == (workbook, "秋款.csv")
    assert batch_of(client, submitted(client)["batch_id"])["workbook"] is None


def test_an_unknown_file_is_refused_and_nothing_is_queued(client: FlaskClient) -> None:
    answer = submitted(client, status=400, workbook="0" * 64)
    assert answer["field"] == "workbook"
    assert "重新导入" in answer["error"]
    assert submitted(client, status=400, workbook=7)["field"] == "workbook"
    assert client.get("/api/batches").get_json()["total"] == 0


def test_a_file_that_no_batch_refers_to_is_deleted_after_seven_days(
    client: FlaskClient, settings: Settings
) -> None:
    used, unused = imported(client)["workbook"], imported(client, CSV + "鸟\n".encode())["workbook"]
    submitted(client, workbook=used)
    now = datetime.now(UTC)
    with closing(database.connect(settings.database)) as db:
        assert database.forget_workbooks(db, now=now + timedelta(days=6)) == 0
        assert database.forget_workbooks(db, now=now + timedelta(days=8)) == 1
        assert database.get_workbook_file(db, used)
    submitted(client, status=400, workbook=unused)


def test_the_oldest_files_without_a_batch_make_room_for_new_ones(
    client: FlaskClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = []
    for day in range(5):
        ids.append(imported(client, CSV + str(day).encode())["workbook"])
        if day == 0:
            submitted(client, workbook=ids[0])
        with closing(database.connect(settings.database)) as db, database.transaction(db):
            sql = "UPDATE workbooks SET imported_at = :at WHERE id = :id"
            db.execute(sql, {"at": f"2020-01-0{day + 1} 00:00:00", "id": ids[-1]})
    monkeypatch.setattr(workbooks, "_UNUSED_BYTES", 3 * len(CSV) + 10)
    ids.append(imported(client, CSV)["workbook"])
    with closing(database.connect(settings.database)) as db:
        kept = [each for each in ids if database.find_workbook(db, each)]
    assert kept == [ids[0], *ids[3:]]


def test_importing_a_file_again_keeps_it_for_another_seven_days(
    client: FlaskClient, settings: Settings
) -> None:
    workbook = imported(client)["workbook"]
    with closing(database.connect(settings.database)) as db:
        with database.transaction(db):
            db.execute("UPDATE workbooks SET imported_at = '2020-01-01 00:00:00'")
        imported(client, name="改名.csv")
        assert database.forget_workbooks(db, now=datetime.now(UTC)) == 0
        assert database.get_workbook_file(db, workbook).filename == "改名.csv"


def test_the_results_come_back_in_the_imported_file(client: FlaskClient) -> None:
    content = by_openpyxl([["SKU", "提示词"], ["A-1", "猫"]], title="秋款")
    workbook = imported(client, content, "秋款.xlsx")["workbook"]
    batch_id = submitted(client, workbook=workbook)["batch_id"]
    answer = client.get(f"/api/batches/{batch_id}/results.xlsx?form=own")
    assert answer.status_code == 200, answer.text
    assert "%E7%A7%8B%E6%AC%BE-%E7%BB%93%E6%9E%9C.xlsx" in answer.headers["Content-Disposition"]
    page = load_workbook(BytesIO(answer.data))["秋款"]
    assert [[cell.value for cell in row[:3]] for row in page.iter_rows()] == [
        ["SKU", "提示词", "状态"],
        ["A-1", "猫", "等待中"],
    ]


def test_a_batch_without_a_file_has_no_own_form(client: FlaskClient) -> None:
    url = f"/api/batches/{submitted(client)['batch_id']}/results.xlsx"
    assert client.get(f"{url}?form=own").status_code == 404
    assert client.get(f"{url}?form=other").status_code == 400
    assert client.get(url).status_code == 200


def test_what_the_file_cannot_carry_is_said_with_the_batch(client: FlaskClient) -> None:
    batch_id = submitted(client, workbook=imported(client)["workbook"])["batch_id"]
    (note,) = batch_of(client, batch_id)["workbook"]["notes"]
    assert "新的 .xlsx" in note


def test_the_batch_filter_leads_to_the_workbooks_of_its_batch(client: FlaskClient) -> None:
    batch_id = submitted(client, workbook=imported(client)["workbook"])["batch_id"]
    panel = client.get(f"/live/records/batches?batch_id={batch_id}").get_data(as_text=True)
    assert f"/api/batches/{batch_id}/results.xlsx?form=own" in panel
    assert "新的 .xlsx" in panel
    plain = submitted(client)["batch_id"]
    assert "form=own" not in client.get(f"/live/records/batches?batch_id={plain}").get_data(as_text=True)
    assert client.get("/live/records/batches?batch_id=none").status_code == 200


def sheet_of(rows: list[list[Any]]) -> bytes:
    return by_openpyxl([["SKU", "提示词", "图片比例"], *rows], title="秋款")


ROWS: list[list[Any]] = [[f"A-{number}", f"第 {number} 款", "1:1"] for number in range(1, 6)]


def run(client: FlaskClient, found: dict[str, Any]) -> str:
    """Submit all imported rows as a batch -> its id."""
    names = ("number", "prompt", "aspect_ratio", "columns")
    rows = [{name: row[name] for name in names} for row in found["rows"]]
    return str(submitted(client, rows=rows, workbook=found["workbook"], name="秋款")["batch_id"])


def changes(found: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(row["change"], row.get("was")) for row in found["rows"]]


def test_an_edited_copy_is_compared_row_by_row(client: FlaskClient) -> None:
    batch_id = run(client, imported(client, sheet_of(ROWS), "秋款.xlsx"))
    edited = [ROWS[0], ["A-9", "新的", "1:1"], ROWS[1], ["A-3", "第 3 款", "16:9"], ROWS[4]]
    found = imported(client, sheet_of(edited), "秋款.xlsx")
    previous = found["previous"]
    assert previous.pop("created_at").startswith("20")
    assert previous == {"batch_id": batch_id, "name": "秋款", "filename": "秋款.xlsx"}
    assert changes(found) == [
        ("unchanged", None),
        ("new", None),
        ("unchanged", None),
        ("changed", {"aspect_ratio": "1:1"}),
        ("unchanged", None),
    ]
    (removed,) = found["removed"]
    assert (removed["row"], removed["prompt"], len(removed["records"])) == (5, "第 4 款", 1)


def test_the_own_file_with_results_is_recognised_under_another_name(client: FlaskClient) -> None:
    batch_id = run(client, imported(client, sheet_of(ROWS), "秋款.xlsx"))
    book = load_workbook(BytesIO(client.get(f"/api/batches/{batch_id}/results.xlsx?form=own").data))
    book.worksheets[0]["B3"] = "改过的"
    found = imported(client, saved(book), "回来的.xlsx")
    assert found["previous"]["batch_id"] == batch_id
    assert [change for change, _ in changes(found)] == ["unchanged", "changed", *["unchanged"] * 3]
    assert found["rows"][0]["columns"] == {"SKU": "A-1"}


def test_a_seed_that_the_model_chose_is_no_change(client: FlaskClient, settings: Settings) -> None:
    found = imported(client, sheet_of(ROWS), "秋款.xlsx")
    run(client, found)
    with closing(database.connect(settings.database)) as db, database.transaction(db):
        db.execute("UPDATE generation_records SET status = 'success', seed = 1000 + id")
    back = imported(client, sheet_of(ROWS), "秋款.xlsx")
    assert {row["change"] for row in back["rows"]} == {"unchanged"}


def test_an_edited_row_of_the_results_that_had_succeeded_is_a_changed_row(
    client: FlaskClient, settings: Settings
) -> None:
    batch_id = run(client, imported(client, sheet_of(ROWS), "秋款.xlsx"))
    with closing(database.connect(settings.database)) as db, database.transaction(db):
        db.execute("UPDATE generation_records SET status = 'success'")
    book = load_workbook(BytesIO(client.get(f"/api/batches/{batch_id}/results.xlsx").data))
    page = book.worksheets[0]
    prompt = [cell.value for cell in page[1]].index("提示词") + 1
    page.cell(3, prompt).value = "改过的"
    page.delete_rows(6)
    found = imported(client, saved(book), "结果.xlsx")
    assert found["previous"]["batch_id"] == batch_id
    assert changes(found)[:2] == [("unchanged", None), ("changed", {"prompt": "第 2 款"})]
    assert [row["status"] for row in found["rows"]] == ["success", "", "success", "success"]
    assert [each["row"] for each in found["removed"]] == [6]


def test_a_first_file_and_another_one_of_its_name_are_not_compared(client: FlaskClient) -> None:
    other = sheet_of([["B", f"别的 {n}", "1:1"] for n in range(5)])
    first = imported(client, sheet_of(ROWS), "工作簿1.xlsx")
    run(client, first)
    for found in (first, imported(client, other, "工作簿1.xlsx")):
        assert (found["previous"], found["removed"]) == (None, [])
        assert "change" not in found["rows"][0]
