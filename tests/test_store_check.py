"""Keeping house by hand: what is missing, altered or orphaned; a backup made while others write."""

import os
import shutil
import threading
import time
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

import database
import store_check
from config import Settings
from domain import BatchStatus, ImageRequest, ModelCard
from errors import InvalidRequest, StorageError
from tests.held_files import held


class House:
    """A database and its pictures: three records whose files are as they were kept."""

    def __init__(self, settings: Settings, db: database.Connection) -> None:
        self.settings = settings
        self.db = db
        settings.output_dir.mkdir()
        settings.samples_dir.mkdir()
        for name in ("猫.png", "狗.jpg", "山.webp"):
            self.put(name)

    def put(self, name: str) -> None:
        content = f"bytes of {name}".encode()
        self.path(name).write_bytes(content)
        self.db.execute(
            """
            INSERT INTO generation_records (prompt, filename, image_path, sha256, file_size)
            VALUES ('画', ?, '/output/' || ?, ?, ?)
            """,
            (name, name, sha256(content).hexdigest(), len(content)),
        )

    def path(self, name: str) -> Path:
        return self.settings.output_dir / name

    def check(self, **options: bool) -> store_check.Report:
        return store_check.check(self.settings, **options)

    def lines(self) -> str:
        return "\n".join(store_check.report_lines(self.check(), self.settings.output_dir, most=1))


@pytest.fixture
def house(settings: Settings, db: database.Connection) -> House:
    return House(settings, db)


def test_a_house_in_order_is_told_in_a_line(house: House) -> None:
    (house.settings.output_dir / ".thumbnails").mkdir()
    (house.settings.output_dir / ".half.part").write_bytes(b"x")
    report = house.check()
    assert (report.records, report.files, report.is_clean) == (3, 3, True)
    assert "完全一致" in house.lines()


def test_missing_altered_and_orphaned_files_are_told_apart(house: House) -> None:
    house.path("猫.png").unlink()
    house.path("狗.jpg").write_bytes(b"BYTES of " + "狗.jpg".encode())
    house.path("自己放的.png").write_bytes(b"mine")
    report = house.check()
    assert [kept.filename for kept in report.missing] == ["猫.png"]
    assert [kept.filename for kept in report.altered] == ["狗.jpg"]
    assert report.orphaned == ["自己放的.png"]
    assert all(word in house.lines() for word in ("#1 猫.png", "#2 狗.jpg", "自己放的.png", "没有改动或删除"))
    assert house.path("自己放的.png").exists()


def test_a_quick_look_sees_sizes_only(house: House) -> None:
    house.path("狗.jpg").write_bytes(b"BYTES of " + "狗.jpg".encode())
    assert house.check(hashes=False).is_clean
    house.path("狗.jpg").write_bytes(b"short")
    assert len(house.check(hashes=False).altered) == 1


def test_a_file_that_the_disk_does_not_give_back_is_told_with_the_altered(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> str:
        raise OSError(5, "Input/output error", path.name)

    monkeypatch.setattr("pictures.sha256_of", broken)
    assert len(house.check().altered) == 3


def test_a_file_whose_record_is_in_the_trash_is_no_orphan(house: House) -> None:
    database.delete_records(house.db, [1])
    assert house.check().is_clean


def test_earlier_records_without_a_digest_are_only_looked_for(house: House) -> None:
    house.db.execute("UPDATE generation_records SET sha256 = '', file_size = NULL")
    house.path("猫.png").write_bytes(b"anything")
    assert house.check().is_clean


def test_a_name_that_is_no_text_is_told_all_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store_check, "load_settings", lambda: house.settings)
    house.path(os.fsdecode("啊.png".encode("gbk"))).write_bytes(b"unpacked by an old program")
    assert store_check.main([]) == 1
    assert r"\udcb0\udca1.png" in capsys.readouterr().out


def test_a_long_list_is_cut_and_says_so(house: House) -> None:
    for name in ("猫.png", "狗.jpg"):
        house.path(name).unlink()
    assert "还有 1 个" in house.lines()


def test_without_a_database_it_says_where_it_looked(settings: Settings) -> None:
    with pytest.raises(StorageError, match=r"generation_records\.db"):
        store_check.check(settings)
    assert not settings.database_path.exists()


def test_a_backup_holds_everything_and_opens(house: House, tmp_path: Path) -> None:
    pinned = house.settings.samples_dir / ".pinned"
    pinned.mkdir()
    (pinned / "参考.png").write_bytes(b"reference")
    folder = tmp_path / "备份"
    assert store_check.back_up(house.settings, folder) == 4
    copy = replace(
        house.settings, database_path=folder / "generation_records.db", output_dir=folder / "output"
    )
    assert store_check.check(copy).is_clean
    assert (folder / "samples/.pinned/参考.png").read_bytes() == b"reference"
    with closing(database.connect(copy.database_path)) as db:
        assert database.count_records(db, database.RecordFilter()) == 3


