"""Both schema files define the same tables, columns, keys and indexes, except for what is listed here."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

import database
from app.config import Settings
from app.db.row_mapping import quoted
from app.db.sums import SUMS
from tests.db.later_steps import TABLES_SINCE_19, take_from_postgres

pytestmark = pytest.mark.postgres

TYPES = {"INTEGER": "bigint", "REAL": "double precision", "TEXT": "text", "BLOB": "bytea"}
TIMES = {"CURRENT_TIMESTAMP": "utc_now(0)", "strftime('%Y-%m-%d %H:%M:%f', 'now')": "utc_now(3)"}
# A file has its number in a PRAGMA, is not lost between a COMMIT and its answer, and has an FTS5 table of the
# searched texts, from which an entry is deleted by the values that it was made from. Its writers never run
# beside each other: they leave nothing to a later one, and sums have one row a key.
POSTGRES_TABLES = {"schema_version", "last_commits", "record_search", "pending_changes"}
POSTGRES_INDEXES = {"record_search_grams", "charges_of_hour", "counts_of_day"}
SQLITE_COLUMNS = ("search_backlog", "old_")  # those of this table that begin so
POSTGRES_EXPRESSIONS = {"lower(filename)": "filename"}  # in a file filename COLLATE NOCASE
WITH_ID = {"records_claimable"}  # every index of a file ends with the id


class Column(NamedTuple):
    """``key`` is its place in the primary key, from 1, or 0. ``default`` is SQL, or empty."""

    type: str
    not_null: bool
    default: str
    key: int
    is_generated: bool


class Index(NamedTuple):
    """``name`` is empty for a UNIQUE of a column."""

    name: str
    table: str
    columns: tuple[str, ...]
    is_unique: bool
    is_partial: bool


@pytest.fixture
def file(tmp_path: Path) -> Iterator[database.Connection]:
    """A new SQLite file; ``db`` is a new PostgreSQL database."""
    path = tmp_path / "new.db"
    database.open_database(path)
    with closing(database.connect(path)) as found:
        yield found


def sqlite_tables(file: database.Connection) -> dict[str, str]:
    """The tables, without those of the full-text index: name -> statement."""
    sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'table'"
    rows = file.execute(sql).fetchall()
    return {name: sql for name, sql in rows if not name.startswith(("sqlite_", "record_search"))}


def sqlite_columns(file: database.Connection) -> dict[str, dict[str, Column]]:
    found = {}
    for table, sql in sqlite_tables(file).items():
        rows = file.execute(f"PRAGMA table_info({quoted(table)})").fetchall()
        found[table] = {
            row["name"]: Column(
                TYPES[row["type"]],
                bool(row["notnull"] or row["pk"]),
                sqlite_default(row["dflt_value"] or ""),
                0 if table in SUMS else row["pk"],
                is_generated=bool(row["pk"]) and "AUTOINCREMENT" in sql,
            )
            for row in rows
            if not (table == SQLITE_COLUMNS[0] and row["name"].startswith(SQLITE_COLUMNS[1]))
        }
    return found


def sqlite_default(sql: str) -> str:
    return f"{sql}::text" if sql.startswith("'") else TIMES.get(sql, sql)


def postgres_columns(db: database.Connection) -> dict[str, dict[str, Column]]:
    rows = db.execute(
        """
        SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull,
            coalesce(pg_get_expr(adbin, adrelid), ''), coalesce(array_position(conkey, attnum), 0),
            attidentity <> ''
        FROM pg_class
        JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        LEFT JOIN pg_constraint ON conrelid = attrelid AND contype = 'p'
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        """
    ).fetchall()
    found: dict[str, dict[str, Column]] = {}
    for table, name, *column in rows:
        found.setdefault(table, {})[name] = Column(*column)
    return found


def sqlite_indexes(file: database.Connection) -> Iterator[Index]:
    for table in sqlite_tables(file):
        for row in file.execute(f"PRAGMA index_list({quoted(table)})").fetchall():
            if row["origin"] != "pk":
                columns = file.execute(f"PRAGMA index_info({quoted(row['name'])})").fetchall()
                yield Index(
                    row["name"] if row["origin"] == "c" else "",
                    table,
                    tuple(column["name"] for column in columns),
                    bool(row["unique"]),
                    bool(row["partial"]),
                )


def postgres_indexes(db: database.Connection) -> Iterator[Index]:
    rows = db.execute(
        """
        SELECT CASE WHEN contype IS NULL THEN pg_class.relname ELSE '' END, indrelid::regclass::text,
            (SELECT array_agg(trim('"' FROM pg_get_indexdef(indexrelid, n, true)) ORDER BY n)
             FROM generate_series(1, indnatts) AS n),
            indisunique, indpred IS NOT NULL
        FROM pg_index
        JOIN pg_class ON pg_class.oid = indexrelid AND relnamespace = 'public'::regnamespace
        LEFT JOIN pg_constraint ON conindid = indexrelid AND contype IN ('p', 'u')
        WHERE NOT indisprimary
        """
    ).fetchall()
    for name, table, columns, *kind in rows:
        if name not in POSTGRES_INDEXES:
            columns = columns[:-1] if name in WITH_ID else columns
            yield Index(name, table, tuple(POSTGRES_EXPRESSIONS.get(c, c) for c in columns), *kind)


def test_both_schemas_have_the_same_tables_and_columns(
    db: database.Connection, file: database.Connection
) -> None:
    here, there = sqlite_columns(file), postgres_columns(db)
    assert there.keys() - here.keys() == POSTGRES_TABLES
    assert here == {table: there[table] for table in here}


def test_both_schemas_have_the_same_indexes(db: database.Connection, file: database.Connection) -> None:
    assert sorted(sqlite_indexes(file)) == sorted(postgres_indexes(db))


def test_both_schemas_begin_with_the_same_rows(db: database.Connection, file: database.Connection) -> None:
    for table, columns in sqlite_columns(file).items():
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


def test_a_database_of_version_18_gets_the_schema_of_a_new_one(
    db: database.Connection, settings: Settings
) -> None:
    new = sorted(postgres_indexes(db)), postgres_columns(db)
    for name in (
        "tables",
        "table_rows",
        "row_pictures",
        "table_workbooks",
        "table_changes",
        *TABLES_SINCE_19,
    ):
        db.execute(f"DROP TABLE {name}")
    db.execute("ALTER TABLE batches DROP COLUMN table_id")
    for name in ("batches", "charges", "generation_records"):
        db.execute(f"ALTER TABLE {name} DROP COLUMN person_id")
    db.execute("ALTER TABLE workbooks DROP COLUMN cells")
    db.execute("ALTER TABLE charges DROP COLUMN own_columns")
    db.execute("DROP FUNCTION own_text")
    db.execute("DROP FUNCTION search_changed CASCADE")
    db.execute("ALTER TABLE generation_records DROP COLUMN searched_columns")
    take_from_postgres(db)
    for name, each in SUMS.items():
        db.execute(f"ALTER TABLE {name} ADD PRIMARY KEY ({each.key})")
    db.execute("ALTER TABLE schema_version DROP COLUMN works_from")
    db.execute("UPDATE schema_version SET number = 18")
    database.open_database(settings.database)
    assert (sorted(postgres_indexes(db)), postgres_columns(db)) == new
    database.open_database(settings.database)  # once
