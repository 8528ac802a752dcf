"""批量生成: the list of tables, the newest of them in the menu of an open one, and the open table."""

from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

import database
from app.domain import BUILT_IN_NAMES
from app.domain.tables import Table
from app.web.batch_columns import batch_columns, batch_models
from app.web.caching import with_content_etag
from app.web.formatting import resolutions
from app.web.page_model import BATCH, PageModel, model_choices, page_model, remember
from app.web.params import int_arg
from app.web.person import current_person
from app.web.serializers import ratios_of
from app.web.services import connection, services
from app.web.table_json import stages_json

bp = Blueprint("batch", __name__)
_PARTS = {  # fetched at a press
    "history": "batch/history.html",
    "pictures": "batch/pictures.html",
    "sets": "batch/sets.html",
}
TABLES_A_PAGE, MOST_TABLES = 30, 480  # SQLite joins at most 500 queries
_IN_MENU = 8
_LONGEST_SEARCH = 200
tables_bp = Blueprint("tables", __name__)


@bp.get("/batch")
def index() -> Response:
    """The tables, or with ``?table=`` one of them; with ``?new=1``, and without any, a new one.

    ``?id=`` is a batch: its table is shown. ``?model=`` is the model of a new table.
    """
    if batch_id := request.args.get("id", ""):
        return redirect(_address_of(batch_id))
    if table_id := request.args.get("table", ""):
        table = database.get_table(connection(), table_id, deleted=True)
        if table.deleted_at:
            return make_response(render_template("pages/deleted_table.html", table=table))
        models = services().row_models
        return _open_table(table, PageModel(spec=models.get(table.model, models.default)))
    if not request.args.get("new") and (listed := render_tables()):
        return make_response(listed)
    chosen = page_model(BATCH)
    return remember(_open_table(None, chosen), BATCH, chosen)


@bp.get("/batch/pictures")
def pictures() -> Response:
    """Where the pictures of the batch ``?id=`` are shown by now."""
    return redirect(_address_of(request.args.get("id", ""), view="pictures"))


@bp.post("/batch/restore")
def restore() -> Response:
    """Bring back a table that was deleted, and show it."""
    table = database.get_table(connection(), request.form.get("table", ""), deleted=True)
    database.mark_table(connection(), table, current_person().id, deleted_at=None)
    return redirect(url_for("batch.index", table=table.id))


def _address_of(batch_id: str, **view: Any) -> str:
    """Where a batch is shown: in its table, or among the records. Raises NotFound."""
    database.get_batch_version(connection(), batch_id)
    if table_id := database.table_of_batch(connection(), batch_id):
        return url_for("batch.index", table=table_id, **view)
    return url_for("records.index", batch_id=batch_id)


def _open_table(table: Table | None, chosen: PageModel) -> Response:
    current = services()
    columns = batch_columns(chosen.spec, current.row_models)
    return make_response(
        render_template(
            "pages/batch.html",
            table_id=table.id if table else "",
            table_name=table.name if table else "",
            table_model=table.model if table else chosen.spec.model_id,
            columns=columns,
            columns_json=[column.as_json() for column in columns],
            model=batch_models(chosen.spec, current.runtime.engines, current.row_models),
            choices=model_choices(),
            model_problem=chosen.problem,
            page_spec=chosen.spec,
            variables=BUILT_IN_NAMES,
            has_history=database.had_several_people(connection()),
        )
    )


@bp.get("/batch/dialogs")
def dialogs() -> str:
    """Dialogs and menus, fetched with the second script; with ``?part=`` another one of _PARTS."""
    spec = page_model(BATCH).spec
    return render_template(
        _PARTS.get(request.args.get("part", ""), "batch/dialogs.html"),
        page_spec=spec,
        ratios=ratios_of(spec),
        resolutions=resolutions(spec),
        choices=model_choices(),
    )


def render_tables() -> str:
    """The page of the tables that match ``?search=``, with ``?archived=1`` of those put away; the last
    ``?limit=`` of them. Empty when there is no table at all."""
    if not database.has_tables(connection()):
        return ""
    return render_template("pages/tables.html", page_spec=services().spec, **_list_context())


@tables_bp.get("/live/tables")
def tables() -> Response:
    """The list fragment."""
    return with_content_etag(render_template("tables/list.html", **_list_context()))


@tables_bp.get("/live/tables/menu")
def menu() -> str:
    """The newest tables that match ``?search=``; ``?open=`` is the one that is shown."""
    search = _search()
    listed, total = database.list_tables(connection(), services().totals, search=search, limit=_IN_MENU)
    opened, stages = (
        request.args.get("open", ""),
        stages_json({each.table.id: each.totals for each in listed}),
    )
    return render_template(
        "tables/menu.html", listed=listed, stages=stages, total=total, search=search, opened=opened
    )


def _list_context() -> dict[str, Any]:
    search, archived = _search(), request.args.get("archived") == "1"
    limit = min(max(int_arg("limit"), TABLES_A_PAGE), MOST_TABLES)
    listed, total = database.list_tables(
        connection(), services().totals, search=search, archived=archived, limit=limit
    )
    more = limit + TABLES_A_PAGE if total > limit < MOST_TABLES else 0
    stages = stages_json({each.table.id: each.totals for each in listed})
    shown = {"listed": listed, "stages": stages, "total": total}
    return shown | {"search": search, "archived": archived, "more": more}


def _search() -> str:
    return request.args.get("search", "").strip()[:_LONGEST_SEARCH]
