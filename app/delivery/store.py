"""Stored deliveries, and the rows of which something is to be delivered."""

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import database
from app.delivery.plan import File, Picture, Problem, Source
from app.domain import Pick, Record, own_column_names
from app.domain.recipes import ROLE_COLUMN
from app.domain.standings import Standing
from app.domain.tables import Table
from app.domain.times import utc_now
from app.errors import InvalidRequest, NotFound, from_json, message, to_json
from app.images.filenames import PICK_RANKS
from app.images.finishing import Finish, layout
from app.tables.recipes import key_column_of
from app.tables.view import RowView, view_rows

_MAX_LISTED = 20
_CUT_OFF = "这一张有看得见的 AI 标识，裁剪会裁掉它，请换一种补底色的规格"
_COVERED = "这一张有看得见的 AI 标识，做白底会盖掉它，请换一种不要白底的规格"
_CONTENT = ("title", "profile", "fields", "pick", "is_whole", "person_id")
_COUNTS = ("files", "made", "failed", "bytes")
_PLANNED = 7  # fields of a file that are known before it is made
_MADE = File._fields[File._fields.index("width") :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A delivery as it was asked for.

    table_id      "" for chosen records; ``title`` is the name of the table then
    fields        the profile as it was
    is_whole      of all rows of the table
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
    files: int
    made: int = 0
    failed: int = 0
    bytes: int = 0
    created_at: str = ""
    finished_at: str | None = None

    @property
    def is_made(self) -> bool:
        """Whether nothing is left to make."""
        return self.made + self.failed == self.files

    def total(self) -> dict[str, int]:
        """Numbers of files, and bytes of those that are made."""
        return {name: getattr(self, name) for name in _COUNTS}


class Plan(NamedTuple):
    """What a delivery is to have: its files, why others are not, and the records that each row delivers, by
    row id, also of an earlier one that it completes."""

    files: Sequence[File]
    problems: Sequence[Problem]
    shown: Mapping[int, Sequence[int]]


def read_sources(
    db: database.Connection, table: Table, ids: Sequence[int] | None, pick: str
) -> tuple[list[Source], dict[str, int]]:
    """The rows of a table, of these ids or all, with the pictures that they deliver; how many for each pick.

    Of a row are delivered all pictures that were kept; with ``all`` as many as it asks for, the kept ones
    before newer ones. Empty rows and earlier versions of a row are left out.
    """
    sources, counts, empty = [], {"keep": 0, "all": 0}, dict.fromkeys(table.own_columns, "")
    for view in view_rows(db, table, ids):
        row = view.row
        if row.is_empty:
            continue
        pictures = _pictures(view)
        for name in counts:
            counts[name] += len(pictures[name])
        sources.append(
            Source(
                row=row.number,
                row_id=row.id,
                wanted=row.num_images,
                requested=row.filename,
                columns={**empty, **row.columns},
                pictures=pictures[pick],
            )
        )
    return sources, counts


def names_of_sets(db: database.Connection, table: Table, sources: Sequence[Source]) -> tuple[str, str] | None:
    """The folder and the file name of a profile for rows of a recipe: a folder a product, a file a role.

    None where these do not tell the rows apart.
    """
    key = key_column_of(db, table)
    names = [(each.columns.get(key), each.columns.get(ROLE_COLUMN)) for each in sources]
    pictures = {(name, tuple(each.pictures)) for name, each in zip(names, sources, strict=True)}
    if not key or not all(map(all, names)) or len({*names}) < len(pictures):
        return None  # of equal rows the files are the same
    return f"{{{key}}}", f"{{{ROLE_COLUMN}}}"


def _pictures(view: RowView) -> dict[str, list[Picture]]:
    """The pictures that a row delivers, by pick."""
    own = [
        each
        for each in view.pictures
        if each.standing is Standing.MADE and each.filename and each.fingerprint == view.row.fingerprint
    ]
    own.sort(key=lambda each: (PICK_RANKS.get(each.pick, 1), -each.record_id))
    kept = sum(each.pick == Pick.KEEP for each in own)
    found = {}
    for pick, most in (("keep", kept), ("all", max(kept, view.row.num_images))):
        chosen = sorted(own[:most], key=lambda each: (each.number, each.record_id))
        found[pick] = [Picture(p.record_id, p.number, p.filename, p.width, p.height) for p in chosen]
    return found


def without_visible_marks(db: database.Connection, sources: Sequence[Source], wanted: Finish) -> list[Source]:
    """The rows, with pictures refused whose visible mark a crop would cut off or a white ground cover."""
    if wanted.fit != "crop" and not wanted.white:
        return [*sources]
    ids = [picture.record_id for source in sources for picture in source.pictures]
    marked = {record.id for record in database.list_selected(db, ids) if record.marks["visible"]}
    why = message(_COVERED if wanted.white else _CUT_OFF)

    def checked(picture: Picture) -> Picture:
        size = (picture.width or 0, picture.height or 0)
        placed = layout(wanted, *size) if all(size) else None
        is_safe = not wanted.white and placed is not None and placed.frame == placed.picture
        return picture if is_safe or picture.record_id not in marked else picture._replace(refused=why)

    return [replace(source, pictures=[*map(checked, source.pictures)]) for source in sources]


def sources_of(db: database.Connection, records: Sequence[Record]) -> list[Source]:
    """Chosen records, numbered as they are given; the pictures of one row and name are one source."""
    rows = database.rows_bought_for(db, [record.id for record in records])
    groups: dict[object, tuple[int, list[Record]]] = {}
    for number, record in enumerate(records, 1):
        row = rows.get(record.id) or (record.batch_id and (record.batch_id, record.row_number))
        key = (row, record.requested_filename) if row and record.image_path else record.id
        groups.setdefault(key, (number, []))[1].append(record)
    return [
        Source(
            row=number,
            row_id=0,
            wanted=group[0].num_images,
            requested=group[0].requested_filename,
            columns=group[0].columns,
            pictures=[
                Picture(each.id, each.picture_number, each.filename, each.width, each.height)
                for each in group
                if each.image_path
            ],
        )
        for number, group in groups.values()
    ]


def own_columns(
    db: database.Connection, delivery: Delivery, files: Sequence[File]
) -> tuple[list[str], dict[int, Mapping[str, str]]]:
    """The names of the own columns, and their cells by row id, without a table by record id."""
    if not delivery.table_id:
        ids = sorted({file.record_id for file in files})
        cells = {record.id: record.columns for record in database.list_selected(db, ids)}
        return own_column_names(cells.values()), cells
    row_ids = sorted({file.row_id for file in files})
    cells = {row.id: row.columns for row in database.read_rows(db, delivery.table_id, row_ids)}
    with suppress(NotFound):
        return [*database.get_table(db, delivery.table_id).own_columns], cells
    return own_column_names(cells.values()), cells


def new_id() -> str:
    """The id of a new delivery."""
    return f"d{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(6)}"


def add_delivery(
    db: database.Connection, delivery: Delivery, plan: Plan, key: database.RequestKey | None
) -> Delivery:
    """Store a delivery -> it, or the one that was stored with this request key.

    Raises InvalidRequest when it has no file.
    """
    with database.transaction(db):
        if answer := database.find_answer(db, key):
            return get_delivery(db, answer["id"])
        if not plan.files:
            why = plan.problems[0].error if plan.problems else message("没有换过图片的行")
            raise InvalidRequest("rows", "没有可以交付的图片：{why}", why=why)
        insert_delivery(db, delivery, plan)
        database.save_answer(db, key, {"id": delivery.id})
    return delivery


def insert_delivery(db: database.Connection, delivery: Delivery, plan: Plan) -> None:
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
            "problems": to_json(plan.problems),
            "shown": to_json(plan.shown),
            "files": len(plan.files),
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
            {"delivery": delivery.id} | dict(zip(File._fields, file[:_PLANNED], strict=False))
            for file in plan.files
        ],
    )


