"""The API that queues what a batch has: what waits for its sample, and again what failed or was cancelled."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint
from werkzeug.wrappers import Response

import database
from app.domain import MAX_MODEL_LENGTH, Changes
from app.errors import InvalidRequest
from app.orders.doors import Release, ReleaseChanges
from app.orders.place import Placed, place
from app.orders.repeats import ChangeErrors, Retry, Uncancel, validated_changes
from app.web.api.batches import SHARED, batch_answer, shared_json
from app.web.openapi.describe import describe
from app.web.openapi.schemas import (
    ID,
    RATIO,
    RESOLUTION,
    answer,
    array_of,
    or_null,
    strict_object,
    text,
)
from app.web.params import json_body
from app.web.serializers import failure, success
from app.web.services import connection, services
from app.web.submit import (
    KEY_HEADERS,
    REPEATS_OR_AGAIN,
    REQUEST_ID,
    conditions,
    model_of,
    request_key,
    skips_bought,
)

release_bp = Blueprint("release", __name__)
_CHECKED = answer(
    rows=int,
    pictures=int,
    price=or_null(float),
    skipped=["SkippedRow"],
)
repair_bp = Blueprint("repair", __name__)


@release_bp.post("/batches/<batch_id>/release")
@describe(
    "放行等着的行，可先改比例和分辨率；已有的不再做，在 skipped 里。check 只说会怎样，不改变什么",
    {"anyOf": [answer(batch="Batch", released=int, skipped=["SkippedRow"]), _CHECKED]},
    headers=KEY_HEADERS,
    json=strict_object(
        aspect_ratio=or_null(RATIO),
        resolution=or_null(RESOLUTION),
        model=or_null(
            text(maxLength=MAX_MODEL_LENGTH, description="等放行的行应该都由它来做，不是就 400；不写就都放行")
        ),
        roles=array_of(str, minItems=1) | {"description": "只放行配方里的这些角色，其余的还等着"},
        check={"type": "boolean", "default": False},
        request_id=REQUEST_ID,
    ),
    is_body_optional=True,
)
def release_batch(batch_id: str) -> Response:
    """Release all that is held, and resume the batch; with ``check``, only say what that would do."""
    body = json_body()
    expected = model_of(body).model_id
    database.get_batch(connection(), batch_id)
    current = conditions()
    order = Release(
        models=current.models,
        person_id=current.person_id,
        key=request_key(body),
        conditions=current,
        batch_id=batch_id,
        changes=ReleaseChanges.read(body),
        model=expected if body.get("model") else "",
        roles=body.get("roles", []),
    )
    if body.get("check"):
        return success(**order.preview())
    placed = place(connection(), order)
    services().runtime.wake()
    batch = database.get_batch(connection(), batch_id)
    return success(batch=batch, released=placed.number, skipped=placed.skipped)


@repair_bp.errorhandler(ChangeErrors)
def change_errors(error: ChangeErrors) -> Response:
    """400 with every error by record, row and field."""
    problems = [
        {"record": record.id, "row": record.row_number, "field": p.field, "error": p.message}
        for record, p in error.problems
    ]
    return failure(error.message, 400, problems=problems, field=problems[0]["field"])


@repair_bp.post("/batches/<batch_id>/uncancel")
@describe(
    "取消了的重新排队：全部，或 records 里取消了的；paused 让已结束的批次先暂停着",
    answer(batch="Batch", records=int, skipped=["SkippedRow"]),
    json=strict_object(records=[ID], paused={"type": "boolean", "default": False}, repeats=REPEATS_OR_AGAIN),
    is_body_optional=True,
)
def uncancel_batch(batch_id: str) -> Response:
    """Requeue cancelled records: all, or those named in ``records``."""
    body, current = json_body(), conditions()
    database.get_batch(connection(), batch_id)
    order = Uncancel(
        models=current.models,
        person_id=current.person_id,
        batch_id=batch_id,
        ids=body.get("records"),
        pauses=body.get("paused", False),
        skips=skips_bought(body),
        require=current.require_models_of,
    )
    placed = place(connection(), order)
    return batch_answer(batch_id, records=placed.number, skipped=placed.skipped)


@repair_bp.post("/batches/<batch_id>/retry")
@describe(
    "再试失败而没有计费的；已计费、结果未知或已取消的只有指名才会再试。changes 里的先改再试，"
    "不写 records 就只试改了的；改的词照原样用，不换变量",
    answer(batch="Batch", retried=int, skipped=["SkippedRow"], shared=SHARED),
    headers=KEY_HEADERS,
    json=strict_object(
        records=[ID],
        changes="Changes",
        repeats=REPEATS_OR_AGAIN,
        request_id=REQUEST_ID,
    ),
    is_body_optional=True,
)
def retry_batch(batch_id: str) -> Response:
    """Retry failed records that were not charged; others only when named in ``records`` or ``changes``."""
    db, body = connection(), json_body()
    ids = body.get("records")
    database.get_batch(db, batch_id)
    skips, key, current = skips_bought(body), request_key(body), conditions()
    if first := database.find_answer(db, key):
        placed = Placed.before(first)
    else:
        changes = _changes(body, batch_id, ids)
        ids = list(changes) if ids is None and "changes" in body else ids
        order = Retry(
            models=current.models,
            person_id=current.person_id,
            key=key,
            batch_id=batch_id,
            ids=ids,
            changes=changes,
            skips=skips,
            require=current.require_models_of,
        )
        placed = place(db, order)
    return batch_answer(batch_id, retried=placed.number, skipped=placed.skipped, shared=shared_json(placed))


def _changes(body: Mapping[str, Any], batch_id: str, ids: Sequence[int] | None) -> dict[int, Changes]:
    """The ``changes`` of a body, by record id: of some of ``ids``. Raises InvalidRequest, Conflict,
    ChangeErrors."""
    found = {int(record_id): fields for record_id, fields in body.get("changes", {}).items()}
    changes = validated_changes(conditions(), found, batch_id) if found else {}
    if ids is not None and not changes.keys() <= set(ids):
        raise InvalidRequest("changes", "changes 里有 records 没有写的图片")
    return changes
