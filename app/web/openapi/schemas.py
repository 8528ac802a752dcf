"""The JSON Schemas of the API's requests and responses, derived from dataclass fields and limits."""

import dataclasses
import types
from collections.abc import Mapping
from decimal import Decimal
from enum import EnumType
from typing import Any, get_args, get_origin, get_type_hints

from app.domain import (
    ASPECT_RATIOS,
    CHANGEABLE,
    MAX_ID,
    MAX_MODEL_LENGTH,
    MAX_OWN_COLUMNS,
    MAX_OWN_NAME_LENGTH,
    MAX_OWN_TEXT_LENGTH,
    MAX_PICTURES_WATCHED,
    MAX_REFERENCE_LENGTH,
    MAX_REFERENCES,
    MAX_ROW_NUMBER,
    PLACES,
    RESOLUTIONS,
    ROW_FIELDS,
    Batch,
    BatchModel,
    LibraryImage,
    LogLine,
    Pick,
    Record,
    RowField,
    SampleImage,
    SkippedRow,
    Standing,
    Status,
    StoredWorkbook,
)
from app.domain.edits import KINDS
from app.errors import Message
from app.images.metadata import Parameters
from app.web.serializers import INTERNAL_FIELDS

Schema = dict[str, Any]
# A schema, or in short: the name of one of SCHEMAS, a Python type, or a list of one of these.
Shape = Schema | str | type | list[Any]

WHOLE: Schema = {"type": "integer"}
ID: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_ID}
FILE: Schema = {"type": "string", "contentMediaType": "application/octet-stream"}
_TYPES: dict[object, Schema] = {
    str: {"type": "string"},
    Message: {"type": "string"},
    int: {"type": "integer", "minimum": 0},
    float: {"type": "number"},
    Decimal: {"type": "number"},
    bool: {"type": "boolean"},
}


def schema_of(shape: Shape) -> Schema:
    """The JSON Schema of a shape; an ``int`` is at least 0."""
    if isinstance(shape, dict):
        return shape
    if isinstance(shape, str):
        return {"$ref": f"#/components/schemas/{shape}"}
    if isinstance(shape, list):
        return array_of(shape[0])
    return _TYPES[shape]


def array_of(items: Shape, **bounds: int) -> Schema:
    """An array of these items."""
    return {"type": "array", "items": schema_of(items), **bounds}


def map_of(values: Shape) -> Schema:
    """An object with arbitrary keys."""
    return {"type": "object", "additionalProperties": schema_of(values)}


def text(**more: Any) -> Schema:
    """A string with a length or a description."""
    return {"type": "string", **more}


def whole(low: int, high: int, **more: Any) -> Schema:
    """An integer within bounds."""
    return {"type": "integer", "minimum": low, "maximum": high, **more}


def enum(*values: str) -> Schema:
    """One of these strings."""
    return {"type": "string", "enum": [str(value) for value in values]}


def or_null(shape: Shape) -> Schema:
    """This shape, or null."""
    return {"anyOf": [schema_of(shape), {"type": "null"}]}


def open_object(*required: str, **fields: Shape) -> Schema:
    """An object with these fields; others are allowed."""
    properties = {name: schema_of(shape) for name, shape in fields.items()}
    return {"type": "object", "properties": properties, **({"required": [*required]} if required else {})}


def strict_object(*required: str, **fields: Shape) -> Schema:
    """An object with these fields, most of them optional; others are rejected."""
    return closed_object(tuple(name for name in fields if name not in required), **fields)


def closed_object(optional: tuple[str, ...] = (), /, **fields: Shape) -> Schema:
    """An object with exactly these fields."""
    required = [name for name in fields if name not in optional]
    properties = {name: schema_of(shape) for name, shape in fields.items()}
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def answer(optional: tuple[str, ...] = (), /, **fields: Shape) -> Schema:
    """The response of a successful operation."""
    return closed_object(optional, success={"const": True}, **fields)


