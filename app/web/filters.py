"""Parses record filters and selections (by ids or by filter) from the query string, a form or JSON."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

from flask import request

import database
from app.domain import (
    ASPECT_RATIOS,
    RESOLUTIONS,
    Pick,
    Status,
    has_too_many_marks,
    normal_text,
    own_size,
    too_many_marks,
)
from app.errors import InvalidRequest, message
from app.web.openapi.check import read_fields
from app.web.openapi.schemas import (
    ID,
    Schema,
    Shape,
    enum,
    open_object,
    strict_object,
    text,
)
from app.web.params import whole_number
from app.web.services import connection

MAX_TEXT_LENGTH = 10_000
PICKS = (*Pick, database.NOT_PICKED)
PHRASE = text(maxLength=MAX_TEXT_LENGTH)
QUERY: dict[str, Schema] = {
    "search": text(
        maxLength=MAX_TEXT_LENGTH,
        description="提示词、负面提示词、文件名、批次名和自己的列里有的文字；#123 是编号",
    ),
    "in": {**enum("prompt"), "description": "只在提示词里找"},
    "words": {**enum("all"), "description": "每个词都要有，不必连在一起"},
    "status": text(description="可写多个，用逗号分开"),
    "batch_id": PHRASE,
    "aspect_ratio": PHRASE,
    "resolution": PHRASE,
    "model": PHRASE,
    "pick": {**enum(*PICKS), "description": "留下的、淘汰的、没看的"},
    "person": text(pattern="^[0-9]{1,18}$", description="谁的：人员的编号"),
    "from": text(description="日期，或带时区的时间"),
    "to": text(description="日期（含当天），或带时区的时间"),
    "as_of": text(description="时间：不包括之后新增、做完或删除的"),
    "sort": {**enum(database.NEWEST, database.OLDEST), "default": database.NEWEST},
    "trash": enum("1", "0"),
}
SELECTION_QUERY: dict[str, Schema] = {
    "ids": text(description="记录编号，用逗号分开；不写则按筛选条件"),
    **QUERY,
}
SELECTION_FORM = open_object(**SELECTION_QUERY)
SELECTION_BODY: dict[str, Shape] = {"ids": [ID], "filter": strict_object(**QUERY)}


def parse(fields: Mapping[str, Any]) -> database.RecordFilter:
    """Fields by their API names -> the filter. Raises InvalidRequest.

    ``status`` is a comma-separated list. ``from`` and ``to`` are local dates, both included, or times
    (``2026-03-01T08:00:00+08:00``; UTC without an offset). ``as_of`` is a time with milliseconds.
    """
    if "favourite" in fields:  # of earlier versions: without a word it would stand for all records
        raise InvalidRequest("favourite", "favourite 没有了，请写 pick=keep")
    given = read_fields(fields, QUERY)
    person_id = int(given.get("person", 0))
    return database.RecordFilter(
        search=search_of(given),
        search_in=given.get("in", ""),
        every_word="words" in given,
        statuses=_statuses(given),
        batch_id=given.get("batch_id", ""),
        aspect_ratio=_facet_value(given, "aspect_ratio", ASPECT_RATIOS),
        resolution=_facet_value(given, "resolution", RESOLUTIONS),
        model=given.get("model", ""),
        pick=given.get("pick", ""),
        person_id=person_id,
        earlier_user=database.find_earlier_user(connection(), person_id) if person_id else "",
        created_from=_instant(given, "from", partial(_day_or_time, is_end=False)),
        created_before=_instant(given, "to", partial(_day_or_time, is_end=True)),
        as_of=_instant(given, "as_of", _in_utc, "milliseconds"),
        sort=given["sort"],
        trash=given.get("trash") == "1",
    )


def parse_selection(fields: Mapping[str, Any]) -> database.Selection:
    """``{"ids": […]}`` or ``{"filter": {…}}`` as JSON -> the selected records.

    Raises InvalidRequest, also for both at once.
    """
    if ("ids" in fields) == ("filter" in fields):
        raise InvalidRequest("ids", "请写 ids，或以 filter 写筛选条件的对象，不要两样都写")
    return fields["ids"] if "ids" in fields else parse(fields["filter"])


def selection_from_request() -> database.Selection:
    """The selection in the query string or form: ``ids=1,2``, else a filter. Raises InvalidRequest."""
    ids = request.values.get("ids")
    if ids is None:
        return parse(request.values)
    numbers = [whole_number(part.strip()) for part in ids.split(",") if part.strip()]
    if None in numbers:
        raise InvalidRequest("ids", "ids 应为用逗号分开的记录编号")
    return [number for number in numbers if number is not None]


def search_of(fields: Mapping[str, Any]) -> str:
    """The text to search for. Raises InvalidRequest for one that is costly to compare."""
    search: str = fields.get("search", "")
    if has_too_many_marks(search):
        raise too_many_marks("search", "搜索")
    return search


def _statuses(fields: Mapping[str, Any]) -> tuple[str, ...]:
    statuses = tuple(filter(None, fields.get("status", "").split(",")))
    unknown = [status for status in statuses if status not in list(Status)]
    if unknown:
        raise InvalidRequest(
            "status",
            "没有「{value}」这种状态，可选：{choices}",
            value=str(unknown[0])[:50],
            choices=tuple(Status),
        )
    return statuses


def _facet_value(fields: Mapping[str, Any], name: str, usual_values: tuple[str, ...]) -> str:
    """One of the usual values, ignoring case and width, or another value that older records may have."""
    value = fields.get(name, "")
    known = normal_text(value).upper()
    if not value or known in usual_values:
        return known
    value = str(own_size(known) or value)
    if value not in database.count_facets(connection())[name]:
        label = {"aspect_ratio": "比例", "resolution": "分辨率"}[name]
        raise InvalidRequest(
            name,
            "没有「{value}」这种{field}，可选：{choices}",
            value=value[:50],
            field=message(label),
            choices=usual_values,
        )
    return value


def _instant(
    fields: Mapping[str, Any], name: str, parse: Callable[[str], datetime], timespec: str = "seconds"
) -> str:
    """-> UTC in the format of the database."""
    text = fields.get(name, "").strip()
    try:  # strftime would not pad the year 999
        return parse(text).isoformat(" ", timespec).partition("+")[0] if text else ""
    except (ValueError, OverflowError, OSError):
        sentence = "{name} 应为日期或时间，例如 2026-03-01 或 2026-03-01T08:00:00+08:00"
        raise InvalidRequest(name, sentence, name=name) from None


def _day_or_time(text: str, *, is_end: bool) -> datetime:
    """Its start, or the first moment after it; a day is local."""
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        day = date.fromisoformat(text) + timedelta(days=is_end)
        return datetime.combine(day, time.min).astimezone(UTC)
    return _in_utc(text) + timedelta(seconds=is_end)


def _in_utc(text: str) -> datetime:
    if "T" in text:
        text = text.replace(" ", "+")  # an unescaped plus sign in a query string
    instant = datetime.fromisoformat(text)
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
