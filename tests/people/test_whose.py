"""Whose an order is: of who pressed, by whichever call; what happens to the runs of who is switched off."""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from openpyxl import load_workbook

import database
from app.config import Settings
from app.core.people import find_payer
from app.errors import Billed, Conflict, ModelError
from app.orders.place import place
from app.orders.repeats import Retry
from tests.core.queue import queue
from tests.core.queue.test_batches import state
from tests.people.harness import Office, listed, token_of
from tests.web.harness import answered, post
from tools.fakes.jimeng import FakeJimeng

ROWS = [{"prompt": "猫"}, {"prompt": "狗"}]
Press = Callable[[FlaskClient, str, list[int]], Any]


def order(client: FlaskClient, **fields: Any) -> str:
    return str(post(client, "/api/batches", {"rows": ROWS, **fields}, 202)["batch_id"])


def payers(db: database.Connection, batch_id: str) -> list[int | None]:
    """Who pays for each record of the batch."""
    return [find_payer(db, record_id) for record_id in ids_of(db, batch_id)]


def ids_of(db: database.Connection, batch_id: str) -> list[int]:
    sql = "SELECT id FROM generation_records WHERE batch_id = :id ORDER BY id"
    return [row["id"] for row in db.execute(sql, {"id": batch_id}).fetchall()]


def fail(db: database.Connection, billed: Billed) -> None:
    record = queue.claimed(db, model="demo")
    queue.charge(db, record)
    database.fail_record(db, record, ModelError("坏了", cause="broken", billed=billed))


def resume(client: FlaskClient, batch_id: str, _ids: list[int]) -> Any:
    post(client, f"/api/batches/{batch_id}/pause")
    return client.post(f"/api/batches/{batch_id}/resume")


def retry(client: FlaskClient, batch_id: str, _ids: list[int]) -> Any:
    return client.post(f"/api/batches/{batch_id}/retry")


def uncancel(client: FlaskClient, batch_id: str, _ids: list[int]) -> Any:
    post(client, f"/api/batches/{batch_id}/cancel")
    return client.post(f"/api/batches/{batch_id}/uncancel")


def resubmit(client: FlaskClient, _batch_id: str, ids: list[int]) -> Any:
    return client.post("/api/records/retry", json={"ids": ids[1:]})


@pytest.mark.parametrize(
    ("press", "others"),
    [(resume, [0, 1]), (retry, [0]), (uncancel, [0, 1]), (resubmit, [1])],
)
def test_who_presses_pays_for_what_that_queues_and_for_nothing_else(
    office: Office, db: database.Connection, press: Press, others: list[int]
) -> None:
    (first, one), (second, other) = office.add("小周"), office.add("小李")
    batch_id = order(one)
    if press in (retry, resubmit):
        fail(db, Billed.NO)
        fail(db, Billed.UNKNOWN)
    answer = press(other, batch_id, ids_of(db, batch_id))
    assert answer.status_code < 300, answer.text
    found = payers(db, batch_id)
    assert found == [second if index in others else first for index in range(len(found))]
    assert listed(other, person=second) == []  # only what is there is listed
    db.execute("UPDATE generation_records SET status = 'success'")
    ids = ids_of(db, batch_id)
    assert sorted(listed(other, person=second)) == [ids[index] for index in others]


def test_what_is_released_counts_for_who_releases_it(office: Office, db: database.Connection) -> None:
    (first, one), (second, other) = office.add("小周"), office.add("小李")
    batch_id = order(one, sample=1)
    post(other, f"/api/batches/{batch_id}/release", {})
    assert payers(db, batch_id) == [first, second]


def test_what_the_person_at_the_machine_has_made_again_is_nobodys(db: database.Connection) -> None:
    batch_id = place(db, replace(queue.submission(queue.CAT), person_id=1)).batch_id
    queue.fail(db, Billed.NO)
    place(db, Retry(models=queue.MODELS, batch_id=batch_id))
    assert payers(db, batch_id) == [None]


