"""One day and the next: 100 rows, corrected and repaired, come back as they were, then changed."""

import io
import zipfile
from dataclasses import replace
from typing import Any

import pytest
from openpyxl import load_workbook

from app.config import Settings
from tests.web.api.test_table_import import import_version, new_table, rows_of
from tests.web.harness import WebHarness, answered
from tools.fakes.jimeng import FakeJimeng
from tools.workbooks.written import by_openpyxl

HEADER = ["SKU", "提示词", "图片比例", "文件名", "分辨率"]
EQUAL, CORRECTED, REFUSED = 17, 11, 5


def line(number: int) -> list[str]:
    """Of 100 rows 17 ask for what another does, 11 have a ratio that none has, 5 a word that is refused."""
    subject = number - 75 if number > 100 - EQUAL else number
    word = "违禁的" if 25 < subject <= 25 + REFUSED else ""
    ratio = "方的" if 50 < number <= 50 + CORRECTED else "1:1"
    return [f"QH-{number:04}", f"第 {subject} 款{word}茶具，白底主图", ratio, f"QH-{number:04}", "1K"]


ROWS = [line(number) for number in range(1, 101)]


def sheet(rows: list[list[str]]) -> bytes:
    return by_openpyxl([HEADER, *rows], title="双十二")


@pytest.fixture
def web(settings: Settings, service: FakeJimeng) -> WebHarness:
    service.image_format = "jpeg"
    return WebHarness(replace(settings, **service.settings(model_concurrency=8)))


def change(web: WebHarness, table: str, values: dict[int, dict[str, Any]]) -> None:
    """Set cells of rows, by their ids."""
    operations = [{"op": "set", "row": row_id, "values": each} for row_id, each in values.items()]
    answer = web.client.patch(f"/api/tables/{table}", json={"operations": operations})
    assert answer.status_code == 200, answer.text


def run(web: WebHarness, table: str) -> dict[str, Any]:
    """Make what is to be made -> the answer to the order."""
    placed = answered(web.client.post(f"/api/tables/{table}/run", json={"stop_after": None}), 202)
    web.run()
    return placed


def totals(web: WebHarness, table: str) -> dict[str, Any]:
    found: dict[str, Any] = web.get(f"/api/tables/{table}")["table"]["totals"]
    return found


def filled(web: WebHarness, table: str) -> list[tuple[str, str, str]]:
    """(SKU, state, file) of each line of the own workbook."""
    content = web.client.get(f"/api/tables/{table}/results.xlsx?form=own").data
    lines = load_workbook(io.BytesIO(content)).worksheets[0].iter_rows(min_row=2, values_only=True)
    return [(str(line[0]), str(line[5]), str(line[7])) for line in lines]


def test_what_was_made_and_repaired_one_day_is_known_the_next(web: WebHarness, service: FakeJimeng) -> None:
    table = new_table(web, sheet(ROWS), "双十二.xlsx")
    wrong = [row["id"] for row in rows_of(web, table) if row["state"] == "problem"]
    assert len(wrong) == CORRECTED
    change(web, table, {row_id: {"aspect_ratio": "1:1"} for row_id in wrong})
    said = totals(web, table)
    assert (said["rows"], said["to_make"]) == (100, 100 - EQUAL)
    first = run(web, table)
    assert first["price"] == said["price"]
    assert (len(first["records"]), len(first["shared"])) == (100 - EQUAL, EQUAL)
    refused = [row for row in rows_of(web, table) if row["state"] == "refused"]
    assert len(refused) == REFUSED
    words = [row["prompt"].replace("违禁的", "青花") for row in refused]
    words[-1] = words[0]  # two of them are equal now
    change(web, table, {row["id"]: {"prompt": text} for row, text in zip(refused, words, strict=True)})
    run(web, table)
    assert totals(web, table)["to_make"] == 0
    assert service.charges == 82
    with zipfile.ZipFile(io.BytesIO(web.client.get(f"/api/tables/{table}/archive.zip").data)) as bundle:
        assert {f"{row[3]}.jpg" for row in ROWS} <= {*bundle.namelist()}
    assert filled(web, table) == [(row[0], "成功", f"{row[3]}.jpg") for row in ROWS]

    same = import_version(web, table, sheet(ROWS), apply="1")
    numbers = {name: same[name] for name in ("unchanged", "changed", "new", "removed", "problems")}
    assert numbers == {"unchanged": 100, "changed": [], "new": 0, "removed": 0, "problems": []}
    assert same["corrected"] == CORRECTED + REFUSED
    assert (totals(web, table)["to_make"], totals(web, table)["price"]) == (0, 0)

    newer = [[*row] for row in ROWS]
    for number in range(30, 38):
        newer[number][1] = f"第 {number} 款茶具，黑底主图"
    del newer[70]
    newer[45:45] = [[f"XP-{number}", f"新品 {number}", "1:1", f"XP-{number}", "1K"] for number in range(12)]
    found = import_version(web, table, sheet(newer), apply="1")
    assert (found["unchanged"], found["new"], found["removed"]) == (91, 12, 1)
    assert [each["field"] for each in found["changed"]] == ["prompt"] * 8
    assert totals(web, table)["to_make"] == 20
    run(web, table)
    assert (service.charges, totals(web, table)["to_make"]) == (102, 0)
    delivered = filled(web, table)
    assert delivered[:111] == [(row[0], "成功", f"{row[3]}.jpg") for row in newer]
    assert [each[1:] for each in delivered[111:]] == [("成功", f"{ROWS[70][3]}.jpg")]
