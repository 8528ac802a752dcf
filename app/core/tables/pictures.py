"""The pictures that rows of tables show, linked to them or of equal rows, and those that a batch delivers."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from app.core.orders.fingerprints import newest_known, of_prints
from app.core.orders.orders import RowColumns
from app.core.records.records import EMPTIED, records_of
from app.core.records.rows import options_of, read_records, status_of
from app.core.tables.rows import get_table, read_rows, row_ids_of, table_of_batch, update_rows, update_table
from app.domain import Record, Status
from app.domain.tables import Row, RowPicture, Table, sent_words, typed_fields
from app.engine.connection import Connection, next_version
from app.engine.values import IN_IDS, SqlList, object_of, object_text, to_message

_PICTURE = """
    id, picture_number, status, fingerprint, filename, image_path, deleted_at, cost_micros, cost_unpriced,
    cause, pick, width, height, error, error_message, model,
    generation_records.batch_id, options
"""

_SHARED = """
    row_pictures
    JOIN table_rows ON table_rows.id = row_pictures.row_id
    JOIN generation_records AS records ON records.id = row_pictures.record_id
    WHERE row_pictures.batch_id = :id AND row_pictures.is_shared = 1
"""
# Of each row what sorts it as its table does, else by record id.
_PLACES = f"""
    SELECT row_number, min(place) AS place
    FROM (
        SELECT records.row_number, coalesce(table_rows.position, records.id) AS place
        FROM generation_records AS records
        LEFT JOIN row_pictures ON row_pictures.record_id = records.id
            AND row_pictures.batch_id = records.batch_id AND row_pictures.is_shared = 0
        LEFT JOIN table_rows ON table_rows.id = row_pictures.row_id
        WHERE records.batch_id = :id
        UNION ALL
        SELECT table_rows.number, table_rows.position
        FROM {_SHARED}
    ) AS pictures
    GROUP BY row_number
