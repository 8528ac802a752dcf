"""The API of spending: totals, ledger exports, and resolving charges of unknown outcome."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from decimal import Decimal
from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response

import database
from app import sheets
from app.config import Settings
from app.domain import BUDGET_LABELS, MAX_BUDGET, BudgetScope
from app.domain.ledger import SpendTotals, known_amount
from app.errors import Conflict, InvalidRequest, Translate, message
from app.orders.place import Placed, place
from app.orders.repeats import Refetch, Resubmit
from app.usage import sql
from app.usage.report import (
    DATE_RANGE_QUERY,
    DateRange,
    UsageReport,
    build_usage_report,
    group_costs,
    parse_date_range,
    parse_grouping,
)
from app.usage.sql import COLUMN
from app.web.downloads import XLSX, as_attachment, start_stream, workbook
from app.web.formatting import model_label
from app.web.i18n import gettext, translator
from app.web.openapi.describe import describe
from app.web.openapi.schemas import ID, Shape, answer, array_of, closed_object, or_null, strict_object, text
from app.web.params import json_body
from app.web.person import limit_of_me, list_budgets, note_change
from app.web.serializers import success
from app.web.services import connection, services
from app.web.submit import KEY_HEADERS, REQUEST_ID, conditions, request_key

bp = Blueprint("usage", __name__)
_UNRESOLVED: dict[str, Shape] = {"ids": [ID], "all": bool}
_REQUEUED = answer(records=int, waiting=int)
_LIMITS = {
    scope: or_null({"type": "number", "minimum": 0, "maximum": int(MAX_BUDGET), "title": label})
    for scope, label in BUDGET_LABELS.items()
}
_BUDGETS = answer(
    budgets=closed_object(**dict.fromkeys(BudgetScope, or_null(float))),
    spent=closed_object(("batch",), **dict.fromkeys(BudgetScope, float)),
    unresolved=or_null(float),
    mine=or_null(closed_object(limit=float, spent=float, left=float)),
)


_GROUP: dict[str, Shape] = {"pictures": int, **dict.fromkeys(("cost", "unconfirmed"), or_null(float))}
_GROUPS_RETURNED = 1_000
_NAME_LENGTH = 40


@bp.get("/usage")
@describe(
    "花了多少，什么还没有结果；有 by 时是分组的合计",
    answer(
        ("usage", "groups", "total"),
        usage="Usage",
        groups=array_of(closed_object(key=str, label=str, **_GROUP)),
        total=closed_object(groups=int, **_GROUP),
    ),
    query=DATE_RANGE_QUERY | {"by": text(description="model、batch、table、person 或 column:自己的列")},
)
def get_usage() -> Response:
    """Spending in ``range``, or between ``from`` and ``to``; with ``by`` in groups, the dearest first."""
    span = parse_date_range(request.args)
    if not (by := request.args.get("by")):
        return success(usage=_usage_json(read_report(span)))
    costs = group_costs(connection(), span, parse_grouping(by), limit=_GROUPS_RETURNED)
    groups = [
        {"key": group.key, "label": costs.label(group), **_group_json(group.spent)} for group in costs.groups
    ]
    return success(groups=groups, total={"groups": costs.number, **_group_json(costs.total)})


def read_report(span: DateRange, by: str = "model") -> UsageReport:
    """The report of this range for who asks, read as one snapshot."""
    db = connection()
    with database.read_transaction(db):
        budgets, limit = list_budgets(db), limit_of_me()
        return build_usage_report(db, span, by, models=services().models.ids, budgets=budgets, limit=limit)


@bp.get("/usage/statement.xlsx")
@describe(
    "对账单，自己的一列（column）里每种内容一张工作表，或只有 value 的",
    XLSX,
    query=DATE_RANGE_QUERY | {"column": text(), "value": text()},
)
def export_statement() -> Response:
    """The billed charges of the range by the text of an own column, as a workbook."""
    span, value = parse_date_range(request.args), request.args.get("value")
    if not (named := request.args.get("column")):
        raise InvalidRequest("column", "请写明按自己的哪一列对账，例如 column=客户")
    column = parse_grouping(COLUMN + named).removeprefix(COLUMN)
    file = sheets.write_statement(
        sql.list_charges(connection(), span.low, span.high),
        column,
        value=value,
        label=model_label,
        translate=translator(),
    )
    name = "".join(letter if letter.isprintable() else " " for letter in value or column)[:_NAME_LENGTH]
    return workbook(
        file, gettext("对账单-{name}-{first}至{last}.xlsx", name=name, first=span.first, last=span.last)
    )


@bp.get("/usage/export.xlsx")
@describe("账目，一笔一行", XLSX, query=DATE_RANGE_QUERY)
def export_workbook() -> Response:
    """The charges of the range as a workbook, one line each, with totals."""
    span = parse_date_range(request.args)
    db = connection()
    names = sql.list_charged_columns(db, span.low, span.high)
    charges = sql.list_charges(db, span.low, span.high)
    has_people = database.had_several_people(db)
    file = sheets.write_ledger(charges, names, has_people=has_people, translate=translator())
    return workbook(file, _file_name(span, "xlsx"))


@bp.get("/usage/export.csv")
@describe("账目，纯文本", "text/csv", query=DATE_RANGE_QUERY)
def export_csv() -> Response:
    """The charges of the range as CSV, streamed."""
    span = parse_date_range(request.args)
    lines = _ledger_lines(services().settings, span, translator())
    return as_attachment(
        Response(start_stream(lines), mimetype="text/csv"), _file_name(span, "csv"), "usage.csv"
    )


@bp.post("/records/collect")
@describe("取回结果未知的：凭任务编号再问一次，不会下单", _REQUEUED, json=strict_object(**_UNRESOLVED))
def refetch_records() -> Response:
    """Fetch the results of unresolved records again; submits nothing."""
    ids = _parse_unresolved(json_body())
    return _requeued_answer(place(connection(), Refetch(models=services().models, ids=ids)))


@bp.post("/records/retry")
@describe(
    "结果未知的重新下单，可能付两次；all 只包括不能取回的",
    _REQUEUED,
    headers=KEY_HEADERS,
    json=strict_object(**_UNRESOLVED, request_id=REQUEST_ID),
)
def resubmit_records() -> Response:
    """Submit unresolved records again, which may charge them twice."""
    body, current = json_body(), conditions()
    order = Resubmit(
        models=current.models,
        person_id=current.person_id,
        key=request_key(body),
        ids=_parse_unresolved(body),
        require=current.require_models_of,
    )
    return _requeued_answer(place(connection(), order))


@bp.post("/records/drop")
@describe(
    "放弃结果未知的，billed 说账单里有没有",
    answer(records=int, amount=float, undo=ID),
    json=strict_object("billed", **_UNRESOLVED, billed=bool),
)
def write_off() -> Response:
    """Write off unresolved charges; ``billed``: whether the provider's bill lists them."""
    body = json_body()
    resolved = database.resolve_charges(connection(), _parse_unresolved(body), billed=body["billed"])
    services().runtime.wake()
    return success(records=resolved.records, amount=resolved.amount, undo=resolved.undo)


