"""Open a PostgreSQL database: make the schema in an empty one, or upgrade that of an earlier version."""

import re
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from app.db.connection import Connection, transaction
from app.db.connection_pool import connect
from app.db.migrations import (
    m0019_one_mark,
    m0021_recipes,
    m0022_one_role,
    m0023_rounds,
    m0024_people,
    m0025_shared_writers,
)
from app.db.migrations.batch_tables import Progress, add_tables_of_batches
from app.db.postgres_connection import PostgresConnection
from app.db.postgres_links import LONG_SECONDS
from app.db.restored import pause_if_restored
from app.db.search_index import has_other_normaliser, rebuild_index
from app.errors import DatabaseError, WriteRefused

_LEAST_SERVER = 130_000
_TABLES_SECONDS = 0.8  # all wait for whoever waits for a table; after 1 s the server looks for a deadlock
_BETWEEN_SECONDS = 2.0
_PATIENCE_SECONDS = 60.0


def _add_tables(db: Connection, report: Progress) -> None:
    """Migration from versions 17 and 18: a table of every batch; the order of the index of queued records."""
    db.execute("DROP INDEX records_claimable")
    db.execute('ALTER TABLE batches ADD COLUMN table_id TEXT COLLATE "C"')
    db.execute(
        """ALTER TABLE generation_records ADD COLUMN searched_columns TEXT COLLATE "C" NOT NULL DEFAULT ''"""
    )
    db.execute("""ALTER TABLE workbooks ADD COLUMN cells TEXT COLLATE "C" NOT NULL DEFAULT ''""")
    db.execute("DROP FUNCTION IF EXISTS uses_changed, search_changed CASCADE")
    for statement in _schema():
        if _IN_STEP_19.search(statement):
            db.execute(statement)
    add_tables_of_batches(db, report)


_IN_STEP_19 = re.compile(
    r"^CREATE (?:TABLE|INDEX|FUNCTION|TRIGGER) "
    r"(?:tables\w*|table_\w+|row_pictures|rows_\w+|pictures_of_\w+|batches_table|changes_of_table|uses_changed"
    r"|search_changed"
    r"|records_claimable)\b",
    re.MULTILINE,
)


def _add_deliveries(db: Connection, _report: Progress) -> None:
    """Migration to 21: the tables of deliveries."""
    for statement in _schema():
        if re.search(r"^CREATE \w+ deliver", statement, re.MULTILINE):
            db.execute(statement)


# Append only: (the version that it leads to, the step). The schema file is that of the latest version.
_STEPS: tuple[tuple[int, Callable[[Connection, Progress], None]], ...] = (
    (19, _add_tables),
    (20, m0019_one_mark.upgrade),
    (21, _add_deliveries),
    (22, lambda db, _report: m0021_recipes.upgrade_postgres(db, _schema())),
    (23, m0022_one_role.upgrade),
    (24, lambda db, _report: m0023_rounds.upgrade_postgres(db, _schema())),
    (25, lambda db, _report: m0024_people.upgrade_postgres(db, _schema())),
    (26, lambda db, _report: m0025_shared_writers.upgrade_postgres(db, _schema())),
)
LATEST = _STEPS[-1][0]
# Of a step that only adds: the least LATEST of a program that goes on working beside it. That one writes and
# deletes as it always did, so what is added has a default, refers to nothing of earlier tables, and need not
# have been filled.
_WORKS_FROM: dict[int, int] = {}


def open_database(url: str, report: Progress) -> None:
    """Make or migrate the schema; call once before serving. In a restored backup active batches are paused.

    Raises StoreLost when the server cannot be reached, DatabaseError when the database cannot be used.
    """
    with closing(connect(url)) as db:
        _check_server(db)
        number, _ = _versions(db)
        if version_of(db) < LATEST or (number == LATEST and has_other_normaliser(db)):
            with closing(PostgresConnection(url, seconds=LONG_SECONDS)) as slow:
                _upgrade(slow, report)
        pause_if_restored(db)


