"""File downloads: content types do not depend on the machine."""

import mimetypes
from dataclasses import replace

import pytest

from app.config import Settings
from web_app import create_app

TYPES = {
    "/static/js/theme.js": "text/javascript",
    "/static/css/tokens.css": "text/css",
    "/static/favicon.svg": "image/svg+xml",
    "/favicon.ico": "image/x-icon",
    "/output/fox.webp": "image/webp",
    "/output/fox.jpg": "image/jpeg",
}


def test_content_types_do_not_depend_on_the_machine(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = mimetypes.MimeTypes()
    for ending in (".js", ".css", ".svg", ".ico", ".webp", ".jpg"):
        registry.add_type("text/plain", ending)
    monkeypatch.setattr(mimetypes, "_db", registry)
    settings.output_dir.mkdir()
    for name in ("fox.webp", "fox.jpg"):
        (settings.output_dir / name).write_bytes(b"picture")
    client = create_app(settings).test_client()
    answers = {path: client.get(path, buffered=True) for path in TYPES}
    assert {answer.status_code for answer in answers.values()} == {200}
    assert {path: answer.mimetype for path, answer in answers.items()} == TYPES


def test_the_icon_is_small_cacheable_and_public(settings: Settings) -> None:
    client = create_app(replace(settings, access_password="开门")).test_client()
    with client.get("/favicon.ico") as answer:
        assert answer.status_code == 200
        assert answer.data.startswith(b"\x00\x00\x01\x00")
        assert len(answer.data) < 8_000
        assert "max-age=" in answer.headers["Cache-Control"]
