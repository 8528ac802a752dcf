"""What a delivery is to have: the rows or records that are asked for, their pictures, names and problems."""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import database
from app.delivery.naming import DeliveryFile, DeliveryProblem, Picture, Source, plan_files
from app.delivery.profiles import BUILT_IN, Profile, finish_of, stored_profile
from app.delivery.sql import Delivery, get_delivery, insert_delivery
from app.domain import Pick, Record
from app.domain.recipes import ROLE_COLUMN
from app.domain.tables import Row, Standing, Table
from app.errors import InvalidRequest, NotFound, message
from app.images.filenames import PICK_RANKS
from app.images.finishing import Finish, layout
from app.tables.recipes import key_column_of
from app.tables.states import RowView, view_rows

STORED_PROFILES = "delivery_profiles"  # the table of own ones
_CUT_OFF = "这一张有看得见的 AI 标识，裁剪会裁掉它，请换一种补底色的规格"
_COVERED = "这一张有看得见的 AI 标识，做白底会盖掉它，请换一种不要白底的规格"


class DeliveryPlan(NamedTuple):
    """A delivery that is not stored yet, and its files; how many pictures there are of each pick, and the
    folder and file name by product and role that a built-in profile takes if it is asked to."""

    delivery: Delivery
    files: Sequence[DeliveryFile]
    counts: Mapping[str, int]
    by_product: Mapping[str, str] | None = None


