"""The API of results: of a batch, or of a table as it is now, as a workbook or a ZIP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal

from flask import Blueprint
from werkzeug.wrappers import Response

import database
from app import sheets
from app.domain import Batch, BatchStatus, Record, Status
from app.domain.recipes import ROLE_COLUMN
from app.domain.tables import Table
from app.errors import NotFound, message
from app.images.filenames import delivered_names, safe_stem
from app.tables.recipes import recipe_of
from app.tables.results import by_line, list_results
from app.tables.versions import cells_of
from app.web.downloads import XLSX, as_attachment, start_stream, stream_response
from app.web.i18n import gettext, translator
from app.web.openapi.describe import describe
from app.web.openapi.schemas import enum, text
from app.web.originals import record_thumbnails
from app.web.params import query
from app.web.services import connection, services
from app.web.zip_stream import send_archive

bp = Blueprint("results", __name__)
_TOKEN = {"token": text(description="回答开始时放进 cookie「download」里，页面由此知道下载开始了")}
_FORM = {"form": enum("own"), **_TOKEN}


@bp.get("/batches/<batch_id>/results.xlsx")
@describe("结果表；form=own 是导入的那份表格，右边加上结果", XLSX, query=_FORM)
def batch_results(batch_id: str) -> Response:
    """The submitted rows of a batch, in order, with the result of each; or the imported file with them."""
    db = connection()
    return _workbook(database.get_batch(db, batch_id), database.list_delivered_records(db, batch_id))


@bp.get("/tables/<table_id>/results.xlsx")
@describe(
    "整个表格的结果；form=own 是导入的那份，右边加上结果，配方的角色各一列；lines=pictures 是一张图一行",
    XLSX,
    query={**_FORM, "lines": enum("pictures")},
)
def table_results(table_id: str) -> Response:
    """The rows of a table, in order, with what each shows; or the imported file with it."""
    table = database.get_table(connection(), table_id)
    records = list_results(connection(), table)
    return _workbook(_as_batch(table, records), records, table)


@bp.get("/tables/<table_id>/archive.zip")
@describe(
    "整个表格的图片，一行一个文件；pick=keep 只要选中的",
    "application/zip",
    query={"pick": enum("keep"), **_TOKEN},
)
def table_archive(table_id: str) -> Response:
    """A ZIP of the pictures of the rows, each under the name of its row."""
    pick, table = query().get("pick"), database.get_table(connection(), table_id)
    results = list_results(connection(), table)
    records = [record for record in results if record.filename and (not pick or record.pick == pick)]
    if not records:
        raise NotFound("没有选中的图片，请先选" if pick else "这个表格还没有图片")
    name = safe_stem(table.name) or table.id
    return send_archive(lambda: records, lambda sent: gettext("{name}-{n}张.zip", name=name, n=sent.count))


def _as_batch(table: Table, records: Sequence[Record]) -> Batch:
    """The table as its results are headed."""
    ordered = [record for record in records if record.id]
    costs, at_stake = ([getattr(r, name) for r in ordered] for name in ("cost", "at_stake"))
    counts = Counter(record.status for record in ordered)
    return Batch(
        id=table.id,
        name=table.name,
        created_at=table.created_at,
        status=BatchStatus.FINISHED,
        paused_reason=message(""),
        total=len(ordered),
        counts={status: counts[status] for status in Status},
        cost=None if None in costs else sum(costs, Decimal(0)),
        at_stake=None if None in at_stake else sum(at_stake, Decimal(0)),
        estimated_cost=None,
        eta_seconds=None,
        version=table.version,
        source="batch",
        workbook=database.find_workbook(connection(), table.workbook_id),
    )


def _workbook(batch: Batch, stored: Sequence[Record], table: Table | None = None) -> Response:
    """The records as a workbook, their pictures under the names that they are delivered with."""
    current, asked = services(), query()
    files = {record.id: record.filename for record in stored}
    thumbnails = record_thumbnails(current.settings, current.originals, files)
    names = delivered_names(stored)
    records = [replace(record, filename=name) for record, name in zip(stored, names, strict=True)]
    with ExitStack() as held:
        held.enter_context(current.workbooks)
        ending, mimetype, name = ".xlsx", XLSX, batch.name
        if "form" in asked and "lines" not in asked:
            own = _own_results(batch, records, thumbnails, table)
            pieces, ending, mimetype, name = own.pieces, own.ending, own.mimetype, own.name
        else:
            pieces = sheets.write_results(batch, records, thumbnails=thumbnails, translate=translator())
        response = stream_response(start_stream(pieces), held.pop_all().close, mimetype=mimetype)
    name = gettext("{name}-结果.xlsx", name=safe_stem(name) or batch.id)
    return as_attachment(response, name.removesuffix(".xlsx") + ending, f"results{ending}")


def _own_results(
    batch: Batch, records: Sequence[Record], thumbnails: sheets.Thumbnails, table: Table | None
) -> sheets.OwnResults:
    if batch.workbook is None:
        raise NotFound("这不是从导入的表格做的，请下载结果表")
    file = database.get_workbook_file(connection(), batch.workbook.id)
    found = sheets.read_for_results(file, records)
    roles: list[str] = []
    if table and (recipe := recipe_of(table)):
        of_records = (record.columns.get(ROLE_COLUMN, "") for record in records)
        roles = [*dict.fromkeys([*(role.name for role in recipe.roles), *filter(None, of_records)])]
        roles = roles if len(roles) > 1 else []  # the pictures of one stand where those of a row do
    if table:
        records = by_line(connection(), table, records, {row.number: cells_of(row) for row in found.rows})
    return sheets.write_own_results(
        file, found, batch, records, thumbnails=thumbnails, translate=translator(), roles=roles
    )
