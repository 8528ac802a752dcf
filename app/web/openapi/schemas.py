"""The JSON Schemas of the API's requests and responses, derived from dataclass fields and limits."""

import dataclasses
import types
from collections.abc import Mapping
from decimal import Decimal
from enum import EnumType
from typing import Any, get_args, get_origin, get_type_hints

from app.domain import (
    ASPECT_RATIOS,
    MAX_FILENAME_LENGTH,
    MAX_ID,
    MAX_PICTURES_A_ROW,
    MAX_PROMPT_LENGTH,
    MAX_REFERENCE_LENGTH,
    MAX_REFERENCES,
    MAX_ROW_NUMBER,
    MAX_SEED,
    MAX_STEPS,
    RESOLUTIONS,
    Batch,
    LibraryImage,
    LogLine,
    Record,
    SampleImage,
    Status,
)
from app.images.store import Parameters
from app.web.serializers import INTERNAL_FIELDS

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
YES_OR_NO: Schema = {"type": "boolean"}
WHOLE: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
ID: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_ID}
FILE: Schema = {"type": "string", "contentMediaType": "application/octet-stream"}
_PLAIN = {str: TEXT, int: WHOLE, float: NUMBER, bool: YES_OR_NO, Decimal: NUMBER}


def ref(name: str) -> Schema:
    """A reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def array_of(items: Schema, **bounds: int) -> Schema:
    """An array of these items."""
    return {"type": "array", "items": items, **bounds}


def map_of(values: Schema) -> Schema:
    """An object with arbitrary keys."""
    return {"type": "object", "additionalProperties": values}


def enum(*values: str) -> Schema:
    """One of these strings."""
    return {"type": "string", "enum": [str(value) for value in values]}


def or_null(schema: Schema) -> Schema:
    """This schema, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def whole(low: int, high: int, **more: Any) -> Schema:
    """An integer within bounds."""
    return {"type": "integer", "minimum": low, "maximum": high, **more}


def open_object(*required: str, **fields: Schema) -> Schema:
    """An object with these fields; others are allowed."""
    return {"type": "object", "properties": fields, **({"required": [*required]} if required else {})}


def strict_object(*required: str, **fields: Schema) -> Schema:
    """An object with these fields; others are rejected."""
    return closed_object(tuple(name for name in fields if name not in required), **fields)


def closed_object(optional: tuple[str, ...] = (), /, **fields: Schema) -> Schema:
    """An object with exactly these fields."""
    required = [name for name in fields if name not in optional]
    return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}


def answer(optional: tuple[str, ...] = (), /, **fields: Schema) -> Schema:
    """The response of a successful operation."""
    return closed_object(optional, success={"const": True}, **fields)


def _from_dataclass(
    dataclass_type: type, *, without: frozenset[str] = frozenset(), **others: Schema
) -> Schema:
    """The schema of a dataclass; ``others`` override or extend the schemas of its fields."""
    hints = get_type_hints(dataclass_type)
    names = [field.name for field in dataclasses.fields(dataclass_type) if field.name not in without]
    fields = {name: _value(hints[name]) for name in names if name not in others}
    return closed_object(**fields, **others)


def _value(hint: Any) -> Schema:
    if hint in _PLAIN:
        return _PLAIN[hint]
    if isinstance(hint, EnumType):
        return enum(*hint)
    if isinstance(hint, types.UnionType):
        return or_null(_value(get_args(hint)[0]))
    if get_origin(hint) is Mapping:
        return map_of(_value(get_args(hint)[1]))
    raise TypeError(hint)


_ROW = {
    "type": "object",
    "properties": {
        "prompt": {"type": "string", "minLength": 1, "maxLength": MAX_PROMPT_LENGTH},
        "negative_prompt": {"type": "string", "maxLength": MAX_PROMPT_LENGTH},
        "aspect_ratio": {**enum(*ASPECT_RATIOS), "default": "1:1"},
        "resolution": {**enum(*RESOLUTIONS), "default": "2K"},
        "num_images": {"type": "integer", "minimum": 1, "maximum": MAX_PICTURES_A_ROW, "default": 1},
        "filename": {"type": "string", "maxLength": MAX_FILENAME_LENGTH},
        "seed": or_null({"type": "integer", "minimum": 0, "maximum": MAX_SEED}),
        "steps": or_null({"type": "integer", "minimum": 1, "maximum": MAX_STEPS}),
        "sample_images": array_of(ref("Reference"), maxItems=MAX_REFERENCES),
        "number": or_null({"type": "integer", "minimum": 1, "maximum": MAX_ROW_NUMBER}),
    },
    "required": ["prompt"],
    "description": "比例和分辨率也认 16：9、16x9、2k 等写法；种子和步数只有模型接受时才用到。"
    "number 是日志和结果表里的行号，每行不同，不写时从 1 数起。",
}
_REFERENCE_TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_REFERENCE_LENGTH}
_SIZE = closed_object(size=TEXT, width=WHOLE, height=WHOLE, price=or_null(TEXT))

