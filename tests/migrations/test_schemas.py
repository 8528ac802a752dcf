"""PostgreSQL has the tables, columns and indexes of schema.sql, except for what is listed here."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

import database
from app.config import Settings
from app.engine.values import quoted
from tests.migrations.earlier_stores import make_0_2_0, make_unreleased

pytestmark = pytest.mark.postgres

TYPES = {"INTEGER": "bigint", "REAL": "double precision", "TEXT": "text", "BLOB": "bytea"}
# A file has its number in a PRAGMA, is not lost between a COMMIT and its answer, and has an FTS5 table of the
# searched texts, from which an entry is deleted by the values that it was made from. Its writers never run
# beside each other: they leave nothing to a later one.
POSTGRES_TABLES = {"schema_version", "last_commits", "record_search", "pending_changes"}
POSTGRES_INDEXES = {"record_search_grams", "charges_of_hour", "counts_of_day"}

Schema = dict[str, dict[str, tuple[str, bool]]]  # table -> column -> type, whether it is NOT NULL


@pytest.fixture
def file(tmp_path: Path) -> Iterator[database.Connection]:
    """A new SQLite file; ``db`` is a new PostgreSQL database."""
    path = tmp_path / "new.db"
    database.open_database(path)
    with closing(database.connect(path)) as found:
        yield found


def columns_of_file(file: database.Connection) -> Schema:
    rows = file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    names = [name for (name,) in rows if not name.startswith(("sqlite_", "record_search"))]
    return {
        table: {
            row["name"]: (TYPES[row["type"]], bool(row["notnull"] or row["pk"]))
            for row in file.execute(f"PRAGMA table_info({quoted(table)})").fetchall()
            if not (table == "search_backlog" and row["name"].startswith("old_"))
        }
        for table in names
    }


def columns_of_server(db: database.Connection) -> Schema:
    sql = """
        SELECT table_name, column_name, data_type, is_nullable = 'NO'
        FROM information_schema.columns
        WHERE table_schema = 'public'
    """
    found: Schema = {}
    for table, name, *column in db.execute(sql).fetchall():
        found.setdefault(table, {})[name] = tuple(column)
    return found


def everything_of_server(db: database.Connection) -> list[str]:
    """What there is, but for the order of columns."""
    rows = db.execute(
        """
        SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default)
        FROM information_schema.columns
        WHERE table_schema = 'public'
        UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT conrelid::regclass || pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT pg_get_functiondef(oid)
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'
        """
    ).fetchall()
    return sorted(text for (text,) in rows)


def test_postgres_has_the_tables_and_columns_of_a_file(
    db: database.Connection, file: database.Connection
) -> None:
    here, there = columns_of_file(file), columns_of_server(db)
    assert there.keys() - here.keys() == POSTGRES_TABLES
    assert here == {table: there[table] for table in here}


def test_postgres_has_the_indexes_of_a_file(db: database.Connection, file: database.Connection) -> None:
    here = {
        name for (name,) in file.execute("SELECT name FROM sqlite_schema WHERE type = 'index'").fetchall()
    }
    sql = """
        SELECT indexname
        FROM pg_indexes
        WHERE schemaname = 'public' AND indexname NOT IN (SELECT conname FROM pg_constraint)
    """
    there = {name for (name,) in db.execute(sql).fetchall()}
    assert there - POSTGRES_INDEXES == {name for name in here if not name.startswith("sqlite_")}


def test_both_schemas_begin_with_the_same_rows(db: database.Connection, file: database.Connection) -> None:
    for table, columns in columns_of_file(file).items():
        if table == "charge_totals":  # a row for each outcome from the start
            continue
        sql = f"SELECT {', '.join(map(quoted, columns))} FROM {table}"
        here, there = (sorted(map(tuple, each.execute(sql).fetchall())) for each in (file, db))
        assert here == there, table


def test_texts_are_compared_by_their_bytes_on_postgres_too(db: database.Connection) -> None:
    other = db.execute(
        """
        SELECT table_name, column_name
        FROM information_schema.columns
        WHERE table_schema = 'public' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'
        """
    ).fetchall()
    assert [tuple(column) for column in other] == []


@pytest.mark.parametrize("make_earlier", [make_0_2_0, make_unreleased])
def test_a_database_of_an_earlier_version_gets_the_schema_of_a_new_one(
    db: database.Connection, settings: Settings, make_earlier: Callable[[database.Connection], None]
) -> None:
    new = everything_of_server(db)
    make_earlier(db)
    for _ in range(2):
        database.open_database(settings.database)
        assert everything_of_server(db) == new


def test_a_view_of_another_program_on_favourites_stops_no_upgrade(
    db: database.Connection, settings: Settings
) -> None:
    make_unreleased(db)
    db.execute("CREATE VIEW loved AS SELECT id FROM generation_records WHERE favourite = 1")
    database.open_database(settings.database)
    db.execute("INSERT INTO generation_records (prompt) VALUES ('猫')")
    assert db.execute("SELECT count(*) AS number FROM loved").fetchone()["number"] == 0
