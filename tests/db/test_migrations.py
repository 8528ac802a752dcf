"""A file of any version is upgraded to the schema of a new file, with everything in it."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

import database
from app.config import Settings
from app.db import sqlite_connection
from app.db.sqlite_connection import SqliteConnection
from app.domain import Status
from app.domain.ledger import SpendTotals
from tests.db.later_steps import TABLES_SINCE_19
from tests.db.queue import KEY, add, status_of

pytestmark = pytest.mark.sqlite

_PARTS = re.split(r"-- version \d+\n", Path(__file__).with_name("schema_0_1_0.sql").read_text("utf-8"))[1:]
VERSIONS = range(1, len(_PARTS) + 1)
EVER = ["2000-01-01 00:00:00", "2100-01-01 00:00:00"]

_DATA = """
    INSERT INTO batches (id, name, source, state, paused_reason, created_at, total, estimated_micros, version)
    VALUES ('b1', '春季', 'batch', 'paused', '密钥不对', '2026-01-01 08:00:00', 4, 880000, 7);
    INSERT INTO generation_records (prompt, status, filename, image_path, file_stem, file_key, sample_images,
        cost_micros)
    VALUES ('只猫', 'success', 'a.png', '/output/a.png', 'a', 'a',
        '[{"url": "/samples/files/a.png", "filename": "a", "sha256": "1f"}]', 220000);
    INSERT INTO generation_records (prompt, status, batch_id, ticket, throttled, lapses, sample_images)
    VALUES ('狗', 'queued', 'b1', 't-2', 3, 2, 'broken'),
        ('鸟', 'unknown', 'b1', NULL, 0, 0, '["x"]'),
        ('鱼', 'failed', 'b1', NULL, 0, 0, '[]');
    UPDATE generation_records SET deleted_at = '2026-01-02 08:00:00' WHERE prompt = '鱼';
    INSERT INTO sends (record_id, batch_id, model, price_micros, ticket, outcome, sent_at)
    VALUES (1, NULL, 'demo', 220000, 't-1', 'billed', '2026-01-01 08:10:00.000'),
        (2, 'b1', 'demo', 220000, 't-2', 'open', '2026-01-01 08:20:00.000'),
        (3, 'b1', 'demo', 220000, NULL, 'unknown', '2026-01-01 09:10:00.000');
    INSERT INTO batch_log (batch_id, record_id, level, text, version)
    VALUES ('b1', 3, 'error', '第 1 行：结果未知', 7);
"""


@contextmanager
def file_of(version: int, path: Path) -> Iterator[sqlite3.Connection]:
    """A file that version 1 filled and whose schema was then upgraded to ``version``."""
    with closing(sqlite3.connect(path)) as old:
        old.execute("PRAGMA legacy_alter_table = ON")
        for number, part in enumerate(_PARTS[:version], 1):
            old.executescript(part)
            if number == 1:
                old.executescript(_DATA)
            if number == 5:
                old.executescript(
                    "INSERT INTO settlements (id, billed) VALUES (9, 0);"
                    "INSERT INTO settled_records VALUES (9, 4, '断了', 'network');"
                )
        old.execute(f"PRAGMA user_version = {version}")
        yield old
        old.commit()


@contextmanager
def upgraded(path: Path) -> Iterator[SqliteConnection]:
    database.open_database(path)
    with closing(sqlite_connection.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert not db.execute("PRAGMA foreign_key_check").fetchall()
        yield db


def schema_of(db: sqlite3.Connection) -> dict[str, list[str]]:
    """Each table, index and trigger -> its clauses in alphabetical order, whatever their writing."""
    rows = db.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
    return {f"{kind} {name}": sorted(_clauses(sql)) for kind, name, sql in rows}


def _clauses(sql: str) -> list[str]:
    """The parts between commas outside parentheses, without comments, quotes and spaces."""
    text = re.sub(r"""\s+|["']""", " ", re.sub(r"--[^\n]*", "", sql)).replace(" ", "")
    head, _, rest = text.partition("(")
    body, _, tail = rest.rpartition(")")
    return [head, tail, *re.split(r",(?![^()]*\))", body)]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_of_any_version_gets_the_schema_of_a_new_one(version: int, tmp_path: Path) -> None:
    with file_of(version, tmp_path / "old.db"):
        pass
    with upgraded(tmp_path / "old.db") as old, upgraded(tmp_path / "new.db") as new:
        assert schema_of(old) == schema_of(new)
        assert [r[0] for d in (old, new) for r in d.execute("PRAGMA user_version")] == [24, 24]


