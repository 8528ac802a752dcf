"""Who may call what: every route with every verb, by role."""

import pytest
from flask.testing import FlaskClient

import database
from app.people.access import LEAST_ROLE
from app.web.security import OPEN_ENDPOINTS
from tests.people.harness import Office, token_of
from tests.web.harness import answered
from tests.web.test_security import calls

ROLES = ("viewer", "member", "owner")
# Who may call what writes, and what owners alone read, written by hand: a line of app/people/access.py
# that is moved is noticed. Everything else reads, and every role may call it.
ROUTES = {
    "viewer": """
        api.batches.check api.records.find_record_by_file api.samples.count_uses deliveries.preview
        api.records.archive_records api.records.export_records api.samples.archive_images
        api.spreadsheets.export_rows deliveries.deliver deliveries.make
        api.records.pick_records
    """,
    "viewer, with a login only": "people.add_token people.change_me people.delete_token people.end_session",
    "member": """
        create.generate api.batches.batch_generate api.batches.create_batch
        api.edit.edit_record api.edit.upscale_record api.release.release_batch
        api.repair.retry_batch api.repair.uncancel_batch batch.restore records.change
        api.batches.cancel_batch api.batches.cancel_record api.batches.pause_batch api.batches.resume_batch
        api.records.delete_record api.records.delete_records api.records.restore_records
        api.samples.add_images api.samples.delete_image api.samples.rename_image api.samples.restore_image
        api.spreadsheets.import_version api.spreadsheets.import_workbook
        api.tables.copy api.tables.create api.tables.delete api.tables.patch api.tables.put
        api.tables.restore api.tables.run api.tables.undo_change
        api.usage.refetch_records api.usage.resubmit_records api.usage.undo_write_off api.usage.write_off
        deliveries.copy_to_folder deliveries.forget deliveries.put_profile deliveries.remove_profile
        api.recipes.apply_to_table api.recipes.import_recipe api.recipes.put_recipe api.recipes.remove_recipe
        rounds.close rounds.create rounds.done rounds.follow rounds.remove rounds.renew rounds.reopen
    """,
    # Harmless, also with a token: they read without secrets, ask for free, send a fixed sentence.
    "owner": """
        model.index api.settings.get_settings people.list_people
        api.settings.post_test api.settings.send_test
    """,
    "owner, with a login only": """
        api.settings.put_settings api.usage.put_budgets people.add_person people.change_person people.invite
        model.download_backup model.restore model.restored model.submit
    """,
    # guarded by tests/web/test_security.py and tests/rounds/
    "everybody": """
        join.join language.choose login.log_in login.log_out
        client.enter client.mark client.nothing client.submit
    """,
}
LEAST = {endpoint: role.split(",")[0] for role, names in ROUTES.items() for endpoint in names.split()}
WITH_A_LOGIN_ONLY = {name for role, names in ROUTES.items() if "login" in role for name in names.split()}
REFUSED = {
    "member": ("只有主人可以做这件事",),
    "viewer": ("只有主人可以做这件事", "您的身份是「只看」"),
}


def test_every_route_says_who_may_call_it(module_office: Office) -> None:
    routes = {rule.endpoint for rule in module_office.app.url_map.iter_rules()}
    of_clients = {name for name in routes if name.startswith("client.")}  # guarded by tests/rounds/
    assert routes - of_clients == LEAST_ROLE.keys() | {*OPEN_ENDPOINTS}
    assert LEAST_ROLE.keys() & {*OPEN_ENDPOINTS} == set()


def test_every_route_that_writes_is_listed_here_with_its_least_role(module_office: Office) -> None:
    rules = [*module_office.app.url_map.iter_rules()]
    writing = {rule.endpoint for rule in rules if (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}}
    assert writing - LEAST.keys() == set(), (
        "write these into ROUTES above, below the least role that may call them"
    )
    assert LEAST.keys() - {rule.endpoint for rule in rules} == set()


@pytest.mark.sqlite
@pytest.mark.parametrize("role", ROLES)
def test_a_role_calls_what_is_listed_for_it_and_is_refused_everything_else(office: Office, role: str) -> None:
    _, client = office.add("小周", role)
    adapter, wrong = office.app.url_map.bind("localhost"), []
    for method, address, name in calls(office.app):
        endpoint = adapter.match(address, method)[0]
        if endpoint in OPEN_ENDPOINTS or endpoint.startswith("client."):
            continue
        answer = client.open(address, method=method)
        is_refused = answer.status_code == 403 and any(text in answer.text for text in REFUSED.get(role, ()))
        answer.close()
        if is_refused is not (ROLES.index(role) < ROLES.index(LEAST.get(endpoint, "viewer"))):
            wrong.append(name)
    assert wrong == []


@pytest.mark.sqlite
def test_an_owner_s_token_does_nothing_that_gives_access_or_money(office: Office) -> None:
    script, headers = office.browser(), token_of(office.owner)
    adapter, refused = office.app.url_map.bind("localhost"), set()
    for method, address, _ in calls(office.app):
        answer = script.open(address, method=method, headers=headers)
        if answer.status_code == 403 and "令牌不能做这件事" in answer.text:
            refused.add(adapter.match(address, method)[0])
        answer.close()
    assert refused == WITH_A_LOGIN_ONLY


def test_a_route_without_a_line_is_refused_to_everybody(
    module_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(LEAST_ROLE, "api.records.list_records")
    assert module_office.owner.get("/api/records").status_code == 403


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
