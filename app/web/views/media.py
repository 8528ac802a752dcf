"""The pictures of records, as files or as redirects: to their OSS backup, and to OSS where it stores them.

Of those, only a picture of a page is redirected: a script, a new tab or a download gets the bytes here, since
a link to another host has no file name, and neither need follow a redirect.
"""

from flask import Blueprint, current_app, request
from werkzeug.wrappers import Response

import database
from app.errors import NotFound
from app.library.output_backup import SHOWN_SECONDS, OutputBackup
from app.web.downloads import YEAR_SECONDS, picture
from app.web.openapi.describe import UNCHANGED, describe
from app.web.openapi.schemas import enum
from app.web.person import came_by_https
from app.web.services import connection, services

bp = Blueprint("media", __name__)
_ALSO = {206: "一部分", 302: "图片在 OSS，转到那里；没有登录则转到登录页", **UNCHANGED}
_REDIRECT_SECONDS = SHOWN_SECONDS // 2


@bp.get("/output/<path:name>")
@describe("一张图片", ("image/png", "image/jpeg", "image/webp"), also=_ALSO, is_page=True)
def output(name: str) -> Response:
    """An output file as stored."""
    outputs = services().outputs
    key = database.find_output_copy(connection(), name) if outputs.in_oss else ""
    try:
        file = outputs.shown(name, key) if _is_in_page() else outputs.path(name, key)
    except NotFound:
        copies, copy = _find_backup(name)
        file = copies.url(copy)
    return picture(file, max_age=3600, redirect_max_age=_REDIRECT_SECONDS)


@bp.get("/thumbnails/<int:record_id>")
@describe("一条记录的缩略图", "image/webp", query={"side": enum("320", "800")}, also=_ALSO, is_page=True)
def thumbnail(record_id: int) -> Response:
    """A record's picture at 320 px, or 800 with ``side=800``; recreated when missing."""
    is_large = request.args.get("side") == "800"
    record = database.get_record(connection(), record_id, trash=True)
    if not record.filename:
        raise NotFound("这条记录还没有图片")
    outputs = services().outputs
    find = outputs.shown_thumbnail if _is_in_page() else outputs.thumbnail
    try:
        file = find(record.id, record.filename, is_large=is_large)
    except NotFound:
        copies, copy = _find_backup(record.filename)
        file = copies.thumbnail_url(copy, record.file_size or 0, is_large=is_large)
    return picture(file, max_age=YEAR_SECONDS, redirect_max_age=_REDIRECT_SECONDS)


@bp.get("/favicon.ico")
def favicon() -> Response:
    """The icon, for clients that request it without reading a page."""
    return current_app.send_static_file("favicon.ico")


def _is_in_page() -> bool:
    """Whether a page shows what is asked for, and its browser can load it from the bucket."""
    copies = services().runtime.output_backup
    is_picture = request.headers.get("Accept", "").startswith("image/")
    return is_picture and copies is not None and copies.can_open(in_https=came_by_https())


def _find_backup(name: str) -> tuple[OutputBackup, str]:
    """Where the backup of a picture missing locally is. Raises NotFound when there is none."""
    copies, key = services().runtime.output_backup, database.find_output_copy(connection(), name)
    if copies is None or not key or services().outputs.in_oss:
        raise NotFound("找不到这张图片，可能已被移走或删除")
    return copies, key
