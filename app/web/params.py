"""Parses integers from URLs and JSON, within the range of an SQLite integer."""

from typing import Any, TypeGuard

from flask import Flask, request
from werkzeug.routing import IntegerConverter

from app.domain import MAX_ID
from app.errors import InvalidRequest


class _BoundedIntegerConverter(IntegerConverter):
    """``<int:…>``; more than 18 digits do not match."""

    regex = "[0-9]{1,18}"


def init_url_converters(app: Flask) -> None:
    """Limit ``<int:…>`` in all routes to SQLite integers."""
    app.url_map.converters["int"] = _BoundedIntegerConverter


def int_arg(name: str) -> int:
    """An integer of the query string, clamped to 0..MAX_ID; 0 when missing or invalid."""
    return min(max(request.args.get(name, 0, type=int), 0), MAX_ID)


def bounded_int_arg(name: str, low: int, high: int, default: int) -> int:
    """An integer of the query string, or ``default``. Raises InvalidRequest out of bounds."""
    given = request.args.get(name) or str(default)
    if not (given.isascii() and given.isdigit() and len(given) < 19 and low <= int(given) <= high):
        raise InvalidRequest(name, f"{name} 应为 {low}–{high} 的整数")
    return int(given)


def is_id(value: Any) -> TypeGuard[int]:
    """Whether a JSON value is a valid record id."""
    return type(value) is int and 0 < value <= MAX_ID


def parse_ids(values: Any, field: str) -> list[int]:
    """A JSON list of record ids. Raises InvalidRequest for anything else."""
    if not isinstance(values, list) or not all(map(is_id, values)):
        raise InvalidRequest(field, f"{field} 应为记录编号的列表")
    return values
