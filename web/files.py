"""Answers that are files to keep, under names in any letters."""

from typing import IO
from urllib.parse import quote

from flask import send_file
from werkzeug.wrappers import Response

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def workbook(file: IO[bytes], name: str) -> Response:
    """A workbook under this name; the file is closed when it is sent."""
    return send_file(file, mimetype=XLSX, as_attachment=True, download_name=name, max_age=0)


def attached(response: Response, name: str, plain: str) -> Response:
    """A streamed answer under this name; ``plain`` for those who read no other letters than ASCII."""
    named = f"filename={plain}; filename*=UTF-8''{quote(name)}"  # a header holds no Chinese
    response.headers["Content-Disposition"] = f"attachment; {named}"
    return response
