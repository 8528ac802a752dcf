"""How responses are sent: ETags, static files with their MIME types and caching, gzip for texts."""

import gzip
import mimetypes
from pathlib import Path
from typing import Any

from flask import Flask, make_response, request
from werkzeug.wrappers import Response

from app.web.downloads import YEAR_SECONDS
from app.web.i18n import is_english

_TEXT = ("text/", "application/json", "application/javascript", "image/svg+xml")
_MIME_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".ico": "image/x-icon",
    ".json": "application/json",
    ".woff2": "font/woff2",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}
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


def init_caching(app: Flask) -> None:
    """Compress texts for clients that accept gzip. Fix the MIME types of static files, and let browsers cache
    them for a year under a URL that names the version.

    The registry of many Windows machines maps .js to text/plain, which browsers refuse to run.
    """
    app.after_request(_set_cache_control)
    app.after_request(_compress)
    for ending, kind in _MIME_TYPES.items():
        mimetypes.add_type(kind, ending)
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = YEAR_SECONDS
    folder = Path(app.root_path) / "static"

    @app.url_defaults
    def _add_version(endpoint: str, values: dict[str, Any]) -> None:
        path = folder / values.get("filename", "")
        if endpoint == "static" and path.is_file():
            values["v"] = str(int(path.stat().st_mtime))


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
