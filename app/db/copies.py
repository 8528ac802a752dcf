"""The rows of a batch, to be made by another model too, and the batches that have the same rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.db.batches import get_batch, list_batch_records
from app.db.connection import Connection
from app.db.fingerprints import with_requested_seeds
from app.domain import Batch, Record, Status, StopRule


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsToCopy:
    """The rows of a batch: of each its first record, in the order in which they were submitted.

    Seeds are those that were asked for. ``filled_on`` is what ``{日期}`` stood for.
    """

    batch: Batch
    records: Sequence[Record]
    filled_on: str
    stop_rule: StopRule | None


class Speed(NamedTuple):
    """How the pictures of a batch were made: their number, and mean seconds from submission to saved.

    ``seconds`` is None when no picture has both times.
    """

    pictures: int
    seconds: float | None


def list_rows_to_copy(db: Connection, batch_id: str) -> RowsToCopy:
    """The rows of which something was ordered: neither held ones nor those in the trash. Raises NotFound.

    Complete only when every record has its fingerprint (``complete_fingerprints``).
    """
    first: dict[int, Record] = {}
    for record in list_batch_records(db, batch_id):
        if record.status is not Status.HELD:
            first.setdefault(record.row_number, record)
    sql = "SELECT filled_on, stop_after FROM batches WHERE id = :id"
    batch, row = get_batch(db, batch_id), db.execute(sql, {"id": batch_id}).fetchone()
    return RowsToCopy(
        batch=batch,
        records=with_requested_seeds(db, list(first.values())),
        filled_on=row["filled_on"],
        stop_rule=StopRule.from_json(row["stop_after"]),
    )


def list_same_rows(db: Connection, batch: Batch) -> list[Batch]:
    """The batches that have the same rows, oldest first: what it was copied from, and the other copies."""
    rows = db.execute(
        """
        SELECT id
        FROM batches
        WHERE id <> :id AND (id = :origin OR copied_from IN (:id, :origin))
        ORDER BY created_at, id
        """,
        {"id": batch.id, "origin": batch.copied_from},
    ).fetchall()
    return [get_batch(db, row["id"]) for row in rows]


def measure_speed(db: Connection, batch_id: str) -> Speed:
    """The number of pictures of a batch that were made, and how long one took on average."""
    row = db.execute(
        """
        SELECT count(*) AS number, avg(86400.0 * (julianday(finished_at) - julianday(started_at))) AS seconds
        FROM generation_records
        WHERE batch_id = :id AND status = 'success'
        """,
        {"id": batch_id},
    ).fetchone()
    return Speed(int(row["number"]), row["seconds"])
