"""File responses: MIME types, and attachments with Unicode names."""

import mimetypes
from collections.abc import Iterator
from itertools import chain, islice
from typing import IO, TypeVar
from urllib.parse import quote

from flask import send_file
from werkzeug.wrappers import Response

_Piece = TypeVar("_Piece")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_KINDS = {
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


def init_mime_types() -> None:
    """Fix the MIME types by extension: the registry of many Windows machines maps .js to text/plain,
    which browsers refuse to run."""
    for ending, kind in _KINDS.items():
        mimetypes.add_type(kind, ending)


def workbook(file: IO[bytes], name: str) -> Response:
    """A workbook as an attachment of this name; the file is closed after sending."""
    return send_file(file, mimetype=XLSX, as_attachment=True, download_name=name, max_age=0)


def begun(pieces: Iterator[_Piece]) -> Iterator[_Piece]:
    """Compute the first piece now, so that an error before it still becomes an error response."""
    return chain(list(islice(pieces, 1)), pieces)


def attached(response: Response, name: str, plain: str) -> Response:
    """Make a streamed response an attachment; ``plain`` is the ASCII fallback of the name."""
    named = f"filename={plain}; filename*=UTF-8''{quote(name)}"  # headers are ASCII
    response.headers["Content-Disposition"] = f"attachment; {named}"
    return response
