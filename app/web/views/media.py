"""The pictures of records, as files or, when one is lost, as redirects to their OSS backup."""

from pathlib import Path

from flask import Blueprint, current_app, request
from werkzeug.wrappers import Response

import database
from app.errors import NotFound
from app.web.downloads import YEAR_SECONDS, picture
from app.web.openapi.describe import UNCHANGED, describe
from app.web.openapi.schemas import enum
from app.web.services import connection, services

bp = Blueprint("media", __name__)
_ALSO = {206: "一部分", 302: "图片在 OSS，转到那里；没有登录则转到登录页", **UNCHANGED}


@bp.get("/output/<path:name>")
@describe("一张图片", ("image/png", "image/jpeg", "image/webp"), also=_ALSO, is_page=True)
def output(name: str) -> Response:
    """An output file as stored."""
    outputs = services().outputs
    key = database.find_output_copy(connection(), name) if outputs.in_oss else ""
    try:
        file: Path | str = outputs.path(name, key)
    except NotFound:
        file = _backup_url(name, small=False)
    return picture(file, max_age=3600, redirect_max_age=3600)


@bp.get("/thumbnails/<int:record_id>")
@describe("一条记录的缩略图", "image/webp", query={"side": enum("320", "800")}, also=_ALSO, is_page=True)
def thumbnail(record_id: int) -> Response:
    """A record's picture at 320 px, or 800 with ``side=800``; recreated when missing."""
    is_large = request.args.get("side") == "800"
    record = database.get_record(connection(), record_id, trash=True)
    if not record.filename:
        raise NotFound("这条记录还没有图片")
    try:
        file: Path | str = services().outputs.thumbnail(record.id, record.filename, is_large=is_large)
    except NotFound:
        file = _backup_url(record.filename, small=not is_large)
    return picture(file, max_age=YEAR_SECONDS, redirect_max_age=3600)


@bp.get("/favicon.ico")
def favicon() -> Response:
    """The icon, for clients that request it without reading a page."""
    return current_app.send_static_file("favicon.ico")


def _backup_url(name: str, *, small: bool) -> str:
    """The OSS backup of a picture missing locally. Raises NotFound when there is none."""
    copies, key = services().runtime.output_backup, database.find_output_copy(connection(), name)
    if copies is None or not key or services().outputs.in_oss:
        raise NotFound("找不到这张图片，可能已被移走或删除")
    return copies.url(key, thumbnail=small)
