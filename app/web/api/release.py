"""The API that releases the rows of a batch that wait for its sample."""

from flask import Blueprint
from werkzeug.wrappers import Response

import database
from app.domain import MAX_MODEL_LENGTH
from app.orders.doors import Release, ReleaseChanges
from app.orders.place import place
from app.web.openapi.describe import describe
from app.web.openapi.schemas import (
    RATIO,
    RESOLUTION,
    answer,
    array_of,
    or_null,
    strict_object,
    text,
)
from app.web.params import json_body
from app.web.serializers import success
from app.web.services import connection, services
from app.web.submit import KEY_HEADERS, REQUEST_ID, conditions, model_of, request_key

bp = Blueprint("release", __name__)
_CHECKED = answer(
    rows=int,
    pictures=int,
    price=or_null(float),
    skipped=["SkippedRow"],
)


@bp.post("/batches/<batch_id>/release")
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
