"""Every call of the API: what it takes and answers; ``tests/test_openapi.py`` compares it with the routes."""

from collections.abc import Sequence
from typing import Any

import database
from domain import ASPECT_RATIOS, MAX_BATCH_NAME_LENGTH, MAX_FILENAME_LENGTH, MAX_ROWS_A_BATCH, RESOLUTIONS
from web.api import SOURCES
from web.api_samples import MAX_FILES, MOST_COUNTED, MOST_IMAGES
from web.files import XLSX
from web.filters import LONGEST_TEXT, MOST_LISTED
from web.openapi_shapes import (
    COUNT,
    ID,
    NUMBER,
    TEXT,
    YES_OR_NO,
    Schema,
    chosen,
    exactly,
    listed,
    mapped,
    or_null,
    ref,
    success,
)
from web.spans import RANGES

Call = dict[str, Any]

_JSON, _FORM, _MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
_PICTURES = ("image/png", "image/jpeg", "image/webp")
_FILE = {"type": "string", "contentMediaType": "application/octet-stream"}
_PHRASE = {"type": "string", "maxLength": LONGEST_TEXT}
_FILTER: dict[str, Schema] = {
    "search": _PHRASE,
    "status": {**TEXT, "description": "可写多个，用逗号分开"},
    "batch_id": _PHRASE,
    "aspect_ratio": chosen(*ASPECT_RATIOS),
    "resolution": chosen(*RESOLUTIONS),
    "model": _PHRASE,
    "favourite": chosen("1", "0"),
    "from": {**TEXT, "description": "日期，或带时区的时间"},
    "to": {**TEXT, "description": "日期（含当天），或带时区的时间"},
    "sort": chosen(database.NEWEST, database.OLDEST),
    "trash": chosen("1", "0"),
}
_IDS: Schema = {**TEXT, "description": "记录编号，用逗号分开；不写则按筛选条件"}
_ONE_FILE = {"type": "object", "properties": {"file": _FILE}, "required": ["file"]}
_CHOSEN: dict[str, Schema] = {"ids": listed(ID), "filter": {"type": "object", "properties": _FILTER}}
_DOUBTED: dict[str, Schema] = {"ids": listed(ID), "all": YES_OR_NO}
_SPAN: dict[str, Schema] = {
    "range": chosen(*RANGES),
    "from": {**TEXT, "description": "日期，代替 range"},
    "to": {**TEXT, "description": "日期（含当天）"},
}
_BATCH = success(batch=ref("Batch"))
_IMAGES = success(images=listed(ref("LibraryImage")), source=chosen("oss", "local"))


def call(summary: str, answer: Any, **others: Any) -> Call:
    """One call: ``answer`` is the schema of its JSON, or the media types of its file."""
    status = others.pop("status", "200")
    kinds = {_JSON: {"schema": answer}} if isinstance(answer, dict) else {kind: {} for kind in answer}
    failures: dict[str, Schema] = {
        code: {"$ref": "#/components/responses/Failure"} for code in ("4XX", "5XX")
    }
    for code, schema in others.pop("failing", {}).items():
        failures[code] = {"description": "没有成功", "content": {_JSON: {"schema": schema}}}
    more = {code: {"description": text} for code, text in others.pop("also", {}).items()}
    answers = {status: {"description": "成功", "content": kinds}, **more, **failures}
    return {"summary": summary, **others, "responses": answers}


def asked(query: dict[str, Schema]) -> Sequence[Schema]:
    """Parameters of the query string."""
    return [{"name": name, "in": "query", "schema": schema} for name, schema in query.items()]


def body(schema: Schema, kind: str = _JSON, *, required: bool = True) -> Schema:
    """What is posted."""
    return {"required": required, "content": {kind: {"schema": schema}}}


def taken(**fields: Schema) -> Schema:
    """A JSON object that may have these fields."""
    return {"type": "object", "properties": fields}


_ARCHIVE = {"parameters": asked({"ids": _IDS, **_FILTER})}
_ARCHIVE_FORM = {"requestBody": body(taken(ids=_IDS, **_FILTER), _FORM, required=False)}
_MOVED = {"304": "没有变化", "302": "图片在 OSS，转到那里"}
_HEALTH: dict[str, Schema] = {
    **dict.fromkeys(("database", "disk", "worker", "model", "stopping"), YES_OR_NO),
    "disk_free_bytes": or_null(COUNT),
    "image_model": TEXT,
    "under_way": COUNT,
}

