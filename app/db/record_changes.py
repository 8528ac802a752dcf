"""Change what ended records ask for, before they are queued again."""

from collections.abc import Mapping
from typing import Any

from app.db.batch_log import add_log, row_label
from app.db.connection import Connection
from app.db.records import records_of
from app.db.row_mapping import object_text, sample_images_text
from app.domain import CHANGEABLE, Changes, Record, Status, differing, earlier_values
from app.errors import Conflict, message


def change_records(db: Connection, changes: Mapping[int, Changes]) -> None:
    """Change ended records and log what they were; inside a transaction, before ``requeue``.

    A changed record is submitted, so it loses its task id. Raises Conflict when the task may have been
    charged: its picture is fetched first. Charges and file names stay.
    """
    for record in records_of(db, list(changes)):
        changed = differing(record, changes[record.id])
        if not changed:
            continue
        _check_not_charged(record)
        columns = stored_changes(record, changed) | {"task_id": None}
        assignments = ", ".join(f"{name} = :{name}" for name in columns)
        db.execute(f"UPDATE generation_records SET {assignments} WHERE id = :id", columns | {"id": record.id})
        log_changes(db, record, changed, "{place}：改了{fields}，重试。原来是{values}", record_id=record.id)


def log_changes(db: Connection, record: Record, changes: Changes, text: str, *, record_id: int) -> None:
    """Log the changes of ``record`` with the line of ``record_id``, which is made with them."""
    fields = tuple(message(label) for name, label in CHANGEABLE.items() if name in changes)
    values = {"place": row_label(record), "fields": fields, "values": earlier_values(record, changes)}
    add_log(db, record.batch_id, "info", message(text, **values), record_id)


def stored_changes(record: Record, changes: Changes) -> dict[str, Any]:
    """The columns of the changed fields; a changed field has no typed form of its own."""
    columns = dict(changes)
    if "sample_images" in changes:
        columns["sample_images"] = sample_images_text(changes["sample_images"])
    typed = {name: value for name, value in record.templates.items() if name not in changes}
    return columns | {"templates": object_text(typed)}


def _check_not_charged(record: Record) -> None:
    is_final = record.status in (Status.FAILED, Status.CANCELLED)
    if record.task_id is None or (is_final and record.cost == 0 and record.at_stake == 0):
        return
    text = "{place}：这一张服务可能已经做好，不能改；请先不改就重试，把它取回来"
    raise Conflict(text, place=row_label(record))