def test_an_upgrade_says_how_far_it_is(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    with file_of(11, tmp_path / "old.db"):
        pass
    for _ in range(2):
        database.open_database(tmp_path / "old.db", lambda done, total: seen.append((done, total)))
    assert seen == [(0, 3), (3, 3)]


def test_a_file_of_version_12_gets_what_it_lacks(tmp_path: Path) -> None:
    with upgraded(tmp_path / "old.db") as old:
        old.execute("DROP INDEX batches_active")
        old.execute("CREATE INDEX batches_active ON batches (priority DESC, created_at)")
        old.execute("ALTER TABLE output_copies DROP COLUMN error_message")
        old.execute("ALTER TABLE generation_records ADD COLUMN ticket TEXT")  # of another program
        old.execute("PRAGMA user_version = 12")
    with upgraded(tmp_path / "old.db") as old, upgraded(tmp_path / "new.db") as new:
        new.execute("ALTER TABLE generation_records ADD COLUMN ticket TEXT")
        assert schema_of(old) == schema_of(new)


TABLES = ("tables", "table_rows", "row_pictures", "table_workbooks", "table_changes")


def make_version_21(db: sqlite3.Connection) -> None:
    """Give a new file what version 21 had besides."""
    db.execute("CREATE TABLE presets (name TEXT PRIMARY KEY, fields TEXT NOT NULL) WITHOUT ROWID")
    for table in ("batches", "tables"):
        for name in ("prefix", "suffix"):
            db.execute(f"ALTER TABLE {table} ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")
    db.execute("PRAGMA user_version = 21")


def make_version_19(db: sqlite3.Connection) -> None:
    """Take from a new file what version 19 did not have."""
    for name in TABLES_SINCE_19:
        db.execute(f"DROP TABLE {name}")
    for table, column in (("tables", "recipe"), ("table_rows", "product"), ("table_rows", "role")):
        db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    db.execute("PRAGMA user_version = 19")


def make_version_17(db: sqlite3.Connection) -> None:
    """Take from a new file what version 17 did not have."""
    make_version_19(db)
    removed = "SELECT sql FROM sqlite_schema WHERE name = 'uses_removed'"
    trigger = db.execute(removed).fetchone()["sql"]
    db.execute("DROP TRIGGER uses_removed")
    db.execute(trigger.replace("DELETE FROM row_pictures WHERE record_id = OLD.id;", ""))
    for name in TABLES:
        db.execute(f"DROP TABLE {name}")
    db.execute("DROP INDEX batches_table")
    db.execute("ALTER TABLE batches DROP COLUMN table_id")
    db.execute("ALTER TABLE workbooks DROP COLUMN cells")
    for name in ("search_removed", "search_changed", "search_batch_renamed"):
        db.execute(f"DROP TRIGGER {name}")
    db.execute("ALTER TABLE generation_records DROP COLUMN searched_columns")
    db.execute("PRAGMA user_version = 17")


def make_version_16(db: sqlite3.Connection) -> None:
    """Take from a new file what version 16 did not have."""
    make_version_17(db)
    for name in ("sessions", "login_attempts", "workers"):
        db.execute(f"DROP TABLE {name}")
    db.execute("PRAGMA user_version = 16")


def make_version_15(db: sqlite3.Connection) -> None:
    """Take from a new file what version 15 did not have."""
    make_version_16(db)
    for name in ("records_claimable", "records_sums", "batches_copied_from", "charges_differing"):
        db.execute(f"DROP INDEX {name}")
    db.execute(
        """
        CREATE INDEX records_sums ON generation_records
            (batch_id, status, cost_micros, at_stake_micros, cost_unpriced, at_stake_unpriced)
        """
    )
    triggers = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for trigger in triggers:  # a column that a trigger could mention is not dropped
        db.execute(f"DROP TRIGGER {trigger['name']}")
    for table, name in (
        ("generation_records", "options"),
        ("generation_records", "marks"),
        ("batches", "copied_from"),
        ("charges", "usage"),
        ("charges", "usage_differs"),
    ):
        db.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
    for trigger in triggers:
        db.execute(trigger["sql"])
    db.execute("PRAGMA user_version = 15")


def make_version_14(db: sqlite3.Connection) -> None:
    """Take from a new file what version 14 did not have."""
    make_version_15(db)
    for name in ("budgets", "notifications", "model_statistics"):
        db.execute(f"DROP TABLE {name}")
    for name in ("records_picked", "records_picked_of_batch"):
        db.execute(f"DROP INDEX {name}")
    db.execute("DROP INDEX records_open")
    db.execute(
        "CREATE INDEX records_open ON generation_records (status) WHERE status IN ('queued', 'running')"
    )
    for name in ("stop_after", "outcomes", "paused_cause", "filled_on"):
        db.execute(f"ALTER TABLE batches DROP COLUMN {name}")
    db.execute("DROP TRIGGER uses_changed")
    triggers = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for trigger in triggers:  # a column that a trigger could mention is not dropped
        db.execute(f"DROP TRIGGER {trigger['name']}")
    for name in ("pick", "position"):
        db.execute(f"ALTER TABLE generation_records DROP COLUMN {name}")
    for trigger in triggers:
        db.execute(trigger["sql"].replace("'held', ", ""))
    db.execute("PRAGMA user_version = 14")


def make_version_13(db: sqlite3.Connection) -> None:
    """Take from a new file what version 13 did not have."""
    make_version_14(db)
    for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {row['name']}")
    for name in ("workbooks", "record_search", "counts_by_day", "search_backlog"):
        db.execute(f"DROP TABLE {name}")
    for name in ("batches_workbook", "records_fingerprint", "records_created"):
        db.execute(f"DROP INDEX {name}")
    for name in ("workbook_id",):
        db.execute(f"ALTER TABLE batches DROP COLUMN {name}")
    for name in ("fingerprint", "own_columns", "templates"):
        db.execute(f"ALTER TABLE generation_records DROP COLUMN {name}")
    db.executescript(
        """
        CREATE TABLE search_backlog (id INTEGER PRIMARY KEY, indexed_prompt TEXT);
        CREATE VIRTUAL TABLE prompt_search USING fts5 (grams, content = '');
        CREATE INDEX records_created ON generation_records (created_at);
        PRAGMA user_version = 13;
        """
    )


@pytest.mark.parametrize(
    "make_version",
    [
        *(make_version_13, make_version_14, make_version_15, make_version_16, make_version_17),
        *(make_version_19, make_version_21),
    ],
)
def test_a_file_of_a_later_version_gets_the_schema_of_a_new_one(
    tmp_path: Path, make_version: Callable[[sqlite3.Connection], None]
) -> None:
    with upgraded(tmp_path / "old.db") as old:
        make_version(old)
    with upgraded(tmp_path / "old.db") as old, upgraded(tmp_path / "new.db") as new:
        assert schema_of(old) == schema_of(new)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_upgrade_keeps_records_and_batches(version: int, settings: Settings) -> None:
    with file_of(version, settings.database_path):
        pass
    with upgraded(settings.database_path) as db:
        dog = database.get_record(db, 2)
        assert (dog.task_id, dog.throttle_count, dog.crash_count) == ("t-2", 3, 2)
        assert database.get_record(db, 1).reserved_stem == "a"
        batch = database.get_batch(db, "b1")
        (row,) = database.read_rows(db, database.get_table(db, "b1").id)
        assert [one.record_id for one in database.linked_pictures(db, [row.id])[row.id]] == [2, 3, 4]
        assert row.fields["prompt"] == "鸟"
        assert (batch.name, str(batch.paused_reason), batch.estimated_cost) == (
            "春季",
            "密钥不对",
            Decimal("0.88"),
        )
        assert [str(line.text) for line in database.list_log(db, "b1")] == ["第 1 行：结果未知"]
        assert database.count_facets(db)["status"] == {"success": 1, "unknown": 1, "queued": 1}
        assert database.count_records(db, database.RecordFilter(search="猫")) == 1
        for name in ("/samples/files/a.png", "1f"):
            assert database.count_reference_uses(db, [name]) == 1
        made = [add(db, stems=["a"], key=KEY) for _ in range(2)]
        assert made[0] == made[1]
        assert made[0][1] == [5]
        assert database.get_record(db, 5).reserved_stem == "a-2"


@pytest.mark.parametrize("version", VERSIONS)
def test_an_upgrade_keeps_the_ledger_and_its_sums(version: int, settings: Settings) -> None:
    with file_of(version, settings.database_path):
        pass
    with upgraded(settings.database_path) as db:
        price = Decimal("0.22")
        spent = SpendTotals(billed=price, pictures=1, open=price, open_charges=1) + SpendTotals(
            unknown=price, unknown_charges=1
        )
        assert database.total_spend(db) == spent
        assert database.spend_by_span(db, EVER) == [{"demo": spent}]
        charges = list(database.list_charges(db, *EVER))
        assert [charge.task_id for charge in charges] == ["t-1", "t-2", ""]
        assert charges[0].opened_at == "2026-01-01 08:10:00.000"
        undo = database.resolve_charges(db, [3], billed=False).undo
        assert undo == (10 if version >= 5 else 1)
        assert database.undo_resolution(db, undo) == 1
        assert status_of(db, 3) is Status.UNKNOWN
        db.execute("UPDATE charges SET is_priced = 0, price_micros = 0 WHERE id = 1")
        assert database.total_spend(db).unpriced_pictures == 1
        if version >= 5:
            found = db.execute("SELECT * FROM resolved_records").fetchone()
            assert tuple(found) == (9, 4, "断了", "", "network")


def test_names_that_another_program_took_are_made_room_for(settings: Settings) -> None:
    with file_of(11, settings.database_path) as old:
        old.executescript(
            """
            ALTER TABLE generation_records ADD COLUMN Task_ID TEXT DEFAULT 'theirs';
            ALTER TABLE generation_records ADD COLUMN error_message TEXT DEFAULT 'theirs';
            CREATE TABLE Charges (title TEXT);
            INSERT INTO Charges VALUES ('theirs');
            CREATE INDEX theirs ON generation_records (ticket, prompt);
            CREATE VIEW newest AS SELECT id, ticket FROM generation_records ORDER BY id DESC;
            CREATE VIEW broken AS SELECT id FROM nowhere;
            """
        )
    with upgraded(settings.database_path) as db:
        row = db.execute("SELECT * FROM generation_records WHERE id = 2").fetchone()
        assert (row["task_id"], row["earlier_task_id"]) == ("t-2", "theirs")
        assert (row["error_message"], row["earlier_error_message"]) == ("", "theirs")
        assert db.execute("SELECT title FROM earlier_Charges").fetchone()[0] == "theirs"
        assert db.execute("SELECT task_id FROM newest WHERE id = 2").fetchone()[0] == "t-2"
        assert db.execute("SELECT 1 FROM sqlite_schema WHERE name IN ('theirs', 'broken')").fetchall()


def test_a_table_named_sessions_of_another_program_is_kept(settings: Settings) -> None:
    with upgraded(settings.database_path) as db:
        make_version_16(db)
        db.execute("CREATE TABLE Sessions (title TEXT)")
        db.execute("INSERT INTO Sessions VALUES ('theirs')")
    with upgraded(settings.database_path) as db:
        assert db.execute("SELECT title FROM earlier_Sessions").fetchone()[0] == "theirs"
        assert not database.find_session(db, "x", now=0.0)


THEIRS = "ALTER TABLE generation_records ADD COLUMN Fingerprint TEXT DEFAULT 'theirs'"


@pytest.mark.parametrize("version", [11, 13])
def test_new_names_that_another_program_took_are_made_room_for(version: int, settings: Settings) -> None:
    with file_of(11, settings.database_path) as old:
        if version == 11:
            old.execute(THEIRS)
    if version == 13:
        with upgraded(settings.database_path) as db:
            make_version_13(db)
            db.execute(THEIRS)
    with upgraded(settings.database_path) as db:
        row = db.execute("SELECT * FROM generation_records WHERE id = 1").fetchone()
        assert (len(row["fingerprint"]), row["earlier_Fingerprint"]) == (32, "theirs")


def test_an_upgrade_that_is_interrupted_changes_nothing_and_is_done_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with file_of(11, settings.database_path) as old:
        before = schema_of(old)

    def interrupted(_: sqlite3.Connection) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("app.db.migrations.m0018_tables.add_indexes", interrupted)
        with pytest.raises(KeyboardInterrupt):
            database.open_database(settings.database)
    with closing(sqlite3.connect(settings.database)) as old:
        assert schema_of(old) == before
    with upgraded(settings.database_path) as db:
        assert database.get_record(db, 2).task_id == "t-2"
