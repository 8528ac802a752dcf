"""Reading records (one, a page, a selection, the prompts of earlier ones), and the trash."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TypeVar

from app.core.records.copies import note_no_copy
from app.core.records.filter import RecordFilter
from app.core.records.query import count_records, find_ids, find_neighbours, list_record_ids
from app.core.records.rows import options_of, read_records, record_ids, update_records
from app.domain import Record, Status
from app.domain.times import utc_text
from app.engine.connection import Connection, next_version, read_transaction, transaction
from app.engine.values import IN_IDS, SqlList, object_of
from app.errors import NotFound

CHANGED_AT_ONCE = 1_000  # records per transaction, so that other writers do not wait long
_READ_AT_ONCE = 200

# Value of ``deletion_id``: emptying the trash deletes, or has deleted, the record's file.
EMPTIED = -1
NOT_EMPTIED = f"coalesce(deletion_id, 0) <> {EMPTIED}"

Selection = Sequence[int] | RecordFilter
T = TypeVar("T")
_RECORDS_READ = 2_000  # the newest ones, so that a call takes a few milliseconds in a store of any size


def get_record(db: Connection, record_id: int, *, trash: bool = False) -> Record:
    """One record; a deleted one only with ``trash``. Raises NotFound."""
    found = read_records(
        db, "WHERE id = :id AND (deleted_at IS NULL OR :trash = 1)", {"id": record_id, "trash": trash}
    )
    if not found:
        raise NotFound("没有这条记录，它可能已被删除")
    return found[0]


def list_records(db: Connection, wanted: RecordFilter, *, limit: int = 20, offset: int = 0) -> list[Record]:
    """A page of the records that match the filter, in its order."""
    with read_transaction(db):
        return records_of(db, find_ids(db, wanted, limit=limit, offset=offset))


def list_page(
    db: Connection, wanted: RecordFilter, *, limit: int = 20, offset: int = 0
) -> tuple[list[Record], int]:
    """(a page of records, the total number of matches), read from one snapshot."""
    with read_transaction(db):
        return list_records(db, wanted, limit=limit, offset=offset), count_records(db, wanted)


def list_selected(db: Connection, chosen: Selection) -> Iterator[Record]:
    """Iterate over the records of these ids or of this filter; deleted ones only with a ``trash`` filter."""
    trash = isinstance(chosen, RecordFilter) and chosen.trash
    for ids in portions(selected_ids(db, chosen), _READ_AT_ONCE):
        yield from (record for record in records_of(db, ids) if trash or record.deleted_at is None)


def list_own_columns(db: Connection, chosen: Selection) -> list[str]:
    """The names of the own columns of these records, in the order of first appearance."""
    names: dict[str, None] = {}
    for ids in portions(selected_ids(db, chosen), CHANGED_AT_ONCE):
        sql = f"""
            SELECT own_columns
            FROM generation_records
            WHERE id {IN_IDS} AND own_columns <> ''
            GROUP BY own_columns
            ORDER BY min(id)
        """
        for row in db.execute(sql, {"ids": SqlList(ids)}):
            names |= dict.fromkeys(object_of(row["own_columns"]))
    return list(names)


def list_options(db: Connection, chosen: Selection) -> set[str]:
    """Which of OPTIONS are set in any of these records."""
    names: set[str] = set()
    for ids in portions(selected_ids(db, chosen), CHANGED_AT_ONCE):
        sql = f"SELECT DISTINCT options FROM generation_records WHERE id {IN_IDS} AND options <> ''"
        for row in db.execute(sql, {"ids": SqlList(ids)}):
            names |= options_of(row["options"]).keys()
    return names


def list_neighbours(
    db: Connection, wanted: RecordFilter, record_id: int
) -> tuple[Record | None, Record | None]:
    """(previous record, next record) in the order of the filter; None at either end."""
    with read_transaction(db):
        before, after = find_neighbours(db, wanted, record_id)
        return get_record_or_none(db, before), get_record_or_none(db, after)


def get_record_or_none(db: Connection, record_id: int | None) -> Record | None:
    """One record, deleted or not; None when it does not exist."""
    found = records_of(db, [record_id]) if record_id is not None else []
    return found[0] if found else None


def list_records_of_file(db: Connection, filename: str) -> list[Record]:
    """Up to 20 records with this file name, newest first; several only in databases of earlier versions."""
    return read_records(
        db,
        """
        WHERE filename = :filename COLLATE NOCASE AND filename <> ''
        ORDER BY id DESC
        LIMIT 20
        """,
        {"filename": filename},
    )


def list_single_records(
    db: Connection, *, since: int = 0, limit: int = 60, deleted: bool = False
) -> list[Record]:
    """The newest records of the single-image page changed after ``since``, newest first; or the deleted ones.

    A queued record counts as changed with anything: its batch may be paused now, or others begun.
    """
    return read_records(
        db,
        """
        WHERE batch_id IN (
            SELECT id
            FROM batches
            WHERE source = 'single'
            ORDER BY created_at DESC
            LIMIT :limit
        )
        AND (version > :since OR (status = 'queued' AND :since < (SELECT value FROM change_counter)))
        AND CASE WHEN deleted_at IS NULL THEN 0 ELSE 1 END = :deleted
        ORDER BY id DESC
        LIMIT :limit
        """,
        {"since": since, "limit": limit, "deleted": deleted},
    )


def list_siblings(db: Connection, records: Iterable[Record]) -> list[Record]:
    """The records of the batches of these, without deleted ones, by id."""
    batches = SqlList({record.batch_id for record in records if record.batch_id})
    clauses = "WHERE batch_id IN (SELECT value FROM json_each(:batches)) AND deleted_at IS NULL ORDER BY id"
    return read_records(db, clauses, {"batches": batches})


def delete_records(db: Connection, chosen: Selection) -> int:
    """Move records to the trash -> how many; open ones are skipped. Files stay until the trash is emptied."""
    return delete_with_undo(db, chosen)[0]


def delete_with_undo(db: Connection, chosen: Selection) -> tuple[int, int]:
    """As ``delete_records`` -> (how many, the deletion id for ``undo_delete``)."""
    with transaction(db, durable=False):
        deletion = next_version(db)
    fields = {"now": utc_text(datetime.now(UTC)), "deletion": deletion}
    is_chosen = f"id {IN_IDS} AND deleted_at IS NULL AND status NOT IN ('held', 'queued', 'running')"
    deleted = 0
    for portion in portions(selected_ids(db, chosen), CHANGED_AT_ONCE):
        with transaction(db):
            changes = "deleted_at = :now, deletion_id = :deletion"
            deleted += len(update_records(db, changes, is_chosen, fields | {"ids": SqlList(portion)}))
    return deleted, deletion


def restore_records(db: Connection, chosen: Selection) -> int:
    """Restore records from the trash -> how many."""
    number = 0
    for portion in portions(selected_ids(db, chosen), CHANGED_AT_ONCE):
        with transaction(db):
            restored = update_records(
                db,
                "deleted_at = NULL, deletion_id = NULL",
                f"id {IN_IDS} AND deleted_at IS NOT NULL AND {NOT_EMPTIED}",
                {"ids": SqlList(portion)},
            )
            note_no_copy(db, restored)
        number += len(restored)
    return number


def undo_delete(db: Connection, undo: int) -> int:
    """Restore exactly the records of one deletion -> how many."""
    ids = record_ids(db, "WHERE deleted_at IS NOT NULL AND deletion_id = :undo", {"undo": undo})
    return restore_records(db, ids)


def selected_ids(db: Connection, chosen: Selection) -> Iterable[int]:
    """The ids of these records, or of those of a filter."""
    return list(list_record_ids(db, chosen)) if isinstance(chosen, RecordFilter) else chosen


def records_of(db: Connection, ids: Sequence[int]) -> list[Record]:
    """The existing records of these ids, in the same order."""
    found = read_records(db, f"WHERE id {IN_IDS}", {"ids": SqlList(ids)})
    by_id = {record.id: record for record in found}
    return [by_id[record_id] for record_id in ids if record_id in by_id]


def portions(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most ``size`` items, each read when it is needed."""
    rest = iter(items)
    while portion := list(islice(rest, size)):
        yield portion


