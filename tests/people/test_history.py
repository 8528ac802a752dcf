"""Who changed what: the history of a table and of a row, who chose a picture, who changed settings."""

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

import database
from app.config import Settings
from app.core import people
from app.env_file import EnvFile
from app.errors import message
from app.tables import history
from tests.people.harness import Office, log_in
from tests.web.harness import answered, get, post
from web_app import create_app

Said = tuple[str, list[int], list[str]]


class Desk:
    """A table of three rows that 主人, 小周 and 小李 work on."""

    def __init__(self, office: Office) -> None:
        self.office, self.owner = office, office.owner
        self.zhou, self.li = office.add("小周")[1], office.add("<小李>")[1]
        rows = [
            {"prompt": prompt, "columns": {"货号": code}} for prompt, code in (("猫", "A1"), ("狗", "A2"))
        ]
        self.id: str = post(
            self.owner, "/api/tables", {"name": "春", "rows": [*rows, {"prompt": "鸟"}]}, 201
        )["table"]["id"]
        self.rows: list[int] = [row["id"] for row in get(self.owner, f"/api/tables/{self.id}")["rows"]]

    def change(self, client: FlaskClient, *operations: dict[str, Any]) -> int:
        body = {"operations": operations}
        version: int = answered(client.patch(f"/api/tables/{self.id}", json=body))["version"]
        return version

    def said(self, **query: int) -> list[Said]:
        found = answered(self.owner.get(f"/api/tables/{self.id}/history", query_string=query))["changes"]
        return [
            (each.get("person", ""), [row["number"] for row in each["rows"]], each["what"]) for each in found
        ]

    def run(self, client: FlaskClient) -> list[int]:
        """Have the rows made by this person -> the pictures."""
        records: list[int] = post(client, f"/api/tables/{self.id}/run", {}, 202)["records"]
        return records


@pytest.fixture
def desk(office: Office) -> Desk:
    return Desk(office)


def test_the_history_says_who_changed_what_in_which_rows(desk: Desk) -> None:
    first, second, third = desk.rows
    desk.change(desk.zhou, {"op": "set", "row": first, "values": {"prompt": "橘猫", "货号": ""}})
    every = [{"op": "set", "row": row, "values": {"aspect_ratio": "16:9"}} for row in desk.rows]
    desk.change(desk.li, *every, {"op": "set", "row": second, "values": {"quality": "high"}})
    removal = desk.change(
        desk.li, {"op": "remove", "rows": [second]}, {"op": "move", "rows": [third], "after": 0}
    )
    desk.change(desk.zhou, {"op": "add", "rows": [{"prompt": "鱼" * 70}, {}]})
    post(desk.owner, f"/api/tables/{desk.id}/undo", {"version": removal})
    desk.change(desk.zhou, {"op": "remove", "rows": [first]})
    desk.change(desk.zhou, {"op": "restore", "rows": [first]})
    answered(desk.li.put(f"/api/tables/{desk.id}", json={"name": "春装", "archived": True}))
    assert desk.said() == [
        ("<小李>", [], ["改名：春 → 春装", "收起表格"]),
        ("小周", [1], ["恢复 1 行"]),
        ("小周", [1], ["删除 1 行"]),
        ("主人", [2, 3], ["撤销了一步", "恢复 1 行", "移动 1 行"]),
        ("小周", [4, 5], ["添加 2 行"]),
        ("<小李>", [2, 3], ["删除 1 行", "移动 1 行"]),
        ("<小李>", [1, 2, 3], ["图片比例：3 行改成 16:9", "质量：空 → 高质量"]),
        ("小周", [1], ["提示词：猫 → 橘猫", "货号：A1 → 空"]),
    ]
    assert desk.said(row=second) == [
        ("主人", [2], ["撤销了一步", "恢复 1 行"]),
        ("<小李>", [2], ["删除 1 行"]),
        ("<小李>", [2], ["图片比例：空 → 16:9", "质量：空 → 高质量"]),
    ]


def test_choices_and_orders_are_in_the_history_of_their_rows(desk: Desk, db: database.Connection) -> None:
    records = desk.run(desk.zhou)
    db.execute("UPDATE generation_records SET status = 'success'")
    copied = post(desk.li, f"/api/tables/{desk.id}/copy", {"name": "另一个"}, 201)["table"]["id"]
    post(desk.li, "/api/records/pick", {"ids": records[:2], "pick": "keep"})
    post(desk.zhou, "/api/records/pick", {"ids": records[:1], "pick": None})
    post(desk.owner, "/api/records/pick", {"filter": {}, "pick": "reject"})
    assert desk.said() == [
        ("主人", [1, 2, 3], ["淘汰 3 张"]),
        ("小周", [1], ["取消选择 1 张"]),
        ("<小李>", [1, 2], ["留下 2 张"]),
        ("小周", [1, 2, 3], ["下单 3 张"]),
    ]
    of_second = [("主人", [2], ["淘汰 1 张"]), ("<小李>", [2], ["留下 1 张"]), ("小周", [2], ["下单 1 张"])]
    assert desk.said(row=desk.rows[1]) == of_second
    assert answered(desk.owner.get(f"/api/tables/{copied}/history"))["changes"] == []


