"""The API of rounds, for the studio."""

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import segno
from flask import Blueprint, current_app, request, url_for
from werkzeug.wrappers import Response

import database
from app.delivery.plan import find_profile
from app.domain.people import secret_digest
from app.domain.tables import MAX_ROWS_A_TABLE
from app.domain.times import utc_now, utc_text
from app.errors import Conflict, InvalidRequest, Message, message
from app.images.previews import can_draw
from app.rounds import rules, sql
from app.rounds.pictures import choose, choose_new, drawing_of
from app.rounds.rules import MAX_WATERMARK, Mark, Round, RoundState, Shown
from app.setting import is_loopback
from app.system.listener import address_for_others
from app.web.i18n import gettext
from app.web.openapi.describe import describe
from app.web.openapi.schemas import (
    ID,
    answer,
    array_of,
    closed_object,
    enum,
    or_null,
    strict_object,
    text,
    whole,
)
from app.web.params import json_body, query
from app.web.person import came_by_https, current_person, safe_urlsplit
from app.web.serializers import success
from app.web.services import connection, services
from app.web.submit import KEY_HEADERS, REQUEST_ID, request_key

bp = Blueprint("rounds", __name__)

_STORED = ("id", "number", "client", "state", "ends_at", "at_most", "created_at", "submitted_at")
_MARK = closed_object(n=ID, record_id=ID, row=ID, mark=or_null(enum(*Mark)), comment=str)
_ROUND = closed_object(
    ("marks", "person"),
    **dict.fromkeys(("id", "client", "ends_at", "created_at"), str),
    **dict.fromkeys(("number", "pictures", "chosen", "rejected", "comments"), int),
    state=enum(*RoundState),
    at_most=or_null(int),
    download=enum("none", "chosen"),
    has_password=bool,
    submitted_at=or_null(str),
    submitted_version=or_null(int) | {"description": "用它撤销这次提交：POST …/undo 的 version"},
    marks=array_of(_MARK),
    person=str,
)
_LINK = answer(link=str, qr=str, round=_ROUND)
_END = or_null(text(description="日期，或带时区的时间；不写是 14 天"))
_PASSWORD = or_null(text(maxLength=rules.MAX_PASSWORD, title="密码"))
_CHANGES: dict[str, Any] = {"ends_at": _END, "password": _PASSWORD}
_REFUSALS = {
    True: "现在只有这台电脑能打开。要让手机也能打开，请在「模型与密钥」的「谁能打开」里设；{way}",
    False: "这个网址没有 HTTPS，路上的人看得到图片：请用 HTTPS 打开（有代理要设 TRUSTED_PROXIES）；{way}",
}
_BY_WORKBOOK = "也可以下载结果表给客户（有提示词和费用），在「选中」「客户意见」两列写好再导入"


@bp.get("/api/tables/<table_id>/rounds")
@describe(
    "给客户看的各轮，最近的在前；reachable：现在做的链接，客户能不能打开；watermark：不给下载时图上的字",
    answer(rounds=array_of(_ROUND), reachable=bool, reason=str, watermark=str),
    query={"marks": enum("0", "1")},
)
def list_of_table(table_id: str) -> Response:
    """The rounds of a table, with ``marks=1`` with what clients say."""
    table = database.get_table(connection(), table_id)
    shown, with_marks = sql.list_shown(connection(), table.id), query().get("marks") == "1"
    rounds = sql.list_rounds(connection(), table.id)
    base, reason = _base()
    return success(
        rounds=[_json(each, shown[each.id], with_marks=with_marks) for each in rounds],
        reachable=bool(base),
        reason=reason or "",
        watermark=_usual_watermark(),
    )


