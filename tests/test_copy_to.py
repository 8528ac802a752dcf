"""A SQLite file moved to PostgreSQL: all of it, compared; and backups of a PostgreSQL database."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import database
from app import cli
from app.config import Settings
from app.domain import BatchStatus, Pick, Status
from app.errors import DatabaseError, DiskError, StoreDamaged, StoreLost
from app.migrations.baseline import all_columns
from app.migrations.copy_to import COPIED, DERIVED, LEFT_OUT
from tests.harness import Harness, open_harness
from tools.fakes.jimeng import FakeJimeng
from tools.postgres_server import PostgresServer
from tools.server_process import ServerProcess, running_server

pytestmark = pytest.mark.postgres

_SUMS = {
    "charge_totals": "outcome, number, micros, unpriced",
    "charges_by_hour": "hour, model, outcome, number, micros, unpriced",
    "record_counts": "is_deleted, status, aspect_ratio, resolution, model, number",
    "counts_by_day": "day, status, aspect_ratio, resolution, model, number",
    "reference_uses": "name, record_id",
}


class Installation:
    """Pictures, a failure, an unknown outcome, rows in the queue and one under way; a trash and more."""

    def __init__(self, harness: Harness) -> None:
        self.folder = harness.settings.database_path.parent
        cat, dog = harness.make("橘猫坐在窗台上"), harness.make("狗\t\\N\n100%")
        self.made, self.deleted = cat.id, dog.id
        lost = harness.make("山")
        self.batch, self.queued = harness.ask("雪", "雨")
        db = harness.db
        for table, column, key in (
            ("charges", "outcome", "record_id"),
            ("generation_records", "status", "id"),
        ):
            db.execute(f"UPDATE {table} SET {column} = 'unknown' WHERE {key} = :id", {"id": lost.id})
        database.claim_record(db, model="jimeng_t2i_v40", owner="old", now=0.0, lease=20.0)
        database.delete_records(db, [dog.id])
        database.pick_records(db, [cat.id], Pick.KEEP)
        database.save_named(db, "recipes", "商品", {"roles": []})
        _, extra = harness.ask("最后一张")
        db.execute("DELETE FROM generation_records WHERE id = :id", {"id": extra[0]})  # the highest id
        self.last = extra[0]
        db.execute("INSERT INTO sessions (digest, expires_at) VALUES ('digest', 9e9)")
        db.execute(
            """
            INSERT INTO workbooks (id, filename, sheet, header_row, imported_at, content)
            VALUES ('w', 'a.xlsx', 'S', 1, '', :content)
            """,
            {"content": b"\x00\xffzip\\"},
        )
        images = '[{"url": "/r/茶.png", "filename": "茶.png", "sha256": "ab12"}]'
        sql = "UPDATE generation_records SET sample_images = :images WHERE id = :id"
        db.execute(sql, {"images": images, "id": cat.id})


class Store:
    """A copy of that SQLite file and its pictures, and an empty PostgreSQL database to move it to."""

    def __init__(self, settings: Settings, original: Installation) -> None:
        self.path, self.url = settings.database_path, settings.database_url
        self.settings = replace(settings, database_url="")
        self.moved = settings
        self.made, self.deleted, self.last = original.made, original.deleted, original.last
        self.batch, self.queued = original.batch, original.queued
        shutil.copytree(original.folder, self.path.parent, dirs_exist_ok=True)

    def open(self) -> Any:
        return closing(database.connect(self.path))

    def write(self, sql: str, *values: object) -> None:
        with self.open() as db:
            db.execute(sql, values)

    def copy(self) -> database.Copied:
        return database.copy_to(self.path, self.url, lambda *_: None)

    def stored(self) -> Any:
        return closing(database.connect(self.url))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    folder = tmp_path_factory.mktemp("original")
    path = folder / "generation_records.db"
    settings = Settings(database_path=path, output_dir=folder / "output", samples_dir=folder / "samples")
    database.open_database(path)
    with FakeJimeng() as service, closing(database.connect(path)) as db:
        return Installation(open_harness(settings, service, db))


@pytest.fixture
def store(settings: Settings, original: Installation) -> Store:
    return Store(settings, original)


def rows_of(db: database.Connection, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
    return sorted((tuple(row) for row in db.execute(f"SELECT {columns} FROM {table}").fetchall()), key=repr)


def test_every_table_is_copied_computed_or_left_out() -> None:
    searched = {"record_search", "search_state", "search_backlog"}  # made again by rebuild_index
    assert {*COPIED, *DERIVED, *LEFT_OUT} | searched == set(all_columns())


def test_everything_is_copied_with_its_ids(store: Store) -> None:
    copied = store.copy()
    with store.open() as old, store.stored() as new:
        assert copied.rows["generation_records"] == 5
        assert copied.changed == 0
        assert copied.others == []
        for table in ("workbooks", "recipes", "request_keys", "charges", "output_copies"):
            columns = ", ".join(all_columns()[table])
            assert rows_of(new, table, columns) == rows_of(old, table, columns), table
        for record_id in (store.made, store.deleted):
            moved = database.get_record(new, record_id, trash=True)
            assert moved == database.get_record(old, record_id, trash=True)
        assert new.execute("SELECT count(*) FROM sessions").fetchone()[0] == 0


def test_sums_counts_and_references_are_those_of_the_triggers(store: Store) -> None:
    store.copy()
    with store.open() as old, store.stored() as new:
        for table, columns in _SUMS.items():
            kept = rows_of(old, table, columns)
            if "number" in columns:
                kept = [row for row in kept if row[columns.split(", ").index("number")]]
            assert rows_of(new, table, columns) == kept, table
        database.restore_records(new, [store.deleted])
        counts = "SELECT sum(number) FROM record_counts WHERE is_deleted = 1"
        assert new.execute(counts).fetchone()[0] == 0  # the triggers are on again


def test_ids_go_on_after_the_highest_one_ever_given(store: Store) -> None:
    store.copy()
    with store.stored() as db:
        sql = "INSERT INTO generation_records (prompt) VALUES ('新') RETURNING id"
        assert db.execute(sql).fetchone()[0] == store.last + 1


def test_batches_are_paused_in_the_copy_and_nothing_is_claimed_until_they_are_resumed(store: Store) -> None:
    assert store.copy().paused == 2
    with store.open() as old, store.stored() as new:
        assert database.get_batch(old, store.batch).status is not BatchStatus.PAUSED
        batch = database.get_batch(new, store.batch)
        assert (batch.status, "原来的程序" in str(batch.paused_reason)) == (BatchStatus.PAUSED, True)
        assert database.claim_record(new, model="jimeng_t2i_v40", owner="me", now=0.0, lease=20.0) is None
        database.reap_stalled(new, now=1.0)  # the lease of the old worker is released
        assert {database.get_record(new, each).status for each in store.queued} == {Status.QUEUED}
        database.resume_batch(new, store.batch, models=["jimeng_t2i_v40"])
        claimed = database.claim_record(new, model="jimeng_t2i_v40", owner="me", now=2.0, lease=20.0)
        assert claimed is not None
        assert claimed.id in store.queued


def test_the_copy_is_searched_before_and_after_it_is_indexed(store: Store) -> None:
    store.copy()
    wanted = database.RecordFilter(search="猫坐在")
    with store.stored() as db:
        assert list(database.list_record_ids(db, wanted)) == [store.made]
        while database.index_records(db):
            pass
        assert list(database.list_record_ids(db, wanted)) == [store.made]


def test_odd_values_of_other_programs_are_converted_and_counted(store: Store) -> None:
    store.write(
        """
        UPDATE generation_records
        SET width = 'wide', height = ?, seed = 7.5, num_images = x'', prompt = ?,
            negative_prompt = CAST(? AS TEXT), resolution = CAST(? AS TEXT)
        WHERE id = ?
        """,
        (1024).to_bytes(4, "little"),
        "啊".encode("gbk"),
        b"a\x00b",
        "坏".encode("gbk"),
        store.made,
    )
    copied = store.copy()
    with store.stored() as db:
        record = database.get_record(db, store.made)
    assert copied.changed == 7
    assert (record.width, record.height, record.seed, record.num_images) == (None, 1024, 7, 1)
    assert (record.prompt, record.negative_prompt, record.resolution) == ("啊", "a�b", "坏")


def test_columns_of_other_programs_are_kept_and_their_tables_named(store: Store) -> None:
    store.write('ALTER TABLE generation_records ADD COLUMN "user id" INTEGER DEFAULT 5')
    store.write("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)")
    assert store.copy().others == ["users"]
    with store.stored() as db:
        assert rows_of(db, "generation_records", '"user id"') == [("5",)] * 5


def test_a_difference_is_reported_and_nothing_is_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with store.stored() as db:
        db.execute(
            """
            CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN NEW.fields = ''{}''; RETURN NEW; END'
            """
        )
        db.execute("CREATE TRIGGER other BEFORE INSERT ON recipes FOR EACH ROW EXECUTE FUNCTION other()")
    monkeypatch.setattr(cli, "load_settings", lambda: store.moved)
    assert cli.main(["copy-to"]) == 1
    assert "「recipes」比较下来不一样" in capsys.readouterr().err
    with store.stored() as db:
        assert [table for table in COPIED[:-2] if rows_of(db, table)] == ["people"]
        db.execute("DROP TRIGGER other ON recipes")
    with store.open() as db:
        database.require_not_moved(db)
    assert store.copy().rows["recipes"] == 1


def test_a_ledger_whose_sums_differ_is_not_copied(store: Store) -> None:
    store.write("UPDATE charge_totals SET micros = micros + 1 WHERE outcome = 'billed'")
    with pytest.raises(database.CopyDiffers, match="账目"):
        store.copy()


def test_a_moved_file_does_not_start_until_pause_all_is_run(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store.copy()
    refused = ServerProcess(tmp_path).refuses_to_start()
    assert refused.count("\n") == 1
    assert all(words in refused for words in ("已搬到", "DATABASE_URL", "pause-all"))
    assert "tests@" not in refused
    monkeypatch.setattr(cli, "load_settings", lambda: store.settings)
    assert cli.main(["pause-all"]) == 0
    with store.open() as db:
        assert database.get_batch(db, store.batch).status is BatchStatus.PAUSED
    with running_server(tmp_path):
        pass


def test_a_database_with_data_is_refused_and_not_changed(store: Store) -> None:
    store.copy()
    with store.stored() as db:
        before = rows_of(db, "generation_records")
        with pytest.raises(DatabaseError, match="已经有数据"):
            store.copy()
        assert rows_of(db, "generation_records") == before


def test_a_file_that_a_program_has_open_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.migrations.copy_to._BUSY_SECONDS", 0.0)
    with store.open() as running:
        running.execute("SELECT count(*) FROM batches").fetchone()
        with pytest.raises(DatabaseError, match="请先停下"):
            store.copy()
    assert store.copy().rows["generation_records"] == 5


def test_a_missing_or_damaged_file_is_refused(store: Store) -> None:
    with pytest.raises(DatabaseError, match="没有找到数据库"):
        database.copy_to(store.path.with_name("none.db"), store.url, lambda *_: None)
    store.write("PRAGMA journal_mode = DELETE")
    content = bytearray(store.path.read_bytes())
    content[4096:] = b"x" * len(content[4096:])
    store.path.write_bytes(content)
    with pytest.raises(StoreDamaged):
        store.copy()
    with store.stored() as db:
        assert rows_of(db, "batches") == []


def test_a_server_that_cannot_be_reached_is_reported_in_one_sentence(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "postgresql://tests@127.0.0.1:1/none"
    with pytest.raises(StoreLost, match="数据库连不上"):
        database.copy_to(store.path, url, lambda *_: None)
    monkeypatch.setattr(cli, "load_settings", lambda: store.settings)
    assert cli.main(["copy-to", url]) == 2
    said = capsys.readouterr().err
    assert re.fullmatch("PostgreSQL 连不上（.+），请检查.+再运行一次\n", said)


def test_the_command_says_what_it_did(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "load_settings", lambda: store.settings)
    assert cli.main(["copy-to"]) == 2
    assert cli.main(["copy-to", "mysql://a/b"]) == 2
    assert cli.main(["copy-to", store.url]) == 0
    output = capsys.readouterr()
    assert "请写出要搬去的数据库" in output.err
    for words in (
        "generation_records：5 行，一致",
        "账目·已计费：2 笔，¥0.44，一致",
        "2 个没做完的批次",
        "记下了搬到哪里",
    ):
        assert words in output.out
    monkeypatch.setattr(cli, "load_settings", lambda: store.moved)
    assert cli.main(["check"]) == 0
    assert "完全一致" in capsys.readouterr().out


@pytest.fixture
def restored(store: Store, postgres: PostgresServer, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Moves the store, resumes its batches, backs it up, and restores that -> the URL of the new database."""
    with closing(database.connect(postgres.url("postgres"))) as server:

        def restore() -> str:
            store.copy()
            database.open_database(store.url)  # as the program does when it starts
            with store.stored() as db:
                database.resume_batch(db, store.batch, models=["jimeng_t2i_v40"])
            cli.back_up(store.moved, tmp_path / "备份")
            server.execute("CREATE DATABASE restored")
            url = postgres.url("restored")
            dump = tmp_path / "备份/generation_records.dump"
            program = shutil.which("pg_restore")
            assert program
            subprocess.run([program, "--no-owner", "--exit-on-error", "-d", url, dump], check=True)
            return url

        yield restore
        server.execute("DROP DATABASE IF EXISTS restored WITH (FORCE)")


