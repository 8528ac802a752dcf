"""Reads untrusted changes of records that are made again, and validates what they ask for then."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import database
from app.domain import Changes, Record, RowExtras, SampleImage, changed_request, read_changes
from app.errors import AppError, Conflict, InvalidRequest
from app.images.filenames import filename_for
from app.library.library import Library
from app.orders.conditions import Conditions
from app.orders.read import ParsedRow


class ChangeErrors(AppError):
    """Invalid changes: records with the problems of what they would ask for."""

    def __init__(self, problems: Sequence[tuple[Record, InvalidRequest]]) -> None:
        record, first = problems[0]
        super().__init__(
            "第 {number} 行：{problem}（共 {n} 处问题，什么也没有做）",
            number=record.row_number,
            problem=first.message,
            n=len(problems),
        )
        self.problems = problems


def validated_changes(
    conditions: Conditions, given: Mapping[int, Mapping[str, Any]], batch_id: str
) -> dict[int, Changes]:
    """Untrusted fields by record id -> the validated changes, references fixed as in a submission.

    Raises Conflict for a record that is not of this batch, and ChangeErrors with every problem.
    """
    records = list(database.list_selected(conditions.db, list(given)))
    if len(records) < len(given) or any(record.batch_id != batch_id for record in records):
        raise Conflict("有的图片不在这个批次里，或已被删除，请刷新后再改")
    read = {record.id: read_changes(given[record.id]) for record in records}
    rows = [_row(record, *read[record.id]) for record in records]
    fixed = conditions.reader.complete(rows, _Fixer(records, conditions.library))
    problems = [
        (record, problem) for record, row in zip(records, fixed, strict=True) for problem in row.problems
    ]
    if problems:
        raise ChangeErrors(problems)
    return {
        record.id: {name: getattr(row.request, name) for name in read[record.id][0]}
        for record, row in zip(records, fixed, strict=True)
    }


def _row(record: Record, changes: Changes, problems: Sequence[InvalidRequest]) -> ParsedRow:
    """The changed record as a row; without the changes that cannot be read, which are among the problems."""
    request = replace(changed_request(record, {}), **changes)
    return ParsedRow(number=record.row_number, request=request, extras=RowExtras(), problems=problems)


def stem_for(output_dir: Path, record: Record, changes: Changes) -> str:
    """The preferred file name of one more picture of the record's row, without extension and number.

    That of the record, unless it was made from words that have changed.
    """
    name = record.reserved_stem.removesuffix(f"_{record.picture_number}")
    if record.num_images == 1 and record.picture_number == 1:
        name = record.reserved_stem
    if name and (record.requested_filename or "prompt" not in changes):
        return name
    prompt = changes.get("prompt", record.prompt)
    return filename_for(output_dir, record.requested_filename, prompt)


class _Fixer:
    """Fixes the content of new references; those that the records have are fixed already."""

    def __init__(self, records: Iterable[Record], library: Library) -> None:
        self._known = {image: image for record in records for image in record.request.sample_images}
        self._library = library

    def __call__(self, images: Iterable[SampleImage]) -> Mapping[SampleImage, SampleImage]:
        new = [image for image in images if image not in self._known]
        return self._known | self._library.pin(new)
