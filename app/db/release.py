"""Release the held records of a batch, with the words and sizes that were chosen since."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from app.db.batch_log import add_log
from app.db.batch_models import check_models
from app.db.batches import finish_if_done, resume_in_transaction
from app.db.connection import Connection, transaction
from app.db.fingerprints import complete_fingerprints, known_pictures, lacks_fingerprints
from app.db.request_keys import RequestKey, find_answer, save_answer
from app.db.row_mapping import message_json, micros, object_of, object_text, read_records, record_ids, utc_now
from app.db.versions import touch
from app.domain import (
    ImageRequest,
    KnownPicture,
    Models,
    Record,
    SkippedRow,
    Standing,
    Status,
    fingerprint,
    missing_numbers,
    own_column_names,
)
from app.errors import message

_HELD = "batch_id = :id AND status = 'held'"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRows:
    """What a batch holds: ``rows`` are its held records, those of one row together.

    ``own_names`` are the own columns of all its rows; ``filled_on`` is what ``{日期}`` stood for.
    """

    rows: Sequence[Sequence[Record]]
    own_names: Sequence[str]
    filled_on: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRow:
    """A held row as it is to be made. ``request`` has the row's seed; ``templates`` are its typed forms."""

    records: Sequence[Record]
    request: ImageRequest
    templates: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRow:
    """The records of a row to submit; those left out are bought already, as the records ``bought``."""

    row: ReleaseRow
    fingerprint: str
    to_make: Sequence[Record]
    bought: Sequence[int]

    @property
    def number(self) -> int:
        """The row's number."""
        return self.row.records[0].row_number

    @property
    def left_out(self) -> list[Record]:
        """The records that are not submitted."""
        submitted = {record.id for record in self.to_make}
        return [record for record in self.row.records if record.id not in submitted]

    def price(self, models: Models) -> Decimal | None:
        """CNY for the records to submit; None if the price is unknown."""
        price = models.price(self.row.request)
        return None if price is None else price * len(self.to_make)


class Released(NamedTuple):
    """The number of records released, and the rows of which some were left out."""

    number: int
    skipped: list[SkippedRow]


def list_held(db: Connection, batch_id: str) -> HeldRows:
    """The held records of a batch, by rows."""
    records = read_records(db, f"WHERE {_HELD} ORDER BY row_number, picture_number", {"id": batch_id})
    columns = db.execute(
        """
        SELECT own_columns
        FROM generation_records
        WHERE batch_id = :id AND own_columns <> ''
        GROUP BY own_columns
        ORDER BY min(id)
        """,
        {"id": batch_id},
    ).fetchall()
    batch = db.execute("SELECT filled_on FROM batches WHERE id = :id", {"id": batch_id}).fetchone()
    return HeldRows(
        rows=[list(group) for _, group in groupby(records, attrgetter("row_number"))],
        own_names=own_column_names(object_of(row["own_columns"]) for row in columns),
        filled_on=batch["filled_on"] if batch else "",
    )


def plan_release(db: Connection, batch_id: str, rows: Sequence[ReleaseRow]) -> list[PlannedRow]:
    """What to submit of each row. Requests are as ``Models.accept`` returns them.

    Of a row with other words or sizes than before, every picture bought elsewhere is left out. Otherwise only
    those that another batch bought since this one was submitted: the user knew of the earlier ones.
    Complete only when every record has its fingerprint (``complete_fingerprints``).
    """
    prints = [fingerprint(row.request) for row in rows]
    is_same = [key == fingerprint(row.records[0].row_request) for key, row in zip(prints, rows, strict=True)]
    same = {key for key, unchanged in zip(prints, is_same, strict=True) if unchanged}
    since = known_pictures(db, same, without="batch_id = :batch", batch=batch_id)
    ever = known_pictures(
        db, {*prints} - same, without="batch_id = :batch AND status = 'held'", batch=batch_id
    )
    planned = []
    for row, key, unchanged in zip(rows, prints, is_same, strict=True):
        known = [each for each in since.get(key, ()) if each.id > row.records[0].id]
        planned.append(_planned(row, key, known if unchanged else ever.get(key, [])))
    return planned


def _planned(row: ReleaseRow, key: str, known: Sequence[KnownPicture]) -> PlannedRow:
    numbers = missing_numbers(row.request, known, [record.picture_number for record in row.records])
    to_make = [record for record in row.records if record.picture_number in numbers]
    bought = [picture.id for picture in known if picture.standing is not Standing.TRASHED]
    return PlannedRow(row=row, fingerprint=key, to_make=to_make, bought=bought)


def skipped_rows(planned: Sequence[PlannedRow]) -> list[SkippedRow]:
    """The rows of which pictures are left out, with the records that have them."""
    return [SkippedRow(row=row.number, records=list(row.bought)) for row in planned if row.left_out]


