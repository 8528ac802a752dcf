"""Login: sessions, their duration, and delays after wrong guesses."""

import hashlib
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from ipaddress import ip_network

import pytest
from flask import Flask
from flask.testing import FlaskClient

import database
from app.config import Settings
from app.core import attempts
from app.domain import people
from app.domain.people import Person
from app.engine.sqlite import SqliteConnection
from app.people import login, sessions
from app.people.login import LoginThrottle
from app.people.sql import Account
from app.web.person import COOKIE
from tests.dump import dump
from tools.fakes.clock import Clock
from web_app import create_app

LIMIT = database.Limit("10.0.0.1")
RIGHT = Account(person=Person(id=1), password="", password_version=0)


@pytest.fixture
def app(settings: Settings) -> Flask:
    return create_app(replace(settings, access_password="开门"))


@pytest.fixture(scope="module")
def module_app(module_settings: Settings) -> Flask:
    """As ``app``, for tests of redirects."""
    return create_app(replace(module_settings, access_password="开门"))


def right() -> Account | None:
    return RIGHT


def wrong() -> Account | None:
    return None


def enter(client: FlaskClient, password: str = "开门", address: str = "192.168.1.7", **how: str) -> int:
    """Try a password from an address -> status."""
    answer = client.post(
        "/login", data={"password": password}, environ_base={"REMOTE_ADDR": address}, headers=how
    )
    return answer.status_code


def logged_in(app: Flask) -> FlaskClient:
    client = app.test_client()
    assert enter(client) == 302
    return client


def cookie_of(client: FlaskClient) -> str:
    cookie = client.get_cookie(COOKIE)
    assert cookie is not None
    return cookie.value


def lets_in(client: FlaskClient) -> bool:
    return client.get("/api/records").status_code == 200


def test_the_cookie_is_httponly_and_samesite(module_app: Flask) -> None:
    cookie = module_app.test_client().post("/login", data={"password": "开门"}).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_a_wrong_password_does_not_log_in(app: Flask) -> None:
    client = app.test_client()
    assert enter(client, "开门 ") == 403
    assert not lets_in(client)


def test_passwords_are_compared_with_a_slow_memory_hard_hash(
    app: Flask, monkeypatch: pytest.MonkeyPatch, quick: Callable[..., str]
) -> None:
    real, costs = hashlib.scrypt, []

    def scrypt(text: bytes, *, salt: bytes, n: int, r: int, p: int) -> bytes:
        costs.append((len(salt), n * r * 128))
        return real(text, salt=salt, n=n, r=r, p=p)

    monkeypatch.setattr(people, "_hash", quick)
    monkeypatch.setattr(hashlib, "scrypt", scrypt)
    enter(app.test_client(), "猜")
    assert costs == [(16, 16 * 2**20)] * 2


def test_a_session_ends_after_seven_days(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    client = logged_in(app)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 7 * 24 * 3600 - 60)
    assert lets_in(client)
    monkeypatch.setattr(time, "time", lambda: now + 7 * 24 * 3600 + 60)
    assert not lets_in(client)


def elsewhere(client: FlaskClient, settings: Settings, password: str = "开门") -> FlaskClient:
    """The same browser at another process, or at this one after a restart."""
    cookie = cookie_of(client)
    other = create_app(replace(settings, access_password=password)).test_client()
    other.set_cookie(COOKIE, cookie)
    return other


def test_a_session_is_shared_by_all_processes_and_ends_in_all(app: Flask, settings: Settings) -> None:
    client = logged_in(app)
    other = elsewhere(client, settings)
    assert lets_in(other)
    other.post("/logout")
    assert not lets_in(client)


def test_another_password_ends_all_sessions(app: Flask, settings: Settings) -> None:
    client = logged_in(app)
    assert not lets_in(elsewhere(client, settings, password="关门"))
    assert lets_in(elsewhere(client, settings))


def test_the_database_holds_neither_the_cookie_nor_the_password(app: Flask, db: database.Connection) -> None:
    client = logged_in(app)
    cookie = cookie_of(client)
    assert db.execute("SELECT count(*) FROM sessions").fetchone()[0] == 1
    stored = " ".join(dump(db))
    assert cookie not in stored
    assert "开门" not in stored


@pytest.mark.usefixtures("still")
def test_wrong_passwords_count_together_in_all_processes(app: Flask, settings: Settings) -> None:
    other = create_app(replace(settings, access_password="开门")).test_client()
    assert enter(app.test_client(), "猜") == 403
    assert enter(other, "开门") == 429


