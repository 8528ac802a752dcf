"""Conditional responses: pages poll, and get 304 while nothing changed."""

from flask import make_response, request
from werkzeug.wrappers import Response

from app.web.i18n import is_english


def with_etag(response: Response, tag: str) -> Response:
    """Set the ETag; 304 when the client already has it."""
    response.set_etag(_in_language(tag))
    response.headers["Cache-Control"] = "no-cache"
    return response.make_conditional(request)


def with_content_etag(html: str) -> Response:
    """A fragment with an ETag of its content; 304 when the client already has it."""
    response = make_response(html)
    response.add_etag()
    response.headers["Cache-Control"] = "no-cache"
    return response.make_conditional(request)


def etag_matches(tag: str) -> bool:
    """Whether the client already has this ETag, compressed or not."""
    return request.if_none_match.contains_weak(_in_language(tag))


def _in_language(tag: str) -> str:
    return f"{tag}-en" if is_english() else tag