def release_rows(
    db: Connection,
    batch_id: str,
    rows: Sequence[ReleaseRow],
    *,
    models: Models,
    prefix: str,
    suffix: str,
    key: RequestKey | None = None,
) -> Released | None:
    """Queue held records as ``rows`` say, and resume the batch; ``prefix`` and ``suffix`` are its new ones.

    Pictures that are bought already are cancelled instead. None, with nothing changed, when ``rows`` are not
    all that the batch holds: it was changed since they were read. A used ``key`` releases nothing and returns
    what its first call released. Raises Conflict when other records are queued for a model that is not there.
    """
    wanted = sorted(record.id for row in rows for record in row.records)
    while True:
        complete_fingerprints(db)
        with transaction(db):
            if answer := find_answer(db, key):
                return released_before(answer)
            if lacks_fingerprints(db):
                continue
            if record_ids(db, f"WHERE {_HELD} ORDER BY id", {"id": batch_id}) != wanted:
                return None
            check_models(db, batch_id, models.ids)
            planned = plan_release(db, batch_id, rows)
            released = _release(db, batch_id, planned)
            _update_batch(db, batch_id, planned, models, {"prefix": prefix, "suffix": suffix})
            answer = {"number": released.number, "skipped": [asdict(row) for row in released.skipped]}
            save_answer(db, key, answer)
        return released


def released_before(answer: Mapping[str, Any]) -> Released:
    """The answer stored with a request key -> what was released then."""
    return Released(answer["number"], [SkippedRow(**row) for row in answer["skipped"]])


def _release(db: Connection, batch_id: str, planned: Sequence[PlannedRow]) -> Released:
    fields = [
        _record_fields(row, record, is_bought=is_bought)
        for row in planned
        for is_bought, records in ((False, row.to_make), (True, row.left_out))
        for record in records
    ]
    db.executemany(
        """
        UPDATE generation_records
        SET status = :status, prompt = :prompt, aspect_ratio = :aspect_ratio, resolution = :resolution,
            seed = :seed, steps = :steps, model = :model, options = :options,
            templates = :templates, fingerprint = :fingerprint,
            error = :error, error_message = :error_message, cause = :cause, finished_at = :finished_at
        WHERE id = :id
        """,
        fields,
    )
    touch(db, [record.id for row in planned for record in row.row.records])
    number = sum(len(row.to_make) for row in planned)
    add_log(db, batch_id, "info", message("放行 {n} 张", n=number))
    if left_out := len(fields) - number:
        add_log(db, batch_id, "info", message("{n} 张已经做过或正在做，没有再做", n=left_out))
    return Released(number, skipped_rows(planned))


def _record_fields(row: PlannedRow, record: Record, *, is_bought: bool) -> dict[str, object]:
    request = row.row.request
    why = message("已经有同样的图片（记录 {ids}），没有再做", ids=tuple(row.bought[:3]))
    return {
        "id": record.id,
        "status": Status.CANCELLED if is_bought else Status.QUEUED,
        "cause": "bought" if is_bought else "",
        "error": str(why) if is_bought else "",
        "error_message": message_json(why) if is_bought else "",
        "finished_at": utc_now() if is_bought else None,
        "prompt": request.prompt,
        "aspect_ratio": request.aspect_ratio,
        "resolution": request.resolution,
        "seed": request.seed_of(record.picture_number),
        "steps": request.steps,
        "model": request.model,
        "options": object_text(request.options),
        "templates": object_text(row.row.templates),
        "fingerprint": row.fingerprint,
    }


def _update_batch(
    db: Connection,
    batch_id: str,
    planned: Sequence[PlannedRow],
    models: Models,
    affixes: Mapping[str, str],
) -> None:
    """Resume the batch, or finish it when nothing is left; update its affixes and its estimated cost.

    Its stop rule starts anew. What was estimated for records of a model that is not there is their share of
    the whole.
    """
    held = [record for row in planned for record in row.row.records]
    same = [record for record in held if record.model in models]
    before = sum((models.price(record.request) or Decimal(0) for record in same), Decimal(0))
    after = sum((row.price(models) or Decimal(0) for row in planned), Decimal(0))
    db.execute(
        """
        UPDATE batches
        SET prefix = :prefix, suffix = :suffix, is_priced = is_priced * :is_priced,
            estimated_micros = max(estimated_micros - estimated_micros * :others / total + :change, 0),
            outcomes = ''
        WHERE id = :id
        """,
        {
            **affixes,
            "id": batch_id,
            "is_priced": all(models.of(row.row.request).is_priced for row in planned if row.to_make),
            "others": len(held) - len(same),
            "change": micros(after - before),
        },
    )
    resume_in_transaction(db, batch_id)
    finish_if_done(db, batch_id)
