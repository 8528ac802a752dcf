"""The API of people, of one's own account, and of tokens."""

import time
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from app.domain import MAX_BUDGET
from app.domain.people import PersonRole, hash_password, secret_digest
from app.errors import Conflict, InvalidRequest, message
from app.people import sessions, sql
from app.people.login import check_password, session_digest
from app.people.rules import (
    FIRST_ID,
    LEAST_PASSWORD,
    MAX_NAME,
    MAX_PASSWORD,
    MAX_TOKEN_NAME,
    ROLE_LABELS,
    in_micros,
    new_secret,
    read_end,
    read_name,
    read_password,
    shown_time,
)
from app.system.listener import address_for_others
from app.web.openapi.describe import describe
from app.web.openapi.schemas import ID, answer, array_of, closed_object, enum, or_null, strict_object, text
from app.web.params import json_body
from app.web.person import came_by_https, current_person, note_change, safe_urlsplit
from app.web.serializers import success
from app.web.services import connection, services

bp = Blueprint("people", __name__)

_ROLE = enum(*PersonRole)
_YUAN = {"type": "number", "minimum": 0, "maximum": int(MAX_BUDGET), "title": "每月上限"}
_LIMIT = or_null(_YUAN) | {"description": "元，每月"}
_CHANGED = {"name": "名字", "role": "身份", "month_limit_micros": "每月上限", "active": "停用或启用"}
_ME = closed_object(id=or_null(ID), name=str, role=_ROLE, month_limit=_LIMIT)
_PERSON = closed_object(
    id=ID,
    name=str,
    role=_ROLE,
    month_limit=_LIMIT,
    active=bool,
    joined=bool,
    invited_until=or_null(str),
    seen_at=or_null(str),
)
_NAME = text(minLength=1, maxLength=MAX_NAME, title="名字")
_PASSWORD = text(minLength=LEAST_PASSWORD, maxLength=MAX_PASSWORD, title="密码")
_LINK = text(description="只在这里回答一次，72 小时内用一次")


@bp.get("/api/me")
@describe(
    "我是谁；我的登录",
    answer(
        person=_ME,
        sessions=array_of(
            closed_object(
                **dict.fromkeys(("id", "address", "agent"), str),
                **dict.fromkeys(("created_at", "seen_at"), or_null(str)),
                current=bool,
            )
        ),
    ),
)
def get_me() -> Response:
    """The person of this request, and the logins; without a password the owner at the machine, with none."""
    me = current_person()
    fields = {"id": me.id, "name": me.name, "role": me.role, "month_limit": _yuan(me.month_limit_micros)}
    return success(person=fields, sessions=sessions_of_me())


def sessions_of_me() -> list[dict[str, Any]]:
    """The logins of the person of this request, as the API has them."""
    me, here = current_person(), session_digest()
    found = sessions.list_sessions(connection(), me.id, now=time.time()) if me.id else []
    return [
        {
            **{name: each[name] for name in ("id", "address", "agent")},
            **{name: shown_time(each[name]) for name in ("created_at", "seen_at")},
            "current": each["digest"] == here,
        }
        for each in found
    ]


@bp.patch("/api/me")
@describe(
    "改我的名字、密码；换了密码，别处的登录都结束",
    answer(),
    json=strict_object(name=_NAME, current=text(maxLength=1000), password=_PASSWORD),
)
def change_me() -> Response:
    """Give this person another password or name; the one at the machine names the first person."""
    body, me = json_body(), current_person()
    name = read_name(body) if "name" in body else ""
    if body.keys() != {"name"}:
        _require_server_password()
        password = read_password(body.get("password"))
        account = check_password(me.name, body.get("current", ""))
        if account is None or account.person.id != me.id:
            raise InvalidRequest("current", "现在的密码不对，请再试一次")
        sql.set_password(connection(), me.id or 0, hash_password(password), kept=session_digest())
    if name:
        sql.change_person(connection(), me.id or FIRST_ID, {"name": name})
        what = message("改了{name}：{names}", name=name, names=message(_CHANGED["name"]))
        note_change("person_changed", what, of=me.id or FIRST_ID, fields="name")
    return success()


@bp.delete("/api/me/sessions/<session_id>")
@describe("结束我的一个登录", answer())
def end_session(session_id: str) -> Response:
    """End one of the own logins."""
    sessions.end_session(connection(), current_person().id or 0, session_id)
    return success()


@bp.get("/api/people")
@describe("所有人，停用的在最后", answer(people=array_of(_PERSON)))
def list_people() -> Response:
    """Everybody."""
    return success(people=[person_json(each) for each in sql.list_people(connection())])


@bp.post("/api/people")
@describe(
    "加一个人，回答邀请的链接",
    answer(person=_PERSON, link=_LINK),
    status=201,
    json=strict_object("name", name=_NAME, role=_ROLE, month_limit=_LIMIT),
)
def add_person() -> Response:
    """Add a person, with an invitation."""
    body = json_body()
    _require_server_password()
    name, role = read_name(body), PersonRole(body.get("role", PersonRole.MEMBER))
    secret, limit = new_secret(), in_micros(body.get("month_limit"))
    added = sql.add_person(connection(), name, role, limit, secret_digest(secret), now=time.time())
    what = message("加了{name}，身份是{role}", name=name, role=message(ROLE_LABELS[role]))
    note_change("person_added", what, of=added)
    return success(status=201, person=person_json(sql.get_person(connection(), added)), link=_link_of(secret))


