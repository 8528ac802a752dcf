"""The pictures of records, as files or as redirects to their OSS backup."""

from flask import Blueprint, current_app, redirect, send_file
from werkzeug.wrappers import Response

import database
from app.errors import NotFound
from app.images import store
from app.web.openapi.describe import UNCHANGED, describe
from app.web.services import connection, services

_YEAR = 365 * 24 * 3600
bp = Blueprint("media", __name__)
_ALSO = {206: "一部分", 302: "图片在 OSS，转到那里；没有登录则转到登录页", **UNCHANGED}


@bp.get("/output/<path:name>")
@describe("一张图片", ("image/png", "image/jpeg", "image/webp"), also=_ALSO, is_page=True)
def output(name: str) -> Response:
    """An output file as stored."""
    try:
        path = store.open_output(services().settings.output_dir, name)
    except NotFound:
        return _from_bucket(name, small=False)
    return send_file(path.absolute(), conditional=True, max_age=3600)


@bp.get("/thumbnails/<int:record_id>")
@describe("一条记录的缩略图", "image/webp", also=_ALSO, is_page=True)
def thumbnail(record_id: int) -> Response:
    """A record's picture at 320 px; recreated when missing."""
    record = database.get_record(connection(), record_id, trash=True)
    if not record.filename:
        raise NotFound("这条记录还没有图片")
    try:
        path = store.ensure_thumbnail(services().settings.output_dir, record.id, record.filename)
    except NotFound:
        return _from_bucket(record.filename, small=True)
    return send_file(path.absolute(), mimetype="image/webp", conditional=True, max_age=_YEAR)


@bp.get("/favicon.ico")
def favicon() -> Response:
    """The icon, for clients that request it without reading a page."""
    return current_app.send_static_file("favicon.ico")


def _from_bucket(name: str, *, small: bool) -> Response:
    """Redirect to the OSS backup of a picture missing locally. Raises NotFound when there is none."""
    copies, key = services().worker.copies, database.find_output_copy(connection(), name)
    if copies is None or not key:
        raise NotFound("找不到这张图片，可能已被移走或删除")
    answer = redirect(copies.url(key, thumbnail=small), 302)
    answer.headers["Cache-Control"] = "private, max-age=3600"
    return answer
