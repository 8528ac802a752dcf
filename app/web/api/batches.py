"""The API of batches."""

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from flask import Blueprint
from werkzeug.wrappers import Response

import database
from app.domain import (
    MAX_BATCH_NAME_LENGTH,
    MAX_ROWS_A_BATCH,
    BatchStatus,
    Status,
)
from app.errors import InvalidRequest, Message, StoreLost, TryLater, message
from app.orders.batches import check_rows, submit_rows
from app.orders.place import SINGLE, Placed
from app.orders.read import AGAIN, RowErrors
from app.web.caching import etag_matches, with_etag
from app.web.openapi.describe import UNCHANGED, describe
from app.web.openapi.schemas import (
    ID,
    MODEL,
    STOP_AFTER,
    answer,
    array_of,
    closed_object,
    enum,
    open_object,
    or_null,
    schema_of,
    text,
    whole,
)
from app.web.params import json_body, page_query, query
from app.web.serializers import failure, picture_url, record_json, success
from app.web.services import connection, services
from app.web.submit import (
    KEY_HEADERS,
    REPEATS_OR_AGAIN,
    REQUEST_ID,
    conditions,
    model_of,
    order_options,
    request_key,
)

bp = Blueprint("batches", __name__)
_MAX_WAIT_SECONDS = 1800.0
SOURCES = ("single", "batch")
BATCHES_LISTED = 50
CHECKED: dict[str, Any] = {
    "rows": ["CheckedRow"],
    "total": closed_object(pictures=int, price=or_null(float), made=int, new=int),
}
_BATCH = answer(batch="Batch")
SHARED = array_of(closed_object(row=ID, records=[ID]))
_ADDED: dict[str, Any] = {
    "records": [ID],
    "skipped": ["SkippedRow"],
    "table_id": or_null(text(description="表格的编号：这些行在里面")),
    "shared": SHARED,
}
_CANCELLED = answer(batch="Batch", cancelled=int, undo=[ID], was_paused=bool)


@bp.app_errorhandler(RowErrors)
def row_errors(error: RowErrors) -> Response:
    """400 with every error by row and field."""
    problems = [{"row": row, "field": p.field, "error": p.message} for row, p in error.problems]
    return failure(error.message, 400, problems=problems, field=error.problems[0][1].field)


@bp.post("/batch-generate")
@describe(
    "生成一行，等它做完；全部失败时是 502",
    answer(("errors",), images=["MadePicture"], batch_id=str, errors=["FailedPicture"]),
    headers=KEY_HEADERS,
    json={"allOf": [schema_of("Row"), open_object(request_id=REQUEST_ID)]},
)
def batch_generate() -> Response:
    """Generate one row and wait for its pictures; a repeated key returns the result of its first call."""
    row = json_body()
    key = request_key(row)
    if (peers := services().runtime.peers).are_missing:
        peers.watch(connection())  # a worker may have started since this process last saw them
    if peers.are_missing and not database.find_answer(connection(), key):
        raise TryLater("没有在运行的生成进程，请启动一个（ROLE=worker）再试；要先排队，用 POST /api/batches")
    with services().waiting_calls:
        placed = submit_rows(conditions(), [{**row, "repeats": AGAIN}], SINGLE, key=key)
        services().runtime.wake()
        batch_id, why_paused = placed.batch_id, _wait_for(placed.batch_id)
    records = [database.get_record(connection(), each, trash=True) for each in placed.ids]
    made = [
        {name: getattr(record, name) for name in ("filename", "seed", "width", "height")}
        | {"url": picture_url(record), "record_id": record.id}
        for record in records
        if record.status is Status.SUCCESS
    ]
    failed: list[dict[str, Any]] = [
        {"record_id": record.id, "status": record.status, "error": record.error or message("已取消")}
        for record in records
        if record.status is not Status.SUCCESS
    ]
    if not made:
        return failure(why_paused or failed[0]["error"], 502, errors=failed, batch_id=batch_id)
    errors: dict[str, Any] = {"errors": failed} if failed else {}
    return success(images=made, batch_id=batch_id, **errors)