_SPENT: dict[str, Schema] = {
    "billed": NUMBER,
    "pictures": COUNT,
    "unknown": NUMBER,
    "open": NUMBER,
    "unpriced": COUNT,
    "sends": COUNT,
}

SCHEMAS: dict[str, Schema] = {
    "Row": _ROW,
    "Reference": {
        "type": "object",
        "properties": {"url": _REFERENCE_TEXT, "filename": _REFERENCE_TEXT},
        "required": ["url", "filename"],
    },
    "UsedReference": _from_dataclass(SampleImage, thumbnail_url=TEXT),
    "Record": _from_dataclass(
        Record,
        without=frozenset(INTERNAL_FIELDS),
        sample_images=array_of(ref("UsedReference")),
        url=TEXT,
        thumbnail_url=TEXT,
        retry_after=or_null(NUMBER),
        charged={**YES_OR_NO, "description": "已计费却没有图片，重试会再付一次"},
        collectable=YES_OR_NO,
    ),
    "Usage": closed_object(
        **{"from": TEXT, "to": TEXT},
        unit=enum("hour", "day", "month"),
        **dict.fromkeys(("today", "yesterday", "month", "in_all", "total"), closed_object(**_SPENT)),
        by_time=array_of(closed_object(label=TEXT, **_SPENT)),
        by_model=array_of(closed_object(model=TEXT, **_SPENT)),
        by_batch=array_of(closed_object(id=TEXT, name=TEXT, created_at=TEXT, **_SPENT)),
        failures=map_of(COUNT),
        in_doubt=closed_object(records=COUNT, at_stake=or_null(NUMBER), collectable=COUNT, orderable=COUNT),
        budget=or_null(NUMBER),
        budget_left=or_null(NUMBER),
    ),
    "Batch": _from_dataclass(Batch, counts=closed_object(**dict.fromkeys(Status, COUNT))),
    "LogLine": _from_dataclass(LogLine),
    "MadePicture": closed_object(
        filename=TEXT, seed=or_null(WHOLE), width=WHOLE, height=WHOLE, url=TEXT, record_id=ID
    ),
    "FailedPicture": closed_object(record_id=ID, status=enum(*Status), error=TEXT),
    "Problem": closed_object(row=ID, field=TEXT, error=TEXT),
    "LibraryImage": _from_dataclass(LibraryImage),
    "Parameters": _from_dataclass(Parameters),
    "CellProblem": closed_object(("fixed",), row=COUNT, column=TEXT, seen=TEXT, error=TEXT, fixed=TEXT),
    "ImportedRow": {
        "type": "object",
        "properties": {
            **{name: {"type": ["string", "integer", "null"]} for name in _ROW["properties"]},
            "number": ID,
            "references": array_of(TEXT),
            "status": {"type": "string"},
        },
        "required": ["number", "prompt", "references"],
        "additionalProperties": False,
    },
    "NamedReference": closed_object(
        ("image", "candidates"),
        row=ID,
        name=TEXT,
        match=enum("exact", "ambiguous", "missing"),
        image=ref("FoundReference"),
        candidates=array_of(ref("FoundReference")),
    ),
    "FoundReference": closed_object(url=TEXT, filename=TEXT, thumbnail_url=TEXT),
    "Model": closed_object(
        name=TEXT,
        label=TEXT,
        model_id=TEXT,
        prompt_limit=COUNT,
        notes=map_of(TEXT),
        sizes=map_of(_SIZE),
        max_references=COUNT,
        reference_form=enum("url", "bytes", "any"),
        local_reference_problem={**TEXT, "description": "这台电脑上的图片为什么不能作参考图；能就是空的"},
        negative_prompt=enum("field", "folded"),
        takes_seed=YES_OR_NO,
        takes_steps=YES_OR_NO,
        price_extra_reference=NUMBER,
        ready=YES_OR_NO,
    ),
    "Failure": {
        "type": "object",
        "properties": {
            "success": {"const": False},
            "error": {"type": "string", "minLength": 1, "description": "一句话：出了什么事，该怎么办"},
            "field": {"type": "string", "description": "是哪一项不对"},
            "problems": array_of(ref("Problem")),
            "errors": array_of(ref("FailedPicture")),
            "batch_id": TEXT,
        },
        "required": ["success", "error"],
        "additionalProperties": False,
    },
}
