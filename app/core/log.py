"""The user-visible log of a batch, one line per event."""

from app.core.records.rows import touch
from app.domain import LogLine
from app.engine.connection import Connection
from app.engine.values import message_json, to_message, utc_now
from app.errors import Message, message


def list_log(db: Connection, batch_id: str, *, since: int = 0, newest: int = 500) -> list[LogLine]:
    """Log lines after version ``since``, oldest first: the newest ones, and all warnings and errors."""
    rows = db.execute(
        """
        SELECT id, at, level, text, message, record_id
        FROM batch_log
        WHERE batch_id = :batch_id AND version > :since AND (level <> 'info' OR id >= (
            SELECT min(id)
            FROM (
                SELECT id
                FROM batch_log
                WHERE batch_id = :batch_id AND version > :since
                ORDER BY id DESC
                LIMIT :newest
            ) AS newest))
        ORDER BY id
        """,
        {"batch_id": batch_id, "since": since, "newest": newest},
    ).fetchall()
    return [
        LogLine(
            at=row["at"],
            level=row["level"],
            text=to_message(row["text"], row["message"]),
            record_id=row["record_id"],
        )
        for row in rows
    ]


def count_log(db: Connection, batch_id: str, *, since: int = 0) -> int:
    """The number of log lines after version ``since``, of any level."""
    sql = "SELECT count(*) AS number FROM batch_log WHERE batch_id = :batch_id AND version > :since"
    return int(db.execute(sql, {"batch_id": batch_id, "since": since}).fetchone()["number"])


def add_log(
    db: Connection,
    batch_id: str | None,
    level: str,
    text: str | Message,
    record_id: int | None = None,
) -> None:
    """Add a line to the batch's log and increment the batch's version; inside a transaction.

    Of a shared one the line appears with its version, when ``fold_changes`` gives it one.
    """
    if batch_id is None:
        return
    line = {
        "batch_id": batch_id,
        "record_id": record_id,
        "at": utc_now(),
        "level": level,
        "text": str(text),
        "message": message_json(message(text)),
    }
    if not db.is_shared:
        line["version"] = touch(db, batch_ids=[batch_id])
    table = "pending_changes" if db.is_shared else "batch_log"
    values = ", ".join(f":{name}" for name in line)
    db.execute(f"INSERT INTO {table} ({', '.join(line)}) VALUES ({values})", line)
