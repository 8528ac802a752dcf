"""Rows of records: read as domain types, also what an earlier app or another program wrote; and changed.

Every change of a record or batch gives both the next version. Pages poll for changes after the version they
have, so a change without a new version is never shown.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from app.domain import OPTIONS, Edit, Record, SampleImage, Status, marks_of
from app.engine.connection import Connection, Row, next_version
from app.engine.values import IN_IDS, SqlList, number_of, object_of, priced, text_of, to_message

# The same of the ids of image models: the parameter ``models``.
IN_MODELS = "IN (SELECT value FROM json_each(:models))"

# The id of the person who pays for a record; NULL: the one at the machine, or not known.
PAYER = """
    nullif(
        coalesce(
            generation_records.person_id,
            (SELECT batches.person_id FROM batches WHERE batches.id = generation_records.batch_id)
        ),
        0
    )
"""

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


def sample_images_text(images: tuple[SampleImage, ...]) -> str:
    """Reference images -> the JSON stored in the column."""
    pins = [{name: getattr(image, name) for name in _SAMPLE_IMAGE} for image in images]
    kept = [{name: pin[name] for name in pin if pin[name] or name in ("url", "filename")} for pin in pins]
    return json.dumps(kept, ensure_ascii=False)


def options_of(text: str) -> dict[str, Any]:
    """The stored options of a request: those of the names that are known, and what was changed."""
    found = object_of(text)
    known = {name: found[name] for name in OPTIONS if name in found}
    if edit := Edit.from_json(found.get("edit")):
        known["edit"] = edit
    return known | ({"row_print": origin} if isinstance(origin := found.get("row_print"), str) else {})


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


def free_ids(db: Connection, table: str, number: int) -> list[int]:
    """Ids that no row of this table has or had; inside the transaction that inserts them."""
    if db.engine == "postgres":
        sql = (
            f"SELECT nextval(pg_get_serial_sequence('{table}', 'id')) AS id FROM generate_series(1, :number)"
        )
        return [row["id"] for row in db.execute(sql, {"number": number}).fetchall()]
    sql = f"""
        SELECT max(
            coalesce((SELECT seq FROM sqlite_sequence WHERE name = :table), 0),
            coalesce((SELECT max(id) FROM {table}), 0)) AS last
    """
    last = db.execute(sql, {"table": table}).fetchone()["last"]
    return list(range(last + 1, last + 1 + number))


def update_records(
    db: Connection, assignments: str, condition: str, fields: Mapping[str, object]
) -> list[int]:
    """Update the records that meet the condition, and touch them -> their ids; inside a transaction."""
    rows = db.execute(
        f"UPDATE generation_records SET {assignments} WHERE {condition} RETURNING id", fields
    ).fetchall()
    ids = [row["id"] for row in rows]
    if ids:
        touch(db, ids)
    return ids


def touch(db: Connection, record_ids: Iterable[int] = (), *, batch_ids: Iterable[str] = ()) -> int:
    """Set the next version on these records, their batches and these batches -> that version.

    Called in the transaction of the change. In a shared one the records are noted for ``fold_changes`` -> 0.
    """
    if db.is_shared:
        for record_id in record_ids:
            db.execute("INSERT INTO pending_changes (record_id) VALUES (:id)", {"id": record_id})
        return 0
    version = next_version(db)
    fields = {"version": version, "ids": SqlList(record_ids), "batch_ids": SqlList(batch_ids)}
    db.execute(f"UPDATE generation_records SET version = :version WHERE id {IN_IDS}", fields)
    db.execute(
        f"""
        UPDATE batches
        SET version = :version
        WHERE id IN (SELECT value FROM json_each(:batch_ids))
           OR id IN (SELECT batch_id FROM generation_records WHERE id {IN_IDS})
        """,
        fields,
    )
    return version
