"""Migration to 23 (PostgreSQL: 24): the rounds of clients; the own columns of charges."""

import re
from collections.abc import Sequence

from app.db.connection import Connection
from app.db.migrations.baseline import add_indexes, add_tables
from app.db.sqlite_connection import SqliteConnection


def upgrade(db: SqliteConnection, _report: object) -> None:
    """Add the tables and their indexes, and the column."""
    add_tables(db)
    add_indexes(db)


def upgrade_postgres(db: Connection, schema: Sequence[str]) -> None:
    """The same by the statements of the schema file."""
    db.execute("""ALTER TABLE charges ADD COLUMN own_columns TEXT COLLATE "C" NOT NULL DEFAULT ''""")
    for statement in schema:
        if re.search(r"^CREATE (UNIQUE )?\w+ (rounds?_?|own_text)", statement, re.MULTILINE):
            db.execute(statement)