def test_a_restored_dump_has_everything_and_orders_nothing(store: Store, restored: Callable[[], str]) -> None:
    url = restored()
    database.open_database(url)
    with closing(database.connect(url)) as db, store.stored() as old:
        assert rows_of(db, "charges") == rows_of(old, "charges")
        assert len(rows_of(db, "generation_records")) == 5
        assert database.get_batch(old, store.batch).status is not BatchStatus.PAUSED
        batch = database.get_batch(db, store.batch)
        assert (batch.status, "重复付费" in str(batch.paused_reason)) == (BatchStatus.PAUSED, True)
        database.resume_batch(db, store.batch, models=["jimeng_t2i_v40"])
        database.open_database(url)  # started again: it is the same one now
        assert database.get_batch(db, store.batch).status is not BatchStatus.PAUSED
    database.open_database(store.url)
    with store.stored() as old:
        assert database.get_batch(old, store.batch).status is not BatchStatus.PAUSED


def test_pause_all_pauses_a_database_that_was_restored_by_other_means(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store.copy()
    monkeypatch.setattr(cli, "load_settings", lambda: store.moved)
    with store.stored() as db:
        database.resume_batch(db, store.batch, models=["jimeng_t2i_v40"])
        assert cli.main(["pause-all"]) == 0
        assert "已暂停 1 个批次" in capsys.readouterr().out
        assert database.get_batch(db, store.batch).status is BatchStatus.PAUSED


def test_an_older_pg_dump_is_refused_in_one_sentence(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.migrations.backup._versions", lambda: iter([(12, "/old/pg_dump")]))
    with pytest.raises(DatabaseError, match=r"这里的是 12"):
        cli.back_up(store.moved, tmp_path / "b")
    monkeypatch.setattr("app.migrations.backup._versions", lambda: iter([]))
    with pytest.raises(DatabaseError, match=r"这里没有找到"):
        cli.back_up(store.moved, tmp_path / "b")
    assert list((tmp_path / "b").iterdir()) == []


def test_a_backup_that_fails_keeps_the_earlier_one_and_no_argument_has_the_password(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(store.moved, database_url=store.url.replace("@", ":geheim@"))
    cli.back_up(settings, tmp_path / "b")
    dump = tmp_path / "b/generation_records.dump"
    before = dump.read_bytes()
    failing = tmp_path / "pg_dump"
    failing.write_text('#!/bin/sh\necho "half $PGPASSWORD $*" >&2\nexit 1\n')
    failing.chmod(0o755)
    monkeypatch.setattr("app.migrations.backup._versions", lambda: iter([(99, str(failing))]))
    with pytest.raises(DiskError, match="half geheim --format=custom") as failed:
        cli.back_up(settings, tmp_path / "b")
    assert str(failed.value).count("geheim") == 1
    assert dump.read_bytes() == before
    assert [path.name for path in dump.parent.glob("*.part")] == []


def test_a_rebuilt_file_is_moved_by_copy_to(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "load_settings", lambda: store.moved)
    target = tmp_path / "new.db"
    assert cli.main(["rebuild", str(target)]) == 0
    assert f"copy-to --from {target}" in capsys.readouterr().out
    assert cli.main(["copy-to", "--from", str(target)]) == 0
    assert "generation_records：3 行，一致" in capsys.readouterr().out
