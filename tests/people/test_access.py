"""Who may call what: every route with every verb, by role."""

import pytest
from flask.testing import FlaskClient

import database
from app.domain.people import Role
from app.people.access import LEAST_ROLE
from app.web.middleware.security import OPEN_ENDPOINTS
from tests.people.harness import Office, token_of
from tests.web.harness import answered
from tests.web.test_security import calls

# Refused to a token, of whichever role.
WITH_A_LOGIN_ONLY = {
    "people.change_me",
    "people.end_session",
    "people.add_token",
    "people.delete_token",
    "people.add_person",
    "people.change_person",
    "people.invite",
    "api.usage.put_budgets",
    "api.settings.put_settings",
    "model.submit",
    "model.restore",
    "model.restored",
    "model.download_backup",
}
HARMLESS = {  # what only owners may call, and their tokens may too
    "model.index": "reads; no value of a secret",
    "api.settings.get_settings": "reads; no value of a secret",
    "people.list_people": "reads; no password, link or token",
    "api.settings.post_test": "asks a service whether the stored key works, for free",
    "api.notifications.send_test": "sends a fixed sentence to the stored receiver",
}
REFUSED = {
    "member": ("只有主人可以做这件事",),
    "viewer": ("只有主人可以做这件事", "您的身份是「只看」"),
}


def test_every_route_says_who_may_call_it(module_office: Office) -> None:
    routes = {rule.endpoint for rule in module_office.app.url_map.iter_rules()}
    of_clients = {name for name in routes if name.startswith("client.")}  # guarded by tests/rounds/
    assert routes - of_clients == LEAST_ROLE.keys() | {*OPEN_ENDPOINTS}
    assert LEAST_ROLE.keys() & {*OPEN_ENDPOINTS} == set()


@pytest.mark.sqlite
@pytest.mark.parametrize("role", ["member", "viewer", "owner"])
def test_a_role_calls_what_its_line_allows_and_is_refused_everything_else(office: Office, role: str) -> None:
    _, client = office.add("小周", role)
    adapter, wrong = office.app.url_map.bind("localhost"), []
    for method, address, name in calls(office.app):
        endpoint = adapter.match(address, method)[0]
        if endpoint in OPEN_ENDPOINTS or endpoint.startswith("client.") or endpoint == "people.end_session":
            continue
        answer = client.open(address, method=method)
        is_refused = answer.status_code == 403 and any(text in answer.text for text in REFUSED.get(role, ()))
        answer.close()
        if is_refused is Role(role).covers(LEAST_ROLE[endpoint]):
            wrong.append(name)
    assert wrong == []


@pytest.mark.sqlite
def test_an_owner_s_token_does_nothing_that_gives_access_or_money(office: Office) -> None:
    """A new route of owners is either refused to tokens, or named as harmless."""
    script, headers = office.browser(), token_of(office.owner)
    adapter, refused = office.app.url_map.bind("localhost"), set()
    for method, address, _ in calls(office.app):
        answer = script.open(address, method=method, headers=headers)
        if answer.status_code == 403 and "令牌不能做这件事" in answer.text:
            refused.add(adapter.match(address, method)[0])
        answer.close()
    of_owners = {name for name, role in LEAST_ROLE.items() if role is Role.OWNER}
    assert refused == WITH_A_LOGIN_ONLY
    assert of_owners - refused == HARMLESS.keys()


def test_a_route_without_a_line_is_refused_to_everybody(
    module_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(LEAST_ROLE, "api.records.list_records")
    assert module_office.owner.get("/api/records").status_code == 403


@pytest.mark.parametrize(
    ("endpoint", "role"),
    [
        ("api.settings.put_settings", "owner"),
        ("api.usage.put_budgets", "owner"),
        ("api.tables.run", "member"),
        ("api.records.delete_records", "member"),
        ("api.spreadsheets.import_workbook", "member"),
        ("api.records.pick_records", "viewer"),
        ("deliveries.download", "viewer"),
    ],
)
def test_owners_set_up_members_order_and_viewers_pick_and_download(endpoint: str, role: str) -> None:
    assert LEAST_ROLE[endpoint] == role


@pytest.mark.sqlite
def test_pages_offer_a_role_what_it_may_do(office: Office) -> None:
    _, viewer = office.add("小王", "viewer")
    _, member = office.add("小周", "member")
    assert viewer.get("/").headers["Location"] == "/records"
    assert member.get("/").status_code == 200
    shown = [client.get("/usage").text for client in (viewer, member, office.owner)]
    assert ["looking" in text for text in shown] == [True, False, False]
    assert ['href="/model"' in text for text in shown] == [False, False, True]
    assert ["disabled" in text for text in shown] == [True, True, False]


@pytest.fixture
def table(office: Office) -> str:
    made = answered(office.owner.post("/api/tables", json={"rows": [{"prompt": "猫"}]}), 201)
    return str(made["table"]["id"])


def run(client: FlaskClient, table: str) -> int:
    return client.post(f"/api/tables/{table}/run", json={}).status_code


def test_a_role_that_is_changed_counts_from_the_next_call_on(office: Office, table: str) -> None:
    person_id, client = office.add("小周", "member")
    headers = token_of(client)
    office.change(person_id, role="viewer")
    assert run(client, table) == 403
    assert office.browser().post(f"/api/tables/{table}/run", json={}, headers=headers).status_code == 403
    office.change(person_id, role="member")
    assert run(client, table) == 202


def test_a_stored_role_that_is_none_may_only_look(
    office: Office, table: str, db: database.Connection
) -> None:
    person_id, client = office.add("小周", "owner")
    with database.transaction(db):
        db.execute("UPDATE people SET role = 'root' WHERE id = :id", {"id": person_id})
    assert run(client, table) == 403
    assert client.get("/api/records").status_code == 200