@pytest.mark.sqlite
def test_a_request_writes_nothing_and_without_a_cookie_reads_no_session(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, looked = app.test_client(), []
    real = sessions.find_pass

    def find_pass(db: database.Connection, table: str, digest: str, *, now: float) -> sessions.Pass | None:
        assert isinstance(db, SqliteConnection)
        before = db.total_changes
        found = real(db, table, digest, now=now)
        looked.append(db.total_changes - before)
        return found

    monkeypatch.setattr(sessions, "find_pass", find_pass)
    assert not lets_in(client)
    client.set_cookie(COOKIE, "x" * 42)
    assert not lets_in(client)
    assert looked == []
    enter(client)
    assert lets_in(client)
    assert looked == [0]


@pytest.mark.parametrize("path", ["/static/favicon.svg", "/readyz"])
def test_what_is_open_makes_no_query(app: Flask, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(database.ConnectionPool, "acquire", lambda _: pytest.fail("connected"))
    client = app.test_client()
    client.set_cookie(COOKIE, "x" * 43)
    assert client.get(path, buffered=True).status_code == 200


@pytest.mark.sqlite
@pytest.mark.parametrize("damage", ["gone", "overwritten"])
def test_without_the_database_the_error_shows_a_visitor_no_path(
    app: Flask, settings: Settings, damage: str
) -> None:
    client = logged_in(app)
    for path in settings.database_path.parent.glob("generation_records.db*"):
        path.unlink()
    if damage == "overwritten":
        settings.database_path.write_bytes(b"not a database at all" * 400)
    answers = [
        client.get("/records"),
        client.get("/api/records"),
        client.get("/live/status"),
        client.post("/login", data={"password": "开门"}),
        client.post("/logout"),
    ]
    for answer in answers:
        assert answer.status_code == 503
        text = (answer.get_json(silent=True) or {}).get("error", answer.text)
        assert "数据库现在用不了，请在运行程序的电脑上看日志" in text
        assert settings.database_path.name not in answer.text
    assert settings.database_path.exists() == (damage == "overwritten")


def test_after_logout_the_password_is_required_again(app: Flask) -> None:
    client = logged_in(app)
    answer = client.post("/logout", headers={"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert client.get("/").headers["Location"] == "/login?next=/"
    assert not lets_in(client)
    assert client.post("/logout").status_code == 303


def test_logout_ends_only_this_session(app: Flask) -> None:
    client, colleague = logged_in(app), logged_in(app)
    cookie = cookie_of(client)
    client.post("/logout")
    client.set_cookie(COOKIE, cookie)
    assert not lets_in(client)
    assert lets_in(colleague)


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}]
)
def test_another_site_cannot_log_a_browser_out(app: Flask, headers: dict[str, str]) -> None:
    client = logged_in(app)
    assert client.post("/logout", headers=headers).status_code == 403
    assert client.get("/logout").status_code == 405
    assert lets_in(client)


def test_logout_is_offered_only_with_a_password(app: Flask, settings: Settings) -> None:
    client = logged_in(app)
    assert 'action="/logout"' in client.get("/records").text
    assert 'action="/logout"' not in client.get("/login").text
    assert 'action="/logout"' not in create_app(settings).test_client().get("/records").text


def test_expired_sessions_are_discarded(
    app: Flask, db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(app.test_client())
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 7 * 24 * 3600 + 60)
    enter(app.test_client())
    assert db.execute("SELECT count(*) FROM sessions").fetchone()[0] == 1


def test_a_forged_cookie_is_no_session(module_app: Flask) -> None:
    client = module_app.test_client()
    client.set_cookie(COOKIE, "eyJ1bnRpbCI6OTk5OTk5OTk5OTl9.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb")
    assert not lets_in(client)


def test_another_site_cannot_log_a_browser_in(module_app: Flask) -> None:
    client = module_app.test_client()
    assert enter(client, Origin="https://evil.example") == 403
    assert enter(client, **{"Sec-Fetch-Site": "cross-site"}) == 403
    assert not lets_in(client)


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "/%2fevil.example",
        "https://evil.example",
        "/%09/evil.example",
        "/%0a/evil.example",
        "/%0d%0aX-Evil:1",
        "/%5cevil.example",
        "/a%5c..%5c%5cevil.example",
        "javascript:alert(1)",
        "%20//evil.example",
        "",
    ],
)
def test_the_login_redirects_to_no_other_site(module_app: Flask, target: str) -> None:
    answer = module_app.test_client().post(f"/login?next={target}", data={"password": "开门"})
    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize("target", ["/records?search=%E7%8C%AB&page=2", "/batch?id=20260301-a1"])
