"""Databases of the earlier app, also modified by hand: each opens without loss."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

import database
from app.config import Settings
from app.domain import Record, Status
from app.errors import StorageError
from tests.core.queue.queue import add, set_fields, status_of, stems
from tools.noise_images import noise_image
from web_app import create_app

pytestmark = pytest.mark.sqlite

EARLIER_TABLE = """
    CREATE TABLE generation_records (
        id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INTEGER NOT NULL DEFAULT 1, created_at TIMESTAMP,
        prompt TEXT, negative_prompt TEXT, aspect_ratio TEXT, resolution TEXT, width INTEGER,
        height INTEGER, num_images INTEGER, seed INTEGER, steps INTEGER, sample_images TEXT,
        image_path TEXT, filename TEXT, batch_id TEXT, status TEXT)
"""
USUAL = {
    "user_id": 5,
    "created_at": "2025-03-01 08:00:00",
    "prompt": "旧的猫",
    "aspect_ratio": "16:9",
    "resolution": "2K",
    "width": 2560,
    "height": 1440,
    "num_images": 1,
    "seed": 42,
    "image_path": "/output/旧.png",
    "filename": "旧.png",
    "batch_id": "b1",
    "status": "success",
}


@contextmanager
def written(settings: Settings, table: str = EARLIER_TABLE) -> Iterator[sqlite3.Connection]:
    """The file as the earlier app writes it."""
    with closing(sqlite3.connect(settings.database)) as old, old:
        old.execute(table)
        yield old


def add_row(old: sqlite3.Connection, **fields: Any) -> None:
    row = USUAL | fields
    marks = ", ".join(f":{name}" for name in row)
    old.execute(f"INSERT INTO generation_records ({', '.join(row)}) VALUES ({marks})", row)


@contextmanager
def opened(settings: Settings) -> Iterator[database.Connection]:
    database.open_database(settings.database)
    with closing(database.connect(settings.database)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        yield db


def taken_over(settings: Settings, *rows: dict[str, Any]) -> list[Record]:
    """The records of the earlier app with these values, after the upgrade."""
    with written(settings) as old:
        for fields in rows:
            add_row(old, **fields)
    with opened(settings) as db:
        return [database.get_record(db, number) for number in range(1, len(rows) + 1)]


def test_a_file_of_the_earlier_app_opens_without_loss(settings: Settings) -> None:
    with written(settings) as old:
        old.execute("CREATE INDEX by_user ON generation_records (user_id)")
        add_row(old)
        add_row(old)  # the earlier app wrote over files: two records, one file
        add_row(old, prompt="", sample_images="[", image_path="", status="done", created_at=None)
    with opened(settings) as db:
        record = database.get_record(db, 1)
        assert (record.prompt, record.seed, record.status) == ("旧的猫", 42, Status.SUCCESS)
        assert (record.created_at, record.image_path) == ("2025-03-01 08:00:00", "/output/旧.png")
        assert status_of(db, 3) is Status.FAILED
        assert database.get_record(db, 3).created_at == ""  # unknown, and not today
        assert db.execute("SELECT user_id FROM generation_records WHERE id = 1").fetchone()[0] == 5
        add(db, stems=["旧"])
        assert stems(db)[-1] == "旧-2"
    copies = list(settings.database_path.parent.glob("generation_records.db.backup-*"))
    assert len(copies) == 1
    with closing(sqlite3.connect(copies[0])) as copy:
        assert copy.execute("SELECT count(*) FROM generation_records").fetchone()[0] == 3


def test_timestamps_in_any_form_become_the_same_time(settings: Settings) -> None:
    forms = {
        "2025-03-01 10:00:00": "2025-03-01 10:00:00",
        "2025-03-01 10:00:00.123456": "2025-03-01 10:00:00.123456",
        "2025-03-01T10:00:00": "2025-03-01 10:00:00",
        "2025-03-01T10:00:00.123Z": "2025-03-01 10:00:00",
        "2025-03-01T10:00:00+08:00": "2025-03-01 02:00:00",
        "2025/03/01 10:00": "2025-03-01 10:00:00",
        "2025-03-01": "2025-03-01 00:00:00",
        1740823200: "2025-03-01 10:00:00",
        1740823200.75: "2025-03-01 10:00:00",
        1740823200000: "2025-03-01 10:00:00",
        "昨天": "昨天",
        "9999-12-31T23:59:59-12:00": "9999-12-31T23:59:59-12:00",
        None: "",
    }
    records = taken_over(settings, *({"created_at": form} for form in forms))
    assert dict(zip(forms, (record.created_at for record in records), strict=True)) == forms


def test_an_image_is_found_in_whichever_column_names_it(settings: Settings) -> None:
    images = {
        ("output\\狗1.png", None): ("狗1.png", "/output/狗1.png"),
        ("C:\\studio\\output\\狗 2.png", ""): ("狗 2.png", "/output/狗 2.png"),
        ("/home/li/app/output/狗.JPG", "狗"): ("狗.JPG", "/output/狗.JPG"),
        ("output/狗4.png", "output/狗4.png"): ("狗4.png", "/output/狗4.png"),
        (None, "狗.webp"): ("狗.webp", "/output/狗.webp"),
        ("/static/made/狗.png", "狗.png"): ("狗.png", "/static/made/狗.png"),
    }
    records = taken_over(settings, *({"image_path": path, "filename": name} for path, name in images))
    assert [(record.filename, record.image_path) for record in records] == list(images.values())
    settings.output_dir.mkdir()
    for name, _ in images.values():
        (settings.output_dir / name).write_bytes(noise_image("PNG", size=(40, 30)))
    client = create_app(settings).test_client()
    for listed in client.get("/api/records").get_json()["records"]:
        with client.get(listed["thumbnail_url"]) as shown:
            assert shown.status_code == 200, listed["filename"]


def test_values_of_any_type_are_read(settings: Settings) -> None:
    values: list[tuple[str, object, object]] = [
        ("prompt", "字节写的猫".encode(), "字节写的猫"),
        ("prompt", "编码不同的猫".encode("gb18030"), "编码不同的猫"),
        ("prompt", None, ""),
        ("seed", (7).to_bytes(8, "little"), 7),  # as sqlite3 writes a numpy number
        ("seed", "随机", "随机"),
        ("width", "", ""),
        ("num_images", None, 1),
        ("filename", "旧.png".encode(), "旧.png"),
        ("batch_id", 17, "17"),
        ("batch_id", "", None),
        *(("status", status, "success") for status in ("SUCCESS", "completed", "running", None)),
        *(("sample_images", value, ()) for value in ("", '["http://x/猫.png", 5]', b"\xff")),
    ]
    records = taken_over(settings, *({name: value} for name, value, _ in values))
    found = [getattr(record, name) for record, (name, _, _) in zip(records, values, strict=True)]
    assert found == [stored for _, _, stored in values]
    client = create_app(settings).test_client()
    pages = [f"{page}={record.id}" for record in records for page in ("/records?record", "/?from")]
    for address in (*pages, "/api/records", "/api/records/export.xlsx"):
        with client.get(address) as answer:
            assert answer.status_code == 200, address


def test_text_in_no_known_encoding_is_kept_as_far_as_readable(settings: Settings) -> None:
    with written(settings) as old:
        add_row(old)
        old.execute("UPDATE generation_records SET prompt = CAST(X'E78CABFFFF' AS TEXT)")
    with opened(settings) as db:
        assert database.get_record(db, 1).prompt.startswith("猫")
        assert database.count_records(db, database.RecordFilter(search="猫")) == 1


def test_missing_columns_are_filled_and_upper_case_names_recognised(settings: Settings) -> None:
    with written(
        settings, "CREATE TABLE generation_records (ID INTEGER PRIMARY KEY, Prompt TEXT, IMAGE_PATH)"
    ) as old:
        old.execute("INSERT INTO generation_records VALUES (8, '猫', 'output/猫.png')")
    with opened(settings) as db:
        record = database.get_record(db, 8)
    assert (record.prompt, record.filename, record.status) == ("猫", "猫.png", Status.SUCCESS)
    assert (record.created_at, record.num_images, record.sample_images) == ("", 1, ())


def test_records_without_ids_get_them(settings: Settings) -> None:
    with written(settings, "CREATE TABLE generation_records (prompt TEXT)") as old:
        old.execute("INSERT INTO generation_records VALUES ('猫'), ('狗')")
    with opened(settings) as db:
        assert [database.get_record(db, number).prompt for number in (1, 2)] == ["猫", "狗"]


def test_an_id_that_is_no_number_is_kept_beside_a_new_id(settings: Settings) -> None:
    table = "CREATE TABLE generation_records (id TEXT PRIMARY KEY, created_at TEXT, prompt TEXT)"
    with written(settings, table) as old:
        rows = [
            ("7", "2025-01-01 00:00:00", "七"),
            ("b-1", "2025-01-02 00:00:00", "二"),
            ("a-9", "2025-01-03 00:00:00", "三"),
        ]
        old.executemany("INSERT INTO generation_records VALUES (?, ?, ?)", rows)
    with opened(settings) as db:
        found = db.execute("SELECT id, earlier_id, prompt FROM generation_records ORDER BY id").fetchall()
    assert [tuple(row) for row in found] == [(7, "7", "七"), (8, "b-1", "二"), (9, "a-9", "三")]


def test_foreign_tables_with_our_names_are_kept_under_another_name(settings: Settings) -> None:
    with written(settings) as old:
        old.execute("ALTER TABLE generation_records ADD COLUMN Version TEXT DEFAULT 'v2'")
        old.execute("ALTER TABLE generation_records ADD COLUMN deleted_at TEXT DEFAULT '2024-01-01'")
        old.execute("ALTER TABLE generation_records ADD COLUMN task_id TEXT DEFAULT 'yes'")
        old.execute("CREATE TABLE batches (id TEXT, title TEXT)")
        old.execute("INSERT INTO batches VALUES ('b1', '春季')")
        old.execute("PRAGMA user_version = 99")
        add_row(old)
    with opened(settings) as db:
        row = db.execute("SELECT * FROM generation_records").fetchone()
        assert (row["earlier_Version"], row["earlier_deleted_at"], row["earlier_task_id"]) == (
            "v2",
            "2024-01-01",
            "yes",
        )
        assert database.get_record(db, 1).deleted_at is None
        assert db.execute("SELECT title FROM earlier_batches").fetchone()[0] == "春季"


def test_tables_and_views_that_refer_to_records_keep_working(settings: Settings) -> None:
    with written(settings) as old:
        old.execute("CREATE TABLE marks (record_id INTEGER NOT NULL REFERENCES generation_records (id))")
        old.execute("CREATE VIEW newest AS SELECT id, prompt FROM generation_records ORDER BY id DESC")
        old.execute(
            "CREATE TRIGGER marked AFTER INSERT ON marks BEGIN UPDATE generation_records SET user_id = 9; END"
        )
        add_row(old)
        old.execute("INSERT INTO marks VALUES (1)")
    with opened(settings) as db:
        assert db.execute("SELECT prompt FROM newest").fetchone()[0] == "旧的猫"
        db.execute("INSERT INTO marks VALUES (1)")
        assert db.execute("SELECT user_id FROM generation_records").fetchone()[0] == 9
        assert database.delete_records(db, [1]) == 1
        set_fields(db, "deleted_at = '2020-01-01 00:00:00'")
        assert database.empty_trash(db, days=30, remove=lambda *_: None) == 1


def test_rows_written_by_another_program_break_nothing(settings: Settings) -> None:
    with opened(settings) as db:
        db.execute(
            """
            INSERT INTO generation_records (prompt, status, image_path, filename, seed)
            VALUES (X'E78CAB', 'completed', '/output/a.png', 'a.png', X'0700000000000000'),
                ('狗', 'pending', '', '', 'x')
            """
        )
        found = database.list_records(db, database.RecordFilter(search="猫"))
        assert [(record.prompt, record.seed, record.status) for record in found] == [
            ("猫", 7, Status.SUCCESS)
        ]
        assert database.index_records(db) == 2
        assert database.count_records(db, database.RecordFilter(search="猫")) == 1
    client = create_app(settings).test_client()
    for address in ("/records", "/records?search=猫", "/api/records", "/api/records/export.xlsx", "/?from=2"):
        with client.get(address) as answer:
            assert answer.status_code == 200, address


def test_contents_still_in_the_journal_are_migrated_and_backed_up(settings: Settings) -> None:
    with closing(sqlite3.connect(settings.database, isolation_level=None)) as old:
        old.execute("PRAGMA journal_mode = WAL")
        old.execute(EARLIER_TABLE)
        add_row(old)
        with opened(settings) as db:
            assert database.get_record(db, 1).prompt == "旧的猫"
    copy = next(settings.database_path.parent.glob("*.backup-*"))
    with closing(sqlite3.connect(copy)) as found:
        assert found.execute("SELECT prompt FROM generation_records").fetchone()[0] == "旧的猫"


def test_an_incomplete_backup_is_discarded_and_nothing_is_migrated(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with written(settings) as old:
        add_row(old)
    before = settings.database_path.read_bytes()
    monkeypatch.setattr("app.migrations.Path.replace", _full)
    with pytest.raises(StorageError, match="打不开"):
        database.open_database(settings.database)
    assert not list(settings.database_path.parent.glob("*backup*"))
    with closing(sqlite3.connect(settings.database)) as old:
        assert old.execute("SELECT count(*) FROM generation_records").fetchone()[0] == 1
        assert old.execute("PRAGMA user_version").fetchone()[0] == 0
    assert len(before) == settings.database_path.stat().st_size


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")
