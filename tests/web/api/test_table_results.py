"""What leaves the house for a table: every row under its own name, rows that share a picture included."""

import io
import zipfile
from typing import Any

from openpyxl import load_workbook

from tests.web.harness import WebHarness, import_sheet
from tools.workbooks.written import by_openpyxl, with_sheets

SHEET = [
    ["SKU", "提示词", "文件名", "图片比例"],
    ["A1", "猫", "一号", "1:1"],
    ["A2", "猫", "二号", "1:1"],
    ["A3", "{SKU} 的狗", "三号", "1:1"],
    ["A4", "鸟", "四号", "99:1"],
]


def table_of_sheet(web: WebHarness) -> str:
    """A table of SHEET; the picture of its first two rows was made for another order."""
    web.submit([{"prompt": "猫", "aspect_ratio": "1:1", "filename": "别处"}])
    web.run()
    imported = import_sheet(web.client, by_openpyxl(SHEET), "需求.xlsx")
    body = {"workbook": imported["workbook"]}
    table: str = web.post("/api/tables", body, 201)["table"]["id"]
    return table


def lines(content: bytes) -> list[dict[str, Any]]:
    first, *rest = load_workbook(io.BytesIO(content)).worksheets[0].iter_rows(values_only=True)
    return [dict(zip(map(str, first), row, strict=True)) for row in rest]


def test_the_results_of_a_table_have_a_line_for_each_row(web: WebHarness) -> None:
    table = table_of_sheet(web)
    found = lines(web.client.get(f"/api/tables/{table}/results.xlsx").data)
    assert [(line["行号"], line["SKU"], line["状态"], line["图片文件"]) for line in found] == [
        (2, "A1", "成功", "一号.png"),
        (3, "A2", "成功", "二号.png"),
        (4, "A3", None, None),
        (5, "A4", None, None),
    ]
    assert [line["费用（元）"] for line in found[:2]] == [0, 0]
    assert "99:1" in found[3]["原因"]


def test_the_own_workbook_of_a_table_is_filled_in_every_row_with_a_picture(web: WebHarness) -> None:
    table = table_of_sheet(web)
    found = lines(web.client.get(f"/api/tables/{table}/results.xlsx?form=own").data)
    assert [(line["SKU"], line["状态"], line["文件"], line["实际提示词"]) for line in found[:3]] == [
        ("A1", "成功", "一号.png", None),
        ("A2", "成功", "二号.png", None),
        ("A3", None, None, "A3 的狗"),
    ]


def test_the_own_workbook_of_a_table_of_several_sheets_is_filled_in_each(web: WebHarness) -> None:
    content = with_sheets({"春": [*SHEET[:2]], "夏": [SHEET[0], *SHEET[2:4]]})
    workbook = import_sheet(web.client, content, "需求.xlsx")["workbook"]
    body = {"workbook": workbook, "sheets": ["春", "夏"]}
    table = web.post("/api/tables", body, 201)["table"]["id"]
    import_sheet(web.client, content, "只看第一张.xlsx")
    web.post(f"/api/tables/{table}/run", {}, 202)
    web.run()
    book = load_workbook(io.BytesIO(web.client.get(f"/api/tables/{table}/results.xlsx?form=own").data))
    assert [[row[6].value for row in page.iter_rows(min_row=2)] for page in book.worksheets] == [
        ["一号.png"],
        ["二号.png", "三号.png"],
    ]


def test_the_zip_of_a_table_has_a_file_for_each_row(web: WebHarness) -> None:
    table = table_of_sheet(web)
    answer = web.client.get(f"/api/tables/{table}/archive.zip")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as bundle:
        assert bundle.namelist() == ["一号.png", "二号.png", "生成记录.xlsx"]
        assert bundle.read("一号.png") == bundle.read("二号.png")
    assert web.get(f"/api/tables/{table}/archive.zip?pick=keep", 404)["error"]
    (record,) = web.get("/api/records")["records"]
    web.post("/api/records/pick", {"ids": [record["id"]], "pick": "keep"})
    assert web.client.get(f"/api/tables/{table}/archive.zip?pick=keep").status_code == 200


def test_the_results_of_a_batch_have_its_rows_that_share(web: WebHarness) -> None:
    rows = [{"prompt": "猫", "filename": name} for name in ("一号", "二号")]
    batch_id = web.submit([*rows, {"prompt": "狗", "filename": "三号"}], repeats="skip")
    web.run()
    found = lines(web.client.get(f"/api/batches/{batch_id}/results.xlsx").data)
    assert [(line["行号"], line["图片文件"], line["费用（元）"]) for line in found] == [
        (1, "一号.png", 0.22),
        (2, "二号.png", 0),
        (3, "三号.png", 0.22),
    ]


def test_a_download_says_when_it_begins(web: WebHarness) -> None:
    table = web.post("/api/tables", {"rows": [{"prompt": "猫"}]}, 201)["table"]["id"]
    address = f"/api/tables/{table}/results.xlsx"
    assert "download=abc1;" in web.client.get(f"{address}?token=abc1").headers["Set-Cookie"]
    assert "Set-Cookie" not in web.client.get(f"{address}?token=a%0d%0ab").headers
    assert "Set-Cookie" not in web.client.get(address).headers
