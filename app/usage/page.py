"""用量: spending and unresolved charges, as a whole page or as the fragment that is refreshed.

``templates/partials/chart.html`` draws the bar charts as SVG.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

import database
from app.domain.ledger import SpendTotals
from app.errors import CAUSES, InvalidRequest
from app.usage.api import read_report
from app.usage.report import GROUPED_BY, RANGES, DateRange, parse_date_range, parse_grouping
from app.usage.sql import COLUMN, list_group_columns
from app.web.caching import with_content_etag
from app.web.formatting import money
from app.web.i18n import gettext
from app.web.services import connection

bp = Blueprint("usage", __name__)
CHARTS = {"pictures": "张数", "money": "花费"}
HEIGHT = 120
_MAX_CAUSES = 8
_PICTURES = {"hour": "每小时的图片", "day": "每天的图片", "month": "每月的图片"}
_MONEY = {"hour": "每小时的花费", "day": "每天的花费", "month": "每月的花费"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar: its heights (``unresolved`` is stacked on top), its text, and its cells of the table."""

    height: float
    unresolved: float
    label: str
    text: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A bar chart with its texts; ``heads`` are the columns of the same figures as a table."""

    name: str
    title: str
    summary: str
    heads: tuple[str, ...]
    bars: list[Bar]

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The rows of the table: the bars that are not zero."""
        return [(bar.label, *bar.cells) for bar in self.bars if bar.height or bar.unresolved]


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseBar:
    """Failures of one cause; ``share`` is the length in percent of the longest bar."""

    share: float
    label: str
    number: int


@bp.get("/usage")
def index() -> str:
    """The whole page, for ``?range=`` or ``?from=&to=``, ``?chart=`` (pictures or money) and ``?by=``."""
    return _render("pages/usage.html")


@bp.get("/live/usage")
def summary() -> Response:
    """The fragment that is refreshed."""
    return with_content_etag(_render("usage/summary.html"))


def _render(template: str) -> str:
    try:
        span, by = parse_date_range(request.args), parse_grouping(request.args.get("by") or "model")
        problem = None
    except InvalidRequest as error:
        span, by, problem = parse_date_range({}), "model", error.message
    report = read_report(span, by)
    columns = {f"{COLUMN}{name}": name for name in list_group_columns(connection())}
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


def pictures_chart(span: DateRange, spent: Sequence[SpendTotals]) -> Chart:
    """Paid images, one bar per hour, day or month."""
    numbers = [Decimal(one.pictures) for one in spent]
    texts = [gettext("{n} 张", n=one.pictures) for one in spent]
    total = gettext("共 {n} 张", n=sum(one.pictures for one in spent))
    return Chart(
        name="pictures",
        title=gettext(_PICTURES[span.unit]),
        summary=total + _peak_text(span, numbers, texts),
        heads=(gettext("时间"), gettext("图片")),
        bars=_bars(span, numbers, [Decimal(0)] * len(spent), texts, [(text,) for text in texts]),
    )


def money_chart(span: DateRange, spent: Sequence[SpendTotals]) -> Chart:
    """Spending, one bar per hour, day or month; unresolved charges are stacked on charged ones."""
    total = sum(spent, SpendTotals())
    billed, unknown = [one.billed for one in spent], [one.unknown for one in spent]
    paid = [money(one.billed, one.unpriced_pictures) for one in spent]
    at_risk = [money(one.unknown, one.unpriced_unknown) for one in spent]
    summary = gettext("共 {sum}", sum=money(total.billed, total.unpriced_pictures))
    summary += _peak_text(span, billed, paid)
    if total.unknown:
        summary += gettext("；另有 {sum} 待确认", sum=money(total.unknown))
    texts = [
        text + (gettext("，另有 {sum} 待确认", sum=risk) if amount else "")
        for text, risk, amount in zip(paid, at_risk, unknown, strict=True)
    ]
    return Chart(
        name="money",
        title=gettext(_MONEY[span.unit]),
        summary=summary,
        heads=(gettext("时间"), gettext("已计费"), gettext("可能已计费")),
        bars=_bars(span, billed, unknown, texts, list(zip(paid, at_risk, strict=True))),
    )


def causes_chart(failures: Mapping[str, int]) -> list[CauseBar]:
    """Failures by cause, most frequent first; the rarest are merged into one."""
    numbers: dict[str, int] = {}
    for place, (cause, number) in enumerate(failures.items()):
        label = gettext("其他" if place >= _MAX_CAUSES else CAUSES.get(cause, cause) or "没有说明原因")
        numbers[label] = numbers.get(label, 0) + number
    most = max(numbers.values(), default=1)
    return [
        CauseBar(share=round(100 * number / most, 1), label=label, number=number)
        for label, number in numbers.items()
    ]


def _bars(
    span: DateRange,
    amounts: Sequence[Decimal],
    unresolved: Sequence[Decimal],
    texts: Sequence[str],
    cells: Sequence[tuple[str, ...]],
) -> list[Bar]:
    scale = HEIGHT / float(max(map(sum, zip(amounts, unresolved, strict=True))) or 1)
    return [
        Bar(
            height=round(float(amounts[index]) * scale, 2),
            unresolved=round(float(unresolved[index]) * scale, 2),
            label=label,
            text=texts[index],
            cells=cells[index],
        )
        for index, label in enumerate(span.labels)
    ]


def _peak_text(span: DateRange, numbers: Sequence[Decimal], texts: Sequence[str]) -> str:
    if not any(numbers) or len(numbers) == 1:
        return ""
    at = max(range(len(numbers)), key=lambda index: numbers[index])
    return gettext("，最多的是 {when}：{what}", when=span.labels[at], what=texts[at])
