"""Queue rows as a batch: one record per picture, without the pictures that equal rows have already."""

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from app.db.batch_names import free_name
from app.db.connection import Connection, transaction
from app.db.file_names import are_taken, choose_names
from app.db.fingerprints import complete_fingerprints, lacks_fingerprints, plan_submission
from app.db.request_keys import RequestKey, find_answer, save_answer
from app.db.row_mapping import micros, object_text, sample_images_text, utc_text
from app.db.versions import insert_records, next_version
from app.db.workbooks import check_workbook
from app.domain import (
    ImageRequest,
    Models,
    RowExtras,
    RowPlan,
    SkippedRow,
    Status,
    StopRule,
    choose_sample,
    file_key,
    fingerprint,
)

_BATCH_COLUMNS = ("name", "source", "workbook_id", "prefix", "suffix", "filled_on", "copied_from")


class AddedBatch(NamedTuple):
    """A queued batch, its records, and the rows with pictures that were left out.

    ``batch_id`` is empty when all pictures were left out: then there is no batch.
    """

    batch_id: str
    ids: list[int]
    skipped: list[SkippedRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A row to insert: ``stems`` are the file names of the pictures to order, without extension."""

    number: int
    request: ImageRequest
    plan: RowPlan
    stems: Sequence[str]
    extras: RowExtras


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Rows to queue as one batch. Sequences have one item per request.

    stems        the preferred file names, without extension
    is_taken     whether a file name is in use on disk
    key          a key that was used inserts nothing
    row_numbers  1, 2, … by default
    skips        whether the pictures that equal rows have already are left out; by default none is
    extras       own columns and typed forms; by default none
    prefix       is in the prompts already, as ``suffix`` is
    filled_on    the date that ``{日期}`` stands for
    sample       how many rows are queued, the others being held; None, or as many as there are: all
    stop_rule    when the batch pauses by itself; None: never
    copied_from  the id of the batch whose rows these are; None: of none
    unique_name  whether a counter is added to a name that a batch has
    """

    requests: Sequence[ImageRequest]
    models: Models
    stems: Sequence[str]
    is_taken: Callable[[str], bool]
    name: str = ""
    source: str = "batch"
    key: RequestKey | None = None
    row_numbers: Sequence[int] = ()
    skips: Sequence[bool] = ()
    workbook_id: str | None = None
    extras: Sequence[RowExtras] = ()
    prefix: str = ""
    suffix: str = ""
    filled_on: str = ""
    sample: int | None = None
    stop_rule: StopRule | None = None
    copied_from: str | None = None
    unique_name: bool = False


def add_batch(db: Connection, submission: Submission) -> AddedBatch:
    """Insert a batch and one record per picture, queued or held, in one transaction.

    Fields that the model of a request does not accept are removed (``Models.accept``). Raises InvalidRequest
    for an unknown ``workbook_id``. A used ``key`` inserts nothing and returns its first batch.
    """
    accepted = [submission.models.accept(request) for request in submission.requests]
    prints = [fingerprint(request) for request in accepted]
    skips = submission.skips or [False] * len(accepted)
    while True:
        if any(skips):
            complete_fingerprints(db)
        expected = plan_submission(db, accepted, prints, skips)
        wanted = zip(submission.stems, map(_endings, accepted, expected), strict=True)
        names = choose_names(db, wanted, submission.is_taken)
        with transaction(db):
            if answer := find_answer(db, submission.key):
                return added_before(answer)
            plans = plan_submission(db, accepted, prints, skips)
            is_incomplete = any(skips) and lacks_fingerprints(db)
            if is_incomplete or not _is_as_expected(plans, expected) or are_taken(db, names):
                continue
            check_workbook(db, submission.workbook_id)
            added = _insert_rows(db, _rows_of(submission, accepted, plans, names), submission)
            save_answer(db, submission.key, _answer(added))
        return added


def _rows_of(
    submission: Submission,
    accepted: Sequence[ImageRequest],
    plans: Sequence[RowPlan],
    names: Sequence[Sequence[str]],
) -> list[_Row]:
    numbers = submission.row_numbers or range(1, len(accepted) + 1)
    extras = submission.extras or [RowExtras()] * len(accepted)
    return [
        _Row(number=number, request=request, plan=plan, stems=stems, extras=more)
        for number, request, plan, stems, more in zip(numbers, accepted, plans, names, extras, strict=True)
    ]


def added_before(answer: Mapping[str, Any]) -> AddedBatch:
    """The answer stored with a request key -> the batch that was queued then."""
    skipped = [SkippedRow(**row) for row in answer.get("skipped", ())]
    return AddedBatch(answer["batch_id"], answer["records"], skipped)


def _answer(added: AddedBatch) -> dict[str, Any]:
    skipped = [asdict(row) for row in added.skipped]
    return {"batch_id": added.batch_id, "records": added.ids, "skipped": skipped}


def _endings(request: ImageRequest, plan: RowPlan) -> list[str]:
    """What follows the base name in the file names of a row's pictures."""
    return ["" if request.num_images == 1 else f"_{number}" for number in plan.numbers]


def _is_as_expected(plans: Sequence[RowPlan], expected: Sequence[RowPlan]) -> bool:
    """Whether the same pictures are to be ordered, so that the chosen names fit."""
    return [plan.numbers for plan in plans] == [plan.numbers for plan in expected]


def _insert_rows(db: Connection, rows: Sequence[_Row], submission: Submission) -> AddedBatch:
    """Insert a batch with the pictures to order; no batch when there is none."""
    if not any(row.stems for row in rows):
        return AddedBatch("", [], list(_skipped_rows(rows, [])))
    version = next_version(db)
    batch_id = _insert_batch(db, rows, submission, version)
    held = _held_numbers(rows, submission.sample)
    ids = insert_records(
        db,
        [
            _record_fields(row, batch_id, picture_number, stem, held) | {"version": version}
            for row in rows
            for picture_number, stem in zip(row.plan.numbers, row.stems, strict=True)
        ],
    )
    return AddedBatch(batch_id, ids, list(_skipped_rows(rows, ids)))


def _held_numbers(rows: Sequence[_Row], sample: int | None) -> set[int]:
    """The numbers of the rows that wait until the sample is released."""
    if sample is None:
        return set()
    ordered = [row for row in rows if row.stems]
    tried = choose_sample([row.request for row in ordered], sample)
    return {row.number for index, row in enumerate(ordered) if index not in tried}


def _skipped_rows(rows: Sequence[_Row], ids: Sequence[int]) -> Iterator[SkippedRow]:
    """The rows that get fewer new pictures (``ids``) than they ask for, with the records of the others."""
    for row in rows:
        if len(row.plan.numbers) < row.request.num_images:
            records = [known if known > 0 else ids[-known - 1] for known in row.plan.bought]
            yield SkippedRow(row=row.number, records=records)


def _insert_batch(db: Connection, rows: Sequence[_Row], submission: Submission, version: int) -> str:
    """Insert a batch -> its id, which begins with the time: batches of one second are sorted by id."""
    models = submission.models
    now = datetime.now(UTC)
    batch_id = f"{now:%Y%m%d-%H%M%S}-{now.microsecond:05x}{secrets.token_hex(2)}"
    estimated = sum(((models.price(row.request) or Decimal(0)) * len(row.stems) for row in rows), Decimal(0))
    db.execute(
        """
        INSERT INTO batches (
            id, name, source, created_at, total, estimated_micros, is_priced, priority, version, workbook_id,
            prefix, suffix, filled_on, copied_from, stop_after)
        VALUES (:id, :name, :source, :now, :total, :estimated, :is_priced, :priority, :version, :workbook_id,
            :prefix, :suffix, :filled_on, :copied_from, :stop_after)
        """,
        {
            **{name: getattr(submission, name) for name in _BATCH_COLUMNS},
            "name": free_name(db, submission.name) if submission.unique_name else submission.name,
            "id": batch_id,
            "stop_after": submission.stop_rule.to_json() if submission.stop_rule else "",
            "now": utc_text(now),
            "total": sum(len(row.stems) for row in rows),
            "estimated": micros(estimated),
            "is_priced": all(models.of(row.request).is_priced for row in rows if row.stems),
            "priority": 0 if submission.source == "batch" else 1,
            "version": version,
        },
    )
    return batch_id


def _record_fields(
    row: _Row, batch_id: str, picture_number: int, stem: str, held: Collection[int]
) -> dict[str, object]:
    request = row.request
    return {
        "created_at": utc_text(datetime.now(UTC)),
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "aspect_ratio": request.aspect_ratio,
        "resolution": request.resolution,
        "num_images": request.num_images,
        "seed": request.seed_of(picture_number),
        "steps": request.steps,
        "sample_images": sample_images_text(request.sample_images),
        "batch_id": batch_id,
        "status": Status.HELD if row.number in held else Status.QUEUED,
        "model": request.model,
        "options": object_text(request.options),
        "row_number": row.number,
        "picture_number": picture_number,
        "reserved_stem": stem,
        "file_key": file_key(stem),
        "requested_filename": request.filename,
        "fingerprint": row.plan.fingerprint,
        "own_columns": object_text(row.extras.columns),
        "templates": object_text(row.extras.templates),
        "position": row.extras.position,
    }
