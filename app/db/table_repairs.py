"""Rows of tables that ask for what their records ask for, after a retry or a release with changes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.db.connection import Connection
from app.db.orders import RowColumns
from app.db.row_pictures import linked_pictures
from app.db.tables import get_table, read_rows, row_ids_of, table_of_batch, update_rows, update_table
from app.db.versions import next_version
from app.domain import Status
from app.domain.tables import Row, Table, sent_words, typed_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRepair:
    """What the records of a row asked for before, and what they ask for now."""

    before: RowColumns
    now: RowColumns


def repair_rows(db: Connection, batch_id: str | None, repairs: Mapping[int, RowRepair]) -> None:
    """Let the rows of a batch's table ask for what their records ask for now; in a transaction.

    ``repairs`` are by row number. A row that was changed in its table since, or has a picture of its own
    words, stays as it is.
    """
    if not (table_id := table_of_batch(db, batch_id)):
        return
    table = get_table(db, table_id, deleted=True)
    rows = read_rows(db, table.id, row_ids_of(db, table.id, repairs).values())
    linked = linked_pictures(db, [each.id for each in rows])
    version = next_version(db)
    changed = []
    for each in rows:
        repair = repairs[each.number]
        own = [one for one in linked.get(each.id, ()) if one.fingerprint == each.fingerprint]
        if each.fingerprint != repair.before.fingerprint or any(one.status == Status.SUCCESS for one in own):
            continue
        changed.append(
            replace(
                each,
                fields=_repaired_fields(each, repair, table),
                sent=sent_words(repair.now.request, repair.now.extras),
                fingerprint=repair.now.fingerprint,
                problems=(),
                version=version,
            )
        )
    update_rows(db, table.id, changed)
    if changed:  # so that no edit that is under way writes the earlier words again
        update_table(db, replace(table, version=version))


def _repaired_fields(row: Row, repair: RowRepair, table: Table) -> dict[str, Any]:
    """The fields of a row, with those that the repair changed; the others stay as they were typed."""
    before, now = (
        typed_fields(replace(one.request, sample_images=tuple(one.images)), one.extras, row.number, table)
        for one in (repair.before, repair.now)
    )
    names = {name for name in now if name != "filename" and now[name] != before.get(name)}
    kept = {name: value for name, value in row.fields.items() if name in now or name not in before}
    fields = {**kept, **{name: now[name] for name in names}}
    return {name: value for name, value in fields.items() if value not in (None, "")}
