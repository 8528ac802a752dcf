"""单图生成: the form of one picture, and its results, the pictures of one request together."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

import database
from app.domain import COMMON_RATIOS, ImageRequest, ModelSpec, Record, Status
from app.domain.recipes import WORDS_COLUMN
from app.errors import InvalidRequest, KeyReused
from app.orders.batches import submit_rows
from app.orders.place import SINGLE
from app.orders.read import RowErrors
from app.web.batch_columns import option_words
from app.web.caching import with_etag
from app.web.page_model import STUDIO, PageModel, model_choices, page_model, remember
from app.web.params import int_arg
from app.web.serializers import own_sizes_json, ratios_of, sizes_json, translated_spec
from app.web.services import connection, services
from app.web.submit import conditions, request_key

RESULTS_SHOWN = 60
_MAX_DELETED = 10 * RESULTS_SHOWN  # a page left open collects more results than it began with
bp = Blueprint("create", __name__)
_PROMINENT = timedelta(minutes=1)  # how long what did not succeed keeps the place of a picture
_WITHOUT_PICTURE = (Status.FAILED, Status.CANCELLED)


@dataclass(frozen=True)
class Request:
    """One row that was ordered.

    key      unique among requests: ``<batch id>/<row number>``
    first    id of its first picture; requests are listed by it, newest first
    prompt   of its pictures
    count    its pictures that are not deleted
    waiting  those of them that are queued
    cost     CNY charged for them; None while a price is not known, or when nothing is charged
    records  those to draw, by picture number
    """

    key: str
    first: int
    prompt: str
    count: int
    waiting: int
    cost: Decimal | None
    records: list[Record]

    @property
    def batch_id(self) -> str:
        """The batch that it is, or is in."""
        return self.key.rpartition("/")[0]


@bp.get("/")
def index() -> Response:
    """The page; ``?from=<record id>`` fills the form with the request of that record, for its model.

    ``?model=`` is the model.
    """
    origin = int_arg("from")
    if not origin:
        chosen = page_model(STUDIO)
        return remember(make_response(_render(chosen)), STUDIO, chosen)
    draft = database.get_record(connection(), origin).request
    chosen = PageModel(spec=services().models.of(draft), is_asked=True)
    return remember(make_response(_render(chosen, draft=draft)), STUDIO, chosen)


@bp.post("/")
def generate() -> tuple[str, int] | Response:
    """The form without JavaScript: queue one row, once per rendered page, and redirect to the page."""
    fields = request.form.to_dict()
    try:
        try:
            submit_rows(conditions(), [fields], SINGLE, key=request_key(fields))
        except KeyReused:  # the browser went back to the same page and changed the form
            submit_rows(conditions(), [fields], SINGLE)
        services().runtime.wake()
    except (InvalidRequest, RowErrors) as problem:
        return _render(page_model(STUDIO), problem=problem, typed=fields), 400
    return remember(redirect(url_for("create.index"), 303), STUDIO, page_model(STUDIO))


@bp.get("/live/results")
def results() -> Response:
    """Results that changed after ``?since=``, by request, newest first; deleted ones by id only.

    Header X-Version is the version they are current to.
    """
    db, spec = connection(), page_model(STUDIO).spec
    since = int_arg("since")
    with database.read_transaction(db):
        version = database.last_version(db)
        changed = database.list_single_records(db, since=since, limit=RESULTS_SHOWN)
        paused = database.list_pauses(db, source="single")
        deleted = database.list_single_records(db, since=since, limit=_MAX_DELETED, deleted=True)
        requests = _requests(changed, deleted)
    context = _card_context(spec, changed)
    html = render_template("studio/requests.html", requests=requests, paused=paused, **context)
    html += "".join(f'<i data-record-id="{record.id}" data-gone></i>' for record in deleted)
    response = make_response(html)
    response.headers["X-Version"] = str(version)
    return with_etag(response, f"{since}-{version}")


def _requests(drawn: list[Record], deleted: Iterable[Record] = ()) -> list[Request]:
    siblings = database.list_siblings(connection(), [*drawn, *deleted])
    return group_by_request(siblings, {record.id for record in drawn})


def _card_context(spec: ModelSpec, records: Iterable[Record]) -> dict[str, Any]:
    """What a card needs to know of the page, of the prices of today, and of what comes before queued ones."""
    queued = {each.batch_id for each in records if each.status is Status.QUEUED and each.batch_id}
    ahead = {batch_id: database.count_ahead(connection(), batch_id) for batch_id in queued}
    return {"page_spec": spec, "price_of": services().models.price, "ahead": ahead}


def _render(chosen: PageModel, *, draft: ImageRequest | None = None, **context: Any) -> str:
    db = connection()
    with database.read_transaction(db):
        results = database.list_single_records(db, limit=RESULTS_SHOWN)
        requests = _requests(results)
        paused = database.list_pauses(db, source="single")
    return render_template(
        "pages/studio.html",
        results=results,
        requests=requests,
        settled=settled_ids(results),
        paused=paused,
        draft=draft,
        choices=model_choices(),
        recipes=[*database.list_named(db, "recipes").values()],
        words_column=f"{{{WORDS_COLUMN}}}",
        model_problem=chosen.problem,
        option_words=option_words(services().models),
        sizes=sizes_json(chosen.spec),
        own_sizes=own_sizes_json(chosen.spec),
        ratios=ratios_of(chosen.spec),
        common_ratios=COMMON_RATIOS,
        request_id=secrets.token_hex(16),
        **_card_context(translated_spec(chosen.spec), results),
        **context,
    )


def group_by_request(records: Iterable[Record], drawn: set[int]) -> list[Request]:
    """All pictures of some requests -> the requests, newest first; ``drawn`` are ids of what is drawn."""
    ordered = sorted(records, key=_request_key)
    requests = [_request(key, list(group), drawn) for key, group in groupby(ordered, key=_request_key)]
    return sorted(requests, key=lambda request: request.first, reverse=True)


def settled_ids(records: Iterable[Record], now: datetime | None = None) -> set[int]:
    """Ids of failed and cancelled records that ended a minute ago, or before the newest order."""
    listed = list(records)
    ordered_at = (datetime.fromisoformat(record.created_at).replace(tzinfo=UTC) for record in listed)
    before = max([(now or datetime.now(UTC)) - _PROMINENT, *ordered_at])
    ended = {
        record.id: datetime.fromisoformat(record.finished_at or record.created_at).replace(tzinfo=UTC)
        for record in listed
        if record.status in _WITHOUT_PICTURE
    }
    return {record_id for record_id, at in ended.items() if at < before}


def _request_key(record: Record) -> tuple[str, int]:
    return record.batch_id or "", record.row_number


def _request(key: tuple[str, int], records: list[Record], drawn: set[int]) -> Request:
    records.sort(key=lambda record: (record.picture_number, record.id))
    charged = [record.cost for record in records if record.status is Status.SUCCESS or record.cost]
    known = [cost for cost in charged if cost is not None]
    return Request(
        key=f"{key[0]}/{key[1]}",
        first=min(record.id for record in records),
        prompt=records[0].prompt,
        count=len(records),
        waiting=sum(record.status is Status.QUEUED for record in records),
        cost=(sum(known, Decimal(0)) or None) if len(known) == len(charged) else None,
        records=[record for record in records if record.id in drawn],
    )
