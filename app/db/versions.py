"""The change counter: whatever changes in a record or a batch gives both the next version.

Pages ask for what changed after the version they know, so a change without one is never seen.
"""

import json
import sqlite3
from collections.abc import Sequence

from app.db.connection import next_version


def touch(db: sqlite3.Connection, record_ids: Sequence[int]) -> int:
    """Give these records and their batches the next version -> that version; inside a transaction."""
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
    """Give this batch the next version -> that version; inside a transaction."""
    version = next_version(db)
    db.execute("UPDATE batches SET version = :version WHERE id = :id", {"id": batch_id, "version": version})
    return version
