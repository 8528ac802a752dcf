"""单图生成: the form of one picture, and its results."""

import secrets
from collections.abc import Iterable
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
from app.web.etags import with_etag
from app.web.page_model import STUDIO, PageModel, model_choices, page_model, remember
from app.web.params import int_arg
from app.web.serializers import own_sizes_json, ratios_of, sizes_json, translated_spec
from app.web.services import connection, services
from app.web.single_results import Request, group_by_request, settled_ids
from app.web.submit import conditions, request_key

RESULTS_SHOWN = 60
_MAX_DELETED = 10 * RESULTS_SHOWN  # a page left open collects more results than it began with
bp = Blueprint("create", __name__)


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
