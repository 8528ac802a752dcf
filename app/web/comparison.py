"""Compares an imported file with the batch that it was submitted as, or whose results it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import database
from app import sheets
from app.domain import (
    OPTIONS,
    Batch,
    ModelSpec,
    Record,
    RowChanges,
    TableRow,
    differences,
    match_by_number,
    match_rows,
)
from app.errors import InvalidRequest, Message, SpreadsheetError, message

# The fields of a request that every model takes.
_SENT = ("prompt", "negative_prompt", "aspect_ratio", "resolution", "filename", "model")
_MIN_EQUAL = 0.5  # of the rows, for a file that is recognised only by its name


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """``changes`` are ``change`` and ``was`` for each row; empty without an earlier batch.

    ``note`` says that rows that name no model were made by another one than they are for now.
    """

    previous: Batch | None = None
    changes: Sequence[dict[str, Any]] = ()
    removed: Sequence[dict[str, Any]] = field(default_factory=list)
    note: Message | None = None

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
    db: database.Connection,
    found: sheets.Import,
    *,
    find_model: Callable[[str], ModelSpec],
    named_batch: str,
    workbook_id: str,
    filename: str,
) -> Comparison:
    """Compare the rows with the batch named in the file, else with the newest one submitted from this file.

    A file that is neither is compared with the newest batch from a file of this name, if half of its rows are
    equal. A row that names no model is matched as one of the batch's model; it has changed if its model is
    another one now, ``find_model("")``.
    """
    new = [_imported_row(row, of_results=found.of_results) for row in found.rows]
    for batch_id, is_certain in database.find_previous_batches(
        db, batch_id=named_batch, workbook_id=workbook_id, filename=filename
    ):
        records = database.list_batch_records(db, batch_id)
        if found.of_results:
            model = _usual_model(records)
            as_before = _with_model(new, model)
            changes = match_by_number([_sent_row(record) for record in records], as_before)
        else:
            records = database.with_requested_seeds(db, records)
            lines = _rows_of_file(db, database.get_batch(db, batch_id), find_model)
            model = _usual_model(each for each in records if not _names_model(lines.get(each.row_number)))
            as_before = _with_model(new, model)
            changes = match_rows(_with_model(_old_rows(lines, records), model), as_before)
        equal = changes.number_of_equal(as_before)
        if is_certain or equal >= _MIN_EQUAL * max(len(new), len(changes.removed) + equal):
            batch, now = database.get_batch(db, batch_id), find_model("")
            comparison = _comparison(batch, _with_model(new, now.model_id), changes)
            is_other = model not in ("", now.model_id) and not all(map(_names_model, new))
            return replace(comparison, note=_other_model(model, now, find_model) if is_other else None)
    return Comparison()


def _other_model(model: str, now: ModelSpec, find_model: Callable[[str], ModelSpec]) -> Message:
    """The note that ``model`` made the rows that name none; by its id when it is not there any more."""
    label = model
    with suppress(InvalidRequest):
        label = find_model(model).label
    text = "上次是用 {model} 做的，现在选的是 {now}：没有写模型的行会重新生成、重新计费"
    return message(text, model=message(label), now=message(now.label))


def _usual_model(records: Iterable[Record]) -> str:
    """The model of most of these records; empty without records."""
    (found,) = Counter(record.model for record in records).most_common(1) or [("", 0)]
    return found[0]


def _names_model(line: TableRow | None) -> bool:
    return line is not None and line.fields["model"] != ""


def _with_model(rows: Iterable[TableRow], model: str) -> list[TableRow]:
    """The rows with this model where they name none."""
    return [row if _names_model(row) else replace(row, fields={**row.fields, "model": model}) for row in rows]


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
        fields=_fields(record, *_SENT, "seed", "steps", *OPTIONS),
        references=tuple(image.filename for image in record.sample_images),
        columns=record.columns,
        records=(record.id,),
    )


def _fields(record: Record, *names: str) -> dict[str, Any]:
    request = record.request
    return {name: getattr(request, name) for name in names}


def _old_rows(lines: Mapping[int, TableRow], records: Iterable[Record]) -> list[TableRow]:
    """The rows of the file that the batch was submitted from, as they were submitted."""
    rows = dict(lines)
    for record in sorted(records, key=lambda record: (record.picture_number, record.id)):
        old = rows.get(record.row_number)
        if old is None or not old.records:
            rows[record.row_number] = _typed_row(record, old)
        else:
            rows[record.row_number] = replace(old, records=(*old.records, record.id))
    return [row for _, row in sorted(rows.items())]


def _rows_of_file(
    db: database.Connection, batch: Batch, find_model: Callable[[str], ModelSpec]
) -> dict[int, TableRow]:
    """The rows of the file that the batch was submitted from, by their numbers."""
    if batch.workbook is None:
        return {}
    file = database.get_workbook_file(db, batch.workbook.id)
    try:
        found = sheets.read_workbook(file.content, file.filename, find_model=find_model)
    except SpreadsheetError:
        return {}
    rows = [_imported_row(row, of_results=False) for row in found.rows if not found.of_results]
    return {row.number: row for row in rows}


def _typed_row(record: Record, line: TableRow | None) -> TableRow:
    """The row of a record as typed; what the model did not take is as in the file's ``line``."""
    typed = dict(record.templates)
    images = typed.pop("sample_images", None)
    names = [image["filename"] for image in images] if images else [i.filename for i in record.sample_images]
    optional = _fields(record, "seed", "steps", *OPTIONS)
    request = _fields(record, *_SENT, "num_images")
    request |= {name: value for name, value in optional.items() if value not in (None, "")}
    fields = optional | (dict(line.fields) if line else {}) | request | typed
    return TableRow(
        number=record.row_number,
        fields=fields,
        references=tuple(names),
        columns=record.columns,
        records=(record.id,),
    )
