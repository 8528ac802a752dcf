"""Responses that are sent once: ETags, the caching of static files, and gzip for texts."""

import gzip

from flask import Flask, make_response, request
from werkzeug.wrappers import Response

from app.web.i18n import is_english

_TEXT = ("text/", "application/json", "application/javascript", "image/svg+xml")
_WHOLE = (200, 201, 202)
_MIN_BYTES = 600  # bytes; below that gzip saves nothing


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


def init_compression(app: Flask) -> None:
    """Compress text responses for clients that accept gzip; revalidate static files by ETag."""
    app.after_request(_set_cache_control)
    app.after_request(_compress)


def _compress(response: Response) -> Response:
    if not _is_compressible(response):
        return response
    response.direct_passthrough = False
    content = response.get_data()
    if len(content) < _MIN_BYTES:
        return response
    response.set_data(gzip.compress(content, 6, mtime=0))
    response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    etag, _ = response.get_etag()
    if etag:
        response.set_etag(etag, weak=True)
    return response


def _is_compressible(response: Response) -> bool:
    wanted = request.accept_encodings.quality("gzip") > 0
    plain = response.status_code in _WHOLE and "Content-Encoding" not in response.headers
    streamed = response.is_streamed and not response.direct_passthrough
    return wanted and plain and not streamed and (response.mimetype or "").startswith(_TEXT)


def _set_cache_control(response: Response) -> Response:
    """Revalidate static files requested without a version; versioned URLs are cached for a year."""
    if request.endpoint == "static" and "v" not in request.args:
        response.headers["Cache-Control"] = "no-cache"
    return response