def test_a_choice_in_the_history_is_undone_and_an_order_is_not(desk: Desk, db: database.Connection) -> None:
    records = desk.run(desk.zhou)
    db.execute("UPDATE generation_records SET status = 'success'")
    post(desk.li, "/api/records/pick", {"ids": records[:1], "pick": "keep"})
    choice, order = (each["version"] for each in get(desk.owner, f"/api/tables/{desk.id}/history")["changes"])
    post(desk.zhou, f"/api/tables/{desk.id}/undo", {"version": choice})
    assert get(desk.owner, f"/api/records/{records[0]}")["record"]["pick"] is None
    assert desk.said()[0] == ("小周", [1], ["撤销了一步", "取消选择 1 张"])
    refused = post(desk.zhou, f"/api/tables/{desk.id}/undo", {"version": order}, 404)
    assert refused["error"].startswith("没有这一步")


def test_the_history_comes_in_pages(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "CHANGES_A_PAGE", 2)
    versions = [
        desk.change(desk.zhou, {"op": "set", "row": desk.rows[0], "values": {"prompt": prompt}})
        for prompt in ("1", "2", "3")
    ]
    address = f"/api/tables/{desk.id}/history"
    first = get(desk.li, address)
    second = get(desk.li, f"{address}?before={first['changes'][-1]['version']}")
    shown = [[each["version"] for each in page["changes"]] for page in (first, second)]
    assert (shown, first["more"], second["more"]) == ([versions[:0:-1], versions[:1]], True, False)


def test_the_large_view_says_who_chose_the_picture(desk: Desk, db: database.Connection) -> None:
    record = desk.run(desk.zhou)[0]
    db.execute("UPDATE generation_records SET status = 'success'")

    def shown() -> list[tuple[str, str]]:
        page = desk.zhou.get(f"/live/records/{record}/details").text
        return re.findall(r'<dt>(留下|淘汰)</dt><dd dir="auto">([^<]*)', page)

    post(desk.li, "/api/records/pick", {"ids": [record], "pick": "keep"})
    assert shown() == [("留下", "&lt;小李&gt;")]
    post(desk.owner, "/api/records/pick", {"ids": [record], "pick": "reject"})
    assert shown() == [("淘汰", "主人")]
    post(desk.owner, "/api/records/pick", {"ids": [record], "pick": None})
    assert shown() == []


def test_the_list_of_tables_has_their_people(desk: Desk) -> None:
    assert [each["person"] for each in get(desk.li, "/api/tables")["tables"]] == ["主人"]


def test_who_changes_settings_is_logged_and_shown_to_owners_where_there_are_several_people(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    office = Office(settings)
    program = create_app(office.settings, env_file=EnvFile(tmp_path / ".env", {}))
    owner = program.test_client()
    log_in(owner, office.settings.access_password)
    key = "geheim-0815"
    answered(
        owner.put(
            "/api/settings", json={"NOTIFY_URL": f"https://hooks.example/{key}", "MODEL_TIMEOUT": "300"}
        )
    )
    answered(owner.put("/api/budgets", json={"total": 10}))

    def shown() -> list[str]:
        page = owner.get("/model").text
        [section] = re.findall(r'<section class="model" id="changes".*?</section>', page, re.DOTALL) or [""]
        return [" ".join(re.sub(r"<[^>]*>", "", line).split()) for line in section.split("<li>")[1:]]

    assert shown() == []
    who, _ = office.add("<小周>")
    office.change(who, role="viewer", month_limit=5)
    assert [line.split(" ", 2)[-1] for line in shown()] == [
        "主人 改了&lt;小周&gt;：身份、每月上限",
        "主人 加了&lt;小周&gt;，身份是成员",
        "主人 预算：总预算",
        "主人 设置：NOTIFY_URL、MODEL_TIMEOUT",
    ]
    for event in ("settings_changed", "budgets_set", "person_added", "person_changed"):
        [line] = [text for text in caplog.messages if f"event={event}" in text]
        assert "person=1" in line
    assert key not in caplog.text + str(shown())


def test_the_last_changes_of_settings_are_kept(
    db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "_CHANGES_KEPT", 2)
    for name in "abc":
        database.add_setting_change(db, message("设置：{names}", names=(name,)), 1)
    rows = db.execute("SELECT what FROM setting_changes ORDER BY id").fetchall()
    assert ["b" in rows[0]["what"], "c" in rows[1]["what"], len(rows)] == [True, True, 2]
