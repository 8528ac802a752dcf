"""Rows of records to domain types and back, also of values that an earlier app or another program wrote."""

import json
from collections.abc import Mapping
from typing import Any

from app.domain import OPTIONS, Edit, LogLine, Record, SampleImage, Status, marks_of
from app.engine.connection import Connection, Row
from app.engine.values import number_of, object_of, priced, text_of, to_message

# The same of the ids of image models: the parameter ``models``.
IN_MODELS = "IN (SELECT value FROM json_each(:models))"

# Whether there is a task id, as a number.
HAS_TASK_ID = "CASE WHEN task_id IS NULL THEN 0 ELSE 1 END"

# The columns of a Record; ``*`` would also fetch the queue's own columns.
RECORD = """
    id, created_at, prompt, negative_prompt, aspect_ratio, resolution, width, height, num_images, seed, steps,
    sample_images, image_path, filename, batch_id, status, model, error, cause, cost_micros, at_stake_micros,
    error_message, started_at, finished_at, deleted_at, row_number, picture_number,
    reserved_stem, requested_filename,
    task_id, attempts, retries, throttle_count, not_before, version, file_size, sha256,
    crash_count, cost_unpriced, at_stake_unpriced, own_columns, templates, pick, position, options, marks
"""
NUMBERS = ("width", "height", "num_images", "seed", "steps")
_STATUSES = frozenset(Status)
_SAMPLE_IMAGE = ("url", "filename", "key", "sha256", "etag")


def read_records(db: Connection, clauses: str, fields: Mapping[str, object]) -> list[Record]:
    """The records selected by these clauses, ``WHERE`` and what follows."""
    rows = db.execute(f"SELECT {RECORD} FROM generation_records {clauses}", fields).fetchall()
    return [to_record(row) for row in rows]


def record_ids(db: Connection, clauses: str, fields: Mapping[str, object]) -> list[int]:
    """The ids of the records selected by these clauses, ``WHERE`` and what follows."""
    return [row["id"] for row in db.execute(f"SELECT id FROM generation_records {clauses}", fields)]


def has_record(db: Connection, condition: str, fields: Mapping[str, object]) -> bool:
    """Whether a record meets the condition."""
    sql = f"SELECT 1 FROM generation_records WHERE {condition} LIMIT 1"
    return db.execute(sql, fields).fetchone() is not None


def to_record(row: Row) -> Record:
    """A row of the RECORD columns -> Record."""
    fields = dict(row)
    raw = {name: value for name, value in fields.items() if isinstance(value, bytes)}
    fields |= {name: number_of(b) if name in NUMBERS else text_of(b) for name, b in raw.items()}
    fields["cost"] = priced(fields.pop("cost_micros"), fields.pop("cost_unpriced"))
    fields["at_stake"] = priced(fields.pop("at_stake_micros"), fields.pop("at_stake_unpriced"))
    fields["error"] = to_message(fields["error"], fields.pop("error_message"))
    fields["status"] = status_of(fields["status"], fields["image_path"])
    fields["columns"] = object_of(fields.pop("own_columns"))
    fields["templates"] = object_of(fields["templates"])
    fields["marks"] = marks_of(object_of(fields["marks"]))
    fields["options"] = options_of(fields["options"])
    fields["sample_images"] = stored_sample_images(fields["sample_images"])
    return Record(**fields)


def status_of(word: str, image_path: object) -> Status:
    """The stored status; an unknown word is SUCCESS when there is an image, else FAILED."""
    if word in _STATUSES:
        return Status(word)
    return Status.SUCCESS if image_path else Status.FAILED


def to_log_line(row: Row) -> LogLine:
    """A row of ``batch_log`` -> LogLine."""
    return LogLine(
        at=row["at"],
        level=row["level"],
        text=to_message(row["text"], row["message"]),
        record_id=row["record_id"],
    )


def sample_images_text(images: tuple[SampleImage, ...]) -> str:
    """Reference images -> the JSON stored in the column."""
    return "[]" if not images else json.dumps([_pinned(image) for image in images], ensure_ascii=False)


def options_of(text: str) -> dict[str, Any]:
    """The stored options of a request: those of the names that are known, and what was changed."""
    found = object_of(text)
    known = {name: found[name] for name in OPTIONS if name in found}
    if edit := Edit.from_json(found.get("edit")):
        known["edit"] = edit
    return known | ({"row_print": origin} if isinstance(origin := found.get("row_print"), str) else {})


def _pinned(image: SampleImage) -> dict[str, str]:
    pins = {"key": image.key, "sha256": image.sha256, "etag": image.etag}
    return {"url": image.url, "filename": image.filename} | {k: v for k, v in pins.items() if v}


def stored_sample_images(text: str | None) -> tuple[SampleImage, ...]:
    """The JSON of the column -> reference images; empty when it cannot be parsed."""
    if text == "[]":
        return ()
    try:
        items = json.loads(text or "[]")
    except (ValueError, RecursionError):
        return ()
    if not isinstance(items, list):
        return ()
    return tuple(
        SampleImage(**{name: str(item.get(name) or "") for name in _SAMPLE_IMAGE})
        for item in items
        if isinstance(item, dict)
    )
