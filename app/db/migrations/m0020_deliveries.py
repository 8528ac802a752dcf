"""Migration to 20 (PostgreSQL: 21): the profiles and the history of deliveries."""

from app.db.migrations.baseline import add_indexes, add_tables
from app.db.sqlite_connection import SqliteConnection


def upgrade(db: SqliteConnection, _report: object) -> None:
    """Add the tables that the file lacks, and their indexes."""
    add_tables(db)
    add_indexes(db)
