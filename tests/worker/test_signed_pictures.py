"""A picture that its service has signed stays as it is, and is known wherever the others are."""

import io
import zipfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

import database
from app import cli
from app.domain import Record, Status
from tests.harness import Harness, restart_after_crash
from tests.worker.conftest import OpenFor
from tools.fakes.seedream import FakeSeedream
from tools.marked_images import with_c2pa
from tools.signed_images import manifest_state, signed_image

pytestmark = pytest.mark.sqlite  # no statements of its own kind


@pytest.fixture
def seedream(open_for: OpenFor) -> Harness:
    return open_for(FakeSeedream)


def draws(harness: Harness, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Let the service return these bytes."""
    monkeypatch.setattr(harness.service, "image_of", lambda _order: content)


def left(harness: Harness) -> list[str]:
    """Every file below the folder of pictures."""
    return [path.name for path in harness.settings.output_dir.rglob("*") if path.is_file()]


@pytest.mark.parametrize("picture_format", ["png", "jpeg"])
def test_a_signed_picture_reaches_the_folder_and_a_zip_as_the_service_sent_it(
    seedream: Harness, monkeypatch: pytest.MonkeyPatch, picture_format: str
) -> None:
    content = signed_image(picture_format)
    draws(seedream, monkeypatch, content)
    record = seedream.make("猫")
    stored = (seedream.settings.output_dir / record.filename).read_bytes()
    assert (stored == content, manifest_state(stored, picture_format)) == (True, "Valid")
    with seedream.client() as client:
        answer = client.get(f"/api/records/archive.zip?ids={record.id}", buffered=True)
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert content in [archive.read(name) for name in archive.namelist()]


def test_it_is_found_again_after_a_crash_and_not_fetched_twice(
    seedream: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws(seedream, monkeypatch, with_c2pa("png"))
    died = seedream.crash(database, "finish_record")
    restart_after_crash(seedream)
    assert seedream.step()
    record = seedream.record(died.id)
    assert (record.status, record.marks["c2pa"]) == (Status.SUCCESS, True)
    assert (seedream.service.count("download"), seedream.files()) == (1, [record.filename])


def test_a_copy_of_it_under_another_name_finds_its_record(
    seedream: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = with_c2pa("jpeg")
    draws(seedream, monkeypatch, content)
    record = seedream.make("猫", seed=5)
    (seedream.settings.output_dir / record.filename).unlink()  # only the copy is left
    with seedream.client() as client:
        form = {"file": (io.BytesIO(content), "发给客户的.jpg")}
        found = client.post("/api/records/find-by-file", data=form).json
    assert found
    assert (found["record"]["id"], found["is_same_file"]) == (record.id, True)
    assert (found["parameters"]["prompt"], found["parameters"]["seed"]) == ("猫", record.seed)


def test_its_record_is_rebuilt_from_a_backup_of_the_files(
    seedream: Harness, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    draws(seedream, monkeypatch, with_c2pa("webp"))
    record = seedream.make("猫", seed=5)
    seedream.settings.samples_dir.mkdir(exist_ok=True)
    cli.back_up(seedream.settings, tmp_path / "备份")
    restored = replace(seedream.settings, output_dir=tmp_path / "备份" / "output")
    assert cli.rebuild(restored, tmp_path / "new.db") == (1, [])
    assert rebuilt_facts(tmp_path / "new.db", record.id) == facts(record)


def rebuilt_facts(path: Path, record_id: int) -> tuple[object, ...]:
    with closing(database.connect(path)) as db:
        return facts(database.get_record(db, record_id))


def facts(record: Record) -> tuple[object, ...]:
    request = record.request
    return (record.filename, record.sha256, request.prompt, record.seed, record.model, record.marks["c2pa"])


def test_nothing_is_left_once_its_trash_is_emptied(
    seedream: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws(seedream, monkeypatch, with_c2pa("png"))
    record = seedream.make("猫")
    assert len(left(seedream)) == 3
    database.delete_records(seedream.db, [record.id])
    seedream.db.execute("UPDATE generation_records SET deleted_at = '2020-01-01 00:00:00'")
    assert seedream.maintenance.empty_trash(seedream.db) == 1
    assert left(seedream) == []
