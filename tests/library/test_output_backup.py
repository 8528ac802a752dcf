"""Backups of finished images in OSS: uploaded in the background, retried, used when the file is lost."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient

import database
from app.config import Settings, read_settings
from app.db.sqlite_connection import SqliteConnection
from app.errors import SettingError, message
from app.images import store
from app.web import thumbnails
from app.worker.worker import Worker
from tests.web.harness import post
from tools.fakes.oss import FakeOss
from tools.waiting import wait_until
from web_app import create_app


@pytest.fixture
def oss() -> Iterator[FakeOss]:
    with FakeOss() as service:
        yield service


@pytest.fixture
def worker(settings: Settings, oss: FakeOss) -> Worker:
    settings = replace(settings, **oss.settings(oss_output_prefix="ai-images/output/"))
    return Worker(settings)


@pytest.fixture
def client(worker: Worker) -> FlaskClient:
    return create_app(worker.settings, worker).test_client()


@pytest.fixture
def db(client: FlaskClient, worker: Worker) -> Iterator[database.Connection]:
    with closing(database.connect(worker.settings.database)) as connection:
        yield connection


def make(client: FlaskClient, worker: Worker, db: database.Connection, prompt: str = "红 茶 🍵") -> int:
    row = {"prompt": prompt, "resolution": "1K"}
    record_id: int = post(client, "/api/batches", {"rows": [row]}, 202)["records"][0]
    assert worker.run_once(db)
    return record_id


def counts(db: database.Connection) -> tuple[int, int]:
    found = database.count_output_copies(db)
    return found.kept, found.waiting


def test_a_finished_image_is_uploaded_under_its_name(
    client: FlaskClient, worker: Worker, db: database.Connection, oss: FakeOss
) -> None:
    record = database.get_record(db, make(client, worker, db))
    assert counts(db) == (0, 1)
    assert worker.maintenance.copy_output(db)
    assert not worker.maintenance.copy_output(db)
    ((key, stored),) = oss.objects.items()
    assert key.startswith("ai-images/output/红 茶 🍵-")
    assert stored.content == (worker.settings.output_dir / record.filename).read_bytes()
    assert stored.media_type == "image/jpeg"
    assert counts(db) == (1, 0)


def test_a_lost_image_is_served_from_its_backup(
    client: FlaskClient, worker: Worker, db: database.Connection
) -> None:
    record = database.get_record(db, make(client, worker, db))
    assert worker.maintenance.copy_output(db)
    path = worker.settings.output_dir / record.filename
    content = path.read_bytes()
    path.unlink()
    (worker.settings.output_dir / ".thumbnails" / "0" / f"{record.id}.webp").unlink()
    shown = client.get(record.image_path)
    assert shown.status_code == 302
    assert requests.get(shown.headers["Location"], timeout=60).content == content
    small = client.get(f"/thumbnails/{record.id}")
    assert requests.get(small.headers["Location"], timeout=60).content[8:12] == b"WEBP"
    assert client.get("/output/没有.png").status_code == 404


def test_during_an_outage_uploads_wait_with_the_reason_and_are_retried(
    client: FlaskClient, worker: Worker, db: database.Connection, oss: FakeOss
) -> None:
    make(client, worker, db)
    oss.is_down = True
    assert not worker.maintenance.copy_output(db)
    found = database.count_output_copies(db)
    assert (found.kept, found.waiting) == (0, 1)
    assert "连不上 OSS" in str(found.error)
    oss.is_down = False
    assert not worker.maintenance.copy_output(db)  # not yet
    worker.maintenance.note_earlier_pictures(db)  # as after a start
    assert worker.maintenance.copy_output(db)
    assert database.count_output_copies(db) == database.CopyProgress(kept=1, waiting=0, error=message(""))


def test_a_missing_output_folder_loses_no_backup(
    client: FlaskClient, worker: Worker, db: database.Connection
) -> None:
    make(client, worker, db)
    folder = worker.settings.output_dir
    away = folder.rename(folder.with_name("away"))
    assert not worker.maintenance.copy_output(db)
    assert counts(db) == (0, 1)
    away.rename(folder)
    assert worker.maintenance.copy_output(db)
    assert counts(db) == (1, 0)


def test_an_unreadable_image_waits_without_blocking_others(
    client: FlaskClient, worker: Worker, db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(client, worker, db, "红茶")
    locked = database.get_record(db, make(client, worker, db, "绿茶")).filename
    open_file = Path.open

    def refused(path: Path, *mode: Any) -> object:
        if path.name == locked:
            raise PermissionError(13, "Permission denied")
        return open_file(path, *mode)

    monkeypatch.setattr(Path, "open", refused)
    assert not worker.maintenance.copy_output(db)
    assert "Permission denied" in str(database.count_output_copies(db).error)
    assert worker.maintenance.copy_output(db)
    assert counts(db) == (1, 1)


def test_earlier_images_are_backed_up_once(
    client: FlaskClient, worker: Worker, db: database.Connection, oss: FakeOss
) -> None:
    for number in range(3):
        make(client, worker, db, f"第 {number} 张")
    with database.transaction(db):
        db.execute("DELETE FROM output_copies")
    worker.maintenance.note_earlier_pictures(db)
    worker.maintenance.note_earlier_pictures(db)
    while worker.maintenance.copy_output(db):
        pass
    assert counts(db) == (3, 0)
    assert oss.count("put") == 3


def writes(db: database.Connection, worker: Worker) -> list[str]:
    """The statements of a start's search for earlier pictures that change something."""
    statements: list[str] = []
    assert isinstance(db, SqliteConnection)
    db.set_trace_callback(statements.append)
    worker.maintenance.note_earlier_pictures(db)
    db.set_trace_callback(None)
    return [each for each in statements if "INTO output_copies" in each]


