"""A file that comes back, over HTTP: the table it is a version of, its sheets, and the choices in it."""

import io
from typing import Any

from openpyxl import load_workbook

from tests.web.harness import WebHarness, answered, import_sheet
from tools.workbooks.written import by_openpyxl, saved, with_sheets

HEADER = ["SKU", "提示词", "图片比例"]
ROWS = [[f"A-{n}", f"第 {n} 款", "1:1"] for n in range(1, 7)]


def sheet(rows: list[list[Any]]) -> bytes:
    return by_openpyxl([HEADER, *rows])


def new_table(web: WebHarness, content: bytes, name: str = "双十二.xlsx", **fields: Any) -> str:
    """A table of the rows of a file -> its id."""
    workbook = import_sheet(web.client, content, name)["workbook"]
    table: str = web.post("/api/tables", {"workbook": workbook, **fields}, 201)["table"]["id"]
    return table


def import_version(
    web: WebHarness, table: str, content: bytes, status: int = 200, **form: object
) -> dict[str, Any]:
    data = {"file": (io.BytesIO(content), "v2.xlsx"), **form}
    return answered(web.client.post(f"/api/tables/{table}/import", data=data), status)


def rows_of(web: WebHarness, table: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = web.get(f"/api/tables/{table}")["rows"]
    return rows


def test_an_import_names_the_table_whose_rows_are_in_the_file(web: WebHarness) -> None:
    table = new_table(web, sheet(ROWS))
    newer = [*ROWS[1:5], ["A-6", "第 6 款", "16:9"], ["B-1", "新的", "1:1"]]
    found = import_sheet(web.client, sheet(newer), "需求-改 (1).xlsx")
    numbers = {"unchanged": 4, "changed": 1, "new": 1, "removed": 1}
    assert found["table"] == {"id": table, "name": "双十二", **numbers}
    assert [row["change"] for row in found["rows"]] == [*["unchanged"] * 4, "changed", "new"]
    assert found["rows"][4]["was"] == {"aspect_ratio": "1:1"}
    assert found["removed"] == [{"row": 2, "prompt": "第 1 款", "records": []}]


def test_an_import_carries_the_check_of_its_rows_when_asked(web: WebHarness) -> None:
    web.submit([{"prompt": "第 1 款", "aspect_ratio": "1:1"}])
    content = sheet([*ROWS[:2], ["A-9", "第 9 款", "99:1"]])
    found = import_sheet(web.client, content, check="1")["check"]
    assert [(row["row"], row["missing"], len(row["problems"])) for row in found["rows"]] == [
        (2, 0, 0),
        (3, 1, 0),
        (4, 0, 1),
    ]
    assert found["total"] == {"pictures": 2, "price": 0.22, "made": 1, "new": 1}
    assert "check" not in import_sheet(web.client, content)


def test_a_version_is_shown_then_applied_and_undone(web: WebHarness) -> None:
    table = new_table(web, sheet(ROWS))
    newer = sheet([*ROWS[1:5], ["A-6", "第 6 款", "16:9"], ["B-1", "新的", "1:1"]])
    shown = import_version(web, table, newer)
    change = {"row": 7, "field": "aspect_ratio", "before": "1:1", "now": "16:9"}
    assert {name: shown[name] for name in ("unchanged", "changed", "new", "removed", "corrected")} == {
        "unchanged": 4,
        "changed": [change],
        "new": 1,
        "removed": 1,
        "corrected": 0,
    }
    before = rows_of(web, table)
    applied = import_version(web, table, newer, apply="1")
    assert applied["version"] > shown["version"]
    after = {row["number"]: row for row in rows_of(web, table)}
    assert (after[7]["aspect_ratio"], after[8]["prompt"]) == ("16:9", "新的")
    assert [row["prompt"] for row in after.values() if row.get("is_gone")] == ["第 1 款"]
    assert import_version(web, table, newer, apply="1")["version"] == applied["version"]
    web.post(f"/api/tables/{table}/undo", {"version": applied["version"]})
    assert rows_of(web, table) == before
    assert import_version(web, table, newer, 400, apply="ja")["field"] == "apply"
    assert import_version(web, "none", newer, 404)["error"]


def test_a_stored_file_is_read_again_by_its_id_and_its_lines_are_added_as_new_rows(web: WebHarness) -> None:
    table = new_table(web, sheet(ROWS[:2]))
    short = import_sheet(web.client, sheet([["A-8", "第 8 款", "歪的"]]), rows="0")
    assert (short["count"], short["table"], "rows" in short, len(short["problems"])) == (1, None, False, 1)
    answer = web.client.post(
        f"/api/tables/{table}/import", data={"workbook": short["workbook"], "apply": "new"}
    )
    added = answered(answer, 200)
    assert (added["count"], added["new"], added["removed"], added["problems"][0]["row"]) == (1, 1, 0, 4)
    assert [row["number"] for row in rows_of(web, table)] == [2, 3, 4]
    assert import_version(web, table, sheet([["A-8", "第 8 款", "歪的"]]))["unchanged"] == 1
    web.post(f"/api/tables/{table}/undo", {"version": added["version"]})
    assert [row["prompt"] for row in rows_of(web, table)] == ["第 1 款", "第 2 款"]
    missing = web.client.post("/api/spreadsheet/import", data={"workbook": "没有"})
    assert "请重新导入" in answered(missing, 404)["error"]


def test_what_a_file_has_past_its_bounds_is_kept_and_marked(web: WebHarness) -> None:
    content = by_openpyxl([["SKU", "提示词", "生成数量"], ["A-1", "长" * 10_001, 12], ["A-2", "第 2 款", 2]])
    table = new_table(web, content)
    first, second = rows_of(web, table)
    assert (first["num_images"], len(first["prompt"]), first["state"]) == ("12", 10_001, "problem")
    assert {problem["field"] for problem in first["problems"]} == {"prompt", "num_images"}
    assert (second["num_images"], second["state"]) == (2, "to_make")
    assert import_version(web, table, content, apply="1")["unchanged"] == 2
    added = web.client.post(
        f"/api/tables/{table}/import",
        data={"apply": "new", "workbook": import_sheet(web.client, content)["workbook"]},
    )
    assert (answered(added)["new"], len(rows_of(web, table))) == (2, 4)


def test_all_sheets_of_a_workbook_make_one_table(web: WebHarness) -> None:
    content = with_sheets({"春": [HEADER, *ROWS[:2]], "夏": [HEADER, *ROWS[2:]], "说明": [["看这里"]]})
    found = import_sheet(web.client, content, sheets=["夏", "春"])
    assert found["sheets"] == [{"name": "春", "rows": 2}, {"name": "夏", "rows": 4}]
    table = new_table(web, content, sheets=["春", "夏"])
    assert [(row["number"], row["columns"]["工作表"]) for row in rows_of(web, table)] == [
        *((2, "春"), (3, "春")),
        *((5, "夏"), (6, "夏"), (7, "夏"), (8, "夏")),
    ]
    same = import_version(web, table, content, sheets=["春", "夏"])
    assert (same["unchanged"], same["new"], same["removed"]) == (6, 0, 0)


def test_rows_that_were_corrected_before_they_became_a_table_keep_the_cells_of_their_file(
    web: WebHarness,
) -> None:
    content = sheet([["A-1", "第 1 款", "歪的"], *ROWS[1:]])
    found = import_sheet(web.client, content, "双十二.xlsx")
    rows = [{**row, "aspect_ratio": "16:9"} for row in found["rows"]]
    web.post("/api/tables", {"workbook": found["workbook"], "rows": rows}, 201)
    back = import_sheet(web.client, content, "双十二(1).xlsx")
    assert {row["change"] for row in back["rows"]} == {"unchanged"}
    assert (back["problems"], back["rows"][0]["aspect_ratio"]) == ([], "16:9")


def test_the_choices_and_comments_of_the_client_are_applied_and_undone(web: WebHarness) -> None:
    table = new_table(web, sheet(ROWS[:3]))
    web.submit([{"prompt": row[1], "aspect_ratio": "1:1"} for row in ROWS[:3]])
    web.run()
    records = [row["pictures"][0]["record_id"] for row in rows_of(web, table)]
    web.post("/api/records/pick", {"ids": records[1:2], "pick": "keep"})
    for form, first in (("?form=own", 2), ("", 2)):
        book = load_workbook(io.BytesIO(web.client.get(f"/api/tables/{table}/results.xlsx{form}").data))
        page = book.worksheets[0]
        column = [cell.value for cell in page[1]].index("选中") + 1
        page.cell(first, column).value, page.cell(first + 1, column).value = "√", "不要"
        page.cell(1, page.max_column + 1).value = "客户意见"
        page.cell(first + 2, page.max_column).value = f"太暗{form}"
        applied = import_version(web, table, saved(book), apply="1")
        assert [(mark["row"], mark["pick"], mark["comment"]) for mark in applied["marks"]] == [
            (2, "keep", ""),
            (3, "reject", ""),
            (4, None, f"太暗{form}"),
        ]
        assert (applied["unchanged"], applied["changed"], applied["new"]) == (3, [], 0)
        assert [web.record(record)["pick"] for record in records] == ["keep", "reject", None]
        assert rows_of(web, table)[2]["columns"]["客户意见"] == f"太暗{form}"
        web.post(f"/api/tables/{table}/undo", {"version": applied["version"]})
        assert [web.record(record)["pick"] for record in records] == [None, "keep", None]


def test_results_do_not_take_the_place_of_the_file(web: WebHarness) -> None:
    table = new_table(web, sheet(ROWS[:3]))
    web.post(f"/api/tables/{table}/run", {}, 202)
    web.run()
    book = load_workbook(io.BytesIO(web.client.get(f"/api/tables/{table}/results.xlsx").data))
    book.worksheets[0].delete_rows(4)
    import_version(web, table, saved(book), apply="1")
    assert not any(row.get("is_gone") for row in rows_of(web, table))
    same = import_version(web, table, sheet(ROWS[:3]))
    assert (same["unchanged"], same["corrected"], same["removed"]) == (3, 0, 0)


def test_a_table_takes_more_rows_of_a_file_than_can_be_started_at_once(web: WebHarness) -> None:
    content = ("提示词\n" + "".join(f"第 {n} 款\n" for n in range(5_001))).encode()
    found = import_sheet(web.client, content, "双十二.csv", check="1")
    assert found["check"]["total"]["new"] == 5_001
    assert any("一次最多开始 5000 行" in note for note in found["notes"])
    table = web.post("/api/tables", {"workbook": found["workbook"]}, 201)["table"]["id"]
    refused = web.post(f"/api/tables/{table}/run", {}, 400)["error"]
    assert refused == "一次最多开始 5000 行，现在有 5001 行，请选出一部分行再开始"
