"""Parses untrusted input: integers of URLs, within the range of an SQLite integer, and JSON bodies."""

import json
from typing import Any

from flask import Flask, current_app, request
from werkzeug.routing import IntegerConverter

from app.domain import MAX_ID, MAX_ROWS_A_BATCH
from app.errors import InvalidRequest, TooLarge
from app.web.openapi.check import DIGITS, check, read_fields
from app.web.openapi.describe import body_schema, is_body_optional, query_of
from app.web.openapi.schemas import Schema, whole

# One byte of JSON can become a list of sixty. Brackets in prompts count too, hence a hundred a row.
MAX_JSON_LISTS = 100 * MAX_ROWS_A_BATCH
MAX_JSON_VALUES = 300 * MAX_ROWS_A_BATCH
_MAX_LISTED, _MAX_OFFSET = 200, 999_999_999


class _BoundedIntegerConverter(IntegerConverter):
    """``<int:…>``; more than 18 digits do not match."""

    regex = DIGITS.pattern


def init_url_converters(app: Flask) -> None:
    """Limit ``<int:…>`` in all routes to SQLite integers."""
    app.url_map.converters["int"] = _BoundedIntegerConverter


def whole_number(text: str) -> int | None:
    """An integer of at most 18 digits; None for anything else."""
    return int(text) if DIGITS.fullmatch(text) else None


def int_arg(name: str) -> int:
    """An integer of the query string of a page, clamped to 0..MAX_ID; 0 when missing or invalid."""
    return min(max(request.args.get(name, 0, type=int), 0), MAX_ID)


def query() -> dict[str, Any]:
    """The query parameters that the description of the route has, as ``read_fields``."""
    return read_fields(request.args, query_of(current_app.view_functions[request.endpoint or ""], "GET"))


def json_body() -> dict[str, Any]:
    """The posted JSON object, as the description of the route has it; empty where that allows none at all.

    Raises InvalidRequest, or TooLarge before parsing.
    """
    text = request.get_data()
    view = current_app.view_functions[request.endpoint or ""]
    if not text and is_body_optional(view, request.method):
        return {}
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
    check(body, body_schema(view, request.method))
    return body


def page_query(default: int = 20) -> dict[str, Schema]:
    """The description of ``limit`` and ``offset``, of a list that comes in pages."""
    return {"limit": whole(1, _MAX_LISTED, default=default), "offset": whole(0, _MAX_OFFSET, default=0)}


def page_numbers(page: int, pages: int) -> list[int]:
    """The numbers to link to from page ``page`` of ``pages``; 0 stands for a gap."""
    near = {1, pages, *range(page - 2, page + 3)}
    shown: list[int] = []
    for number in sorted(n for n in near if 1 <= n <= pages):
        if shown and number - shown[-1] == 2:
            shown.append(number - 1)
        elif shown and number - shown[-1] > 2:
            shown.append(0)
        shown.append(number)
    return shown
