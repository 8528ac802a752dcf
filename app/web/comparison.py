"""Compares an imported file with the batch that it was submitted as, or whose results it holds."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import database
from app import sheets
from app.domain import Batch, Record, RowChanges, TableRow, differences, match_by_number, match_rows
from app.errors import SpreadsheetError

_MIN_EQUAL = 0.5  # of the rows, for a file that is recognised only by its name


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """``changes`` are ``change`` and ``was`` for each row; empty without an earlier batch."""

    previous: Batch | None = None
    changes: Sequence[dict[str, Any]] = ()
    removed: Sequence[dict[str, Any]] = field(default_factory=list)

    def rows_json(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows with their changes; a changed row is no longer finished."""
        if self.previous is None:
            return [*rows]
        return [
            {**row, **change, **({"status": ""} if "status" in row and change["change"] == "changed" else {})}
            for row, change in zip(rows, self.changes, strict=True)
        ]

    @property
    def previous_json(self) -> dict[str, str] | None:
        """The earlier batch as JSON; ``filename`` is that of its workbook, or empty."""
        if (batch := self.previous) is None:
            return None
        filename = batch.workbook.filename if batch.workbook else ""
        return {
            "batch_id": batch.id,
            "name": batch.name,
            "created_at": batch.created_at,
            "filename": filename,
        }


def compare(
    db: database.Connection, found: sheets.Import, *, named_batch: str, workbook_id: str, filename: str
) -> Comparison:
    """Compare the rows with the batch named in the file, else with the newest one submitted from this file.

    A file that is neither is compared with the newest batch from a file of this name, if half of its rows are
    equal.
    """
    new = [_imported_row(row, of_results=found.of_results) for row in found.rows]
    for batch_id, is_certain in database.find_previous_batches(
        db, batch_id=named_batch, workbook_id=workbook_id, filename=filename
    ):
        records = database.list_batch_records(db, batch_id)
        if found.of_results:
            changes = match_by_number([_sent_row(record) for record in records], new)
        else:
            records = database.with_requested_seeds(db, records)
            changes = match_rows(_old_rows(db, database.get_batch(db, batch_id), records), new)
        equal = changes.number_of_equal(new)
        if is_certain or equal >= _MIN_EQUAL * max(len(new), len(changes.removed) + equal):
            return _comparison(database.get_batch(db, batch_id), new, changes)
    return Comparison()


def _comparison(batch: Batch, new: Sequence[TableRow], changes: RowChanges) -> Comparison:
    return Comparison(
        previous=batch,
        changes=[_change(row, old) for row, old in zip(new, changes.was, strict=True)],
        removed=[
            {"row": row.number, "prompt": row.fields["prompt"], "records": list(row.records)}
            for row in changes.removed
        ],
    )


def _change(row: TableRow, old: TableRow | None) -> dict[str, Any]:
    if old is None:
        return {"change": "new"}
    was = differences(old, row)
    return {"change": "changed", "was": was} if was else {"change": "unchanged"}


def _imported_row(row: sheets.ImportedRow, *, of_results: bool) -> TableRow:
    fields = {name: value for name, value in row.fields.items() if not (of_results and name == "num_images")}
    number = (row.origin or 0) if of_results else row.number
    return TableRow(number=number, fields=fields, references=row.references, columns=row.columns)


def _sent_row(record: Record) -> TableRow:
    """A record as its line in the results workbook."""
    return TableRow(
        number=record.row_number,
        fields=_fields(record, "prompt", "negative_prompt", "aspect_ratio", "resolution", "seed", "steps")
        | {"filename": record.requested_filename},
        references=tuple(image.filename for image in record.sample_images),
        columns=record.columns,
        records=(record.id,),
    )


def _fields(record: Record, *names: str) -> dict[str, Any]:
    return {name: getattr(record, name) for name in names}


def _old_rows(db: database.Connection, batch: Batch, records: Sequence[Record]) -> list[TableRow]:
    """The rows of the file that the batch was submitted from, as they were submitted."""
    rows = {row.number: row for row in _rows_of_file(db, batch)}
    for record in sorted(records, key=lambda record: (record.picture_number, record.id)):
        old = rows.get(record.row_number)
        if old is None or not old.records:
            rows[record.row_number] = _typed_row(record, old)
        else:
            rows[record.row_number] = replace(old, records=(*old.records, record.id))
    return [row for _, row in sorted(rows.items())]


def _rows_of_file(db: database.Connection, batch: Batch) -> list[TableRow]:
    if batch.workbook is None:
        return []
    file = database.get_workbook_file(db, batch.workbook.id)
    try:
        found = sheets.read_workbook(file.content, file.filename)
    except SpreadsheetError:
        return []
    return [_imported_row(row, of_results=False) for row in found.rows if not found.of_results]


def _typed_row(record: Record, line: TableRow | None) -> TableRow:
    """The row of a record as typed; what the model did not take is as in the file's ``line``."""
    typed = dict(record.templates)
    images = typed.pop("sample_images", None)
    names = [image["filename"] for image in images] if images else [i.filename for i in record.sample_images]
    request = {
        **_fields(record, "prompt", "negative_prompt", "aspect_ratio", "resolution", "num_images"),
        **{name: value for name, value in _fields(record, "seed", "steps").items() if value is not None},
        "filename": record.requested_filename,
    }
    fields = {"seed": None, "steps": None} | (dict(line.fields) if line else {}) | request | typed
    return TableRow(
        number=record.row_number,
        fields=fields,
        references=tuple(names),
        columns=record.columns,
        records=(record.id,),
    )
