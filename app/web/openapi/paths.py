"""The operations of the API, their parameters and responses; a test compares them with the routes."""

from collections.abc import Mapping, Sequence
from typing import Any

import database
from app.domain import (
    ASPECT_RATIOS,
    MAX_BATCH_NAME_LENGTH,
    MAX_FILENAME_LENGTH,
    MAX_ROWS_A_BATCH,
    RESOLUTIONS,
)
from app.web.api.batches import BATCHES_LISTED, SOURCES
from app.web.api.samples import MAX_FILES, MOST_COUNTED, MOST_IMAGES
from app.web.date_range import RANGES
from app.web.downloads import XLSX
from app.web.filters import LONGEST_TEXT, MOST_LISTED, MOST_PASSED
from app.web.openapi.schemas import (
    COUNT,
    ID,
    NUMBER,
    TEXT,
    YES_OR_NO,
    Schema,
    array_of,
    closed_object,
    enum,
    map_of,
    or_null,
    ref,
    success,
)
from app.web.submit import KEY_HEADER, LONGEST_KEY

Call = dict[str, Any]

_JSON = "application/json"
_KINDS = {"json": _JSON, "form": "application/x-www-form-urlencoded", "files": "multipart/form-data"}
_PICTURES = ("image/png", "image/jpeg", "image/webp")
_FILE = {"type": "string", "contentMediaType": "application/octet-stream"}
_PHRASE = {"type": "string", "maxLength": LONGEST_TEXT}
_FILTER: dict[str, Schema] = {
    "search": _PHRASE,
    "status": {**TEXT, "description": "可写多个，用逗号分开"},
    "batch_id": _PHRASE,
    "aspect_ratio": enum(*ASPECT_RATIOS),
    "resolution": enum(*RESOLUTIONS),
    "model": _PHRASE,
    "favourite": enum("1", "0"),
    "from": {**TEXT, "description": "日期，或带时区的时间"},
    "to": {**TEXT, "description": "日期（含当天），或带时区的时间"},
    "as_of": {**TEXT, "description": "时间：不包括之后新增、做完或删除的"},
    "sort": enum(database.NEWEST, database.OLDEST),
    "trash": enum("1", "0"),
}
_IDS: Schema = {**TEXT, "description": "记录编号，用逗号分开；不写则按筛选条件"}
_SELECTION: dict[str, Schema] = {"ids": array_of(ID), "filter": closed_object(tuple(_FILTER), **_FILTER)}
_UNRESOLVED: dict[str, Schema] = {"ids": array_of(ID), "all": YES_OR_NO}
_DATE_RANGE: dict[str, Schema] = {
    "range": enum(*RANGES),
    "from": {**TEXT, "description": "日期，代替 range"},
    "to": {**TEXT, "description": "日期（含当天）"},
}
_KEY: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST_KEY,
    "description": (
        f"同一个键 24 小时内只下单一次，再来得到第一次的回答，内容不同则 422；也可用请求头 {KEY_HEADER}"
    ),
}
_KEYED: Call = {"parameters": [{"name": KEY_HEADER, "in": "header", "schema": _KEY}]}
_BATCH = success(batch=ref("Batch"))
_CANCELLED = success(batch=ref("Batch"), cancelled=COUNT, undo=array_of(ID), was_paused=YES_OR_NO)
_IMAGES = success(images=array_of(ref("LibraryImage")), source=enum("oss", "local"))
_REQUEUED = success(records=COUNT, waiting=COUNT)
_UNCHANGED = {"304": "没有变化"}
_FILES = {"206": "一部分", "302": "图片在 OSS，转到那里；没有登录则转到登录页", **_UNCHANGED}
_HEALTH: dict[str, Schema] = {
    **dict.fromkeys(("database", "disk", "worker", "model", "stopping"), YES_OR_NO),
    "disk_free_bytes": or_null(COUNT),
    "image_model": TEXT,
    "under_way": COUNT,
}
_UNHEALTHY = closed_object(tuple(_HEALTH), success={"const": False}, error=TEXT, **_HEALTH)


