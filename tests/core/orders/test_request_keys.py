"""Idempotency: a repeated request key returns the first batch."""

import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient

import database
from app.config import Settings
from app.core.orders.earlier import KEY_LIFETIME_SECONDS, save_answer
from app.errors import DatabaseError, KeyReused
from app.runtime import Runtime
from tests.core.queue.queue import CAT, add
from tools.fakes.jimeng import FakeJimeng
from tools.server_process import ServerProcess, running_server
from web_app import create_app

ROWS = [{"prompt": "雪山", "num_images": 2}, {"prompt": "海"}]
NOW = 1_800_000_000.0


def submit(client: FlaskClient, status: int = 202, **fields: Any) -> dict[str, Any]:
    headers = fields.pop("headers", {})
    answer = client.post("/api/batches", json={"rows": ROWS, **fields}, headers=headers)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def at_once(number: int, call: Callable[[int], Any]) -> list[Any]:
    """Call it in so many threads, which wait for each other -> the answers."""
    together = threading.Barrier(number)

    def wait_and_call(each: int) -> Any:
        together.wait()
        return call(each)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(wait_and_call, range(number)))


def count_batches(client: FlaskClient) -> int:
    return int(client.get("/api/batches").get_json()["total"])


def test_a_repeated_submission_returns_the_first_batch(client: FlaskClient) -> None:
    first = submit(client, request_id="一")
    assert submit(client, request_id="一") == first
    assert count_batches(client) == 1


def test_the_key_may_be_sent_as_a_header(client: FlaskClient) -> None:
    header = {"Idempotency-Key": "k-1"}
    first = submit(client, request_id="k-1")
    assert submit(client, headers=header) == submit(client, request_id="k-1", headers=header) == first


def test_submissions_without_a_key_are_independent(client: FlaskClient) -> None:
    for _ in range(2):
        submit(client)
    submit(client, request_id=None)
    assert count_batches(client) == 3


def test_a_key_in_the_body_that_differs_from_the_header_is_refused(client: FlaskClient) -> None:
    refused = submit(client, 400, request_id="a", headers={"Idempotency-Key": "b"})
    assert refused["field"] == "request_id"
    assert count_batches(client) == 0


def test_an_invalid_key_is_refused_with_a_sentence(client: FlaskClient) -> None:
    for key in ("", "x" * 201, "a\nb", "\x7f", "a\u2028b"):
        refused = submit(client, 400, request_id=key)
        assert (refused["field"], "1–200 个" in refused["error"]) == ("request_id", True), key
    assert count_batches(client) == 0
    assert submit(client, request_id="键" * 200) == submit(client, request_id="键" * 200)


def test_the_same_key_with_another_body_is_an_error_and_queues_nothing(client: FlaskClient) -> None:
    submit(client, request_id="k")
    refused = submit(client, 422, request_id="k", name="另一批")
    assert "request_id" in refused["error"]
    assert count_batches(client) == 1


def test_the_order_of_fields_does_not_matter(client: FlaskClient) -> None:
    first = client.post("/api/batches", json={"request_id": "k", "rows": [{"prompt": "猫", "seed": 1}]})
    again = client.post("/api/batches", json={"rows": [{"seed": 1, "prompt": "猫"}], "request_id": "k"})
    assert again.get_json() == first.get_json()


def test_a_refused_submission_stores_no_key_so_it_can_be_corrected(client: FlaskClient) -> None:
    submit(client, 400, request_id="k", rows=[{"prompt": ""}])
    submit(client, request_id="k")
    assert count_batches(client) == 1


def test_a_key_survives_a_restart(settings: Settings) -> None:
    first = submit(create_app(settings).test_client(), request_id="k")
    assert submit(create_app(settings).test_client(), request_id="k") == first


def test_a_repeated_submission_is_answered_even_when_new_ones_are_refused(
    client: FlaskClient, settings: Settings
) -> None:
    first = submit(client, request_id="k")
    without_keys = create_app(replace(settings, image_model="jimeng")).test_client()
    submit(without_keys, 409, request_id="other")
    assert submit(without_keys, request_id="k") == first


def shown_key(client: FlaskClient) -> str:
    """The key in the form of 单图生成."""
    found: str = re.findall(r'name="request_id" value="(\w+)"', client.get("/").text)[0]
    return found


def test_the_form_without_scripts_submits_once_per_page_view(client: FlaskClient) -> None:
    fields = {"prompt": "雪山", "request_id": shown_key(client)}
    again = fields | {"request_id": shown_key(client)}
    filled_in_differently = again | {"prompt": "海"}
    for sent, total in ((fields, 1), (fields, 1), (again, 2), (filled_in_differently, 3)):
        assert client.post("/", data=sent).status_code == 303
        assert count_batches(client) == total


@pytest.mark.parametrize("days", [1, 30, -30])
def test_a_key_that_is_there_answers_whatever_the_time_of_the_server(
    db: database.Connection, days: int
) -> None:
    key = database.RequestKey(key="k", digest="d", at=NOW)
    first = add(db, key=key)
    assert add(db, key=replace(key, at=NOW + days * 86_400 + 3_600)) == first
    assert database.count_batches(db) == 1