def test_the_login_redirects_to_the_requested_page(module_app: Flask, target: str) -> None:
    client = module_app.test_client()
    login_url = client.get(target).headers["Location"]
    assert client.post(login_url, data={"password": "开门"}).headers["Location"] == target


@pytest.mark.usefixtures("still")
def test_only_the_client_that_guessed_wrong_is_delayed(app: Flask) -> None:
    client = app.test_client()
    assert enter(client, "猜", "192.168.1.66") == 403
    assert enter(client, "开门", "192.168.1.66") == 429
    assert enter(client, "开门", "192.168.1.7") == 302


def test_a_wrong_password_that_another_process_counts_meanwhile_delays(
    db: database.Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = database.transaction

    def begin_late(mine: database.Connection, **how: bool) -> AbstractContextManager[bool]:
        monkeypatch.setattr("app.core.attempts.transaction", begin)
        with closing(database.connect(settings.database)) as other:
            assert attempts.start_attempt(other, LIMIT, now=0.0) == 0.0
        return begin(mine, **how)

    monkeypatch.setattr("app.core.attempts.transaction", begin_late)
    assert attempts.start_attempt(db, LIMIT, now=0.0) == 1.0


def test_login_delays_double_up_to_a_minute_and_end_with_the_right_password(db: database.Connection) -> None:
    clock = Clock()
    guesses = LoginThrottle(clock)
    waits = []
    for _ in range(9):
        assert guesses.check(db, wrong, "10.0.0.1") == (None, 0.0)
        account, wait = guesses.check(db, right, "10.0.0.1")
        assert account is None
        waits.append(wait)
        clock.now += wait
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert guesses.check(db, right, "10.0.0.1") == (RIGHT, 0.0)
    assert guesses.check(db, wrong, "10.0.0.1") == (None, 0.0)
    assert guesses.check(db, wrong, "10.0.0.1") == (None, 1.0)


def test_wrong_guesses_expire_after_an_hour(db: database.Connection) -> None:
    clock = Clock()
    guesses = LoginThrottle(clock)
    for _ in range(4):
        guesses.check(db, wrong, "10.0.0.1")
        clock.now += 60
    clock.now += 3600
    guesses.check(db, wrong, "10.0.0.1")
    assert guesses.check(db, right, "10.0.0.1") == (None, 1.0)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("2400:3200::1", "2400:3200::ffff:1", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("2400:3200::1", "2400:3201::1", False),
        ("10.0.0.1", "10.0.0.2", False),
        ("", "", True),
    ],
)
def test_an_ipv6_network_counts_as_one_client(
    db: database.Connection, one: str, other: str, are_one: bool
) -> None:
    guesses = LoginThrottle(Clock())
    guesses.check(db, wrong, one)
    assert (guesses.check(db, right, other)[0] is None) is are_one


def test_the_number_of_remembered_clients_is_bounded(
    db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "_MAX_CLIENTS", 6)
    guesses = LoginThrottle(Clock())
    for number in range(50):
        guesses.check(db, wrong, f"10.0.0.{number}", str(number))
    assert db.execute("SELECT count(*) FROM login_attempts").fetchone()[0] == 6
    assert guesses.check(db, right, "10.0.0.49", "49")[0] is None


def test_the_wrong_passwords_of_a_name_count_together_from_all_addresses(db: database.Connection) -> None:
    clock = Clock()
    guesses = LoginThrottle(clock)
    waits = [guesses.check(db, wrong, f"10.0.0.{number}", "主 人")[1] for number in range(31)]
    assert waits == [0.0] * 30 + [60.0]
    assert guesses.check(db, right, "10.0.1.1", "小周") == (RIGHT, 0.0)
    clock.now += 60
    assert guesses.check(db, right, "10.0.1.1", "主人") == (RIGHT, 0.0)


def test_the_wrong_passwords_of_an_address_count_together_for_all_names(db: database.Connection) -> None:
    clock = Clock()
    guesses = LoginThrottle(clock)
    waits = [guesses.check(db, wrong, "10.0.0.1", f"小{number}")[1] for number in range(61)]
    assert waits == [0.0] * 60 + [60.0]
    assert guesses.check(db, right, "10.0.0.2", "小周") == (RIGHT, 0.0)


def test_no_client_has_to_wait_longer_after_the_clock_is_set_back(db: database.Connection) -> None:
    clock = Clock()
    guesses = LoginThrottle(clock)
    clock.now += 7200
    guesses.check(db, wrong, "10.0.0.1")
    clock.now -= 7200
    assert guesses.check(db, right, "10.0.0.1") == (RIGHT, 0.0)


