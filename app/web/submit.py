"""Validates untrusted rows, and queues them as a batch: all of them or none."""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import request as http

import database
from app.domain import MAX_PICTURES_A_BATCH, ImageRequest, Models, ModelSpec, StopRule, normal_text
from app.errors import Conflict, InvalidRequest, message
from app.images.filenames import TakenStems, filename_for
from app.orders.read import (
    AGAIN,
    REPEATS,
    SKIP,
    ParsedRow,
    RowReader,
    today,
    valid_requests,
    wrong_repeats,
)
from app.web.i18n import in_english
from app.web.openapi.schemas import enum, or_null, text
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


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """What applies to all rows of a batch.

    ``model``: the id of the model of the rows that name none; empty for the default. ``repeats``: whether
    rows that were bought are queued again; a row's own ``repeats`` takes precedence. ``sample``: how many
    rows are queued, the others being held; None for all. ``stop_rule``: when the batch pauses by itself; None
    for never. ``filled_on``: the date that ``{日期}`` stands for, by default today. ``copied_from``: the id
    of the batch whose rows these are. ``unique_name``: whether a counter is added to a name that a batch has.
    """

    name: str = ""
    source: str = "batch"
    workbook_id: str | None = None
    prefix: str = ""
    suffix: str = ""
    repeats: str = AGAIN
    sample: int | None = None
    stop_rule: StopRule | None = None
    model: str = ""
    filled_on: str = ""
    copied_from: str | None = None
    unique_name: bool = False


SINGLE = BatchOptions(source="single")


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
    if not isinstance(given[0], str) or not given[0].isprintable() or not 0 < len(given[0]) <= MAX_KEY_LENGTH:
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


def submit_rows(
    rows: Sequence[Any], options: BatchOptions, *, key: database.RequestKey | None = None
) -> database.AddedBatch:
    """Fill and validate all rows, then queue them. Raises RowErrors with nothing queued.

    A ``key`` that was used before returns the batch it created, whatever its state.
    """
    if answer := database.find_answer(connection(), key):
        return database.added_before(answer)
    if not rows:
        raise InvalidRequest("rows", "至少要有一行")
    options = replace(options, filled_on=options.filled_on or today())
    affixes = {"prefix": options.prefix, "suffix": options.suffix}
    library = services().library
    parsed = row_reader().read(rows, library.pin, date=options.filled_on, model=options.model, **affixes)
    return submit_parsed(parsed, options, key=key)


def submit_parsed(
    parsed: Sequence[ParsedRow], options: BatchOptions, *, key: database.RequestKey | None = None
) -> database.AddedBatch:
    """Queue rows that were read. Raises RowErrors with nothing queued."""
    requests = valid_requests(parsed)
    pictures = sum(request.num_images for request in requests)
    if pictures > MAX_PICTURES_A_BATCH:
        raise InvalidRequest(
            "rows", "一个批次最多 {limit} 张，现在有 {n} 张", limit=MAX_PICTURES_A_BATCH, n=pictures
        )
    current = services()
    models = current.models
    require_models(_models_of(requests, models))
    output_dir = current.settings.output_dir
    added = database.add_batch(
        connection(),
        database.Submission(
            requests=requests,
            models=models,
            stems=[filename_for(output_dir, each.filename, each.prompt) for each in requests],
            is_taken=TakenStems(output_dir),
            name=options.name,
            source=options.source,
            key=key,
            row_numbers=[row.number for row in parsed],
            skips=[(row.repeats or options.repeats) == SKIP for row in parsed],
            workbook_id=options.workbook_id,
            extras=[row.extras for row in parsed],
            prefix=options.prefix,
            suffix=options.suffix,
            filled_on=options.filled_on,
            sample=options.sample,
            stop_rule=options.stop_rule,
            copied_from=options.copied_from,
            unique_name=options.unique_name,
        ),
    )
    current.runtime.wake()
    return added


def _models_of(requests: Iterable[ImageRequest], models: Models) -> list[ModelSpec]:
    """The models of new rows. Raises Conflict when one is gone: the default does not take its place."""
    used = {request.model for request in requests}
    if gone := used - models.keys():
        text = "{model} 的设置刚刚改了，现在用不了，请刷新页面后再下单"
        raise Conflict(text, model=min(gone))
    return [models[model_id] for model_id in used]


def require_models(specs: Iterable[ModelSpec]) -> None:
    """Raises Conflict when one of these models cannot be ordered from.

    An API key is missing, its service ended it, or there is a budget and its price is not known.
    """
    current = services()
    budgets = database.list_budgets(connection(), default=current.settings.budget).values()
    is_limited = any(budget.limit is not None for budget in budgets)
    for spec in specs:
        if problem := current.model_problem(spec):
            raise Conflict(problem)
        if is_limited and not spec.is_priced:
            text = "设了预算，又不知道 {model} 每张多少钱：请在「模型与密钥」里填价格，或在「用量」里去掉预算"
            raise Conflict(text, model=message(spec.label))


def require_models_of(model_ids: Iterable[str]) -> None:
    """Raises Conflict when a model of these ids cannot be ordered from; see ``require_models``.

    The default makes the images of a model that is not there any more.
    """
    models = services().models
    specs = [models.get(model_id, models.default) for model_id in model_ids]
    require_models({spec.model_id: spec for spec in specs}.values())


def require_resumable(batch_id: str, *, released: ImageRequest | None = None) -> None:
    """Raises Conflict when a resumed batch would be paused again at once; see ``check_affordable``."""
    current = services()
    used = database.list_queued_models(connection(), batch_id)
    require_models(spec for spec in current.models.all if spec.model_id in used)
    current.runtime.disk.invalidate()
    if disk_problem := current.runtime.disk.problem():
        raise Conflict(disk_problem)
    if oss_problem := current.outputs.check_now():
        raise Conflict(oss_problem)
    budget = current.settings.budget
    database.check_affordable(connection(), batch_id, models=current.models, budget=budget, released=released)


def model_of(body: Mapping[str, Any]) -> ModelSpec:
    """The model that the body asks for, else the default. Raises InvalidRequest."""
    model = body.get("model")
    if not isinstance(model, str | None):
        raise InvalidRequest("model", "model 应为模型的名字")
    return find_model(model or "")


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


def row_reader() -> RowReader:
    """What reads rows for the models and the library of this installation."""
    current = services()
    return RowReader(models=current.models, library=current.library, find_model=find_model)


def skips_bought(body: Mapping[str, Any], *, default: str = AGAIN) -> bool:
    """Whether the ``repeats`` of a body leaves out what was bought. Raises InvalidRequest."""
    repeats = default if body.get("repeats") is None else body["repeats"]
    if repeats not in REPEATS:
        raise wrong_repeats()
    return bool(repeats == SKIP)
