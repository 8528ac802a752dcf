"""The users of an earlier app become people whom an owner can invite; their records keep their ids."""

import sqlite3
from contextlib import closing

import pytest

import database
from app.config import Settings
from app.engine.sqlite import SqliteConnection
from app.migrations import legacy_import
from tests.migrations.test_legacy_files import add_row, written
from tests.people.harness import Office, join, listed, me
from tests.web.harness import answered

pytestmark = pytest.mark.sqlite


def write_users(settings: Settings, columns: str, *rows: tuple[object, ...]) -> None:
    with written(settings) as old:
        old.execute(f"CREATE TABLE users ({columns})")
        for row in rows:
            old.execute(f"INSERT INTO users VALUES ({', '.join('?' * len(row))})", row)
        add_row(old, user_id=7)


def test_users_are_people_who_are_switched_off_until_an_owner_invites_them(settings: Settings) -> None:
    users = ((1, "zhou", "小周", "digest"), (7, "wang", "", "digest"), (8, "WANG", None, "digest"))
    write_users(settings, "id INTEGER PRIMARY KEY, username TEXT, nickname TEXT, password_hash TEXT", *users)
    office = Office(settings)
    people = answered(office.owner.get("/api/people"))["people"]
    assert [(each["name"], each["role"], each["active"], each["joined"]) for each in people] == [
        ("主人", "owner", True, True),
        ("小周", "member", False, False),
        ("wang", "member", False, False),
        ("WANG (8)", "member", False, False),
    ]
    assert 'name="name"' not in office.browser().get("/login").text
    wang = people[2]["id"]
    assert '<dd dir="auto">wang</dd>' in office.owner.get("/live/records/1/details").text
    office.change(wang, active=True)
    link = answered(office.owner.post(f"/api/people/{wang}/invitation"))["link"]
    client = office.browser()
    assert join(client, "/join/" + link.rpartition("/join/")[2], "王姐") == 303
    assert me(client)["id"] == wang
    with closing(database.connect(settings.database)) as db:
        sql = """
            SELECT people.name
            FROM generation_records
            JOIN people ON people.legacy_user_id = CAST(generation_records.user_id AS TEXT)
        """
        assert [row["name"] for row in db.execute(sql).fetchall()] == ["王姐"]
        new = str(answered(client.post("/api/batches", json={"rows": [{"prompt": "猫"}]}), 202)["batch_id"])
        db.execute(
            "UPDATE generation_records SET status = 'success', user_id = 1 WHERE batch_id = :id", {"id": new}
        )
        assert "digest" not in [
            row["password"] for row in db.execute("SELECT password FROM people").fetchall()
        ]
    found = {each["name"]: listed(client, person=each["id"]) for each in people}
    assert found == {"主人": [], "小周": [], "wang": [2, 1], "WANG (8)": []}
    assert listed(client, person=wang, search="旧的猫") == [1]
    assert '<dd dir="auto">王姐</dd>' in client.get("/live/records/1/details").text


@pytest.mark.parametrize("columns", ["id INTEGER, age INTEGER", "name TEXT, age INTEGER"])
def test_a_table_that_is_no_list_of_users_is_left_alone(settings: Settings, columns: str) -> None:
    write_users(settings, columns, (1, 2))
    assert len(answered(Office(settings).owner.get("/api/people"))["people"]) == 1


def test_users_that_cannot_be_read_stop_no_upgrade(settings: Settings) -> None:
    database.open_database(settings.database)
    with closing(sqlite3.connect(settings.database)) as file, file:
        file.execute("CREATE TABLE users (id INTEGER, name TEXT)")
        file.execute("INSERT INTO users VALUES (1, CAST(x'ff' AS TEXT))")
    with closing(database.connect(settings.database)) as db:
        assert isinstance(db, SqliteConnection)
        legacy_import.take_over_users(db)
        assert db.execute("SELECT count(*) AS number FROM people").fetchone()["number"] == 1
