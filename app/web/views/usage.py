"""用量: spending and unresolved charges, as a whole page or as the fragment that is refreshed."""

from flask import Blueprint, make_response, render_template, request
from werkzeug.wrappers import Response

import database
from app.errors import InvalidRequest, Message
from app.web.charts import CHARTS, causes_chart, money_chart, pictures_chart
from app.web.date_range import RANGES, DateRange, parse_date_range
from app.web.services import connection
from app.web.usage_report import COLUMN, GROUPED_BY, build_usage_report, parse_grouping

bp = Blueprint("usage", __name__)


@bp.get("/usage")
def index() -> str:
    """The whole page, for ``?range=`` or ``?from=&to=``, ``?chart=`` (pictures or money) and ``?by=``."""
    return _render("pages/usage.html")


@bp.get("/live/usage")
def summary() -> Response:
    """The fragment that is refreshed."""
    response = make_response(_render("usage/summary.html"))
    response.headers["Cache-Control"] = "no-store"
    return response


def _render(template: str) -> str:
    span, by, problem = _requested()
    report = build_usage_report(span, by)
    columns = {f"{COLUMN}{name}": name for name in database.list_group_columns(connection())}
    by_person = by == "person" or database.had_several_people(connection())
    usual = "money" if report.total.billed or report.total.unknown else "pictures"
    shown = request.args.get("chart", usual)
    chart = (pictures_chart if shown == "pictures" else money_chart)(span, report.spent)
    return render_template(
        template,
        usage=report,
        span=span,
        problem=problem,
        ranges=RANGES,
        chart=chart,
        charts=CHARTS,
        query={**span.query, "chart": chart.name, "by": by},
        grouped_by={name: label for name, label in GROUPED_BY.items() if name != "person" or by_person},
        own_columns=columns | ({by: report.groups.column} if report.groups.column else {}),
        causes=causes_chart(report.failures),
    )


def _requested() -> tuple[DateRange, str, Message | None]:
    """(the requested date range and grouping, None), or (the default ones, the error)."""
    try:
        return parse_date_range(request.args), parse_grouping(request.args.get("by") or "model"), None
    except InvalidRequest as error:
        return parse_date_range({}), "model", error.message
