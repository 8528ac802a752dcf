"""How ``app.orders``, which alone calls it, writes an order: names of files; in its transaction the rest."""

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain, count
from typing import Any, NamedTuple

from app.core.queue.runs import free_name
from app.core.records.rows import free_ids, sample_images_text, touch
from app.domain import ImageRequest, Record, RowExtras, SampleImage, Status, file_key
from app.domain.times import utc_text
from app.engine.connection import Connection, next_version
from app.engine.values import IN_IDS, SqlList, message_json, micros, object_text, utc_now
from app.errors import message

# SQLite copies the pages that a statement with triggers changes, so that one statement a record takes twice
# as long. Each value is a variable, of which there are at least 999.
_RECORDS_A_STATEMENT = 40


class WantedName(NamedTuple):
    """The preferred base name of a row, and what follows it in those of its new pictures: ``_2``, or nothing.

    With ``is_more`` the row has pictures of this name already: the new ones get no counter if they need none.
    """

    stem: str
    endings: Sequence[str]
    is_more: bool = False


class FileName(NamedTuple):
    """A base name, and its ``file_key``."""

    stem: str
    key: str


def choose_names(
    db: Connection, wanted: Iterable[WantedName], is_taken: Callable[[str], bool]
) -> list[list[FileName]]:
    """For each row the base names to use; reads the database and the disk.

    Call it before the transaction, which must not wait for a slow disk, and ``are_taken`` inside it.
    """
    rows = [(file_key(row.stem), row) for row in wanted]
    known, highest = _used_names(db, rows)
    chosen, counters = list[list[FileName]](), dict[str, int]()
    for key, row in rows:
        names = list[FileName]()
        first = counters.get(key) or highest.get(key, 0) + 1
        for number in chain([1] * row.is_more, count(first)) if row.endings else ():
            counters[key] = max(number + 1, first)
            counter = "" if number == 1 else f"-{number}"
            names = [FileName(f"{row.stem}{counter}{end}", f"{key}{counter}{end}") for end in row.endings]
            if not any(name.key in known or is_taken(name.stem) for name in names):
                break
        known.update(name.key for name in names)
        chosen.append(names)
    return chosen


def are_taken(db: Connection, names: Sequence[Sequence[FileName]]) -> bool:
    """Whether a record uses one of these names; checks the chosen ones again, inside the transaction."""
    keys = SqlList(name.key for row in names for name in row)
    sql = f"SELECT 1 FROM generation_records WHERE file_key {IN_IDS} LIMIT 1"
    return db.execute(sql, {"ids": keys}).fetchone() is not None


def _used_names(db: Connection, rows: Sequence[tuple[str, WantedName]]) -> tuple[set[str], dict[str, int]]:
    """The keys of the records' names that these rows may want, and by key of a base name the highest counter:
    n of ``name-n`` or ``name-n_1``."""
    keys = SqlList(key + ending for key, row in rows for ending in row.endings)
    sql = f"SELECT file_key FROM generation_records WHERE file_key {IN_IDS}"
    known = {row["file_key"] for row in db.execute(sql, {"ids": keys})}
    numbered = db.execute(
        """
        SELECT base.value AS base, file_key
        FROM json_each(:ids) AS base
        CROSS JOIN generation_records ON file_key >= base.value || '-' AND file_key < base.value || '.'
        """,
        {"ids": SqlList({key for key, row in rows if row.endings})},
    )
    highest: dict[str, int] = {}
    for base, key in numbered:
        known.add(key)
        tail = key[len(base) + 1 :].partition("_")[0]
        if tail.isascii() and tail.isdigit() and len(tail) < 9:
            highest[base] = max(highest.get(base, 0), int(tail))
    return known, highest


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
