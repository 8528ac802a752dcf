"""The API of changing a made picture: one more picture of its row, with its own price."""

import base64
import binascii
from typing import Any

from flask import Blueprint
from werkzeug.wrappers import Response

import database
from app.domain import MAX_MODEL_LENGTH, MAX_PROMPT_LENGTH, whole_characters
from app.domain.edits import SIDES
from app.errors import InvalidRequest, message
from app.images.containers import sniff
from app.orders.edit import Offer, Wish, edit, offers
from app.orders.read import REPEATS
from app.web.i18n import translate
from app.web.openapi.describe import describe
from app.web.openapi.schemas import (
    ID,
    Shape,
    answer,
    array_of,
    closed_object,
    enum,
    or_null,
    strict_object,
    text,
)
from app.web.params import json_body
from app.web.serializers import failure, picture_url, success
from app.web.services import connection, services
from app.web.submit import KEY_HEADERS, REQUEST_ID, conditions, request_key

bp = Blueprint("edit", __name__)
_PNG = "data:image/png;base64,"
_FRACTION = {"type": "number", "minimum": 0, "maximum": 1}
_OFFERED: dict[str, Shape] = {"id": str, "label": str, "price": or_null(str)}
_OTHER = or_null(closed_object(model=str, label=str, price=or_null(str)))
_ORDERED = answer(batch_id=str, records=[ID])


@bp.get("/records/<int:record_id>/edit")
@describe(
    "这张图片可以怎么改：能改它的模型（takes 是它要的：蒙版、框或整张），「变一变」，和放大到 4K",
    answer(
        width=or_null(int),
        height=or_null(int),
        models=array_of(
            closed_object(
                **_OFFERED,
                verb=str,
                takes=enum("mask", "boxes", "whole", ""),
                boxes=int,
                words=bool,
                expands=bool,
                free=bool,
                is_default=bool,
            )
        ),
        vary=_OTHER,
        enlarge=_OTHER,
        problem=str,
    ),
)
def edit_offers(record_id: int) -> Response:
    """What can be done with a picture, and what it costs."""
    record = database.get_record(connection(), record_id)
    found = offers(conditions(), record, address=picture_url)
    return success(
        width=record.width,
        height=record.height,
        models=[
            _model_json(offer, is_default=offer.spec.model_id == found.default) for offer in found.models
        ],
        vary=_other_json(found.vary),
        enlarge=_other_json(found.enlarge),
        problem=translate(found.problem) if found.problem else "",
    )


@bp.post("/records/<int:record_id>/edit")
@describe(
    "改做好的图片，同一行里另起一张：mask 或 region 改一处，edges 扩图，vary 变一变，"
    "kind 写 enlarge 放大到 4K，都不写是整张。改过的 409，records 是已有的；repeats 写 again 就再做",
    _ORDERED,
    status=202,
    headers=KEY_HEADERS,
    json=strict_object(
        kind=or_null(enum("enlarge")),
        prompt=or_null(text(maxLength=MAX_PROMPT_LENGTH)),
        model=or_null(text(maxLength=MAX_MODEL_LENGTH)),
        mask=or_null(text(description="PNG 的 data: 地址，和图片一样大，白色是要改的地方")),
        region=or_null(closed_object(x=_FRACTION, y=_FRACTION, width=_FRACTION, height=_FRACTION)),
        edges=or_null(strict_object(**dict.fromkeys(SIDES, _FRACTION))),
        vary=or_null(bool),
        repeats=or_null(enum(*REPEATS)),
        request_id=REQUEST_ID,
    ),
)
def edit_record(record_id: int) -> Response:
    """Queue the change of a picture, beside it in its row."""
    body = json_body()
    return _ordered(record_id, _wish(body), request_key(body))


@bp.post("/records/<int:record_id>/upscale")
@describe(
    "旧地址，下个版本去掉：同 edit 的 kind: enlarge",
    _ORDERED,
    status=202,
    headers=KEY_HEADERS,
    json=strict_object(
        resolution=or_null(enum("4k")), repeats=or_null(enum(*REPEATS)), request_id=REQUEST_ID
    ),
    is_body_optional=True,
)
def upscale_record(record_id: int) -> Response:
    """Queue the enlargement of a picture, at the address of earlier versions."""
    body = json_body()
    return _ordered(record_id, _wish({**body, "kind": "enlarge"}), request_key(body))


def _ordered(record_id: int, wish: Wish, key: database.RequestKey | None) -> Response:
    placed = edit(conditions(), record_id, wish, address=picture_url, key=key)
    services().runtime.wake()
    if not placed.ids:
        (skipped,) = placed.skipped
        done = message("这样改过了，见记录 {records}", records=tuple(skipped.records))
        return failure(done, 409, records=skipped.records)
    return success(status=202, batch_id=placed.batch_id, records=placed.ids)


@bp.get("/records/<int:record_id>/answer")
@describe("服务给的原样，盖回原图之前", ("image/png", "image/jpeg", "image/webp"))
def answer_of(record_id: int) -> Response:
    """What the service answered, before it was laid over the picture that was changed."""
    record = database.get_record(connection(), record_id, trash=True)
    content = services().outputs.answer(record.id, database.find_output_copy(connection(), record.filename))
    found = Response(content, mimetype=f"image/{sniff(content)}")
    found.headers["Cache-Control"] = "private, max-age=3600"
    return found


def _wish(body: dict[str, Any]) -> Wish:
    """Raises InvalidRequest."""
    kinds = [name for name in ("mask", "region", "edges", "vary", "kind") if body.get(name)]
    if len(kinds) > 1:
        raise InvalidRequest(kinds[1], "一次只改一样：{names} 请只写一个", names=tuple(kinds))
    return Wish(
        prompt=whole_characters(body.get("prompt") or ""),
        model=body.get("model") or "",
        mask=_png(body["mask"]) if body.get("mask") is not None else None,
        region=body.get("region"),
        edges=body.get("edges"),
        varies=bool(body.get("vary")),
        enlarges=bool(body.get("kind")),
        repeats=body.get("repeats") or "",
    )


def _png(address: str) -> bytes:
    try:
        if address.startswith(_PNG):
            return base64.b64decode(address.removeprefix(_PNG), validate=True)
    except (binascii.Error, ValueError):
        pass
    raise InvalidRequest("mask", "mask 应为 PNG 的 data: 地址")


def _price(offer: Offer) -> str | None:
    return None if offer.price is None else f"{offer.price:.2f}"


def _other_json(offer: Offer | None) -> dict[str, Any] | None:
    if not offer:
        return None
    spec = offer.spec
    return {"model": spec.model_id, "label": translate(spec.label), "price": _price(offer)}


def _model_json(offer: Offer, *, is_default: bool) -> dict[str, Any]:
    spec = offer.spec
    assert spec.edit
    rules = {name: getattr(spec.edit, name) for name in ("takes", "boxes", "words", "expands")}
    return {
        "id": spec.model_id,
        "label": translate(spec.label),
        "verb": translate(spec.edit.verb),
        "price": _price(offer),
        "free": spec.costs_nothing,
        "is_default": is_default,
        **rules,
    }