@pytest.mark.sqlite
def test_a_restart_does_not_rescan_records(
    client: FlaskClient, worker: Worker, db: database.Connection
) -> None:
    for number in range(3):
        make(client, worker, db, f"第 {number} 张")
    assert writes(db, worker)
    assert writes(db, worker) == []
    make(client, worker, db, "新的")
    assert writes(db, worker)


def test_a_finished_image_is_queued_for_backup_at_once(
    client: FlaskClient, worker: Worker, db: database.Connection
) -> None:
    worker.maintenance.note_earlier_pictures(db)
    number, waiting = make(client, worker, db), counts(db)
    assert (number, waiting) == (1, (0, 1))


def test_images_finished_without_a_bucket_are_backed_up_once_there_is_one(
    client: FlaskClient, worker: Worker, db: database.Connection
) -> None:
    rows = [{"prompt": prompt, "resolution": "1K"} for prompt in "甲乙"]
    post(client, "/api/batches", {"rows": rows}, 202)
    worker.maintenance.note_earlier_pictures(db)
    without = replace(worker.settings, oss_output_prefix="")
    assert Worker(without).run_once(db)
    assert counts(db) == (0, 0)
    worker.maintenance.note_earlier_pictures(db)
    assert counts(db) == (0, 1)


def test_a_record_restored_after_the_start_is_backed_up(
    client: FlaskClient, worker: Worker, db: database.Connection
) -> None:
    number = make(client, worker, db)
    with database.transaction(db):
        db.execute("DELETE FROM output_copies")
    database.delete_records(db, [number])
    worker.maintenance.note_earlier_pictures(db)
    assert counts(db) == (0, 0)
    database.restore_records(db, [number])
    worker.maintenance.note_earlier_pictures(db)
    assert counts(db) == (0, 1)


def test_a_missing_image_is_dropped_from_the_backup_queue(
    client: FlaskClient, worker: Worker, db: database.Connection, oss: FakeOss
) -> None:
    record = database.get_record(db, make(client, worker, db))
    (worker.settings.output_dir / record.filename).unlink()
    assert worker.maintenance.copy_output(db)
    assert counts(db) == (0, 0)
    assert oss.calls == []


def zipped(client: FlaskClient, *ids: int) -> zipfile.ZipFile:
    answer = client.get(f"/api/records/archive.zip?ids={','.join(map(str, ids))}", buffered=True)
    assert answer.content_length is None  # a copy may turn out to be missing
    return zipfile.ZipFile(io.BytesIO(answer.data))


def test_the_zip_uses_the_backup_of_a_lost_file(
    client: FlaskClient, worker: Worker, db: database.Connection
) -> None:
    record = database.get_record(db, make(client, worker, db))
    path = worker.settings.output_dir / record.filename
    content = path.read_bytes()
    assert worker.maintenance.copy_output(db)
    path.unlink()
    with zipped(client, record.id) as bundle:
        assert bundle.read(record.filename) == content
        assert len(bundle.namelist()) == 2  # and the workbook; nothing is missing


