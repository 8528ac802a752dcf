"""Machines are upgraded one after the other while the others work."""

from dataclasses import replace
from typing import Any

import pytest

import database
from app.domain import Status
from app.errors import DatabaseError
from app.runtime import Runtime
from tests.harness import Harness
from web_app import create_app


def upgrade(settings: Any, *, is_additive: bool) -> None:
    """Start and end a later version of the program, whose schema has one step more."""
    from app.migrations import postgres

    number = postgres.LATEST + 1
    with pytest.MonkeyPatch.context() as patch:
        sql = "ALTER TABLE generation_records ADD COLUMN later TEXT NOT NULL DEFAULT ''"
        patch.setattr(postgres, "_STEPS", (*postgres._STEPS, (number, lambda db, _report: db.execute(sql))))
        patch.setattr(postgres, "LATEST", number)
        patch.setattr(postgres, "_WORKS_FROM", {number: number - 1} if is_additive else {})
        database.open_database(settings.database)
        database.open_database(settings.database)  # the next machine of that version


def report(harness: Harness) -> None:
    harness.runtime.peers._next_report = 0.0
    harness.worker._report(harness.db)


@pytest.mark.postgres
def test_a_program_goes_on_and_starts_beside_a_later_one_that_only_added_something(harness: Harness) -> None:
    assert harness.make("猫").status == Status.SUCCESS
    upgrade(harness.settings, is_additive=True)
    report(harness)
    assert harness.make("狗").status == Status.SUCCESS
    database.open_database(harness.settings.database)
    database.open_to_read(harness.settings.database).close()
    harness.restart()
    assert harness.make("鸟").status == Status.SUCCESS
    assert harness.db.execute("SELECT count(*) FROM generation_records WHERE later = ''").fetchone()[0] == 3


@pytest.mark.postgres
def test_a_program_that_a_later_one_leaves_behind_orders_nothing_says_so_and_does_not_start(
    harness: Harness,
) -> None:
    ids, client = harness.ask("猫", "狗")[1], harness.client()
    report(harness)
    assert harness.step()
    upgrade(harness.settings, is_additive=False)
    report(harness)
    assert not harness.step()
    assert harness.statuses(ids) == [Status.SUCCESS, Status.QUEUED]
    shown = client.get("/live/status").text
    assert "请把那里的程序也升级" in shown
    assert 'data-state="process_stopped"' in shown
    for opened in (database.open_database, database.open_to_read):
        with pytest.raises(DatabaseError, match="更新的版本"):
            opened(harness.settings.database)


@pytest.mark.postgres
def test_a_web_process_that_a_later_one_leaves_behind_shows_its_pages_and_writes_nothing(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = Runtime(replace(harness.settings, role="web"))
    client = create_app(web.settings, web).test_client()
    batch_id, ids = harness.ask("猫")
    with database.transaction(harness.db, shared=True):
        database.touch(harness.db, ids)
    harness.db.execute("UPDATE pending_changes SET noted_at = noted_at - interval '1 minute'")
    upgrade(harness.settings, is_additive=False)
    web.peers.watch(harness.db)
    for path in ("/api/batches", f"/api/batches/{batch_id}/pause"):
        answer = client.post(path, json={"rows": [{"prompt": "狗"}]})
        assert answer.status_code == 503
        assert "请把那里的程序也升级" in answer.get_json()["error"]
    assert client.get(f"/api/batches/{batch_id}").get_json()["batch"]["status"] == "queued"
    assert client.get("/records").status_code == 200
    turns = iter([False, True])
    monkeypatch.setattr(web.threads.aborting, "wait", lambda _seconds: next(turns))
    web._fold_changes(harness.db)
    assert harness.db.execute("SELECT count(*) FROM pending_changes").fetchone()[0] == 1


@pytest.mark.sqlite
def test_workers_of_a_file_that_a_later_version_has_upgraded_order_nothing(harness: Harness) -> None:
    harness.runtime = Runtime(replace(harness.settings, role="worker"))
    harness.ask("猫")
    [(version,)] = harness.db.execute("PRAGMA user_version").fetchall()
    harness.db.execute(f"PRAGMA user_version = {version + 1}")
    report(harness)
    assert not harness.step()
    assert "请把那里的程序也升级" in str(harness.runtime.peers.find_problem(stops=True))
