"""The API of deliveries."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from functools import cache
from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response

import database
from app.delivery import plan, profiles, sql
from app.delivery.archive import DeliveryArchive, open_maker, send_zip
from app.delivery.checks import FAIL, HINT, NOT_CHECKED, PASS, check_name, check_size
from app.delivery.making import Maker
from app.delivery.naming import DeliveryFile
from app.delivery.profiles import BUILT_IN, Profile, finish_of, preview_of, read_profile, stored_profile
from app.delivery.sql import Delivery
from app.domain import MAX_OWN_COLUMNS, MAX_OWN_NAME_LENGTH
from app.domain.tables import MAX_ROWS_A_TABLE
from app.errors import Conflict, Forbidden, message
from app.images.filenames import safe_stem
from app.images.finishing import POSITIONS, finish, layout
from app.web.downloads import as_attachment
from app.web.i18n import gettext, translate, translator
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
from app.web.person import current_person, is_of_this_machine
from app.web.serializers import large_success, success
from app.web.services import connection, services
from app.web.submit import KEY_HEADERS, REQUEST_ID, request_key

bp = Blueprint("deliveries", __name__, url_prefix="/api")

_MAKE_SECONDS, _MADE_AT_ONCE = 1.0, 500  # of a call
_ALL_CHECKS = 1_000  # files of an answer whose passed checks are in it
_STORED = plan.STORED_PROFILES
_BOUND = or_null({"type": "number", "minimum": 0, "maximum": profiles.MAX_KB})
_RULE = closed_object(("at_least", "at_most"), rule=enum(*profiles.RULES), at_least=_BOUND, at_most=_BOUND)
_SHARE = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
_OVERLAY = strict_object("image", image=str, position=enum(*POSITIONS), size=_SHARE, opacity=_SHARE)
_COLUMNS = array_of(text(maxLength=MAX_OWN_NAME_LENGTH), maxItems=MAX_OWN_COLUMNS) | {
    "description": "交付清单里还要有的自己的列；名字用到的总有"
}
_PROFILE = from_dataclass(
    Profile,
    fit=enum(*profiles.FITS),
    focus=enum(*POSITIONS),
    format=enum(*profiles.FORMATS),
    width=whole(0, profiles.MAX_SIDE, title="宽"),
    height=whole(0, profiles.MAX_SIDE, title="高"),
    max_kb=whole(0, profiles.MAX_KB, title="最大"),
    min_kb=whole(0, profiles.MAX_KB, title="最小"),
    background=text(maxLength=profiles.MAX_TEXT, title="底色"),
    file_name=text(maxLength=profiles.MAX_TEXT, title="文件名"),
    folder=text(maxLength=profiles.MAX_TEXT, title="文件夹"),
    source=text(maxLength=profiles.MAX_TEXT, title="来源"),
    checked_on=text(maxLength=profiles.MAX_TEXT),
    rules=array_of(_RULE, maxItems=len(profiles.RULES)),
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
    return success(profile=plan.find_profile(connection(), name))


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
    """DeliveryPlan a delivery, and store it unless ``apply`` is 0."""
    body, db = json_body(), connection()
    key = request_key(body)
    asked = {name: body[name] for name in ("note", "workbook", "counters", "columns") if name in body}
    profile = replace(plan.find_profile(db, body["profile"]), **asked)
    by = plan.plan_table if "table" in body else plan.plan_records
    planned = by(db, body, profile, current_person().id)
    more = {"counts": planned.counts, "by_product": planned.by_product}
    if not body.get("apply", 1):
        return _state(planned.delivery, planned.files, id=None, **more)
    with database.transaction(db):
        delivery_id = plan.store_plan(db, planned, key)
    delivery, files = planned.delivery, planned.files
    if delivery_id != delivery.id:  # of an earlier call with this request key
        delivery, files = sql.get_delivery(db, delivery_id), sql.list_files(db, delivery_id)
    response = _state(delivery, files, id=delivery_id, **more)
    response.status_code = 201
    return response


@bp.get("/deliveries")
@describe("一个表格的交付，和它自己的列", answer(deliveries=[_LISTED], columns=[str]), query={"table": str})
def list_of_table() -> Response:
    """The deliveries of a table, and how many rows of each show other pictures by now."""
    table = database.get_table(connection(), request.args.get("table", ""))
    deliveries = sql.list_deliveries(connection(), table.id)
    picks = {delivery.pick for delivery in deliveries}
    now = {pick: plan.read_sources(connection(), table, None, pick)[0] for pick in picks}
    names = database.shown_names(connection())
    listed = [
        {
            **{name: getattr(delivery, name) for name in _LISTED["required"] if name != "changed"},
            "changed": len(plan.changed_rows(delivery, now[delivery.pick])),
            **({"person": names.get(delivery.person_id or 0, "")} if names else {}),
        }
        for delivery in deliveries
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
    delivery = sql.get_delivery(connection(), delivery_id)
    stored = {name: getattr(delivery, name) for name in ("id", "profile", "created_at", "finished_at")}
    files = sql.list_files(connection(), delivery_id)
    return _state(delivery, files, table=delivery.table_id or None, **stored)


@bp.delete("/deliveries/<delivery_id>")
@describe("忘掉一次交付，删掉它做好的文件；原图不动", answer(deleted=str))
def forget(delivery_id: str) -> Response:
    """Forget a delivery and its finished files."""
    maker = _maker(delivery_id)
    sql.delete_delivery(connection(), delivery_id)
    maker.forget()
    return success(deleted=delivery_id)


@bp.get("/deliveries/<delivery_id>.zip")
@describe("交付的 ZIP；还没做好的文件边做边发，这时没有长度", "application/zip", query={"token": text()})
def download(delivery_id: str) -> Response:
    """The ZIP of a delivery."""
    maker = _maker(delivery_id)
    response = send_zip(maker, services().settings, translator(), services().archives)
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
        folder = DeliveryArchive(_maker(delivery_id), services().settings, translator()).save()
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
    originals = services().originals
    content = originals.read(record.filename, originals.key(connection(), record.filename))
    with services().making:
        made = finish(content, finish_of(preview_of(profile)))
    return Response(made.content, mimetype=f"image/{made.format}")


@bp.post("/deliveries/<delivery_id>/make")
@describe("接着做这次交付的文件，大约一秒；没做完就再调用", answer(**_STATE))
def make(delivery_id: str) -> Response:
    """Make some of the files that are missing."""
    maker = _maker(delivery_id)
    missing = sql.list_open_files(connection(), delivery_id, _MADE_AT_ONCE)
    with services().making:
        made = [*maker.make(connection(), missing, seconds=_MAKE_SECONDS)]
    return _state(sql.get_delivery(connection(), delivery_id), made)


def _require_own(name: str) -> None:
    if name.strip() in BUILT_IN:
        raise Conflict("「{name}」是自带的，改不了；可以用另一个名字存一份", name=name.strip())


def _maker(delivery_id: str) -> Maker:
    return open_maker(connection(), delivery_id, services().originals)


def _state(delivery: Delivery, files: Iterable[DeliveryFile], **more: Any) -> Response:
    return large_success(
        files=[*_files_json(files, stored_profile(delivery.fields))],
        problems=[each._asdict() for each in delivery.problems],
        total=delivery.total(),
        **more,
    )


def _files_json(files: Iterable[DeliveryFile], profile: Profile) -> Iterator[dict[str, Any]]:
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
