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

import database
from app.config import Settings, read_settings
from app.domain import Record
from app.engine.sqlite import SqliteConnection
from app.errors import SettingError, message
from app.images import store
from app.runtime import Runtime
from app.web import originals
from tests.harness import run_once, running, worker_of
from tests.web.harness import post
from tools.fakes.oss import FakeOss
from tools.waiting import wait_until
from web_app import create_app


class Site:
    """An installation that copies its pictures to ``oss``; its worker runs turn by turn."""

    def __init__(self, settings: Settings, oss: FakeOss) -> None:
        self.oss = oss
        self.runtime = Runtime(replace(settings, **oss.settings(oss_output_prefix="ai-images/output/")))
        self.folder = settings.output_dir
        self.client = create_app(self.runtime.settings, self.runtime).test_client()
        self.db = database.connect(settings.database)

    def make(self, prompt: str = "红 茶 🍵") -> Record:
        row = {"prompt": prompt, "resolution": "1K"}
        record_id: int = post(self.client, "/api/batches", {"rows": [row]}, 202)["records"][0]
        assert run_once(self.runtime, self.db)
        return database.get_record(self.db, record_id)

    def path(self, record: Record) -> Path:
        return self.folder / record.filename

    def copy(self) -> bool:
        """Copy the next picture -> whether it was."""
        return worker_of(self.runtime).maintenance.copy_output(self.db)

    def copy_all(self) -> None:
        while self.copy():
            pass

    def note_earlier(self) -> None:
        """As at a start."""
        worker_of(self.runtime).maintenance.note_earlier_pictures(self.db)

    def forget_copies(self) -> None:
        self.db.execute("DELETE FROM output_copies")

    def progress(self) -> database.CopyProgress:
        return database.count_output_copies(self.db)

    def counts(self) -> tuple[int, int]:
        """How many copies are kept, and how many wait."""
        return self.progress().kept, self.progress().waiting

    def zipped(self, *ids: int) -> zipfile.ZipFile:
        url = f"/api/records/archive.zip?ids={','.join(map(str, ids))}"
        answer = self.client.get(url, buffered=True)
        assert answer.content_length is None  # a copy may turn out to be missing
        return zipfile.ZipFile(io.BytesIO(answer.data))


@pytest.fixture
def site(settings: Settings, oss: FakeOss) -> Iterator[Site]:
    made = Site(settings, oss)
    with closing(made.db):
        yield made


def test_a_finished_image_is_uploaded_under_its_name(site: Site) -> None:
    site.note_earlier()
    record = site.make()
    assert site.counts() == (0, 1)
    assert site.copy()
    assert not site.copy()
    ((key, stored),) = site.oss.objects.items()
    assert key.startswith("ai-images/output/红 茶 🍵-")
    assert stored.content == site.path(record).read_bytes()
    assert stored.media_type == "image/jpeg"
    assert site.counts() == (1, 0)


def test_a_lost_image_is_served_from_its_backup(site: Site) -> None:
    record = site.make()
    assert site.copy()
    path = site.path(record)
    content = path.read_bytes()
    path.unlink()
    (site.folder / ".thumbnails" / "0" / f"{record.id}.webp").unlink()
    shown = site.client.get(record.image_path)
    assert shown.status_code == 302
    assert requests.get(shown.headers["Location"], timeout=60).content == content
    small = site.client.get(f"/thumbnails/{record.id}")
    assert requests.get(small.headers["Location"], timeout=60).content[8:12] == b"WEBP"
    assert site.client.get("/output/没有.png").status_code == 404


def test_during_an_outage_uploads_wait_with_the_reason_and_are_retried(site: Site) -> None:
    site.make()
    site.oss.is_down = True
    assert not site.copy()
    found = site.progress()
    assert (found.kept, found.waiting) == (0, 1)
    assert "连不上 OSS" in str(found.error)
    site.oss.is_down = False
    assert not site.copy()  # not yet
    site.note_earlier()  # as after a start
    assert site.copy()
    assert site.progress() == database.CopyProgress(kept=1, waiting=0, error=message(""))


def test_a_missing_output_folder_loses_no_backup(site: Site) -> None:
    site.make()
    folder = site.folder
    away = folder.rename(folder.with_name("away"))
    assert not site.copy()
    assert site.counts() == (0, 1)
    away.rename(folder)
    assert site.copy()
    assert site.counts() == (1, 0)


