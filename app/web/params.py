"""Whole numbers from outside, in addresses and in JSON: never more than the database can count."""

from typing import Any, TypeGuard

from flask import Flask, request
from werkzeug.routing import IntegerConverter

from app.domain import MAX_ID
from app.errors import InvalidRequest


class _NumberInAddress(IntegerConverter):
    """``<int:…>``: with more digits an address leads nowhere."""

    regex = "[0-9]{1,18}"


def init_url_converters(app: Flask) -> None:
    """From now on every ``<int:…>`` of every route is one that the database can count."""
    app.url_map.converters["int"] = _NumberInAddress


def int_arg(name: str) -> int:
    """A number of the query string; 0 for what is none, the highest there is for what is beyond."""
    return min(max(request.args.get(name, 0, type=int), 0), MAX_ID)


def bounded_int_arg(name: str, low: int, high: int, default: int) -> int:
    """A number of the query string; ``default`` when there is none. Raises InvalidRequest out of bounds."""
    given = request.args.get(name) or str(default)
    if not (given.isascii() and given.isdigit() and len(given) < 19 and low <= int(given) <= high):
        raise InvalidRequest(name, f"{name} 应为 {low}–{high} 的整数")
    return int(given)


def is_id(value: Any) -> TypeGuard[int]:
    """Whether a value of JSON can be the number of a record."""
    return type(value) is int and 0 < value <= MAX_ID


def parse_ids(values: Any, field: str) -> list[int]:
    """A JSON list of record ids. Raises InvalidRequest for anything else."""
    if not isinstance(values, list) or not all(map(is_id, values)):
        raise InvalidRequest(field, f"{field} 应为记录编号的列表")
    return values