def test_the_page_and_a_script_order_for_their_person(office: Office, db: database.Connection) -> None:
    who, client = office.add("小周")
    order(client)
    script = office.browser()
    body = {"rows": ROWS, "repeats": "again"}
    answered(script.post("/api/batches", json=body, headers=token_of(client)), 202)
    rows = db.execute("SELECT person_id FROM batches").fetchall()
    assert [row["person_id"] for row in rows] == [who] * 2
    order(office.owner)
    assert db.execute("SELECT count(*) FROM batches WHERE person_id = 1").fetchone()[0] == 1


def test_a_repeated_call_takes_nothing_over(office: Office, db: database.Connection) -> None:
    (_, one), (second, other) = office.add("小周"), office.add("小李")
    batch_id = order(one, request_id="k")
    post(one, f"/api/batches/{batch_id}/pause")
    post(other, f"/api/batches/{batch_id}/resume")
    assert order(one, request_id="k") == batch_id
    assert payers(db, batch_id) == [second] * 2


def test_who_has_no_limit_left_cannot_resume_and_another_can(
    settings: Settings, service: FakeJimeng, db: database.Connection
) -> None:
    office = Office(replace(settings, **service.settings()))
    _, one = office.add("小周", month_limit=0)
    batch_id = order(one)
    post(one, f"/api/batches/{batch_id}/pause")
    refused = post(one, f"/api/batches/{batch_id}/resume", status=409)["error"]
    assert refused.startswith("小周 这个月的上限 ¥0 只剩 ¥0.00")
    post(office.owner, f"/api/batches/{batch_id}/resume")
    assert payers(db, batch_id) == [1, 1]


def test_usage_is_grouped_by_person_where_there_is_more_than_one(
    office: Office, db: database.Connection
) -> None:
    order(office.owner)
    fail(db, Billed.YES)
    assert 'value="person"' not in office.owner.get("/usage").text
    assert "下单人" not in office.owner.get("/api/usage/export.csv").text
    who, client = office.add("<小周>")
    order(client)
    for _ in range(3):
        fail(db, Billed.YES)
    groups = answered(client.get("/api/usage?by=person"))["groups"]
    assert {(each["key"], each["label"], each["cost"]) for each in groups} == {
        (str(who), "<小周>", 0.44),
        ("1", "主人", 0.44),
    }
    heads, *lines = csv.reader(client.get("/api/usage/export.csv").text.splitlines())
    assert sorted(line[heads.index("下单人")] for line in lines) == ["", *["<小周>"] * 2, *["主人"] * 2]
    with client.get("/api/usage/export.xlsx") as workbook:
        assert "下单人" in [cell.value for cell in load_workbook(io.BytesIO(workbook.data))["账目"][1]]
    office.change(who, active=False)
    page = office.owner.get("/usage?by=person").text
    assert ('value="person" selected' in page, "&lt;小周&gt;" in page) == (True, True)


@pytest.mark.parametrize(
    ("fields", "paused"), [({}, True), ({"runs": "pause"}, True), ({"runs": "go_on"}, False)]
)
def test_the_runs_of_who_is_switched_off_in_mid_run_pause_or_go_on(
    office: Office, db: database.Connection, fields: dict[str, Any], paused: bool
) -> None:
    who, client = office.add("小周")
    theirs, other = order(client), order(office.owner)
    fail(db, Billed.NO)
    office.change(who, active=False, **fields)
    why = "小周 已停用；谁按「继续」，接着做的就算谁的"
    assert state(db, theirs) == (("paused", "other", why) if paused else ("active", "", ""))
    assert state(db, other)[0] == "active"
    if paused:
        post(office.owner, f"/api/batches/{theirs}/resume")
    assert payers(db, theirs)[1:] == [1 if paused else who]


@pytest.mark.parametrize(("gone", "expected"), [(0, "active"), (1, "paused")])
def test_a_run_pauses_for_who_pays_for_what_is_queued_in_it(
    office: Office, db: database.Connection, gone: int, expected: str
) -> None:
    (first, one), (second, other) = office.add("小周"), office.add("小李")
    batch_id = order(one)
    fail(db, Billed.NO)
    fail(db, Billed.NO)
    retry(other, batch_id, [])
    office.change((first, second)[gone], active=False)
    assert state(db, batch_id)[0] == expected


