"""The test of NOTIFY_URL: what the receiver says, in one sentence, without the token."""

from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from app.config import Settings
from app.providers import webhook
from tools.fakes.robots import TOKEN, FakeRobot
from web_app import create_app


def client_of(settings: Settings, url: str) -> FlaskClient:
    return create_app(replace(settings, notify_url=url)).test_client()


def test_a_refusal_is_told_in_the_words_of_the_receiver(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(webhook.ROBOTS, "127.0.0.1", webhook.ROBOTS["oapi.dingtalk.com"])
    with FakeRobot("dingtalk", keyword="别的词") as robot:
        client = client_of(settings, robot.url)
        answer = client.post("/api/notify/test")
        page = client.get("/model").text
    assert answer.status_code == 502
    assert answer.get_json()["error"].startswith("钉钉没有收下（310000 keywords not in content")
    assert TOKEN not in page + answer.text
    assert page.count("已填") == 1


def test_without_a_receiver_the_page_says_what_to_set(client: FlaskClient) -> None:
    refused = client.post("/api/notify/test")
    assert (refused.status_code, "NOTIFY_URL" in refused.get_json()["error"]) == (409, True)
    assert 'name="NOTIFY_URL"' in client.get("/model").text
