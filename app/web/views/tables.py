"""批量生成 without an open table: the list of tables, and the newest of them in the menu of an open one."""

from typing import Any

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

import database
from app.web.etags import with_content_etag
from app.web.params import int_arg
from app.web.services import connection, services

TABLES_A_PAGE, MOST_TABLES = 30, 480  # SQLite joins at most 500 queries
_IN_MENU = 8
_LONGEST_SEARCH = 200
bp = Blueprint("tables", __name__)


def render_tables() -> str:
    """The page of the tables that match ``?search=``, with ``?archived=1`` of those put away; the last
    ``?limit=`` of them. Empty when there is no table at all."""
    if not database.has_tables(connection()):
        return ""
    return render_template("pages/tables.html", page_spec=services().spec, **_context())


@bp.get("/live/tables")
def tables() -> Response:
    """The list fragment."""
    return with_content_etag(render_template("tables/list.html", **_context()))


@bp.get("/live/tables/menu")
def menu() -> str:
    """The newest tables that match ``?search=``; ``?open=`` is the one that is shown."""
    search = _search()
    listed, total = database.list_tables(connection(), search=search, limit=_IN_MENU)
    opened = request.args.get("open", "")
    return render_template("tables/menu.html", listed=listed, total=total, search=search, opened=opened)


def _context() -> dict[str, Any]:
    search, archived = _search(), request.args.get("archived") == "1"
    limit = min(max(int_arg("limit"), TABLES_A_PAGE), MOST_TABLES)
    listed, total = database.list_tables(connection(), search=search, archived=archived, limit=limit)
    more = limit + TABLES_A_PAGE if total > limit < MOST_TABLES else 0
    return {"listed": listed, "total": total, "search": search, "archived": archived, "more": more}


def _search() -> str:
    return request.args.get("search", "").strip()[:_LONGEST_SEARCH]