def test_a_server_whose_clock_is_ahead_deletes_no_key_of_the_last_day(db: database.Connection) -> None:
    add(db, key=database.RequestKey(key="k", digest="d", at=NOW))
    assert database.forget_request_keys(db, now=NOW + 365 * 86_400) == 0


def test_only_keys_a_week_older_than_the_last_are_deleted(db: database.Connection) -> None:
    old = database.RequestKey(key="old", digest="d", at=NOW - KEY_LIFETIME_SECONDS - 1)
    new = replace(old, key="new", at=NOW - KEY_LIFETIME_SECONDS + 1)
    add(db, key=old)
    first = add(db, key=new)
    add(db, key=replace(old, key="last", at=NOW))
    assert database.forget_request_keys(db, now=NOW) == 1
    assert database.forget_request_keys(db, now=NOW) == 0
    assert [row["key"] for row in db.execute("SELECT key FROM request_keys ORDER BY key")] == ["last", "new"]
    assert add(db, key=replace(new, at=NOW)) == first


def test_a_submission_that_fails_half_way_stores_neither_batch_nor_key(db: database.Connection) -> None:
    key = database.RequestKey(key="k", digest="d", at=NOW)
    db.execute("CREATE UNIQUE INDEX one_a_batch ON generation_records (batch_id)")
    with pytest.raises((sqlite3.Error, DatabaseError)):
        add(db, CAT, CAT, key=key)
    db.execute("DROP INDEX one_a_batch")
    assert database.find_answer(db, key) is None
    add(db, CAT, CAT, key=key)
    assert database.count_batches(db) == 1


def test_a_conflicting_key_is_refused_inside_the_transaction_too(db: database.Connection) -> None:
    key = database.RequestKey(key="k", digest="d", at=NOW)
    add(db, key=key)
    with pytest.raises(KeyReused):
        add(db, key=replace(key, digest="other"))
    assert database.count_batches(db) == 1


def test_twenty_concurrent_equal_submissions_make_one_batch(settings: Settings) -> None:
    app = create_app(settings)
    answers = at_once(20, lambda _: submit(app.test_client(), request_id="k"))
    assert answers == answers[:1] * 20
    assert count_batches(app.test_client()) == 1


def post_to(server: ServerProcess, key: str) -> dict[str, Any]:
    body = {"rows": ROWS, "request_id": key}
    answer = requests.post(f"{server.address}/api/batches", json=body, timeout=60)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_twenty_equal_submissions_to_two_processes_make_one_batch_even_after_a_crash(
    tmp_path: Path, settings: Settings
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    store = {"database_path": settings.database_path, "database_url": settings.database_url}
    with running_server(tmp_path, **store) as one, running_server(other, **store) as two:
        answers = at_once(20, lambda number: post_to((one, two)[number % 2], "k"))
        assert answers == answers[:1] * 20
        one.kill()
        one.start()
        assert post_to(one, "k") == answers[0]
        listed = requests.get(f"{one.address}/api/batches", timeout=60).json()
        assert listed["total"] == 1


@pytest.fixture
def paid(settings: Settings, service: FakeJimeng) -> Iterator[FlaskClient]:
    """The client of an app whose worker submits to a paid service."""
    settings = replace(settings, **service.settings(model_timeout=60))
    runtime = Runtime(settings)
    client = create_app(settings, runtime).test_client()
    runtime.start()
    yield client
    assert runtime.stop(10)


def test_a_repeated_waiting_call_returns_the_first_images_and_is_charged_once(
    paid: FlaskClient, service: FakeJimeng
) -> None:
    body = {"prompt": "雪山", "num_images": 2, "request_id": "k"}
    first = paid.post("/api/batch-generate", json=body)
    assert first.status_code == 200, first.text
    again = paid.post("/api/batch-generate", json=body)
    assert again.get_json() == first.get_json()
    assert service.charges == 2


def test_concurrent_waiting_calls_share_the_images_of_one_batch(
    paid: FlaskClient, service: FakeJimeng
) -> None:
    body = {"prompt": "雪山", "request_id": "k"}
    app = paid.application
    answers = at_once(3, lambda _: app.test_client().post("/api/batch-generate", json=body).get_json())
    assert answers == answers[:1] * 3
    assert service.charges == 1


def test_a_key_belongs_to_one_api_call(client: FlaskClient) -> None:
    submit(client, request_id="k")
    answer = client.post("/api/batch-generate", json={"prompt": "雪山", "request_id": "k"})
    assert answer.status_code == 422


def test_a_key_is_kept_for_a_whole_week_before_the_last(db: database.Connection) -> None:
    week = KEY_LIFETIME_SECONDS
    for name, at in (("last", 2 * week), ("kept", week), ("old", week - 1)):
        with database.transaction(db):
            save_answer(db, database.RequestKey(key=name, digest="d", at=at), {})
    assert database.forget_request_keys(db, now=9 * week) == 1
    rows = db.execute("SELECT key FROM request_keys ORDER BY key").fetchall()
    assert [row["key"] for row in rows] == ["kept", "last"]
