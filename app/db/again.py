"""Another picture of a row: a new record beside those that the row has already."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

from app.db.batch_log import add_log, row_label
from app.db.batch_models import check_models
from app.db.connection import Connection, transaction
from app.db.file_names import are_taken, choose_names
from app.db.record_changes import log_changes, stored_changes
from app.db.records import records_of
from app.db.request_keys import RequestKey, find_answer, save_answer
from app.db.requeue import activate_batch
from app.db.row_mapping import micros, object_text, utc_text
from app.db.versions import touch
from app.domain import (
    MAX_PICTURES_A_BATCH,
    Changes,
    ImageRequest,
    Models,
    Record,
    Status,
    changed_request,
    differing,
    file_key,
    fingerprint,
)
from app.errors import Conflict, message

_ENDED = (Status.SUCCESS, Status.FAILED, Status.UNKNOWN, Status.CANCELLED)
_MAX_PICTURE_NUMBER = 99  # file names end with two digits at most
_OF_THE_ROW = """
    batch_id, row_number, num_images, requested_filename, own_columns, position, prompt, negative_prompt,
    aspect_ratio, resolution, sample_images, templates
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MorePictures:
    """One more picture of the row of each of these records.

    ids       the records, each once
    changes   of their new pictures, by id
    stems     by id, the preferred file names without extension and number; ``is_taken`` as in a Submission
    key       a key that was used adds nothing
    """

    ids: Sequence[int]
    models: Models
    stems: Mapping[int, str]
    is_taken: Callable[[str], bool]
    changes: Mapping[int, Changes] = field(default_factory=dict)
    key: RequestKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Picture:
    """A picture to add: the record it follows, what differs from that, and what is asked without a seed."""

    record: Record
    changes: Changes
    request: ImageRequest
    number: int


def add_pictures(db: Connection, batch_id: str, wanted: MorePictures) -> list[int]:
    """Queue one more picture of the row of each record -> the new ids.

    They have the next picture numbers of their rows and no seed, which would make the same picture. An ended
    batch becomes active, also one whose sample is done; another paused one stays paused. Raises Conflict when
    a record is not of this batch or has not ended, and when the model or the batch cannot take them.
    """
    while True:
        planned = _plan(db, batch_id, wanted)
        names = _choose_names(db, planned, wanted)
        with transaction(db):
            if answer := find_answer(db, wanted.key):
                return list(answer["records"])
            if _plan(db, batch_id, wanted) != planned or are_taken(db, [names]):
                continue
            ids = [_insert(db, picture, stem) for picture, stem in zip(planned, names, strict=True)]
            touch(db, ids)
            _add_to_batch(db, batch_id, planned, wanted.models)
            save_answer(db, wanted.key, {"records": ids})
        return ids


def _plan(db: Connection, batch_id: str, wanted: MorePictures) -> list[_Picture]:
    records = records_of(db, wanted.ids)
    if len(records) < len(wanted.ids) or not all(_is_ended(record, batch_id) for record in records):
        raise Conflict("只有这个批次里已经结束的图片可以再来一张，请刷新后再选")
    sql = "SELECT total FROM batches WHERE id = :id"
    total = db.execute(sql, {"id": batch_id}).fetchone()["total"] + len(records)
    if total > MAX_PICTURES_A_BATCH:
        text = "一个批次最多 {limit} 张，再做就有 {n} 张了，请另起一批"
        raise Conflict(text, limit=MAX_PICTURES_A_BATCH, n=total)
    last = _last_numbers(db, batch_id)
    planned = []
    for record in records:
        last[record.row_number] += 1
        changes = differing(record, wanted.changes.get(record.id, {}))
        planned.append(_picture(record, changes, last[record.row_number], wanted.models))
    return planned


def _is_ended(record: Record, batch_id: str) -> bool:
    return record.batch_id == batch_id and record.deleted_at is None and record.status in _ENDED


