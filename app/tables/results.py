"""The pictures that leave the house for a table: of each row, under its number, name and own columns."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import count
from typing import Any

import database
from app.domain import Pick, Record, Standing, Status
from app.domain.tables import Row, RowPicture, Table
from app.errors import message
from app.tables.recipes import as_written
from app.tables.states import RowView, view_rows


def list_results(db: database.Connection, table: Table) -> list[Record]:
    """The records of the rows in their order: as many pictures as a row asks for, those that were kept before
    newer ones; without a picture, why there is none. Earlier versions of a row are left out.

    One that a row shares costs nothing there. Of a row that nothing was ordered for the id is 0.
    """
    views = [view for view in view_rows(db, table) if not view.row.is_empty]
    ids = {picture.record_id for view in views for picture in _own(view)}
    records = {record.id: record for record in database.list_selected(db, sorted(ids))}
    found: list[Record] = []
    for view in views:
        of_row = [records[picture.record_id] for picture in _own(view) if picture.record_id in records]
        shared = {picture.record_id for picture in view.pictures if picture.is_shared}
        chosen = _chosen(of_row, view.row.num_images)
        for record in chosen:
            is_shared, row = record.id in shared, view.row
            found.append(
                replace(
                    record,
                    cost=Decimal(0) if is_shared else record.cost,
                    at_stake=Decimal(0) if is_shared else record.at_stake,
                    batch_id=table.id,
                    row_number=row.number,
                    num_images=row.num_images,
                    requested_filename=row.filename,
                    columns=row.columns,
                )
            )
        if not chosen:
            found.append(_not_made(view, table))
    return found


def by_line(
    db: database.Connection,
    table: Table,
    records: Sequence[Record],
    cells: Mapping[int, Mapping[str, Any]],
) -> list[Record]:
    """The records with the lines of their rows in a file as row numbers; ``cells`` are those of its lines.

    A row that is not in it, such as a typed one, comes after its last line.
    """
    rows = database.read_rows(db, table.id)
    lines = lines_of_rows(as_written(rows), cells)
    line_of = {row.number: lines[row.product or row.number] for row in rows}
    return [replace(record, row_number=line_of[record.row_number]) for record in records]


def lines_of_rows(rows: Sequence[Row], cells: Mapping[int, Mapping[str, Any]]) -> dict[int, int]:
    """The line of each row in a file by its number: that of its number, else one with its cells, else none:
    then a number after the last line. Without ``cells`` of the file the numbers are the lines."""
    there = [row for row in rows if row.cells and not row.is_gone]
    lines = {row.number: row.number for row in there if cells.get(row.number) == row.cells}
    free: dict[str, list[int]] = defaultdict(list)
    for line in sorted(cells.keys() - lines.keys(), reverse=True):
        free[json.dumps(cells[line], sort_keys=True)].append(line)
    for row in there:
        if row.number not in lines and (equal := free.get(json.dumps(row.cells, sort_keys=True))):
            lines[row.number] = equal.pop()
    taken, after = {*lines.values()}, count(max(cells, default=0) + 1)
    for row in rows:
        if row.number not in lines:
            is_free = not cells or (row.number in cells and row.number not in taken)
            lines[row.number] = row.number if is_free else next(after)
    return lines


def _own(view: RowView) -> Sequence[RowPicture]:
    """The pictures of the row as it is now, the trash aside."""
    return [
        picture
        for picture in view.pictures
        if picture.fingerprint == view.row.fingerprint and picture.standing is not Standing.TRASHED
    ]


def _chosen(records: Sequence[Record], wanted: int) -> list[Record]:
    made = [record for record in records if record.status is Status.SUCCESS]
    others = [record for record in records if record.status is not Status.SUCCESS]
    made.sort(key=lambda record: (record.pick != Pick.KEEP, record.pick == Pick.REJECT, -record.id))
    others.sort(key=lambda record: -record.id)
    chosen = [*made[:wanted], *others[: max(wanted - len(made), 0)]]
    return sorted(chosen, key=lambda record: (record.picture_number, record.id))


def _not_made(view: RowView, table: Table) -> Record:
    row, fields = view.row, view.row.fields
    return Record(
        id=0,
        created_at="",
        prompt=str(row.sent.get("prompt") or fields.get("prompt", "")),
        negative_prompt=str(row.sent.get("negative_prompt") or fields.get("negative_prompt", "")),
        aspect_ratio=str(fields.get("aspect_ratio", "")),
        resolution=str(fields.get("resolution", "")),
        num_images=row.num_images,
        seed=fields.get("seed"),
        steps=fields.get("steps"),
        batch_id=table.id,
        status=Status.CANCELLED,
        model=str(fields.get("model") or table.model),
        error=row.problems[0][1] if row.problems else message(""),
        row_number=row.number,
        requested_filename=row.filename,
        version=row.version,
        columns=row.columns,
    )
