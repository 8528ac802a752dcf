"""Parses untrusted input: integers of URLs, within the range of an SQLite integer, and JSON bodies."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, TypeGuard

from flask import Flask, current_app, request
from werkzeug.routing import IntegerConverter

from app.domain import MAX_ID, MAX_ROWS_A_BATCH
from app.errors import InvalidRequest, TooLarge
from app.web.openapi.describe import body_schema

# One byte of JSON can become a list of sixty. Brackets in prompts count too, hence a hundred a row.
MAX_JSON_LISTS = 100 * MAX_ROWS_A_BATCH
MAX_JSON_VALUES = 300 * MAX_ROWS_A_BATCH


_NEVER_NULL = ("array", "object", "integer")
_DIGITS = re.compile("[0-9]{1,18}")


class _BoundedIntegerConverter(IntegerConverter):
    """``<int:…>``; more than 18 digits do not match."""

    regex = _DIGITS.pattern


def init_url_converters(app: Flask) -> None:
    """Limit ``<int:…>`` in all routes to SQLite integers."""
    app.url_map.converters["int"] = _BoundedIntegerConverter


def whole_number(text: str) -> int | None:
    """An integer of at most 18 digits; None for anything else."""
    return int(text) if _DIGITS.fullmatch(text) else None


def int_arg(name: str) -> int:
    """An integer of the query string, clamped to 0..MAX_ID; 0 when missing or invalid."""
    return min(max(request.args.get(name, 0, type=int), 0), MAX_ID)


def bounded_int_arg(name: str, low: int, high: int, default: int) -> int:
    """An integer of the query string, or ``default``. Raises InvalidRequest out of bounds."""
    number = whole_number(request.args.get(name) or str(default))
    if number is None or not low <= number <= high:
        raise InvalidRequest(name, "{name} 应为 {low}–{high} 的整数", name=name, low=low, high=high)
    return number


def is_id(value: Any) -> TypeGuard[int]:
    """Whether a JSON value is a valid record id."""
    return type(value) is int and 0 < value <= MAX_ID


def parse_ids(values: Any, field: str) -> list[int]:
    """A JSON list of record ids. Raises InvalidRequest for anything else."""
    if not isinstance(values, list) or not all(map(is_id, values)):
        raise InvalidRequest(field, "{field} 应为记录编号的列表", field=field)
    return values


def json_body() -> dict[str, Any]:
    """The posted JSON object; names that the description of the route rejects are refused, and so are lists,
    objects and integers that are null against it.

    Raises InvalidRequest, or TooLarge before parsing.
    """
    text = request.get_data()
    if text.count(b"[") + text.count(b"{") > MAX_JSON_LISTS or text.count(b",") > MAX_JSON_VALUES:
        raise TooLarge("提交的内容太多，一次最多 {limit} 行，请分几次提交", limit=MAX_ROWS_A_BATCH)
    try:
        body = request.get_json(silent=True)
        if b"\\" in text:  # "\ud83d" alone is a lone surrogate, which cannot be stored: becomes ?
            body = json.loads(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"))
    except RecursionError:  # thousands of nested brackets
        body = None
    if not isinstance(body, dict):
        raise InvalidRequest("", "请以 JSON 对象提交")
    schema = body_schema(current_app.view_functions[request.endpoint or ""], request.method)
    if schema.get("additionalProperties") is False:
        only_known(body, schema["properties"])
    for name, member in schema.get("properties", {}).items():  # without a list often all are meant
        if body.get(name, "") is None and (member.get("type") in _NEVER_NULL or "$ref" in member):
            raise InvalidRequest(name, "{name} 不能是 null：请写上内容，或不写这一项", name=name)
    return body


def only_known(fields: Mapping[str, Any], names: Collection[str]) -> None:
    """Refuse unknown names: a mistyped filter would change more than intended."""
    for name in fields:
        if name not in names:
            raise InvalidRequest(
                name[:50], "没有「{name}」这一项，可写：{choices}", name=name[:50], choices=tuple(names)
            )


def bool_field(body: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """A boolean of a JSON object. Raises InvalidRequest."""
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise InvalidRequest(name, "{name} 应为 true 或 false", name=name)
    return value
