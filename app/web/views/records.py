"""生成记录: the records that match the query string, as a whole page or as the results fragment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

import database
from app.domain import MAX_ID, Batch, Record
from app.errors import InvalidRequest, Message, NotFound, message
from app.web import filters
from app.web.caching import with_content_etag
from app.web.downloads import YEAR_SECONDS
from app.web.filter_chips import Chip, chips_for, marked, other_hits
from app.web.formatting import month
from app.web.params import page_numbers, whole_number
from app.web.services import connection, picture_notes, services

MIN_LIMIT, MAX_LIMIT = 20, 200
VIEWS = {"table": MIN_LIMIT, "grid": 60}  # -> default page size
_FILTERS = (
    "search",
    "status",
    "aspect_ratio",
    "resolution",
    "model",
    "batch_id",
    "pick",
    "person",
    "from",
    "to",
)
_OF_SEARCH = ("in", "words")
_NAMES = (*_FILTERS, *_OF_SEARCH, "sort", "trash", "view", "limit", "page", "record")
_OF_API = (*_FILTERS, *_OF_SEARCH, "sort", "trash")
_EXPORTS = {"archive": "api.records.archive_records", "export": "api.records.export_records"}
_MIN_UNINDEXED_SHOWN = 1_000  # fewer are indexed before a notice could be read
bp = Blueprint("records", __name__)
bp.add_app_template_filter(marked)
bp.add_app_template_filter(other_hits)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsPage:
    """A page of the list. ``query`` is the query string; ``problem`` is the error in it.

    ``words`` are those to mark, ``batch_names`` the names of the batches by id; ``models`` the labels of the
    models by id where the store has records of several.
    ``by_words`` is the number of records with every word of the search, when none has its whole text.
    ``by_row``: those of one batch that was made from a table, so that their rows mean something.
    ``selected`` is the record that ``?record=`` names, when this page does not list it.
    """

    query: Mapping[str, str]
    problem: Message
    view: str
    is_view_chosen: bool
    limit: int
    page: int
    total: int
    by_words: int
    words: tuple[str, ...]
    batch_names: Mapping[str, str]
    models: Mapping[str, str]
    records: list[Record]
    chips: list[Chip]
    selected: Record | None
    selected_missing: bool
    by_row: bool
    indexing: tuple[int, int] | None
    version: int
    as_of: str

    @property
    def pages(self) -> int:
        """The number of pages, at least 1."""
        return max(1, -(-self.total // self.limit))

    @property
    def offset(self) -> int:
        """The number of records before this page."""
        return (self.page - 1) * self.limit

    @property
    def is_narrowed(self) -> bool:
        """Whether the query string has a filter."""
        return any(self.query.get(name) for name in _FILTERS)

    @property
    def is_trash(self) -> bool:
        """Whether the list shows the trash."""
        return "trash" in self.query

    @property
    def filter(self) -> dict[str, str]:
        """The filter in the parameters of the API, for links to its exports."""
        return {name: value for name, value in self.query.items() if name in _OF_API}

    def months(self) -> dict[int, str]:
        """The records that begin another month than the one before, the first another than this one: id ->
        when it was made. None in the trash, whose order is another."""
        if self.is_trash:
            return {}
        times = [self.as_of, *(record.created_at for record in self.records)]
        return {
            record.id: record.created_at
            for before, record in zip(times, self.records, strict=False)
            if month(record.created_at) != month(before)
        }

    def link(self, **changes: Any) -> str:
        """The URL of this page with changes; goes to the first page unless a page is named."""
        return _list_url(self.query, changes)

    def numbers(self) -> list[int]:
        """See ``page_numbers`` of ``params``."""
        return page_numbers(self.page, self.pages)


@bp.get("/records")
def index() -> Response:
    """The whole page."""
    found = _load_page()
    return _respond(render_template("pages/records.html", **_context(found)), found)


@bp.get("/records/<int:record_id>")
def permalink(record_id: int) -> Response:
    """The permalink of one record."""
    return redirect(url_for("records.index", record=record_id))


@bp.get("/live/records/<int:record_id>/details")
def details(record_id: int) -> Response:
    """What is shown of a record when it is large, and another image's price; also of one in the trash."""
    record = database.get_record(connection(), record_id, trash=True)
    return with_content_etag(
        render_template(
            "records/details.html",
            record=record,
            batch=_batch(record.batch_id),
            **_people(record),
            said=picture_notes([record_id]).get(record_id),
            price=services().models.price(record.request),
            differing_usage=database.list_differing_usage(connection(), record_id),
        )
    )


@bp.get("/live/retouch")
def retouch() -> str:
    """The dialog of 改图 with its styles, fetched when it is first opened."""
    return render_template("records/retouch.html")


@bp.get("/live/records")
def results() -> Response:
    """The results fragment; header X-Version is the version of the database it shows."""
    found = _load_page()
    response = _respond(render_template("records/results.html", **_context(found)), found)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Version"] = str(found.version)
    return response


@bp.get("/live/records/batches")
def batch_choices() -> str:
    """The newest batches, as filter links; for the one that is filtered by also its workbooks."""
    query = _query()
    batches = database.list_batches(connection(), limit=30, source="batch")
    links = [(batch, _list_url(query, {"batch_id": batch.id})) for batch in batches]
    return render_template("records/batch_filter.html", links=links, chosen=_batch(query.get("batch_id")))