def from_dataclass(dataclass_type: type, *, without: tuple[str, ...] = (), **others: Shape) -> Schema:
    """The schema of a dataclass; ``others`` override or extend the schemas of its fields."""
    hints = get_type_hints(dataclass_type)
    names = [field.name for field in dataclasses.fields(dataclass_type) if field.name not in without]
    fields = {name: _value(hints[name]) for name in names if name not in others}
    return closed_object(**fields, **others)


def _value(hint: Any) -> Schema:
    if hint in _TYPES:
        return WHOLE if hint is int else _TYPES[hint]
    if isinstance(hint, EnumType):
        return enum(*hint)
    if isinstance(hint, types.UnionType):
        return or_null(_value(get_args(hint)[0]))
    if get_origin(hint) is Mapping:
        return map_of(_value(get_args(hint)[1]))
    raise TypeError(hint)


MODEL = or_null(text(maxLength=MAX_MODEL_LENGTH, description="模型的编号或名字，不写就用默认的"))
STOP_AFTER = or_null(
    strict_object(
        **dict.fromkeys(("refused", "of", "last"), whole(1, MAX_PICTURES_WATCHED)),
        failed={"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    )
) | {
    "description": "失败太多就自己暂停：前 of（20）张里有 refused（5）张没过审核，"
    "或最近 last（30）张里没成功的占 failed（0.3）；null 是不停，source 是 single 时不写也是不停"
}
_COLUMNS: Schema = {
    "type": "object",
    "additionalProperties": text(maxLength=MAX_OWN_TEXT_LENGTH),
    "propertyNames": text(minLength=1, maxLength=MAX_OWN_NAME_LENGTH),
    "maxProperties": MAX_OWN_COLUMNS,
}


_OWN_SIZE = "[1-9][0-9]{1,4}x[1-9][0-9]{1,4}"
# Orders understand other spellings too, which rows have as they are kept.
RATIO = text(description="比例，或 800x600 这样的宽高")
RESOLUTION = text(description="1K、2K、4K，或 800x600 这样的宽高：比例跟着它")
_PATTERNS = {
    "ratio": f"^({'|'.join(ASPECT_RATIOS)}|{_OWN_SIZE})$",
    "resolution": f"^({'|'.join(RESOLUTIONS)}|{_OWN_SIZE})$",
}


def _field(each: RowField) -> Schema:
    match each.kind:
        case "ratio":
            return RATIO | {"pattern": _PATTERNS[each.kind], "default": "1:1"}
        case "resolution":
            return RESOLUTION | {"pattern": _PATTERNS[each.kind], "default": "2K"}
        case "images":
            return array_of("Reference", maxItems=MAX_REFERENCES)
        case "word":
            return enum("", *each.words)
        case "number" if each.default is not None:
            return whole(each.low, each.high, default=each.default)
        case "number":
            return or_null(whole(each.low, each.high))
        case "model":
            return or_null(text(maxLength=each.limit, description="不写就用批次的"))
    return text(maxLength=each.limit, **({"minLength": 1} if each.name == "prompt" else {}))


FIELDS: dict[str, Schema] = {name: _field(each) for name, each in ROW_FIELDS.items()}
_WORDS = {name: schema for name, schema in FIELDS.items() if ROW_FIELDS[name].kind == "word"}
_ROW = open_object(
    "prompt",
    **FIELDS,
    number=or_null(whole(1, MAX_ROW_NUMBER)),
    columns=_COLUMNS,
    position=or_null(whole(1, MAX_ROW_NUMBER)),
    templates=or_null("Templates"),
    repeats=or_null(enum("skip", "again")),
) | {
    "description": "比例和分辨率也认 16：9、16x9、2k 等写法；"
    "种子、步数、参考强度、背景、格式和质量只有模型接受时才用到。"
    "number 是日志和结果表里的行号，每行不同，不写时从 1 数起。columns 是自己的列；"
    "提示词、负面提示词、文件名和参考图的名字里，花括号里的列名、行号、序号（position）、日期换成这一行的；"
    "连写两个是花括号本身。有 templates（来自记录）的行已经换好，不再换。"
    "repeats 只管这一行：skip 不再做已有的，again 再做一次。"
}
_NOT_IMPORTED = ("number", "columns", "position", "templates", "repeats")
_REFERENCE_TEXT = text(minLength=1, maxLength=MAX_REFERENCE_LENGTH)
_SIZE = closed_object(
    ("qualities",), size=str, width=WHOLE, height=WHOLE, price=or_null(str), qualities=map_of(str)
)
_SPENT: dict[str, Shape] = {
    **dict.fromkeys(("billed", "unknown", "open"), float),
    **dict.fromkeys(("pictures", "unpriced", "sends"), int),
}

SCHEMAS: dict[str, Schema] = {
    "Row": _ROW,
    "Reference": open_object(
        "url",
        "filename",
        url=text(maxLength=MAX_REFERENCE_LENGTH, description="空的，就按名字在示例图里找"),
        filename=_REFERENCE_TEXT,
    ),
    "Templates": strict_object(
        **dict.fromkeys(("prompt", "negative_prompt", "filename"), str), sample_images=["Reference"]
    ),
    "Changes": {
        "type": "object",
        "propertyNames": {"pattern": "^[1-9][0-9]{0,17}$"},
        "additionalProperties": strict_object(
            **{name: or_null(_ROW["properties"][name]) for name in CHANGEABLE}
        ),
        "description": "记录编号，和它要改的几项",
    },
    "UsedReference": from_dataclass(SampleImage, thumbnail_url=str),
    "Record": from_dataclass(
        Record,
        without=INTERNAL_FIELDS,
        sample_images=["UsedReference"],
        columns=_COLUMNS,
        templates="Templates",
        pick=or_null(enum(*Pick)),
        reference_strength=or_null(int),
        **_WORDS,
        marks="Marks",
        url=str,
        thumbnail_url=str,
        retry_after=or_null(float),
        charged={"type": "boolean", "description": "已计费却没有图片，重试会再付一次"},
        collectable=bool,
        edit=or_null(closed_object(kind=enum(*KINDS), problem=str, answer=str)),
    ),
    "Marks": closed_object(
        ("tagged", "laid"),
        laid={"anyOf": [{"const": False}, {"type": "number"}]},
        visible=or_null(bool),
        tagged=bool,
        aigc={
            "anyOf": [
                {"enum": [False, None]},
                closed_object(place=enum(*PLACES), fields=map_of(str)),
            ]
        },
        c2pa=or_null(bool),
    )
    | {
        "description": "visible：是否请服务加可见标识，null 是服务没有这个开关或没有记录；"
        "aigc：文件里的隐式标识，false 是没有发现，null 是没有检查；tagged：要服务写它时，服务说写了没有；"
        "c2pa：文件里有没有 C2PA，没有验证；laid：改一处时蒙版边上的差别，0–255，false 是没能盖回原图"
    },
    "Usage": closed_object(
        **{"from": str, "to": str},
        unit=enum("hour", "day", "month"),
        **dict.fromkeys(("today", "yesterday", "month", "in_all", "total"), closed_object(**_SPENT)),
        by_time=array_of(closed_object(label=str, **_SPENT)),
        by_model=array_of(closed_object(model=str, label=str, **_SPENT)),
        by_batch=array_of(closed_object(id=str, name=str, created_at=str, **_SPENT)),
        differing=WHOLE | {"description": "服务报的张数或参考图张数与下单不同的账目"},
        failures=map_of(int),
        in_doubt=closed_object(records=int, at_stake=or_null(float), collectable=int, orderable=int),
        budget=or_null(float),
        budget_left=or_null(float),
    ),
    "Batch": from_dataclass(
        Batch,
        counts=closed_object(**dict.fromkeys(Status, int)),
        picks=closed_object(**dict.fromkeys(Pick, int)),
        workbook=or_null(from_dataclass(StoredWorkbook, notes=[str])),
        models=array_of(from_dataclass(BatchModel, label=str)),
    ),
    "LogLine": from_dataclass(LogLine),
    "MadePicture": closed_object(
        filename=str, seed=or_null(WHOLE), width=WHOLE, height=WHOLE, url=str, record_id=ID
    ),
    "SkippedRow": from_dataclass(SkippedRow, records=[ID]) | {"description": "少做了的行，和已有的记录"},
    "CheckedRow": closed_object(
        row=ID,
        **{standing: [ID] for standing in Standing},
        missing=int,
        same_as=or_null(ID),
        problems=array_of(closed_object(field=str, error=str)),
        prompt=str,
        filename=str,
        name_taken=bool,
        model=str,
        price=or_null(float),
    )
    | {
        "description": "unknown 是结果未知，charged 是已计费却没有图片，这两种和 made、under_way 都不再做；"
        "trashed 在回收站里，可以恢复，不恢复就重做。missing 是还要做的张数，price 是它们的价钱，"
        "same_as 是表里和它相同的第一行。filename 是会用的文件名，不带张数和扩展名；"
        "name_taken 是前面的行已有这个名字，加了序号。"
    },
    "FailedPicture": closed_object(record_id=ID, status=enum(*Status), error=str),
    "Problem": closed_object(("record",), record=ID, row=ID, field=str, error=str),
    "LibraryImage": from_dataclass(LibraryImage),
    "Parameters": from_dataclass(Parameters),
    "CellProblem": closed_object(("fixed",), row=int, column=str, seen=str, error=str, fixed=str),
    "ImportedRow": strict_object(
        *("number", "prompt", "references"),
        **{
            name: {"type": ["string", "integer", "null"]}
            for name in _ROW["properties"]
            if name not in _NOT_IMPORTED
        },
        number=ID,
        columns=_COLUMNS,
        references=[str],
        status=str,
        change=enum("unchanged", "changed", "new"),
        was={"type": "object"},
    ),
    "NamedReference": closed_object(
        ("image", "candidates"),
        row=ID,
        name=str,
        filename=text(description="变量换好以后的名字"),
        match=enum("exact", "ambiguous", "missing"),
        image="FoundReference",
        candidates=["FoundReference"],
    ),
    "FoundReference": closed_object(url=str, filename=str, thumbnail_url=str),
    "Model": closed_object(
        **dict.fromkeys(("name", "label", "model_id"), str),
        **dict.fromkeys(("prompt_limit", "max_references"), int),
        **dict.fromkeys(("takes_seed", "takes_steps", "ready", "is_default"), bool),
        problem=or_null(text(description="为什么现在不能用它做图")),
        options=map_of({"anyOf": [array_of(str), closed_object(low=int, high=int)]}),
        notes=map_of(str),
        sizes=map_of(_SIZE),
        own_sizes=or_null(
            closed_object(
                **dict.fromkeys(("multiple_of", "min_side", "max_side", "min_area", "max_area"), int),
                max_ratio=int,
                rule=text(description="范围，一句话"),
                prices=[closed_object(pixels=or_null(int), price=or_null(str))],
                tokens=or_null(closed_object(units=map_of(int), usual=str, each=str)),
            )
        )
        | {"description": "别的宽高；没有就是 null。prices：不超过 pixels 的每张多少元"},
        reference_form=enum("url", "bytes", "any"),
        local_reference_problem=text(description="这台电脑上的图片为什么不能作参考图；能就是空的"),
        negative_prompt=enum("field", "folded"),
        price_extra_reference=float,
        included_references=int,
        seconds=or_null(closed_object(low=float, high=float))
        | {"description": "一张通常要多少秒；还没有做过就是 null"},
        concurrency=int,
        under_way=int,
    ),
    "Variable": closed_object(
        source=enum("set", "default", "empty"),
        secret=bool,
        value=or_null(str),
        from_environment=bool,
    ),
    "Failure": strict_object(
        *("success", "error"),
        success={"const": False},
        error=text(minLength=1, description="一句话：出了什么事，该怎么办"),
        field=text(description="是哪一项不对"),
        problems=["Problem"],
        errors=["FailedPicture"],
        batch_id=str,
        records=[ID],
    ),
}