def _last_numbers(db: Connection, batch_id: str) -> Counter[int]:
    """The highest picture number of each row, those in the trash included."""
    sql = """
        SELECT row_number, max(picture_number)
        FROM generation_records
        WHERE batch_id = :id
        GROUP BY row_number
    """
    return Counter(dict(db.execute(sql, {"id": batch_id}).fetchall()))


def _picture(record: Record, changes: Changes, number: int, models: Models) -> _Picture:
    request = models.accept(replace(changed_request(record, changes), seed=None))
    for problem in models.unsupported(request):
        raise Conflict("{place}：{reason}", place=row_label(record), reason=problem.message)
    if number > _MAX_PICTURE_NUMBER:
        text = "{place}：一行最多 {limit} 张，请另起一批"
        raise Conflict(text, place=row_label(record), limit=_MAX_PICTURE_NUMBER)
    return _Picture(record=record, changes=changes, request=request, number=number)


def _choose_names(db: Connection, planned: Sequence[_Picture], wanted: MorePictures) -> list[str]:
    """A free file name for each picture: the preferred one with its number, else with a counter too."""
    chosen: dict[int, str] = {}
    others: dict[int, tuple[str, list[str]]] = {}
    keys: set[str] = set()
    for index, picture in enumerate(planned):
        base, ending = wanted.stems[picture.record.id], f"_{picture.number}"
        name = base + ending
        if file_key(name) in keys or wanted.is_taken(name) or are_taken(db, [[name]]):
            others[index] = (base, [ending])
        else:
            chosen[index] = name
            keys.add(file_key(name))
    found = choose_names(db, others.values(), lambda stem: file_key(stem) in keys or wanted.is_taken(stem))
    chosen |= dict(zip(others, (stem for (stem,) in found), strict=True))
    return [chosen[index] for index in range(len(planned))]


def _insert(db: Connection, picture: _Picture, stem: str) -> int:
    """Insert the record, with the columns of its row."""
    values = {
        **stored_changes(picture.record, picture.changes),
        "created_at": utc_text(datetime.now(UTC)),
        "status": Status.QUEUED,
        "model": picture.request.model,
        "options": object_text(picture.request.options),
        "steps": picture.request.steps,
        "picture_number": picture.number,
        "reserved_stem": stem,
        "file_key": file_key(stem),
        "fingerprint": fingerprint(picture.request),
    }
    copied = [name for name in map(str.strip, _OF_THE_ROW.split(",")) if name not in values]
    sql = f"""
        INSERT INTO generation_records ({", ".join((*copied, *values))})
        SELECT {", ".join((*copied, *(f":{name}" for name in values)))}
        FROM generation_records
        WHERE id = :record
        RETURNING id
    """
    new = int(db.execute(sql, values | {"record": picture.record.id}).fetchall()[0]["id"])
    if picture.changes:
        text = "{place}：改了{fields}，再做一张。原来是{values}"
        log_changes(db, picture.record, picture.changes, text, record_id=new)
    return new


def _add_to_batch(db: Connection, batch_id: str, added: Sequence[_Picture], models: Models) -> None:
    """Count the pictures in the batch, and activate it."""
    check_models(db, batch_id, models.ids)
    price = sum((models.price(picture.request) or Decimal(0) for picture in added), Decimal(0))
    is_priced = all(models.of(picture.request).is_priced for picture in added)
    db.execute(
        """
        UPDATE batches
        SET total = total + :number, estimated_micros = estimated_micros + :price,
            is_priced = min(is_priced, :is_priced)
        WHERE id = :id
        """,
        {"id": batch_id, "number": len(added), "price": micros(price), "is_priced": is_priced},
    )
    is_paused = activate_batch(db, batch_id)
    text = "再做 {n} 张，等批次继续" if is_paused else "再做 {n} 张"
    add_log(db, batch_id, "info", message(text, n=len(added)))
