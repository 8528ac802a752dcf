"""The API of the reference-image library."""

import dataclasses
from typing import Any

from flask import request

import database
import pictures
import sample_images
from domain import CheckedUpload, LibraryImage
from errors import InvalidRequest
from web.answers import Answer, json_body, success
from web.api import api
from web.context import connection, rooms

_MAX_FILES = 50


@api.get("/sample-images")
def list_sample_images() -> Answer:
    """The library, newest first; ``?search=`` in the names."""
    images = sample_images.list_sample_images(rooms().settings, request.args.get("search", ""))
    return _images_answer(images)


@api.post("/sample-images")
def add_sample_images() -> Answer:
    """Uploaded files (``file``, several allowed), or the picture of a record (JSON ``record_id``)."""
    uploads = [_picture_of_record()] if request.is_json else _uploaded_files()
    return _images_answer([sample_images.add_sample_image(rooms().settings, upload) for upload in uploads])


@api.delete("/sample-images/<key>")
def delete_sample_image(key: str) -> Answer:
    """Out of the library; can be restored."""
    sample_images.delete_sample_image(rooms().settings, key)
    return success({"deleted": key})


@api.post("/sample-images/<key>/restore")
def restore_sample_image(key: str) -> Answer:
    """Back into the library."""
    return _images_answer([sample_images.restore_sample_image(rooms().settings, key)])


def _uploaded_files() -> list[CheckedUpload]:
    files = request.files.getlist("file")
    if not 1 <= len(files) <= _MAX_FILES:
        raise InvalidRequest("file", f"请选择 1–{_MAX_FILES} 个图片文件")
    limit = pictures.MAX_UPLOAD_BYTES + 1
    return [pictures.checked_upload(file.filename or "", file.stream.read(limit)) for file in files]


def _picture_of_record() -> CheckedUpload:
    record_id = json_body().get("record_id")
    if type(record_id) is not int:
        raise InvalidRequest("record_id", "record_id 应为记录编号")
    record = database.get_record(connection(), record_id)
    path = pictures.open_output(rooms().settings.output_dir, record.filename)
    return pictures.checked_upload(record.filename, path.read_bytes())


def _images_answer(images: list[LibraryImage]) -> Answer:
    return success({"images": [_image_json(image) for image in images], "source": "local"})


def _image_json(image: LibraryImage) -> dict[str, Any]:
    return dataclasses.asdict(image)
