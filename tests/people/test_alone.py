"""Alone on loopback without a password nobody sees anything of people."""

import difflib
import re
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from app.config import Settings
from web_app import create_app

PAGES = (
    "/",
    "/batch",
    "/records",
    "/samples",
    "/usage",
    "/model",
    "/live/status",
    "/batch/dialogs",
    "/nowhere",
)
OF_PEOPLE = re.compile(r"/people|/join|/api/me|/api/tokens|data-role|令牌|邀请|修改记录|谁改过")
ACCOUNT = re.compile(
    r"</?form\b|</?button\b|</?a\b|aria-label|title=|icon"
)  # what the bar has with a password


@pytest.fixture(scope="module")
def alone(module_settings: Settings) -> FlaskClient:
    return create_app(module_settings).test_client()


@pytest.fixture(scope="module")
def with_password(module_settings: Settings) -> FlaskClient:
    client = create_app(replace(module_settings, access_password="开门")).test_client()
    assert client.post("/login", data={"password": "开门"}).status_code == 302
    return client


def lines_of(client: FlaskClient, path: str) -> list[str]:
    text = client.get(path, headers={"Accept": "text/html"}).text
    text = re.sub(r'<section class="model" id="access".*?</section>', "", text, flags=re.DOTALL)  # its field
    return re.sub(r"""(name="request_id" value|data-as-of)="[^"]+\"""", "", text).splitlines()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_without_a_password_has_not_one_line_of_people(alone: FlaskClient, path: str) -> None:
    assert [line for line in lines_of(alone, path) if OF_PEOPLE.search(line)] == []


@pytest.mark.parametrize("path", PAGES)
def test_a_password_adds_its_controls_to_the_bar_and_changes_no_other_line(
    alone: FlaskClient, with_password: FlaskClient, path: str
) -> None:
    changes = [*difflib.ndiff(lines_of(alone, path), lines_of(with_password, path))]
    assert [line for line in changes if line.startswith("- ")] == []
    added = [line for line in changes if line.startswith("+ ")]
    assert [line for line in added if not ACCOUNT.search(line)] == []
    assert len(added) <= 6
