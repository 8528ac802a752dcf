"""Answers given once more: to the same question, while nothing has changed, to whoever may have them."""

import time
from contextlib import closing
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

import database
from config import Settings
from web import repeats
from web_app import create_app
from worker import Worker


class Counted:
    """The app, and how many questions reached it."""

    def __init__(self, settings: Settings, worker: Worker | None = None) -> None:
        self.app: Flask = create_app(settings, worker)
        self.questions = 0
        self.app.before_request(self._count)
        self.client: FlaskClient = self.app.test_client()
        rows = [{"prompt": "雪山"}, {"prompt": "海"}]
        self.batch = self.client.post("/api/batches", json={"rows": rows}).get_json()["batch_id"]
        self.questions = 0

    def _count(self) -> None:
        self.questions += 1


@pytest.fixture
def counted(settings: Settings) -> Counted:
    return Counted(settings)


def test_the_same_question_reaches_flask_once(counted: Counted) -> None:
    address = f"/api/batches/{counted.batch}?since=0"
    first = counted.client.get(address)
    again = [counted.client.get(address) for _ in range(5)]
    assert {answer.data for answer in again} == {first.data}
    known = {"If-None-Match": first.headers["ETag"]}
    assert [counted.client.get(address, headers=known).status_code for _ in range(5)] == [304] * 5
    assert counted.questions == 2


def test_the_list_of_sample_images_is_asked_each_time_for_it_changes_without_the_database(
    counted: Counted,
) -> None:
    for _ in range(3):
        assert counted.client.get("/live/samples").status_code == 200
    assert counted.questions == 3


def test_a_change_is_seen_at_the_next_question(counted: Counted) -> None:
    address = f"/api/batches/{counted.batch}?since=0"
    known = {"If-None-Match": counted.client.get(address).headers["ETag"]}
    assert counted.client.get(address, headers=known).status_code == 304
    counted.client.post(f"/api/batches/{counted.batch}/cancel")
    news = counted.client.get(address, headers=known)
    assert (news.status_code, news.get_json()["batch"]["status"]) == (200, "cancelled")


def test_a_change_by_another_process_is_seen_too(counted: Counted, settings: Settings) -> None:
    before = counted.client.get("/live/status").headers["ETag"]
    with closing(database.connect(settings.database_path)) as other:
        database.cancel_batch(other, counted.batch)
    assert counted.client.get("/live/status", headers={"If-None-Match": before}).status_code == 200


@pytest.mark.parametrize("name", ["Accept-Language", "Cookie", "Host", "If-None-Match", "Sec-Fetch-Site"])
def test_every_header_belongs_to_the_question(counted: Counted, name: str) -> None:
    client = counted.app.test_client(use_cookies=False)
    client.get("/live/status")
    client.get("/live/status", headers={name: "127.0.0.1"})
    assert counted.questions == 2


def test_what_is_no_answer_for_everybody_is_asked_each_time(counted: Counted) -> None:
    for _ in range(2):
        assert counted.client.get("/api/batches/none").status_code == 404
    assert counted.questions == 2
    assert counted.client.get("/live/status").status_code == 200
    assert counted.client.get("/live/status", headers={"Host": "evil.example"}).status_code == 403


@pytest.mark.parametrize("path", ["/api/records", "/", "/api/batches/{}/results.xlsx", "/healthz"])
def test_other_addresses_are_asked_each_time(counted: Counted, path: str) -> None:
    for _ in range(2):
        counted.client.get(path.format(counted.batch)).close()
    assert counted.questions == 2


def test_a_large_answer_is_not_kept(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "_LARGEST", 100)
    for _ in range(2):
        counted.client.get("/api/batches")
    assert counted.questions == 2


def test_no_more_answers_are_kept_than_there_is_room_for(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "_MOST", 3)
    for since in range(9):
        counted.client.get(f"/api/batches/{counted.batch}?since={since}")
    assert isinstance(counted.app.wsgi_app, repeats.Repeats)
    assert len(counted.app.wsgi_app._answers) <= 3


def test_what_has_no_version_is_asked_for_again_after_a_while(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted.client.get("/api/batches")
    later = time.monotonic() + 6.0
    monkeypatch.setattr(time, "monotonic", lambda: later)
    counted.client.get("/api/batches")
    assert counted.questions == 2


def test_whoever_left_gets_nothing_that_was_kept_for_him(settings: Settings) -> None:
    client = create_app(replace(settings, access_password="开门")).test_client()
    assert client.get("/api/batches").status_code == 403
    client.post("/login", data={"password": "开门"})
    assert [client.get("/api/batches").status_code for _ in range(2)] == [200, 200]
    cookie = {"Cookie": client.get("/api/batches").request.headers["Cookie"]}
    client.post("/logout")
    stranger = client.application.test_client(use_cookies=False)
    assert stranger.get("/api/batches", headers=cookie).status_code == 403


def test_a_disk_that_fills_up_is_told_at_once(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 'data-state="demo"' in counted.client.get("/live/status").text
    monkeypatch.setattr("disk_space.LEAST_BYTES", 1 << 60)
    assert 'data-state="disk_low"' in counted.client.get("/live/status").text
