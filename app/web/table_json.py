"""Tables and their rows as the API answers and changes them: schemas, and the JSON, without what is empty."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from flask import url_for

import database
from app.domain import MAX_ID, Pick, Status
from app.domain.tables import MAX_ROWS_A_TABLE, Row, RowPicture, Table
from app.tables.stage import COUNTS, OF_SETS, Action, StageName, counts_of, stage_of
from app.tables.states import RowState, RowView
from app.web.formatting import local_day, model_label
from app.web.openapi.schemas import (
    FIELDS,
    ID,
    WHOLE,
    Schema,
    answer,
    array_of,
    closed_object,
    enum,
    map_of,
    or_null,
    strict_object,
    text,
    whole,
)
from app.web.services import client_answers, connection, picture_notes, services

_TOTALS = closed_object(
    ("sets", "paid"),
    **dict.fromkeys(("rows", "pictures", "to_make"), int),
    price=or_null(float),
    paid=WHOLE | {"description": "付过却没有的图片，要再做就在 run 里写上那一行的编号；没有就不写"},
    sets=map_of(int),
)
_ACTION = closed_object(("price", "rows"), name=str, label=str, price=or_null(float), rows=int)
STAGE = closed_object(
    name=enum(*StageName),
    sentence=str,
    action=or_null(_ACTION),
    beside=array_of(_ACTION),
    counts=closed_object(OF_SETS, **dict.fromkeys((*COUNTS, *OF_SETS), int))
    | {"description": "problems 是格数，rows、products、sets_… 如名字所说，其余是图片，一样的行只算一次"},
) | {"description": "做到哪一步，接下来做什么；price 是现在下单的价钱"}
_STORED: dict[str, Any] = {
    **dict.fromkeys(("id", "name", "model", "created_at", "updated_at"), str),
    "version": int,
}
_TABLE_FIELDS: dict[str, Any] = {
    **_STORED,
    "columns": [str],
    "workbook": or_null(str),
    "archived": bool,
    "deleted": bool,
    "recipe": or_null({"type": "object", "description": "用到这个表格的配方，照当时的样子"}),
}
TABLE = closed_object(**_TABLE_FIELDS)
_RUN = or_null(text(description="批次：没结束的里最新的，都结束了就是最新的"))
OPEN_TABLE = closed_object(**_TABLE_FIELDS, totals=_TOTALS, stage=STAGE, run=_RUN)
_CELL: Schema = {"type": ["string", "integer", "number", "null", "array"]}
_PICTURE = closed_object(
    (
        *("url", "thumbnail_url", "width", "height", "pick", "error", "charged", "shared", "earlier"),
        *("model", "client", "run"),
    ),
    record_id=ID,
    number=ID,
    status=enum(*Status),
    **dict.fromkeys(("url", "thumbnail_url", "error", "model", "run"), str),
    **dict.fromkeys(("width", "height"), ID),
    **dict.fromkeys(("charged", "shared", "earlier"), bool),
    pick=enum(*Pick),
    client=closed_object(mark=or_null(enum("heart", "reject")), comment=str, client=str, round=int)
    | {"description": "客户在最近一轮里说的"},
)
SHOWN_ROW = strict_object(
    *("id", "state"),
    **{name: {} for name in (*FIELDS, "position", "templates")},
    id=ID,
    number=ID,
    place={"type": "number", "description": "按它从小到大排"},
    state=enum(*RowState),
    unchanged={"const": True, "description": "words=changed 时：文字和 since 那时一样，没有写出来"},
    columns=map_of(str),
    sent={"type": "object", "description": "真正送出的文字，与这一行写的不同时才有"},
    same_as=ID | {"description": "和它相同的第一行的行号，图片共用"},
    pictures=array_of(_PICTURE),
    trashed=array_of(ID) | {"description": "在回收站的图片，恢复了就不用再做；state 是 trashed 才有"},
    problems=array_of(closed_object(field=str, error=str)),
    missing=WHOLE | {"description": "还要买的张数，price 是它们的价钱；不用买就没有这两项"},
    price=or_null(float),
    is_gone={"const": True, "description": "新版的表格里没有这一行了，或配方里没有这个角色了"},
    product=ID | {"description": "由配方做成的行：产品原来的行号，一个产品的行都一样"},
    role=text(description="是产品的哪一个角色"),
)
ROWS = array_of({"type": "object"}, maxItems=MAX_ROWS_A_TABLE) | {
    "description": "和 POST /api/batches 的行一样；值不对也收，标在 problems 里"
}
_AFTER = or_null(whole(0, MAX_ID)) | {"description": "放在这一行的后面；0 是最前面，不写是最后面"}
OPERATION: Schema = {
    "oneOf": [
        closed_object(
            op={"const": "set"},
            row=ID,
            values=map_of(_CELL) | {"description": "字段的名字或自己的列名，到新的值；空的是清掉"},
        ),
        closed_object(("after",), op={"const": "add"}, after=_AFTER, rows=ROWS),
        closed_object(op={"const": "remove"}, rows=[ID]),
        closed_object(op={"const": "restore"}, rows=[ID]) | {"description": "删掉的行回到原来的地方"},
        closed_object(("after",), op={"const": "move"}, after=_AFTER, rows=[ID]),
    ]
}
CHANGED = answer(
    version=int,
    rows=array_of(SHOWN_ROW),
    removed=[ID],
    added=array_of(ID) | {"description": "新的行的编号，按 add 里的顺序"},
    totals=_TOTALS,
    stage=STAGE,
)


def table_json(table: Table, **more: Any) -> dict[str, Any]:
    """A table, with what ``more`` is known of an open one: ``totals``, ``stage``, ``run``."""
    fields = {
        **{name: getattr(table, name) for name in _STORED},
        "columns": [*table.own_columns],
        "workbook": table.workbook_id,
        "archived": table.archived_at is not None,
        "deleted": table.deleted_at is not None,
        "recipe": json.loads(table.recipe) if table.recipe else None,
    }
    return fields | more


def totals_json(totals: database.TableTotals) -> dict[str, Any]:
    """The totals of a table."""
    found = {name: getattr(totals, name) for name in ("rows", "pictures", "to_make", "price")}
    found |= {"paid": totals.paid} if totals.paid else {}
    return found | ({"sets": {"complete": sets.complete, "all": sets.all}} if (sets := totals.sets) else {})


def standing_json(table_id: str) -> dict[str, Any]:
    """``totals`` and ``stage`` of a table as it is now, with the time to go."""
    totals = database.totals_of(connection(), [table_id], services().totals)
    stage = stages_json(totals, with_time=True)[table_id]
    return {"totals": totals_json(totals[table_id]), "stage": stage}


def stages_json(
    totals: Mapping[str, database.TableTotals], *, with_time: bool = False
) -> dict[str, dict[str, Any]]:
    """Where these tables stand and what comes next."""
    db, ids = connection(), [*totals]
    runs, answers = database.open_runs(db, ids), client_answers(ids)
    found = {}
    for table_id, each in totals.items():
        run = runs.get(table_id)
        seconds = database.get_batch(db, run.id).eta_seconds if with_time and run and run.is_active else None
        day = local_day(each.delivered_at) if each.delivered else ""
        stage = stage_of(each, run, answers.get(table_id), seconds=seconds, day=day)
        found[table_id] = {
            "name": stage.name,
            "sentence": stage.sentence,
            "action": _action_json(stage.action) if stage.action else None,
            "beside": [_action_json(action) for action in stage.beside],
            "counts": counts_of(each),
        }
    return found


def _action_json(action: Action) -> dict[str, Any]:
    return {name: value for name, value in asdict(action).items() if value is not None} | {
        "label": action.label
    }


def rows_json(views: Sequence[RowView], *, known: int = 0) -> list[dict[str, Any]]:
    """Rows as they are shown; a picture that its row does not ask for now has ``earlier`` and ``model``.

    A row that has not changed since the version ``known`` is ``unchanged``, and comes without what it stores.
    """
    output = url_for("media.output", name="-")[:-1]
    thumbnails = url_for("media.thumbnail", record_id=0)[:-1]
    shown = {picture.record_id for view in views for picture in view.pictures}
    notes = picture_notes(shown)

    def picture_json(picture: RowPicture, fingerprint: str) -> dict[str, Any]:
        found: dict[str, Any] = {
            "record_id": picture.record_id,
            "number": picture.number,
            "status": picture.status,
        }
        if picture.filename:
            found["url"] = output + quote(picture.filename)
            found["thumbnail_url"] = f"{thumbnails}{picture.record_id}"
            if picture.width and picture.height:
                found |= {"width": picture.width, "height": picture.height}
        if picture.pick:
            found["pick"] = picture.pick
        if picture.error and picture.status is not Status.SUCCESS:
            found["error"] = picture.error
        if picture.is_charged and picture.status is not Status.SUCCESS:
            found["charged"] = True
        if picture.status is Status.HELD:
            found["run"] = picture.batch_id
        if picture.is_shared:
            found["shared"] = True
        if picture.record_id in notes:
            found["client"] = notes[picture.record_id]
        if picture.fingerprint != fingerprint:
            found |= {"earlier": True, "model": model_label(picture.model)}
        return found

    def row_json(view: RowView) -> dict[str, Any]:
        row = view.row
        found: dict[str, Any] = {
            "id": row.id,
            "state": view.state,
            **({"unchanged": True} if row.version <= known else _stored_json(row)),
        }
        if view.same_as is not None:
            found["same_as"] = view.same_as
        pictures = [picture for picture in view.pictures if not picture.is_trashed]
        if pictures:
            found["pictures"] = [picture_json(picture, row.fingerprint) for picture in pictures]
        if view.state is RowState.TRASHED:
            found["trashed"] = [picture.record_id for picture in view.pictures if picture.is_trashed]
        if view.missing:
            found |= {"missing": view.missing, "price": view.price}
        return found

    return [row_json(view) for view in views]


def _stored_json(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {**row.fields, "number": row.number, "place": row.position}
    if row.columns:
        found["columns"] = row.columns
    if row.sent:
        found["sent"] = row.sent
    if row.problems:
        found["problems"] = [{"field": name, "error": sentence} for name, sentence in row.problems]
    if row.is_gone:
        found["is_gone"] = True
    if row.product:
        found |= {"product": row.product, "role": row.role}
    return found
