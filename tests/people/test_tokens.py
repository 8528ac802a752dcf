"""Tokens: a script calls as the person who made one."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from app.config import Settings
from tests.people.harness import Office, token_of
from tests.web.harness import answered
from web_app import create_app


def test_a_token_calls_as_its_person_from_anywhere_without_a_cookie(office: Office) -> None:
    _, client = office.add("小周", "member")
    headers = token_of(client) | {"Origin": "https://n8n.example"}
    script = office.browser()
    answer = script.get("/api/me", headers=headers)
    assert (answered(answer)["person"]["name"], "Set-Cookie" in answer.headers) == ("小周", False)
    assert script.post("/api/tables", json={"rows": [{"prompt": "猫"}]}, headers=headers).status_code == 201
    assert script.put("/api/budgets", json={"total": 1}, headers=headers).status_code == 403


def test_a_wrong_token_is_refused_also_with_a_login_beside_it(office: Office) -> None:
    answer = office.owner.get("/api/records", headers={"Authorization": "Bearer ait_x"})
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "令牌不对" in answered(answer, 401)["error"]


def test_an_address_that_goes_on_with_wrong_tokens_has_to_wait_and_a_right_one_has_not(
    office: Office,
) -> None:
    right = token_of(office.owner)
    script = office.browser()
    wrong = {"Authorization": "Bearer ait_x"}
    assert script.get("/api/records", headers=wrong).status_code == 401
    answer = script.get("/api/records", headers=wrong)
    assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (429, True)
    assert script.get("/api/records", headers=right).status_code == 200


def test_a_token_ends_when_it_was_said_or_is_deleted(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    ends_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    headers = token_of(office.owner, expires_at=ends_at)
    script = office.browser()
    assert script.get("/api/records", headers=headers).status_code == 200
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now + 3601)
        assert script.get("/api/records", headers=headers).status_code == 401
    (token,) = answered(office.owner.get("/api/tokens"))["tokens"]
    assert token["name"] == "n8n"
    assert token["last_used_at"] is not None
    answered(office.owner.delete(f"/api/tokens/{token['id']}"))
    assert script.get("/api/records", headers=headers).status_code in (401, 429)


@pytest.mark.parametrize("value", ["2020-01-01", "morgen", 5, "2099-01-01T00:00:00", {}])
def test_an_end_that_is_none_is_refused(module_office: Office, value: object) -> None:
    body = {"name": "n8n", "expires_at": value}
    assert answered(module_office.owner.post("/api/tokens", json=body), 400)["field"] == "expires_at"


def test_one_sees_and_deletes_one_s_own_tokens_only(office: Office) -> None:
    _, client = office.add("小周")
    token_of(client)
    (token,) = answered(client.get("/api/tokens"))["tokens"]
    assert answered(office.owner.get("/api/tokens"))["tokens"] == []
    assert office.owner.delete(f"/api/tokens/{token['id']}").status_code == 404


def test_a_token_makes_no_token_password_or_invitation(office: Office) -> None:
    headers, script = token_of(office.owner), office.browser()
    bodies = {
        "/api/tokens": {"name": "a"},
        "/api/people": {"name": "a"},
        "/api/people/1/invitation": {},
    }
    for path, body in bodies.items():
        assert script.post(path, json=body, headers=headers).status_code == 403
    change = {"current": "开门", "password": "12345678"}
    assert script.patch("/api/me", json=change, headers=headers).status_code == 403
    settings = {"values": {"ACCESS_PASSWORD": "12345678"}}
    assert "令牌" in answered(script.put("/api/settings", json=settings, headers=headers), 403)["error"]
    assert "令牌" in script.get("/model/backups/generation_records-0001.db", headers=headers).text


def test_a_token_in_an_address_counts_for_nothing(office: Office) -> None:
    token = token_of(office.owner)["Authorization"].removeprefix("Bearer ")
    for name in ("token", "access_token", "authorization"):
        assert office.browser().get(f"/api/records?{name}={token}").status_code == 403


def test_without_a_password_a_token_is_ignored_and_another_site_stays_refused(settings: Settings) -> None:
    client = create_app(settings).test_client()
    headers = {"Authorization": "Bearer ait_x"}
    assert client.get("/api/records", headers=headers).status_code == 200
    headers["Origin"] = "https://evil.example"
    assert client.post("/api/tables", json={"rows": []}, headers=headers).status_code == 403


def test_a_token_does_not_open_the_login_to_another_site(office: Office) -> None:
    headers = token_of(office.owner) | {"Origin": "https://evil.example"}
    assert office.browser().post("/login", data={"password": "开门"}, headers=headers).status_code == 403


def test_the_document_says_how_a_token_is_sent(module_office: Office) -> None:
    document = module_office.owner.get("/api/openapi.json").get_json()
    assert document["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}
    assert {"token": []} in document["security"]