def get_delivery(db: database.Connection, delivery_id: str) -> Delivery:
    """A delivery. Raises NotFound."""
    sql = """
        SELECT id, table_id, content, files, made, failed, bytes, created_at, finished_at
        FROM deliveries
        WHERE id = :id
    """
    row = db.execute(sql, {"id": delivery_id}).fetchone()
    if row is None:
        raise NotFound("没有这次交付，可能已被删除")
    return _delivery(row)


def list_deliveries(
    db: database.Connection, table_id: str
) -> list[tuple[Delivery, Mapping[int, Sequence[int]]]]:
    """The deliveries of a table with what their rows delivered, the newest first, at most _MAX_LISTED."""
    sql = """
        SELECT id, table_id, content, shown, files, made, failed, bytes, created_at, finished_at
        FROM deliveries
        WHERE table_id = :table_id
        ORDER BY created_at DESC, id DESC
        LIMIT :limit
    """
    rows = db.execute(sql, {"table_id": table_id, "limit": _MAX_LISTED}).fetchall()
    return [(_delivery(row), _by_row(row["shown"])) for row in rows]


def read_shown(db: database.Connection, delivery_id: str) -> Mapping[int, Sequence[int]]:
    """The records that each row delivered, by row id."""
    row = db.execute("SELECT shown FROM deliveries WHERE id = :id", {"id": delivery_id}).fetchone()
    return _by_row(row["shown"])