def find_profile(db: database.Connection, name: str) -> Profile:
    """The profile of this name. Raises NotFound."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    if stored := database.list_named(db, STORED_PROFILES).get(name):
        return stored_profile(stored)
    raise NotFound("没有交付规格「{name}」", name=name[:40])


def plan_table(
    db: database.Connection, body: Mapping[str, Any], profile: Profile, person: int | None
) -> DeliveryPlan:
    """The plan for rows of a table, as a body asks for it. Raises InvalidRequest and NotFound."""
    if "records" in body:
        raise InvalidRequest("records", "table 和 records 只写一个")
    table, ids, pick = database.get_table(db, body["table"]), body.get("rows"), body.get("pick", "keep")
    sources, counts = read_sources(db, table, ids, pick)
    shown, is_whole, since = dict[int, Sequence[int]](), ids is None, body.get("changed_since")
    if since is not None:
        earlier = get_delivery(db, since)
        if earlier.table_id != table.id:
            raise InvalidRequest("changed_since", "changed_since 应为这个表格的一次交付")
        shown |= earlier.shown
        sources, is_whole = changed_rows(earlier, sources), earlier.is_whole
    shown |= {source.row_id: source.record_ids for source in sources}
    has_names = not profile.built_in or profile.file_name != Profile(name="").file_name
    names = None if has_names else _names_of_sets(db, table, sources)
    if body.get("by_product") and names:
        profile = replace(profile, **names)
    of_table: dict[str, Any] = {
        "table_id": table.id,
        "title": table.name,
        "shown": shown,
        "is_whole": is_whole,
    }
    plan = plan_delivery(db, profile, sources, pick=pick, person_id=person, **of_table)
    return plan._replace(counts=counts, by_product=names)


def plan_records(
    db: database.Connection, body: Mapping[str, Any], profile: Profile, person: int | None
) -> DeliveryPlan:
    """The plan for chosen records, as a body asks for it. Raises InvalidRequest and NotFound."""
    ids: list[int] = body.get("records", [])
    if not ids:
        raise InvalidRequest("table", "请写 table 或 records")
    for name in ("rows", "changed_since"):
        if name in body:
            raise InvalidRequest(name, "{name} 只和 table 一起写", name=name)
    present = {record.id: record for record in database.list_selected(db, ids)}
    for record_id in ids:
        if record_id not in present:
            raise NotFound("没有记录 {id}，它可能已被删除", id=record_id)
    records, pick = [present[record_id] for record_id in dict.fromkeys(ids)], body.get("pick", "all")
    kept = [record for record in records if record.pick == Pick.KEEP]
    sources = _sources_of(db, kept if pick == Pick.KEEP else records)
    plan = plan_delivery(db, profile, sources, pick=pick, person_id=person)
    return plan._replace(counts={"keep": len(kept), "all": len(records)})


def plan_delivery(
    db: database.Connection,
    profile: Profile,
    sources: Sequence[Source],
    *,
    pick: str,
    table_id: str = "",
    shown: Mapping[int, Sequence[int]] | None = None,
    **fields: Any,
) -> DeliveryPlan:
    """The plan for these rows of a table, or without one for chosen records."""
    safe = _without_visible_marks(db, sources, finish_of(profile))
    names = {name: getattr(profile, name) for name in ("file_name", "folder", "format", "counters")}
    files, problems = plan_files(safe, **names)
    text = "这一行没有留下的图片，请先选一张" if pick == Pick.KEEP else "这一行还没有图片"
    text = text if table_id else "第 {row} 条记录没有图片，请先生成它"
    problems += [
        DeliveryProblem(source.row, "pick", "pick", message(text, row=source.row))
        for source in sources
        if not source.pictures
    ]
    delivery = Delivery(
        id=f"d{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(6)}",
        table_id=table_id,
        profile=profile.name,
        fields=asdict(profile),
        pick=pick,
        shown=shown or {},
        problems=sorted(problems, key=lambda problem: problem.row),
        files=len(files),
        **fields,
    )
    return DeliveryPlan(delivery, files, {})


def store_plan(db: database.Connection, plan: DeliveryPlan, key: database.RequestKey | None = None) -> str:
    """Store the delivery of a plan -> its id, or that of the one with this request key; in a transaction.

    Raises InvalidRequest when it has no file.
    """
    if answer := database.find_answer(db, key):
        return str(answer["id"])
    delivery = plan.delivery
    if not plan.files:
        why = delivery.problems[0].error if delivery.problems else message("没有换过图片的行")
        raise InvalidRequest("rows", "没有可以交付的图片：{why}", why=why)
    insert_delivery(db, delivery, plan.files)
    database.save_answer(db, key, {"id": delivery.id})
    return delivery.id


def read_sources(
    db: database.Connection, table: Table, ids: Sequence[int] | None, pick: str
) -> tuple[list[Source], dict[str, int]]:
    """The rows of a table, of these ids or all, with the pictures that they deliver; how many for each pick.

    Of a row are delivered all pictures that were kept; with ``all`` as many as it asks for, the kept ones
    before newer ones. Empty rows and earlier versions of a row are left out.
    """
    sources, counts = [], {"keep": 0, "all": 0}
    for view in view_rows(db, table, ids):
        row = view.row
        if row.is_empty:
            continue
        pictures = _pictures(view)
        for name in counts:
            counts[name] += len(pictures[name])
        sources.append(source_of(table, row, pictures[pick]))
    return sources, counts


def source_of(table: Table, row: Row, pictures: Sequence[Picture]) -> Source:
    """A row of a table that delivers these pictures."""
    return Source(
        row=row.number,
        row_id=row.id,
        wanted=row.num_images,
        requested=row.filename,
        columns={**dict.fromkeys(table.own_columns, ""), **row.columns},
        pictures=pictures,
    )


def pictures_of(records: Iterable[Record]) -> list[Picture]:
    """The pictures of these records."""
    return [
        Picture(record.id, record.picture_number, record.filename, record.width, record.height)
        for record in records
        if record.image_path
    ]


def _names_of_sets(db: database.Connection, table: Table, sources: Sequence[Source]) -> dict[str, Any] | None:
    """The folder and the file name of a profile for rows of a recipe: a folder a product, a file a role.

    None where these do not tell the rows apart.
    """
    key = key_column_of(db, table)
    names = [(source.columns.get(key), source.columns.get(ROLE_COLUMN)) for source in sources]
    pictures = {(name, tuple(source.pictures)) for name, source in zip(names, sources, strict=True)}
    if not key or not all(map(all, names)) or len({*names}) < len(pictures):
        return None  # of equal rows the files are the same
    return {"folder": f"{{{key}}}", "file_name": f"{{{ROLE_COLUMN}}}"}


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


def _without_visible_marks(
    db: database.Connection, sources: Sequence[Source], wanted: Finish
) -> list[Source]:
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


def _sources_of(db: database.Connection, records: Sequence[Record]) -> list[Source]:
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
            pictures=pictures_of(group),
        )
        for number, group in groups.values()
    ]


def changed_rows(earlier: Delivery, sources: Collection[Source]) -> list[Source]:
    """The rows that deliver other pictures by now; those that it left out count if it was of all rows."""
    return [
        source
        for source in sources
        if source.pictures
        and (earlier.is_whole or source.row_id in earlier.shown)
        and source.record_ids != [*earlier.shown.get(source.row_id, ())]
    ]
