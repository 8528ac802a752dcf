"""The API of deliveries."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint
from werkzeug.wrappers import Response

import database
from app.delivery.checks import Check, check
from app.delivery.making import Maker, Originals
from app.delivery.note import Made
from app.delivery.plan import PlannedFile, Problem, Source, plan_files
from app.delivery.profiles import BUILT_IN, Profile, finish_of, read_profile
from app.delivery.store import (
    Delivery,
    add_delivery,
    changed_rows,
    delete_profile,
    get_delivery,
    list_profiles,
    new_id,
    read_sources,
    save_profile,
    shown_by,
    sources_of,
)
from app.domain import Pick
from app.domain.tables import MAX_ROWS_A_TABLE, Table
from app.errors import Conflict, InvalidRequest, NotFound, message
from app.images.finishing import layout
from app.web.openapi.describe import describe
from app.web.openapi.schemas import (
    ID,
    Schema,
    Shape,
    answer,
    array_of,
    closed_object,
    enum,
    or_null,
    strict_object,
    text,
    whole,
)
from app.web.params import json_body, parse_ids
from app.web.serializers import large_success, success
from app.web.services import connection, services
from app.web.submit import KEY_HEADERS, REQUEST_ID, request_key

bp = Blueprint("deliveries", __name__, url_prefix="/api")

_MAKE_SECONDS = 1.0
_BOUND: Schema = {"type": ["number", "null"], "minimum": 0}
_RULE = closed_object(
    ("at_least", "at_most", "confidence"), rule=str, at_least=_BOUND, at_most=_BOUND, confidence=str
)
_OVERLAY = strict_object(
    "image",
    image=text(description="PNG 的 data URL，最大 200 KB"),
    position=str,
    size={"type": "number", "description": "占宽的几成"},
    opacity={"type": "number", "minimum": 0, "maximum": 1},
)
_FIELDS: dict[str, Shape] = {
    "width": int,
    "height": int,
    "fit": enum("pad", "crop", "inside", "original"),
    "background": text(description="#rrggbb；auto 是图片四周的颜色；空的是透明"),
    "format": enum("jpeg", "png", "webp", "original"),
    "max_kb": int,
    "min_kb": int,
    "file_name": text(description="可写 {文件名}、{序号}、{行号} 和自己的列"),
    "folder": text(description="同 file_name；/ 是下一层文件夹"),
    "rules": array_of(_RULE),
    "workbook": bool,
    "parameters": {"type": "boolean", "description": "图片里带上提示词和参数"},
    "note": bool,
    "overlay": or_null(_OVERLAY),
    "source": str,
    "checked_on": str,
}
_PROFILE = closed_object(name=str, built_in=bool, **_FIELDS)
_CHECK = closed_object(rule=str, result=enum("pass", "fail", "not_checked"), seen=str, wanted=str)
_FILE = closed_object(
    ("error",),
    row=int,
    row_id=or_null(ID),
    record_id=ID,
    name=str,
    bytes=or_null(int),
    width=or_null(int),
    height=or_null(int),
    checks=array_of(_CHECK),
    error=str,
)
_PROBLEM = closed_object(row=int, field=str, error=str)
_TOTAL = closed_object(files=int, made=int, failed=int, bytes=int)
_LISTED = closed_object(
    id=str,
    profile=str,
    created_at=str,
    finished_at=or_null(str),
    files=int,
    bytes=int,
    changed=int,
)


@bp.get("/delivery-profiles")
@describe("交付规格：平台的尺寸，和自己的", answer(profiles=array_of(_PROFILE)))
def list_all_profiles() -> Response:
    """The built-in profiles, then the stored ones by name."""
    stored = [read_profile(name, fields) for name, fields in list_profiles(connection())]
    return success(profiles=[profile.fields() for profile in (*BUILT_IN.values(), *stored)])


@bp.get("/delivery-profiles/<path:name>")
@describe("一个交付规格", answer(profile=_PROFILE))
def get_profile(name: str) -> Response:
    """One profile."""
    return success(profile=_profile(name).fields())


@bp.put("/delivery-profiles/<path:name>")
@describe("存一个自己的交付规格，同名的被替换", answer(profile=_PROFILE), json=strict_object(**_FIELDS))
def put_profile(name: str) -> Response:
    """Store a profile; one of the same name is replaced."""
    _require_own(name)
    profile = read_profile(name, json_body())
    save_profile(connection(), profile.name, profile.fields())
    return success(profile=profile.fields())


@bp.delete("/delivery-profiles/<path:name>")
@describe("删掉一个自己的交付规格", answer(deleted=str))
def remove_profile(name: str) -> Response:
    """Delete a profile."""
    _require_own(name)
    delete_profile(connection(), name)
    return success(deleted=name)


@bp.post("/deliveries")
@describe(
    "交付：表格的行或选中的记录，按规格做成的文件；这一步还不做图。apply=0 只看会怎样",
    answer(
        id=or_null(str),
        files=array_of(_FILE),
        problems=array_of(_PROBLEM),
        counts=closed_object(keep=int, all=int),
        total=_TOTAL,
    ),
    also={201: "记下了"},
    headers=KEY_HEADERS,
    json=strict_object(
        "profile",
        table=str,
        records=array_of(ID, maxItems=MAX_ROWS_A_TABLE),
        rows=array_of(ID, maxItems=MAX_ROWS_A_TABLE) | {"description": "表格里行的编号；不写就是所有的行"},
        pick=enum("keep", "all"),
        profile=str,
        apply=whole(0, 1, default=1),
        changed_since=text(description="一次交付的编号：只要那以后换了图片的行"),
        request_id=REQUEST_ID,
    ),
)
def deliver() -> Response:
    """Plan a delivery, and store it unless ``apply`` is 0."""
    body = json_body()
    key, applies = request_key(body), body.get("apply", 1)
    if type(applies) is not int or applies not in (0, 1):
        raise InvalidRequest("apply", "apply 应为 0 或 1")
    profile = _profile(body.get("profile"))
    pick = body.get("pick") or ("keep" if body.get("table") else "all")
    if pick not in ("keep", "all"):
        raise InvalidRequest("pick", "pick 应为 keep 或 all")
    if "table" in body:
        delivery, counts = _of_table(body, profile, pick)
    else:
        delivery, counts = _of_records(body, profile, pick)
    stored_id = None
    if applies:
        if not delivery.files:
            why = delivery.problems[0].error if delivery.problems else message("没有换过图片的行")
            raise InvalidRequest("rows", "没有可以交付的图片：{why}", why=why)
        stored_id = add_delivery(connection(), delivery, key)
        if stored_id != delivery.id:
            delivery = get_delivery(connection(), stored_id)
    response = large_success(
        id=stored_id,
        files=[_planned_json(file, profile) for file in delivery.files],
        problems=_problems_json(delivery.problems),
        counts=counts,
        total={"files": len(delivery.files), "made": 0, "failed": 0, "bytes": 0},
    )
    response.status_code = 201 if applies else 200
    return response


@bp.post("/deliveries/<delivery_id>/make")
@describe(
    "接着做这次交付的文件，大约一秒；没做完就再调用",
    answer(files=array_of(_FILE), total=_TOTAL),
)
def make(delivery_id: str) -> Response:
    """Make some of the files that are missing."""
    maker = _maker(delivery_id)
    files = [
        _made_json(maker.delivery.files[number], made)
        for number, made in maker.make(connection(), seconds=_MAKE_SECONDS)
    ]
    return success(files=files, total=maker.total())


def _of_table(body: Mapping[str, Any], profile: Profile, pick: str) -> tuple[Delivery, dict[str, int]]:
    """The delivery of rows of a table, not stored yet, and how many pictures there are of each pick."""
    if "records" in body:
        raise InvalidRequest("records", "table 和 records 只写一个")
    if not isinstance(body["table"], str):
        raise InvalidRequest("table", "table 应为表格的编号")
    table = database.get_table(connection(), body["table"])
    ids = _ids(body, "rows")
    sources, counts = read_sources(connection(), table, ids, pick)
    earlier = _earlier(body.get("changed_since"), table)
    if earlier:
        sources = changed_rows(earlier, sources)
    delivery = _planned(
        profile,
        sources,
        pick,
        table_id=table.id,
        title=table.name,
        is_whole=earlier.is_whole if earlier else ids is None,
        shown={**(earlier.shown if earlier else {}), **{each.row_id: shown_by(each) for each in sources}},
    )
    return delivery, counts


def _of_records(body: Mapping[str, Any], profile: Profile, pick: str) -> tuple[Delivery, dict[str, int]]:
    ids = _ids(body, "records")
    if not ids:
        raise InvalidRequest("table", "请写 table 或 records")
    for name in ("rows", "changed_since"):
        if name in body:
            raise InvalidRequest(name, "{name} 只和 table 一起写", name=name)
    found = {record.id: record for record in database.list_selected(connection(), ids)}
    for record_id in ids:
        if record_id not in found:
            raise NotFound("没有记录 {id}，它可能已被删除", id=record_id)
        if not found[record_id].image_path:
            raise InvalidRequest("records", "记录 {id} 没有图片，请不要选它", id=record_id)
    records = [found[record_id] for record_id in dict.fromkeys(ids)]
    kept = [record for record in records if record.pick == Pick.KEEP]
    sources = sources_of(kept if pick == Pick.KEEP else records)
    return _planned(profile, sources, pick), {"keep": len(kept), "all": len(records)}


def _planned(profile: Profile, sources: Sequence[Source], pick: str, **fields: Any) -> Delivery:
    names = {"file_name": profile.file_name, "folder": profile.folder, "format": profile.format}
    files, problems = plan_files(sources, **names)
    text = "这一行没有留下的图片，请先选一张" if pick == Pick.KEEP else "这一行还没有图片"
    empty = [Problem(each.row, "pick", message(text)) for each in sources if not each.pictures]
    return Delivery(
        id=new_id(),
        profile=profile.name,
        fields=profile.fields(),
        pick=pick,
        files=files,
        problems=sorted([*problems, *empty], key=lambda problem: problem.row),
        **fields,
    )


def _ids(body: Mapping[str, Any], field: str) -> list[int] | None:
    if body.get(field) is None:
        return None
    ids = parse_ids(body[field], field)
    if len(ids) > MAX_ROWS_A_TABLE:
        raise InvalidRequest(field, "一次最多交付 {limit} 行", limit=MAX_ROWS_A_TABLE)
    return ids


def _earlier(delivery_id: Any, table: Table) -> Delivery | None:
    if delivery_id is None:
        return None
    earlier = get_delivery(connection(), str(delivery_id))
    if earlier.table_id != table.id:
        raise InvalidRequest("changed_since", "changed_since 应为这个表格的一次交付")
    return earlier


def _profile(name: Any) -> Profile:
    """The profile of this name. Raises InvalidRequest."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    for stored, fields in list_profiles(connection()):
        if stored == name:
            return read_profile(stored, fields)
    raise NotFound("没有交付规格「{name}」", name=str(name)[:40])


