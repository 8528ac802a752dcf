"""Migration of PostgreSQL to 26: sums to which every change adds a row, and what shared writers leave behind.

A program of an earlier version reads the sums of such a database wrongly. A SQLite file stays as it is.
"""

import re
from collections.abc import Sequence

from app.db.connection import Connection
from app.db.sums import SUMS

_ADDED = re.compile(
    r"^CREATE (TABLE pending_changes|INDEX (charges_of_hour|counts_of_day)"
    r"|(FUNCTION|TRIGGER) (count_\w+|charge_changed))\b",
    re.MULTILINE,
)


def upgrade_postgres(db: Connection, schema: Sequence[str]) -> None:
    """Drop the keys of the sums, and make what the schema file has instead."""
    for table in SUMS:
        db.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {table}_pkey")
    db.execute(
        "DROP FUNCTION count_charge, charge_changed, count_record, count_changed, count_inserted CASCADE"
    )
    for statement in schema:
        if _ADDED.search(statement):
            db.execute(statement)
