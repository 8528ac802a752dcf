"""Invitations, logins by person, switching off, and the owner who is never locked out."""

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

import database
from app import cli
from app.config import Settings
from app.domain import people
from app.people import sql
from app.people.sessions import add_session
from app.web.person import COOKIE
from tests.dump import dump
from tests.people.harness import PASSWORD, Office, join, log_in, me, password_of, token_of
from tests.web.harness import answered, at_once
from web_app import create_app


def test_without_a_password_the_owner_is_at_the_machine_and_nobody_can_be_invited(settings: Settings) -> None:
    client = create_app(settings).test_client()
    assert me(client) == {"id": None, "name": "主人", "role": "owner", "month_limit": None}
    refused = answered(client.post("/api/people", json={"name": "小周"}), 409)
    assert "「谁能打开」" in refused["error"]
    assert client.get("/join/x").status_code == 404


def test_the_first_person_is_an_owner_whose_password_is_that_of_the_server(office: Office) -> None:
    assert me(office.owner) == {"id": 1, "name": "主人", "role": "owner", "month_limit": None}
    assert 'name="name"' not in office.browser().get("/login").text


def test_the_login_asks_who_where_several_can_log_in_and_the_first_needs_no_name(office: Office) -> None:
    office.invite("小李")
    assert 'name="name"' not in office.browser().get("/login").text
    office.add("小周")
    (field,) = re.findall('<input[^>]* name="name"[^>]*>', office.browser().get("/login").text)
    assert "required" not in field
    tries = (
        ("小周", password_of("小周"), 302),
        (" 小 周", password_of("小周"), 302),
        ("小周", PASSWORD, 403),
        ("主人", PASSWORD, 302),
        ("", PASSWORD, 302),
        ("没有", PASSWORD, 403),
        ("没有", password_of("小周"), 403),
    )
    for number, (name, password, status) in enumerate(tries):
        client = office.browser()
        client.environ_base["REMOTE_ADDR"] = f"10.0.0.{number}"
        assert log_in(client, password, name) == status, (name, password)


def test_somebody_who_was_invited_and_has_no_password_cannot_log_in(office: Office) -> None:
    office.invite("小周")
    for attempt in ("", PASSWORD):
        assert log_in(office.browser(), attempt, "小周") in (403, 429)


@pytest.mark.parametrize("name", ["小周", "没有", "主人"])
def test_a_wrong_name_takes_one_hash_as_a_wrong_password_does(
    office: Office,
    db: database.Connection,
    monkeypatch: pytest.MonkeyPatch,
    quick: Callable[..., str],
    name: str,
) -> None:
    office.add("小周")
    real, costs = hashlib.scrypt, []

    def scrypt(text: bytes, *, salt: bytes, n: int, r: int, p: int) -> bytes:
        costs.append(n * r * 128)
        return real(text, salt=salt, n=n, r=r, p=p)

    monkeypatch.setattr(people, "_hash", quick)
    stored = people.hash_password(password_of("小周"))
    sql.set_password(db, 2, stored, kept="")
    office.app.extensions["ai_image_generator_guesses"]._of_server = people.hash_password(PASSWORD)
    monkeypatch.setattr(hashlib, "scrypt", scrypt)
    assert log_in(office.browser(), "猜", name) == 403
    assert costs == [16 * 2**20]


def test_the_sentence_does_not_say_whether_name_or_password_was_wrong(office: Office) -> None:
    office.add("小周")
    texts = set()
    for number, name in enumerate(("小周", "没有")):
        client = office.browser()
        client.environ_base["REMOTE_ADDR"] = f"10.0.0.{number}"
        texts.add(client.post("/login", data={"name": name, "password": "猜"}).text.replace(name, ""))
    assert len(texts) == 1


@pytest.mark.usefixtures("still")
def test_a_right_password_clears_the_wrong_ones_of_its_own_name_only(
    office: Office, db: database.Connection
) -> None:
    """Who has an account guesses no other's password faster."""
    office.add("小周")
    client = office.browser()
    client.environ_base["REMOTE_ADDR"] = "10.0.0.9"
    assert log_in(client, "猜", "主人") == 403
    assert log_in(client, password_of("小周"), "小周") == 302
    sql = "SELECT failures FROM login_attempts WHERE client = '10.0.0.9'"
    assert db.execute(sql).fetchone()["failures"] == 2
    assert log_in(client, PASSWORD, "主人") == 429
    client.environ_base["REMOTE_ADDR"] = "10.0.0.8"
    assert log_in(client, PASSWORD, "主人") == 302


def test_a_login_gets_a_new_cookie_and_ends_the_one_it_came_with(office: Office) -> None:
    client = office.browser()
    client.set_cookie(COOKIE, "a" * 43)
    assert log_in(client, PASSWORD) == 302
    first = client.get_cookie(COOKIE)
    assert first
    assert first.value != "a" * 43
    assert log_in(client, PASSWORD) == 302
    copy = office.browser()
    copy.set_cookie(COOKIE, first.value)
    assert copy.get("/api/me").status_code == 403
    assert client.get("/api/me").status_code == 200