@bp.post("/records/undrop")
@describe("撤销一次放弃", answer(records=int), json=strict_object("undo", undo=ID))
def undo_write_off() -> Response:
    """Undo one write-off: its charges are unresolved again."""
    return success(records=database.undo_resolution(connection(), json_body()["undo"]))


@bp.get("/budgets")
@describe(
    "预算和已经用掉的，单位元；没有就是 null。带 batch_id 时也有这个批次用掉的；mine 是自己的每月上限",
    _BUDGETS,
    query={"batch_id": str},
)
def get_budgets() -> Response:
    """Limits, what counts against them, and how much of that is of unknown outcome; all in CNY."""
    db, batch_id = connection(), request.args.get("batch_id")
    with database.read_transaction(db):
        budgets, mine = list_budgets(db, batch_id), limit_of_me()
        total = sql.total_spend(db)
    return success(
        budgets={scope: budget.limit for scope, budget in budgets.items()},
        spent={
            scope: budget.spent for scope, budget in budgets.items() if batch_id or scope != BudgetScope.BATCH
        },
        unresolved=known_amount(total.unknown, total.unpriced_unknown),
        mine=mine and {"limit": mine.limit, "spent": mine.spent, "left": mine.left},
    )


@bp.put("/budgets")
@describe("改预算：没写的不变，null 是不限", _BUDGETS, json=strict_object(**_LIMITS))
def put_budgets() -> Response:
    """Set any of the budgets; the next submission obeys them. A batch that one paused stays paused."""
    body, spec = json_body(), services().spec
    limits = {scope: _parse_limit(body[scope], scope) for scope in BudgetScope if scope in body}
    if any(limit is not None for limit in limits.values()) and not spec.is_priced:
        text = "不知道{model}每张多少钱，设了预算就一张也不能做，请先在「模型与密钥」里填价格"
        raise Conflict(text, model=message(spec.label))
    database.set_budgets(connection(), limits)
    told = {scope: "none" if limit is None else limit for scope, limit in limits.items()}
    names = tuple(message(BUDGET_LABELS[scope]) for scope in limits)
    note_change("budgets_set", message("预算：{names}", names=names), **told)
    return get_budgets()


