"""What batches are called."""

from collections.abc import Iterable
from itertools import count

from app.db.connection import Connection
from app.db.row_mapping import IN_IDS, SqlList
from app.domain import MAX_BATCH_NAME_LENGTH

_MAX_COUNTER_LENGTH = 10  # of `` (1234567)``

# A batch without a name is known by its time: which of those of its source and minute it is, from 1.
NUMBER_IN_MINUTE = """(
    SELECT count(*)
    FROM batches AS other
    WHERE other.source = batches.source
      AND other.created_at BETWEEN substr(batches.created_at, 1, 16) AND batches.created_at
      AND (other.created_at < batches.created_at OR other.id <= batches.id)
      AND other.name = ''
)"""


def list_batch_names(db: Connection, batch_ids: Iterable[str]) -> dict[str, str]:
    """The names of these batches; those without one are left out."""
    rows = db.execute(
        f"SELECT id, name FROM batches WHERE id {IN_IDS} AND name <> ''", {"ids": SqlList(batch_ids)}
    )
    return {row["id"]: row["name"] for row in rows}


def free_name(db: Connection, name: str) -> str:
    """The name, with the first counter from `` (2)`` on that makes it unique; inside a transaction.

    A long name is cut where the counter would exceed MAX_BATCH_NAME_LENGTH.
    """
    stem = name[: MAX_BATCH_NAME_LENGTH - _MAX_COUNTER_LENGTH]
    sql = "SELECT name FROM batches WHERE substr(name, 1, length(:stem)) = :stem"
    taken = {row["name"] for row in db.execute(sql, {"stem": stem}).fetchall()}
    if not name or name not in taken:
        return name
    numbered = (f"{stem} ({number})" for number in count(2))
    return next(each for each in numbered if each not in taken)
