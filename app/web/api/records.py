"""The API of records: list, count, delete, restore, and export as a ZIP or a workbook."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response

import database
from app import sheets
from app.config import Settings
from app.domain import Pick, Record, Size
from app.errors import BucketError, DiskError, InvalidRequest, NotFound
from app.images import metadata, store
from app.images.filenames import safe_stem
from app.images.metadata import Parameters, format_parameters, parse_parameters
from app.web import filters
from app.web.downloads import XLSX, start_stream, workbook
from app.web.i18n import gettext, translate, translator
from app.web.openapi.describe import describe
from app.web.openapi.schemas import (
    FILE,
    ID,
    answer,
    closed_object,
    enum,
    map_of,
    open_object,
    or_null,
    strict_object,
)
from app.web.params import json_body, page_query, query
from app.web.person import current_person
from app.web.serializers import record_json, success
from app.web.services import connection, services
from app.web.zip_stream import Archive, send_archive

bp = Blueprint("records", __name__)
_MAX_SEARCH_IN_NAME = 40  # characters of a search in the name of a file


@bp.get("/records")
@describe(
    "记录，一次一页；排队和生成中的要用 status 指明才有。没有整句时，words.total 是每个词都有的条数",
    answer(records=["Record"], total=int, words=or_null(closed_object(total=int))),
    query={**page_query(), **filters.QUERY},
)
def list_records() -> Response:
    """A page of records; queued and running ones only when ``status`` names them.

    ``words`` is given when nothing contains the whole text of a search for several words.
    """
    db, page, wanted = connection(), query(), filters.parse(request.args)
    records, total = database.list_page(db, wanted, limit=page["limit"], offset=page["offset"])
    by_words = None if total else database.count_by_words(db, wanted)
    words = None if by_words is None else {"total": by_words}
    return success(records=[record_json(record) for record in records], total=total, words=words)


@bp.get("/records/kinds")
@describe(
    "可以按什么筛选，各有多少条",
    answer(kinds=map_of(map_of(int)), index=closed_object(done=int, total=int)),
    query={"trash": filters.QUERY["trash"]},
)
def count_facets() -> Response:
    """The filter values with their record counts, and the progress of the prompt index."""
    db, trash = connection(), query().get("trash") == "1"
    done, total = database.index_progress(db)
    kinds = database.count_facets(db, trash=trash)
    return success(kinds=kinds, index={"done": done, "total": total})


@bp.get("/records/ids")
@describe("筛选到的全部编号", answer(ids=[ID], total=int), query=filters.QUERY)
def list_record_ids() -> Response:
    """The ids of all records that match the filter, in its order, streamed."""
    record_filter = filters.parse(request.args)
    return Response(start_stream(_ids_json(services().settings, record_filter)), mimetype="application/json")


def _ids_json(settings: Settings, record_filter: database.RecordFilter) -> Iterator[str]:
    with closing(database.connect(settings.database)) as db:
        total, lead = 0, '{"success": true, "ids": ['
        for portion in database.list_id_portions(db, record_filter):
            yield lead + json.dumps(portion)[1:-1]
            total, lead = total + len(portion), ", "
        yield f'{"" if total else lead}], "total": {total}}}\n'


@bp.get("/records/<int:record_id>")
@describe("一条记录", answer(record="Record"))
def get_record(record_id: int) -> Response:
    """One record."""
    return success(record=record_json(database.get_record(connection(), record_id)))


@bp.get("/records/<int:record_id>/neighbours")
@describe(
    "按筛选的顺序，它前面和后面的一条",
    answer(previous=or_null("Record"), next=or_null("Record")),
    query=filters.QUERY,
)
def list_neighbours(record_id: int) -> Response:
    """The records before and after this one in the order of the filter, across pages."""
    before, after = database.list_neighbours(connection(), filters.parse(request.args), record_id)
    return success(previous=_json_or_none(before), next=_json_or_none(after))


@bp.delete("/records/<int:record_id>")
@describe("删除，30 天内可以恢复", answer(deleted={"const": 1}))
def delete_record(record_id: int) -> Response:
    """Move a record to the trash, for 30 days."""
    if not database.delete_records(connection(), [record_id]):
        raise NotFound("没有这条记录，或它还在生成中")
    return success(deleted=1)


@bp.post("/records/delete")
@describe(
    "删除这些，或筛选到的全部", answer(deleted=int, undo=int), json=strict_object(**filters.SELECTION_BODY)
)
def delete_records() -> Response:
    """Move ``ids``, or all matches of ``filter``, to the trash; ``undo`` restores exactly these."""
    deleted, undo = database.delete_with_undo(connection(), filters.parse_selection(json_body()))
    return success(deleted=deleted, undo=undo)


@bp.post("/records/restore")
@describe(
    "恢复这些、筛选到的全部，或一次删除（undo）",
    answer(restored=int),
    json=strict_object(**filters.SELECTION_BODY, undo=ID),
)
def restore_records() -> Response:
    """Restore from the trash: ``ids``, all matches of ``filter``, or the deletion named by ``undo``."""
    body, db = json_body(), connection()
    if "undo" in body:
        if len(body) > 1:
            raise InvalidRequest("undo", "undo 请单独写")
        return success(restored=database.undo_delete(db, body["undo"]))
    selection = filters.parse_selection(body)
    if isinstance(selection, database.RecordFilter):
        selection = dataclasses.replace(selection, trash=True)
    return success(restored=database.restore_records(db, selection))


@bp.post("/records/pick")
@describe(
    "选中（keep）、淘汰（reject）或取消选择（null）；什么也不删。before 是变了的记录，按原来的选择",
    answer(changed=int, before=closed_object(keep=[ID], reject=[ID], none=[ID])),
    json=strict_object("pick", **filters.SELECTION_BODY, pick=or_null(enum(*Pick))),
)
def pick_records() -> Response:
    """Set the choice of ``ids``, or of all matches of ``filter``, or clear it with null.

    ``before``: the ids of the changed records by their choice until then, to undo it.
    """
    body = json_body()
    pick = body["pick"]
    selection = filters.parse_selection(body)
    before = database.pick_records(connection(), selection, pick and Pick(pick), current_person().id)
    return success(changed=sum(map(len, before.values())), before=before)


@bp.route("/records/archive.zip", methods=["GET", "POST"])
@describe("图片和参数表，一个 ZIP", "application/zip", on="GET", query=filters.SELECTION_QUERY)
@describe(
    "同上，条件写在表单里", "application/zip", on="POST", form=filters.SELECTION_FORM, is_body_optional=True
)
def archive_records() -> Response:
    """A ZIP of the pictures of ``ids=1,2``, or of all matches of the filter, and their parameters."""
    wanted = filters.selection_from_request()
    records = _records_to_deliver(wanted)
    if next(iter(records()), None) is None:
        raise NotFound("没有可以打包的记录，请重新选择")
    return send_archive(records, lambda archive: _archive_name(wanted, archive))


def _records_to_deliver(wanted: database.Selection) -> Callable[[], Iterable[Record]]:
    """The chosen records; of a whole batch, or of its picks, those that its rows share too."""
    db = connection()
    if not isinstance(wanted, database.RecordFilter):
        return lambda: database.list_selected(db, wanted)
    of_batch = database.RecordFilter(batch_id=wanted.batch_id, pick=wanted.pick, sort=wanted.sort)
    if wanted.batch_id and wanted == of_batch:
        pick = "" if wanted.pick == database.NOT_PICKED else wanted.pick
        found = [
            record
            for record in database.list_delivered_records(db, wanted.batch_id)
            if record.status not in database.OPEN and (not wanted.pick or record.pick == pick)
        ]
        return lambda: found
    ids = list(database.list_record_ids(db, wanted))
    return lambda: database.list_selected(db, ids)


def _archive_name(wanted: database.Selection, archive: Archive) -> str:
    """After the batch that its pictures are of, else after the search, and after how many pictures it has."""
    chosen, name = False, ""
    if isinstance(wanted, database.RecordFilter):
        chosen = wanted.pick == Pick.KEEP
        name = _batch_stem([wanted.batch_id]) or safe_stem(
            wanted.batch_id or wanted.search[:_MAX_SEARCH_IN_NAME]
        )
    elif len(archive.batch_ids) == 1:
        name = _batch_stem(archive.batch_ids)
    name = name or translate("生成记录")
    text = "{name}-选中-{n}张.zip" if chosen else "{name}-{n}张.zip"
    return gettext(text, name=name, n=archive.count)


def _batch_stem(batch_ids: Iterable[str]) -> str:
    names = database.list_batch_names(connection(), batch_ids)
    return safe_stem(next(iter(names.values()), ""))


@bp.route("/records/export.xlsx", methods=["GET", "POST"])
@describe("记录写成表格", XLSX, on="GET", query=filters.SELECTION_QUERY)
@describe("同上，条件写在表单里", XLSX, on="POST", form=filters.SELECTION_FORM, is_body_optional=True)
def export_records() -> Response:
    """``ids=1,2``, or all matches of the filter, as a workbook."""
    db, selection = connection(), filters.selection_from_request()
    with services().workbooks:
        names = database.list_own_columns(db, selection)
        records = database.list_selected(db, selection)
        options = database.list_options(db, selection)
        file = sheets.write_records(records, own_names=names, options=options, translate=translator())
    return workbook(file, translate("生成记录.xlsx"))


@bp.post("/records/find-by-file")
@describe(
    "一张图片是哪一条记录，以及它里面写着的参数",
    answer(record=or_null("Record"), is_same_file=bool, in_trash=bool, parameters=or_null("Parameters")),
    files=open_object("file", file=FILE),
)
def find_record_by_file() -> Response:
    """The record that a picture belongs to, even if renamed, and the parameters in it or kept beside it."""
    file = request.files.get("file")
    if file is None:
        raise InvalidRequest("file", "请选择一张图片")
    content = file.stream.read()
    beside: list[str] = []
    with suppress(BucketError):
        beside = services().outputs.texts(content)
    text = beside[0] if beside else metadata.extract(content)
    embedded = parse_parameters(text) if text else None
    record, is_same = _owner(content, file.filename or "", embedded)
    return success(
        record=_json_or_none(record),
        is_same_file=is_same,
        in_trash=bool(record and record.deleted_at),
        parameters=embedded,
    )


def _owner(content: bytes, filename: str, embedded: Parameters | None) -> tuple[Record | None, bool]:
    """(the record, whether the file is byte for byte the stored one).

    The id in a file is no proof, it may come from another database: bytes or all parameters must match.
    """
    db, digest = connection(), hashlib.sha256(content).hexdigest()
    named = database.get_record_or_none(db, embedded.record_id) if embedded else None
    candidates = [*([named] if named else []), *database.list_records_of_file(db, filename)]
    same = next((record for record in candidates if _sha256(record) == digest), None)
    if same:
        return same, True
    if named is None or embedded is None:
        return None, False
    size = Size(width=named.width or 0, height=named.height or 0)
    text = format_parameters(named.request, size, named.model, named.id, named.seed)  # in today's format
    is_equal = dataclasses.replace(parse_parameters(text), text=embedded.text) == embedded
    return (named if is_equal else None), False


def _sha256(record: Record) -> str:
    """The stored hash; for records of the earlier app, which stored none, that of the file."""
    if record.sha256 or not record.filename:
        return record.sha256
    try:
        return store.sha256_of(services().outputs.path(record.filename))
    except (NotFound, BucketError, DiskError, OSError):
        return ""


def _json_or_none(record: Record | None) -> dict[str, Any] | None:
    return record_json(record) if record else None
