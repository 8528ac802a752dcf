"""Migration to 21 (PostgreSQL: 22): recipes, and the rows that one makes of a product."""

import re
from collections.abc import Sequence

from app.db.connection import Connection
from app.db.migrations.baseline import add_tables
from app.db.sqlite_connection import SqliteConnection

_COLUMNS = (
    ("tables", """recipe TEXT COLLATE "C" NOT NULL DEFAULT ''"""),
    ("table_rows", "product BIGINT NOT NULL DEFAULT 0"),
    ("table_rows", """role TEXT COLLATE "C" NOT NULL DEFAULT ''"""),
)


def upgrade(db: SqliteConnection, _report: object) -> None:
    """Add the table and the columns."""
    add_tables(db)


def upgrade_postgres(db: Connection, schema: Sequence[str]) -> None:
    """The same by the statements of the schema file; the step to 19 makes tables that have the columns."""
    for table, column in _COLUMNS:
        db.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column}")
    for statement in schema:
        if re.search(r"^CREATE TABLE recipes", statement, re.MULTILINE):
            db.execute(statement)
