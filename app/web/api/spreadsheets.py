"""The API of workbooks: import, template, export, the results of a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
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
    ModelSpec,
    WorkbookFile,
)
from app.errors import BucketError, InvalidRequest, TryLater
from app.library.names import LibraryNames
from app.orders.read import today
from app.web.comparison import compare
from app.web.downloads import XLSX, workbook
from app.web.i18n import gettext, translate, translator
from app.web.openapi.describe import describe
from app.web.openapi.schemas import (
    FILE,
    ID,
    answer,
    array_of,
    closed_object,
    open_object,
    or_null,
    text,
)
from app.web.params import json_body
from app.web.serializers import success
from app.web.services import connection, services
from app.web.submit import find_model, model_of

bp = Blueprint("spreadsheets", __name__)


@bp.post("/spreadsheet/import")
@describe(
    "读一份 .xlsx、.xlsm、.xls、.xlsb、.et、.ods 或 .csv，不会开始生成",
    answer(
        workbook=str,
        sheet=str,
        sheets=[closed_object(name=str, rows=int)],
        rows=["ImportedRow"],
        problems=["CellProblem"],
        notes=[str],
        references=["NamedReference"],
        previous=or_null(closed_object(batch_id=str, name=str, created_at=str, filename=str)),
        removed=[closed_object(row=ID, prompt=str, records=[ID])],
    ),
    files=open_object(
        "file",
        file=FILE,
        model=text(description="没有写模型的行用哪个，空的是默认的"),
        sheets=array_of(str),
    ),
)
def import_workbook() -> Response:
    """Parse a file -> rows, corrections and errors by cell, and the matches of reference names.

    Each row is validated against its model, by default that of the form or query. In a results workbook a
    row of that model names none. One sheet is read unless ``sheets``, which may be repeated, names others.
    """
    file = request.files.get("file")
    if file is None:
        raise InvalidRequest("file", "请选择一个表格文件：.xlsx、.xlsm、.xls、.xlsb、.et、.ods 或 .csv")
    content = file.stream.read(sheets.MAX_UPLOAD + 1)
    library = LibraryNames(services().library)
    spec = find_model(request.values.get("model", ""))
    find = cache(lambda written: find_model(written or spec.model_id))
    found = sheets.read_workbook(
        content,
        file.filename or "",
        sheets=request.form.getlist("sheets"),
        find_model=find,
        is_known=library.has,
        date=today(),
    )
    filename = PurePath((file.filename or "").replace("\\", "/")).name[:MAX_FILENAME_LENGTH]
    workbook_id = _keep(content, filename, found)
    compared = compare(
        connection(),
        found,
        find_model=find,
        named_batch=sheets.batch_of_file(content),
        workbook_id=workbook_id,
        filename=filename,
    )
    answer = {"workbook": workbook_id, **found.as_json(translator())}
    answer["rows"] = compared.rows_json(answer["rows"])
    if compared.note:
        answer["notes"].append(translate(compared.note))
    if found.of_results:
        for row in answer["rows"]:
            row["model"] = "" if row["model"] == spec.model_id else row["model"]
    answer |= {"previous": compared.previous_json, "removed": compared.removed}
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
        filename=filename,
        sheet=found.sheet,
        header_row=found.header_row,
        content=content,
    )
    notes = sheets.own_result_notes(file)
    database.add_workbook(connection(), file, notes=notes, now=datetime.now(UTC))
    return file.id


@bp.get("/spreadsheet/template.xlsx")
@describe("空白模板", XLSX, query={"model": str})
def template() -> Response:
    """The blank template, with the sizes of the model of the page."""
    file = sheets.write_template(_models(request.args.get("model", "")), translate=translator())
    return workbook(file, translate("批量生成模板.xlsx"))


@bp.post("/spreadsheet/export")
@describe(
    "把这些行写成表格，可以原样再导入",
    XLSX,
    json=open_object(
        "rows", rows=array_of({"type": "object"}, maxItems=MAX_ROWS_A_BATCH), model=or_null(str)
    ),
)
def export_rows() -> Response:
    """Export the rows of the grid so that an import reproduces them exactly."""
    body = json_body()
    rows = body.get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InvalidRequest("rows", "rows 应为行的列表")
    if len(rows) > MAX_ROWS_A_BATCH:
        raise InvalidRequest("rows", "一次最多导出 {limit} 行", limit=MAX_ROWS_A_BATCH)
    specs = _models(model_of(body).model_id)
    file = sheets.write_requests(rows, specs, translate=translator())
    return workbook(file, translate("批量生成.xlsx"))


def _models(written: str) -> list[ModelSpec]:
    """The models that rows can be ordered from, that of the page first; ``written`` as for ``find_model``."""
    first = find_model(written)
    return [first, *(spec for spec in services().orderable if spec.model_id != first.model_id)]


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
