"""Migration from version 16: logins, wrong passwords and worker processes."""

import sqlite3

from app.db.migrations.baseline import add_indexes, add_tables
from app.db.migrations.legacy_import import set_aside_names


def upgrade(db: sqlite3.Connection) -> None:
    """Add what the file lacks."""
    set_aside(db)
    add_tables(db)
    add_indexes(db)


def set_aside(db: sqlite3.Connection) -> None:
    """Rename what another program gave one of our new names."""
    tables = ("sessions", "login_attempts", "workers")
    set_aside_names(db, index="sessions_expiring", tables=tables, new_columns={})
