"""/healthz reports every problem that the process has seen; strangers learn only that there is one."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Literal

import pytest
from flask.testing import FlaskClient

import database
from app.config import Settings
from app.engine import connection
from app.errors import StoreDamaged
from app.runtime import Runtime
from app.web.services import services_of
from app.worker import peers
from app.worker import worker as worker_module
from app.worker.availability import DiskSpace
from tools.postgres_server import PostgresServer
from tools.waiting import wait_until
from web_app import create_app


def open_client(
    settings: Settings, *, started: bool = True, disk: DiskSpace | None = None
) -> Iterator[FlaskClient]:
    runtime = Runtime(settings, disk=disk)
    client = create_app(settings, runtime).test_client()
    if started:
        runtime.start()
    yield client
    assert runtime.stop(10)


@pytest.fixture
def client(settings: Settings) -> Iterator[FlaskClient]:
    yield from open_client(settings)


def runtime_of(client: FlaskClient) -> Runtime:
    return services_of(client.application).runtime


def what_is_wrong(client: FlaskClient) -> set[str]:
    answer = client.get("/healthz")
    status = answer.get_json()
    wrong = {name for name in ("database", "disk", "worker", "model") if not status[name]}
    assert (answer.status_code, status["success"]) == ((503, False) if wrong else (200, True))
    return wrong


def test_without_problems_it_reports_ok_with_details(client: FlaskClient) -> None:
    assert what_is_wrong(client) == set()
    status = client.get("/healthz").get_json()
    assert status["disk_free_bytes"] > 0
    assert (status["image_model"], status["under_way"], status["stopping"]) == ("demo", 0, False)


def test_a_stopped_worker_is_reported(client: FlaskClient) -> None:
    runtime_of(client).stop(10)
    assert what_is_wrong(client) == {"worker"}


def test_one_dead_thread_is_reported(client: FlaskClient) -> None:
    runtime = runtime_of(client)
    runtime.threads._threads.append(dead := type(runtime.threads._threads[0])(target=str))
    dead.start()
    dead.join()
    assert what_is_wrong(client) == {"worker"}


def test_a_missing_disk_is_reported(client: FlaskClient, settings: Settings) -> None:
    def missing(_: object) -> int:
        raise OSError("no such device")

    runtime_of(client).disk = DiskSpace([settings.output_dir], free=missing)
    assert what_is_wrong(client) == {"disk"}


def test_a_missing_key_is_reported(settings: Settings) -> None:
    for client in open_client(replace(settings, image_model="jimeng")):
        assert what_is_wrong(client) == {"model"}


def wait_for(client: FlaskClient, *wrong: str) -> None:
    wait_until(lambda: what_is_wrong(client) == set(wrong), lambda: str(what_is_wrong(client)))


def test_a_database_that_stays_locked_is_reported(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.2)
    monkeypatch.setattr(peers, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(worker_module, "POLL_SECONDS", 0.02)
    for client in open_client(settings):
        with closing(database.connect(settings.database)) as other, database.transaction(other):
            wait_for(client, "database")
        wait_for(client)


@pytest.mark.parametrize("role", ["all", "web"])
def test_no_question_of_a_stranger_uses_the_database(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, role: Literal["all", "web"]
) -> None:
    for client in open_client(replace(settings, access_password="开门", role=role)):
        for name in ("acquire", "release"):
            monkeypatch.setattr(database.ConnectionPool, name, lambda *_: pytest.fail("connected"))
        assert client.get("/healthz").status_code == (200 if role == "all" else 503)  # no worker lives


@pytest.mark.postgres
@pytest.mark.parametrize("role", ["all", "web"])
def test_a_server_that_only_reads_from_now_on_is_reported(
    settings: Settings, postgres: PostgresServer, role: Literal["all", "web"]
) -> None:
    """So does a standby server that is not promoted."""
    for client in open_client(replace(settings, role=role)):
        worker = () if role == "all" else ("worker",)
        with closing(database.connect(postgres.url("postgres"))) as db:
            db.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            db.execute("SELECT pg_reload_conf()")
            wait_for(client, "database", *worker)
            db.execute("ALTER SYSTEM RESET default_transaction_read_only")
            db.execute("SELECT pg_reload_conf()")
            wait_for(client, *worker)


@pytest.mark.sqlite
@pytest.mark.parametrize("damage", ["overwritten", "gone"])
def test_a_damaged_or_missing_database_is_reported_and_not_replaced(settings: Settings, damage: str) -> None:
    for client in open_client(settings, started=False):
        for path in settings.database_path.parent.glob("generation_records.db*"):
            path.unlink()
        if damage == "overwritten":
            settings.database_path.write_bytes(b"not a database at all" * 400)
        assert what_is_wrong(client) == {"database", "worker"}
        assert settings.database_path.exists() == (damage == "overwritten")


def test_anonymous_clients_get_only_the_status_and_logged_in_ones_the_details(settings: Settings) -> None:
    for client in open_client(replace(settings, access_password="开门")):
        assert client.get("/healthz").get_json() == {"success": True}
        runtime_of(client).disk = DiskSpace([settings.output_dir], free=lambda _: 0)
        answer = client.get("/healthz")
        assert (answer.status_code, answer.get_json()) == (503, {"success": False, "error": "有问题"})
        client.post("/login", data={"password": "开门"})
        assert what_is_wrong(client) == {"disk"}


def test_a_balancer_keeps_a_process_whatever_fails_for_all_until_it_stops(settings: Settings) -> None:
    for client in open_client(replace(settings, image_model="jimeng", role="web", access_password="开门")):
        assert client.get("/healthz").status_code == 503  # no key, no worker
        assert client.get("/readyz").status_code == 200
        runtime_of(client).store_guard.report(StoreDamaged("数据库有损坏"))
        assert client.get("/readyz").status_code == 200
        runtime_of(client).stop(10)
        assert client.get("/readyz").status_code == 503


def test_low_disk_space_is_shown_in_the_top_bar_of_every_page(
    client: FlaskClient, settings: Settings
) -> None:
    runtime_of(client).disk = DiskSpace([settings.output_dir], free=lambda _: 42_000_000)
    for page in ("/", "/batch", "/records", "/samples"):
        assert "磁盘只剩 42 MB" in client.get(page).text


def test_a_waiting_call_reports_why_nothing_was_generated(settings: Settings) -> None:
    disk = DiskSpace([settings.output_dir], free=lambda _: 42_000_000)
    for client in open_client(settings, disk=disk):
        answer = client.post("/api/batch-generate", json={"prompt": "猫"})
        assert answer.status_code == 502
        assert "磁盘只剩 42 MB" in answer.get_json()["error"]