@bp.post("/api/tables/<table_id>/rounds")
@describe(
    "给客户看：做一个链接，只在这里回答一次",
    _LINK,
    status=201,
    headers=KEY_HEADERS,
    json=strict_object(
        "client",
        client=text(minLength=1, maxLength=rules.MAX_CLIENT, title="客户的名字"),
        pick=enum("keep", "all"),
        rows=array_of(ID, maxItems=MAX_ROWS_A_TABLE),
        records=array_of(ID) | {"description": "就是这些图片"},
        at_most=or_null(whole(1, rules.MAX_PICTURES, title="最多选几张")),
        ends_at=_END,
        password=_PASSWORD,
        download=enum("none", "chosen"),
        profile=or_null(text(maxLength=rules.MAX_CLIENT, description="下载用的交付规格，不写是原图")),
        watermark=or_null(text(maxLength=MAX_WATERMARK, title="水印"))
        | {"description": '不写：不给下载的有，"" 没有'},
        request_id=REQUEST_ID,
    ),
)
def create(table_id: str) -> Response:
    """Make a round and its link."""
    body, db = json_body(), connection()
    table, key = database.get_table(db, table_id), request_key(body)
    new = rules.read_order(body, table.id, datetime.now(UTC))
    if new.download:
        find_profile(db, new.download)
    if body.get("watermark") is None and not new.download:
        new = replace(new, watermark=_usual_watermark())
    if not can_draw(new.watermark):
        raise InvalidRequest("watermark", "这台电脑没有中文字体，水印请用英文字母")
    chosen = {name: body.get(name) for name in ("rows", "records")}
    return _begin(new, choose(db, table, pick=body.get("pick", "keep"), **chosen), key)


@bp.post("/api/rounds/<round_id>/next")
@describe(
    "再开一轮：只有上一轮以后新做的图，旁边是上一版",
    _LINK,
    status=201,
    headers=KEY_HEADERS,
    json=strict_object(**_CHANGES, request_id=REQUEST_ID),
    is_body_optional=True,
)
def follow(round_id: str) -> Response:
    """Make the next round of a client; without a password in the body that of this one stays."""
    body, db = json_body(), connection()
    before, key = sql.get_round(db, round_id), request_key(body)
    if before.state is RoundState.OPEN:
        raise Conflict("客户还没有提交这一轮：请等他提交，或先关掉这一轮")
    pictures = choose_new(db, database.get_table(db, before.table_id), before)
    if not pictures and database.find_answer(db, key) is None:
        raise Conflict("这一轮以后还没有新的图片：请先按客户的话再做，做好再开一轮")
    return _begin(rules.read_next(body, before, datetime.now(UTC)), pictures, key)


@bp.post("/api/rounds/<round_id>/renew")
@describe(
    "换一个链接，原来的打不开了；也可以换密码、到期的日子",
    _LINK,
    json=strict_object(**_CHANGES),
    is_body_optional=True,
)
def renew(round_id: str) -> Response:
    """Give a round another link; a closed one can be opened again."""
    body, now, of = json_body(), datetime.now(UTC), sql.get_round(connection(), round_id)
    password, base, token = rules.read_password(body), _require_base(), rules.new_token()
    values: dict[str, Any] = {"token_digest": secret_digest(token)}
    if body.get("ends_at") is not None or of.ends_at < utc_text(now):
        values["ends_at"] = rules.read_end(body.get("ends_at"), now)
    if password:
        values |= {"password_digest": password, "password_version": of.password_version + 1}
    if of.state is RoundState.CLOSED:
        values["state"] = RoundState.SUBMITTED if of.submitted_at or _has_later(of) else RoundState.OPEN
    return _linked(_changed(of, **values), base, token)


@bp.post("/api/rounds/<round_id>/close")
@describe("关掉一轮：链接马上打不开，客户说的都还在", answer(round=_ROUND))
def close(round_id: str) -> Response:
    """Close a round at once."""
    of = _changed(sql.get_round(connection(), round_id), state=RoundState.CLOSED)
    return success(round=_json(of, sql.pictures_of(connection(), of)))


@bp.post("/api/rounds/<round_id>/reopen")
@describe("让客户接着选：提交了的、关掉的，又能改了", answer(round=_ROUND))
def reopen(round_id: str) -> Response:
    """Open a round again. Raises Conflict when it has a later one, or its time is over."""
    of = sql.get_round(connection(), round_id)
    if _has_later(of):
        raise Conflict("后面已经开了新的一轮，这一轮只能看了")
    if of.ends_at < utc_now():
        raise Conflict("这一轮已经到期，请换一个链接")
    of = _changed(of, state=RoundState.OPEN)
    return success(round=_json(of, sql.pictures_of(connection(), of)))


