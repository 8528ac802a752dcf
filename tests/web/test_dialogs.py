"""Dialogs that pages fetch."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.config import Settings
from web_app import create_app

PAGES = Path(__file__).parents[2] / "templates/pages"


@pytest.fixture
def client(settings: Settings) -> FlaskClient:
    return create_app(settings).test_client()


@pytest.mark.parametrize("page", sorted(path.stem for path in PAGES.glob("*.html")))
def test_the_list_of_shortcuts_has_those_of_the_page(client: FlaskClient, page: str) -> None:
    has_own = "{% block shortcuts %}" in (PAGES / f"{page}.html").read_text("utf-8")
    common = client.get("/live/shortcuts/").text.count("<dt>")
    assert (client.get(f"/live/shortcuts/{page}").text.count("<dt>") > common > 3) is has_own


def test_an_unknown_page_has_the_shortcuts_of_every_page(client: FlaskClient) -> None:
    assert client.get("/live/shortcuts/layout").text == client.get("/live/shortcuts/").text