def _wait_for(batch_id: str) -> Message:
    """Wait until the batch has ended; when it pauses, cancel the rest of it.

    -> the reason for the pause; empty when it did not pause. Raises StoreLost, TryLater.
    """
    deadline = time.monotonic() + _MAX_WAIT_SECONDS
    version = 0
    why_paused = message("")
    while time.monotonic() < deadline and not services().runtime.threads.aborting.is_set():
        if problem := services().runtime.store_guard.problem():
            raise StoreLost(problem)
        seen = database.get_batch_version(connection(), batch_id)
        if seen != version:
            version = seen
            batch = database.get_batch(connection(), batch_id)
            if batch.status in (BatchStatus.FINISHED, BatchStatus.CANCELLED):
                return why_paused
            if batch.status is BatchStatus.PAUSED:
                why_paused = batch.paused_reason
                database.cancel_batch(connection(), batch_id)
        time.sleep(0.1)
    raise TryLater("还没有生成完，已留在队列里，稍后可在生成记录中查看")


@bp.post("/batches")
@describe(
    "把若干行排进队列；有一行不对就一行也不排",
    answer(batch_id=str, **_ADDED),
    status=202,
    also={200: answer(batch_id={"type": "null"}, **_ADDED)},
    headers=KEY_HEADERS,
    json=open_object(
        "rows",
        rows=array_of("Row", minItems=1, maxItems=MAX_ROWS_A_BATCH),
        name=text(maxLength=MAX_BATCH_NAME_LENGTH),
        unique_name=bool,
        source=enum(*SOURCES),
        workbook=or_null(str),
        model=MODEL,
        repeats=REPEATS_OR_AGAIN,
        sample=or_null(
            whole(1, MAX_ROWS_A_BATCH, description="先试几行：头尾、最长的、每种比例都有；其余的等放行")
        ),
        stop_after=STOP_AFTER,
        request_id=REQUEST_ID,
    ),
)
def create_batch() -> Response:
    """Queue rows, all or none; with ``repeats: skip``, only the pictures that are missing.

    With ``unique_name: true`` a counter is added to a name that another batch has. With ``sample: n`` the
    pictures of all rows but n are held. ``stop_after`` is a StopRule, null for none; without it a table has
    the default one.
    """
    body = json_body()
    rows, source, workbook_id = _rows_of(body), body.get("source", "batch"), body.get("workbook")
    options = replace(
        order_options(body, source),
        name=body.get("name", ""),
        unique_name=body.get("unique_name", False),
        workbook_id=workbook_id,
        model=model_of(body).model_id,
    )
    cells = partial(database.workbook_cells, connection(), workbook_id)
    placed = submit_rows(conditions(), rows, options, key=request_key(body), cells=cells)
    return placed_answer(placed, skipped=placed.skipped, table_id=placed.table_id or None)


def placed_answer(placed: Placed, **fields: Any) -> Response:
    """What an order queued."""
    services().runtime.wake()
    fields |= {"batch_id": placed.batch_id or None, "records": placed.ids, "shared": shared_json(placed)}
    return success(status=202 if placed.batch_id else 200, **fields)


def shared_json(placed: Placed) -> list[dict[str, Any]]:
    """The rows of the order's table that show pictures of equal rows: their ids, and the records."""
    ids = database.row_ids_of(connection(), placed.table_id, [shared.row for shared in placed.shared])
    return [{"row": ids[one.row], "records": one.records} for one in placed.shared if one.row in ids]


def _rows_of(body: Mapping[str, Any]) -> list[Any]:
    """The rows of a body. Raises InvalidRequest, also for words around all of them, which 0.2 took."""
    if body.get("prefix") or body.get("suffix"):
        raise InvalidRequest("prefix", "没有前缀和后缀了：请写进每一行的提示词")
    rows: list[Any] = body["rows"]
    return rows


@bp.post("/rows/check")
@describe(
    "每一行已有哪些图片、还要新做几张，什么也不改变；一行不对写在它的 problems 里，空行不算",
    answer(**CHECKED),
    json=open_object("rows", rows=array_of("Row", maxItems=MAX_ROWS_A_BATCH), model=MODEL),
)
def check() -> Response:
    """What submitting the rows with ``repeats: skip`` would order."""
    body = json_body()
    model = model_of(body).model_id
    return success(**check_rows(conditions(), _rows_of(body), model=model))