def test_an_unreadable_image_waits_without_blocking_others(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.make("红茶")
    locked = site.make("绿茶").filename
    open_file = Path.open

    def refused(path: Path, *mode: Any) -> object:
        if path.name == locked:
            raise PermissionError(13, "Permission denied")
        return open_file(path, *mode)

    monkeypatch.setattr(Path, "open", refused)
    assert not site.copy()
    assert "Permission denied" in str(site.progress().error)
    assert site.copy()
    assert site.counts() == (1, 1)


def test_earlier_images_are_backed_up_once(site: Site) -> None:
    for number in range(3):
        site.make(f"第 {number} 张")
    site.forget_copies()
    site.note_earlier()
    site.note_earlier()
    site.copy_all()
    assert site.counts() == (3, 0)
    assert site.oss.count("put") == 3


def writes(site: Site) -> list[str]:
    """The statements of a start's search for earlier pictures that change something."""
    statements: list[str] = []
    assert isinstance(site.db, SqliteConnection)
    site.db.set_trace_callback(statements.append)
    site.note_earlier()
    site.db.set_trace_callback(None)
    return [each for each in statements if "INTO output_copies" in each]


@pytest.mark.sqlite
def test_a_restart_does_not_rescan_records(site: Site) -> None:
    for number in range(3):
        site.make(f"第 {number} 张")
    assert writes(site)
    assert writes(site) == []
    site.make("新的")
    assert writes(site)


def test_images_finished_without_a_bucket_are_backed_up_once_there_is_one(site: Site) -> None:
    rows = [{"prompt": prompt, "resolution": "1K"} for prompt in "甲乙"]
    post(site.client, "/api/batches", {"rows": rows}, 202)
    site.note_earlier()
    without = replace(site.runtime.settings, oss_output_prefix="")
    assert run_once(Runtime(without), site.db)
    assert site.counts() == (0, 0)
    site.note_earlier()
    assert site.counts() == (0, 1)


def test_a_record_restored_after_the_start_is_backed_up(site: Site) -> None:
    record = site.make()
    site.forget_copies()
    database.delete_records(site.db, [record.id])
    site.note_earlier()
    assert site.counts() == (0, 0)
    database.restore_records(site.db, [record.id])
    site.note_earlier()
    assert site.counts() == (0, 1)


def test_a_missing_image_is_dropped_from_the_backup_queue(site: Site) -> None:
    record = site.make()
    site.path(record).unlink()
    assert site.copy()
    assert site.counts() == (0, 0)
    assert site.oss.calls == []


def test_the_zip_uses_the_backup_of_a_lost_file(site: Site) -> None:
    record = site.make()
    path = site.path(record)
    content = path.read_bytes()
    assert site.copy()
    path.unlink()
    with site.zipped(record.id) as bundle:
        assert bundle.read(record.filename) == content
        assert len(bundle.namelist()) == 2  # and the workbook; nothing is missing


def test_the_zip_names_lost_files_during_an_outage(site: Site) -> None:
    records = [site.make(prompt) for prompt in "红橙黄绿青蓝"]
    site.copy_all()
    for record in records:
        site.path(record).unlink()
    site.oss.is_down = True
    with site.zipped(*(record.id for record in records)) as bundle:
        missing = bundle.read("缺少的图片.txt").decode("utf-8-sig")
    assert all(f"{prompt}.jpg" in missing for prompt in "红橙黄绿青蓝")
    # Those requested at the same time, four at most, with their retries.
    assert 3 <= site.oss.count("get") <= 12


@pytest.fixture
def lost_batch(site: Site) -> str:
    """A batch of three pictures that are only in the bucket -> its id."""
    rows = [{"prompt": prompt, "resolution": "1K"} for prompt in ("红", "绿", "蓝")]
    answer = post(site.client, "/api/batches", {"rows": rows}, 202)
    while run_once(site.runtime, site.db) or site.copy():
        pass
    for record_id in answer["records"]:
        store.delete_image(site.folder, database.get_record(site.db, record_id).filename, record_id)
    batch_id: str = answer["batch_id"]
    return batch_id


def thumbnails_in_results(site: Site, batch_id: str) -> int:
    workbook = site.client.get(f"/api/batches/{batch_id}/results.xlsx", buffered=True).data
    with zipfile.ZipFile(io.BytesIO(workbook)) as parts:
        return sum(name.startswith("xl/media/") for name in parts.namelist())


def test_results_show_the_backups_of_lost_images(site: Site, lost_batch: str) -> None:
    assert thumbnails_in_results(site, lost_batch) == 3
    changes = {call.query["x-oss-process"] for call in site.oss.calls if call.operation == "get"}
    assert all(change.endswith("webp") for change in changes)


def test_results_come_without_thumbnails_during_an_outage(site: Site, lost_batch: str) -> None:
    site.oss.is_down = True
    assert thumbnails_in_results(site, lost_batch) == 0
    assert site.oss.count("get") == 3  # one image was requested, with its retries


def test_results_fetch_a_bounded_number_of_lost_images(
    site: Site, lost_batch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(originals, "MAX_FROM_OSS", 2)
    assert thumbnails_in_results(site, lost_batch) == 2
    assert site.oss.count("get") == 2


def test_equal_names_with_different_content_do_not_overwrite_each_other(site: Site) -> None:
    record = site.make()
    assert site.runtime.output_backup
    path = site.path(record)
    first = site.runtime.output_backup.upload(path)
    path.write_bytes(b"other")
    assert site.runtime.output_backup.upload(path) != first
    assert len(site.oss.objects) == 2


def test_the_worker_threads_upload_finished_images(site: Site) -> None:
    with running(site.runtime):
        post(site.client, "/api/batch-generate", {"prompt": "猫", "resolution": "1K"})
        wait_until(lambda: bool(site.oss.count("put")))


def test_the_prefix_needs_the_bucket() -> None:
    with pytest.raises(SettingError) as caught:
        read_settings({"OSS_OUTPUT_PREFIX": "ai-images/output"})
    assert caught.value.variable == "OSS_OUTPUT_PREFIX"
    assert read_settings({}).oss_output_prefix == ""
