"""Logs every request that changes something, fails or is slow, without its content."""

import time

from flask import Flask, g, request
from werkzeug.wrappers import Response

from app import log
from app.web.middleware import SAFE_METHODS

_SLOW_SECONDS = 1.0


def init_request_log(app: Flask) -> None:
    """Time every request; to be called before ``init_security``, so that refused ones are logged too."""
    app.before_request(_start_timer)
    app.after_request(_log_request)


def _start_timer() -> None:
    g.started = time.monotonic()


def _log_request(response: Response) -> Response:
    seconds = time.monotonic() - g.started
    if request.method not in SAFE_METHODS or seconds > _SLOW_SECONDS or response.status_code >= 500:
        named = request.view_args or {}
        log.event(
            "web",
            "request",
            method=request.method,
            route=request.url_rule or "none",
            batch=named.get("batch_id"),
            record=named.get("record_id"),
            status=response.status_code,
            ms=round(1000 * seconds),
        )
    return response