def _parse_limit(value: Any, scope: BudgetScope) -> Decimal | None:
    """A JSON number in CNY, or null -> the limit. Raises InvalidRequest."""
    limit = None if value is None else Decimal(str(value))
    if limit is None or limit == round(limit, 2):
        return limit
    raise InvalidRequest(
        scope,
        "{budget}应为 0–{most} 的金额（元），最多两位小数，不限就留空",
        budget=message(BUDGET_LABELS[scope]),
        most=MAX_BUDGET,
    )


def _requeued_answer(placed: Placed) -> Response:
    services().runtime.wake()
    return success(records=placed.number, waiting=placed.waiting)


def _parse_unresolved(body: Mapping[str, Any]) -> list[int] | None:
    """``{"ids": […]}``, or ``{"all": true}`` as None. Raises InvalidRequest."""
    ids: list[int] = body.get("ids", [])
    if "ids" not in body and body.get("all"):
        return None
    if not ids or body.get("all"):
        raise InvalidRequest("ids", "请选择至少一条记录，或写 all 为 true，不要两样都写")
    return ids


def _ledger_lines(settings: Settings, span: DateRange, translate: Translate) -> Iterator[str]:
    with closing(database.connect(settings.database)) as db:
        names = sql.list_charged_columns(db, span.low, span.high)
        charges = start_stream(sql.list_charges(db, span.low, span.high))
        has_people = database.had_several_people(db)
        yield from sheets.ledger_lines(charges, names, has_people=has_people, translate=translate)


def _file_name(span: DateRange, ending: str) -> str:
    return gettext("用量-{first}至{last}.{ending}", first=span.first, last=span.last, ending=ending)


def _group_json(spent: SpendTotals) -> dict[str, Any]:
    return {
        "pictures": spent.pictures,
        "cost": known_amount(spent.billed, spent.unpriced_pictures),
        "unconfirmed": known_amount(spent.unconfirmed, spent.unpriced_unconfirmed),
    }


def _usage_json(usage: UsageReport) -> dict[str, Any]:
    cuts = zip(usage.span.labels, usage.spent, strict=True)
    return {
        "from": str(usage.span.first),
        "to": str(usage.span.last),
        "unit": usage.span.unit,
        **{
            name: _spent_json(getattr(usage, name))
            for name in ("today", "yesterday", "month", "in_all", "total")
        },
        "by_time": [{"label": label, **_spent_json(spent)} for label, spent in cuts],
        "by_model": [
            {"model": model, "label": model_label(model), **_spent_json(spent)}
            for model, spent in usage.models.items()
        ],
        "by_batch": [
            {"id": batch.id, "name": batch.name, "created_at": batch.created_at, **_spent_json(batch.spent)}
            for batch in usage.batches
        ],
        "differing": usage.differing[0],
        "failures": usage.failures,
        "in_doubt": {
            name: getattr(usage.counts, name) for name in ("records", "at_stake", "collectable", "orderable")
        },
        "budget": usage.budgets[BudgetScope.TOTAL].limit,
        "budget_left": usage.budgets[BudgetScope.TOTAL].left,
    }


def _spent_json(spent: SpendTotals) -> dict[str, Any]:
    names = ("billed", "pictures", "unknown", "open", "unpriced")
    return {name: getattr(spent, name) for name in names} | {"sends": spent.charges}
