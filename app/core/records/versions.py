"""Changes of records, and the change counter: every change of a record or batch gives both the next version.

Pages poll for changes after the version they have, so a change without a new version is never shown.
"""

from collections.abc import Iterable, Mapping

from app.engine.connection import Connection, next_version
from app.engine.values import IN_IDS, SqlList


def free_ids(db: Connection, table: str, number: int) -> list[int]:
    """Ids that no row of this table has or had; inside the transaction that inserts them."""
    if db.engine == "postgres":
        sql = (
            f"SELECT nextval(pg_get_serial_sequence('{table}', 'id')) AS id FROM generate_series(1, :number)"
        )
        return [row["id"] for row in db.execute(sql, {"number": number}).fetchall()]
    sql = f"""
        SELECT max(
            coalesce((SELECT seq FROM sqlite_sequence WHERE name = :table), 0),
            coalesce((SELECT max(id) FROM {table}), 0)) AS last
    """
    last = db.execute(sql, {"table": table}).fetchone()["last"]
    return list(range(last + 1, last + 1 + number))


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


def touch(db: Connection, record_ids: Iterable[int] = (), *, batch_ids: Iterable[str] = ()) -> int:
    """Set the next version on these records, their batches and these batches -> that version.

    Called in the transaction of the change. In a shared one the records are noted for ``fold_changes`` -> 0.
    """
    if db.is_shared:
        for record_id in record_ids:
            db.execute("INSERT INTO pending_changes (record_id) VALUES (:id)", {"id": record_id})
        return 0
    version = next_version(db)
    fields = {"version": version, "ids": SqlList(record_ids), "batch_ids": SqlList(batch_ids)}
    db.execute(f"UPDATE generation_records SET version = :version WHERE id {IN_IDS}", fields)
    db.execute(
        f"""
        UPDATE batches
        SET version = :version
        WHERE id IN (SELECT value FROM json_each(:batch_ids))
           OR id IN (SELECT batch_id FROM generation_records WHERE id {IN_IDS})
        """,
        fields,
    )
    return version