def _require_own(name: str) -> None:
    if name.strip() in BUILT_IN:
        raise Conflict("「{name}」是自带的，改不了；可以用另一个名字存一份", name=name.strip())


def _maker(delivery_id: str) -> Maker:
    current = services()
    originals = Originals(current.outputs, current.runtime.output_backup)
    return Maker(get_delivery(connection(), delivery_id), originals)


def _planned_json(file: PlannedFile, profile: Profile) -> dict[str, Any]:
    """A file that is not made; with the checks that the size of its original decides."""
    size = (file.width, file.height) if file.width and file.height else None
    found = check(profile, file.path, None, size) if size else []
    width, height = layout(finish_of(profile), *size).frame if size else (None, None)
    return _file_json(file, None, width, height, found)


def _made_json(file: PlannedFile, made: Made) -> dict[str, Any]:
    if made.error:
        return _file_json(file, None, file.width, file.height, ()) | {"error": made.error}
    return _file_json(file, made.bytes, made.width, made.height, made.checks)


def _file_json(
    file: PlannedFile, size: int | None, width: int | None, height: int | None, checks: Sequence[Check]
) -> dict[str, Any]:
    return {
        "row": file.row,
        "row_id": file.row_id or None,
        "record_id": file.record_id,
        "name": file.path,
        "bytes": size,
        "width": width,
        "height": height,
        "checks": checks,
    }


def _problems_json(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    return [{"row": each.row, "field": each.field, "error": each.error} for each in problems]