def is_reference_used(db: Connection, names: Iterable[str]) -> bool:
    """Whether any record, trash included, used a reference with any of these names (hash, URL)."""
    sql = "SELECT EXISTS (SELECT 1 FROM reference_uses WHERE name = :name)"
    return any(db.execute(sql, {"name": name}).fetchone()[0] for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierPrompt:
    """A prompt and its newest record."""

    prompt: str
    record_id: int
    created_at: str


def list_prompts(db: Connection, *, search: str = "", limit: int) -> list[EarlierPrompt]:
    """Different prompts of the newest 2,000 records, newest first.

    With ``search``, of the newest 2,000 that have each of its words in the prompt.
    """
    with read_transaction(db):
        if search.strip():
            wanted = RecordFilter(search=search, search_in="prompt", every_word=True, statuses=tuple(Status))
            newest = f"SELECT id, prompt, created_at FROM generation_records WHERE id {IN_IDS}"
            fields: dict[str, object] = {"ids": SqlList(find_ids(db, wanted, limit=_RECORDS_READ))}
        else:
            newest = """
                SELECT id, prompt, created_at
                FROM generation_records
                WHERE deleted_at IS NULL
                ORDER BY id DESC
                LIMIT :records
            """
            fields = {"records": _RECORDS_READ}
        rows = db.execute(
            f"""
            SELECT prompt, max(id) AS record_id, max(created_at) AS created_at
            FROM ({newest}) AS newest
            GROUP BY prompt
            ORDER BY max(id) DESC
            LIMIT :limit
            """,
            fields | {"limit": limit},
        ).fetchall()
    return [EarlierPrompt(**dict(row)) for row in rows]
