"""Migration to 24 (PostgreSQL: 25): people, their tokens, the last changes of settings; whose a login is (the
first's so far), a run, a record, a choice, a charge, a table, its changes and a round (nobody's so far)."""

import re
import sqlite3
from collections.abc import Sequence

from app.db.connection import Connection
from app.db.migrations.baseline import add_indexes, add_tables, columns
from app.db.row_mapping import quoted
from app.db.sqlite_connection import SqliteConnection
from app.domain.people import fold_name

_FIRST = """
    INSERT INTO people (name, folded_name, role, created_at)
    SELECT '主人', '主人', 'owner', ''
    WHERE NOT EXISTS (SELECT 1 FROM people)
"""
_NAMES = ("nickname", "display_name", "name", "username", "user_name", "email")  # the best first
_MOST_USERS, _NAME_LENGTH = 190, 30
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
    take_over_users(db)


def take_over_users(db: SqliteConnection) -> None:
    """Add the users of an earlier app as people who are switched off, with the ids that its records have.

    Their passwords are not taken: an owner switches them on and invites them.
    """
    there = {name.lower(): name for name in columns(db, "users")}
    named = [there[name] for name in _NAMES if name in there]
    if "id" not in there or not named:
        return
    chosen = ", ".join(map(quoted, (there["id"], *named)))
    try:
        users = db.execute(f"SELECT {chosen} FROM users ORDER BY 1 LIMIT {_MOST_USERS}").fetchall()
    except sqlite3.Error:  # a table of a module that is not here, or texts of another encoding
        return
    taken = {row["folded_name"] for row in db.execute("SELECT folded_name FROM people").fetchall()}
    for user in users:
        typed = next((each for each in tuple(user)[1:] if isinstance(each, str) and fold_name(each)), "")
        name = " ".join(typed.split())[:_NAME_LENGTH] or f"user {user[0]}"
        if fold_name(name) in taken:
            name = f"{name} ({user[0]})"
        taken.add(fold_name(name))
        db.execute(
            """
            INSERT INTO people (name, folded_name, role, active, legacy_user_id)
            VALUES (:name, :folded, 'member', 0, :id)
            ON CONFLICT DO NOTHING
            """,
            {"name": name, "folded": fold_name(name), "id": str(user[0])},
        )


def upgrade_postgres(db: Connection, schema: Sequence[str]) -> None:
    """The same by the statements of the schema file."""
    for name, definition in _OF_SESSIONS.items():
        db.execute(f"ALTER TABLE sessions ADD COLUMN IF NOT EXISTS {name} {definition}")
    for table in ("batches", "generation_records", "charges", "tables", "rounds", "table_changes"):
        db.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS person_id BIGINT")
    db.execute("ALTER TABLE generation_records ADD COLUMN IF NOT EXISTS pick_person_id BIGINT")
    for statement in schema:
        if re.search(
            r"^CREATE (TABLE (people|tokens|setting_changes)|INDEX (charges|records)_of_person)\b",
            statement,
            re.MULTILINE,
        ):
            db.execute(statement)
    db.execute(_FIRST)
