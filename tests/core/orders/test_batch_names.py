"""Names of batches: those without one are numbered within a minute, generated ones are unique."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from flask.testing import FlaskClient

import database
from app.config import Settings
from app.domain import MAX_BATCH_NAME_LENGTH
from tests.web.harness import get, post

Add = Callable[..., str]


@pytest.fixture
def add(client: FlaskClient, settings: Settings) -> Add:
    """Add a batch of one row, created at the time given -> its id."""

    def add(at: str, **fields: Any) -> str:
        batch_id: str = post(client, "/api/batches", {"rows": [{"prompt": at}], **fields}, 202)["batch_id"]
        with closing(database.connect(settings.database)) as db:
            db.execute("UPDATE batches SET created_at = ? WHERE id = ?", [f"2026-11-26 {at}", batch_id])
        return batch_id

    return add


def test_batches_without_a_name_are_numbered_within_their_minute(client: FlaskClient, add: Add) -> None:
    numbers = {
        add("20:53:59"): 1,
        add("20:54:00"): 1,
        add("20:54:10"): 2,
        add("20:54:10"): 3,
        add("20:54:20", name="春茶"): 3,
        add("20:54:30", source="single"): 1,
        add("20:54:59"): 4,
        add("20:55:00"): 1,
    }
    listed = get(client, "/api/batches")["batches"]
    assert {batch["id"]: batch["number_in_minute"] for batch in listed} == numbers
    for batch_id, number in numbers.items():
        assert get(client, f"/api/batches/{batch_id}")["batch"]["number_in_minute"] == number
    fourth = list(numbers)[6]
    label = client.get(f"/records?batch_id={fourth}").text.partition("的批次")[2]
    assert label.startswith(" (4)")
    client.set_cookie("language", "en")
    assert "</local-time> (4)" in client.get(f"/records?batch_id={fourth}").text


def test_a_generated_name_that_a_batch_has_gets_a_counter(client: FlaskClient, add: Add) -> None:
    names = ["春茶", "春茶 (2)", "春茶", "夏茶", "春茶", ""]
    ids = [add("12:00:00", name=name, unique_name=True) for name in names]
    found = [get(client, f"/api/batches/{batch_id}")["batch"]["name"] for batch_id in ids]
    assert found == ["春茶", "春茶 (2)", "春茶 (3)", "夏茶", "春茶 (4)", ""]
    typed = add("12:00:00", name="春茶")
    assert get(client, f"/api/batches/{typed}")["batch"]["name"] == "春茶"


def test_a_name_with_a_counter_is_not_longer_than_a_typed_one(client: FlaskClient, add: Add) -> None:
    name = "茶" * MAX_BATCH_NAME_LENGTH
    ids = [add("12:00:00", name=name, unique_name=True) for _ in range(3)]
    found = [get(client, f"/api/batches/{batch_id}")["batch"]["name"] for batch_id in ids]
    assert len(set(found)) == 3
    assert max(map(len, found)) == MAX_BATCH_NAME_LENGTH


def test_names_generated_at_once_differ(client: FlaskClient) -> None:
    app = client.application

    def submit(number: int) -> None:
        body = {"rows": [{"prompt": str(number)}], "name": "春茶", "unique_name": True}
        post(app.test_client(), "/api/batches", body, 202)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(submit, range(8)))
    batches = get(app.test_client(), "/api/batches")["batches"]
    names = {"春茶", *(f"春茶 ({number})" for number in range(2, 9))}
    assert {batch["name"] for batch in batches} == names