@bp.get("/batches")
@describe(
    "批次，一次一页，新的在前",
    answer(batches=["Batch"], total=int),
    query={**page_query(BATCHES_LISTED), "source": enum(*SOURCES)},
    also=UNCHANGED,
)
def list_batches() -> Response:
    """A page of batches, newest first."""
    db, asked = connection(), query()
    limit, offset, source = asked["limit"], asked["offset"], asked.get("source")
    tag = f"{source}-{limit}-{offset}-{database.last_version(db)}"
    if etag_matches(tag):
        return with_etag(Response(), tag)
    with database.read_transaction(db):
        batches = database.list_batches(db, limit=limit, offset=offset, source=source)
        total = database.count_batches(db, source=source)
    response = success(batches=batches, total=total)
    return with_etag(response, tag)


@bp.get("/batches/<batch_id>")
@describe(
    "一个批次，以及 since 之后变化了的记录（records=0 就不带）和日志；日志太长时略去较早的普通几条，"
    "log_left_out 是条数",
    answer(("records",), batch="Batch", version=int, records=["Record"], log=["LogLine"], log_left_out=int),
    query={"since": int, "records": enum("0", "1")},
    also=UNCHANGED,
)
def get_batch(batch_id: str) -> Response:
    """A batch, and its records and log lines that changed after ``?since=``."""
    db = connection()
    asked = query()
    since, has_records = asked.get("since", 0), asked.get("records") != "0"
    tag = f"{since}-{database.get_batch_version(db, batch_id)}-{database.count_ahead(db, batch_id)}"
    if etag_matches(tag):
        return with_etag(Response(), tag)
    with database.read_transaction(db):
        batch = database.get_batch(db, batch_id)
        records = database.list_batch_records(db, batch_id, since=since) if has_records else []
        log = database.list_log(db, batch_id, since=since)
        written = database.count_log(db, batch_id, since=since)
    found: dict[str, Any] = {"records": [record_json(record) for record in records]} if has_records else {}
    response = success(batch=batch, version=batch.version, log=log, log_left_out=written - len(log), **found)
    return with_etag(response, f"{since}-{batch.version}-{batch.ahead}")


@bp.post("/batches/<batch_id>/pause")
@describe("暂停：不再开始新的", _BATCH)
def pause_batch(batch_id: str) -> Response:
    """Pause a batch: no further records are submitted."""
    database.get_batch(connection(), batch_id)
    database.pause_batch(connection(), batch_id)
    return batch_answer(batch_id)


@bp.post("/batches/<batch_id>/resume")
@describe("继续；只剩等放行的就是 409，请用 release", _BATCH)
def resume_batch(batch_id: str) -> Response:
    """Resume a batch; refused, with the reason, when the next submission would pause it again."""
    current = conditions()
    if database.get_batch(connection(), batch_id).status is BatchStatus.PAUSED:
        current.require_resumable(batch_id)
    database.resume_batch(connection(), batch_id, models=current.models.ids, person_id=current.person_id)
    return batch_answer(batch_id)


@bp.post("/batches/<batch_id>/cancel")
@describe("取消还没有下单的和等放行的；undo 和 was_paused 交给 uncancel 就能撤销", _CANCELLED)
def cancel_batch(batch_id: str) -> Response:
    """Cancel records not submitted yet; ``uncancel`` takes the returned ``undo`` and ``was_paused``."""
    database.get_batch(connection(), batch_id)
    return _cancelled_answer(batch_id, database.cancel_batch(connection(), batch_id))


@bp.post("/records/<int:record_id>/cancel")
@describe("取消一张还没有下单的，同一批的其他图片照做", _CANCELLED)
def cancel_record(record_id: int) -> Response:
    """Cancel one record not submitted yet; the rest of its batch continues."""
    return _cancelled_answer(*database.cancel_record(connection(), record_id))


def _cancelled_answer(batch_id: str, cancelled: database.Cancelled) -> Response:
    fields: dict[str, Any] = {
        "cancelled": cancelled.number,
        "undo": cancelled.ids,
        "was_paused": cancelled.was_paused,
    }
    return batch_answer(batch_id, **fields)


def batch_answer(batch_id: str, *, status: int = 200, **fields: Any) -> Response:
    """The batch after a change, which may have given the worker something to do."""
    services().runtime.wake()
    return success(status=status, batch=database.get_batch(connection(), batch_id), **fields)
