"""Orders the rows of a batch from another model: all of them or none."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import database
from app.domain import (
    MAX_BATCH_NAME_LENGTH,
    Batch,
    Models,
    ModelSpec,
    Record,
    RowExtras,
    SkippedRow,
)
from app.domain.models import UPSCALERS
from app.errors import Conflict
from app.orders.read import AGAIN, SKIP, FixReferences, ParsedRow, RowErrors
from app.web.i18n import translate
from app.web.row_check import checked_rows, recorded, total_json
from app.web.services import connection, services
from app.web.submit import BatchOptions, require_models, row_reader, submit_parsed


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyOptions:
    """How a batch is copied: to which model, at which resolution (empty: as in the batch), and whether what
    was bought is left out."""

    spec: ModelSpec
    resolution: str = ""
    skips: bool = True


def copy_batch(
    batch_id: str, options: CopyOptions, *, key: database.RequestKey | None = None
) -> database.AddedBatch:
    """Queue the rows of the batch as a batch of this model. A used ``key`` queues nothing.

    What the model ignores is left out. Raises RowErrors, by row number, with nothing queued; NotFound;
    Conflict when the model cannot be ordered from or the batch has no rows.
    """
    if answer := database.find_answer(connection(), key):
        return database.added_before(answer)
    source = _read_source(batch_id)
    rows = _rows_of(source.records, options, services().library.pin)
    if problems := [(row.number, problem) for row in rows for problem in row.problems]:
        raise RowErrors(problems, number=problems[0][0])
    batch = source.batch
    new = BatchOptions(
        name=_name_of(batch, options.spec),
        source=batch.source,
        workbook_id=batch.workbook.id if batch.workbook else None,
        prefix=batch.prefix,
        suffix=batch.suffix,
        filled_on=source.filled_on,
        stop_rule=source.stop_rule,
        repeats=SKIP if options.skips else AGAIN,
        copied_from=batch_id,
        unique_name=True,
    )
    return submit_parsed(rows, new, key=key)


def check_copy(batch_id: str, options: CopyOptions) -> dict[str, Any]:
    """What ``copy_batch`` would order, and the problems of the rows, as JSON; changes nothing.

    Raises NotFound and Conflict as it does.
    """
    require_models([options.spec])
    models = services().models
    rows = _rows_of(_read_source(batch_id).records, options, services().library.identify)
    checked = checked_rows(rows, models, skips=options.skips)
    total = total_json(checked, models)
    return {
        "rows": sum(row.missing > 0 for row in checked),
        "pictures": total["new"],
        "price": total["price"],
        "problems": [
            {"row": row.number, "field": problem.field, "error": problem.message}
            for row in rows
            for problem in row.problems
        ],
        "skipped": [
            SkippedRow(row=one.row.number, records=list(recorded(one.plan.bought)))
            for one in checked
            if one.missing < one.wanted
        ],
    }


def _read_source(batch_id: str) -> database.RowsToCopy:
    database.complete_fingerprints(connection())
    with database.read_transaction(connection()):
        source = database.list_rows_to_copy(connection(), batch_id)
    records = [record for record in source.records if record.model not in UPSCALERS]
    if not records:
        raise Conflict("这个批次没有可以再做的行：图片都删掉了、还在等放行，或者是放大的")
    return replace(source, records=records)


def _rows_of(
    records: Sequence[Record], options: CopyOptions, fix_references: FixReferences
) -> list[ParsedRow]:
    return row_reader().complete([_row_of(record, options) for record in records], fix_references)


def _row_of(record: Record, options: CopyOptions) -> ParsedRow:
    """The row of a record, for the other model and without what that ignores."""
    request = record.row_request
    resolution = options.resolution or request.resolution
    request = replace(request, model=options.spec.model_id, resolution=resolution)
    return ParsedRow(
        number=record.row_number,
        request=Models([options.spec]).accept(request),
        extras=RowExtras(columns=record.columns, templates=record.templates, position=record.position),
        problems=[],
    )


def _name_of(batch: Batch, spec: ModelSpec) -> str:
    """「茶具 · Seedream 4.0」; the label of the model takes the place of that of an earlier copy."""
    name = batch.name
    if batch.copied_from:
        name = re.sub(r" \(\d+\)$", "", name)
        for model in batch.models:
            name = name.removesuffix(translate(services().label_of(model.model))).removesuffix(" · ")
    label = translate(spec.label)
    length = MAX_BATCH_NAME_LENGTH - len(label) - 3
    return f"{name[:length]} · {label}" if name else label
