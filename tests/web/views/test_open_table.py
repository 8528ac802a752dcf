"""The addresses of 批量生成: the open table, and those of earlier versions."""

import re

from tests.web.harness import WebHarness, answered


def test_the_address_of_a_batch_leads_to_its_table_or_among_the_records(web: WebHarness) -> None:
    made = web.post("/api/batches", {"rows": [{"prompt": "猫"}], "source": "batch"}, 202)
    answer = web.client.get(f"/batch?id={made['batch_id']}")
    assert (answer.status_code, answer.location) == (302, f"/batch?table={made['table_id']}")
    single = web.post("/api/batches", {"rows": [{"prompt": "猫"}], "source": "single"}, 202)["batch_id"]
    assert web.client.get(f"/batch?id={single}").location == f"/records?batch_id={single}"
    assert web.client.get("/batch?id=none").status_code == 404


def test_a_table_is_opened_by_its_name_with_its_model(web: WebHarness) -> None:
    table = web.post("/api/tables", {"rows": [{"prompt": "猫"}], "name": "春季"}, 201)["table"]["id"]
    page = web.page(f"/batch?table={table}")
    assert "<title>春季 · AI 图片生成器</title>" in page
    assert f'data-table-id="{table}"' in page
    assert 'data-table-id=""' in web.page("/batch?new=1")


def test_a_deleted_table_says_so_and_comes_back_by_a_press(web: WebHarness) -> None:
    table = web.post("/api/tables", {"rows": [{"prompt": "猫"}], "name": "春季"}, 201)["table"]["id"]
    answered(web.client.delete(f"/api/tables/{table}"))
    assert "这个表格删掉了" in web.page(f"/batch?table={table}")
    restored = web.client.post("/batch/restore", data={"table": table})
    assert restored.location == f"/batch?table={table}"
    assert f'data-table-id="{table}"' in web.page(f"/batch?table={table}")
    assert "没有这个表格" in web.client.get("/batch?table=none").text


def test_the_pictures_come_with_the_page_whose_address_asks_for_them(web: WebHarness) -> None:
    table = web.post("/api/tables", {"rows": [{"prompt": "猫"}]}, 201)["table"]["id"]
    as_pictures = web.page(f"/batch?table={table}&view=pictures")
    preloaded = re.findall(r'<link rel="modulepreload" href="([^"]+)">', as_pictures)
    assert [url for url in preloaded if url.endswith("/batch/table/pictures.js")]
    assert all(web.client.get(url).status_code == 200 for url in preloaded)
    assert as_pictures.count("data-gallery ") == 1
    as_table = web.page(f"/batch?table={table}")
    assert "modulepreload" not in as_table
    assert "data-gallery " not in as_table
