"""The change counter: every change of a record or batch gives both the next version.

Pages poll for changes after the version they have, so a change without a new version is never shown.
"""

import json
import sqlite3
from collections.abc import Sequence

from app.db.connection import next_version


def touch(db: sqlite3.Connection, record_ids: Sequence[int]) -> int:
    """Set the next version on these records and their batches -> that version; inside a transaction."""
    version = next_version(db)
    fields = {"version": version, "ids": json.dumps(record_ids)}
    db.execute(
        """
        UPDATE generation_records
        SET version = :version
        WHERE id IN (SELECT value FROM json_each(:ids))
        """,
        fields,
    )
    db.execute(
        """
        UPDATE batches
        SET version = :version
        WHERE id IN (
            SELECT batch_id
            FROM generation_records
            WHERE id IN (SELECT value FROM json_each(:ids)))
        """,
        fields,
    )
    return version


def touch_batch(db: sqlite3.Connection, batch_id: str) -> int:
    """Set the next version on this batch -> that version; inside a transaction."""
    version = next_version(db)
    db.execute("UPDATE batches SET version = :version WHERE id = :id", {"id": batch_id, "version": version})
    return version
