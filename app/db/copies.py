"""The rows of a batch, to be made by another model too."""

from collections.abc import Sequence
from dataclasses import dataclass

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