def test_an_order_that_was_let_in_before_the_switching_off_is_not_placed_after_it(
    office: Office, db: database.Connection
) -> None:
    who, client = office.add("小周")
    batch_id = order(client)
    office.change(who, active=False)
    with pytest.raises(Conflict, match="停用"):
        database.resume_batch(db, batch_id, models=["demo"], person_id=who)
    with pytest.raises(Conflict, match="停用"):
        place(db, replace(queue.submission(), person_id=who))
    assert (state(db, batch_id)[0], db.execute("SELECT count(*) FROM batches").fetchone()[0]) == ("paused", 1)


def test_the_own_page_says_what_would_refuse_the_next_order(office: Office, db: database.Connection) -> None:
    _, client = office.add("小周", month_limit=0.5)
    answered(office.owner.put("/api/budgets", json={"total": 10}))
    order(client)
    fail(db, Billed.YES)
    page = client.get("/people").text
    own, total = "我的每月上限 ¥0.50 已用 ¥0.22，还剩 ¥0.28", "总预算 ¥10 已用 ¥0.22，还剩 ¥9.78"
    assert page.index(own) < page.index(total)
    assert "现在下单会被拒绝" not in page
    db.execute("UPDATE charges SET price_micros = 500000")
    assert "现在下单会被拒绝" in client.get("/people").text
    assert "排在前面" not in office.add("小吴", "viewer")[1].get("/people").text


def test_the_own_limit_is_told_before_an_order_where_it_leaves_the_least(
    office: Office, db: database.Connection
) -> None:
    _, client = office.add("小周", month_limit=0.5)
    order(client)
    fail(db, Billed.YES)
    assert answered(client.get("/api/budgets"))["mine"] == {"limit": 0.5, "spent": 0.22, "left": 0.28}
    assert answered(office.owner.get("/api/budgets"))["mine"] is None
    status = client.get("/live/status").text
    assert 'data-budget-left="0.28" data-budget-name="我的每月上限"' in status
    assert "data-budget-left" not in office.owner.get("/live/status").text
    answered(office.owner.put("/api/budgets", json={"total": 0.3}))
    assert 'data-budget-left="0.08" data-budget-name="总预算"' in client.get("/live/status").text
    usage = client.get("/usage").text
    assert 'id="budget-mine" disabled\n        value="0.50"' in usage
    assert "data-mine" not in office.owner.get("/usage").text


def test_a_limit_pauses_the_header_of_its_person_only_and_nothing_that_cannot_work_is_offered(
    office: Office, db: database.Connection
) -> None:
    who, client = office.add("小周", month_limit=0.1)
    _, other = office.add("小李")
    order(client, source="single")
    record = queue.claimed(db, model="demo")
    database.requeue_record(db, record, not_before=0.0)
    database.pause_over_budget(db, record, Decimal("0.22"), None, now=0.0)

    def header(browser: FlaskClient) -> tuple[bool, bool]:
        """(whether it says that something is paused, whether it counts who is at a limit)"""
        text = browser.get("/live/status").text
        return 'data-state="paused"' in text, "人员 1" in text

    assert [header(each) for each in (client, other, office.owner)] == [
        (True, False),
        (False, False),
        (False, True),
    ]
    pages = [client.get(path).text for path in ("/live/status", "/live/results")]
    assert ["请主人调高你的上限（¥0.10 用完了）" in page for page in pages] == [True, True]
    assert ["去批次里继续" in pages[0], 'data-command="resume"' in pages[1]] == [False, False]
    assert "小周 这个月的上限" in (seen := office.owner.get("/live/results").text)
    assert 'data-command="resume"' in seen
    office.change(who, month_limit=5)
    assert "去批次里继续" in client.get("/live/status").text
    assert 'data-command="resume"' in client.get("/live/results").text


