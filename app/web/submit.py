"""What the routes that order take from a call: its request key, its model, and what orders are made with."""

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

from flask import request as http

import database
from app.domain import ModelSpec, StopRule, normal_text
from app.errors import InvalidRequest, Message
from app.orders.place import BatchOptions, Conditions
from app.orders.read import AGAIN, REPEATS, SKIP, RowReader
from app.web.i18n import in_english
from app.web.openapi.schemas import enum, or_null, text
from app.web.person import current_person
from app.web.services import connection, services

MAX_KEY_LENGTH = 200
KEY_HEADER = "Idempotency-Key"
_KEY = text(
    minLength=1,
    maxLength=MAX_KEY_LENGTH,
    description=(
        "同一个键 24 小时内只下单一次，再来得到第一次的回答，内容不同则 422；也可用请求头 Idempotency-Key"
    ),
)
KEY_HEADERS = {KEY_HEADER: _KEY}
REQUEST_ID = or_null(_KEY)
REPEATS_OR_AGAIN = {**enum(*REPEATS), "default": AGAIN}


def request_key(body: Mapping[str, Any]) -> database.RequestKey | None:
    """The request key from the body (``request_id``) or the header; None when there is none.

    Raises InvalidRequest when it is malformed or the two differ.
    """
    in_header = http.headers.get(KEY_HEADER)
    if in_header is not None:  # WSGI decodes headers as Latin-1
        in_header = in_header.encode("latin-1", "replace").decode("utf-8", "replace")
    given = [each for each in (body.get("request_id"), in_header) if each is not None]
    if not given:
        return None
    if given[0] != given[-1]:
        raise InvalidRequest("request_id", "request_id 和请求头 {header} 应相同", header=KEY_HEADER)
    if not given[0].isprintable() or not 0 < len(given[0]) <= MAX_KEY_LENGTH:
        raise InvalidRequest("request_id", "request_id 应为 1–{limit} 个可见字符", limit=MAX_KEY_LENGTH)
    return database.RequestKey(key=given[0], digest=_digest(body), at=time.time())


def _digest(body: Mapping[str, Any]) -> str:
    """SHA-256 of path and body without ``request_id``, independent of the order of the fields."""
    fields = {name: value for name, value in body.items() if name != "request_id"}
    try:
        content = json.dumps([http.path, fields], sort_keys=True)
    except RecursionError as error:
        raise InvalidRequest("", "请以 JSON 对象提交") from error
    return hashlib.sha256(content.encode()).hexdigest()


def model_of(body: Mapping[str, Any]) -> ModelSpec:
    """The model that the body asks for, else the default. Raises InvalidRequest."""
    return find_model(body.get("model") or "")


def find_model(written: str) -> ModelSpec:
    """The model of this id, name or label in either language; empty: the default. Raises InvalidRequest."""
    models = services().models
    try:
        return models.find(written)
    except InvalidRequest:
        key = normal_text(written).casefold()
        for spec in models.values():
            if key == in_english(spec.label).casefold():
                return spec
        raise


def skips_bought(body: Mapping[str, Any], *, default: str = AGAIN) -> bool:
    """Whether the ``repeats`` of a body leaves out what was bought."""
    return bool(body.get("repeats", default) == SKIP)


def order_options(body: Mapping[str, Any], source: str, *, repeats: str = AGAIN) -> BatchOptions:
    """What a body asks of repeats, a trial and stopping. Raises InvalidRequest.

    A table has the default stop rule where the body says none.
    """
    stop_rule = StopRule() if source == "batch" else None
    if "stop_after" in body:
        stop_rule = None if body["stop_after"] is None else StopRule(**body["stop_after"])
    repeats = body.get("repeats", repeats)
    return BatchOptions(source=source, repeats=repeats, sample=body.get("sample"), stop_rule=stop_rule)


def row_reader() -> RowReader:
    """What reads rows for the models and the library of this installation."""
    current = services()
    return RowReader(models=current.models, library=current.library, find_model=find_model)


def conditions() -> Conditions:
    """What this request orders with."""
    current = services()
    return Conditions(
        db=connection(),
        reader=row_reader(),
        models_now=lambda: current.models,
        output_dir=current.settings.output_dir,
        budget=current.settings.budget,
        model_problem=current.model_problem,
        saving_problem=_saving_problem,
        person_id=current_person().id,
    )


def _saving_problem() -> Message | None:
    """Why no picture could be saved now: the disk is full, or OSS is out of reach."""
    current = services()
    current.runtime.disk.invalidate()
    return current.runtime.disk.problem() or current.outputs.check_now()
