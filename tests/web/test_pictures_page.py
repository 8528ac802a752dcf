"""看图 as rendered HTML: which rows it shows, and the fragment that keeps them current."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

import database
from tests.db import queue
from tests.db.queue import LOST
from tests.web.harness import post


def submit(client: FlaskClient, *rows: dict[str, Any], **more: Any) -> str:
    body = {"rows": [{"prompt": f"猫 {n}", **row} for n, row in enumerate(rows, 1)], **more}
    return str(post(client, "/api/batches", body, 202)["batch_id"])


def set_status(db: database.Connection, batch_id: str, row: int, status: str, pick: str = "") -> None:
    with database.transaction(db):
        db.execute(
            "UPDATE generation_records SET status = ?, pick = ?, error = '没有通过审核' "
            "WHERE batch_id = ? AND row_number = ?",
            [status, pick, batch_id, row],
        )


def html(client: FlaskClient, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.text


def rows(text: str) -> list[int]:
    return [int(number) for number in re.findall(r'<article class="picture-row[^"]*" data-row="(\d+)"', text)]


def test_a_row_shows_its_number_name_words_and_columns(client: FlaskClient) -> None:
    row = {"number": 12, "filename": "茶壶", "columns": {"SKU": "A-1"}, "num_images": 2}
    text = html(client, f"/batch/pictures?id={submit(client, row, name='茶具')}")
    assert rows(text) == [12]
    assert text.count("data-record-id=") == 2
    for shown in ("茶具", "第 12 行", "茶壶", "SKU A-1", "猫 1", "等待中"):
        assert shown in text


def test_groups_are_counted_and_shown_by_the_address(client: FlaskClient, db: database.Connection) -> None:
    batch_id = submit(client, {}, {}, {})
    set_status(db, batch_id, 2, "failed")
    assert rows(html(client, f"/batch/pictures?id={batch_id}")) == [1, 2, 3]
    text = html(client, f"/batch/pictures?id={batch_id}&show=failed")
    assert rows(text) == [2]
    assert "没有通过审核" in text
    assert re.search(r'data-group="failed"\s+aria-current="true">没成功\s+<span[^>]*>1</span>', text)


def test_unconfirmed_charges_are_beside_the_cost(client: FlaskClient, db: database.Connection) -> None:
    batch_id = submit(client, {})
    record = queue.claimed(db, model="demo")
    queue.charge(db, record)
    database.fail_record(db, record, LOST)
    assert "结果未知 1 · 另有 ¥0.22 待确认" in html(client, f"/batch/pictures?id={batch_id}")


def test_a_page_has_100_rows(client: FlaskClient) -> None:
    batch_id = submit(client, *[{}] * 150)
    assert rows(html(client, f"/batch/pictures?id={batch_id}")) == [*range(1, 101)]
    assert rows(html(client, f"/batch/pictures?id={batch_id}&page=2")) == [*range(101, 151)]
    assert rows(html(client, f"/batch/pictures?id={batch_id}&page=99")) == [*range(101, 151)]


def test_the_fragment_has_only_the_asked_rows_that_changed(
    client: FlaskClient, db: database.Connection
) -> None:
    batch_id = submit(client, {}, {}, {})
    address = f"/live/batch/pictures?id={batch_id}"
    first = client.get(f"{address}&since=0&rows=1,3")
    assert rows(first.text) == [1, 3]
    version = first.headers["X-Version"]
    record = database.list_batch_records(db, batch_id)[2]
    client.post(f"/api/records/{record.id}/cancel")
    news = client.get(f"{address}&since={version}&rows=1,3")
    assert rows(news.text) == [3]
    same = client.get(f"{address}&since={version}&rows=1,3", headers={"If-None-Match": news.headers["ETag"]})
    assert same.status_code == 304


def test_a_row_that_lost_its_pictures_is_named_as_gone(client: FlaskClient, db: database.Connection) -> None:
    batch_id = submit(client, {}, {})
    set_status(db, batch_id, 2, "failed")
    version = database.get_batch_version(db, batch_id)
    client.post("/api/records/delete", json={"ids": [database.list_batch_records(db, batch_id)[1].id]})
    text = html(client, f"/live/batch/pictures?id={batch_id}&since={version}&rows=1,2")
    assert '<i data-row="2" data-gone></i>' in text
    assert rows(text) == []


@pytest.mark.parametrize("path", ["/batch/pictures", "/live/batch/pictures"])
@pytest.mark.parametrize(
    ("query", "status"), [("?id=none", 404), ("?id={id}&with=none", 404), ("?id={id}&show=best", 400)]
)
def test_an_unknown_batch_or_group_is_refused(
    client: FlaskClient, path: str, query: str, status: int
) -> None:
    assert client.get(path + query.format(id=submit(client, {}))).status_code == status


def test_two_batches_are_shown_side_by_side(client: FlaskClient, db: database.Connection) -> None:
    first = submit(client, {}, {"num_images": 2}, name="茶具")
    second = submit(client, {}, {"num_images": 2}, name="另一批")
    third = submit(client, {})
    for batch_id in (first, second):
        set_status(db, batch_id, 1, "success")
    with database.transaction(db):
        db.execute("UPDATE batches SET copied_from = ? WHERE id = ?", [first, second])
        db.execute(
            "UPDATE generation_records SET started_at = '2026-03-01 10:00:00.000', "
            "finished_at = '2026-03-01 10:00:12.500', cost_micros = 220000 "
            "WHERE batch_id = ? AND status = 'success'",
            [second],
        )
    text = html(client, f"/batch/pictures?id={first}&with={second}")
    assert rows(text) == [1, 2]
    assert [int(n) for n in re.findall(r'data-picture-number="(\d+)"', text)] == [1, 2, 1, 2, 3, 4]
    assert "演示 · ¥0.22 · 12.5 秒" in " ".join(text.split())
    for batch_id in (first, second):
        other = second if batch_id == first else first
        assert f"with={other}" in html(client, f"/batch/pictures?id={batch_id}")
    assert "with=" not in html(client, f"/batch/pictures?id={third}")
    assert f"with={second}" in re.findall(r'href="([^"]*)" data-group="keep"', text)[0].replace("&amp;", "&")
    missing = html(client, f"/batch/pictures?id={first}&with={third}")
    assert "这一批里没有这一行" in missing


def test_the_fragment_has_the_rows_that_changed_in_either_batch(
    client: FlaskClient, db: database.Connection
) -> None:
    first, second = submit(client, {}, {}), submit(client, {}, {})
    address = f"/live/batch/pictures?id={first}&with={second}&rows=1,2"
    version = client.get(f"{address}&since=0").headers["X-Version"]
    assert rows(html(client, f"{address}&since={version}")) == []
    client.post(f"/api/records/{database.list_batch_records(db, second)[1].id}/cancel")
    news = client.get(f"{address}&since={version}")
    assert rows(news.text) == [2]
    assert news.text.count("data-record-id=") == 2
    same = client.get(f"{address}&since={version}", headers={"If-None-Match": news.headers["ETag"]})
    assert same.status_code == 304
