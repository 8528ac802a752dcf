"""Links between rows of tables and the pictures that they show."""

from collections import defaultdict
from collections.abc import Collection

from app.db.connection import Connection
from app.db.row_mapping import IN_IDS, SqlList, object_of, object_text


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