def test_the_log_of_a_run_says_whose_it_is_where_there_are_several_people(
    office: Office, db: database.Connection
) -> None:
    alone = order(office.owner)
    _, one = office.add("小周")
    batch_id = order(one)
    post(one, f"/api/batches/{batch_id}/pause")
    post(office.owner, f"/api/batches/{batch_id}/resume")
    said = [
        line["text"]
        for each in (alone, batch_id)
        for line in answered(one.get(f"/api/batches/{each}"))["log"]
        if "名下" in line["text"]
    ]
    assert said == ["小周 下的单，花费算在小周名下", "2 张的花费算在主人名下"]


def test_records_are_filtered_by_person_and_say_whose_they_are(
    office: Office, db: database.Connection
) -> None:
    own = ids_of(db, order(office.owner))
    db.execute("UPDATE generation_records SET status = 'success'")
    details = f"/live/records/{own[0]}/details"
    hooks = ('data-filter-more="person"', "<dt>人员</dt>")
    alone = office.owner.get("/records").text + office.owner.get(details).text
    assert [hook for hook in hooks if hook in alone] == []
    who, client = office.add("<小周>")
    theirs = ids_of(db, order(client))
    db.execute("UPDATE generation_records SET status = 'success'")
    assert (listed(client, person=who), listed(client, person=1)) == (theirs[::-1], own[::-1])
    assert listed(client, person=99) == []
    refused = answered(client.get("/api/records?person=x"), 400)
    assert refused["field"] == "person"
    page = client.get(f"/records?person={who}").text
    assert (page.count("data-record-id="), '<span class="filter-value">&lt;小周&gt;' in page) == (2, True)
    assert '<dd dir="auto">主人</dd>' in client.get(details).text
    assert "&lt;小周&gt;</dd>" in client.get(f"/live/records/{theirs[0]}/details").text


def test_a_table_says_who_made_it_where_there_are_several_people(office: Office) -> None:
    def shown() -> list[str]:
        return re.findall(
            r'tables-person truncate" dir="auto">([^<]*)', office.owner.get("/live/tables").text
        )

    made = post(office.owner, "/api/tables", {"rows": ROWS}, 201)["table"]["id"]
    assert shown() == []
    _, one = office.add("<小周>")
    post(one, f"/api/tables/{made}/copy", {}, 201)
    order(office.add("小李")[1])
    answered(one.patch(f"/api/tables/{made}", json={"operations": [{"op": "add", "rows": [{}]}]}))
    assert sorted(shown()) == ["&lt;小周&gt;", "主人", "小李"]


def test_deliveries_and_rounds_say_who_made_them_where_there_are_several_people(
    office: Office, db: database.Connection
) -> None:
    table = post(office.owner, "/api/tables", {"rows": ROWS[:1]}, 201)["table"]["id"]
    post(office.owner, f"/api/tables/{table}/run", {}, 202)
    picture = "image_path = '/output/a.png', filename = 'a.png', width = 512, height = 512"
    db.execute(f"UPDATE generation_records SET status = 'success', pick = 'keep', {picture}")

    def said(path: str, kind: str) -> list[str | None]:
        return [each.get("person") for each in answered(office.owner.get(path))[kind]]

    def deliver(client: FlaskClient) -> None:
        post(client, "/api/deliveries", {"table": table, "profile": "原图"}, 201)

    def show(client: FlaskClient) -> None:
        body = {"client": "王总", "pick": "all"}
        call = {"base_url": "http://192.168.1.20:5000", "headers": token_of(client)}
        answered(client.post(rounds, json=body, **call), 201)

    rounds = f"/api/tables/{table}/rounds"
    deliver(office.owner)
    deliveries = f"/api/deliveries?table={table}"
    assert said(deliveries, "deliveries") == [None]
    _, one = office.add("<小周>")
    deliver(one)
    assert said(deliveries, "deliveries") == ["<小周>", "主人"]
    show(one)
    assert said(rounds, "rounds") == ["<小周>"]
