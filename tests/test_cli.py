"""The command line: checks of records against files, backups during writes, rebuilt databases."""

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
from app import cli
from app.config import Settings
from app.domain import BatchStatus, GeneratedImage, ImageRequest, Models, ModelSpec, Record, Status
from app.errors import DatabaseError, InvalidRequest, StorageError
from app.images import store
from app.images.metadata import format_parameters
from tests.locked_files import sharing_violation
from tools import orders
from tools.fakes.images import make_image
from tools.marked_images import FIELDS, with_xmp, xmp


class Installation:
    """A database and its pictures: three records whose files are unchanged."""

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

    def check(self, **options: bool) -> cli.Report:
        return cli.check(self.settings, **options)

    def lines(self) -> str:
        return "\n".join(cli.report_lines(self.check(), self.settings.output_dir, most=1))


def ordered(db: database.Connection, spec: ModelSpec, prompt: str) -> tuple[str, list[int]]:
    """A batch of one picture -> (its id, the ids of its records)."""
    requests = [ImageRequest(prompt=prompt)]
    return orders.add_batch(db, requests, models=Models([spec]), stems=[prompt])


@pytest.fixture
def installation(settings: Settings, db: database.Connection) -> Installation:
    return Installation(settings, db)


def test_a_consistent_installation_is_reported_in_one_line(installation: Installation) -> None:
    (installation.settings.output_dir / ".thumbnails").mkdir()
    (installation.settings.output_dir / ".half.part").write_bytes(b"x")
    report = installation.check()
    assert (report.records, report.files, report.is_clean) == (3, 3, True)
    assert "完全一致" in installation.lines()


def test_missing_altered_and_orphaned_files_are_listed_separately(installation: Installation) -> None:
    installation.path("猫.png").unlink()
    installation.path("狗.jpg").write_bytes(b"BYTES of " + "狗.jpg".encode())
    installation.path("自己放的.png").write_bytes(b"mine")
    report = installation.check()
    assert [stored.filename for stored in report.missing] == ["猫.png"]
    assert [stored.filename for stored in report.altered] == ["狗.jpg"]
    assert report.orphaned == ["自己放的.png"]
    assert all(
        word in installation.lines() for word in ("#1 猫.png", "#2 狗.jpg", "自己放的.png", "没有改动或删除")
    )
    assert installation.path("自己放的.png").exists()


@pytest.mark.parametrize("version", [11, 99])
@pytest.mark.sqlite
def test_a_check_neither_upgrades_nor_changes_a_database_of_another_version(
    installation: Installation, version: int
) -> None:
    path = installation.settings.database_path
    installation.db.execute(f"PRAGMA user_version = {version}")
    installation.db.close()
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match=f"版本是 {version}"):
        installation.check()
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.backup-*"))


def test_a_check_cannot_write(installation: Installation) -> None:
    refused = pytest.raises((database.Error, DatabaseError))
    with closing(database.open_to_read(installation.settings.database)) as db, refused:
        db.execute("UPDATE generation_records SET prompt = ''").fetchall()


@pytest.mark.postgres
def test_a_check_does_not_pause_a_restored_database(installation: Installation) -> None:
    installation.db.execute("UPDATE schema_version SET place = 'elsewhere'")
    installation.check()
    row = installation.db.execute("SELECT place FROM schema_version").fetchone()
    assert row["place"] == "elsewhere"


def test_a_quick_check_compares_sizes_only(installation: Installation) -> None:
    installation.path("狗.jpg").write_bytes(b"BYTES of " + "狗.jpg".encode())
    assert installation.check(hashes=False).is_clean
    installation.path("狗.jpg").write_bytes(b"short")
    assert len(installation.check(hashes=False).altered) == 1