def whole(low: int, high: int, **more: Any) -> Schema:
    """An integer within bounds."""
    return {"type": "integer", "minimum": low, "maximum": high, **more}


def open_object(*required: str, **fields: Schema) -> Schema:
    """An object with these fields; others are allowed."""
    return {"type": "object", "properties": fields, **({"required": [*required]} if required else {})}


def strict_object(*required: str, **fields: Schema) -> Schema:
    """An object with these fields; others are rejected."""
    return closed_object(tuple(name for name in fields if name not in required), **fields)


def call(
    summary: str,
    answer: Schema | Sequence[str],
    *,
    status: str = "200",
    query: Mapping[str, Schema] | None = None,
    also: Mapping[str, str] | None = None,
    unwell: Schema | None = None,
    may_be_empty: bool = False,
    is_opened: bool = False,
    **bodies: Schema,
) -> Call:
    """One operation. ``answer`` is the schema of its JSON, or the media types of its file.

    ``bodies`` are the request bodies, by the names of _KINDS; ``also`` other responses, by status;
    ``is_opened``: a browser may open the URL and then gets errors as a page.
    """
    kinds = {_JSON: {"schema": answer}} if isinstance(answer, dict) else {kind: {} for kind in answer}
    answers: dict[str, Any] = {status: {"description": "成功", "content": kinds}}
    answers |= {code: {"description": text} for code, text in (also or {}).items()}
    failure = "FailureOrPage" if is_opened else "Failure"
    answers |= {code: {"$ref": f"#/components/responses/{failure}"} for code in ("4XX", "5XX")}
    if unwell:
        answers["503"] = {"description": "没有成功", "content": {_JSON: {"schema": unwell}}}
    operation: Call = {"summary": summary, "responses": answers}
    if query:
        operation["parameters"] = [
            {"name": name, "in": "query", "schema": one} for name, one in query.items()
        ]
    if bodies:
        content = {_KINDS[kind]: {"schema": schema} for kind, schema in bodies.items()}
        operation["requestBody"] = {"required": not may_be_empty, "content": content}
    return operation