@bp.patch("/api/people/<int:person_id>")
@describe(
    "改一个人；停用马上结束登录和令牌，在做的批次暂停，除非 runs 是 go_on",
    answer(person=_PERSON),
    json=strict_object(name=_NAME, role=_ROLE, month_limit=_LIMIT, active=bool, runs=enum("pause", "go_on")),
)
def change_person(person_id: int) -> Response:
    """Change what the body names."""
    body = json_body()
    values: dict[str, Any] = {}
    if "name" in body:
        values["name"] = read_name(body)
    if "role" in body:
        values["role"] = PersonRole(body["role"])
    if "month_limit" in body:
        values["month_limit_micros"] = in_micros(body["month_limit"])
    if "active" in body:
        values["active"] = int(body["active"])
    sql.change_person(connection(), person_id, values, pauses=body.get("runs") != "go_on")
    changed = sql.get_person(connection(), person_id)
    names = tuple(message(_CHANGED[name]) for name in values)
    what = message("改了{name}：{names}", name=changed["name"], names=names)
    note_change("person_changed", what, of=person_id, fields=",".join(values))
    return success(person=person_json(changed))


@bp.post("/api/people/<int:person_id>/invitation")
@describe("新的邀请链接，用来设密码；原来的打不开了", answer(link=_LINK))
def invite(person_id: int) -> Response:
    """Give a person a new link, also to one who has forgotten the password."""
    _require_server_password()
    secret = new_secret()
    sql.invite(connection(), person_id, secret_digest(secret), now=time.time())
    name = sql.get_person(connection(), person_id)["name"]
    note_change("person_invited", message("给{name}发了新的邀请链接", name=name), of=person_id)
    return success(link=_link_of(secret))


@bp.get("/api/tokens")
@describe(
    "我的令牌",
    answer(
        tokens=array_of(
            closed_object(
                id=ID,
                name=str,
                created_at=str,
                **dict.fromkeys(("expires_at", "last_used_at"), or_null(str)),
            )
        )
    ),
)
def list_tokens() -> Response:
    """The own tokens."""
    return success(tokens=tokens_of_me())


def tokens_of_me() -> list[dict[str, Any]]:
    """The tokens of the person of this request, as the API has them."""
    me = current_person()
    times = ("created_at", "expires_at", "last_used_at")
    return [
        {"id": each["id"], "name": each["name"], **{name: shown_time(each[name]) for name in times}}
        for each in (sessions.list_tokens(connection(), me.id) if me.id else [])
    ]


@bp.post("/api/tokens")
@describe(
    "做一个令牌，给脚本用：Authorization: Bearer <令牌>",
    answer(id=ID, token=text(description="只在这里回答一次")),
    status=201,
    json=strict_object(
        "name",
        name=text(minLength=1, maxLength=MAX_TOKEN_NAME, title="名字"),
        expires_at=or_null(text(description="日期，到那天结束；或带时区的时间")),
    ),
)
def add_token() -> Response:
    """Make a token of the person of this request."""
    body, me = json_body(), current_person()
    _require_server_password()
    name, ends_at = read_name(body, most=MAX_TOKEN_NAME), read_end(body.get("expires_at"))
    secret = new_secret("ait_")
    added = sessions.add_token(
        connection(), me.id or 0, name, secret_digest(secret), ends_at, now=time.time()
    )
    return success(status=201, id=added, token=secret)


@bp.delete("/api/tokens/<int:token_id>")
@describe("删掉我的一个令牌，马上不能用了", answer())
def delete_token(token_id: int) -> Response:
    """Delete one of the own tokens."""
    sessions.delete_token(connection(), current_person().id or 0, token_id)
    return success()


def person_json(each: Mapping[str, Any]) -> dict[str, Any]:
    """A stored person as the API has it."""
    ends_at = each["invitation_ends_at"] or 0
    return {
        **{name: each[name] for name in ("id", "name", "role", "joined")},
        "month_limit": _yuan(each["month_limit_micros"]),
        "active": bool(each["active"]),
        "invited_until": shown_time(ends_at) if ends_at > time.time() else None,
        "seen_at": shown_time(each["seen_at"]),
    }


def _yuan(micros: int | None) -> float | None:
    return None if micros is None else micros / 1_000_000


def _require_server_password() -> None:
    if not services().settings.access_password:
        raise Conflict(
            "现在只有这台电脑能打开，不用登录：要和别人一起用，"
            "请先在「模型与密钥」的「谁能打开」里设好，再重新启动"
        )


def _link_of(secret: str) -> str:
    """The address of an invitation, as somebody on another machine can open it, if any can."""
    settings, host = services().settings, safe_urlsplit(f"//{request.host}").hostname or ""
    is_local = host == "localhost" or host.startswith("127.") or host == "::1"
    others = address_for_others(settings.host, settings.port) if is_local else ""
    here = f"{'https' if came_by_https() else 'http'}://{request.host}"
    return (others or here) + url_for("join.form", token=secret)