def test_a_login_of_before_the_upgrade_is_the_first_person_s(office: Office, db: database.Connection) -> None:
    with database.transaction(db):
        db.execute("UPDATE sessions SET person_id = 1, created_at = 0, seen_at = 0, address = '', agent = ''")
    assert me(office.owner)["id"] == 1
    assert answered(office.owner.get("/api/me"))["sessions"][0]["created_at"] is None


def test_an_invitation_is_used_once_and_looking_at_it_uses_nothing_up(office: Office) -> None:
    person_id, path = office.invite("小周")
    client = office.browser()
    for _ in range(2):
        assert client.get(path).status_code == 200
    assert join(client, path, "周周", "一个长密码 12") == 303
    assert me(client) == {"id": person_id, "name": "周周", "role": "member", "month_limit": None}
    thief = office.browser()
    assert join(thief, path, "贼", "另一个长密码 12") == 404
    assert thief.get(path).status_code == 404
    assert log_in(office.browser(), "一个长密码 12", "周周") == 302


def test_of_two_who_use_an_invitation_at_once_one_joins(office: Office) -> None:
    _, path = office.invite("小周")
    browsers = [office.browser() for _ in range(4)]
    found = at_once(*(lambda one=one, n=n: join(one, path, f"周{n}") for n, one in enumerate(browsers)))
    assert sorted(found) == [303, 404, 404, 404]
    assert sum(one.get("/api/me").status_code == 200 for one in browsers) == 1


@pytest.mark.parametrize(
    ("name", "password", "says"),
    [
        ("小周", "七个字的密码啊", "8–200"),
        ("主人", "一个长密码 12", "已经有人叫"),
        ("  ", "一个长密码 12", "请写名字"),
    ],
)
def test_a_wrong_form_says_why_and_uses_nothing_up(
    office: Office, name: str, password: str, says: str
) -> None:
    _, path = office.invite("小周")
    client = office.browser()
    answer = client.post(path, data={"name": name, "password": password})
    assert (answer.status_code, says in answer.text) == (400, True)
    assert join(client, path, "小周") == 303


def test_an_invitation_ends_after_72_hours_or_with_the_next_one(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    person_id, path = office.invite("小周")
    second = answered(office.owner.post(f"/api/people/{person_id}/invitation"))["link"]
    second = "/join/" + second.rpartition("/join/")[2]
    assert join(office.browser(), path, "小周") == 404
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 72 * 3600 + 1)
    assert join(office.browser(), second, "小周") == 404
    monkeypatch.setattr(time, "time", lambda: now)
    assert join(office.browser(), second, "小周") == 303


def test_a_new_password_by_a_link_ends_the_earlier_logins(office: Office) -> None:
    person_id, client = office.add("小周")
    link = answered(office.owner.post(f"/api/people/{person_id}/invitation"))["link"]
    assert join(office.browser(), "/join/" + link.rpartition("/join/")[2], "小周", "忘了又设的密码 12") == 303
    assert client.get("/api/me").status_code == 403
    assert log_in(office.browser(), password_of("小周"), "小周") == 403


def test_who_is_switched_off_is_out_at_once_and_nothing_opens_for_them(office: Office) -> None:
    person_id, client = office.add("小周")
    headers = token_of(client)
    path = answered(office.owner.post(f"/api/people/{person_id}/invitation"))["link"].rpartition("5000")[2]
    office.change(person_id, active=False)
    assert client.get("/api/records").status_code == 403
    assert office.browser().get("/api/records", headers=headers).status_code == 401
    assert join(office.browser(), "/join/" + path.rpartition("/join/")[2], "小周") == 404
    assert log_in(office.browser(), password_of("小周"), "小周") == 403
    office.change(person_id, active=True)
    assert client.get("/api/records").status_code == 403
    assert office.browser().get("/api/records", headers=headers).status_code in (401, 429)


def test_a_login_that_was_checked_before_the_switching_off_does_not_count_after_it(
    office: Office, db: database.Connection
) -> None:
    person_id, _ = office.add("小周")
    account = sql.find_account(db, "小周")
    assert account is not None
    office.change(person_id, active=False)
    how = {"now": 0.0, "expires_at": 9e9, "address": "", "agent": ""}
    assert not add_session(db, "a", account, **how)  # type: ignore[arg-type]
    office.change(person_id, active=True)
    sql.set_password(db, person_id, "another", kept="")
    assert not add_session(db, "a", account, **how)  # type: ignore[arg-type]


def test_the_last_owner_who_can_log_in_stays(office: Office) -> None:
    for fields in ({"active": False}, {"role": "member"}):
        assert "最后一个" in office.change(1, 409, **fields)["error"]
    second, path = office.invite("小周", "owner")
    assert "最后一个" in office.change(1, 409, active=False)["error"]  # the other has not joined
    client = office.browser()
    join(client, path, "小周")
    answers = at_once(
        lambda: office.owner.patch(f"/api/people/{second}", json={"role": "member"}).status_code,
        lambda: client.patch("/api/people/1", json={"role": "member"}).status_code,
    )
    assert answers.count(200) == 1
    assert me(office.owner)["role"] != me(client)["role"]


