"""The database file under a running server: moved, replaced, overwritten, damaged, its -wal removed."""

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from flask.testing import FlaskClient

import database
from app import migrations
from app.config import Settings
from app.domain import Record, Status
from app.engine.guard import FileGuard
from app.engine.sqlite import SqliteConnection, connect
from app.errors import StoreDamaged, StoreLost
from app.images import metadata
from tests.harness import Harness
from tools.fakes.service import Call
from tools.server_process import ServerProcess
from tools.waiting import TIMEOUT
from web_app import create_app

pytestmark = pytest.mark.sqlite


def delete(path: Path, _older: Path) -> None:
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()


def move_away(path: Path, _older: Path = Path()) -> None:
    path.rename(path.with_name("elsewhere.db"))


def bring_back(path: Path) -> None:
    path.with_name("elsewhere.db").replace(path)


def put_another_in_its_place(path: Path, older: Path) -> None:
    shutil.copy(older, older.with_name("copy.db"))
    older.with_name("copy.db").replace(path)


def overwrite_with_an_older_copy(path: Path, older: Path) -> None:
    with closing(database.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    shutil.copy(older, path)


def remove_the_wal(path: Path, _older: Path) -> None:
    path.with_name(f"{path.name}-wal").unlink()


def empty_it(path: Path, _older: Path) -> None:
    with closing(database.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    os.truncate(path, 0)


DISRUPTIONS = [
    (delete, "文件不见了"),
    (move_away, "文件不见了"),
    (put_another_in_its_place, "被换成了另一个"),
    (overwrite_with_an_older_copy, "被旧的副本覆盖"),
    (remove_the_wal, "-wal」被移走或删除了"),
    (empty_it, "有损坏"),
]


@pytest.fixture
def older(harness: Harness, tmp_path: Path) -> Path:
    """A copy from before the last image, like a backup."""
    path = tmp_path / "older.db"
    harness.ask("猫")
    assert isinstance(harness.db, SqliteConnection)
    with closing(sqlite3.connect(path)) as copy:
        harness.db.backup(copy)
    return path


def guard_of(harness: Harness) -> FileGuard:
    guard = harness.runtime.store_guard
    assert isinstance(guard, FileGuard)
    return guard


def damage_pages(path: Path) -> None:
    """Overwrite the pages of records, as a failing disk would; the first page stays."""
    with closing(database.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        root = other.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'generation_records'"
        ).fetchone()[0]
        size = other.execute("PRAGMA page_size").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xa5" * size)


@pytest.mark.parametrize(("disrupt", "sentence"), DISRUPTIONS)
def test_nothing_is_submitted_once_the_file_is_not_the_one_opened(
    harness: Harness, older: Path, disrupt: Callable[[Path, Path], None], sentence: str
) -> None:
    assert harness.step()
    assert harness.service.charges == 1
    harness.ask("狗", "鸟")
    disrupt(harness.settings.database_path, older)
    with pytest.raises(StoreLost, match=sentence):
        harness.runtime.store_guard.require(harness.db)
    harness.runtime.store_guard.watch(harness.db)
    assert not harness.step()
    assert sentence in str(harness.runtime.store_guard.problem())
    assert harness.service.charges == 1


def test_a_change_between_claim_and_charge_sends_nothing(harness: Harness) -> None:
    harness.ask("狗")
    path = harness.settings.database_path
    resolve = harness.runtime.library.resolve

    def disrupt(*message: object) -> object:
        move_away(path)
        harness.runtime.threads.aborting.set()
        return resolve(*message)  # type: ignore[arg-type]

    harness.runtime.library.resolve = disrupt  # type: ignore[method-assign,assignment]
    with pytest.raises(StoreLost):
        harness.step()
    assert harness.service.charges == 0


def test_work_resumes_when_the_file_comes_back(harness: Harness) -> None:
    harness.ask("狗")
    path = harness.settings.database_path
    move_away(path)
    harness.runtime.store_guard.watch(harness.db)
    assert not harness.step()
    bring_back(path)
    assert harness.runtime.store_guard.watch(harness.db) is None
    assert harness.step()
    assert harness.outcomes() == ["billed"]


def test_damage_and_older_contents_block_until_a_restart(harness: Harness, older: Path) -> None:
    assert harness.step()
    path = harness.settings.database_path
    right = path.with_name("right.db")
    overwrite_with_an_older_copy(path, older)
    shutil.copy(path, right)
    guard_of(harness)._next_check = 0.0
    assert harness.runtime.store_guard.check()
    assert "旧的副本" in str(harness.runtime.store_guard.problem())
    shutil.copy(right, path)
    harness.runtime.store_guard.watch(harness.db)
    assert "旧的副本" in str(harness.runtime.store_guard.problem())


def test_damaged_pages_are_found_by_the_next_check(harness: Harness) -> None:
    store = guard_of(harness)
    harness.make("猫")
    assert not store.check()
    damage_pages(harness.settings.database_path)
    store._next_check = 0.0
    assert store.check()
    assert "有损坏" in str(store.problem())
    assert not harness.step()


def test_the_pages_are_checked_before_the_first_charge(harness: Harness) -> None:
    harness.ask("猫")
    damage_pages(harness.settings.database_path)
    with pytest.raises(StoreDamaged, match="有损坏"):
        harness.runtime.store_guard.require(harness.db)


def test_only_a_small_file_is_checked_before_the_port_opens(
    settings: Settings, db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.close()
    damage_pages(settings.database_path)
    monkeypatch.setattr(migrations, "_CHECKED_BYTES", settings.database_path.stat().st_size - 1)
    database.open_database(settings.database)
    guard = FileGuard(settings.database_path)
    with closing(connect(settings.database_path)) as other, pytest.raises(StoreDamaged, match="有损坏"):
        guard.require(other)


def test_a_submission_waits_for_the_check_under_way(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, may_end, checks = threading.Event(), threading.Event(), list[int]()

    def check_pages(db: sqlite3.Connection, *, stops: Callable[[], bool]) -> str:
        checks.append(1)
        began.set()
        assert may_end.wait(TIMEOUT)
        return "broken"

    monkeypatch.setattr("app.engine.guard.check_pages", check_pages)
    harness.ask("猫")
    with ThreadPoolExecutor(1) as threads:
        checking = threads.submit(harness.runtime.store_guard.check)
        assert began.wait(TIMEOUT)
        threading.Timer(0.1, may_end.set).start()
        with pytest.raises(StoreDamaged, match="broken"):
            harness.runtime.store_guard.require(harness.db)
        assert checking.result()
    assert len(checks) == 1


def test_checks_take_at_most_one_percent_of_the_time(harness: Harness) -> None:
    path, now = harness.settings.database_path, [0.0]

    def check() -> bool:
        os.utime(path, (now[0], now[0]))  # as after a checkpoint
        return store.check()

    def clock() -> float:
        now[0] += 2.0  # a check reads the clock twice, so it takes two seconds
        return now[0]

    store = FileGuard(path, clock=clock)
    assert check()
    assert not check()
    now[0] += 200.0
    assert check()


def test_damage_found_by_a_query_blocks_at_once(harness: Harness) -> None:
    harness.make("猫")
    damage_pages(harness.settings.database_path)

    def meet() -> bool:
        with closing(database.connect(harness.settings.database)) as other:
            return bool(other.execute("SELECT sum(length(prompt)) FROM generation_records").fetchone())

    assert not harness.runtime.threads.guarded(meet)
    assert "有损坏" in str(harness.runtime.store_guard.problem())


def test_nothing_is_written_to_a_file_that_was_moved_and_no_empty_one_takes_its_place(
    harness: Harness,
) -> None:
    path = harness.settings.database_path
    move_away(path)
    with pytest.raises(StoreLost, match="文件不见了"), database.transaction(harness.db):
        raise AssertionError("it may be written to")
    with pytest.raises(StoreLost):
        database.connect(path)
    assert not path.exists()
    with closing(sqlite3.connect(path.with_name("elsewhere.db"))) as db:
        assert db.execute("SELECT count(*) FROM generation_records").fetchone() == (0,)


def test_the_contents_of_a_removed_wal_are_written_to_the_main_file(harness: Harness) -> None:
    harness.make("猫")
    path = harness.settings.database_path
    remove_the_wal(path, path)
    assert "-wal" in str(harness.runtime.store_guard.watch(harness.db))
    alone = path.with_name("alone.db")
    shutil.copy(path, alone)
    with closing(sqlite3.connect(alone)) as db:
        assert db.execute("SELECT status FROM generation_records").fetchall() == [("success",)]


@pytest.fixture
def away(harness: Harness) -> Path:
    """The path of the file, which is moved away when the service has accepted a submission."""
    path = harness.settings.database_path

    def see(moment: str, _call: Call) -> None:
        if moment == "made" and path.exists():
            move_away(path)

    harness.service.observer = see
    return path


def test_a_task_id_that_cannot_be_stored_is_logged_and_its_image_saved(
    harness: Harness, away: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO")
    _, ids = harness.ask("猫")
    monkeypatch.setattr(harness, "wait", lambda _: bool(harness.files()))
    with pytest.raises(StoreLost):  # it stops once the image is saved
        harness.step()
    assert not away.exists()
    assert f"task_id={harness.service.submissions[0].task_id}" in caplog.text
    parameters = metadata.extract((harness.settings.output_dir / harness.files()[0]).read_bytes())
    assert parameters is not None
    assert f"Record: {ids[0]}" in parameters


def test_a_charge_opened_before_the_file_vanished_is_closed_when_it_returns(
    harness: Harness, away: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ids = harness.ask("猫")

    def wait(_seconds: float) -> bool:
        if harness.files() and not away.exists():
            bring_back(away)
        return False

    monkeypatch.setattr(harness, "wait", wait)
    assert harness.step()
    assert harness.record(ids[0]).status is Status.SUCCESS
    assert harness.outcomes() == ["billed"]


def test_a_charge_whose_task_id_was_not_stored_is_unknown_and_never_resubmitted(harness: Harness) -> None:
    record = submitted(harness)
    database.requeue_record(harness.db, record, not_before=0.0)
    assert harness.record(record.id).status is Status.UNKNOWN
    assert harness.outcomes() == ["unknown"]
    assert not harness.step()


def submitted(harness: Harness) -> Record:
    harness.ask("猫")
    record = harness.worker._claim(harness.db, harness.runtime.engines.default)
    assert record is not None
    database.open_charge(harness.db, record, price=None, budget=None)
    return record


def test_a_damaged_file_stops_the_start_with_a_sentence_naming_the_backups(
    settings: Settings, db: database.Connection
) -> None:
    path = settings.database_path
    db.close()
    damage_pages(path)
    for day in (1, 2, 3, 4):
        path.with_name(f"{path.name}.backup-2026110{day}-120000").touch()
    with pytest.raises(StoreDamaged) as raised:
        database.open_database(path)
    message = str(raised.value)
    assert "\n" not in message
    assert all(word in message for word in ("backup-20261104", "backup-20261102", "app.cli rebuild"))
    assert "backup-20261101" not in message


def test_a_damaged_file_is_not_served_and_not_changed(
    settings: Settings, db: database.Connection, tmp_path: Path
) -> None:
    db.close()
    damage_pages(settings.database_path)
    before = settings.database_path.read_bytes()
    message = ServerProcess(tmp_path).refuses_to_start()
    assert "有损坏" in message
    assert "Traceback" not in message
    assert settings.database_path.read_bytes() == before


def test_starting_without_a_database_beside_images_explains_how_to_rebuild(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    create_app(settings)
    assert "rebuild" not in capsys.readouterr().err
    delete(settings.database_path, Path())
    (settings.output_dir / "猫.png").touch()
    create_app(settings)
    message = capsys.readouterr().err
    assert all(word in message for word in ("没有找到数据库", "从备份恢复", "app.cli rebuild"))
    create_app(settings)
    assert "没有找到数据库" not in capsys.readouterr().err


def test_a_damaged_search_index_does_not_stop_submissions(harness: Harness) -> None:
    harness.make("猫")
    harness.db.execute("UPDATE record_search_data SET block = x'00'")
    guard_of(harness)._checked = None
    harness.runtime.store_guard.require(harness.db)


@pytest.fixture
def client(harness: Harness) -> FlaskClient:
    """A client of the app, whose worker has opened the file."""
    harness.runtime.store_guard.watch(harness.db)
    return create_app(harness.settings, harness.runtime).test_client()


def test_while_the_file_is_missing_pages_say_so_and_writes_are_refused(
    client: FlaskClient, harness: Harness
) -> None:
    path = harness.settings.database_path
    move_away(path)
    refused = client.post("/api/batches", json={"rows": [{"prompt": "猫"}]})
    assert (refused.status_code, refused.get_json()["success"]) == (503, False)
    assert "文件不见了" in refused.get_json()["error"]
    pages = ("/", "/batch", "/records", "/usage", "/live/status", "/healthz", "/api/records", "/api/batches")
    for page in pages:
        answer = client.get(page)
        assert "文件不见了" in answer.text, page
        assert answer.status_code == (200 if page == "/live/status" else 503), page
    assert 'data-state="store_lost"' in client.get("/live/status").text
    assert not path.exists()
    bring_back(path)
    assert client.get("/records").status_code == 200
    assert client.post("/api/batches", json={"rows": [{"prompt": "猫"}]}).status_code == 202


def test_no_connection_is_opened_to_a_replacement_file(
    client: FlaskClient, harness: Harness, older: Path
) -> None:
    """It would adopt the -wal in use and delete it."""
    assert harness.step()
    path = harness.settings.database_path
    move_away(path)
    shutil.copy(older, path)
    for page in ("/records", "/api/records", "/api/records/export.xlsx", "/healthz", "/live/status"):
        assert "被换成了另一个" in client.get(page).text
    bring_back(path)
    assert harness.runtime.store_guard.watch(harness.db) is None
    assert harness.outcomes() == ["billed"]
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT status FROM generation_records").fetchall() == [("success",)]


def test_requests_without_the_database_work_while_it_is_missing(
    client: FlaskClient, harness: Harness
) -> None:
    delete(harness.settings.database_path, Path())
    answer = client.post("/api/spreadsheet/export", json={"rows": [{"prompt": "猫"}]})
    assert answer.status_code == 200


def test_a_page_that_finds_damage_says_so_and_stops_submissions(
    client: FlaskClient, harness: Harness
) -> None:
    record = harness.make("猫")
    damage_pages(harness.settings.database_path)
    answer = client.get(f"/api/batches/{record.batch_id}")
    assert (answer.status_code, answer.get_json()["success"]) == (503, False)
    assert "有损坏" in answer.get_json()["error"]
    assert "有损坏" in client.get("/").text
    assert client.get("/healthz").status_code == 503
    assert not harness.step()


def test_a_waiting_call_ends_when_the_file_vanishes(client: FlaskClient, harness: Harness) -> None:
    path = harness.settings.database_path

    def sleep(_seconds: float) -> None:
        if path.exists():
            move_away(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.web.api.batches.time.sleep", sleep)
        answer = client.post("/api/batch-generate", json={"prompt": "猫"})
    assert answer.status_code == 503
    assert "文件不见了" in answer.get_json()["error"]
