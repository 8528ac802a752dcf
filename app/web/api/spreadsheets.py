"""The API of workbooks: import, template, export, the results of a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import zip_longest
from pathlib import PurePath
from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response

import database
from app import sheets
from app.domain import (
    MAX_FILENAME_LENGTH,
    MAX_ROWS_A_BATCH,
    READERS,
    LibraryImage,
    ModelSpec,
    Pick,
    WorkbookFile,
)
from app.domain.tables import MAX_ROWS_A_TABLE
from app.errors import BucketError, InvalidRequest, TryLater, message
from app.library.names import LibraryNames
from app.orders.batches import check_rows
from app.orders.read import today
from app.tables.apply_version import apply_version
from app.tables.check import Checker
from app.tables.versions import (
    Line,
    Version,
    cells_of,
    compare,
    find_version,
    marks_json,
    with_values,
)
from app.web.api.batches import CHECKED
from app.web.downloads import XLSX, workbook
from app.web.i18n import gettext, translate, translator
from app.web.openapi.describe import describe
from app.web.openapi.schemas import (
    FILE,
    ID,
    answer,
    array_of,
    closed_object,
    enum,
    open_object,
    or_null,
    text,
)
from app.web.params import json_body
from app.web.person import current_person
from app.web.serializers import success
from app.web.services import connection, services
from app.web.submit import conditions, find_model, model_of, row_reader
from app.web.table_json import STAGE, standing_json

bp = Blueprint("spreadsheets", __name__)
_SHEET = closed_object(name=str, rows=int)
_WORKBOOK = text(description="上一次导入得到的编号，代替 file")
_MARK = closed_object(row=ID, picture=or_null(int), pick=or_null(enum(*Pick)), comment=str)


@bp.post("/spreadsheet/import")
@describe(
    "读一份 .xlsx、.xlsm、.xls、.xlsb、.et、.ods 或 .csv，不会开始生成",
    answer(
        ("check", "rows", "references"),
        workbook=str,
        sheet=str,
        sheets=[_SHEET],
        count=int,
        products=bool,
        rows=["ImportedRow"],
        problems=["CellProblem"],
        notes=[str],
        references=["NamedReference"],
        previous=or_null(closed_object(batch_id=str, name=str, created_at=str, filename=str)),
        removed=[closed_object(row=ID, prompt=str, records=[ID])],
        table=or_null(
            closed_object(
                **dict.fromkeys(("id", "name"), str),
                **dict.fromkeys(("unchanged", "changed", "new", "removed"), int),
            )
        ),
        marks=[_MARK],
        check=closed_object(**CHECKED),
    ),
    files=open_object(
        file=FILE,
        workbook=_WORKBOOK,
        model=text(description="没有写模型的行用哪个，空的是默认的"),
        sheets=array_of(str),
        rows=enum("0", "1") | {"description": "0：回答里没有 rows 和 references"},
        recipe=enum("0", "1") | {"description": "1：要用配方来做，没有提示词这一列也可以"},
        check=enum("0", "1") | {"description": "1：回答里的 check 是 POST /api/rows/check 对这些行的回答"},
    ),
)
def import_workbook() -> Response:
    """Parse a file -> rows, corrections and errors by cell, and the matches of reference names.

    Rows of a file that is a version of a table have the values that they have in it, see ``find_version``.

    Each row is validated against its model, by default that of the form or query. In a results workbook a
    row of that model names none. One sheet is read unless ``sheets``, which may be repeated, names others.
    """
    library = LibraryNames(services().library)
    spec = find_model(request.values.get("model", ""))
    is_for_recipe = request.values.get("recipe") == "1"
    found, workbook_id, named = _read_upload(library, spec, needs_prompt=not is_for_recipe)
    db = connection()
    version = find_version(db, found, named_batch=named, workbook_id=workbook_id)
    found = with_values(found, version) if version else found
    answer = {"workbook": workbook_id, "count": len(found.rows), **found.as_json(translator())}
    earlier = (version.table.model if version else "") or services().spec.model_id
    if found.of_results:
        for row in answer["rows"]:
            row["model"] = row["model"] or (earlier if version else "")
            row["model"] = "" if row["model"] == spec.model_id else row["model"]
    answer |= {"previous": None, "removed": [], "table": None, "marks": marks_json(found, version)}
    answer["products"] = not any(row.fields["prompt"] for row in found.rows)
    if version:
        answer |= _previous(db, version)
        is_other = earlier != spec.model_id and not found.of_results
        if is_other and not all(line.value("model") for line in version.lines):
            text = "上次是用 {model} 做的，现在选的是 {now}：没有写模型的行会重新生成、重新计费"
            note = message(text, model=message(services().label_of(earlier)), now=message(spec.label))
            answer["notes"].append(translate(note))
        for row, line in zip(answer["rows"], version.lines, strict=True):
            row |= _change_of(line, earlier, is_other=is_other and not line.value("model"))
            row |= {"status": ""} if "status" in row and row["change"] == "changed" else {}
    if request.values.get("rows") == "0":
        del answer["rows"]
        return success(**answer)
    try:
        answer["references"] = _look_up(found.rows, library, version)
    except (BucketError, TryLater) as error:  # the rows are usable without the references
        answer["references"] = []
        answer["notes"].append(gettext("参考图还没有核对：{reason}", reason=error.message))
    if request.values.get("check") == "1":
        images = [[{"url": "", "filename": name} for name in row["references"]] for row in answer["rows"]]
        rows = [row | {"sample_images": named} for row, named in zip(answer["rows"], images, strict=True)]
        answer["check"] = check_rows(conditions(), rows, model=spec.model_id, most=MAX_ROWS_A_TABLE)
    return success(**answer)


@bp.post("/tables/<table_id>/import")
@describe(
    "新一版表格里什么变了；apply=1 就照它改，apply=new 是都当作新的行接在后面；可以撤销",
    answer(
        **dict.fromkeys(("count", "unchanged", "new", "removed", "corrected", "version"), int),
        changed=[closed_object(row=ID, field=str, before={}, now={})],
        sheets=[_SHEET],
        problems=["CellProblem"],
        notes=[str],
        marks=[_MARK],
        stage=STAGE,
    ),
    files=open_object(file=FILE, workbook=_WORKBOOK, apply=enum("0", "1", "new"), sheets=array_of(str)),
)
def import_version(table_id: str) -> Response:
    """Compare a file with a table, or make it its newest version, with the choices of pictures in it."""
    apply = request.form.get("apply", "0")
    if apply not in ("0", "1", "new"):
        raise InvalidRequest("apply", "apply 应为 0、1 或 new")
    db = connection()
    table = database.get_table(db, table_id)
    library = LibraryNames(services().library)
    is_of_products = table.recipe or not any(
        row.fields.get("prompt") for row in database.read_rows(db, table_id)
    )
    found, workbook_id, named = _read_upload(
        library, find_model(table.model), needs_prompt=not is_of_products
    )
    numbers: Mapping[int, int]
    if apply == "0":
        version = compare(db, table_id, found, named_batch=named)
        numbers = {line.number: line.row.number for line in version.lines if line.row}
    else:
        version, changed, numbers = apply_version(
            db,
            table_id,
            found,
            named_batch=named,
            workbook_id=workbook_id,
            checker=Checker(reader=row_reader()),
            is_new=apply == "new",
            person_id=current_person().id,
        )
        table = changed.table
    read = with_values(found, version).as_json(translator())
    count = version.count()
    return success(
        count=len(version.lines),
        **{name: count[name] for name in ("unchanged", "new", "removed")},
        changed=[
            {"row": line.row.number, "field": each.field, "before": each.before, "now": each.now}
            for line in version.lines
            for each in line.changes
            if line.row
        ],
        corrected=sum(line.corrected for line in version.lines),
        version=table.version,
        stage=standing_json(table_id)["stage"],
        marks=marks_json(found, version),
        problems=[each | {"row": numbers.get(each["row"], each["row"])} for each in read["problems"]],
        **{name: read[name] for name in ("sheets", "notes")},
    )


def _read_upload(
    library: LibraryNames, spec: ModelSpec, *, needs_prompt: bool
) -> tuple[sheets.Import, str, str]:
    """Read and keep the uploaded file, or read one that was, whose rows are by default for this model.

    -> (what is in it, its id, the batch named in it or ""). Raises InvalidRequest or SpreadsheetError.
    """
    content, name = _upload()
    found = sheets.read_workbook(
        content,
        name,
        sheets=request.form.getlist("sheets"),
        find_model=cache(lambda written: find_model(written or spec.model_id)),
        is_known=library.has,
        date=today(),
        needs_prompt=needs_prompt,
    )
    filename = PurePath(name.replace("\\", "/")).name[:MAX_FILENAME_LENGTH]
    file = WorkbookFile(
        id=hashlib.sha256(content).hexdigest(),
        filename=filename,
        sheet=found.read[0].name,
        header_row=found.read[0].header_row,
        content=content,
    )
    notes = sheets.own_result_notes(file, [each.name for each in found.read])
    cells = {row.number: cells_of(row) for row in found.rows}
    database.add_workbook(connection(), file, notes=notes, cells=cells, now=datetime.now(UTC))
    return found, file.id, sheets.batch_of_file(content)


def _upload() -> tuple[bytes, str]:
    """The uploaded file, or the stored one that the form names, and its name. Raises InvalidRequest."""
    if file := request.files.get("file"):
        return file.stream.read(sheets.MAX_UPLOAD + 1), file.filename or ""
    if workbook_id := request.form.get("workbook"):
        stored = database.get_workbook_file(connection(), workbook_id)
        return stored.content, stored.filename
    raise InvalidRequest("file", "请选择一个表格文件：.xlsx、.xlsm、.xls、.xlsb、.et、.ods 或 .csv")


def _previous(db: database.Connection, version: Version) -> dict[str, Any]:
    """What the answer to an import says of the table that the file is a version of."""
    table = version.table
    pictures = database.linked_pictures(db, [row.id for row in version.gone])
    removed = [
        {
            "row": row.number,
            "prompt": row.fields.get("prompt", ""),
            "records": [picture.record_id for picture in pictures.get(row.id, ())],
        }
        for row in version.gone
    ]
    found: dict[str, Any] = {
        "table": {"id": table.id, "name": table.name, **version.count()},
        "removed": removed,
    }
    if version.batch_id:
        batch = database.get_batch(db, version.batch_id)
        found["previous"] = {
            "batch_id": batch.id,
            "name": batch.name,
            "created_at": batch.created_at,
            "filename": batch.workbook.filename if batch.workbook else "",
        }
    return found


def _change_of(line: Line, model: str, *, is_other: bool) -> dict[str, Any]:
    """``change`` of a row, and ``was``: the earlier value of each changed field, own columns apart.

    ``model`` made the rows that name none; ``is_other``: this row would be made by another now.
    """
    if line.row is None:
        return {"change": "new"}
    was: dict[str, Any] = {"model": model} if is_other else {}
    for change in line.changes:
        if change.field == "model":
            was["model"] = change.before or model
        elif change.field in READERS:
            was["references" if change.field == "sample_images" else change.field] = change.before
        else:
            was.setdefault("columns", {})[change.field] = change.before
    return {"change": "changed", "was": was} if was else {"change": "unchanged"}


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
    specs = _models(model_of(body).model_id)
    file = sheets.write_requests(body["rows"], specs, translate=translator())
    return workbook(file, translate("批量生成.xlsx"))


def _models(written: str) -> list[ModelSpec]:
    """The models that rows can be ordered from, that of the page first; ``written`` as for ``find_model``."""
    first = find_model(written)
    return [first, *(spec for spec in services().orderable if spec.model_id != first.model_id)]


def _look_up(
    rows: Sequence[sheets.ImportedRow], library: LibraryNames, version: Version | None
) -> list[dict[str, Any]]:
    """Match each reference name of each row -> exact, ambiguous (with candidates) or missing.

    ``name`` is as written, ``filename`` with its variables replaced. Of several images that one which the row
    of the table has.
    """
    chosen = {
        (line.number, image["filename"]): image["url"]
        for line in (version.lines if version else ())
        for image in line.value("sample_images") or ()
        if line.is_kept("sample_images")
    }
    named = [
        (row.number, name, sent)
        for row in rows
        if row.references
        for name, sent in zip_longest(row.references, row.sent_references, fillvalue=row.references[-1])
    ]
    return [
        {
            "row": number,
            "name": name,
            "filename": sent,
            **_match(library.find(sent), chosen.get((number, name), "")),
        }
        for number, name, sent in named
    ]


def _match(found: Sequence[LibraryImage], chosen: str) -> dict[str, Any]:
    images = [{"url": i.url, "filename": i.filename, "thumbnail_url": i.thumbnail_url} for i in found]
    images = [image for image in images if chosen and image["url"] == chosen] or images
    if len(images) == 1:
        return {"match": "exact", "image": images[0]}
    return {"match": "ambiguous", "candidates": images} if images else {"match": "missing"}
