"""The API of workbooks: import, template, export, the results of a batch."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response

import database
from app import sheets
from app.domain import (
    MAX_FILENAME_LENGTH,
    MAX_ROWS_A_BATCH,
    LibraryImage,
    WorkbookFile,
)
from app.errors import BucketError, InvalidRequest, NotFound, TryLater
from app.images import store
from app.images.filenames import safe_stem
from app.library.names import LibraryNames
from app.library.output_backup import OutputBackup
from app.web.downloads import XLSX, workbook
from app.web.i18n import gettext, translate, translator
from app.web.openapi.describe import describe
from app.web.openapi.schemas import FILE, answer, array_of, open_object
from app.web.params import json_body
from app.web.serializers import success
from app.web.services import connection, services
from app.web.submit import today

bp = Blueprint("spreadsheets", __name__)

MAX_FROM_OSS = 200  # thumbnails per workbook; each is a blocking call


@bp.post("/spreadsheet/import")
@describe(
    "读一份 .xlsx、.xlsm 或 .csv，不会开始生成",
    answer(
        workbook=str,
        sheet=str,
        rows=["ImportedRow"],
        problems=["CellProblem"],
        notes=[str],
        references=["NamedReference"],
    ),
    files=open_object("file", file=FILE),
)
def import_workbook() -> Response:
    """Parse a file -> rows, corrections and errors by cell, and the matches of reference names."""
    file = request.files.get("file")
    if file is None:
        raise InvalidRequest("file", "请选择一个 .xlsx、.xlsm 或 .csv 文件")
    content = file.stream.read(sheets.MAX_UPLOAD + 1)
    library = LibraryNames(services().library)
    spec = services().spec
    found = sheets.read_workbook(content, file.filename or "", spec=spec, is_known=library.has, date=today())
    answer = {"workbook": _keep(content, file.filename or "", found), **found.as_json(translator())}
    try:
        answer["references"] = _look_up(found.rows, library)
    except (BucketError, TryLater) as error:  # the rows are usable without the references
        answer["references"] = []
        answer["notes"].append(gettext("参考图还没有核对：{reason}", reason=error.message))
    return success(**answer)


def _keep(content: bytes, filename: str, found: sheets.Import) -> str:
    """Store the imported file -> its id."""
    file = WorkbookFile(
        id=hashlib.sha256(content).hexdigest(),
        filename=PurePath(filename.replace("\\", "/")).name[:MAX_FILENAME_LENGTH],
        sheet=found.sheet,
        header_row=found.header_row,
        content=content,
    )
    database.add_workbook(connection(), file, now=datetime.now(UTC))
    return file.id


class _BackupThumbnails:
    """Thumbnails from OSS of pictures missing locally, up to MAX_FROM_OSS or the first bucket error."""

    def __init__(self, db: database.Connection, copies: OutputBackup | None) -> None:
        self._db, self._copies = db, copies
        self._left = MAX_FROM_OSS if copies else 0

    def thumbnail(self, filename: str) -> bytes:
        """WebP of 320 px; empty when there is none."""
        key = database.find_output_copy(self._db, filename) if self._left else ""
        if self._copies is None or not key:
            return b""
        self._left -= 1
        try:
            return self._copies.fetch(key, thumbnail=True)
        except NotFound:
            return b""
        except BucketError:
            self._left = 0  # so that the remaining rows do not wait for it too
            return b""


@bp.get("/spreadsheet/template.xlsx")
@describe("空白模板", XLSX)
def template() -> Response:
    """The blank template."""
    file = sheets.write_template(services().provider.spec, translate=translator())
    return workbook(file, translate("批量生成模板.xlsx"))


@bp.post("/spreadsheet/export")
@describe(
    "把这些行写成表格，可以原样再导入",
    XLSX,
    json=open_object("rows", rows=array_of({"type": "object"}, maxItems=MAX_ROWS_A_BATCH)),
)
def export_rows() -> Response:
    """Export the rows of the grid so that an import reproduces them exactly."""
    rows = json_body().get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InvalidRequest("rows", "rows 应为行的列表")
    if len(rows) > MAX_ROWS_A_BATCH:
        raise InvalidRequest("rows", "一次最多导出 {limit} 行", limit=MAX_ROWS_A_BATCH)
    file = sheets.write_requests(rows, services().provider.spec, translate=translator())
    return workbook(file, translate("批量生成.xlsx"))


@bp.get("/batches/<batch_id>/results.xlsx")
@describe("结果表", XLSX)
def batch_results(batch_id: str) -> Response:
    """The submitted rows of a batch, in order, with the result of each."""
    db, output_dir = connection(), services().settings.output_dir
    batch = database.get_batch(db, batch_id)
    records = database.list_batch_records(db, batch_id)
    names = {record.id: record.filename for record in records}
    backups = _BackupThumbnails(db, services().worker.output_backup)

    def thumbnail(record_id: int) -> bytes | None:
        name, box = names[record_id], sheets.THUMBNAIL_BOX
        return store.jpeg_thumbnail(output_dir, record_id, name, box=box, elsewhere=backups.thumbnail)

    with services().workbooks:
        file = sheets.write_results(batch, records, thumbnails=thumbnail, translate=translator())
    return workbook(file, gettext("{name}-结果.xlsx", name=safe_stem(batch.name) or batch.id))


def _look_up(rows: Sequence[sheets.ImportedRow], library: LibraryNames) -> list[dict[str, Any]]:
    """Match each reference name of each row -> exact, ambiguous (with candidates) or missing.

    ``name`` is as written, ``filename`` with its variables replaced.
    """
    named = [
        (row.number, name, sent)
        for row in rows
        for name, sent in zip(row.references, row.sent_references, strict=True)
    ]
    return [
        {"row": number, "name": name, "filename": sent, **_match(library.find(sent))}
        for number, name, sent in named
    ]


def _match(found: Sequence[LibraryImage]) -> dict[str, Any]:
    images = [{"url": i.url, "filename": i.filename, "thumbnail_url": i.thumbnail_url} for i in found]
    if len(images) == 1:
        return {"match": "exact", "image": images[0]}
    return {"match": "ambiguous", "candidates": images} if images else {"match": "missing"}