def test_who_goes_back_to_a_backup_is_asked_before_anything_is_ordered_again(
    house: House, card: ModelCard, tmp_path: Path
) -> None:
    batch_id, ids = database.add_batch(
        house.db, [ImageRequest(prompt="雪山")], card=card, stems=["雪山"], is_taken=lambda stem: False
    )
    store_check.back_up(house.settings, tmp_path / "b")
    assert database.get_batch(house.db, batch_id).status is BatchStatus.QUEUED
    with closing(database.connect(tmp_path / "b" / house.settings.database_path.name)) as copy:
        batch = database.get_batch(copy, batch_id)
        assert (batch.status, "重复付费" in batch.paused_reason) == (BatchStatus.PAUSED, True)
        assert database.claim_record(copy, model="test-1", owner="me", now=0.0, lease=20.0) is None
        database.resume_batch(copy, batch_id, model="test-1")
        claimed = database.claim_record(copy, model="test-1", owner="me", now=0.0, lease=20.0)
        assert claimed is not None
        assert claimed.id == ids[0]


def test_a_second_backup_copies_only_what_is_new_and_removes_nothing(house: House, tmp_path: Path) -> None:
    folder = tmp_path / "备份"
    store_check.back_up(house.settings, folder)
    house.path("猫.png").unlink()
    house.put("新.png")
    house.path("狗.jpg").write_bytes(b"another")
    os.utime(house.path("狗.jpg"), (1_000_000_000, 1_000_000_000))
    assert store_check.back_up(house.settings, folder) == 2
    assert (folder / "output/猫.png").exists()
    assert (folder / "output/狗.jpg").read_bytes() == b"another"


def test_a_backup_while_others_write_is_whole(house: House, tmp_path: Path) -> None:
    folder, stop = tmp_path / "备份", threading.Event()

    def write() -> None:
        with closing(database.connect(house.settings.database_path)) as db:
            while not stop.is_set():
                with database.transaction(db):
                    for _ in range(2):
                        db.execute("INSERT INTO generation_records (prompt) VALUES ('并排')")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            store_check.back_up(house.settings, folder)
            with closing(database.connect(folder / "generation_records.db")) as db:
                assert database.count_records(db, database.RecordFilter(search="并排")) % 2 == 0
                assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    finally:
        stop.set()
        writer.join()


def test_the_longest_name_is_backed_up_too(house: House, tmp_path: Path) -> None:
    name = "a" * 251 + ".png"
    house.path(name).write_bytes(b"longest")
    store_check.back_up(house.settings, tmp_path / "b")
    assert (tmp_path / "b/output" / name).read_bytes() == b"longest"


def test_a_file_that_another_program_holds_does_not_keep_the_rest_from_the_backup(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    really = shutil.copy2

    def copy(path: Path, target: Path) -> object:
        if path.name == "猫.png":
            raise held(str(path))
        return really(path, target)

    monkeypatch.setattr(shutil, "copy2", copy)
    with pytest.raises(StorageError, match=r"有 1 个文件正被另一个程序占用（例如「猫\.png」），其余的已备份"):
        store_check.back_up(house.settings, tmp_path / "b")
    assert sorted(os.listdir(tmp_path / "b/output")) == sorted(["狗.jpg", "山.webp"])  # noqa: PTH208
    monkeypatch.setattr(shutil, "copy2", really)
    assert store_check.back_up(house.settings, tmp_path / "b") == 1


@pytest.mark.parametrize("place", [".", "output", "output/备份", "samples/x"])
def test_a_backup_into_itself_is_refused(house: House, tmp_path: Path, place: str) -> None:
    with pytest.raises(InvalidRequest):
        store_check.back_up(house.settings, tmp_path / place)


def test_a_folder_that_cannot_be_written_is_one_sentence(house: House, tmp_path: Path) -> None:
    (tmp_path / "文件").write_text("no folder")
    with pytest.raises(StorageError, match="备份没有完成"):
        store_check.back_up(house.settings, tmp_path / "文件" / "里面")


def test_the_commands_say_what_they_did(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store_check, "load_settings", lambda: house.settings)
    assert store_check.main([]) == 0
    assert store_check.main(["backup", str(tmp_path / "b")]) == 0
    house.path("猫.png").unlink()
    assert store_check.main(["--quick"]) == 1
    assert store_check.main(["backup", str(house.settings.output_dir)]) == 2
    told = capsys.readouterr()
    assert "新复制文件 3 个" in told.out
    assert "缺少 1 个" in told.out
    assert "换一个地方" in told.err