def version_of(db: Connection) -> int:
    """The number of the last step, of those that this program knows; 0 without our tables.

    Raises DatabaseError for one of a later version that this program cannot work with.
    """
    if is_outdated(db):
        raise DatabaseError("DATABASE_URL 里的数据库由更新的版本写成，请升级程序后再打开")
    return min(_versions(db)[0], LATEST)


def is_outdated(db: Connection) -> bool:
    """Whether this program is too old for the schema."""
    return _versions(db)[1] > LATEST


def _versions(db: Connection) -> tuple[int, int]:
    """The number of the last step, and the least LATEST of a program that works with it; 0 without tables."""
    if db.execute("SELECT to_regclass('schema_version') AS found").fetchone()["found"] is None:
        return 0, 0
    row = dict(db.execute("SELECT * FROM schema_version").fetchone())
    return int(row["number"]), int(row["works_from" if "works_from" in row else "number"])


def _check_server(db: Connection) -> None:
    number = int(db.execute("SELECT current_setting('server_version_num') AS number").fetchone()["number"])
    encoding = db.execute("SELECT current_setting('server_encoding') AS name").fetchone()["name"]
    if number < _LEAST_SERVER:
        raise DatabaseError("DATABASE_URL 里的 PostgreSQL 版本太旧，请用 13 或更新的")
    if encoding != "UTF8":
        raise DatabaseError(
            "DATABASE_URL 里的数据库编码是 {encoding}，请新建一个 UTF8 的数据库", encoding=encoding
        )


def _upgrade(db: Connection, report: Progress) -> None:
    """Migrate with all tables locked, so that no step waits for a reader while the pages wait for it.

    Beside a long reader it is tried again and again, for a moment each. Raises WriteRefused in the end.
    """
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with transaction(db):
                _lock_tables(db)
                _migrate(db, report)
                if has_other_normaliser(db):
                    rebuild_index(db)
            return
        except _TablesInUse:
            if time.monotonic() > until:
                raise
        time.sleep(_BETWEEN_SECONDS)


class _TablesInUse(WriteRefused):
    pass


def _lock_tables(db: Connection) -> None:
    sql = """
        SELECT string_agg(format('%I', tablename), ', ') AS names
        FROM pg_tables
        WHERE schemaname = current_schema() AND pg_has_role(tableowner, 'USAGE')
    """
    if names := db.execute(sql).fetchone()["names"]:
        db.execute(f"SET LOCAL statement_timeout = {round(1000 * _TABLES_SECONDS)}")
        try:
            db.execute(f"LOCK TABLE {names}")
        except WriteRefused as busy:
            text = "有别的程序正在读数据库（例如备份），没有升级，也没有改动：请等它结束，再重新启动"
            raise _TablesInUse(text) from busy
        db.execute(f"SET LOCAL statement_timeout = {round(1000 * LONG_SECONDS)}")


def _migrate(db: Connection, report: Progress) -> None:
    version = version_of(db)
    if not version:
        for statement in _schema():
            db.execute(statement)
        db.execute("INSERT INTO schema_version (number) VALUES (:number)", {"number": LATEST})
    for number, step in _STEPS:
        if 0 < version < number:
            step(db, report)
    if version < LATEST:
        db.execute("ALTER TABLE schema_version ADD COLUMN IF NOT EXISTS works_from BIGINT NOT NULL DEFAULT 0")
        works_from = max(_WORKS_FROM.get(number, number) for number, _ in _STEPS)
        sql = "UPDATE schema_version SET number = :number, works_from = :works_from"
        db.execute(sql, {"number": LATEST, "works_from": works_from})


def _schema() -> list[str]:
    """The statements of the schema file, which are separated by empty lines."""
    text = Path(__file__).with_name("schema_postgres.sql").read_text(encoding="utf-8")
    return [part for part in text.split("\n\n") if part.strip()]
