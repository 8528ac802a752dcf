"""Checks a JSON body or a query against the schemas of its route; one sentence a keyword.

The checked keywords are those that ``schemas`` makes. ``title`` names a value in sentences for people. The
fields of rows are left to ``app.orders.read``, which tells every problem by row and field.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from app.domain import MAX_ID
from app.errors import InvalidRequest, message
from app.web.openapi.schemas import FIELDS, SCHEMAS, Schema, enum

_OF_ROWS = {id(schema) for schema in (*FIELDS.values(), SCHEMAS["Row"])}
_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "「{name}」应为文字"),
    "integer": ((int,), "「{name}」应为 {low}–{high} 的整数"),
    "number": ((int, float), "「{name}」应为 {low}–{high} 的数字"),
    "boolean": ((bool,), "「{name}」应为 true 或 false"),
    "array": ((list,), "「{name}」应为列表"),
    "object": ((dict,), "「{name}」应为对象"),
    "null": ((type(None),), "「{name}」应为 null"),
}
_LENGTHS: dict[type, tuple[str, str, str]] = {  # by type: keywords, sentences
    str: ("minLength", "maxLength", "「{name}」应为 {low}–{high} 个字"),
    list: ("minItems", "maxItems", "「{name}」应有 {low}–{high} 项"),
    dict: ("minProperties", "maxProperties", "「{name}」应有 {low}–{high} 项"),
}
DIGITS = re.compile("[0-9]{1,18}")
_SHOWN = 50  # characters of a name that is unknown


def check(value: Any, schema: Schema, field: str = "") -> None:
    """Raise InvalidRequest for the first thing that the schema does not allow.

    ``field`` is the name of the value, of which the error is. In an object unknown names come first, then
    missing ones, then values in the order of the schema.
    """
    schema = SCHEMAS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if id(schema) in _OF_ROWS:
        return
    for part in schema.get("allOf", ()):
        check(value, part, field)
    if branches := schema.get("anyOf", schema.get("oneOf")):
        check(value, _branch(value, branches, field), field)
    if "type" in schema:
        _check_type(value, schema, field)
    if "const" in schema or "enum" in schema:
        choices = schema.get("enum", [schema.get("const")])
        if not any(value == each and type(value) is type(each) for each in choices):
            _refuse(field, schema, "「{name}」应为 {choices}", choices=tuple(map(str, choices)))
    if bounds := _LENGTHS.get(type(value)):
        least, most, sentence = bounds
        low, high = schema.get(least, 0), schema.get(most, math.inf)
        if not low <= len(value) <= high:
            _refuse(field, schema, sentence, low=low, high="…" if high == math.inf else high)
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        _refuse(field, schema, "「{name}」的写法不对")
    if isinstance(value, dict):
        _check_object(value, schema, field)
    if isinstance(value, list) and "items" in schema:
        for item in value:
            check(item, schema["items"], field)


def read_fields(fields: Mapping[str, Any], schemas: Mapping[str, Schema]) -> dict[str, Any]:
    """The fields of a query or a form that have a schema, integers as such; for an empty one its default.

    Raises InvalidRequest for the first that its schema does not allow.
    """
    read = {name: each["default"] for name, each in schemas.items() if "default" in each}
    for name, schema in schemas.items():
        if value := fields.get(name):
            if schema["type"] == "integer" and DIGITS.fullmatch(value):
                value = int(value)
            check(value, schema, name)
            read[name] = value
    return read


def _branch(value: Any, branches: list[Schema], field: str) -> Schema:
    """The branch that a value is meant for: null, or that whose constant it has, or the first."""
    if value is None and {"type": "null"} in branches:
        return {}
    by_constant = {
        (name, each["const"]): branch
        for branch in branches
        for name, each in branch.get("properties", {}).items()
        if "const" in each
    }
    if not by_constant or not isinstance(value, dict):
        return branches[0]
    name = next(iter(by_constant))[0]
    check(value.get(name), enum(*(constant for _, constant in by_constant)), name)
    return by_constant[name, value[name]]


def _check_type(value: Any, schema: Schema, field: str) -> None:
    names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    low, high = schema.get("minimum", 0), schema.get("maximum", MAX_ID)
    for name in names:
        if type(value) not in _TYPES[name][0]:
            continue
        is_number = name in ("integer", "number")
        if not is_number or (low <= value <= high and value != schema.get("exclusiveMinimum")):
            return
    _refuse(field, schema, _TYPES[names[0]][1], low=low, high=high)


def _check_object(value: Mapping[str, Any], schema: Schema, field: str) -> None:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name in value:
        if name not in properties and others is False:
            text = "没有「{name}」这一项，可写：{choices}"
            raise InvalidRequest(name[:_SHOWN], text, name=name[:_SHOWN], choices=tuple(properties))
    if "propertyNames" in schema:
        for name in value:
            check(name, schema["propertyNames"], field)
    for name in schema.get("required", ()):
        if name not in value:
            _refuse(name, properties.get(name, {}), "请写「{name}」")
    for name, each in properties.items():
        if name in value:
            check(value[name], each, name)
    if isinstance(others, dict):
        for name in value.keys() - properties.keys():
            check(value[name], others, field)


def _refuse(field: str, schema: Schema, text: str, **values: Any) -> NoReturn:
    name = message(schema["title"]) if "title" in schema else field
    raise InvalidRequest(field, text, name=name, **values)