@bp.post("/api/rounds/<round_id>/done")
@describe(
    "客户的话处理好了：不写 rows 就是全部。做了新图的自己就算好了",
    answer(round=_ROUND),
    json=strict_object(rows=array_of(ID)),
    is_body_optional=True,
)
def done(round_id: str) -> Response:
    """Put the sentences of a round aside, those of some rows or all."""
    rows, of = json_body().get("rows"), sql.get_round(connection(), round_id)
    sql.put_aside(connection(), of, rows)
    return success(round=_json(of, sql.pictures_of(connection(), of)))


@bp.delete("/api/rounds/<round_id>")
@describe("删掉一轮，和客户在里面说的；已经提交的选择还在", answer(deleted=str))
def remove(round_id: str) -> Response:
    """Delete a round."""
    sql.delete_round(connection(), sql.get_round(connection(), round_id))
    return success(deleted=round_id)


def _usual_watermark() -> str:
    """What pictures that may not be downloaded bear: the name of the studio, as far as it can be drawn."""
    names = (services().settings.studio_name[:MAX_WATERMARK], gettext("样图"), "SAMPLE")
    return next(name for name in names if name and can_draw(name))


def _has_later(of: Round) -> bool:
    rounds = sql.list_rounds(connection(), of.table_id)
    return any(each.client == of.client and each.number > of.number for each in rounds)


def _changed(of: Round, **values: Any) -> Round:
    with database.transaction(connection()):
        sql.change_round(connection(), of.id, **values)
        sql.touch_pictures(connection(), of)
        return sql.get_round(connection(), of.id)


def _begin(new: Round, pictures: Sequence[Shown], key: database.RequestKey | None) -> Response:
    base, token = _require_base(), rules.new_token()
    new = replace(new, token_digest=secret_digest(token), person_id=current_person().id)
    stored = sql.add_round(connection(), new, pictures, key)
    drawing_of(current_app.extensions).draw_ahead(connection(), stored, services())
    return _linked(stored, base, token, status=201)


def _linked(of: Round, base: str, token: str, *, status: int = 200) -> Response:
    link = base + url_for("client.page", token=token)
    drawn = io.BytesIO()
    code = segno.make(link, error="m", micro=False, boost_error=False)
    code.save(drawn, kind="svg", xmldecl=False, border=4, light="#fff", omitsize=True)
    shown = sql.pictures_of(connection(), of)
    return success(status=status, link=link, qr=drawn.getvalue().decode().strip(), round=_json(of, shown))


def _json(of: Round, pictures: Sequence[Shown], *, with_marks: bool = False) -> dict[str, Any]:
    marks = [
        {name: getattr(shown, name) for name in ("n", "record_id", "comment")}
        | {"row": shown.row_id, "mark": shown.mark or None}
        for shown in pictures
        if shown.mark or shown.comment
    ]
    names = database.shown_names(connection())
    return {
        **{name: getattr(of, name) for name in (*_STORED, "submitted_version")},
        "pictures": len(pictures),
        **rules.counts(pictures),
        "download": "chosen" if of.download else "none",
        "has_password": bool(of.password_digest),
        **({"marks": marks} if with_marks else {}),
        **({"person": names.get(of.person_id or 0, "")} if names else {}),
    }


def _base() -> tuple[str, Message | None]:
    """(where a client can open this server, why nowhere)."""
    host = (safe_urlsplit(f"//{request.host}").hostname or "").lower()
    here = is_loopback(host)
    if came_by_https() and not here:
        return f"https://{request.host}", None
    if rules.is_private(host):
        return f"http://{request.host}", None
    settings = services().settings
    others = address_for_others(settings.host, settings.port) if here else ""
    if rules.is_private(safe_urlsplit(others).hostname or "localhost"):
        return others, None
    return "", message(_REFUSALS[here], way=message(_BY_WORKBOOK))


def _require_base() -> str:
    base, reason = _base()
    if reason:
        raise Conflict(reason)
    return base
