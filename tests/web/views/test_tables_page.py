"""The list of tables on 批量生成, and the menu of an open one."""

import re
from typing import Any

from tests.web.harness import WebHarness

CAT, DOG = {"prompt": "猫"}, {"prompt": "狗"}


def new(web: WebHarness, *rows: object, **fields: Any) -> str:
    table: str = web.post("/api/tables", {"rows": rows, **fields}, 201)["table"]["id"]
    return table


def text(web: WebHarness, path: str) -> str:
    """The words of a fragment, in one line."""
    html = web.client.get(path).text
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def test_a_table_of_the_list_says_what_is_made_what_is_to_be_made_and_what_it_cost(web: WebHarness) -> None:
    table = new(web, CAT, CAT, DOG, {"prompt": "鸟", "aspect_ratio": "歪的"}, {}, name="双十二")
    assert "双十二 4 行 要做 2 张 · ¥0.44 今天" in text(web, "/live/tables")
    ids = [row["id"] for row in web.get(f"/api/tables/{table}")["rows"]]
    web.post(f"/api/tables/{table}/run", {"rows": ids[:2]}, 202)
    assert "双十二 生成中 4 行 做好 0，还有 1" in text(web, "/live/tables")
    web.run()
    assert "双十二 4 行 要做 1 张 · ¥0.22 已花 ¥0.22 今天" in text(web, "/live/tables")
    (record,) = web.get(f"/api/tables/{table}")["rows"][0]["pictures"]
    assert re.findall(r'<img\s+src="([^"]+)"', web.client.get("/live/tables").text) == [
        f"/thumbnails/{record['record_id']}"
    ]


def test_a_trial_that_is_made_waits_for_somebody(web: WebHarness) -> None:
    table = new(web, CAT, DOG)
    web.post(f"/api/tables/{table}/run", {"sample": 1}, 202)
    web.run()
    assert "没有名字 · 猫 等你看图 2 行 试了 1 行，等你看" in text(web, "/live/tables")


def test_tables_are_found_put_away_and_listed_a_page_at_a_time(web: WebHarness) -> None:
    for n in range(32):
        new(web, name=f"第 {n:02} 个")
    put_away = new(web, name="旧的")
    web.client.put(f"/api/tables/{put_away}", json={"archived": True})
    first = web.client.get("/live/tables").text
    assert re.findall(r"第 \d\d 个(?=</a>)", first) == [f"第 {n:02} 个" for n in reversed(range(2, 32))]
    assert 'href="/batch?limit=60"' in first
    assert "共 32 个，这里是最近的 30 个" in text(web, "/live/tables")
    assert web.client.get("/live/tables?limit=60").text.count("data-tables-item") == 32
    assert "旧的" in text(web, "/live/tables?archived=1")
    assert text(web, "/live/tables?search=07").startswith("第 07 个")
    assert "名字里没有「&lt;b&gt;」的表格" in text(web, "/live/tables?search=<b>")
    assert "全部表格（32）" in text(web, "/live/tables/menu")
    assert web.client.get(f"/live/tables/menu?open={put_away}&search=1").text.count("tables-choice") == 8


def test_the_list_is_sent_again_only_when_it_changed(web: WebHarness) -> None:
    new(web, CAT)
    tag = web.client.get("/live/tables").headers["ETag"]
    assert web.client.get("/live/tables", headers={"If-None-Match": tag}).status_code == 304
    new(web, DOG)
    assert web.client.get("/live/tables", headers={"If-None-Match": tag}).status_code == 200