def test_a_concurrent_guess_is_refused_at_once_with_retry_after(app: Flask) -> None:
    client, guesses = app.test_client(), app.extensions[login._KEY]
    with guesses._lock:
        answer = client.post("/login", data={"password": "开门"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert "有别人正在登录" in answer.text
    assert enter(client) == 302


@pytest.mark.usefixtures("still")
def test_a_client_that_has_to_wait_keeps_no_other_out(app: Flask) -> None:
    client, guesses = app.test_client(), app.extensions[login._KEY]
    assert enter(client, "猜") == 403
    with guesses._lock:  # it is not asked for
        answer = client.post("/login", data={"password": "猜"}, environ_base={"REMOTE_ADDR": "192.168.1.7"})
    assert "密码错误次数过多" in answer.text


def test_a_logout_of_a_stranger_writes_nothing(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    deleted = []
    monkeypatch.setattr(sessions, "delete_session", lambda _db, digest: deleted.append(digest))
    client = app.test_client()
    client.set_cookie(COOKIE, "x" * 43)
    assert client.post("/logout").status_code == 303
    assert deleted == []
    enter(client)
    client.post("/logout")
    assert len(deleted) == 1


def test_without_a_password_the_login_form_redirects(settings: Settings) -> None:
    client = create_app(settings).test_client()
    answer = client.post("/login?next=/records", data={"password": "?"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/records")
    assert client.post("/logout").status_code == 303


@pytest.mark.usefixtures("still")
def test_behind_a_trusted_proxy_wrong_passwords_count_for_the_browser(settings: Settings) -> None:
    networks = (ip_network("192.168.1.0/24"), ip_network("10.1.0.9"))
    app = create_app(replace(settings, access_password="开门", trusted_proxies=networks))

    def guess(password: str, forwarded: str) -> int:
        return enter(app.test_client(), password, **{"X-Forwarded-For": forwarded})

    assert guess("猜", "192.0.2.7, 10.1.0.9") == 403
    assert guess("开门", "192.0.2.7, 10.1.0.9") == 429
    assert guess("开门", "192.0.2.7:50001, 10.1.0.9:443") == 429
    assert guess("猜", "[2001:db8::7]:50001, 10.1.0.9") == 403
    assert guess("开门", "2001:db8::7, 10.1.0.9") == 429
    assert guess("开门", "192.0.2.7, 198.51.100.1, 10.1.0.9") == 302
    client = app.test_client()  # of the machines of the proxies themselves
    assert enter(client, "猜", "192.168.1.7") == 403
    assert enter(client, "开门", "192.168.1.8") == 302


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("address", "said", "is_https"),
    [
        ("10.1.0.9", "https", True),
        ("10.1.0.9", "http, https", True),
        ("10.1.0.9", "https, http", False),
        ("10.1.0.9", "", False),
        ("192.0.2.7", "https", False),
    ],
)
def test_only_a_trusted_proxy_tells_that_the_browser_came_by_https(
    settings: Settings, address: str, said: str, is_https: bool
) -> None:
    networks = (ip_network("10.1.0.9"),)
    client = create_app(replace(settings, access_password="开门", trusted_proxies=networks)).test_client()
    client.environ_base["REMOTE_ADDR"] = address
    answer = client.post("/login", data={"password": "开门"}, headers={"X-Forwarded-Proto": said})
    assert ("Secure" in answer.headers["Set-Cookie"]) == is_https
    assert ("Strict-Transport-Security" in answer.headers) == is_https


def test_what_needs_a_login_is_kept_by_no_shared_cache(app: Flask, settings: Settings) -> None:
    client = app.test_client()
    (settings.output_dir / "猫.png").write_bytes(b"picture")
    enter(client)
    for path in ("/output/猫.png", "/", "/api/records", "/api/batches"):
        with client.get(path) as answer:
            assert answer.status_code == 200
            assert answer.cache_control.private
            assert not answer.cache_control.public
    with client.get("/static/css/tokens.css?v=1") as answer:
        assert answer.cache_control.public


@pytest.mark.usefixtures("still")
def test_an_address_that_a_stranger_claims_does_not_count(app: Flask) -> None:
    assert enter(app.test_client(), "猜", **{"X-Forwarded-For": "192.0.2.7"}) == 403
    assert enter(app.test_client(), "开门", **{"X-Forwarded-For": "192.0.2.8"}) == 429
