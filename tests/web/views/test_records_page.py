"""生成记录 as rendered HTML: every URL is answered and its effect is shown."""

import json
import re
from contextlib import closing
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

import database
from app.config import Settings
from tests.web.harness import WebHarness
from web_app import create_app

ROWS = [
    ("一只猫", "success", "1:1"),
    ("两只<b>狗</b>", "success", "16:9"),
    ("雪山", "failed", "16:9"),
    ("等着的", "queued", "1:1"),
]


def fill(db: database.Connection) -> None:
    """Three finished records and one queued."""
    db.executemany(
        """
        INSERT INTO generation_records (prompt, status, aspect_ratio, resolution, model, error)
        VALUES (?, ?, ?, '2K', 'demo', '没有通过审核')
        """,
        ROWS,
    )


@pytest.fixture
def client(settings: Settings, db: database.Connection) -> FlaskClient:
    fill(db)
    return create_app(settings).test_client()


@pytest.fixture(scope="module")
def app(module_demo: WebHarness) -> Flask:
    with closing(database.connect(module_demo.settings.database)) as db:
        fill(db)
    return module_demo.client.application


@pytest.fixture
def visitor(app: Flask) -> FlaskClient:
    """A new client of an app whose records are only read."""
    return app.test_client()


def add_batch(db: database.Connection, batch_id: str, name: str, **fields: Any) -> None:
    names = {"source": "batch", "total": 1, "estimated_micros": 0, "version": 1} | fields
    values = {"id": batch_id, "name": name, **names}
    columns, places = ", ".join(values), ", ".join(f":{column}" for column in values)
    db.execute(f"INSERT INTO batches ({columns}) VALUES ({places})", values)


def page(client: FlaskClient, query: str = "") -> str:
    answer = client.get(f"/records{query}")
    assert answer.status_code == 200
    return answer.text


def ids(html: str) -> list[int]:
    return [int(number) for number in re.findall(r'<(?:tr|li)[^>]* data-record-id="(\d+)"', html)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [3, 2, 1]),
        ("?sort=oldest", [1, 2, 3]),
        ("?search=猫 只&words=all", [1]),
        ("?status=failed,queued", [4, 3]),
        ("?view=grid", [3, 2, 1]),
        ("?page=99", [3, 2, 1]),
        ("?page=-1&limit=many", [3, 2, 1]),
        ("?trash=1", []),
    ],
)
def test_the_url_determines_the_list(visitor: FlaskClient, query: str, found: list[int]) -> None:
    assert ids(page(visitor, query)) == found


def test_only_the_trash_is_called_the_trash(visitor: FlaskClient) -> None:
    assert "<title>回收站" in page(visitor, "?trash=1")
    assert "<title>生成记录" in page(visitor, "?trash=0")


def test_invalid_query_values_are_reported_on_the_page(visitor: FlaskClient) -> None:
    html = page(visitor, "?status=lost")
    assert "暂无记录" in html
    assert "没有「lost」这种状态" in html


@pytest.mark.parametrize("query", ["?search=没有的词", "?trash=1", "?batch_id=nowhere"])
def test_an_empty_list_explains_what_to_do(visitor: FlaskClient, query: str) -> None:
    html = page(visitor, query)
    empty = html[html.index('class="empty"') :]
    assert "暂无记录" in empty
    assert '<a class="button"' in empty


def test_the_fragment_is_the_part_of_the_page_below_the_search(visitor: FlaskClient) -> None:
    answer = visitor.get("/live/records?search=猫")
    assert ids(answer.text) == [1]
    assert "<html" not in answer.text
    assert int(answer.headers["X-Version"]) >= 0
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_filter_link_keeps_the_rest_of_the_query_and_resets_the_page(visitor: FlaskClient) -> None:
    html = page(visitor, "?search=只&status=success&page=2&view=grid")
    link = re.search(r'href="([^"]*)"[^>]*data-focus-key="aspect_ratio:16:9"', html)
    assert link
    address = link[1].replace("&amp;", "&")
    assert "search=" in address
    assert "status=success" in address
    assert "aspect_ratio=16:9" in address
    assert "page=" not in address


def test_a_linked_record_outside_the_page_is_shown_above_the_list(visitor: FlaskClient) -> None:
    assert visitor.get("/records/1").headers["Location"] == "/records?record=1"
    assert "data-permalink" not in page(visitor, "?record=1")
    assert 'aria-label="记录 1"' in page(visitor, "?record=1&status=failed")
    assert "没有编号 99 的记录" in page(visitor, "?record=99")


