"""The API of the reference-image library."""

from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response

import database
from app.domain import MAX_FILENAME_LENGTH, LibraryImage, ValidatedUpload
from app.errors import InvalidRequest
from app.images import store
from app.images.filenames import safe_stem
from app.library.catalogue import names_of
from app.web.openapi.describe import describe
from app.web.openapi.schemas import (
    FILE,
    ID,
    answer,
    array_of,
    enum,
    map_of,
    open_object,
    or_null,
    text,
    whole,
)
from app.web.params import bounded_int_arg, is_id, json_body
from app.web.serializers import success
from app.web.services import connection, services

bp = Blueprint("samples", __name__)

MAX_FILES = 50
MAX_IMAGES = 100_000
MAX_COUNTED = 200
_SOURCE = enum("oss", "local")
_IMAGES = answer(images=["LibraryImage"], source=_SOURCE)


@bp.get("/sample-images")
@describe(
    "示例图，新的在前",
    answer(
        ("trouble",),
        images=["LibraryImage"],
        total=int,
        source=_SOURCE,
        stale=bool,
        listed_at=or_null(float),
        trouble=str,
    ),
    query={"search": str, "limit": whole(1, MAX_IMAGES), "offset": whole(0, MAX_IMAGES)},
)
def list_images() -> Response:
    """The library, newest first; ``?search=`` matches names, ``?limit=&offset=`` select a page."""
    limit = bounded_int_arg("limit", 1, MAX_IMAGES, MAX_IMAGES)
    offset = bounded_int_arg("offset", 0, MAX_IMAGES, 0)
    page = services().library.list_images(request.args.get("search", ""), offset=offset, limit=limit)
    fields: dict[str, Any] = {"trouble": page.problem} if page.problem else {}
    fields |= {"stale": page.is_stale, "listed_at": page.listed_at, "total": page.total}
    return success(images=page.images, source=page.source, **fields)


@bp.post("/sample-images")
@describe(
    "放进示例图：上传文件，或以 JSON 指名一条记录的图片",
    _IMAGES,
    files=open_object("file", file=array_of(FILE, minItems=1, maxItems=MAX_FILES)),
    json=open_object("record_id", record_id=ID),
)
def add_images() -> Response:
    """Add uploaded files (``file``, several allowed), or the picture of a record (JSON ``record_id``)."""
    uploads = [_picture_of_record()] if request.is_json else _uploaded_files()
    return _images_answer([services().library.add(upload) for upload in uploads])


@bp.post("/sample-images/uses")
@describe(
    "每张示例图被多少条记录用过",
    answer(uses=map_of(int)),
    json=open_object("keys", keys=array_of(str, maxItems=MAX_COUNTED)),
)
def count_uses() -> Response:
    """Count the records that use each image: JSON ``{"keys"}`` -> ``{"uses": {key: number}}``."""
    keys = json_body().get("keys")
    if not isinstance(keys, list) or len(keys) > MAX_COUNTED or not all(isinstance(k, str) for k in keys):
        raise InvalidRequest("keys", "keys 应为 {limit} 个以内的示例图编号", limit=MAX_COUNTED)
    db = connection()
    uses = {key: database.count_reference_uses(db, names_of(key)) for key in keys}
    return success(uses=uses)


@bp.patch("/sample-images/<path:key>")
@describe("改名", _IMAGES, json=open_object("filename", filename=text(maxLength=MAX_FILENAME_LENGTH)))
def rename_image(key: str) -> Response:
    """Rename an image: JSON ``{"filename"}``, its extension is ignored."""
    filename = json_body().get("filename")
    if not isinstance(filename, str) or len(filename) > MAX_FILENAME_LENGTH or not safe_stem(filename):
        raise InvalidRequest("filename", "请写一个名字，最多 {limit} 字", limit=MAX_FILENAME_LENGTH)
    return _images_answer([services().library.rename(key, safe_stem(filename))])


@bp.delete("/sample-images/<path:key>")
@describe("删除，可以恢复", answer(deleted=str))
def delete_image(key: str) -> Response:
    """Delete an image; it can be restored."""
    services().library.delete(key)
    return success(deleted=key)


@bp.post("/sample-images/<path:key>/restore")
@describe("恢复", _IMAGES)
def restore_image(key: str) -> Response:
    """Restore a deleted image."""
    return _images_answer([services().library.restore(key)])


def _uploaded_files() -> list[ValidatedUpload]:
    files = request.files.getlist("file")
    if not 1 <= len(files) <= MAX_FILES:
        raise InvalidRequest("file", "请选择 1–{limit} 个图片文件", limit=MAX_FILES)
    limit = store.MAX_UPLOAD_BYTES + 1
    return [store.validate_upload(file.filename or "", file.stream.read(limit)) for file in files]


def _picture_of_record() -> ValidatedUpload:
    record_id = json_body().get("record_id")
    if not is_id(record_id):
        raise InvalidRequest("record_id", "record_id 应为记录编号")
    record = database.get_record(connection(), record_id)
    path = store.open_output(services().settings.output_dir, record.filename)
    return store.validate_upload(record.filename, path.read_bytes())


def _images_answer(images: list[LibraryImage]) -> Response:
    source = services().library.source
    return success(images=images, source=source)
