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
from app.domain import Status
from app.domain.ledger import SpendTotals
from app.engine import sqlite as sqlite_connection
from app.engine.sqlite import SqliteConnection
from app.people.sessions import find_pass
from app.samples.sql import count_reference_uses
from app.usage.sql import list_charges, spend_by_span, total_spend
from tests.core.queue.queue import KEY, add, status_of
from tests.migrations.earlier_stores import make_0_2_0, make_unreleased

pytestmark = pytest.mark.sqlite

_SCHEMA = Path(__file__).with_name("schema_0_1_0.sql").read_text("utf-8")
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
    INSERT INTO settlements (id, billed) VALUES (9, 0);
    INSERT INTO settled_records VALUES (9, 4, '断了', 'network');
"""


@contextmanager
def file_of_0_1_0(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as old:
        old.executescript(_SCHEMA + _DATA)
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


def of_0_1_0(path: Path) -> None:
    with file_of_0_1_0(path):
        pass


def of_0_2_0(path: Path) -> None:
    with upgraded(path) as db:
        make_0_2_0(db)


def unreleased(path: Path) -> None:
    with upgraded(path) as db:
        make_unreleased(db)


@pytest.mark.parametrize("make_file", [of_0_1_0, of_0_2_0, unreleased])
def test_a_file_of_an_earlier_version_gets_the_schema_of_a_new_one(
    make_file: Callable[[Path], None], tmp_path: Path
) -> None:
    make_file(tmp_path / "old.db")
    with upgraded(tmp_path / "old.db") as old, upgraded(tmp_path / "new.db") as new:
        assert schema_of(old) == schema_of(new)
        assert [r[0] for d in (old, new) for r in d.execute("PRAGMA user_version")] == [25, 25]


def test_an_upgrade_says_how_far_it_is(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    of_0_1_0(tmp_path / "old.db")
    for _ in range(2):
        database.open_database(tmp_path / "old.db", lambda done, total: seen.append((done, total)))
    assert seen == [(0, 3), (3, 3)]


def test_an_upgrade_keeps_records_and_batches(settings: Settings) -> None:
    of_0_1_0(settings.database_path)
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
            assert count_reference_uses(db, [name]) == 1
        made = [add(db, stems=["a"], key=KEY) for _ in range(2)]
        assert made[0] == made[1]
        assert made[0][1] == [5]
        assert database.get_record(db, 5).reserved_stem == "a-2"


def test_an_upgrade_keeps_the_ledger_and_its_sums(settings: Settings) -> None:
    of_0_1_0(settings.database_path)
    with upgraded(settings.database_path) as db:
        price = Decimal("0.22")
        spent = SpendTotals(billed=price, pictures=1, open=price, open_charges=1) + SpendTotals(
            unknown=price, unknown_charges=1
        )
        assert total_spend(db) == spent
        assert spend_by_span(db, EVER) == [{"demo": spent}]
        charges = list(list_charges(db, *EVER))
        assert [charge.task_id for charge in charges] == ["t-1", "t-2", ""]
        assert charges[0].opened_at == "2026-01-01 08:10:00.000"
        undo = database.resolve_charges(db, [3], billed=False).undo
        assert undo == 10
        assert database.undo_resolution(db, undo) == 1
        assert status_of(db, 3) is Status.UNKNOWN
        db.execute("UPDATE charges SET is_priced = 0, price_micros = 0 WHERE id = 1")
        assert total_spend(db).unpriced_pictures == 1
        found = db.execute("SELECT * FROM resolved_records").fetchone()
        assert tuple(found) == (9, 4, "断了", "", "network")


def test_names_that_another_program_took_are_made_room_for(settings: Settings) -> None:
    with file_of_0_1_0(settings.database_path) as old:
        old.executescript(
            """
            ALTER TABLE generation_records ADD COLUMN Task_ID TEXT DEFAULT 'theirs';
            ALTER TABLE generation_records ADD COLUMN error_message TEXT DEFAULT 'theirs';
            ALTER TABLE generation_records ADD COLUMN Fingerprint TEXT DEFAULT 'theirs';
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
        assert (len(row["fingerprint"]), row["earlier_Fingerprint"]) == (32, "theirs")
        assert db.execute("SELECT title FROM earlier_Charges").fetchone()[0] == "theirs"
        assert db.execute("SELECT task_id FROM newest WHERE id = 2").fetchone()[0] == "t-2"
        assert db.execute("SELECT 1 FROM sqlite_schema WHERE name IN ('theirs', 'broken')").fetchall()


@pytest.mark.parametrize(("make_file", "name"), [(of_0_1_0, "Sessions"), (of_0_2_0, "People")])
def test_a_table_of_another_program_that_has_a_new_name_is_kept(
    make_file: Callable[[Path], None], name: str, settings: Settings
) -> None:
    make_file(settings.database_path)
    with closing(sqlite3.connect(settings.database_path)) as old, old:
        old.execute(f"CREATE TABLE {name} (title TEXT)")
        old.execute(f"INSERT INTO {name} VALUES ('theirs')")
    with upgraded(settings.database_path) as db:
        assert db.execute(f"SELECT title FROM earlier_{name}").fetchone()[0] == "theirs"
        assert not find_pass(db, "sessions", "x", now=0.0)
        assert db.execute("SELECT count(*) FROM people").fetchone()[0] == 1


@pytest.mark.parametrize("make_file", [of_0_1_0, of_0_2_0, unreleased])
def test_what_another_program_made_of_favourites_stops_no_upgrade(
    make_file: Callable[[Path], None], settings: Settings
) -> None:
    make_file(settings.database_path)
    with closing(sqlite3.connect(settings.database_path)) as old:
        old.executescript(
            """
            CREATE VIEW loved AS SELECT id FROM generation_records WHERE favourite = 1;
            CREATE VIEW broken AS SELECT id FROM nowhere;
            CREATE VIEW newest AS SELECT id FROM generation_records ORDER BY id DESC;
            CREATE INDEX theirs ON generation_records (favourite, prompt);
            """
        )
    with upgraded(settings.database_path) as db:
        ids = add(db, stems=["a"])[1]
        assert db.execute("SELECT id FROM newest").fetchone()[0] == ids[-1]


def test_an_upgrade_that_is_interrupted_changes_nothing_and_is_done_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with file_of_0_1_0(settings.database_path) as old:
        before = schema_of(old)

    def interrupted(_: sqlite3.Connection) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("app.migrations.m0025_one_schema.add_indexes", interrupted)
        with pytest.raises(KeyboardInterrupt):
            database.open_database(settings.database)
    with closing(sqlite3.connect(settings.database)) as old:
        assert schema_of(old) == before
    with upgraded(settings.database_path) as db:
        assert database.get_record(db, 2).task_id == "t-2"
