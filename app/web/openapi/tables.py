"""The schemas of tables and their rows, as the API answers and changes them."""

from typing import Any

from app.domain import MAX_ID, Pick, Status
from app.domain.tables import MAX_ROWS_A_TABLE
from app.tables.states import RowState
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

_TOTALS = closed_object(
    ("sets", "paid"),
    **dict.fromkeys(("rows", "pictures", "to_make"), int),
    price=or_null(float),
    paid=WHOLE | {"description": "付过却没有图片的行，要再做就在 run 里写上它的编号；没有就不写"},
    sets=map_of(int),
)
_TABLE_FIELDS: dict[str, Any] = {
    **dict.fromkeys(("id", "name", "model", "created_at", "updated_at"), str),
    "version": int,
    "columns": [str],
    "workbook": or_null(str),
    "archived": bool,
    "deleted": bool,
    "recipe": or_null({"type": "object", "description": "用到这个表格的配方，照当时的样子"}),
}
TABLE = closed_object(**_TABLE_FIELDS)
_RUN = or_null(text(description="批次：没结束的里最新的，都结束了就是最新的"))
OPEN_TABLE = closed_object(**_TABLE_FIELDS, totals=_TOTALS, run=_RUN)
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
)