"""


def link_pictures(db: Connection, batch_id: str | None, links: Collection[tuple[int, int, bool]]) -> None:
    """Show pictures in rows since a run: (row id, record id, whether it was bought for another row).

    The pictures are then found by the names and own columns of the rows that share them. A row that a picture
    was bought for keeps that link. Inside a transaction.
    """
    db.executemany(
        """
        INSERT INTO row_pictures (row_id, record_id, batch_id, is_shared)
        VALUES (:row, :record, :batch, :is_shared)
        ON CONFLICT (row_id, record_id) DO UPDATE
        SET batch_id = excluded.batch_id
        WHERE row_pictures.is_shared = 1
        """,
        [
            {"row": row_id, "record": record_id, "batch": batch_id, "is_shared": int(is_shared)}
            for row_id, record_id, is_shared in links
        ],
    )
    if shared := SqlList({record_id for _, record_id, is_shared in links if is_shared}):
        _store_searched_columns(db, shared)


def link_new_pictures(db: Connection, record_ids: Collection[int]) -> None:
    """Show these records in the rows of their numbers, in the tables of their batches; in a transaction."""
    db.execute(
        f"""
        INSERT INTO row_pictures (row_id, record_id, batch_id)
        SELECT table_rows.id, generation_records.id, batch_id
        FROM generation_records
        JOIN batches ON batches.id = batch_id
        JOIN table_rows ON table_rows.table_id = batches.table_id AND number = row_number
        WHERE generation_records.id {IN_IDS}
        ON CONFLICT DO NOTHING
        """,
        {"ids": SqlList(record_ids)},
    )


def link_shared_pictures(
    db: Connection, table_id: str, batch_id: str, shared: Mapping[int, Collection[int]]
) -> None:
    """Show pictures of equal rows in rows of a table: row number -> record ids; in a transaction."""
    rows = row_ids_of(db, table_id, shared)
    links = [(row_id, record_id, True) for number, row_id in rows.items() for record_id in shared[number]]
    link_pictures(db, batch_id or None, links)


def _store_searched_columns(db: Connection, record_ids: SqlList) -> None:
    texts: dict[int, list[str]] = defaultdict(list)
    rows = db.execute(
        f"""
        SELECT record_id, filename, own_columns
        FROM row_pictures
        JOIN table_rows ON table_rows.id = row_pictures.row_id
        WHERE record_id {IN_IDS} AND is_shared = 1
        ORDER BY row_pictures.row_id
        """,
        {"ids": record_ids},
    )
    for record_id, filename, own_columns in rows:
        texts[record_id] += filter(None, (filename, *map(str, object_of(own_columns).values())))
    records = db.execute(
        f"SELECT id, own_columns FROM generation_records WHERE id {IN_IDS}", {"ids": record_ids}
    ).fetchall()
    searched = []
    for record_id, own_columns in records:
        own = map(str, object_of(own_columns).values())
        numbered = {f"{n}": text for n, text in enumerate(dict.fromkeys([*own, *texts[record_id]]))}
        searched.append({"id": record_id, "columns": object_text(numbered)})
    db.executemany("UPDATE generation_records SET searched_columns = :columns WHERE id = :id", searched)


def linked_pictures(db: Connection, row_ids: Collection[int]) -> dict[int, list[RowPicture]]:
    """The pictures that are linked to these rows, by row: by number, the oldest first."""
    rows = db.execute(
        f"""
        SELECT {_PICTURE}, is_shared, row_id
        FROM row_pictures
        JOIN generation_records ON generation_records.id = row_pictures.record_id
        WHERE row_id {IN_IDS} AND (deleted_at IS NULL OR coalesce(deletion_id, 0) <> {EMPTIED})
        ORDER BY row_id, picture_number, id
        """,
        {"ids": SqlList(row_ids)},
    ).fetchall()
    found: dict[int, list[RowPicture]] = defaultdict(list)
    for row in rows:
        picture = _to_picture(row, is_shared=bool(row["is_shared"]))
        if row["options"]:  # of a changed picture: the row as it was then
            picture = picture._replace(
                fingerprint=options_of(row["options"]).get("row_print", picture.fingerprint)
            )
        found[row["row_id"]].append(picture)
    return found


def rows_bought_for(db: Connection, record_ids: Collection[int]) -> dict[int, int]:
    """The id of the row of a table that each of these records was bought for, by record."""
    sql = f"SELECT record_id, row_id FROM row_pictures WHERE record_id {IN_IDS} AND is_shared = 0"
    return dict(db.execute(sql, {"ids": SqlList(record_ids)}).fetchall())


def known_pictures_of(db: Connection, prints: Collection[str]) -> dict[str, list[RowPicture]]:
    """The pictures of any row with these fingerprints, the best first: kept, made, under way, others."""
    rows = db.execute(
        f"""
        {newest_known(_PICTURE)}
        ORDER BY CASE WHEN pick = 'keep' THEN 0 WHEN status = 'success' AND pick <> 'reject' THEN 1
            WHEN status IN ('failed', 'cancelled') THEN 3 ELSE 2 END, picture_number, id DESC
        """,
        of_prints(prints),
    ).fetchall()
    found: dict[str, list[RowPicture]] = defaultdict(list)
    for row in rows:
        found[row["fingerprint"]].append(_to_picture(row, is_shared=True))
    return found


def _to_picture(row: Any, *, is_shared: bool) -> RowPicture:
    record_id, number, status, fingerprint, filename, path, deleted_at, micros, unpriced, cause, *rest = row
    pick, width, height, error, stored_error, model, batch_id, *_ = rest
    return RowPicture(
        record_id,
        number,
        status_of(status, path),
        fingerprint,
        filename if path else "",
        deleted_at is not None,
        micros + unpriced > 0,
        cause,
        is_shared,
        pick,
        width if isinstance(width, int) else None,
        height if isinstance(height, int) else None,
        to_message(error, stored_error) if error else None,
        model,
        batch_id or "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRepair:
    """What the records of a row asked for before, and what they ask for now."""

    before: RowColumns
    now: RowColumns


def repair_rows(db: Connection, batch_id: str | None, repairs: Mapping[int, RowRepair]) -> None:
    """Let the rows of a batch's table ask for what their records ask for now; in a transaction.

    ``repairs`` are by row number. A row that was changed in its table since, or has a picture of its own
    words, stays as it is.
    """
    if not (table_id := table_of_batch(db, batch_id)):
        return
    table = get_table(db, table_id, deleted=True)
    rows = read_rows(db, table.id, row_ids_of(db, table.id, repairs).values())
    linked = linked_pictures(db, [each.id for each in rows])
    version = next_version(db)
    changed = []
    for each in rows:
        repair = repairs[each.number]
        own = [one for one in linked.get(each.id, ()) if one.fingerprint == each.fingerprint]
        if each.fingerprint != repair.before.fingerprint or any(one.status == Status.SUCCESS for one in own):
            continue
        changed.append(
            replace(
                each,
                fields=_repaired_fields(each, repair, table),
                sent=sent_words(repair.now.request, repair.now.extras),
                fingerprint=repair.now.fingerprint,
                problems=(),
                version=version,
            )
        )
    update_rows(db, table.id, changed)
    if changed:  # so that no edit that is under way writes the earlier words again
        update_table(db, replace(table, version=version))


def _repaired_fields(row: Row, repair: RowRepair, table: Table) -> dict[str, Any]:
    """The fields of a row, with those that the repair changed; the others stay as they were typed."""
    before, now = (
        typed_fields(replace(one.request, sample_images=tuple(one.images)), one.extras, row.number, table)
        for one in (repair.before, repair.now)
    )
    names = {name for name in now if name != "filename" and now[name] != before.get(name)}
    kept = {name: value for name, value in row.fields.items() if name in now or name not in before}
    fields = {**kept, **{name: now[name] for name in names}}
    return {name: value for name, value in fields.items() if value not in (None, "")}


def list_delivered_records(db: Connection, batch_id: str) -> list[Record]:
    """The records of a batch, and those that its rows share, in the order of the rows.

    One that a row shares has the number, name and own columns of that row, and costs nothing there.
    """
    places = dict(db.execute(_PLACES, {"id": batch_id}).fetchall())
    bought = read_records(db, "WHERE batch_id = :id AND deleted_at IS NULL", {"id": batch_id})
    rows = db.execute(
        f"""
        SELECT records.id, table_rows.number, table_rows.filename, table_rows.own_columns,
            table_rows.num_images
        FROM {_SHARED} AND records.deleted_at IS NULL AND table_rows.number {IN_IDS}
        """,
        {"id": batch_id, "ids": SqlList(places)},
    ).fetchall()
    records = {record.id: record for record in records_of(db, list({row["id"] for row in rows}))}
    shared = [
        replace(
            records[row["id"]],
            batch_id=batch_id,
            row_number=int(row["number"]),
            num_images=int(row["num_images"]),
            requested_filename=row["filename"],
            columns=object_of(row["own_columns"]),
            cost=Decimal(0),
            at_stake=Decimal(0),
        )
        for row in rows
    ]
    found = [*bought, *shared]
    return sorted(found, key=lambda record: (places[record.row_number], record.row_number, record.id))