PATHS: dict[str, dict[str, Call]] = {
    "/api/batch-generate": {
        "post": call(
            "生成一行，等它做完；全部失败时是 502",
            success(
                ("errors",),
                images=listed(ref("MadePicture")),
                batch_id=TEXT,
                errors=listed(ref("FailedPicture")),
            ),
            requestBody=body(ref("Row")),
        )
    },
    "/api/batches": {
        "get": call(
            "批次，新的在前",
            success(batches=listed(ref("Batch"))),
            parameters=asked({"source": chosen(*SOURCES)}),
        ),
        "post": call(
            "把若干行排进队列；有一行不对就一行也不排",
            success(batch_id=TEXT, records=listed(ID)),
            status="202",
            requestBody=body(
                {
                    **taken(
                        rows=listed(ref("Row"), minItems=1, maxItems=MAX_ROWS_A_BATCH),
                        name={"type": "string", "maxLength": MAX_BATCH_NAME_LENGTH},
                        source=chosen(*SOURCES),
                    ),
                    "required": ["rows"],
                }
            ),
        ),
    },
    "/api/batches/{batch_id}": {
        "get": call(
            "一个批次，以及 since 之后变化了的记录和日志",
            success(
                batch=ref("Batch"),
                version=COUNT,
                records=listed(ref("Record")),
                log=listed(ref("LogLine")),
            ),
            parameters=asked({"since": COUNT}),
            also={"304": "没有变化"},
        )
    },
    "/api/batches/{batch_id}/pause": {"post": call("暂停：不再开始新的", _BATCH)},
    "/api/batches/{batch_id}/resume": {"post": call("继续", _BATCH)},
    "/api/batches/{batch_id}/cancel": {"post": call("取消还没有下单的", _BATCH)},
    "/api/batches/{batch_id}/retry": {
        "post": call(
            "再试失败的；结果未知的只有指名才会再试",
            _BATCH,
            requestBody=body(taken(records=or_null(listed(ID))), required=False),
        )
    },
    "/api/batches/{batch_id}/results.xlsx": {"get": call("结果表", [XLSX])},
    "/api/spreadsheet/import": {
        "post": call(
            "读一份 .xlsx、.xlsm 或 .csv，不会开始生成",
            success(
                sheet=TEXT,
                rows=listed(ref("ImportedRow")),
                problems=listed(ref("CellProblem")),
                notes=listed(TEXT),
                references=listed(ref("NamedReference")),
            ),
            requestBody=body(_ONE_FILE, _MULTIPART),
        )
    },
    "/api/spreadsheet/template.xlsx": {"get": call("空白模板", [XLSX])},
    "/api/spreadsheet/export": {
        "post": call(
            "把这些行写成表格，可以原样再导入",
            [XLSX],
            requestBody=body(
                {**taken(rows=listed({"type": "object"}, maxItems=MAX_ROWS_A_BATCH)), "required": ["rows"]}
            ),
        )
    },
    "/api/records": {
        "get": call(
            "记录，一次一页；排队和生成中的要用 status 指明才有",
            success(records=listed(ref("Record")), total=COUNT),
            parameters=asked(
                {
                    "limit": {"type": "integer", "minimum": 1, "maximum": MOST_LISTED, "default": 20},
                    "offset": {**COUNT, "default": 0},
                    **_FILTER,
                }
            ),
        )
    },
    "/api/records/kinds": {
        "get": call(
            "可以按什么筛选，各有多少条",
            success(kinds=mapped(mapped(COUNT)), index=exactly(done=COUNT, total=COUNT)),
            parameters=asked({"trash": _FILTER["trash"]}),
        )
    },
    "/api/records/ids": {
        "get": call("筛选到的全部编号", success(ids=listed(ID), total=COUNT), parameters=asked(_FILTER))
    },
    "/api/records/{record_id}": {
        "get": call("一条记录", success(record=ref("Record"))),
        "delete": call("删除，30 天内可以恢复", success(deleted={"const": 1})),
    },
    "/api/records/{record_id}/neighbours": {
        "get": call(
            "按筛选的顺序，它前面和后面的一条",
            success(previous=or_null(ref("Record")), next=or_null(ref("Record"))),
            parameters=asked(_FILTER),
        )
    },
    "/api/records/delete": {
        "post": call(
            "删除这些，或筛选到的全部",
            success(deleted=COUNT, undo=COUNT),
            requestBody=body(taken(**_CHOSEN)),
        )
    },
    "/api/records/restore": {
        "post": call(
            "恢复这些、筛选到的全部，或一次删除（undo）",
            success(restored=COUNT),
            requestBody=body(taken(**_CHOSEN, undo=ID)),
        )
    },
    "/api/records/favourite": {
        "post": call(
            "收藏或取消收藏",
            success(changed=COUNT),
            requestBody=body(taken(**_CHOSEN, favourite={**YES_OR_NO, "default": True})),
        )
    },
    "/api/records/collect": {
        "post": call(
            "取回结果未知的：凭编号再问一次，不会下单",
            success(records=COUNT, waiting=COUNT),
            requestBody=body(taken(**_DOUBTED)),
        )
    },
    "/api/records/retry": {
        "post": call(
            "结果未知的重新下单，可能付两次；all 只包括不能取回的",
            success(records=COUNT, waiting=COUNT),
            requestBody=body(taken(**_DOUBTED)),
        )
    },
    "/api/records/drop": {
        "post": call(
            "放弃结果未知的，billed 说账单里有没有",
            success(records=COUNT, amount=NUMBER, undo=ID),
            requestBody=body({**taken(**_DOUBTED, billed=YES_OR_NO), "required": ["billed"]}),
        )
    },
    "/api/records/undrop": {
        "post": call(
            "撤销一次放弃",
            success(records=COUNT),
            requestBody=body({**taken(undo=ID), "required": ["undo"]}),
        )
    },
    "/api/usage": {
        "get": call("花了多少，什么还没有结果", success(usage=ref("Usage")), parameters=asked(_SPAN))
    },
    "/api/usage/export.xlsx": {"get": call("账目，一笔一行", [XLSX], parameters=asked(_SPAN))},
    "/api/usage/export.csv": {"get": call("账目，纯文本", ["text/csv"], parameters=asked(_SPAN))},
    "/api/records/archive.zip": {
        "get": call("图片和参数表，一个 ZIP", ["application/zip"], **_ARCHIVE),
        "post": call("同上，条件写在表单里", ["application/zip"], **_ARCHIVE_FORM),
    },
    "/api/records/export.xlsx": {
        "get": call("记录写成表格", [XLSX], **_ARCHIVE),
        "post": call("同上，条件写在表单里", [XLSX], **_ARCHIVE_FORM),
    },
    "/api/records/find-by-file": {
        "post": call(
            "一张图片是哪一条记录，以及它里面写着的参数",
            success(
                record=or_null(ref("Record")),
                is_same_file=YES_OR_NO,
                in_trash=YES_OR_NO,
                parameters=or_null(ref("Parameters")),
            ),
            requestBody=body(_ONE_FILE, _MULTIPART),
        )
    },
    "/api/sample-images": {
        "get": call(
            "示例图，新的在前",
            success(
                ("trouble",),
                images=listed(ref("LibraryImage")),
                total=COUNT,
                source=chosen("oss", "local"),
                stale=YES_OR_NO,
                listed_at=or_null(NUMBER),
                trouble=TEXT,
            ),
            parameters=asked(
                {
                    "search": TEXT,
                    "limit": {"type": "integer", "minimum": 1, "maximum": MOST_IMAGES},
                    "offset": {"type": "integer", "minimum": 0, "maximum": MOST_IMAGES},
                }
            ),
        ),
        "post": call(
            "放进示例图：上传文件，或以 JSON 指名一条记录的图片",
            _IMAGES,
            requestBody={
                "required": True,
                "content": {
                    _MULTIPART: {
                        "schema": {
                            **taken(file=listed(_FILE, minItems=1, maxItems=MAX_FILES)),
                            "required": ["file"],
                        }
                    },
                    _JSON: {"schema": {**taken(record_id=ID), "required": ["record_id"]}},
                },
            },
        ),
    },
    "/api/sample-images/uses": {
        "post": call(
            "每张示例图被多少条记录用过",
            success(uses=mapped(COUNT)),
            requestBody=body({**taken(keys=listed(TEXT, maxItems=MOST_COUNTED)), "required": ["keys"]}),
        )
    },
    "/api/sample-images/{key}": {
        "patch": call(
            "改名",
            _IMAGES,
            requestBody=body(
                {**taken(filename={**TEXT, "maxLength": MAX_FILENAME_LENGTH}), "required": ["filename"]}
            ),
        ),
        "delete": call("删除，可以恢复", success(deleted=TEXT)),
    },
    "/api/sample-images/{key}/restore": {"post": call("恢复", _IMAGES)},
    "/api/models": {
        "get": call(
            "现在用的模型接受什么",
            success(model=ref("Model"), models=listed(ref("Model")), budget=or_null(NUMBER)),
        )
    },
    "/api/openapi.json": {"get": call("这份文档", {"type": "object"}, also={"304": "没有变化"})},
    "/output/{name}": {"get": call("一张图片", _PICTURES, also={"206": "一部分", **_MOVED})},
    "/thumbnails/{record_id}": {
        "get": call("一条记录的缩略图", ["image/webp"], also={"206": "一部分", **_MOVED})
    },
    "/healthz": {
        "get": call(
            "能不能工作",
            success(tuple(_HEALTH), **_HEALTH),
            failing={"503": exactly(tuple(_HEALTH), success={"const": False}, error=TEXT, **_HEALTH)},
        )
    },
}
