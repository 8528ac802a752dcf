"""File responses: pictures, streams, and attachments with Unicode names."""

import logging
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO, TypeVar
from urllib.parse import quote

from flask import redirect, request, send_file
from werkzeug.wrappers import Response
from zipstream import ZipStream

from app.images.filenames import unique_path

_Chunk = TypeVar("_Chunk")
_Item = TypeVar("_Item")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
READS_AT_ONCE = 4  # of images in OSS; as many are held in memory
YEAR_SECONDS = 365 * 24 * 3600
_TOKEN = re.compile("[a-z0-9]{1,20}")

logging.getLogger("zipstream").setLevel(logging.ERROR)  # its warnings contain file names, so words of prompts


def picture(target: Path | str, *, max_age: int, redirect_max_age: int) -> Response:
    """An image file, or a redirect to its URL in the bucket; ages in seconds."""
    if isinstance(target, Path):
        return send_file(target.absolute(), conditional=True, max_age=max_age)
    answer = redirect(target, 302)
    answer.headers["Cache-Control"] = f"private, max-age={redirect_max_age}"
    answer.vary.add("Accept")  # a download of the same URL is not redirected
    return answer


def workbook(file: IO[bytes], name: str) -> Response:
    """A workbook as an attachment of this name; the file is closed after sending."""
    return send_file(file, mimetype=XLSX, as_attachment=True, download_name=name, max_age=0)


def start_stream(pieces: Iterator[_Chunk]) -> Iterator[_Chunk]:
    """Compute the first piece now, so that an error before it still becomes an error response."""
    return chain(list(islice(pieces, 1)), pieces)


def map_ahead(
    function: Callable[[_Item], _Chunk], items: Iterable[_Item], *, threads: int, ahead: int
) -> Iterator[_Chunk]:
    """As ``map``, with up to ``ahead`` results computed by threads before they are asked for."""
    waiting: deque[Future[_Chunk]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for item in items:
            waiting.append(pool.submit(partial(function, item)))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def zip_files(files: Iterable[tuple[str, Callable[[], bytes]]]) -> Iterator[bytes]:
    """The ZIP of these files, (name, reader) each, read by a few threads; names that repeat are numbered."""
    archive, names, files = ZipStream(), set[str](), list(files)
    contents = map_ahead(lambda file: file[1](), files, threads=READS_AT_ONCE, ahead=READS_AT_ONCE)
    for (filename, _), content in zip(files, contents, strict=True):
        archive.add(content, unique_path(filename, names))
        yield from archive.file()
    yield from archive.finalize()


def stream_response(
    pieces: Iterator[bytes],
    close: Callable[[], object],
    *,
    length: int | None = None,
    mimetype: str = "application/zip",
) -> Response:
    """A file as it is made, of this length if it is known; ``close`` is called at its end, sent or not."""
    response = Response(pieces, mimetype=mimetype)
    if length is not None:
        response.content_length = length
    response.headers["X-Accel-Buffering"] = "no"  # sent as it is made, not stored by the server first
    response.call_on_close(close)
    return response


def as_attachment(response: Response, name: str, plain: str) -> Response:
    """Make a streamed response an attachment; ``plain`` is the ASCII fallback of the name.

    A page that waits for it gives a ``token``, which comes back as a cookie.
    """
    if _TOKEN.fullmatch(token := request.args.get("token", "")):
        response.set_cookie("download", token, max_age=60, samesite="Lax")
    named = f"filename={plain}; filename*=UTF-8''{quote(name)}"  # headers are ASCII
    response.headers["Content-Disposition"] = f"attachment; {named}"
    return response
