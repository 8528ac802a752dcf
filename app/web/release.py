"""Fills and validates the held rows of a batch anew, and releases them: all of them or none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import database
from app.domain import (
    Batch,
    FilledRow,
    Models,
    Record,
    fill_rows,
    read_affix,
    read_aspect_ratio,
    read_resolution,
)
from app.errors import Conflict, InvalidRequest
from app.orders.read import RowErrors
from app.web.services import connection, services
from app.web.submit import require_models_of, require_resumable

_EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseChanges:
    """What a release changes of all held rows; None leaves it as it is."""

    prefix: str | None = None
    suffix: str | None = None
    aspect_ratio: str | None = None
    resolution: str | None = None

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> "ReleaseChanges":
        """The changes in an untrusted body. Raises InvalidRequest."""
        prefix, suffix = (
            None if body.get(name) is None else read_affix(body[name], name) for name in ("prefix", "suffix")
        )
        ratio, resolution = (
            None if body.get(name) in (None, "") else read(body[name])
            for name, read in (("aspect_ratio", read_aspect_ratio), ("resolution", read_resolution))
        )
        return cls(prefix=prefix, suffix=suffix, aspect_ratio=ratio, resolution=resolution)


def release(
    batch_id: str, changes: ReleaseChanges, *, model: str = "", key: database.RequestKey | None = None
) -> database.Released:
    """Release all that is held. A used ``key`` releases nothing, and returns what its first call released.

    ``model`` is the id of the model that the caller expects all rows to be made by; empty: any. Raises
    InvalidRequest when another would make one, RowErrors with nothing released, and Conflict when nothing is
    held or the batch cannot go on.
    """
    db = connection()
    while True:
        with database.read_transaction(db):  # no other call with this key releases in between
            if answer := database.find_answer(db, key):
                return database.released_before(answer)
            batch = database.get_batch(db, batch_id)
            held = database.list_held(db, batch_id)
        rows, affixes = _rows_to_release(held, batch, changes, model), _affixes(batch, changes)
        require_models_of({row.request.model for row in rows})
        require_resumable(batch_id, released=rows[0].request)
        released = database.release_rows(db, batch_id, rows, models=services().models, key=key, **affixes)
        if released is not None:
            return released


def check_release(batch_id: str, changes: ReleaseChanges, *, model: str = "") -> dict[str, Any]:
    """What ``release`` would do, as JSON. Raises as it does; changes nothing."""
    db, models = connection(), services().models
    batch = database.get_batch(db, batch_id)
    rows = _rows_to_release(database.list_held(db, batch_id), batch, changes, model)
    database.complete_fingerprints(db)
    planned = database.plan_release(db, batch_id, rows)
    to_make = [row for row in planned if row.to_make]
    prices = [row.price(models) for row in to_make]
    known = [price for price in prices if price is not None]
    return {
        "rows": len(to_make),
        "pictures": sum(len(row.to_make) for row in to_make),
        "price": sum(known, Decimal(0)) if len(known) == len(prices) else None,
        "skipped": database.skipped_rows(planned),
        "examples": [{"row": row.number, "prompt": row.row.request.prompt} for row in to_make[:_EXAMPLES]],
    }


def _affixes(batch: Batch, changes: ReleaseChanges) -> dict[str, str]:
    """The prefix and suffix after the release."""
    return {
        "prefix": batch.prefix if changes.prefix is None else changes.prefix,
        "suffix": batch.suffix if changes.suffix is None else changes.suffix,
    }


def _rows_to_release(
    held: database.HeldRows, batch: Batch, changes: ReleaseChanges, model: str
) -> list[database.ReleaseRow]:
    """The held rows with these changes. Raises RowErrors, InvalidRequest for other rows than those of the
    model, and Conflict when there are none."""
    if not held.rows:
        raise Conflict("这个批次没有等放行的图片，可能已经放行或取消了，请刷新后再看")
    filled = _refilled(held, _affixes(batch, changes))
    models = services().models
    rows, problems = list[database.ReleaseRow](), list[tuple[int, InvalidRequest]]()
    for records in held.rows:
        row, found = _changed_row(records, filled.get(records[0].row_number), changes, models)
        rows.append(row)
        problems += [(records[0].row_number, problem) for problem in found]
    if problems:
        raise RowErrors(problems, number=problems[0][0])
    others = {row.request.model for row in rows if model and row.request.model != model}
    if others:
        text = "等放行的行用 {others} 做，不是 {model}；要都放行就不写 model"
        raise InvalidRequest("model", text, others=tuple(sorted(others)), model=model)
    return rows


def _refilled(held: database.HeldRows, affixes: Mapping[str, str]) -> dict[int, FilledRow]:
    """The prompts of the held rows with this prefix and suffix, by row number.

    Without rows that were filled before they were submitted.
    """
    first = [records[0] for records in held.rows if records[0].position is not None]
    rows = [
        {"prompt": _typed_prompt(record), "columns": record.columns, "position": record.position}
        for record in first
    ]
    numbers = [record.row_number for record in first]
    filled = fill_rows(rows, numbers, date=held.filled_on, own_names=held.own_names, **affixes)
    return dict(zip(numbers, filled, strict=True))


def _typed_prompt(record: Record) -> str:
    typed: str = record.templates.get("prompt", record.prompt)
    return typed


def _changed_row(
    records: Sequence[Record], filled: FilledRow | None, changes: ReleaseChanges, models: Models
) -> tuple[database.ReleaseRow, list[InvalidRequest]]:
    """(the row with its changes, its problems)."""
    request, templates = records[0].row_request, dict(records[0].templates)
    problems = list[InvalidRequest]()
    if filled is not None:
        sent, problems = filled.read()
        templates.pop("prompt", None)
        templates |= filled.extras.templates
        request = replace(request, prompt=sent.prompt) if sent else request
    request = replace(
        request,
        aspect_ratio=changes.aspect_ratio or request.aspect_ratio,
        resolution=changes.resolution or request.resolution,
    )
    facts = services().library.facts(request.sample_images)
    problems = [*problems, *models.of(request).validate(request, facts)]
    row = database.ReleaseRow(records=records, request=models.accept(request), templates=templates)
    return row, problems
