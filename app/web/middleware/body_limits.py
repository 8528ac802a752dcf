"""Limits of the request body by content type and login state, applied before the body is read."""

from collections.abc import Mapping
from typing import Any

from flask import Flask, request

from app.errors import Message, TooLarge, message
from app.web.middleware import security

MAX_UPLOAD_BYTES = 64 * 2**20  # of a whole request
MAX_OPEN_BYTES = 64 * 2**10  # the login form, and every request that is refused
MAX_FORM_BYTES = 2**20  # a parsed form takes forty times its size in memory
MAX_JSON_BYTES = 32 * 2**20  # 5,000 rows of 6 kB each
_MAX_FIELD_BYTES = 8 * 2**20  # one text field of an upload
_MAX_OPEN_PARTS = 10


def init_body_limits(app: Flask) -> None:
    """Refuse bodies above their limit; to be called after ``init_security``."""
    app.config["MAX_FORM_MEMORY_SIZE"] = _MAX_FIELD_BYTES
    app.before_request(_refuse_large_body)


def body_limit(app: Flask, environ: Mapping[str, Any]) -> int:
    """Maximum body size, in bytes, of a request with these headers."""
    length = environ.get("HTTP_CONTENT_LENGTH", "")
    if length.isdecimal() and int(length) <= MAX_OPEN_BYTES:
        return MAX_OPEN_BYTES  # of everybody, without a query
    with app.request_context(dict(environ)):
        return _limit()


def too_large(limit: int) -> Message:
    """The error message for a body above the limit."""
    size = f"{limit // 2**20} MB" if limit >= 2**20 else f"{limit // 2**10} KB"
    return message("上传的内容太大，一次最多 {limit}，请压缩或分几次上传", limit=size)


def _limit() -> int:
    if request.endpoint is None or security.is_open() or not security.lets_in():
        return MAX_OPEN_BYTES
    if request.mimetype == "multipart/form-data" and request.path.startswith("/api/"):
        return MAX_UPLOAD_BYTES
    return MAX_JSON_BYTES if request.is_json else MAX_FORM_BYTES


def _refuse_large_body() -> None:
    """Refuse by Content-Length, and limit parsing when the length is unknown."""
    limit = request.max_content_length = _limit()
    if limit == MAX_OPEN_BYTES:
        request.max_form_parts = _MAX_OPEN_PARTS
    if (request.content_length or 0) > limit:
        raise TooLarge(too_large(limit))