def test_buttons_without_javascript_delete_and_restore(client: FlaskClient) -> None:
    answer = client.post("/records?status=failed,success&page=1", data={"delete": "2"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/records?status=failed,success&page=1")
    assert ids(page(client)) == [3, 1]
    client.post("/records", data={"delete": "picked", "ids": ["1", "3", "x", "9" * 30]})
    assert ids(page(client)) == []
    client.post("/records?trash=1", data={"restore": "picked", "ids": ["1", "2"]})
    assert ids(page(client)) == [2, 1]


def test_buttons_without_javascript_export_exactly_the_ticked_records(visitor: FlaskClient) -> None:
    answer = visitor.post("/records?status=failed", data={"carry": "archive", "ids": ["1", "2", "x"]})
    assert answer.headers["Location"] == "/api/records/archive.zip?ids=1,2"
    answer = visitor.post("/records", data={"carry": "export", "ids": ["3"]})
    assert answer.headers["Location"] == "/api/records/export.xlsx?ids=3"
    answer = visitor.post("/records?status=failed", data={"carry": "archive"})
    assert answer.headers["Location"] == "/records?status=failed"


def test_while_the_index_is_built_the_page_shows_progress_and_finds_everything(
    client: FlaskClient, db: database.Connection
) -> None:
    assert "正在建立搜索索引" not in page(client)
    rows = [(f"草稿 {number}",) for number in range(1_500)]
    with database.transaction(db):
        db.executemany("INSERT INTO generation_records (prompt) VALUES (?)", rows)
    html = page(client, "?search=雪")
    assert "建立索引" in html
    assert "0 / 1,503" in html
    assert ids(html) == [3]


def test_the_batch_filter_lists_no_single_images(client: FlaskClient, db: database.Connection) -> None:
    add_batch(db, "b", "春季")
    for number in range(40):
        add_batch(db, f"single {number}", f"单张 {number}", source="single")
    choices = client.get("/live/records/batches").text
    assert "春季" in choices
    assert "单张" not in choices


def test_rows_are_named_in_the_large_view_only_for_batches_made_from_a_table(client: FlaskClient) -> None:
    for source, numbers in (("batch", ["1", "1"]), ("single", [])):
        batch = {"rows": [{"prompt": source, "num_images": 2}], "source": source}
        made = client.post("/api/batches", json=batch).get_json()
        html = page(client, f"?batch_id={made['batch_id']}&status=queued")
        assert len(ids(html)) == 2
        assert re.findall(r'data-row-number="(\d+)"', html) == numbers


@pytest.mark.parametrize("line_end", ["\r\n", "\r\r\n", "\r"])
def test_a_search_with_the_line_end_of_the_prompt_finds_it(client: FlaskClient, line_end: str) -> None:
    client.post("/api/batches", json={"rows": [{"prompt": f"第一行{line_end}第二行"}]})
    answer = client.get("/api/records", query_string={"search": f"行{line_end}第", "status": "queued"})
    assert answer.get_json()["total"] == 1


def test_an_unnamed_batch_is_labelled_by_its_local_time(client: FlaskClient, db: database.Connection) -> None:
    add_batch(db, "b", "", created_at="2026-11-26 00:43:00")
    local = '<time datetime="2026-11-26T00:43:00Z">'
    assert local in client.get("/live/records/batches").text
    html = page(client, "?batch_id=b")
    assert local in html
    title = r"\d\d:43 的批次 · 生成记录 · AI 图片生成器"
    assert re.search(f"<title>[^<>]*{title}</title>", html)
    assert re.search(
        f'data-title="[^<>]*{title}"[^>]* data-filter=', client.get("/live/records?batch_id=b").text
    )


def test_references_are_shown_as_thumbnails_with_their_names(
    client: FlaskClient, db: database.Connection
) -> None:
    images = [
        {"url": "/samples/files/cat.png", "filename": "猫.png"},
        {"url": "javascript:alert(1)", "filename": "x"},
    ]
    db.execute("UPDATE generation_records SET sample_images = ? WHERE id = 1", (json.dumps(images),))
    table, html = page(client, "?search=猫"), client.get("/live/records/1/details").text
    for shown in (table, html):
        assert " ".join(shown.split()).count('src="/samples/thumbnails/cat.png" alt="猫.png"') == 1
    assert 'href="/samples/files/cat.png"' in html
    assert 'href="javascript' not in html


def test_hits_are_marked_and_other_fields_named(client: FlaskClient, db: database.Connection) -> None:
    add_batch(db, "b", "春季 <新品>")
    db.execute(
        """
        UPDATE generation_records
        SET own_columns = '{"SKU<": "Ａ-001<i>"}', batch_id = 'b', negative_prompt = '雨', filename = '图.png'
        WHERE id = 2
        """
    )
    for query, shown in {
        "狗": "两只&lt;b&gt;<mark>狗</mark>&lt;/b&gt;",
        "<B": "两只<mark>&lt;b</mark>&gt;狗",
        "a-0": "SKU&lt;：<bdi><mark>Ａ-0</mark>01&lt;i&gt;",
        "<新": " · 图.png · 春季 <mark>&lt;新</mark>品&gt; · ",
        "雨": "负面提示词：<bdi><mark>雨</mark>",
        "图": " · <mark>图</mark>.png · 春季 &lt;新品&gt; · ",
        "图&view=grid": "文件名：<bdi><mark>图</mark>.png",
        "<新&view=grid": "批次：<bdi>春季 <mark>&lt;新</mark>品&gt;",
    }.items():
        html = page(client, f"?search={quote(query, safe='&=')}")
        assert ids(html) == [2]
        assert shown in html, query
    both = page(client, "?search=狗 001&words=all&view=grid")
    assert "<mark>狗</mark>" in both
    assert "SKU&lt;：<bdi>Ａ-<mark>001</mark>" in both
    assert "<mark>" not in page(client)


@pytest.mark.parametrize("view", ["table", "grid"])
def test_an_earlier_month_begins_with_its_name(
    client: FlaskClient, db: database.Connection, view: str
) -> None:
    assert "record-month" not in page(client, f"?view={view}")
    db.execute("UPDATE generation_records SET created_at = '2024-03-05 04:00:00' WHERE id < 3")
    html = page(client, f"?view={view}")
    assert re.findall(r"(?:<h2>|colspan=\"5\">)([^<]+)<", html).count("2024年3月") == 1
    assert html.index('data-record-id="3"') < html.index("2024年3月") < html.index('data-record-id="2"')
    client.post("/language", data={"language": "en"})
    assert "March 2024" in page(client, f"?view={view}")


def test_rows_name_file_and_batch_and_the_model_where_there_are_several(
    client: FlaskClient, db: database.Connection
) -> None:
    add_batch(db, "b", "茶具上新")
    db.execute("UPDATE generation_records SET batch_id = 'b', filename = '主图-01.png' WHERE id = 2")
    assert " · 主图-01.png · 茶具上新 · #2</p>" in page(client)
    assert " · 主图-01.png · #2</p>" in page(client, "?batch_id=b")
    db.execute("UPDATE generation_records SET model = 'other-1' WHERE id = 1")
    html = page(client)
    assert " · 主图-01.png · 茶具上新 · 演示 · #2</p>" in html
    assert " · other-1 · #1</p>" in html


def test_the_details_name_the_batch_of_several_pictures(client: FlaskClient, db: database.Connection) -> None:
    add_batch(db, "b", "茶具上新", total=3)
    add_batch(db, "single", "", source="single")
    db.execute("UPDATE generation_records SET batch_id = CASE id WHEN 1 THEN 'b' ELSE 'single' END")
    details = client.get("/live/records/1/details").text
    assert re.search(r'<a href="/records\?batch_id=b">\s*茶具上新</a>', details)
    assert "<dt>批次</dt>" not in client.get("/live/records/2/details").text


def test_a_narrow_screen_shows_the_grid_until_a_view_is_chosen(visitor: FlaskClient) -> None:
    assert "data-default-view" in page(visitor)
    visitor.set_cookie("narrow", "1")
    assert 'class="record-grid"' in page(visitor)
    assert 'class="record-table"' in page(visitor, "?view=table")
    html = page(visitor)
    assert 'class="record-table"' in html
    assert "data-default-view" not in html


def test_what_has_no_picture_takes_a_line_with_its_commands(visitor: FlaskClient) -> None:
    html = page(visitor, "?view=grid&status=failed")
    line = html[html.index('<li class="record-card is-line"') :]
    line = line[: line.index("</li>")]
    assert "没有通过审核" in line
    assert 'name="ids" value="3"' in line
    assert "改提示词" in line
    assert "🗑️ 删除" in line


def test_a_hit_far_into_a_long_prompt_is_shown(client: FlaskClient, db: database.Connection) -> None:
    db.execute("UPDATE generation_records SET prompt = ? WHERE id = 1", ("字" * 900 + "针" + "尾" * 900,))
    html = page(client, "?search=针")
    assert f">…{'字' * 40}<mark>针</mark>{'尾' * 199}…<" in html


def test_every_word_is_offered_where_the_whole_text_is_not_found(visitor: FlaskClient) -> None:
    html = page(visitor, "?search=猫 只&status=success")
    assert "看每个词都有的 1 条" in html
    assert 'href="/records?search=%E7%8C%AB+%E5%8F%AA&amp;status=success&amp;words=all"' in html
    html = page(visitor, "?search=猫 只&words=all")
    assert ids(html) == [1]
    assert "每个词都有" in html
    assert 'href="/records?search=%E7%8C%AB+%E5%8F%AA"' in html
    assert "看每个词都有的" not in page(visitor, "?search=猫 狗")


def test_a_search_may_be_limited_to_the_prompt(client: FlaskClient, db: database.Connection) -> None:
    db.execute("UPDATE generation_records SET negative_prompt = '猫' WHERE id = 2")
    assert ids(page(client, "?search=猫")) == [2, 1]
    html = page(client, "?search=猫&in=prompt")
    assert ids(html) == [1]
    assert 'name="in" value="prompt"' in html
    assert 'name="in"' not in page(client)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("marks", "shown_text"),
    [
        ("", "未检查 ⓘ 可见标识 未要求 C2PA 未检查 隐式标识 未检查"),
        ('{"visible":false,"aigc":false,"c2pa":false}', "没有 ⓘ 可见标识 未要求 C2PA 没有 隐式标识 没有"),
        ('{"visible":null,"aigc":false,"c2pa":true}', "有 ⓘ 可见标识 未要求 C2PA 有 隐式标识 没有"),
        (
            '{"visible":true,"aigc":{"place":"xmp","fields":{"Label":"1","ContentProducer":"<b>甲"}},"c2pa":false}',
            "有 ⓘ 可见标识 已要求 C2PA 没有 隐式标识 XMP Label 1 ContentProducer <b>甲",
        ),
        (
            '{"visible":null,"aigc":{"place":"exif","fields":{}},"c2pa":false}',
            "有 ⓘ 可见标识 未要求 C2PA 没有 隐式标识 EXIF UserComment 字段 读不出来",
        ),
    ],
)
def test_the_details_show_the_marks_of_an_image(
    client: FlaskClient, db: database.Connection, marks: str, shown_text: str
) -> None:
    db.execute("UPDATE generation_records SET filename = '猫.png', marks = ?", [marks])
    html = client.get("/live/records/1/details").text
    shown = re.search(r"<dt>AI 标识</dt><dd>(.*?)</dd>\s*(?=<dt>编号|<dt>批次)", html, re.DOTALL)
    assert shown
    assert unescape(" ".join(re.sub(r"<[^>]+>", " ", shown[1]).split())) == shown_text


def test_the_details_of_a_record_are_a_fragment_with_an_etag(
    client: FlaskClient, db: database.Connection
) -> None:
    db.execute("UPDATE generation_records SET seed = 7, deleted_at = CURRENT_TIMESTAMP WHERE id = 2")
    answer = client.get("/live/records/2/details")
    asked = re.search(r"data-request='([^']+)'", answer.text)
    assert asked
    assert json.loads(unescape(asked[1]))["prompt"] == "两只<b>狗</b>"
    assert "data-metadata" in answer.text
    assert '<dd title="demo">演示</dd>' in answer.text
    assert "<html" not in answer.text
    again = client.get("/live/records/2/details", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert client.get("/live/records/4711/details").status_code == 404


def test_the_title_of_the_tab_names_the_search_and_the_page(visitor: FlaskClient) -> None:
    page = visitor.get("/records?search=猫").text
    assert "<title>猫 · 生成记录 · AI 图片生成器</title>" in page
    assert 'data-title="回收站 · AI 图片生成器"' in visitor.get("/live/records?trash=1").text