def read_problems(db: database.Connection, delivery_id: str) -> list[Problem]:
    """Why nothing, or not everything, of some rows is delivered."""
    row = db.execute("SELECT problems FROM deliveries WHERE id = :id", {"id": delivery_id}).fetchone()
    return [Problem(*problem) for problem in from_json(row["problems"])]


def list_files(db: database.Connection, delivery_id: str) -> list[File]:
    """All files of a delivery."""
    sql = """
        SELECT number, row_number, row_id, record_id, name, width, height, made
        FROM delivery_files
        WHERE delivery_id = :id
        ORDER BY number
    """
    return [
        File(*planned)._replace(**from_json(made or "{}"))
        for *planned, made in db.execute(sql, {"id": delivery_id}).fetchall()
    ]


def list_open_files(db: database.Connection, delivery_id: str, limit: int) -> list[File]:
    """The first files of a delivery that are still to be made."""
    sql = """
        SELECT number, row_number, row_id, record_id, name, width, height
        FROM delivery_files
        WHERE delivery_id = :id AND made IS NULL
        ORDER BY number
        LIMIT :limit
    """
    return [File(*planned) for planned in db.execute(sql, {"id": delivery_id, "limit": limit}).fetchall()]


def save_file(db: database.Connection, delivery_id: str, file: File) -> None:
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


def delete_delivery(db: database.Connection, delivery_id: str) -> None:
    """Forget a delivery."""
    with database.transaction(db):
        db.execute("DELETE FROM delivery_files WHERE delivery_id = :id", {"id": delivery_id})
        db.execute("DELETE FROM deliveries WHERE id = :id", {"id": delivery_id})


def changed_rows(
    earlier: Delivery, shown: Mapping[int, Sequence[int]], sources: Collection[Source]
) -> list[Source]:
    """The rows that deliver other pictures by now; those that it left out count if it was of all rows."""
    return [
        source
        for source in sources
        if source.pictures
        and (earlier.is_whole or source.row_id in shown)
        and shown_by(source) != [*shown.get(source.row_id, ())]
    ]


def shown_by(source: Source) -> list[int]:
    """The records that a row delivers."""
    return [picture.record_id for picture in source.pictures]


def _delivery(row: Any) -> Delivery:
    stored = {name: row[name] for name in ("id", *_COUNTS, "created_at", "finished_at")}
    return Delivery(table_id=row["table_id"] or "", **stored, **from_json(row["content"]))


def _by_row(text: str) -> dict[int, Sequence[int]]:
    return {int(row_id): records for row_id, records in json.loads(text).items()}