def test_the_zip_names_lost_files_during_an_outage(
    client: FlaskClient, worker: Worker, db: database.Connection, oss: FakeOss
) -> None:
    ids = [make(client, worker, db, prompt) for prompt in "红橙黄绿青蓝"]
    while worker.maintenance.copy_output(db):
        pass
    for record_id in ids:
        (worker.settings.output_dir / database.get_record(db, record_id).filename).unlink()
    oss.is_down = True
    with zipped(client, *ids) as bundle:
        missing = bundle.read("缺少的图片.txt").decode("utf-8-sig")
    assert all(f"{prompt}.jpg" in missing for prompt in "红橙黄绿青蓝")
    assert 3 <= oss.count("get") <= 12  # those requested at the same time, four at most, with their retries


@pytest.fixture
def lost_batch(client: FlaskClient, worker: Worker, db: database.Connection) -> str:
    """A batch of three pictures that are only in the bucket -> its id."""
    rows = [{"prompt": prompt, "resolution": "1K"} for prompt in ("红", "绿", "蓝")]
    answer = post(client, "/api/batches", {"rows": rows}, 202)
    while worker.run_once(db) or worker.maintenance.copy_output(db):
        pass
    for record_id in answer["records"]:
        store.delete_image(worker.settings.output_dir, database.get_record(db, record_id).filename, record_id)
    batch_id: str = answer["batch_id"]
    return batch_id


def thumbnails_in_results(client: FlaskClient, batch_id: str) -> int:
    workbook = client.get(f"/api/batches/{batch_id}/results.xlsx", buffered=True).data
    with zipfile.ZipFile(io.BytesIO(workbook)) as parts:
        return sum(name.startswith("xl/media/") for name in parts.namelist())


def test_results_show_the_backups_of_lost_images(client: FlaskClient, lost_batch: str, oss: FakeOss) -> None:
    assert thumbnails_in_results(client, lost_batch) == 3
    assert {call.query["x-oss-process"][-4:] for call in oss.calls if call.operation == "get"} == {"webp"}


def test_results_come_without_thumbnails_during_an_outage(
    client: FlaskClient, lost_batch: str, oss: FakeOss
) -> None:
    oss.is_down = True
    assert thumbnails_in_results(client, lost_batch) == 0
    assert oss.count("get") == 3  # one image was requested, with its retries


def test_results_fetch_a_bounded_number_of_lost_images(
    client: FlaskClient, lost_batch: str, oss: FakeOss, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thumbnails, "MAX_FROM_OSS", 2)
    assert thumbnails_in_results(client, lost_batch) == 2
    assert oss.count("get") == 2


def test_equal_names_with_different_content_do_not_overwrite_each_other(
    client: FlaskClient, worker: Worker, db: database.Connection, oss: FakeOss
) -> None:
    record = database.get_record(db, make(client, worker, db))
    assert worker.output_backup
    path = worker.settings.output_dir / record.filename
    first = worker.output_backup.upload(path)
    path.write_bytes(b"other")
    assert worker.output_backup.upload(path) != first
    assert len(oss.objects) == 2


def test_without_the_prefix_nothing_is_backed_up(settings: Settings, oss: FakeOss) -> None:
    settings = replace(settings, **oss.settings())
    worker = Worker(settings)
    client = create_app(settings, worker).test_client()
    with closing(database.connect(settings.database)) as db:
        make(client, worker, db)
        assert counts(db) == (0, 0)


def test_the_worker_threads_upload_finished_images(client: FlaskClient, worker: Worker, oss: FakeOss) -> None:
    worker.start()
    try:
        post(client, "/api/batch-generate", {"prompt": "猫", "resolution": "1K"})
        wait_until(lambda: bool(oss.count("put")))
    finally:
        assert worker.stop(10)


def test_the_prefix_needs_the_bucket() -> None:
    with pytest.raises(SettingError) as caught:
        read_settings({"OSS_OUTPUT_PREFIX": "ai-images/output"})
    assert caught.value.variable == "OSS_OUTPUT_PREFIX"
    assert read_settings({}).oss_output_prefix == ""
