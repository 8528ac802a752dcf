"""Migration to 24 (PostgreSQL: 25): people, their tokens, and whose a login is: the first's so far."""

import re
from collections.abc import Sequence

from app.db.connection import Connection
from app.db.migrations.baseline import add_indexes, add_tables
from app.db.sqlite_connection import SqliteConnection

_FIRST = """
    INSERT INTO people (name, folded_name, role, created_at)
    SELECT '主人', '主人', 'owner', ''
    WHERE NOT EXISTS (SELECT 1 FROM people)
"""
_OF_SESSIONS = {
    "person_id": "BIGINT NOT NULL DEFAULT 1",
    "created_at": "DOUBLE PRECISION NOT NULL DEFAULT 0",
    "seen_at": "DOUBLE PRECISION NOT NULL DEFAULT 0",
    "address": """TEXT COLLATE "C" NOT NULL DEFAULT ''""",
    "agent": """TEXT COLLATE "C" NOT NULL DEFAULT ''""",
}


def upgrade(db: SqliteConnection, _report: object) -> None:
    """Add the tables and columns, and the first person."""
    add_tables(db)
    add_indexes(db)
    db.execute(_FIRST)


def upgrade_postgres(db: Connection, schema: Sequence[str]) -> None:
    """The same by the statements of the schema file."""
    for statement in schema:
        if re.search(r"^CREATE TABLE (people|tokens)\b", statement, re.MULTILINE):
            db.execute(statement)
    for name, definition in _OF_SESSIONS.items():
        db.execute(f"ALTER TABLE sessions ADD COLUMN IF NOT EXISTS {name} {definition}")
    db.execute(_FIRST)
