"""The API of enlarging a finished picture: an order of its own, with its own price."""

from flask import Blueprint, request
from werkzeug.wrappers import Response

from app.errors import InvalidRequest, message
from app.orders.read import AGAIN, REPEATS, SKIP
from app.orders.upscale import upscale
from app.web.openapi.describe import describe
from app.web.openapi.schemas import ID, answer, enum, strict_object
from app.web.params import json_body
from app.web.serializers import failure, picture_url, success
from app.web.services import services
from app.web.submit import KEY_HEADERS, REQUEST_ID, conditions, request_key, skips_bought

bp = Blueprint("upscale", __name__)


@bp.post("/records/<int:record_id>/upscale")
@describe(
    "把做好的图片放大到 4K：另起一张，另算价钱。放大过的 409，records 是已有的；repeats 写 again 就再做",
    answer(batch_id=str, records=[ID]),
    status=202,
    headers=KEY_HEADERS,
    json=strict_object(
        resolution={**enum("4k"), "default": "4k"},
        repeats={**enum(*REPEATS), "default": SKIP},
        request_id=REQUEST_ID,
    ),
    is_body_optional=True,
)
def upscale_record(record_id: int) -> Response:
    """Queue the enlargement of a finished picture as a batch of one."""
    body = json_body() if request.get_data() else {}
    if body.get("resolution") not in (None, "4k"):
        raise InvalidRequest("resolution", "resolution 只能是 4k")
    repeats = SKIP if skips_bought(body, default=SKIP) else AGAIN
    added = upscale(conditions(), record_id, address=picture_url, repeats=repeats, key=request_key(body))
    services().runtime.wake()
    if not added.batch_id:
        (skipped,) = added.skipped
        text = "这张图片放大过了，见记录 {records}"
        return failure(message(text, records=tuple(skipped.records)), 409, records=skipped.records)
    return success(status=202, batch_id=added.batch_id, records=added.ids)