CALLS: dict[str, Call] = {
    "POST /api/batch-generate": call(
        "生成一行，等它做完；全部失败时是 502",
        success(
            ("errors",),
            images=array_of(ref("MadePicture")),
            batch_id=TEXT,
            errors=array_of(ref("FailedPicture")),
        ),
        json={"allOf": [ref("Row"), open_object(request_id=or_null(_KEY))]},
    )
    | _KEYED,
    "GET /api/batches": call(
        "批次，一次一页，新的在前",
        success(batches=array_of(ref("Batch")), total=COUNT),
        query={
            "limit": whole(1, MOST_LISTED, default=BATCHES_LISTED),
            "offset": whole(0, MOST_PASSED, default=0),
            "source": enum(*SOURCES),
        },
        also=_UNCHANGED,
    ),
    "POST /api/batches": call(
        "把若干行排进队列；有一行不对就一行也不排",
        success(batch_id=TEXT, records=array_of(ID)),
        status="202",
        json=open_object(
            "rows",
            rows=array_of(ref("Row"), minItems=1, maxItems=MAX_ROWS_A_BATCH),
            name={"type": "string", "maxLength": MAX_BATCH_NAME_LENGTH},
            source=enum(*SOURCES),
            request_id=or_null(_KEY),
        ),
    )
    | _KEYED,
    "GET /api/batches/changed": call(
        "许多批次（ids 用逗号隔开）里 since 之后变化了的记录",
        success(version=COUNT, records=array_of(ref("Record"))),
        query={"ids": TEXT, "since": COUNT},
        also=_UNCHANGED,
    ),
    "GET /api/batches/{batch_id}": call(
        "一个批次，以及 since 之后变化了的记录和日志；日志太长时略去较早的普通几条，log_left_out 是条数",
        success(
            batch=ref("Batch"),
            version=COUNT,
            records=array_of(ref("Record")),
            log=array_of(ref("LogLine")),
            log_left_out=COUNT,
        ),
        query={"since": COUNT},
        also=_UNCHANGED,
    ),
    "POST /api/batches/{batch_id}/pause": call("暂停：不再开始新的", _BATCH),
    "POST /api/batches/{batch_id}/resume": call("继续", _BATCH),
    "POST /api/batches/{batch_id}/cancel": call(
        "取消还没有下单的；undo 和 was_paused 交给 uncancel 就能撤销", _CANCELLED
    ),
    "POST /api/batches/{batch_id}/uncancel": call(
        "取消了的重新排队：全部，或 records 里取消了的；paused 让已结束的批次先暂停着",
        success(batch=ref("Batch"), records=COUNT),
        json=strict_object(records=or_null(array_of(ID)), paused={**YES_OR_NO, "default": False}),
        may_be_empty=True,
    ),
    "POST /api/batches/{batch_id}/retry": call(
        "再试失败而没有计费的；已计费、结果未知或已取消的只有指名才会再试",
        success(batch=ref("Batch"), retried=COUNT),
        json=strict_object(records=or_null(array_of(ID)), request_id=or_null(_KEY)),
        may_be_empty=True,
    )
    | _KEYED,
    "GET /api/batches/{batch_id}/results.xlsx": call("结果表", [XLSX]),
    "POST /api/spreadsheet/import": call(
        "读一份 .xlsx、.xlsm 或 .csv，不会开始生成",
        success(
            sheet=TEXT,
            rows=array_of(ref("ImportedRow")),
            problems=array_of(ref("CellProblem")),
            notes=array_of(TEXT),
            references=array_of(ref("NamedReference")),
        ),
        files=open_object("file", file=_FILE),
    ),
    "GET /api/spreadsheet/template.xlsx": call("空白模板", [XLSX]),
    "POST /api/spreadsheet/export": call(
        "把这些行写成表格，可以原样再导入",
        [XLSX],
        json=open_object("rows", rows=array_of({"type": "object"}, maxItems=MAX_ROWS_A_BATCH)),
    ),
    "GET /api/records": call(
        "记录，一次一页；排队和生成中的要用 status 指明才有",
        success(records=array_of(ref("Record")), total=COUNT),
        query={
            "limit": whole(1, MOST_LISTED, default=20),
            "offset": whole(0, MOST_PASSED, default=0),
            **_FILTER,
        },
    ),
    "GET /api/records/kinds": call(
        "可以按什么筛选，各有多少条",
        success(kinds=map_of(map_of(COUNT)), index=closed_object(done=COUNT, total=COUNT)),
        query={"trash": _FILTER["trash"]},
    ),
    "GET /api/records/ids": call("筛选到的全部编号", success(ids=array_of(ID), total=COUNT), query=_FILTER),
    "GET /api/records/{record_id}": call("一条记录", success(record=ref("Record"))),
    "DELETE /api/records/{record_id}": call("删除，30 天内可以恢复", success(deleted={"const": 1})),
    "POST /api/records/{record_id}/cancel": call("取消一张还没有下单的，同一批的其他图片照做", _CANCELLED),
    "GET /api/records/{record_id}/neighbours": call(
        "按筛选的顺序，它前面和后面的一条",
        success(previous=or_null(ref("Record")), next=or_null(ref("Record"))),
        query=_FILTER,
    ),
    "POST /api/records/delete": call(
        "删除这些，或筛选到的全部", success(deleted=COUNT, undo=COUNT), json=strict_object(**_SELECTION)
    ),
    "POST /api/records/restore": call(
        "恢复这些、筛选到的全部，或一次删除（undo）",
        success(restored=COUNT),
        json=strict_object(**_SELECTION, undo=ID),
    ),
    "POST /api/records/favourite": call(
        "收藏或取消收藏",
        success(changed=COUNT),
        json=strict_object(**_SELECTION, favourite={**YES_OR_NO, "default": True}),
    ),
    "POST /api/records/collect": call(
        "取回结果未知的：凭编号再问一次，不会下单", _REQUEUED, json=strict_object(**_UNRESOLVED)
    ),
    "POST /api/records/retry": call(
        "结果未知的重新下单，可能付两次；all 只包括不能取回的",
        _REQUEUED,
        json=strict_object(**_UNRESOLVED, request_id=or_null(_KEY)),
    )
    | _KEYED,
    "POST /api/records/drop": call(
        "放弃结果未知的，billed 说账单里有没有",
        success(records=COUNT, amount=NUMBER, undo=ID),
        json=strict_object("billed", **_UNRESOLVED, billed=YES_OR_NO),
    ),
    "POST /api/records/undrop": call(
        "撤销一次放弃", success(records=COUNT), json=strict_object("undo", undo=ID)
    ),
    "GET /api/usage": call("花了多少，什么还没有结果", success(usage=ref("Usage")), query=_DATE_RANGE),
    "GET /api/usage/export.xlsx": call("账目，一笔一行", [XLSX], query=_DATE_RANGE),
    "GET /api/usage/export.csv": call("账目，纯文本", ["text/csv"], query=_DATE_RANGE),
    "GET /api/records/archive.zip": call(
        "图片和参数表，一个 ZIP", ["application/zip"], query={"ids": _IDS, **_FILTER}
    ),
    "POST /api/records/archive.zip": call(
        "同上，条件写在表单里", ["application/zip"], form=open_object(ids=_IDS, **_FILTER), may_be_empty=True
    ),
    "GET /api/records/export.xlsx": call("记录写成表格", [XLSX], query={"ids": _IDS, **_FILTER}),
    "POST /api/records/export.xlsx": call(
        "同上，条件写在表单里", [XLSX], form=open_object(ids=_IDS, **_FILTER), may_be_empty=True
    ),
    "POST /api/records/find-by-file": call(
        "一张图片是哪一条记录，以及它里面写着的参数",
        success(
            record=or_null(ref("Record")),
            is_same_file=YES_OR_NO,
            in_trash=YES_OR_NO,
            parameters=or_null(ref("Parameters")),
        ),
        files=open_object("file", file=_FILE),
    ),
    "GET /api/sample-images": call(
        "示例图，新的在前",
        success(
            ("trouble",),
            images=array_of(ref("LibraryImage")),
            total=COUNT,
            source=enum("oss", "local"),
            stale=YES_OR_NO,
            listed_at=or_null(NUMBER),
            trouble=TEXT,
        ),
        query={"search": TEXT, "limit": whole(1, MOST_IMAGES), "offset": whole(0, MOST_IMAGES)},
    ),
    "POST /api/sample-images": call(
        "放进示例图：上传文件，或以 JSON 指名一条记录的图片",
        _IMAGES,
        files=open_object("file", file=array_of(_FILE, minItems=1, maxItems=MAX_FILES)),
        json=open_object("record_id", record_id=ID),
    ),
    "POST /api/sample-images/uses": call(
        "每张示例图被多少条记录用过",
        success(uses=map_of(COUNT)),
        json=open_object("keys", keys=array_of(TEXT, maxItems=MOST_COUNTED)),
    ),
    "PATCH /api/sample-images/{key}": call(
        "改名", _IMAGES, json=open_object("filename", filename={**TEXT, "maxLength": MAX_FILENAME_LENGTH})
    ),
    "DELETE /api/sample-images/{key}": call("删除，可以恢复", success(deleted=TEXT)),
    "POST /api/sample-images/{key}/restore": call("恢复", _IMAGES),
    "GET /api/models": call(
        "现在用的模型接受什么",
        success(model=ref("Model"), models=array_of(ref("Model")), budget=or_null(NUMBER)),
    ),
    "GET /api/openapi.json": call("这份文档", {"type": "object"}, also=_UNCHANGED),
    "GET /output/{name}": call("一张图片", _PICTURES, also=_FILES, is_opened=True),
    "GET /thumbnails/{record_id}": call("一条记录的缩略图", ["image/webp"], also=_FILES, is_opened=True),
    "GET /healthz": call("能不能工作", success(tuple(_HEALTH), **_HEALTH), unwell=_UNHEALTHY),
}
