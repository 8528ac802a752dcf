"""Runs around every request: security checks, login, request log, compression."""

from flask import request

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def is_call() -> bool:
    """Whether a script makes this request, and not a browser that shows the answer as a page."""
    return request.path.startswith(("/api/", "/live/")) or "X-Requested-With" in request.headers
