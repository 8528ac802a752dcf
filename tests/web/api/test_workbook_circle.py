"""The user's workbook all the way round: imported, run, downloaded with results, edited, imported, run."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
from openpyxl import Workbook, load_workbook
from openpyxl.styles import Font

from tools.fakes.jimeng import FakeJimeng
from tools.server_process import ServerProcess, running_server
from tools.waiting import TIMEOUT
from tools.workbooks.written import saved

ROWS = 24
CHANGED = (12, 16, 20)  # lines of the file
DELETED = (24, 17, 5)
HEADER = ["SKU", "颜色", "提示词", "图片比例", "分辨率", "文件名", "交期"]
PROMPT = "{颜色}茶具 {SKU}，白底主图"
_REQUEST = ("number", "prompt", "negative_prompt", "aspect_ratio", "resolution", "num_images", "filename")


def line(sku: str, colour: str) -> list[str]:
    return [sku, colour, PROMPT, "1:1", "1K", "{SKU}-主图", "八月"]


def own_workbook() -> bytes:
    """Rows with own columns and variables, formats, and a sheet with formulas."""
    book = Workbook()
    page = book.worksheets[0]
    page.title = "七月新品"
    page.append(HEADER)
    for number in range(1, ROWS + 1):
        page.append(line(f"A-{number:03}", "红蓝"[number % 2] + "色"))
    page["A1"].font = Font(bold=True, color="FF0000")
    page.column_dimensions["C"].width = 41
    totals = book.create_sheet("合计")
    totals["A1"] = "=COUNTA(七月新品!A:A)-1"
    return saved(book)


def edited(content: bytes) -> bytes:
    """3 rows changed, 3 deleted, 5 added."""
    book = load_workbook(BytesIO(content))
    page = book["七月新品"]
    for number in CHANGED:
        page.cell(number, 2).value = "黑色"
    for number in DELETED:
        page.delete_rows(number)
    for number in range(1, 6):
        page.append(line(f"B-{number:03}", "白色"))
    return saved(book)


def imported(server: ServerProcess, content: bytes, name: str) -> dict[str, Any]:
    answer = requests.post(
        f"{server.address}/api/spreadsheet/import", files={"file": (name, content)}, timeout=TIMEOUT
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["problems"] == []
    return found


def rows_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in (*_REQUEST, "columns")} for row in found["rows"]]


def submitted(server: ServerProcess, found: dict[str, Any]) -> dict[str, Any]:
    """Submit what is not made yet."""
    body = {"rows": rows_of(found), "workbook": found["workbook"], "repeats": "skip"}
    return server.post("/api/batches", body)


@pytest.fixture
def servers(tmp_path: Path, service: FakeJimeng) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    """Two servers with one database."""
    settings = {**service.settings(), "model_concurrency": 8}
    shared = {"database_path": tmp_path / "generation_records.db", "output_dir": tmp_path / "output"}
    other = tmp_path / "other"
    other.mkdir()
    with running_server(tmp_path, **settings) as one, running_server(other, **settings, **shared) as two:
        yield one, two


def test_a_workbook_that_comes_back_is_charged_for_its_changes_once(
    servers: tuple[ServerProcess, ServerProcess], service: FakeJimeng
) -> None:
    one, two = servers
    first = submitted(one, imported(one, own_workbook(), "七月新品.xlsx"))
    one.wait_for_end(first["batch_id"], 8 * TIMEOUT)
    assert service.charges == ROWS
    prompts = {submission.body["prompt"] for submission in service.submissions}
    assert {"蓝色茶具 A-001，白底主图", "红色茶具 A-024，白底主图"} <= prompts
    assert len(prompts) == ROWS

    url = f"{one.address}/api/batches/{first['batch_id']}/results.xlsx?form=own"
    results = requests.get(url, timeout=4 * TIMEOUT).content
    book = load_workbook(BytesIO(results))
    page = book["七月新品"]
    assert [cell.value for cell in page[2]][:9] == [*line("A-001", "蓝色"), "成功", None]
    assert {page.cell(number, 8).value for number in range(2, ROWS + 2)} == {"成功"}
    assert (page["A1"].font.bold, page.column_dimensions["C"].width) == (True, 41)
    assert book["合计"]["A1"].value == "=COUNTA(七月新品!A:A)-1"

    back = imported(two, edited(results), "七月新品 改.xlsx")
    assert back["previous"]["batch_id"] == first["batch_id"]
    assert Counter(row["change"] for row in back["rows"]) == {"unchanged": 18, "changed": 3, "new": 5}
    assert {row["columns"]["颜色"] for row in back["rows"] if row["change"] == "changed"} == {"黑色"}
    assert [each["row"] for each in back["removed"]] == sorted(DELETED)

    found = two.post("/api/rows/check", {"rows": rows_of(back)})["total"]
    assert (found["made"], found["new"], found["pictures"]) == (18, 8, 26)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda server: submitted(server, back), [one, two] * 4))
    queued = [answer for answer in answers if answer["batch_id"]]
    assert [len(answer["records"]) for answer in queued] == [8]
    one.wait_for_end(queued[0]["batch_id"])
    assert service.charges == ROWS + 8
    assert two.post("/api/rows/check", {"rows": rows_of(back)})["total"]["new"] == 0