def test_the_command_lets_an_owner_in_again(
    office: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "load_settings", lambda: office.settings)
    assert cli.main(["owner"]) == 0
    link = capsys.readouterr().out.split()[-1]
    client = office.browser()
    assert join(client, "/join/" + link.rpartition("/join/")[2], "老板", "一个新的密码 12") == 303
    assert me(client)["role"] == "owner"
    assert log_in(office.browser(), PASSWORD) == 403  # that of the server is no one's now
    monkeypatch.setattr(cli, "load_settings", lambda: replace(office.settings, access_password=""))
    assert cli.main(["owner"]) == 0
    assert "不用密码" in capsys.readouterr().out


def test_one_s_own_password_is_changed_with_the_present_one_and_ends_other_logins(office: Office) -> None:
    _, client = office.add("小周")
    other = office.browser()
    log_in(other, password_of("小周"), "小周")
    body = {"current": "猜", "password": "一个新的密码 12"}
    assert answered(client.patch("/api/me", json=body), 400)["field"] == "current"
    body["current"] = password_of("小周")
    client.environ_base["REMOTE_ADDR"] = other.environ_base["REMOTE_ADDR"] = "10.0.0.8"
    answered(client.patch("/api/me", json=body))
    assert (me(client)["name"], other.get("/api/me").status_code) == ("小周", 403)
    assert log_in(other, "一个新的密码 12", "小周") == 302


def test_one_s_own_name_is_changed_and_is_that_of_the_login(office: Office) -> None:
    office.add("小周")
    assert office.owner.patch("/api/me", json={"name": "小 周"}).status_code == 400
    answered(office.owner.patch("/api/me", json={"name": "Anna"}))
    assert 'value="Anna"' in office.owner.get("/people").text
    assert log_in(office.browser(), PASSWORD, "anna") == 302
    body = {"name": "Bea", "current": "猜", "password": "一个新的密码 12"}
    assert office.owner.patch("/api/me", json=body).status_code == 400
    assert me(office.owner)["name"] == "Anna"


def test_who_sets_the_access_password_says_the_first_name(settings: Settings) -> None:
    client = create_app(settings).test_client()
    assert "data-my-name" in client.get("/model").text
    answered(client.patch("/api/me", json={"name": "Anna"}))
    office = Office(settings)
    assert me(office.owner)["name"] == "Anna"
    assert "data-my-name" not in office.owner.get("/model").text


def test_one_ends_one_s_own_logins_only(office: Office) -> None:
    _, client = office.add("小周")
    mine, theirs = (answered(one.get("/api/me"))["sessions"] for one in (client, office.owner))
    assert [each["current"] for each in mine] == [True]
    assert client.delete(f"/api/me/sessions/{theirs[0]['id']}").status_code == 404
    assert client.delete(f"/api/me/sessions/{mine[0]['id']}").status_code == 200
    assert client.get("/api/me").status_code == 403
    assert office.owner.get("/api/me").status_code == 200


def test_a_session_says_where_it_is(office: Office) -> None:
    agent = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0"
    client = office.browser()
    client.post("/login", data={"password": PASSWORD}, headers={"User-Agent": agent})
    here = next(each for each in answered(client.get("/api/me"))["sessions"] if each["current"])
    assert (here["agent"], here["address"]) == ("Edge, Windows", "127.0.0.1")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 41}, "name"),
        ({"name": "主 人"}, "name"),
    ],
)
def test_what_is_wrong_of_a_person_is_refused(
    module_office: Office, fields: dict[str, object], field: str
) -> None:
    assert answered(module_office.owner.post("/api/people", json=fields), 400)["field"] == field


def test_a_person_is_renamed_and_has_a_limit(office: Office) -> None:
    person_id, client = office.add("小周", month_limit=12.5)
    assert me(client)["month_limit"] == 12.5
    office.change(person_id, name="周周", month_limit=None)
    assert (me(client)["name"], me(client)["month_limit"]) == ("周周", None)
    office.change(person_id, 400, name="主人")
    office.change(99, 404, name="谁")


def test_the_database_has_no_password_link_or_token(office: Office, db: database.Connection) -> None:
    _, path = office.invite("小周")
    _, client = office.add("小王")
    token = token_of(client)["Authorization"].removeprefix("Bearer ")
    stored = " ".join(dump(db))
    assert token not in stored
    assert path.removeprefix("/join/") not in stored


def test_an_invitation_is_kept_by_nothing(office: Office) -> None:
    _, path = office.invite("小周")
    answer = office.browser().get(path)
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert (
        "no-referrer" in answer.headers["Referrer-Policy"]
        or answer.headers["Referrer-Policy"] == "same-origin"
    )


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_another_site_cannot_use_an_invitation(office: Office, headers: dict[str, str]) -> None:
    _, path = office.invite("小周")
    data = {"name": "小周", "password": password_of("小周")}
    assert office.browser().post(path, data=data, headers=headers).status_code == 403
