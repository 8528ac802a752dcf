"""Rows of tables that ask for what their records ask for, after a retry or a release with changes."""

from collections.abc import Mapping
from dataclasses import replace

from app.db.connection import Connection
from app.db.orders import RowColumns
from app.db.row_pictures import linked_pictures
from app.db.tables import get_table, read_rows, row_ids_of, table_of_batch, update_rows, update_table
from app.db.versions import next_version
from app.domain import Status
from app.domain.tables import restored_fields, sent_words


def repair_rows(
    db: Connection, batch_id: str | None, columns: Mapping[int, RowColumns], before: Mapping[int, str]
) -> None:
    """Let the rows of a batch's table ask for what their records ask for now; in a transaction.

    ``columns`` and the fingerprints ``before`` are by row number. A row that was changed in its table since,
    or has a picture of its own words, stays as it is.
    """
    if not (table_id := table_of_batch(db, batch_id)):
        return
    table = get_table(db, table_id, deleted=True)
    rows = read_rows(db, table.id, row_ids_of(db, table.id, columns).values())
    linked = linked_pictures(db, [each.id for each in rows])
    version = next_version(db)
    changed = []
    for each in rows:
        new = columns[each.number]
        own = [one for one in linked.get(each.id, ()) if one.fingerprint == each.fingerprint]
        if each.fingerprint != before[each.number] or any(one.status == Status.SUCCESS for one in own):
            continue
        request = replace(new.request, sample_images=tuple(new.images))
        fields = restored_fields(request, new.extras, each.number, table)
        fields["filename"] = each.fields.get("filename")  # it may have been renamed since
        changed.append(
            replace(
                each,
                fields={name: value for name, value in fields.items() if value is not None},
                sent=sent_words(request, new.extras),
                fingerprint=new.fingerprint,
                problems=(),
                version=version,
            )
        )
    update_rows(db, table.id, changed)
    if changed:  # so that no edit that is under way writes the earlier words again
        update_table(db, replace(table, version=version))
