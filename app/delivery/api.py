"""The API of deliveries."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import cache
from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response

import database
from app.delivery import store
from app.delivery.archive import Archive
from app.delivery.checks import FAIL, HINT, NOT_CHECKED, PASS, check_name, check_size
from app.delivery.making import Maker, Originals
from app.delivery.plan import File, Problem, Source, plan_files
from app.delivery.profiles import (
    BUILT_IN,
    FITS,
    FORMATS,
    MAX_KB,
    MAX_SIDE,
    MAX_TEXT,
    RULES,
    Profile,
    finish_of,
    preview_of,
    read_profile,
    stored_profile,
)
from app.delivery.store import Delivery, Plan
from app.domain import MAX_OWN_COLUMNS, MAX_OWN_NAME_LENGTH, Pick
from app.domain.tables import MAX_ROWS_A_TABLE
from app.errors import Conflict, Forbidden, InvalidRequest, NotFound, message
from app.images.filenames import safe_stem
from app.images.finishing import POSITIONS, finish, layout
from app.web.downloads import as_attachment, start_stream, zip_response
from app.web.i18n import gettext, translate, translator
from app.web.middleware.login import current_person
from app.web.openapi.describe import describe
from app.web.openapi.schemas import (
    ID,
    Shape,
    answer,
    array_of,
    closed_object,
    enum,
    from_dataclass,
    or_null,
    strict_object,
    text,
    whole,
)
from app.web.params import json_body
from app.web.provider_settings import is_of_this_machine
from app.web.serializers import large_success, success
from app.web.services import connection, services
from app.web.submit import KEY_HEADERS, REQUEST_ID, request_key

bp = Blueprint("deliveries", __name__, url_prefix="/api")

_MAKE_SECONDS, _MADE_AT_ONCE = 1.0, 500  # of a call
_ALL_CHECKS = 1_000  # files of an answer whose passed checks are in it
_STORED = "delivery_profiles"  # the table of own ones
_BOUND = or_null({"type": "number", "minimum": 0, "maximum": MAX_KB})
_RULE = closed_object(("at_least", "at_most"), rule=enum(*RULES), at_least=_BOUND, at_most=_BOUND)
_SHARE = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
_OVERLAY = strict_object("image", image=str, position=enum(*POSITIONS), size=_SHARE, opacity=_SHARE)
_COLUMNS = array_of(text(maxLength=MAX_OWN_NAME_LENGTH), maxItems=MAX_OWN_COLUMNS) | {
    "description": "交付清单里还要有的自己的列；名字用到的总有"
}
_PROFILE = from_dataclass(
    Profile,
    fit=enum(*FITS),
    focus=enum(*POSITIONS),
    format=enum(*FORMATS),
    width=whole(0, MAX_SIDE, title="宽"),
    height=whole(0, MAX_SIDE, title="高"),
    max_kb=whole(0, MAX_KB, title="最大"),
    min_kb=whole(0, MAX_KB, title="最小"),
    background=text(maxLength=MAX_TEXT, title="底色"),
    file_name=text(maxLength=MAX_TEXT, title="文件名"),
    folder=text(maxLength=MAX_TEXT, title="文件夹"),
    source=text(maxLength=MAX_TEXT, title="来源"),
    checked_on=text(maxLength=MAX_TEXT),
    rules=array_of(_RULE, maxItems=len(RULES)),
    columns=_COLUMNS,
    overlay=or_null(_OVERLAY) | {"description": "image 是 PNG 的 data URL；size 占宽的几成"},
)
_GIVEN = strict_object(**_PROFILE["properties"])  # name and built_in are read only
_CHECK = closed_object(rule=str, result=enum(PASS, FAIL, HINT, NOT_CHECKED), seen=str, wanted=str)
_FILE = closed_object(
    ("error",),
    row=int,
    row_id=or_null(ID),
    record_id=ID,
    name=str,
    **dict.fromkeys(("bytes", "width", "height"), or_null(int)),
    checks=array_of(_CHECK) | {"description": "从第 1,001 个文件起，只写没通过的"},
    error=str,
)
_PROBLEM = closed_object(
    row=int, field=str, kind=enum("pick", "mark", "empty", "column", "name", "same_name"), error=str
)
_TOTAL = closed_object(files=int, made=int, failed=int, bytes=int)
_STATE: dict[str, Shape] = {"files": array_of(_FILE), "problems": array_of(_PROBLEM), "total": _TOTAL}
_LISTED = closed_object(
    ("person",),
    **dict.fromkeys(("id", "profile", "created_at"), str),
    finished_at=or_null(str),
    **dict.fromkeys(("files", "bytes", "changed"), int),
    person=str,
)
_NAMES = closed_object(folder=str, file_name=str)
_Planned = tuple[Delivery, Plan, dict[str, int], dict[str, str] | None]


@bp.get("/delivery-profiles")
@describe("交付规格：平台的尺寸，和自己的", answer(profiles=array_of(_PROFILE)))
def list_all_profiles() -> Response:
    """The built-in profiles, then the stored ones by name."""
    stored = map(stored_profile, database.list_named(connection(), _STORED).values())
    return success(profiles=[*BUILT_IN.values(), *stored])


@bp.get("/delivery-profiles/<path:name>")
@describe("一个交付规格", answer(profile=_PROFILE))
def get_profile(name: str) -> Response:
    """One profile."""
    return success(profile=find_profile(name))


@bp.put("/delivery-profiles/<path:name>")
@describe("存一个自己的交付规格，同名的被替换", answer(profile=_PROFILE), json=_GIVEN)
def put_profile(name: str) -> Response:
    """Store a profile under the name of the path; one of the same name is replaced."""
    _require_own(name)
    profile = read_profile(name, json_body())
    database.save_named(connection(), _STORED, profile.name, asdict(profile))
    return success(profile=profile)


@bp.delete("/delivery-profiles/<path:name>")
@describe("删掉一个自己的交付规格", answer(deleted=str))
def remove_profile(name: str) -> Response:
    """Delete a profile."""
    _require_own(name)
    database.delete_named(connection(), _STORED, name)
    return success(deleted=name)


@bp.post("/deliveries")
@describe(
    "交付：表格的行或选中的记录，按规格做成的文件；这一步还不做图。apply=0 只看会怎样",
    answer(id=or_null(str), counts=closed_object(keep=int, all=int), by_product=or_null(_NAMES), **_STATE),
    also={201: "记下了"},
    headers=KEY_HEADERS,
    json=strict_object(
        "profile",
        table=str,
        records=array_of(ID, maxItems=MAX_ROWS_A_TABLE),
        rows=array_of(ID, maxItems=MAX_ROWS_A_TABLE) | {"description": "表格里行的编号；不写就是所有的行"},
        pick=enum("keep", "all"),
        profile=str,
        note=bool,
        workbook=bool,
        columns=_COLUMNS,
        by_product=bool,
        counters=bool,
        apply=whole(0, 1, default=1),
        changed_since=text(description="一次交付的编号：只要那以后换了图片的行"),
        request_id=REQUEST_ID,
    ),
)
def deliver() -> Response:
    """Plan a delivery, and store it unless ``apply`` is 0."""
    body = json_body()
    key, applies = request_key(body), body.get("apply", 1)
    asked = {name: body[name] for name in ("note", "workbook", "counters", "columns") if name in body}
    profile = replace(find_profile(body["profile"]), **asked)
    pick = body.get("pick", "keep" if "table" in body else "all")
    of = _of_table if "table" in body else _of_records
    planned, plan, counts, names = of(body, profile, pick)
    planned = replace(planned, person_id=current_person().id)
    delivery = store.add_delivery(connection(), planned, plan, key) if applies else planned
    files, problems = plan.files, plan.problems
    if delivery is not planned:  # of an earlier call with this request key
        files = store.list_files(connection(), delivery.id)
        problems = store.read_problems(connection(), delivery.id)
    response = _state(
        delivery, files, problems, id=delivery.id if applies else None, counts=counts, by_product=names
    )
    response.status_code = 201 if applies else 200
    return response


@bp.get("/deliveries")
@describe("一个表格的交付，和它自己的列", answer(deliveries=[_LISTED], columns=[str]), query={"table": str})
def list_of_table() -> Response:
    """The deliveries of a table, and how many rows of each show other pictures by now."""
    table = database.get_table(connection(), request.args.get("table", ""))
    deliveries = store.list_deliveries(connection(), table.id)
    picks = {each.pick for each, _ in deliveries}
    now = {pick: store.read_sources(connection(), table, None, pick)[0] for pick in picks}
    names = database.shown_names(connection())
    listed = [
        {
            **{name: getattr(each, name) for name in _LISTED["required"] if name != "changed"},
            "changed": len(store.changed_rows(each, shown, now[each.pick])),
            **({"person": names.get(each.person_id or 0, "")} if names else {}),
        }
        for each, shown in deliveries
    ]
    return success(deliveries=listed, columns=[*table.own_columns])


@bp.get("/deliveries/<delivery_id>")
@describe(
    "一次交付：每个文件做好没有",
    answer(
        **dict.fromkeys(("id", "profile", "created_at"), str),
        **dict.fromkeys(("table", "finished_at"), or_null(str)),
        **_STATE,
    ),
)
def show(delivery_id: str) -> Response:
    """The state of a delivery."""
    delivery = store.get_delivery(connection(), delivery_id)
    names = ("id", "profile", "created_at", "finished_at")
    return _state(
        delivery,
        store.list_files(connection(), delivery_id),
        store.read_problems(connection(), delivery_id),
        table=delivery.table_id or None,
        **{name: getattr(delivery, name) for name in names},
    )


@bp.delete("/deliveries/<delivery_id>")
@describe("忘掉一次交付，删掉它做好的文件；原图不动", answer(deleted=str))
def forget(delivery_id: str) -> Response:
    """Forget a delivery and its finished files."""
    maker = _maker(delivery_id)
    store.delete_delivery(connection(), delivery_id)
    maker.forget()
    return success(deleted=delivery_id)


@bp.get("/deliveries/<delivery_id>.zip")
@describe("交付的 ZIP；还没做好的文件边做边发，这时没有长度", "application/zip", query={"token": text()})
def download(delivery_id: str) -> Response:
    """The ZIP of a delivery."""
    maker = _maker(delivery_id)
    with ExitStack() as held:
        held.enter_context(services().archives)
        archive = _archive(maker)
        pieces = archive.pieces()
        held.callback(pieces.close)
        response = zip_response(start_stream(pieces), archive.length, held.pop_all().close)
    title = safe_stem(maker.delivery.title) or gettext("图片")
    profile = safe_stem(translate(message(maker.delivery.profile)))
    name = gettext("{title}-{profile}-{n}个文件.zip", title=title, profile=profile, n=maker.delivery.files)
    return as_attachment(response, name, "delivery.zip")


@bp.post("/deliveries/<delivery_id>/folder")
@describe("存成这台电脑上的文件夹，和图片文件夹放在一起；只在运行程序的电脑上", answer(folder=str))
def copy_to_folder(delivery_id: str) -> Response:
    """Copy a delivery into a folder of this computer."""
    if not is_of_this_machine():
        raise Forbidden("只有在运行程序的电脑上，才能存成文件夹；请下载 ZIP")
    with services().archives:
        folder = _archive(_maker(delivery_id)).save()
    return success(folder=str(folder))


@bp.post("/delivery-profiles/preview")
@describe(
    "一张图片按规格做成的样子",
    ["image/jpeg", "image/png", "image/webp"],
    json=strict_object("profile", "record_id", profile=_GIVEN, record_id=ID),
)
def preview() -> Response:
    """A picture as a profile, stored or not, makes it."""
    body = json_body()
    fields = body["profile"]
    profile = read_profile(fields.get("name") or "预览", fields)
    record = database.get_record(connection(), body["record_id"])
    originals = open_originals()
    content = originals.read(record.filename, originals.key(connection(), record.filename))
    with services().making:
        made = finish(content, finish_of(preview_of(profile)))
    return Response(made.content, mimetype=f"image/{made.format}")


@bp.post("/deliveries/<delivery_id>/make")
@describe("接着做这次交付的文件，大约一秒；没做完就再调用", answer(**_STATE))
def make(delivery_id: str) -> Response:
    """Make some of the files that are missing."""
    maker = _maker(delivery_id)
    missing = store.list_open_files(connection(), delivery_id, _MADE_AT_ONCE)
    with services().making:
        made = [*maker.make(connection(), missing, seconds=_MAKE_SECONDS)]
    delivery = store.get_delivery(connection(), delivery_id)
    return _state(delivery, made, store.read_problems(connection(), delivery_id))


def _of_table(body: Mapping[str, Any], profile: Profile, pick: str) -> _Planned:
    """A delivery of rows of a table, not stored yet; its plan; how many pictures there are of each pick, and
    the names by product and role that a built-in profile takes if it is asked to."""
    if "records" in body:
        raise InvalidRequest("records", "table 和 records 只写一个")
    table, ids = database.get_table(connection(), body["table"]), body.get("rows")
    sources, counts = store.read_sources(connection(), table, ids, pick)
    shown, is_whole, since = dict[int, Sequence[int]](), ids is None, body.get("changed_since")
    if since is not None:
        earlier = store.get_delivery(connection(), since)
        if earlier.table_id != table.id:
            raise InvalidRequest("changed_since", "changed_since 应为这个表格的一次交付")
        shown |= store.read_shown(connection(), earlier.id)
        sources, is_whole = store.changed_rows(earlier, shown, sources), earlier.is_whole
    shown |= {each.row_id: store.shown_by(each) for each in sources}
    has_names = not profile.built_in or profile.file_name != Profile(name="").file_name
    names = None if has_names else store.names_of_sets(connection(), table, sources)
    if body.get("by_product") and names:
        profile = replace(profile, folder=names[0], file_name=names[1])
    of_table = {"table_id": table.id, "title": table.name, "is_whole": is_whole}
    proposed = names and {"folder": names[0], "file_name": names[1]}
    return *plan_delivery(profile, sources, pick, shown, **of_table), counts, proposed


def _of_records(body: Mapping[str, Any], profile: Profile, pick: str) -> _Planned:
    ids: list[int] = body.get("records", [])
    if not ids:
        raise InvalidRequest("table", "请写 table 或 records")
    for name in ("rows", "changed_since"):
        if name in body:
            raise InvalidRequest(name, "{name} 只和 table 一起写", name=name)
    found = {record.id: record for record in database.list_selected(connection(), ids)}
    for record_id in ids:
        if record_id not in found:
            raise NotFound("没有记录 {id}，它可能已被删除", id=record_id)
    records = [found[record_id] for record_id in dict.fromkeys(ids)]
    kept = [record for record in records if record.pick == Pick.KEEP]
    sources = store.sources_of(connection(), kept if pick == Pick.KEEP else records)
    return *plan_delivery(profile, sources, pick, {}), {"keep": len(kept), "all": len(records)}, None


def plan_delivery(
    profile: Profile,
    sources: Sequence[Source],
    pick: str,
    shown: Mapping[int, Sequence[int]],
    **fields: Any,
) -> tuple[Delivery, Plan]:
    """A delivery, not stored yet, and its plan; ``fields`` are those of its table."""
    safe = store.without_visible_marks(connection(), sources, finish_of(profile))
    names = {name: getattr(profile, name) for name in ("file_name", "folder", "format", "counters")}
    files, problems = plan_files(safe, **names)
    text = "这一行没有留下的图片，请先选一张" if pick == Pick.KEEP else "这一行还没有图片"
    text = text if fields else "第 {row} 条记录没有图片，请先生成它"
    empty = [
        Problem(each.row, "pick", "pick", message(text, row=each.row))
        for each in sources
        if not each.pictures
    ]
    problems = sorted([*problems, *empty], key=lambda problem: problem.row)
    delivery = Delivery(
        id=store.new_id(),
        profile=profile.name,
        fields=asdict(profile),
        pick=pick,
        files=len(files),
        **fields,
    )
    return delivery, Plan(files, problems, shown)


def find_profile(name: str) -> Profile:
    """The profile of this name. Raises NotFound."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    if stored := database.list_named(connection(), _STORED).get(name):
        return stored_profile(stored)
    raise NotFound("没有交付规格「{name}」", name=name[:40])


