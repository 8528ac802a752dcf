"""Changes of records, and the change counter: every change of a record or batch gives both the next version.

Pages poll for changes after the version they have, so a change without a new version is never shown.
"""

from collections.abc import Iterable, Mapping

from app.db.connection import Connection
from app.db.row_mapping import IN_IDS, SqlList


def update_records(
    db: Connection, assignments: str, condition: str, fields: Mapping[str, object]
) -> list[int]:
    """Update the records that meet the condition, and touch them -> their ids; inside a transaction."""
    rows = db.execute(
        f"UPDATE generation_records SET {assignments} WHERE {condition} RETURNING id", fields
    ).fetchall()
    ids = [row["id"] for row in rows]
    if ids:
        touch(db, ids)
    return ids


def touch(db: Connection, record_ids: Iterable[int] = (), *, batch_id: str | None = None) -> int:
    """Set the next version on these records, their batches and this batch -> that version.

    Called in the transaction of the change.
    """
    version = next_version(db)
    fields = {"version": version, "ids": SqlList(record_ids), "batch_id": batch_id}
    db.execute(f"UPDATE generation_records SET version = :version WHERE id {IN_IDS}", fields)
    db.execute(
        f"""
        UPDATE batches
        SET version = :version
        WHERE id = :batch_id OR id IN (SELECT batch_id FROM generation_records WHERE id {IN_IDS})
        """,
        fields,
    )
    return version


def next_version(db: Connection) -> int:
    """Increment the change counter and return it; inside a transaction."""
    row = db.execute("UPDATE change_counter SET value = value + 1 RETURNING value").fetchall()[0]
    return int(row["value"])


def last_version(db: Connection) -> int:
    """The current value of the change counter, which grows with every change of a record or batch."""
    return int(db.execute("SELECT value FROM change_counter").fetchone()["value"])