def _batch(batch_id: str | None) -> Batch | None:
    """The batch, or None if there is none of this id."""
    try:
        return database.get_batch(connection(), batch_id) if batch_id else None
    except NotFound:
        return None


def _people(record: Record) -> dict[str, str]:
    """Whose the picture is, and who chose it, where there are several people."""
    db = connection()
    if not database.had_several_people(db):
        return {}
    return {"whose": database.find_person_of(db, record.id), "picker": database.find_picker(db, record.id)}


@bp.post("/records")
def change() -> Response:
    """The buttons of the list without JavaScript: delete, restore or export the selected records."""
    export, picked = _EXPORTS.get(request.form.get("carry", "")), _parse_ids(request.form.getlist("ids"))
    if export and picked:
        return redirect(url_for(export, ids=",".join(map(str, picked))), 303)
    for name, change in (("delete", database.delete_records), ("restore", database.restore_records)):
        value = request.form.get(name, "")
        change(connection(), picked if value == "picked" else _parse_ids([value]))
    return redirect(_list_url(_query(), {"record": "", "page": request.args.get("page", "")}), 303)


def _parse_ids(texts: list[str]) -> list[int]:
    return [number for text in texts if (number := whole_number(text)) is not None]


def _query() -> dict[str, str]:
    """The non-empty query parameters that this page knows."""
    query = {name: request.args[name] for name in _NAMES if request.args.get(name)}
    if query.get("trash", "").lower() in ("0", "false"):
        del query["trash"]
    return query


def _list_url(query: Mapping[str, str], changes: Mapping[str, Any]) -> str:
    base = {name: value for name, value in query.items() if name not in ("page", "record")}
    if set(changes) <= {"view", "record"}:
        base |= {"page": query["page"]} if "page" in query else {}
    merged: dict[str, Any] = {**base, **changes}
    return url_for("records.index", **{name: value for name, value in merged.items() if value})


def _load_page() -> RecordsPage:
    query, db = _query(), connection()
    view, is_view_chosen = _view(query)
    limit = _clamped_int(query, "limit", VIEWS[view], MIN_LIMIT, MAX_LIMIT)
    try:
        record_filter, problem = filters.parse(query), message("")
    except InvalidRequest as error:
        record_filter, problem = database.RecordFilter(trash="trash" in query), error.message
    as_of = datetime.now(UTC).isoformat(" ", "milliseconds")[:23]
    with database.read_transaction(db):
        total = 0 if problem else database.count_records(db, record_filter)
        page = _clamped_int(query, "page", 1, 1, max(1, -(-total // limit)))
        offset = (page - 1) * limit
        listed = database.list_records(db, record_filter, limit=limit, offset=offset) if total else []
        selected, selected_missing = _selected(query, listed)
        search = database.read_search(record_filter.search, every_word=record_filter.every_word)
        words = search.words if search else ()
        batch_ids = {record.batch_id for record in listed if record.batch_id}
        chips = chips_for(db, query, record_filter, lambda **changes: _list_url(query, changes))
        indexed, prompts = database.index_progress(db)
        return RecordsPage(
            words=words,
            batch_names=database.list_batch_names(db, batch_ids),
            models=_models(chips),
            query=query,
            problem=problem,
            view=view,
            is_view_chosen=is_view_chosen,
            limit=limit,
            page=page,
            total=total,
            by_words=0 if total or problem else database.count_by_words(db, record_filter) or 0,
            records=listed,
            chips=chips,
            indexing=(indexed, prompts) if prompts - indexed >= _MIN_UNINDEXED_SHOWN else None,
            version=database.last_version(db),
            as_of=as_of,
            selected=selected,
            selected_missing=selected_missing,
            by_row=(batch := _batch(query.get("batch_id"))) is not None and batch.source == "batch",
        )


def _selected(query: Mapping[str, str], listed: Iterable[Record]) -> tuple[Record | None, bool]:
    """(the record that ``?record=`` names, None when it is listed; whether there is none of this id)."""
    record_id = _clamped_int(query, "record", 0, 0, MAX_ID)
    if not record_id or any(record.id == record_id for record in listed):
        return None, False
    selected = database.get_record_or_none(connection(), record_id)
    return selected, selected is None


def _models(chips: list[Chip]) -> dict[str, str]:
    """The choices of the filter by model, id -> label, when there are several."""
    labels = {choice.value: choice.label for chip in chips if chip.name == "model" for choice in chip.choices}
    return labels if len(labels) > 1 else {}


def _view(query: Mapping[str, str]) -> tuple[str, bool]:
    """(the view, whether it was chosen); until then a narrow screen has the grid, see pages/records.js."""
    chosen = query.get("view") or request.cookies.get("records_view", "")
    if chosen in VIEWS:
        return chosen, True
    return "grid" if request.cookies.get("narrow") else "table", False


def _clamped_int(query: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """An integer parameter clamped to its bounds; the default when it is not a number."""
    number = whole_number(query.get(name, ""))
    return min(max(default if number is None else number, low), high)


def _context(found: RecordsPage) -> dict[str, Any]:
    batch = _batch(found.selected.batch_id) if found.selected else None
    people = _people(found.selected) if found.selected else {}
    return {"found": found, "batch": batch, "price_of": services().models.price, **people}


def _respond(html: str, found: RecordsPage) -> Response:
    response = make_response(html)
    if "view" in found.query:
        response.set_cookie("records_view", found.view, max_age=YEAR_SECONDS, samesite="Lax", httponly=True)
    return response