def test_an_unreadable_file_is_listed_as_altered(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> str:
        raise OSError(5, "Input/output error", path.name)

    monkeypatch.setattr("app.images.store.sha256_of", broken)
    assert len(installation.check().altered) == 3


def test_a_file_of_a_deleted_record_is_no_orphan(installation: Installation) -> None:
    database.delete_records(installation.db, [1])
    assert installation.check().is_clean


def test_records_without_a_digest_are_checked_for_existence_only(installation: Installation) -> None:
    installation.db.execute("UPDATE generation_records SET sha256 = '', file_size = NULL")
    installation.path("猫.png").write_bytes(b"anything")
    assert installation.check().is_clean


def test_an_undecodable_file_name_is_listed(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "load_settings", lambda: installation.settings)
    installation.path(os.fsdecode("啊.png".encode("gbk"))).write_bytes(b"unpacked by an old program")
    assert cli.main([]) == 1
    assert r"\udcb0\udca1.png" in capsys.readouterr().out


def test_a_long_list_is_truncated_with_a_note(installation: Installation) -> None:
    for name in ("猫.png", "狗.jpg"):
        installation.path(name).unlink()
    assert "还有 1 个" in installation.lines()


@pytest.mark.sqlite
def test_a_missing_database_is_reported_with_its_path(settings: Settings) -> None:
    with pytest.raises(StorageError, match=r"generation_records\.db"):
        cli.check(settings)
    assert not settings.database_path.exists()


@pytest.mark.sqlite
def test_a_backup_is_complete_and_opens(installation: Installation, tmp_path: Path) -> None:
    pinned = installation.settings.samples_dir / ".pinned"
    pinned.mkdir()
    (pinned / "参考.png").write_bytes(b"reference")
    folder = tmp_path / "备份"
    assert cli.back_up(installation.settings, folder) == 4
    copy = replace(
        installation.settings, database_path=folder / "generation_records.db", output_dir=folder / "output"
    )
    assert cli.check(copy).is_clean
    assert (folder / "samples/.pinned/参考.png").read_bytes() == b"reference"
    with closing(database.connect(copy.database_path)) as db:
        assert database.count_records(db, database.RecordFilter()) == 3


@pytest.mark.sqlite
def test_a_restored_backup_does_not_resubmit_without_confirmation(
    installation: Installation, spec: ModelSpec, tmp_path: Path
) -> None:
    batch_id, ids = ordered(installation.db, spec, "雪山")
    cli.back_up(installation.settings, tmp_path / "b")
    assert database.get_batch(installation.db, batch_id).status is BatchStatus.QUEUED
    with closing(database.connect(tmp_path / "b" / installation.settings.database_path.name)) as copy:
        batch = database.get_batch(copy, batch_id)
        assert (batch.status, "重复付费" in str(batch.paused_reason)) == (BatchStatus.PAUSED, True)
        assert database.claim_record(copy, model="test-1", owner="me", now=0.0, lease=20.0) is None
        database.resume_batch(copy, batch_id, models=["test-1"])
        claimed = database.claim_record(copy, model="test-1", owner="me", now=0.0, lease=20.0)
        assert claimed is not None
        assert claimed.id == ids[0]


def test_a_second_backup_copies_only_new_files_and_removes_nothing(
    installation: Installation, tmp_path: Path
) -> None:
    folder = tmp_path / "备份"
    cli.back_up(installation.settings, folder)
    installation.path("猫.png").unlink()
    installation.put("新.png")
    installation.path("狗.jpg").write_bytes(b"another")
    os.utime(installation.path("狗.jpg"), (1_000_000_000, 1_000_000_000))
    assert cli.back_up(installation.settings, folder) == 2
    assert (folder / "output/猫.png").exists()
    assert (folder / "output/狗.jpg").read_bytes() == b"another"


@pytest.mark.sqlite
def test_a_backup_during_writes_is_consistent(installation: Installation, tmp_path: Path) -> None:
    folder, stop = tmp_path / "备份", threading.Event()

    def write() -> None:
        with closing(database.connect(installation.settings.database)) as db:
            while not stop.is_set():
                with database.transaction(db):
                    for _ in range(2):
                        db.execute("INSERT INTO generation_records (prompt) VALUES ('并排')")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            cli.back_up(installation.settings, folder)
            with closing(database.connect(folder / "generation_records.db")) as db:
                assert database.count_records(db, database.RecordFilter(search="并排")) % 2 == 0
                assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    finally:
        stop.set()
        writer.join()


def test_the_longest_name_is_backed_up_too(installation: Installation, tmp_path: Path) -> None:
    name = "a" * 251 + ".png"
    installation.path(name).write_bytes(b"longest")
    cli.back_up(installation.settings, tmp_path / "b")
    assert (tmp_path / "b/output" / name).read_bytes() == b"longest"


def test_a_locked_file_does_not_stop_the_backup(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    copy2 = shutil.copy2

    def copy(path: Path, target: Path) -> object:
        if path.name == "猫.png":
            raise sharing_violation(str(path))
        return copy2(path, target)

    monkeypatch.setattr(shutil, "copy2", copy)
    with pytest.raises(StorageError, match=r"1 个文件正被另一个程序占用（例如「猫\.png」），其余的已备份"):
        cli.back_up(installation.settings, tmp_path / "b")
    assert sorted(os.listdir(tmp_path / "b/output")) == sorted(["狗.jpg", "山.webp"])  # noqa: PTH208
    monkeypatch.setattr(shutil, "copy2", copy2)
    assert cli.back_up(installation.settings, tmp_path / "b") == 1


@pytest.mark.parametrize(
    "place", [pytest.param(".", marks=pytest.mark.sqlite), "output", "output/备份", "samples/x"]
)
def test_a_backup_into_itself_is_refused(installation: Installation, tmp_path: Path, place: str) -> None:
    with pytest.raises(InvalidRequest):
        cli.back_up(installation.settings, tmp_path / place)


def test_a_read_only_folder_is_reported_in_one_sentence(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "文件").write_text("no folder")
    with pytest.raises(StorageError, match="备份没有完成"):
        cli.back_up(installation.settings, tmp_path / "文件" / "里面")


def test_the_commands_say_what_they_did(
    installation: Installation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cli, "load_settings", lambda: installation.settings)
    assert cli.main([]) == 0
    assert cli.main(["backup", str(tmp_path / "b")]) == 0
    installation.path("猫.png").unlink()
    assert cli.main(["--quick"]) == 1
    assert cli.main(["backup", str(installation.settings.output_dir)]) == 2
    output = capsys.readouterr()
    assert "新复制文件 3 个" in output.out
    assert "缺少 1 个" in output.out
    assert "换一个地方" in output.err


class Pictures:
    """Pictures as the program saves them, without a database."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        settings.output_dir.mkdir()

    def save(self, record_id: int, prompt: str, stem: str, *, content: bytes = b"", **fields: object) -> Path:
        request = ImageRequest(prompt=prompt, **fields)  # type: ignore[arg-type]
        stored = store.save_image(
            GeneratedImage(content=content or make_image(64, 64, number=record_id)),
            output_dir=self.settings.output_dir,
            stem=stem,
            record_id=record_id,
            embed=format_parameters(request, None, "jimeng_t2i_v40", record_id, 7),
        )
        path = self.settings.output_dir / stored.filename
        os.utime(path, (1_760_000_000 + record_id, 1_760_000_000 + record_id))
        return path

    def rebuilt(self) -> Settings:
        target = self.settings.database_path.with_name("new.db")
        cli.rebuild(self.settings, target)
        return replace(self.settings, database_path=target, database_url="")

    def records(self) -> list[Record]:
        with closing(database.connect(self.rebuilt().database_path)) as db:
            return database.list_records(db, database.RecordFilter(), limit=20, offset=0)


@pytest.fixture
def pictures(settings: Settings) -> Pictures:
    return Pictures(settings)


def test_a_record_is_rebuilt_from_its_image(pictures: Pictures) -> None:
    content = make_image(1536, 1024)
    path = pictures.save(41, "雪山\n日出", "雪山_1", content=content, negative_prompt="人物", steps=20)
    record = pictures.records()[0]
    assert (record.id, record.prompt, record.negative_prompt) == (41, "雪山\n日出", "人物")
    assert (record.seed, record.steps, record.model) == (7, 20, "jimeng_t2i_v40")
    assert (record.width, record.height) == (1536, 1024)
    assert (record.aspect_ratio, record.resolution) == ("3:2", "1K")
    assert (record.status, record.filename) == (Status.SUCCESS, "雪山_1.png")
    assert record.created_at == "2025-10-09 08:54:01"
    assert record.sha256 == sha256(path.read_bytes()).hexdigest()
    assert record.cost is None  # unknown


def test_a_rebuilt_record_asks_for_the_own_size_that_its_row_had(pictures: Pictures) -> None:
    pictures.save(1, "雪山", "雪山", content=make_image(1200, 800), aspect_ratio="3:2", resolution="1200x800")
    record = pictures.records()[0]
    assert (record.aspect_ratio, record.resolution) == ("3:2", "1200x800")


def test_a_rebuilt_record_has_the_marks_its_file_shows(pictures: Pictures) -> None:
    pictures.save(1, "猫", "猫", content=with_xmp("jpeg", xmp()))
    pictures.save(2, "狗", "狗")
    assert [record.marks for record in sorted(pictures.records(), key=lambda record: record.id)] == [
        {"visible": None, "aigc": {"place": "xmp", "fields": FIELDS}, "c2pa": False},
        {"visible": None, "aigc": False, "c2pa": False},
    ]


def test_a_rebuilt_database_matches_its_images_and_searches_their_prompts(
    pictures: Pictures, spec: ModelSpec
) -> None:
    pictures.save(1, "雪山下的小屋", "雪山")
    pictures.save(2, "橘猫", "猫")
    rebuilt = pictures.rebuilt()
    database.open_database(rebuilt.database_path)
    assert cli.check(rebuilt).is_clean
    with closing(database.connect(rebuilt.database_path)) as db:
        while database.index_records(db) or database.merge_index(db):
            pass
        found = database.list_records(db, database.RecordFilter(search="小屋"), limit=20, offset=0)
        assert [record.id for record in found] == [1]
        assert ordered(db, spec, "狗")[1] == [3]


def test_an_id_that_two_images_carry_stays_with_the_older_one(pictures: Pictures) -> None:
    first = pictures.save(5, "猫", "猫")
    pictures.save(6, "狗", "狗")
    copied = first.with_name("猫 副本.png")
    copied.write_bytes(first.read_bytes())
    os.utime(copied, (1_760_000_100, 1_760_000_100))
    assert sorted((record.id, record.filename) for record in pictures.records()) == [
        (5, "猫.png"),
        (6, "狗.png"),
        (7, "猫 副本.png"),
    ]


def test_files_without_a_record_id_are_listed_and_left_out(
    pictures: Pictures, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "load_settings", lambda: pictures.settings)
    pictures.save(1, "猫", "猫")
    (pictures.settings.output_dir / "自己放的.png").write_bytes(make_image(64, 64, number=1))
    (pictures.settings.output_dir / "坏的.jpg").write_bytes(b"\xff\xd8\xff")
    assert cli.main(["rebuild"]) == 0
    output = capsys.readouterr().out
    assert "重建 1 条记录" in output
    assert "另有 2 个文件" in output
    assert all(word in output for word in ("费用", "批次", "结果未知"))
    assert len(list(pictures.settings.database_path.parent.glob("generation_records.rebuilt-*.db"))) == 1
    assert not pictures.settings.database_path.exists()


def test_a_rebuild_changes_no_existing_file(pictures: Pictures) -> None:
    pictures.save(1, "猫", "猫")
    pictures.settings.database_path.write_bytes(b"damaged")
    pictures.rebuilt()
    with pytest.raises(StorageError, match="已经存在"):
        pictures.rebuilt()
    assert pictures.settings.database_path.read_bytes() == b"damaged"
    assert [path.name for path in pictures.settings.database_path.parent.glob("*.part*")] == []
