"""The API of tables: their rows, changed by operations, and the runs that make their pictures."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Blueprint
from werkzeug.wrappers import Response

import database
from app import sheets
from app.domain import (
    MAX_BATCH_NAME_LENGTH,
    MAX_ID,
    MAX_MODEL_LENGTH,
    MAX_PICTURES_A_ROW,
    MAX_ROWS_A_BATCH,
    own_column_names,
    read_resolution,
)
from app.domain.requests import read_columns
from app.domain.tables import new_table
from app.domain.times import utc_now
from app.errors import Conflict, InvalidRequest, message
from app.library.names import LibraryNames
from app.orders.plan import LINES
from app.orders.read import REPEATS, SKIP, today
from app.tables.check import Checker, ensure_checked
from app.tables.create import copy_table, create_table, read_new_rows
from app.tables.history import list_history
from app.tables.operations import MAX_OPERATIONS, Changed, change_rows, undo
from app.tables.run import RunChoices, run_table
from app.tables.states import view_rows
from app.tables.versions import cells_of
from app.web.api.batches import SHARED, placed_answer
from app.web.caching import etag_matches, with_etag
from app.web.openapi.describe import UNCHANGED, describe
from app.web.openapi.schemas import (
    ID,
    RESOLUTION,
    STOP_AFTER,
    answer,
    array_of,
    closed_object,
    enum,
    or_null,
    strict_object,
    text,
    whole,
)
from app.web.params import json_body, query
from app.web.person import current_person
from app.web.serializers import large_success, success
from app.web.services import connection, services
from app.web.submit import (
    KEY_HEADERS,
    REQUEST_ID,
    conditions,
    find_model,
    model_of,
    order_options,
    request_key,
)
from app.web.table_json import (
    CHANGED,
    OPEN_TABLE,
    OPERATION,
    ROWS,
    SHOWN_ROW,
    STAGE,
    TABLE,
    rows_json,
    stages_json,
    standing_json,
    table_json,
)

bp = Blueprint("tables", __name__)
TABLES_LISTED = 50

_NAME = text(minLength=1, maxLength=MAX_BATCH_NAME_LENGTH, title="表格的名字")
_MODEL = text(maxLength=MAX_MODEL_LENGTH, description="没有写模型的行用哪个，空的是默认的")
_ORDERED = answer(
    batch_id=or_null(str),
    records=[ID],
    shared=SHARED,
    price=or_null(float) | {"description": "现在做的一共多少钱；先试几行时只是那几行的"},
    lines=array_of(closed_object(what=enum(*LINES), pictures=ID, price=or_null(float)))
    | {"description": "make 现在做，held 等看过再做，share 共用同一次别的行的，其余是已经有的"},
    stage=STAGE,
)
_MODEL_OF_ALL = text(maxLength=MAX_MODEL_LENGTH, description="都由它来做；图片作为这些行的另一版")


@bp.get("/tables")
@describe(
    "表格，最近改的在前",
    answer(
        tables=array_of(
            closed_object(
                ("person",),
                **dict.fromkeys(("id", "name", "created_at", "updated_at", "person"), str),
                **dict.fromkeys(("rows", "pictures", "to_make"), int),
                price=or_null(float),
                cost=or_null(float),
                archived=bool,
                stage=STAGE,
            )
        ),
        total=int,
    ),
    query={
        "search": str,
        "archived": enum("0", "1"),
        "limit": whole(1, TABLES_LISTED, default=20),
        "offset": whole(0, MAX_ID, default=0),
    },
)
def list_tables() -> Response:
    """A page of the tables: those that are archived, or the others."""
    asked = query()
    asked |= {"search": asked.get("search", ""), "archived": asked.get("archived") == "1"}
    tables, total = database.list_tables(connection(), services().totals, **asked)
    stages = stages_json({each.table.id: each.totals for each in tables})
    listed = [
        {name: getattr(each.table, name) for name in ("id", "name", "created_at", "updated_at")}
        | {name: getattr(each.totals, name) for name in ("rows", "pictures", "to_make", "price")}
        | {"cost": each.cost, "archived": each.table.archived_at is not None, "stage": stages[each.table.id]}
        | ({"person": each.person} if each.person else {})
        for each in tables
    ]
    return success(tables=listed, total=total)


@bp.post("/tables")
@describe(
    "新建一个表格：空的，或有这些行，或照一份导入过的表格",
    answer(table=TABLE),
    status=201,
    headers=KEY_HEADERS,
    json=strict_object(
        name=text(maxLength=MAX_BATCH_NAME_LENGTH, title="表格的名字"),
        rows=ROWS,
        workbook=or_null(text(description="导入得到的编号；不写 rows 就照它的每一行")),
        sheets=array_of(str) | {"description": "照这些工作表，不写就是导入时的那一张"},
        model=or_null(_MODEL),
        request_id=REQUEST_ID,
    ),
)
def create() -> Response:
    """Make a table of rows, or of the workbook that was imported."""
    body = json_body()
    workbook_id, rows = body.get("workbook"), body.get("rows")
    name, model = _name_of(body), _model_of(body)
    cells = database.workbook_cells(connection(), workbook_id) if workbook_id else {}
    if workbook_id and rows is None:
        file = database.get_workbook_file(connection(), workbook_id)
        found = sheets.read_workbook(
            file.content,
            file.filename,
            sheets=body.get("sheets", []),
            find_model=lambda written: find_model(written or model),
            is_known=LibraryNames(services().library).has,
            date=today(),
            needs_prompt=False,
        )
        cells = {row.number: cells_of(row) for row in found.rows}
        rows, name = [row.as_json() for row in found.rows], name or file.filename.rpartition(".")[0]
    table = new_table(name, today=today(), model=model, workbook_id=workbook_id or None)
    table, new = read_new_rows(rows or [], table, cells=cells)
    key, me = request_key(body), current_person()
    added = create_table(connection(), table, new, checker=_checker(), key=key, person_id=me.id)
    return success(status=201, table=table_json(added))


@bp.get("/tables/<table_id>")
@describe(
    "一个表格和它的行；since 是已有的版本，只回答那以后变过的行；words=changed：只有图片变了的行不带文字",
    answer(table=OPEN_TABLE, rows=array_of(SHOWN_ROW), removed=[ID]),
    query={"since": int, "words": enum("changed")},
    also=UNCHANGED,
)
def get(table_id: str) -> Response:
    """The table with its rows, or those changed since a version, by themselves or by a picture they show."""
    db, checker = connection(), _checker()
    table = database.get_table(db, table_id)
    asked, last = query(), database.last_version(db)
    since = asked.get("since", 0)
    if since > last:
        raise Conflict("这个页面比数据库还新，数据库可能恢复过，请刷新页面")
    tag = f"{table_id}-{since}-{last}-{checker.digest}"
    if since and etag_matches(tag):
        return with_etag(Response(), tag)
    table = ensure_checked(db, table, checker)
    with database.read_transaction(db):
        last = database.last_version(db)
        changed, removed = database.list_changed_rows(db, table_id, since) if since else (None, [])
        views = view_rows(db, table, changed) if changed != [] else []
        run_id, standing = database.newest_run(db, table_id), standing_json(table_id)
    shown = table_json(table, run=run_id, **standing) | {"version": last}
    known = since if "words" in asked else 0
    answer = large_success(table=shown, rows=rows_json(views, known=known), removed=removed)
    return with_etag(answer, f"{table_id}-{since}-{last}-{checker.digest}")


@bp.get("/tables/<table_id>/history")
@describe(
    "谁改了什么，最近 30 天，新的在前；row：一行的；before：更早的",
    answer(
        changes=array_of(
            closed_object(
                ("person",),
                version=ID,
                at=str,
                person=str,
                rows=array_of(closed_object(id=ID, number=int), maxItems=20),
                row_count=int,
                what=array_of(str),
            )
        ),
        more=bool,
    ),
    query={"row": int, "before": int},
)
def history(table_id: str) -> Response:
    """A page of the changes of a table, or of one of its rows."""
    asked, table = query(), database.get_table(connection(), table_id)
    changes, more = list_history(
        connection(), table.id, row_id=asked.get("row", 0), before=asked.get("before", 0)
    )
    return success(changes=changes, more=more)


@bp.patch("/tables/<table_id>")
@describe(
    "改行：一步步来，全部成功或全部不改",
    CHANGED,
    headers=KEY_HEADERS,
    json=strict_object(
        "operations", operations=array_of(OPERATION, maxItems=MAX_OPERATIONS), request_id=REQUEST_ID
    ),
)
def patch(table_id: str) -> Response:
    """Carry out operations on rows -> the rows that they concern, as checked."""
    body = json_body()
    operations, key, me = body["operations"], request_key(body), current_person()
    changed = change_rows(connection(), table_id, operations, checker=_checker(), key=key, person_id=me.id)
    return _changed_answer(changed)


def _changed_answer(changed: Changed) -> Response:
    db = connection()
    views = view_rows(db, changed.table, changed.row_ids) if changed.row_ids else []
    return success(
        version=changed.table.version,
        rows=rows_json(views),
        removed=[*changed.removed],
        added=[*changed.added],
        **standing_json(changed.table.id),
    )


@bp.put("/tables/<table_id>")
@describe(
    "改表格的名字、模型、自己的列，或收起来",
    answer(table=TABLE),
    json=strict_object(
        name=_NAME,
        archived=bool,
        model=_MODEL,
        columns=array_of(str) | {"description": "自己的列，按顺序；有内容的都要写上"},
    ),
)
def put(table_id: str) -> Response:
    """Change a table; its rows are checked again when they are opened next."""
    body, db = json_body(), connection()
    table = database.get_table(db, table_id)
    changes: dict[str, Any] = {"name": _name_of(body) or table.name, "updated_at": utc_now()}
    if "archived" in body:
        changes["archived_at"] = (table.archived_at or utc_now()) if body["archived"] else None
    if "model" in body:
        changes |= {"model": _model_of(body), "checked_with": ""}
    if "columns" in body:
        names = [*read_columns(dict.fromkeys(body["columns"], ""))]
        used = own_column_names(row.columns for row in database.read_rows(db, table_id))
        if missing := [name for name in used if name not in names]:
            text = "「{names}」这几列里还有内容，请先清空，再删掉列"
            raise Conflict(text, names=tuple(missing))
        changes |= {"own_columns": names, "checked_with": ""}
    return success(table=table_json(database.mark_table(db, table, current_person().id, **changes)))


@bp.delete("/tables/<table_id>")
@describe("删掉一个表格；30 天里可以恢复，图片和记录都还在", answer(deleted=str))
def delete(table_id: str) -> Response:
    """Delete a table; its records stay."""
    db = connection()
    table = database.get_table(db, table_id)
    database.mark_table(db, table, current_person().id, deleted_at=utc_now())
    return success(deleted=table_id)


@bp.post("/tables/<table_id>/restore")
@describe("恢复一个删掉的表格", answer(table=TABLE))
def restore(table_id: str) -> Response:
    """Undo a deletion."""
    db = connection()
    table = database.get_table(db, table_id, deleted=True)
    return success(table=table_json(database.mark_table(db, table, current_person().id, deleted_at=None)))


@bp.post("/tables/<table_id>/copy")
@describe(
    "照这个表格再建一个：行都一样，已有的图片共用",
    answer(table=TABLE),
    status=201,
    headers=KEY_HEADERS,
    json=strict_object(name=_NAME, request_id=REQUEST_ID),
)
def copy(table_id: str) -> Response:
    """Make a table with the same rows."""
    body, db = json_body(), connection()
    table = database.get_table(db, table_id)
    name = _name_of(body) or str(message("{name} 副本", name=table.name))[:MAX_BATCH_NAME_LENGTH]
    made = copy_table(db, table, name, request_key(body), current_person().id)
    return success(status=201, table=table_json(made))


@bp.post("/tables/<table_id>/undo")
@describe(
    "撤销一次修改：version 是那次修改回答的；后来又改过的不能撤销",
    CHANGED,
    json=strict_object("version", version=whole(1, MAX_ID)),
)
def undo_change(table_id: str) -> Response:
    """Undo what the call that answered with this version changed."""
    version, me = json_body()["version"], current_person()
    return _changed_answer(undo(connection(), table_id, version, checker=_checker(), person_id=me.id))


def _checker() -> Checker:
    return Checker(reader=conditions().reader)


def _name_of(body: Mapping[str, Any]) -> str:
    """The name in a body; empty without one."""
    return " ".join(body.get("name", "").split())


def _model_of(body: Mapping[str, Any]) -> str:
    """The id of the model in a body; empty for the default. Raises InvalidRequest."""
    model = body.get("model")
    return find_model(model).model_id if model else ""


@bp.post("/tables/<table_id>/run")
@describe(
    "做一个表格的行：不写 rows 就是全部还要做的，没有成功的要写上编号。没有下单就是 200，也没有 batch_id",
    _ORDERED,
    status=202,
    headers=KEY_HEADERS,
    json=strict_object(
        rows=array_of(ID, minItems=1),
        again=array_of(ID) | {"description": "这些行已经有图也再做一遍"},
        pictures=whole(1, MAX_PICTURES_A_ROW, description="每行做几张，不写就照各行的"),
        model=or_null(_MODEL_OF_ALL),
        resolution=or_null(RESOLUTION),
        repeats=enum(*REPEATS) | {"default": SKIP},
        sample=or_null(whole(1, MAX_ROWS_A_BATCH, description="先试几行；有配方的是几个产品")),
        stop_after=STOP_AFTER,
        preview=whole(0, 1, default=0, description="1：只看要多少张、多少钱，不下单"),
        request_id=REQUEST_ID,
    ),
    also={200: _ORDERED},
)
def run(table_id: str) -> Response:
    """Order the pictures of rows; with ``repeats: skip`` those that there are of equal rows are shown."""
    body, db = json_body(), connection()
    resolution = body.get("resolution")
    choices = RunChoices(
        again=frozenset(body.get("again", [])),
        pictures=body.get("pictures"),
        spec=model_of(body) if body.get("model") else None,
        resolution=read_resolution(resolution) if resolution else "",
    )
    options = replace(order_options(body, "batch", repeats=SKIP), previews=bool(body.get("preview")))
    if choices.spec and options.sample:  # what is held is compared with what its rows ask for
        raise InvalidRequest("sample", "换个模型做时不能先试几行，请先选几行来做")
    table = database.get_table(db, table_id)
    database.complete_fingerprints(db)
    placed = run_table(conditions(), table, body.get("rows"), options, choices=choices, key=request_key(body))
    stage = standing_json(table_id)["stage"]
    return placed_answer(placed, price=placed.price, lines=placed.lines, stage=stage)
