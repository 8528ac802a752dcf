"""What a database has stored, to compare and to search."""

import database
from app.engine.sqlite import SqliteConnection


def dump(db: database.Connection) -> list[str]:
    """All that is stored, as text."""
    if isinstance(db, SqliteConnection):
        return list(db.iterdump())
    tables = db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    rows = [(name, tuple(row)) for (name,) in tables for row in db.execute(f"SELECT * FROM {name}")]
    return sorted(map(repr, rows))