def _require_own(name: str) -> None:
    if name.strip() in BUILT_IN:
        raise Conflict("「{name}」是自带的，改不了；可以用另一个名字存一份", name=name.strip())


def open_originals() -> Originals:
    """Where this installation reads originals."""
    return Originals(services().outputs, services().runtime.output_backup)


def _archive(maker: Maker) -> Archive:
    return Archive(maker, services().settings, translator())


def _maker(delivery_id: str) -> Maker:
    return Maker(store.get_delivery(connection(), delivery_id), open_originals())


def _state(delivery: Delivery, files: Sequence[File], problems: Sequence[Problem], **more: Any) -> Response:
    return large_success(
        files=[*_files_json(files, stored_profile(delivery.fields))],
        problems=[each._asdict() for each in problems],
        total=delivery.total(),
        **more,
    )


def _files_json(files: Iterable[File], profile: Profile) -> Iterator[dict[str, Any]]:
    """The files; those that are not made yet with the size and the checks that are known.

    After the first ones, of the checks only those that failed, which are few: a page counts them.
    """

    @cache
    def planned(width: int, height: int) -> tuple[dict[str, int], list[dict[str, Any]]]:
        frame = layout(finish_of(profile), width, height).frame
        return dict(zip(("width", "height"), frame, strict=True)), [
            each | {name: translate(each[name]) for name in ("seen", "wanted")}
            for each in map(dict[str, Any], check_size(profile, (width, height)))
        ]

    for file in files:
        shown = {name: getattr(file, name) for name in _FILE["required"] if name != "row_id"}
        shown["row_id"] = file.row_id or None
        if file.error:
            shown["error"] = file.error
        if file.is_open and file.width and file.height:
            size, checks = planned(file.width, file.height)
            shown |= size | {"checks": [*checks, *check_name(profile, file.name)]}
        if file.number >= _ALL_CHECKS:
            shown["checks"] = [each for each in shown["checks"] if each["result"] in (FAIL, HINT)]
        yield shown
