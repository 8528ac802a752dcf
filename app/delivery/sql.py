"""Deliveries and their files, as they are stored."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import database
from app.delivery.naming import DeliveryFile, DeliveryProblem
from app.domain.times import utc_now
from app.errors import NotFound, from_json, to_json

_MAX_LISTED = 20
_CONTENT = ("title", "profile", "fields", "pick", "is_whole", "person_id")
_COUNTS = ("files", "made", "failed", "bytes")
_STORED = ("id", *_COUNTS, "created_at", "finished_at")
_PLANNED = 7  # fields of a file that are known before it is made
_MADE = DeliveryFile._fields[DeliveryFile._fields.index("width") :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A delivery as it was asked for.

    table_id      "" for chosen records; ``title`` is the name of the table then
    fields        the profile as it was
    is_whole      of all rows of the table
    shown         by row id the records that the row delivers, also of an earlier delivery that this completes
    problems      why nothing, or not everything, of some rows is delivered
    person_id     who ordered it; None: the person at the machine, a client, or not known
    made, failed  of ``files``; ``bytes`` in all, and ``finished_at``: when it was sent to the end
    """

    id: str
    table_id: str = ""
    title: str = ""
    profile: str
    fields: Mapping[str, Any]
    pick: str
    is_whole: bool = False
    person_id: int | None = None
    shown: Mapping[int, Sequence[int]]
    problems: Sequence[DeliveryProblem]
    files: int
    made: int = 0
    failed: int = 0
    bytes: int = 0
    created_at: str = ""
    finished_at: str | None = None

    def total(self) -> dict[str, int]:
        """Numbers of files, and bytes of those that are made."""
        return {name: getattr(self, name) for name in _COUNTS}


def insert_delivery(db: database.Connection, delivery: Delivery, files: Sequence[DeliveryFile]) -> None:
    """Store a delivery with its files; inside a transaction."""
    db.execute(
        """
        INSERT INTO deliveries (id, table_id, content, problems, shown, files, created_at)
        VALUES (:id, :table_id, :content, :problems, :shown, :files, :at)
        """,
        {
            "id": delivery.id,
            "table_id": delivery.table_id or None,
            "content": to_json({name: getattr(delivery, name) for name in _CONTENT}),
            "problems": to_json(delivery.problems),
            "shown": to_json(delivery.shown),
            "files": delivery.files,
            "at": utc_now(),
        },
    )
    db.executemany(
        """
        INSERT INTO delivery_files
            (delivery_id, number, row_number, row_id, record_id, name, width, height)
        VALUES (:delivery, :number, :row, :row_id, :record_id, :name, :width, :height)
        """,
        [
            {"delivery": delivery.id} | dict(zip(DeliveryFile._fields, file[:_PLANNED], strict=False))
            for file in files
        ],
    )


def get_delivery(db: database.Connection, delivery_id: str) -> Delivery:
    """A delivery. Raises NotFound."""
    for delivery in _read(db, "WHERE id = :id", {"id": delivery_id}):
        return delivery
    raise NotFound("没有这次交付，可能已被删除")


def list_deliveries(db: database.Connection, table_id: str) -> list[Delivery]:
    """The deliveries of a table, the newest first, at most _MAX_LISTED."""
    which = """
        WHERE table_id = :table_id
        ORDER BY created_at DESC, id DESC
        LIMIT :limit
    """
    return _read(db, which, {"table_id": table_id, "limit": _MAX_LISTED})


def _read(db: database.Connection, which: str, values: Mapping[str, Any]) -> list[Delivery]:
    sql = f"""
        SELECT table_id, content, shown, problems, {", ".join(_STORED)}
        FROM deliveries
        {which}
    """
    return [
        Delivery(
            table_id=row["table_id"] or "",
            shown={int(row_id): records for row_id, records in json.loads(row["shown"]).items()},
            problems=[DeliveryProblem(*problem) for problem in from_json(row["problems"])],
            **{name: row[name] for name in _STORED},
            **from_json(row["content"]),
        )
        for row in db.execute(sql, values).fetchall()
    ]


def list_files(db: database.Connection, delivery_id: str) -> list[DeliveryFile]:
    """All files of a delivery."""
    sql = """
        SELECT number, row_number, row_id, record_id, name, width, height, made
        FROM delivery_files
        WHERE delivery_id = :id
        ORDER BY number
    """
    return [
        DeliveryFile(*planned)._replace(**from_json(made or "{}"))
        for *planned, made in db.execute(sql, {"id": delivery_id}).fetchall()
    ]


def list_open_files(db: database.Connection, delivery_id: str, limit: int) -> list[DeliveryFile]:
    """The first files of a delivery that are still to be made."""
    sql = """
        SELECT number, row_number, row_id, record_id, name, width, height
        FROM delivery_files
        WHERE delivery_id = :id AND made IS NULL
        ORDER BY number
        LIMIT :limit
    """
    return [
        DeliveryFile(*planned) for planned in db.execute(sql, {"id": delivery_id, "limit": limit}).fetchall()
    ]


def save_file(db: database.Connection, delivery_id: str, file: DeliveryFile) -> None:
    """Store what making a file came to, unless that is known already."""
    fields = {
        "id": delivery_id,
        "number": file.number,
        "made": to_json({name: getattr(file, name) for name in _MADE}),
        "good": int(file.error is None),
        "bytes": file.bytes or 0,
    }
    with database.transaction(db, durable=False):
        made = """
            UPDATE delivery_files
            SET made = :made
            WHERE delivery_id = :id AND number = :number AND made IS NULL
        """
        counted = """
            UPDATE deliveries
            SET made = made + :good, failed = failed + 1 - :good, bytes = bytes + :bytes
            WHERE id = :id
        """
        if db.execute(made, fields).rowcount:
            db.execute(counted, fields)


def reopen_files(db: database.Connection, delivery_id: str) -> None:
    """Forget what was made of a delivery: all of it is made again."""
    with database.transaction(db):
        db.execute("UPDATE delivery_files SET made = NULL WHERE delivery_id = :id", {"id": delivery_id})
        sql = "UPDATE deliveries SET made = 0, failed = 0, bytes = 0 WHERE id = :id"
        db.execute(sql, {"id": delivery_id})


def finish_delivery(db: database.Connection, delivery_id: str) -> None:
    """Note that all of a delivery was sent."""
    with database.transaction(db):
        sql = "UPDATE deliveries SET finished_at = :at WHERE id = :id"
        db.execute(sql, {"id": delivery_id, "at": utc_now()})
        _touch_table(db, delivery_id)


def delete_delivery(db: database.Connection, delivery_id: str) -> None:
    """Forget a delivery."""
    with database.transaction(db):
        _touch_table(db, delivery_id)
        db.execute("DELETE FROM delivery_files WHERE delivery_id = :id", {"id": delivery_id})
        db.execute("DELETE FROM deliveries WHERE id = :id", {"id": delivery_id})


def _touch_table(db: database.Connection, delivery_id: str) -> None:
    """Give the table of a delivery a version: pages ask what comes next."""
    which = "id = (SELECT table_id FROM deliveries WHERE id = :id)"
    fields = {"id": delivery_id, "version": database.next_version(db)}
    db.execute(f"UPDATE tables SET version = :version WHERE {which}", fields)
