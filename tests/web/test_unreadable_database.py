"""With an unreadable database, every API call answers with one sentence and the security headers."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.config import Settings
from tools.openapi_document import Operation, api_document
from web_app import create_app

pytestmark = pytest.mark.sqlite

CALLS = [one for one in api_document().operations if one.path.startswith("/api/")]
BODY = {"ids": [1], "rows": [{"prompt": "猫"}], "prompt": "猫", "undo": 1}


def overwrite(path: Path) -> None:
    """Overwrite the file with text."""
    path.write_bytes(b"x" * 8192)


def remove(path: Path) -> None:
    """Delete the file and those beside it."""
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def drop_tables(path: Path) -> None:
    """A database in which every query fails."""
    with closing(sqlite3.connect(path)) as db, db:
        for table in ("change_counter", "generation_records", "batches", "charges"):
            db.execute(f"DROP TABLE {table}")


def complaints(client: FlaskClient, operation: Operation) -> list[str]:
    """How an answer deviates from one sentence with the security headers; empty if it does not."""
    path = operation.path.format(
        **dict.fromkeys(("batch_id", "table_id", "delivery_id", "round_id", "key", "session_id"), "x"),
        **dict.fromkeys(("record_id", "person_id", "token_id"), 1),
        name="demo",
    )
    body = BODY if "application/json" in operation.bodies else None
    answer = client.open(path, method=operation.method.upper(), buffered=True, json=body)
    name = f"{operation.method} {path} {answer.status_code}"
    found = [] if answer.headers.get("X-Content-Type-Options") == "nosniff" else [f"{name}: no safe headers"]
    if answer.status_code < 400:
        return found
    fields = answer.get_json(silent=True) or {}
    if fields.get("success") is not False or not fields.get("error") or "\n" in fields["error"]:
        found.append(f"{name}: {answer.text[:200]}")
    return found


@pytest.mark.parametrize("happens", [overwrite, remove, drop_tables])
def test_every_call_answers_with_one_sentence_and_the_security_headers(
    settings: Settings, happens: Callable[[Path], None]
) -> None:
    app = create_app(settings)
    app.testing = False
    client = app.test_client()
    assert client.get("/api/batches").status_code == 200
    happens(settings.database_path)
    assert [problem for call in CALLS for problem in complaints(client, call)] == []
    assert client.get("/api/batches/b").status_code in (500, 503)
