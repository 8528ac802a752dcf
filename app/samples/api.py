"""The API of the reference-image library."""

import json
import time
from contextlib import ExitStack
from functools import partial
from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response

import database
from app.domain import MAX_FILENAME_LENGTH, LibraryImage, ValidatedUpload
from app.errors import InvalidRequest
from app.images import store
from app.images.filenames import safe_stem
from app.library.catalogue import names_of
from app.samples.sql import SORTS, count_reference_uses, rank_of
from app.web.downloads import as_attachment, start_stream, stream_response, zip_files
from app.web.filters import PHRASE, search_of
from app.web.i18n import translate
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
    schema_of,
    text,
    whole,
)
from app.web.params import json_body, query
from app.web.serializers import success
from app.web.services import connection, services

bp = Blueprint("samples", __name__)

MAX_FILES = 50
MAX_IMAGES = 100_000
MAX_COUNTED = 200
_MOST_AGE_SECONDS = 24 * 3600
_SOURCE = enum("oss", "local")
_IMAGES = answer(images=["LibraryImage"], source=_SOURCE)


@bp.get("/sample-images")
@describe(
    "示例图，没有 sort 时新的在前",
    answer(
        ("trouble",),
        images=["LibraryImage"],
        total=int,
        source=_SOURCE,
        stale=bool,
        listed_at=or_null(float),
        trouble=str,
    ),
    query={
        "search": PHRASE,
        "sort": enum(*SORTS),
        "limit": whole(1, MAX_IMAGES, default=MAX_IMAGES),
        "offset": whole(0, MAX_IMAGES, default=0),
    },
)
def list_images() -> Response:
    """The library, ordered by ``?sort=``; ``?search=`` matches names, ``?limit=&offset=`` select a page."""
    asked = query()
    search, rank = search_of(asked), rank_of(connection(), asked.get("sort", ""))
    page = services().library.list_images(search, offset=asked["offset"], limit=asked["limit"], rank=rank)
    fields: dict[str, Any] = {"trouble": page.problem} if page.problem else {}
    fields |= {"stale": page.is_stale, "listed_at": page.listed_at, "total": page.total}
    return success(images=page.images, source=page.source, **fields)


@bp.post("/sample-images")
@describe(
    "放进示例图：上传文件，或以 JSON 指名一条记录的图片",
    _IMAGES,
    files=open_object(
        "file",
        file=array_of(FILE, minItems=1, maxItems=MAX_FILES),
        added_at={
            **schema_of(float),
            "description": "Unix 时间：一起放进的，用它保持先后；相差一天以上的不用",
        },
    ),
    json=open_object("record_id", record_id=ID),
)
def add_images() -> Response:
    """Add uploaded files (``file``, several allowed), or the picture of a record (JSON ``record_id``).

    The first file is listed as the newest, so that files added together are listed in their order.
    """
    at = time.time()
    if request.is_json:
        record = database.get_record(connection(), json_body()["record_id"])
        content = services().outputs.path(record.filename).read_bytes()
        uploads = [store.validate_upload(record.filename, content)]
    else:
        uploads, named = _uploaded_files(), request.form.get("added_at", at, type=float)
        at = min(named, at) if abs(named - at) < _MOST_AGE_SECONDS else at
    add = services().library.add
    return _images_answer([add(upload, at - 0.001 * place) for place, upload in enumerate(uploads)])


@bp.post("/sample-images/archive.zip")
@describe(
    "示例图，一个 ZIP",
    "application/zip",
    form=open_object("keys", keys=text(description="编号的 JSON 列表")),
)
def archive_images() -> Response:
    """A ZIP of the images of ``keys``, a JSON list, under their names."""
    library = services().library
    images = [library.image(key) for key in _keys_in(request.form.get("keys", ""))]
    with ExitStack() as held:
        held.enter_context(services().archives)
        files = ((image.filename, partial(library.content, image.key)) for image in images)
        response = stream_response(start_stream(zip_files(files)), held.pop_all().close)
    return as_attachment(response, translate("示例图.zip"), "samples.zip")


@bp.post("/sample-images/uses")
@describe(
    "每张示例图被多少条记录用过",
    answer(uses=map_of(int)),
    json=open_object("keys", keys=array_of(str, maxItems=MAX_COUNTED)),
)
def count_uses() -> Response:
    """Count the records that use each image: JSON ``{"keys"}`` -> ``{"uses": {key: number}}``."""
    db, keys = connection(), json_body()["keys"]
    uses = {key: count_reference_uses(db, names_of(key)) for key in keys}
    return success(uses=uses)


@bp.patch("/sample-images/<path:key>")
@describe("改名", _IMAGES, json=open_object("filename", filename=text(maxLength=MAX_FILENAME_LENGTH)))
def rename_image(key: str) -> Response:
    """Rename an image: JSON ``{"filename"}``, its extension is ignored."""
    if not (stem := safe_stem(json_body()["filename"])):
        raise InvalidRequest("filename", "请写一个名字，最多 {limit} 字", limit=MAX_FILENAME_LENGTH)
    return _images_answer([services().library.rename(key, stem)])


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


def _keys_in(text: str) -> list[str]:
    try:
        keys = json.loads(text)
    except ValueError:
        keys = None
    if not isinstance(keys, list) or not keys or not all(isinstance(key, str) for key in keys):
        raise InvalidRequest("keys", "keys 应为示例图编号的 JSON 列表")
    return list(dict.fromkeys(keys))


def _uploaded_files() -> list[ValidatedUpload]:
    files = request.files.getlist("file")
    if not 1 <= len(files) <= MAX_FILES:
        raise InvalidRequest("file", "请选择 1–{limit} 个图片文件", limit=MAX_FILES)
    limit = store.MAX_UPLOAD_BYTES + 1
    return [store.validate_upload(file.filename or "", file.stream.read(limit)) for file in files]


def _images_answer(images: list[LibraryImage]) -> Response:
    return success(images=images, source=services().library.source)
