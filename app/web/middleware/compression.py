"""How heavy answers are on the wire: text is packed, static files are kept by the browser."""

import gzip

from flask import Flask, Response, request

_TEXT = ("text/", "application/json", "application/javascript", "image/svg+xml")
_SMALLEST = 600  # bytes; below that packing saves nothing
_LARGEST = 4 * 1024 * 1024
_LEVEL = 6
_LEVEL_OF_KEPT = 9  # for what the browser asks for once


def init_compression(app: Flask) -> None:
    """Pack every text answer for clients that can unpack it; let static files be asked for anew by ETag."""
    app.after_request(_keep_or_ask)
    app.after_request(_pack)


def _pack(response: Response) -> Response:
    if not _worth_packing(response):
        return response
    response.direct_passthrough = False
    content = response.get_data()
    if not _SMALLEST <= len(content) <= _LARGEST:
        return response
    is_kept = response.cache_control.immutable
    response.set_data(gzip.compress(content, _LEVEL_OF_KEPT if is_kept else _LEVEL, mtime=0))
    response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    etag, _ = response.get_etag()
    if etag:
        response.set_etag(etag, weak=True)
    return response


def _worth_packing(response: Response) -> bool:
    wanted = request.accept_encodings.quality("gzip") > 0
    plain = response.status_code == 200 and "Content-Encoding" not in response.headers
    streamed = response.is_streamed and not response.direct_passthrough
    return wanted and plain and not streamed and (response.mimetype or "").startswith(_TEXT)


def _keep_or_ask(response: Response) -> Response:
    """A static address with its version is kept for a year; a module named by another is asked for anew."""
    if request.endpoint == "static" and "v" not in request.args:
        response.headers["Cache-Control"] = "no-cache"
    return response
