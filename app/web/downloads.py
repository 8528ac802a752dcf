"""Answers that are files: of what kind each is, and those to keep, under names in any letters."""

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
    """From now on a file is what its ending says, whatever this machine believes: the registry of many a
    Windows calls a script plain text, which no browser runs then."""
    for ending, kind in _KINDS.items():
        mimetypes.add_type(kind, ending)


def workbook(file: IO[bytes], name: str) -> Response:
    """A workbook under this name; the file is closed when it is sent."""
    return send_file(file, mimetype=XLSX, as_attachment=True, download_name=name, max_age=0)


def begun(pieces: Iterator[_Piece]) -> Iterator[_Piece]:
    """The same pieces, the first made at once: what fails before it is still answered as any error."""
    return chain(list(islice(pieces, 1)), pieces)


def attached(response: Response, name: str, plain: str) -> Response:
    """A streamed answer under this name; ``plain`` for those who read no other letters than ASCII."""
    named = f"filename={plain}; filename*=UTF-8''{quote(name)}"  # a header holds no Chinese
    response.headers["Content-Disposition"] = f"attachment; {named}"
    return response
