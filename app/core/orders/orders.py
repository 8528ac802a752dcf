"""What ``app.orders`` reads before it queues records, and how it writes them; nothing else calls the writers.

All is inside the transaction of the order. A record is written with the same columns by every order.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import Any

from app.core.orders.names import FileName
from app.core.queue.cancellation import HELD_OF_CHANGED
from app.core.queue.runs import NOT_CHARGED, free_name
from app.core.records.rows import IN_MODELS, free_ids, read_records, sample_images_text, touch
from app.domain import ImageRequest, Record, RowExtras, SampleImage, Status
from app.domain.times import utc_text
from app.engine.connection import Connection, next_version
from app.engine.values import IN_IDS, SqlList, message_json, micros, object_text, utc_now
from app.errors import message

# SQLite copies the pages that a statement with triggers changes, so that one statement a record takes twice
# as long. Each value is a variable, of which there are at least 999.
_RECORDS_A_STATEMENT = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class RowColumns:
    """What a record has of its row. ``request`` has the row's seed; ``images``: its references as stored."""

    number: int
    request: ImageRequest
    images: tuple[SampleImage, ...]
    extras: RowExtras
    fingerprint: str

    def of_picture(self, number: int) -> dict[str, object]:
        """The columns of one of its pictures: the one list for all that writes a record."""
        request = self.request
        return {
            "prompt": request.prompt,
            "negative_prompt": request.negative_prompt,
            "aspect_ratio": request.aspect_ratio,
            "resolution": request.resolution,
            "num_images": request.num_images,
            "seed": request.seed_of(number),
            "steps": request.steps,
            "sample_images": sample_images_text(self.images),
            "model": request.model,
            "options": object_text(
                request.asked_options | ({"row_print": request.row_print} if request.row_print else {})
            ),
            "row_number": self.number,
            "picture_number": number,
            "requested_filename": request.filename,
            "fingerprint": self.fingerprint,
            "own_columns": object_text(self.extras.columns),
            "templates": object_text(self.extras.templates),
            "position": self.extras.position,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRows:
    """What a batch holds: ``rows`` are its held records, those of one row together.

    ``changed`` are the numbers of rows that ask for something else in their table since, or were removed.
    """

    rows: Sequence[Sequence[Record]]
    changed: frozenset[int]


def read_held(db: Connection, batch_id: str) -> HeldRows:
    """The held records of a batch, by rows."""
    clauses = "WHERE batch_id = :id AND status = 'held' ORDER BY row_number, picture_number"
    records = read_records(db, clauses, {"id": batch_id})
    changed = db.execute(
        f"""
        SELECT DISTINCT number
        FROM generation_records
        JOIN batches ON batches.id = batch_id
        JOIN table_rows ON table_rows.table_id = batches.table_id AND number = row_number
        WHERE batch_id = :id AND {HELD_OF_CHANGED}
        """,
        {"id": batch_id},
    ).fetchall()
    return HeldRows(
        rows=[list(group) for _, group in groupby(records, attrgetter("row_number"))],
        changed=frozenset(number for (number,) in changed),
    )


def rows_of_roles(db: Connection, batch_id: str, roles: Collection[str]) -> frozenset[int]:
    """The numbers of the rows of the table of a batch that are of these roles of its recipe."""
    rows = db.execute(
        f"""
        SELECT number
        FROM table_rows
        JOIN batches ON batches.table_id = table_rows.table_id
        WHERE batches.id = :id AND role {IN_IDS}
        """,
        {"id": batch_id, "ids": SqlList(roles)},
    ).fetchall()
    return frozenset(number for (number,) in rows)


def count_pictures(db: Connection, record_id: int) -> tuple[int, int]:
    """(how many pictures the batch of a record has, the last picture number of its row), with the trash."""
    found = db.execute(
        """
        SELECT total, max(others.picture_number)
        FROM generation_records AS one
        JOIN batches ON batches.id = one.batch_id
        JOIN generation_records AS others
            ON others.batch_id = one.batch_id AND others.row_number = one.row_number
        WHERE one.id = :id
        GROUP BY batches.id, total
        """,
        {"id": record_id},
    ).fetchone()
    return tuple(found) if found else (0, 0)


def list_failed(db: Connection, batch_id: str) -> list[Record]:
    """The records of a batch that failed without a charge, so that a retry costs no second one."""
    return read_records(db, f"WHERE batch_id = :id AND {NOT_CHARGED} ORDER BY id", {"id": batch_id})


def list_cancelled(db: Connection, batch_id: str) -> list[Record]:
    """The cancelled records of a batch, held ones too, but those written off or bought elsewhere."""
    clauses = """
        WHERE batch_id = :id AND status = 'cancelled' AND deleted_at IS NULL
            AND cause NOT IN ('dropped', 'bought')
        ORDER BY id
    """
    return read_records(db, clauses, {"id": batch_id})


def list_unknown(
    db: Connection, ids: Sequence[int] | None, *, models: Iterable[str] | None = None
) -> list[Record]:
    """The records of unknown outcome among ``ids``, by batch; None: all with an unresolved charge.

    With ``models`` only those to be fetched from these; without ids and models those without a task id.
    """
    chosen = f"id {IN_IDS}"
    if ids is None:
        chosen = "id IN (SELECT record_id FROM charges WHERE outcome = 'unknown')"
        chosen += "" if models is not None else " AND task_id IS NULL"
    if models is not None:
        chosen += f" AND task_id IS NOT NULL AND model {IN_MODELS}"
    return read_records(
        db,
        f"""
        WHERE status = 'unknown' AND {chosen} AND batch_id IN (SELECT id FROM batches)
        ORDER BY batch_id, id
        """,
        {"ids": SqlList(ids or ()), "models": SqlList(models or ())},
    )


def count_charged_failures(db: Connection, batch_id: str) -> int:
    """The failed records of a batch that were charged, so that they are retried only one by one."""
    sql = f"""
        SELECT count(*) AS number
        FROM generation_records
        WHERE batch_id = :id AND status = 'failed' AND deleted_at IS NULL AND NOT ({NOT_CHARGED})
    """
    return int(db.execute(sql, {"id": batch_id}).fetchone()["number"])


def has_images_of_references(db: Connection, table_id: str, model: str) -> bool:
    """Whether there is an image that this model made of references for a row of the table."""
    sql = """
        SELECT 1
        FROM generation_records
        JOIN batches ON batches.id = generation_records.batch_id
        WHERE batches.table_id = :table_id
          AND generation_records.model = :model
          AND generation_records.status = 'success'
          AND generation_records.sample_images <> '[]'
        LIMIT 1
    """
    return db.execute(sql, {"table_id": table_id, "model": model}).fetchone() is not None


def insert_batch(db: Connection, fields: Mapping[str, Any], *, price: Decimal, unique_name: bool) -> str:
    """Insert a batch -> its id, which begins with the time: batches of one second are sorted by id.

    ``price`` is CNY for its pictures. With ``unique_name`` a counter is added to a name that another has.
    """
    now = datetime.now(UTC)
    batch_id = f"{now:%Y%m%d-%H%M%S}-{now.microsecond:05x}{secrets.token_hex(2)}"
    values = {
        **fields,
        "id": batch_id,
        "name": free_name(db, fields["name"]) if unique_name else fields["name"],
        "created_at": utc_text(now),
        "estimated_micros": micros(price),
        "priority": 0 if fields["source"] == "batch" else 1,
        "version": next_version(db),
    }
    db.execute(f"INSERT INTO batches ({', '.join(values)}) VALUES (:{', :'.join(values)})", values)
    return batch_id


def insert_pictures(
    db: Connection,
    batch_id: str,
    pictures: Sequence[tuple[RowColumns, int, FileName]],
    held: Collection[int],
) -> list[int]:
    """Insert a record for each (row, picture number, file name), in ``held`` rows held -> their ids."""
    if not pictures:
        return []
    version = touch(db, batch_ids=[batch_id])
    now, ids = utc_text(datetime.now(UTC)), free_ids(db, "generation_records", len(pictures))
    records: list[dict[str, object]] = [
        {
            "id": record_id,
            "created_at": now,
            "batch_id": batch_id,
            "status": Status.HELD if row.number in held else Status.QUEUED,
            "reserved_stem": name.stem,
            "file_key": name.key,
            "version": version,
            **row.of_picture(number),
        }
        for record_id, (row, number, name) in zip(ids, pictures, strict=True)
    ]
    names = ", ".join(records[0])
    for start in range(0, len(records), _RECORDS_A_STATEMENT):
        portion = records[start : start + _RECORDS_A_STATEMENT]
        values = ", ".join([f"({', '.join('?' * len(portion[0]))})"] * len(portion))
        sql = f"INSERT INTO generation_records ({names}) VALUES {values}"
        db.execute(sql, [value for record in portion for value in record.values()])
    return ids


_AS_NEW = """
    error = '', error_message = '', cause = '', not_before = 0, retries = 0, throttle_count = 0,
    crash_count = 0, pick = '', started_at = NULL, finished_at = NULL, deleted_at = NULL, deletion_id = NULL
"""


def queue_records_again(db: Connection, pictures: Sequence[tuple[RowColumns, Record]]) -> None:
    """Queue records, to be submitted as the row says."""
    _update(
        db,
        f"status = 'queued', task_id = NULL, fetch_while_paused = 0, {_AS_NEW}",
        [{"id": record.id, **row.of_picture(record.picture_number)} for row, record in pictures],
    )


def requeue_as_they_are(db: Connection, records: Sequence[Record]) -> None:
    """Queue records with a task id, which are fetched while paused too; hold those that were held."""
    fields = [
        {
            "id": each.id,
            "status": Status.HELD if each.cause == "held" else Status.QUEUED,
            "fetches": bool(each.task_id),
        }
        for each in records
    ]
    assignments = f"status = :status, fetch_while_paused = :fetches, {_AS_NEW}"
    db.executemany(f"UPDATE generation_records SET {assignments} WHERE id = :id", fields)


def cancel_bought(db: Connection, pictures: Sequence[tuple[RowColumns, Record, Sequence[int]]]) -> None:
    """Cancel held records, with the words that were chosen, because other records have their pictures, or
    because their row asks for something else now."""
    found = []
    for row, record, bought in pictures:
        there = message("已经有同样的图片（记录 {ids}），没有再做", ids=tuple(bought[:3]))
        why = there if bought else message("这一行后来改过，没有照原来的做")
        texts = {"error": str(why), "error_message": message_json(why), "finished_at": utc_now()}
        found.append({"id": record.id, **row.of_picture(record.picture_number), **texts})
    _update(db, "status = 'cancelled', cause = 'bought'", found)


def _update(db: Connection, assignments: str, records: Sequence[Mapping[str, object]]) -> None:
    if records:
        more = ", ".join(f"{name} = :{name}" for name in records[0] if name != "id")
        db.executemany(f"UPDATE generation_records SET {assignments}, {more} WHERE id = :id", records)


def count_added(db: Connection, batch_id: str, *, number: int, price: Decimal, is_priced: bool) -> None:
    """Count more pictures in a batch; ``price`` is CNY for them."""
    db.execute(
        """
        UPDATE batches
        SET total = total + :number, estimated_micros = estimated_micros + :price,
            is_priced = min(is_priced, :is_priced)
        WHERE id = :id
        """,
        {"id": batch_id, "number": number, "price": micros(price), "is_priced": is_priced},
    )


def count_released(
    db: Connection,
    batch_id: str,
    *,
    others: int,
    change: Decimal,
    is_priced: bool,
) -> None:
    """Change a batch's estimate by ``change`` CNY; its stop rule starts anew.

    What was estimated for the ``others``, records of a model that is not there, is their share of the whole.
    """
    db.execute(
        """
        UPDATE batches
        SET is_priced = is_priced * :is_priced,
            estimated_micros = max(estimated_micros - estimated_micros * :others / total + :change, 0),
            outcomes = ''
        WHERE id = :id
        """,
        {
            "id": batch_id,
            "is_priced": is_priced,
            "others": others,
            "change": micros(change),
        },
    )


def activate_batch(db: Connection, batch_id: str, *, paused: bool = False, fetch_only: bool = False) -> bool:
    """Activate a batch that has queued records again -> whether it is paused.

    A paused batch stays paused, since its other records would be submitted, unless they are all held; with
    ``paused`` an ended one becomes paused too. With ``fetch_only`` nothing is submitted, and a cancelled
    batch stays cancelled. The stop rule of a batch that was not active starts anew.
    """
    db.execute(
        """
        UPDATE batches
        SET state = CASE WHEN :paused = 1 AND state <> 'active' THEN 'paused' ELSE 'active' END,
            paused_cause = CASE WHEN :paused = 1 AND state <> 'active' THEN 'user' ELSE '' END,
            paused_reason = '', paused_message = '',
            outcomes = CASE state WHEN 'active' THEN outcomes ELSE '' END
        WHERE id = :id AND (state <> 'paused' OR paused_cause = 'sample')
            AND NOT (:fetch_only = 1 AND state = 'cancelled')
        """,
        {"id": batch_id, "paused": paused, "fetch_only": fetch_only},
    )
    state = db.execute("SELECT state FROM batches WHERE id = :id", {"id": batch_id}).fetchone()["state"]
    return bool(state == "paused")


def reopen_held(db: Connection, batch_id: str) -> None:
    """Make a batch with records that are held again active, unless it is paused."""
    db.execute("UPDATE batches SET state = 'active' WHERE id = :id AND state <> 'paused'", {"id": batch_id})
