"""Answers that are files: a browser is told what each is, whatever this machine believes."""

import mimetypes

import pytest

from config import Settings
from web_app import create_app


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/static/js/theme.js", "text/javascript"),
        ("/static/css/tokens.css", "text/css"),
        ("/static/favicon.svg", "image/svg+xml"),
        ("/output/fox.webp", "image/webp"),
        ("/output/fox.jpg", "image/jpeg"),
    ],
)
def test_a_machine_that_calls_everything_plain_text_misleads_no_browser(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, path: str, kind: str
) -> None:
    registry = mimetypes.MimeTypes()
    for ending in (".js", ".css", ".svg", ".webp", ".jpg"):
        registry.add_type("text/plain", ending)
    monkeypatch.setattr(mimetypes, "_db", registry)
    settings.output_dir.mkdir()
    for name in ("fox.webp", "fox.jpg"):
        (settings.output_dir / name).write_bytes(b"picture")
    answer = create_app(settings).test_client().get(path)
    assert (answer.status_code, answer.mimetype) == (200, kind)
    answer.close()
