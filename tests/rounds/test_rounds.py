"""Rounds of a table: what is shown, how many may be chosen, states, links, the next round."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest

import database
from app.config import Settings
from app.rounds import sql
from tests.rounds.harness import LAN, ROWS, Studio
from tests.web.harness import answered, at_once
from tools.waiting import wait_until


@pytest.fixture
def table(studio: Studio) -> str:
    return studio.make_table()


def shown(studio: Studio, link: str) -> list[str]:
    return [picture["label"] for picture in studio.visitor(link).state()["pictures"]]


def record_of(studio: Studio, table: str, number: int) -> int:
    """The record of the picture of a row."""
    row = next(row for row in studio.rows_of(table) if row["number"] == number)
    return int(row["pictures"][-1]["record_id"])


def test_a_round_shows_what_was_kept_all_that_was_not_rejected_or_what_was_named(
    studio: Studio, table: str
) -> None:
    ids = [record_of(studio, table, n) for n in (1, 2, 3, 4)]
    studio.post("/api/records/pick", {"ids": ids[:1], "pick": "keep"})
    studio.post("/api/records/pick", {"ids": ids[1:2], "pick": "reject"})
    rows = [row["id"] for row in studio.rows_of(table)]
    assert shown(studio, studio.open_round(table, pick="keep")["link"]) == ["A-1"]
    assert shown(studio, studio.open_round(table, pick="all")["link"]) == ["A-1", "A-3", "A-4"]
    assert shown(studio, studio.open_round(table, rows=rows[2:])["link"]) == ["A-3", "A-4"]
    assert shown(studio, studio.open_round(table, records=[ids[3], ids[1]])["link"]) == ["A-2", "A-4"]


def test_a_picture_that_equal_rows_share_is_shown_once(studio: Studio) -> None:
    table = studio.make_table([ROWS[0], {**ROWS[0], "filename": "同一张"}])
    assert shown(studio, studio.open_round(table)["link"]) == ["A-1"]


def test_a_round_says_what_it_is(studio: Studio, table: str) -> None:
    made = studio.open_round(
        table, at_most=2, download="chosen", password="123456", ends_at="2026-12-24T18:00:00+08:00"
    )["round"]
    assert made == {
        "id": made["id"],
        "number": 1,
        "client": "王总",
        "state": "open",
        "ends_at": "2026-12-24 10:00:00",
        "at_most": 2,
        "created_at": made["created_at"],
        "submitted_at": None,
        "submitted_version": None,
        "pictures": 4,
        "chosen": 0,
        "rejected": 0,
        "comments": 0,
        "download": "chosen",
        "has_password": True,
    }
    assert studio.rounds(table, "") == [made]


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"client": " "}, "请写客户的名字"),
        ({"client": ""}, "「客户的名字」应为 1–40 个字"),
        ({"download": "chosen", "profile": "没有的"}, "没有交付规格"),
        ({"password": "12345"}, "6–100"),
        ({"ends_at": "2020-01-01"}, "今天以后"),
        ({"ends_at": "2099-01-01"}, "一年以内"),
        ({"ends_at": "2026-12-24T10:00:00"}, "带时区"),
        ({"ends_at": "0001-01-01T00:00:00+14:00"}, "ends_at"),
        ({"records": [99]}, "图片 99 不在这个表格里"),
        ({"pick": "keep"}, "没有能给客户看的图片"),
    ],
)
def test_an_order_that_cannot_be_is_refused_in_one_sentence(
    studio: Studio, table: str, fields: dict[str, Any], said: str
) -> None:
    body = {"client": "王总", "pick": "all"} | fields
    answer = studio.client.post(f"/api/tables/{table}/rounds", json=body, base_url=LAN)
    assert answer.status_code in (400, 404)
    assert said in answer.get_json()["error"]
    assert studio.rounds(table) == []


def test_without_a_day_a_round_ends_in_two_weeks(studio: Studio, table: str) -> None:
    ends = datetime.fromisoformat(studio.open_round(table)["round"]["ends_at"]).replace(tzinfo=UTC)
    local = ends.astimezone()
    assert local.date() == datetime.now().astimezone().date() + timedelta(days=14)
    assert (local.hour, local.minute, local.second) == (23, 59, 59)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("base", "https", "link"),
    [
        ("http://192.168.1.20:5000", False, "http://192.168.1.20:5000/r/"),
        ("http://10.0.0.5", False, "http://10.0.0.5/r/"),
        ("http://[fd00::1]:5000", False, "http://[fd00::1]:5000/r/"),
        ("http://mac.local:5000", False, "http://mac.local:5000/r/"),
        ("http://studio.example", True, "https://studio.example/r/"),
        ("http://localhost:5000", False, ""),
        ("http://127.0.0.1:5000", False, ""),
        ("http://127.0.0.1", True, ""),
        ("http://studio.example", False, ""),
        ("http://8.8.8.8:5000", False, ""),
    ],
)
def test_a_link_is_made_only_where_a_client_can_open_it(
    settings: Settings, base: str, https: bool, link: str
) -> None:
    hosts = ("mac.local", "studio.example")
    trusted = (ip_network("127.0.0.0/8"),)
    studio = Studio(replace(settings, allowed_hosts=hosts, trusted_proxies=trusted))
    table = studio.make_table(ROWS[:1])
    headers = {"X-Forwarded-Proto": "https"} if https else {}
    path, body = f"/api/tables/{table}/rounds", {"client": "王总", "pick": "all"}
    told = answered(studio.client.get(path, base_url=base, headers=headers))
    answer = studio.client.post(path, json=body, base_url=base, headers=headers)
    assert told["reachable"] is bool(link)
    if link:
        assert told["reason"] == ""
        assert answer.get_json()["link"].startswith(link)
        assert answer.get_json()["qr"].startswith("<svg xmlns=")
    else:
        assert answer.status_code == 409
        assert answer.get_json()["error"] == told["reason"]
        assert "「选中」「客户意见」两列" in told["reason"]


def test_one_intention_makes_one_round_and_each_answer_a_link_that_opens(studio: Studio, table: str) -> None:
    first, second = (studio.open_round(table, request_id="一次") for _ in range(2))
    assert first["round"]["id"] == second["round"]["id"]
    assert len(studio.rounds(table)) == 1
    assert studio.visitor(second["link"]).state()["round"]["number"] == 1
    assert studio.visitor(first["link"]).open("/state").status_code == 404


def test_the_limit_is_counted_on_the_server_whoever_comes_first(studio: Studio, table: str) -> None:
    link = studio.open_round(table, at_most=2)["link"]
    visitors = [studio.visitor(link) for _ in range(4)]

    def heart(n: int) -> Any:
        return lambda: visitors[n].open("/marks", "PUT", json={str(n + 1): {"mark": "heart"}}).status_code

    assert sorted(at_once(*map(heart, range(4)))) == [200, 200, 409, 409]
    visitor = visitors[0]
    state = visitor.state()
    assert state["round"]["chosen"] == 2
    chosen = [picture["n"] for picture in state["pictures"] if picture["mark"] == "heart"]
    other = next(n for n in (1, 2, 3, 4) if n not in chosen)
    refused = visitor.mark({str(other): {"mark": "heart", "comment": "这张"}}, 409)
    assert refused["error"] == "最多选 2 张，请先取消一张"
    assert (refused["chosen"], refused["at_most"]) == (2, 2)
    assert refused["marks"] == {str(other): {"mark": None, "comment": ""}}
    assert visitor.mark({str(chosen[0]): {"mark": None}})["chosen"] == 1
    assert visitor.mark({str(other): {"mark": "heart"}})["chosen"] == 2


def test_a_lower_limit_keeps_what_was_chosen(studio: Studio, table: str) -> None:
    visitor = studio.visitor(studio.open_round(table, at_most=3)["link"])
    visitor.heart(1, 2, 3)
    studio.execute("UPDATE rounds SET at_most = 1")
    assert visitor.heart(4, status=409)["chosen"] == 3
    assert visitor.mark({"1": {"mark": "reject"}, "2": {"comment": "好"}})["chosen"] == 2


def test_the_studio_has_its_name_on_every_page_of_a_client(settings: Settings) -> None:
    studio = Studio(replace(settings, studio_name="<老王> 摄影"))
    table = studio.make_table(ROWS[:1])
    links = [
        studio.open_round(table, client=str(n), password=word)["link"]
        for n, word in enumerate(("", "123456"))
    ]
    for link in (*links, f"{LAN}/r/none"):
        assert "&lt;老王&gt; 摄影" in studio.visitor(link).open("").text


def test_marks_may_be_sent_twice_and_leave_what_they_do_not_name(studio: Studio, table: str) -> None:
    visitor = studio.visitor(studio.open_round(table)["link"])
    visitor.mark({"1": {"mark": "heart", "comment": " 亮\n一点 "}})
    for _ in range(2):
        assert visitor.mark({"1": {"mark": "reject"}})["marks"]["1"] == {
            "mark": "reject",
            "comment": "亮 一点",
        }
    assert visitor.mark({"1": {"comment": ""}})["marks"]["1"] == {"mark": "reject", "comment": ""}
    assert visitor.mark({"1": {"mark": None}})["marks"]["1"] == {"mark": None, "comment": ""}


def test_nothing_of_a_call_with_a_wrong_number_is_stored(studio: Studio, table: str) -> None:
    visitor = studio.visitor(studio.open_round(table)["link"])
    visitor.mark({"1": {"mark": "heart"}, "9": {"mark": "heart"}}, 404)
    refused: list[dict[str, Any]] = [{"1": "heart"}, {"x": {}}, {"1": {"mark": "love"}}]
    refused += [{"1": {"price": 1}}, {"1": {"comment": 7}}]
    for wrong in refused:
        visitor.mark(wrong, 400)
    assert visitor.state()["round"]["chosen"] == 0


def test_marks_arrive_in_the_rows_while_the_client_looks(studio: Studio, table: str) -> None:
    link = studio.open_round(table)["link"]
    version = studio.get(f"/api/tables/{table}")["table"]["version"]
    studio.visitor(link).mark({"2": {"mark": "heart", "comment": "就要这张"}})
    since = studio.get(f"/api/tables/{table}?since={version}")
    assert [row["number"] for row in since["rows"]] == [2]
    said = {"mark": "heart", "comment": "就要这张", "client": "王总", "round": 1}
    assert since["rows"][0]["pictures"][0]["client"] == said
    assert "pick" not in since["rows"][0]["pictures"][0]
    studio.visitor(link).mark({"2": {"mark": "heart"}})  # nothing new
    version = since["table"]["version"]
    assert studio.get(f"/api/tables/{table}?since={version}")["rows"] == []


def test_of_two_clients_the_one_who_is_still_choosing_is_shown(studio: Studio, table: str) -> None:
    first = studio.visitor(studio.open_round(table, client="先")["link"])
    second = studio.open_round(table, client="后")
    first.heart(1)
    studio.visitor(second["link"]).mark({"1": {"mark": "reject"}})
    assert studio.rows_of(table)[0]["pictures"][0]["client"]["client"] == "后"
    studio.call("POST", f"/api/rounds/{second['round']['id']}/close")
    assert studio.rows_of(table)[0]["pictures"][0]["client"]["client"] == "先"
    studio.call("DELETE", f"/api/rounds/{second['round']['id']}")
    first.mark({"1": {"mark": None}})
    assert "client" not in studio.rows_of(table)[0]["pictures"][0]


def test_a_deleted_picture_leaves_the_round_and_comes_back_with_its_mark(studio: Studio, table: str) -> None:
    visitor = studio.visitor(studio.open_round(table, at_most=1)["link"])
    visitor.heart(2)
    record = record_of(studio, table, 2)
    studio.client.delete(f"/api/records/{record}")
    state = visitor.state()
    assert [picture["n"] for picture in state["pictures"]] == [1, 3, 4]
    assert state["round"]["chosen"] == 0
    assert visitor.open("/pictures/2").status_code == 404
    visitor.mark({"2": {"mark": None}}, 404)
    assert visitor.heart(3)["chosen"] == 1
    studio.post("/api/records/restore", {"ids": [record]})
    assert visitor.state()["round"]["chosen"] == 2
    assert visitor.heart(4, status=409)["chosen"] == 2


def test_a_row_that_was_made_anew_keeps_the_picture_that_the_client_saw(studio: Studio, table: str) -> None:
    visitor = studio.visitor(studio.open_round(table)["link"])
    before = visitor.open("/pictures/1").data
    studio.change(table, studio.rows_of(table)[0]["id"], prompt="完全不同")
    studio.make(table)
    assert visitor.open("/pictures/1").data == before
    assert len(visitor.state()["pictures"]) == 4


def test_the_links_of_a_deleted_table_end_until_it_is_restored(studio: Studio, table: str) -> None:
    made = studio.open_round(table)
    visitor = studio.visitor(made["link"])
    studio.client.delete(f"/api/tables/{table}")
    assert {visitor.open(path).status_code for path in ("", "/state", "/pictures/1")} == {404}
    studio.call("GET", f"/api/tables/{table}/rounds", status=404)
    studio.call("POST", f"/api/rounds/{made['round']['id']}/renew", status=404)
    studio.post(f"/api/tables/{table}/restore")
    assert visitor.state()["round"]["number"] == 1


def test_the_rounds_of_a_table_go_with_it_for_good(studio: Studio, table: str) -> None:
    visitor = studio.visitor(studio.open_round(table)["link"])
    visitor.heart(1)
    studio.client.delete(f"/api/tables/{table}")
    with closing(database.connect(studio.settings.database)) as db:
        database.forget_tables(db, now=datetime.now(UTC) + timedelta(days=31))
        for name in ("rounds", "round_pictures", "round_marks"):
            assert db.execute(f"SELECT count(*) AS n FROM {name}").fetchone()["n"] == 0


def test_a_closed_round_can_be_opened_again(studio: Studio, table: str) -> None:
    made = studio.open_round(table)
    visitor, path = studio.visitor(made["link"]), f"/api/rounds/{made['round']['id']}"
    visitor.heart(1)
    assert studio.call("POST", f"{path}/close")["round"]["state"] == "closed"
    assert visitor.open("").status_code == 404
    assert studio.call("POST", f"{path}/reopen")["round"]["chosen"] == 1
    assert visitor.heart(2)["chosen"] == 2
    visitor.submit()
    studio.call("POST", f"{path}/close")
    renewed = studio.call("POST", f"{path}/renew", {"ends_at": "2026-12-31"})
    assert renewed["round"]["state"] == "submitted"
    assert renewed["round"]["ends_at"].startswith(("2026-12-31", "2027-01-01", "2026-12-30"))
    assert studio.visitor(renewed["link"]).state()["round"]["state"] == "submitted"


def test_an_ended_round_is_opened_again_by_another_link(studio: Studio, table: str) -> None:
    made = studio.open_round(table)
    path = f"/api/rounds/{made['round']['id']}"
    studio.execute("UPDATE rounds SET ends_at = '2026-01-01 00:00:00'")
    assert studio.visitor(made["link"]).open("/state").status_code == 404
    assert studio.call("POST", f"{path}/reopen", status=409)["error"] == "这一轮已经到期，请换一个链接"
    assert studio.visitor(studio.call("POST", f"{path}/renew")["link"]).heart(1)["chosen"] == 1


def test_the_next_round_shows_only_what_is_new_with_the_old_picture_beside_it(
    studio: Studio, table: str
) -> None:
    made = studio.open_round(table, at_most=2, password="123456", watermark="SAMPLE")
    path = f"/api/rounds/{made['round']['id']}/next"
    visitor = studio.visitor(made["link"])
    visitor.open("", "POST", data={"password": "123456"})
    visitor.mark({"2": {"mark": "reject", "comment": "换个背景"}, "1": {"mark": "heart"}})
    assert studio.call("POST", path, status=409)["error"].startswith("客户还没有提交这一轮")
    visitor.submit()
    assert studio.call("POST", path, status=409)["error"].startswith("这一轮以后还没有新的图片")
    old = record_of(studio, table, 2)
    studio.change(table, studio.rows_of(table)[1]["id"], prompt="换个背景")
    studio.make(table)
    following = studio.call("POST", path, status=201)
    assert (following["round"]["number"], following["round"]["has_password"]) == (2, True)
    assert following["round"]["at_most"] == 2
    later = studio.visitor(following["link"])
    later.open("", "POST", data={"password": "123456"})
    pictures = later.state()["pictures"]
    assert [(picture["label"], picture["earlier"]) for picture in pictures] == [("A-2", True)]
    assert later.open("/pictures/1?earlier=1").data == visitor.open("/pictures/2").data
    assert later.open("/pictures/1").data != later.open("/pictures/1?earlier=1").data
    visitor.mark({"1": {"mark": None}}, 409)  # the old round is read-only
    reopened = studio.call("POST", f"/api/rounds/{made['round']['id']}/reopen", status=409)
    assert reopened["error"] == "后面已经开了新的一轮，这一轮只能看了"
    studio.client.delete(f"/api/records/{old}")
    assert later.open("/pictures/1?earlier=1").status_code == 404
    assert later.open("/pictures/1").status_code == 200
    assert [each["number"] for each in studio.rounds(table)] == [2, 1]


def test_a_round_of_more_pictures_than_a_client_looks_at_is_refused(
    studio: Studio, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "MAX_PICTURES", 3)
    answer = studio.open_round(table, status=400)
    assert answer["error"] == "有 4 张图，一轮最多 3 张，请选一部分行再给客户看"


def test_previews_bear_a_watermark_unless_they_may_be_downloaded_or_none_is_asked_for(
    studio: Studio, table: str
) -> None:
    asked: list[dict[str, Any]] = [
        *({}, {"download": "chosen"}, {"watermark": ""}),
        {"download": "chosen", "watermark": studio.call("GET", f"/api/tables/{table}/rounds")["watermark"]},
    ]
    links = [studio.open_round(table, **fields)["link"] for fields in asked]
    usual, downloaded, plain, named = (studio.visitor(link).open("/pictures/1").data for link in links)
    assert usual == named
    assert downloaded == plain != usual


def test_previews_are_drawn_before_a_client_opens_the_link(studio: Studio, table: str) -> None:
    studio.runtime.start()
    try:
        studio.open_round(table)
        wait_until(lambda: len(studio.previews()) == 2 * len(ROWS))
    finally:
        studio.runtime.stop()
