"""Pages and the start on PostgreSQL: what is shown of DATABASE_URL, and what a damaged database stops."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

import database
import web_app
from app.config import Settings
from app.errors import DatabaseError, StoreDamaged
from app.log import KeyValueFormatter
from app.runtime import Runtime
from app.system import folders
from tools.server_process import free_port

URL = "postgresql://studio:p%40ss@db.example:5433/pictures?password=secret&sslmode=require"


def test_the_start_names_server_and_database_without_user_and_password(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = replace(settings, database_url=URL)
    web_app.print_banner(shown, Runtime(settings).engines.default.spec)
    printed = capsys.readouterr().err
    assert "数据　PostgreSQL db.example:5433/pictures\n" in printed
    for secret in ("p%40ss", "studio", "secret"):
        assert secret not in printed


def test_the_file_of_sqlite_is_not_looked_at_with_database_url(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    folders.ensure_writable(replace(settings, database_url=URL, database_path=tmp_path / "folder"))


def test_a_start_while_the_server_is_away_may_be_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("app.log.init_logging", lambda file: None)
    monkeypatch.setattr("app.system.process.tune_process", lambda: None)
    monkeypatch.setenv("PORT", str(free_port()))
    monkeypatch.setenv("DATABASE_URL", "postgresql://tests@127.0.0.1:1/none")
    assert web_app.main() == 1  # systemd does not repeat a start that ends with 2
    assert capsys.readouterr().err.startswith("DATABASE_URL：PostgreSQL 连不上")


def test_keys_of_separate_processes_are_not_asked_for_on_a_page(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    without = replace(settings, role="worker", image_model="jimeng")
    web_app.print_banner(without, Runtime(without).engines.default.spec)
    assert "VOLCENGINE_AK、VOLCENGINE_SK，请在每个进程的 .env 或环境变量里填好" in capsys.readouterr().err


@pytest.mark.postgres
def test_damage_found_by_a_page_stops_submissions(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object, **__: object) -> None:
        raise StoreDamaged("数据库有损坏")

    with monkeypatch.context() as patched:
        patched.setattr(database, "get_record", damaged)
        assert client.get("/api/records/1").status_code == 503
    answer = client.post("/api/batches", json={"rows": [{"prompt": "猫"}]})
    assert (answer.status_code, answer.get_json()["error"]) == (503, "数据库有损坏")
    assert client.get("/api/records").status_code == 200


@pytest.mark.postgres
def test_a_refused_statement_is_logged_with_its_place_and_without_its_values(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    prompt = "一只橘猫"

    def refused(db: database.Connection, _id: int) -> None:
        db.execute("SELECT 1 WHERE :prompt = no_such_column", {"prompt": prompt})

    monkeypatch.setattr(database, "get_record", refused)
    with caplog.at_level(logging.INFO):
        assert client.get("/api/records/1").status_code == 500
    [record] = [each for each in caplog.records if "statement_refused" in each.getMessage()]
    assert record.exc_info
    assert isinstance(record.exc_info[1], DatabaseError)
    line = KeyValueFormatter().format(record)
    assert "no_such_column" in line
    assert prompt not in line
