"""Validates untrusted rows and queues them as a batch: all of them or none."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import request as http

import database
from app.domain import (
    MAX_PICTURES_A_BATCH,
    MAX_ROW_NUMBER,
    MAX_ROWS_A_BATCH,
    ImageRequest,
    RowExtras,
    fill_rows,
)
from app.errors import AppError, Conflict, InvalidRequest
from app.images.filenames import TakenStems, filename_for
from app.library.names import LibraryNames
from app.web.openapi.schemas import or_null, text
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


class RowErrors(AppError):
    """Invalid rows; ``problems`` are (1-based position, error), ``numbers`` the row numbers shown."""

    def __init__(self, problems: Sequence[tuple[int, InvalidRequest]], numbers: Sequence[int]) -> None:
        position, first = problems[0]
        number = numbers[position - 1]
        super().__init__(
            "第 {number} 行：{problem}（共 {n} 处问题，没有开始生成）",
            number=number,
            problem=first.message,
            n=len(problems),
        )
        self.problems = problems


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
    rows: Sequence[Any],
    *,
    name: str = "",
    source: str = "batch",
    key: database.RequestKey | None = None,
    workbook_id: str | None = None,
    prefix: str = "",
    suffix: str = "",
) -> tuple[str, list[int]]:
    """Fill and validate all rows, then queue them -> (batch id, record ids).

    Raises RowErrors with nothing queued. A ``key`` that was used before returns the batch it created,
    whatever its state.
    """
    if first := database.find_answer(connection(), key):
        return first["batch_id"], first["records"]
    requests, extras, numbers = _read_rows(rows, prefix, suffix)
    pictures = sum(request.num_images for request in requests)
    if pictures > MAX_PICTURES_A_BATCH:
        raise InvalidRequest(
            "rows", "一个批次最多 {limit} 张，现在有 {n} 张", limit=MAX_PICTURES_A_BATCH, n=pictures
        )
    require_api_keys()
    current = services()
    output_dir = current.settings.output_dir
    batch_id, ids, _ = database.add_batch(
        connection(),
        requests,
        spec=current.provider.spec,
        stems=[filename_for(output_dir, each.filename, each.prompt) for each in requests],
        is_taken=TakenStems(output_dir),
        name=name,
        source=source,
        key=key,
        row_numbers=numbers,
        workbook_id=workbook_id,
        extras=extras,
        prefix=prefix,
        suffix=suffix,
    )
    current.worker.wake.notify()
    return batch_id, ids


def require_api_keys() -> None:
    """Raises Conflict when an API key is missing, so nothing can be submitted."""
    if problem := services().key_problem:
        raise Conflict(problem)


def _read_rows(
    rows: Sequence[Any], prefix: str, suffix: str
) -> tuple[list[ImageRequest], list[RowExtras], list[int]]:
    """(requests, their extras, row numbers). Raises RowErrors with every problem of every row."""
    if not rows:
        raise InvalidRequest("rows", "至少要有一行")
    if len(rows) > MAX_ROWS_A_BATCH:
        raise InvalidRequest(
            "rows", "一个批次最多 {limit} 行，现在有 {n} 行", limit=MAX_ROWS_A_BATCH, n=len(rows)
        )
    numbers, problems = _number_rows(rows)
    requests: dict[int, ImageRequest] = {}
    extras: list[RowExtras] = []
    filled = fill_rows(rows, numbers, date=today(), prefix=prefix, suffix=suffix)
    for position, row in enumerate(filled, 1):
        request, row_problems = row.read()
        problems.extend((position, problem) for problem in row_problems)
        extras.append(row.extras)
        if request is not None:
            requests[position] = request
    requests = _pin_references(_find_named(requests, problems))
    for position, request in requests.items():
        facts = services().library.facts(request.sample_images)
        problems.extend((position, problem) for problem in services().spec.validate(request, facts))
    if problems:
        raise RowErrors(sorted(problems, key=lambda problem: problem[0]), numbers)
    return list(requests.values()), extras, numbers


def today() -> str:
    """The local date, as ``{日期}`` is replaced."""
    return f"{datetime.now().astimezone():%Y-%m-%d}"


def _number_rows(rows: Sequence[Any]) -> tuple[list[int], list[tuple[int, InvalidRequest]]]:
    """(row numbers, errors): the ``number`` of each row, else its 1-based position."""
    numbers: list[int] = []
    problems: list[tuple[int, InvalidRequest]] = []
    taken: set[int] = set()
    for position, row in enumerate(rows, 1):
        number = row.get("number") if isinstance(row, Mapping) else None
        if number is None:
            number = position
        if type(number) is not int or not 1 <= number <= MAX_ROW_NUMBER:
            problems.append(
                (position, InvalidRequest("number", "行号应为 1–{limit} 的整数", limit=MAX_ROW_NUMBER))
            )
            number = position
        elif number in taken:
            problems.append((position, InvalidRequest("number", "行号 {number} 用了两次", number=number)))
        taken.add(number)
        numbers.append(number)
    return numbers, problems


def _find_named(
    requests: Mapping[int, ImageRequest], problems: list[tuple[int, InvalidRequest]]
) -> dict[int, ImageRequest]:
    """The requests with the references that have no URL found by name; the others become problems."""
    names = LibraryNames(services().library)
    found: dict[int, ImageRequest] = {}
    for position, request in requests.items():
        try:
            found[position] = replace(request, sample_images=names.resolve(request.sample_images))
        except InvalidRequest as problem:
            problems.append((position, problem))
    return found


def _pin_references(requests: Mapping[int, ImageRequest]) -> dict[int, ImageRequest]:
    """Fix the content of every reference, once for the whole submission."""
    pinned = services().library.pin(image for each in requests.values() for image in each.sample_images)
    return {
        position: replace(request, sample_images=tuple(pinned[image] for image in request.sample_images))
        for position, request in requests.items()
    }
