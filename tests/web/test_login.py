"""Login: sessions, their duration, and delays after wrong guesses."""

import hashlib
import time
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.config import Settings
from app.web.middleware import login
from app.web.middleware.login import COOKIE, LoginThrottle
from tests.fakes.clock import Clock
from web_app import create_app


@pytest.fixture
def app(settings: Settings) -> Flask:
    return create_app(replace(settings, access_password="开门"))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare passwords directly: the slow hash has its own test."""
    monkeypatch.setattr(LoginThrottle, "_hash", lambda self, text: text.encode())


def enter(client: FlaskClient, password: str = "开门", address: str = "192.168.1.7", **how: str) -> int:
    """Try a password from an address -> status."""
    answer = client.post(
        "/login", data={"password": password}, environ_base={"REMOTE_ADDR": address}, headers=how
    )
    return answer.status_code


def lets_in(client: FlaskClient) -> bool:
    return client.get("/api/records").status_code == 200


def test_the_right_password_logs_in(app: Flask) -> None:
    client = app.test_client()
    assert enter(client) == 302
    assert lets_in(client)


def test_the_cookie_is_httponly_and_samesite(app: Flask) -> None:
    cookie = app.test_client().post("/login", data={"password": "开门"}).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_a_wrong_password_does_not_log_in(app: Flask) -> None:
    client = app.test_client()
    assert enter(client, "开门 ") == 403
    assert not lets_in(client)


def test_passwords_are_compared_with_a_slow_memory_hard_hash(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, costs = hashlib.scrypt, []

    def scrypt(text: bytes, *, salt: bytes, n: int, r: int, p: int) -> bytes:
        costs.append((len(salt), n * r * 128))
        return real(text, salt=salt, n=n, r=r, p=p)

    monkeypatch.setattr(hashlib, "scrypt", scrypt)
    enter(app.test_client(), "猜")
    assert costs == [(16, 16 * 2**20)] * 2


def test_a_session_ends_after_seven_days(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    client = app.test_client()
    enter(client)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 7 * 24 * 3600 - 60)
    assert lets_in(client)
    monkeypatch.setattr(time, "time", lambda: now + 7 * 24 * 3600 + 60)
    assert not lets_in(client)


def test_a_session_ends_with_the_process(app: Flask, settings: Settings) -> None:
    client = app.test_client()
    enter(client)
    cookie = client.get_cookie(COOKIE)
    assert cookie is not None
    again = create_app(replace(settings, access_password="开门")).test_client()
    again.set_cookie(COOKIE, cookie.value)
    assert not lets_in(again)


def test_after_logout_the_password_is_required_again(app: Flask) -> None:
    client = app.test_client()
    enter(client)
    answer = client.post("/logout", headers={"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert client.get("/").headers["Location"] == "/login?next=/"
    assert not lets_in(client)
    assert client.post("/logout").status_code == 303


def test_logout_ends_only_this_session(app: Flask) -> None:
    client, colleague = app.test_client(), app.test_client()
    enter(client)
    enter(colleague)
    cookie = client.get_cookie(COOKIE)
    assert cookie is not None
    client.post("/logout")
    client.set_cookie(COOKIE, cookie.value)
    assert not lets_in(client)
    assert lets_in(colleague)


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}]
)
def test_another_site_cannot_log_a_browser_out(app: Flask, headers: dict[str, str]) -> None:
    client = app.test_client()
    enter(client)
    assert client.post("/logout", headers=headers).status_code == 403
    assert client.get("/logout").status_code == 405
    assert lets_in(client)


def test_logout_is_offered_only_with_a_password(app: Flask, settings: Settings) -> None:
    client = app.test_client()
    enter(client)
    assert 'action="/logout"' in client.get("/records").text
    assert 'action="/logout"' not in client.get("/login").text
    assert 'action="/logout"' not in create_app(settings).test_client().get("/records").text


def test_expired_sessions_are_discarded(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(app.test_client())
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 7 * 24 * 3600 + 60)
    enter(app.test_client())
    assert len(app.extensions[login._SESSIONS]) == 1


def test_a_forged_cookie_is_no_session(app: Flask) -> None:
    client = app.test_client()
    client.set_cookie(COOKIE, "eyJ1bnRpbCI6OTk5OTk5OTk5OTl9.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb")
    assert not lets_in(client)


def test_another_site_cannot_log_a_browser_in(app: Flask) -> None:
    client = app.test_client()
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
def test_the_login_redirects_to_no_other_site(app: Flask, target: str) -> None:
    answer = app.test_client().post(f"/login?next={target}", data={"password": "开门"})
    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize("target", ["/records?search=%E7%8C%AB&page=2", "/batch?id=20260301-a1"])
def test_the_login_redirects_to_the_requested_page(app: Flask, target: str) -> None:
    client = app.test_client()
    login_url = client.get(target).headers["Location"]
    assert client.post(login_url, data={"password": "开门"}).headers["Location"] == target


def test_only_the_client_that_guessed_wrong_is_delayed(app: Flask) -> None:
    client = app.test_client()
    assert enter(client, "猜", "192.168.1.66") == 403
    assert enter(client, "开门", "192.168.1.66") == 429
    assert enter(client, "开门", "192.168.1.7") == 302


@pytest.mark.usefixtures("quick")
def test_login_delays_double_up_to_a_minute_and_end_with_the_right_password() -> None:
    clock = Clock()
    guesses = LoginThrottle(clock)
    waits = []
    for _ in range(9):
        assert guesses.check("猜", "开门", "10.0.0.1") == (False, 0.0)
        right, wait = guesses.check("开门", "开门", "10.0.0.1")
        assert not right
        waits.append(wait)
        clock.now += wait
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert guesses.check("开门", "开门", "10.0.0.1") == (True, 0.0)
    assert guesses.check("猜", "开门", "10.0.0.1") == (False, 0.0)
    assert guesses.check("猜", "开门", "10.0.0.1") == (False, 1.0)


@pytest.mark.usefixtures("quick")
def test_wrong_guesses_expire_after_an_hour() -> None:
    clock = Clock()
    guesses = LoginThrottle(clock)
    for _ in range(4):
        guesses.check("猜", "开门", "10.0.0.1")
        clock.now += 60
    clock.now += 3600
    guesses.check("猜", "开门", "10.0.0.1")
    assert guesses.check("开门", "开门", "10.0.0.1") == (False, 1.0)


@pytest.mark.usefixtures("quick")
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
def test_an_ipv6_network_counts_as_one_client(one: str, other: str, are_one: bool) -> None:
    guesses = LoginThrottle(Clock())
    guesses.check("猜", "开门", one)
    assert (guesses.check("开门", "开门", other)[0] is False) is are_one


@pytest.mark.usefixtures("quick")
def test_the_number_of_remembered_clients_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "_MAX_REMEMBERED", 2)
    guesses = LoginThrottle(Clock())
    for number in range(50):
        guesses.check("猜", "开门", f"10.0.0.{number}")
    assert len(guesses._wrong) == 2
    assert guesses.check("开门", "开门", "10.0.0.49")[0] is False


def test_a_concurrent_guess_is_refused_at_once_with_retry_after(app: Flask) -> None:
    client, guesses = app.test_client(), app.extensions[login._KEY]
    with guesses._lock:
        answer = client.post("/login", data={"password": "开门"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert "有别人正在登录" in answer.text
    assert enter(client) == 302


def test_without_a_password_the_login_form_redirects(settings: Settings) -> None:
    client = create_app(settings).test_client()
    answer = client.post("/login?next=/records", data={"password": "?"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/records")
    assert client.post("/logout").status_code == 303
