"""The API that orders the pictures of rows of a table."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint
from werkzeug.wrappers import Response

import database
from app.domain import (
    MAX_MODEL_LENGTH,
    MAX_PICTURES_A_ROW,
    MAX_ROWS_A_BATCH,
    RESOLUTIONS,
    read_resolution,
)
from app.errors import InvalidRequest
from app.orders.batches import BatchOptions
from app.orders.read import AGAIN, REPEATS, SKIP
from app.tables.run import RunChoices, run_table
from app.web.api.batches import SHARED, sample_of, shared_json, stop_rule_of
from app.web.openapi.describe import describe
from app.web.openapi.schemas import (
    ID,
    STOP_AFTER,
    answer,
    array_of,
    enum,
    or_null,
    strict_object,
    text,
    whole,
)
from app.web.params import json_body, parse_ids
from app.web.serializers import success
from app.web.services import connection, services
from app.web.submit import KEY_HEADERS, REQUEST_ID, conditions, model_of, request_key, skips_bought

bp = Blueprint("table_runs", __name__)
_MODEL = text(maxLength=MAX_MODEL_LENGTH, description="都由它来做；图片作为这些行的另一版")


@bp.post("/tables/<table_id>/run")
@describe(
    "做一个表格的行：不写 rows 就是全部还要做的",
    answer(batch_id=or_null(str), records=[ID], shared=SHARED, price=or_null(float)),
    status=202,
    headers=KEY_HEADERS,
    json=strict_object(
        rows=array_of(ID, minItems=1),
        again=array_of(ID) | {"description": "这些行已经有图也再做一遍"},
        pictures=whole(1, MAX_PICTURES_A_ROW, description="每行做几张，不写就照各行的"),
        model=or_null(_MODEL),
        resolution=or_null(enum(*RESOLUTIONS)),
        repeats=enum(*REPEATS) | {"default": SKIP},
        sample=or_null(whole(1, MAX_ROWS_A_BATCH)),
        stop_after=STOP_AFTER,
        request_id=REQUEST_ID,
    ),
    also={200: answer(batch_id={"type": "null"}, records=[ID], shared=SHARED, price=float)},
)
def run(table_id: str) -> Response:
    """Order the pictures of rows; with ``repeats: skip`` those that there are of equal rows are shown."""
    body, db = json_body(), connection()
    ids = parse_ids(body["rows"], "rows") if body.get("rows") is not None else None
    resolution = body.get("resolution")
    choices = RunChoices(
        again=frozenset(parse_ids(body.get("again") or [], "again")),
        pictures=_pictures_of(body),
        spec=model_of(body) if body.get("model") else None,
        resolution="" if resolution in (None, "") else read_resolution(resolution),
    )
    options = BatchOptions(
        repeats=SKIP if skips_bought(body, default=SKIP) else AGAIN,
        sample=sample_of(body),
        stop_rule=stop_rule_of(body, "batch"),
    )
    if choices.spec and options.sample:  # what is held is compared with what its rows ask for
        raise InvalidRequest("sample", "换个模型做时不能先试几行，请先选几行来做")
    table = database.get_table(db, table_id)
    database.complete_fingerprints(db)
    placed = run_table(conditions(), table, ids, options, choices=choices, key=request_key(body))
    services().runtime.wake()
    price = database.get_batch(db, placed.batch_id).estimated_cost if placed.batch_id else 0
    return success(
        status=202 if placed.batch_id else 200,
        batch_id=placed.batch_id or None,
        records=placed.ids,
        shared=shared_json(placed),
        price=price,
    )


def _pictures_of(body: Mapping[str, Any]) -> int | None:
    """How many pictures of each row; None: as many as it says. Raises InvalidRequest."""
    pictures = body.get("pictures")
    if pictures is not None and (type(pictures) is not int or not 1 <= pictures <= MAX_PICTURES_A_ROW):
        raise InvalidRequest("pictures", "pictures 应为 1–{limit} 的整数", limit=MAX_PICTURES_A_ROW)
    return pictures
