"""/people, the page of people and of one's own account; /join/…, the form of who was invited."""

import time
from decimal import Decimal

from flask import Blueprint, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

import database
from app.domain.people import hash_password, secret_digest
from app.errors import InvalidRequest, Message, message
from app.people import sql
from app.people.api import person_json, sessions_of_me, tokens_of_me
from app.people.login import open_session
from app.people.rules import LEAST_PASSWORD, MAX_NAME, ROLE_LABELS, read_name, read_password
from app.web.person import budgets_of_me, current_person, list_budgets
from app.web.services import connection, services

bp = Blueprint("join", __name__)
_GONE = "这个链接打不开了：它用过了，或过了 72 小时；请主人再发一个"


@bp.get("/people")
def people() -> str:
    """The own account; for owners everybody."""
    me = current_person()
    everybody = sql.list_people(connection()) if me.is_owner and me.id else []
    least = min(services().spec.prices.values(), default=Decimal(0))  # of a picture of the default model
    with database.read_transaction(connection()):
        limits = budgets_of_me(list_budgets(connection()))
    return render_template(
        "people/page.html",
        me=me,
        limits=limits,
        is_refused=any(not each.left or each.left < least for each in limits[:1]),
        people=[person_json(each) for each in everybody],
        sessions=sessions_of_me(),
        tokens=tokens_of_me(),
        roles=ROLE_LABELS,
        least_password=LEAST_PASSWORD,
    )


@bp.get("/join/<token>")
def form(token: str) -> Response:
    """The form of an invitation; opening it, as the preview of a chat does, uses nothing up."""
    invited = sql.find_invited(connection(), secret_digest(token), now=time.time())
    if invited is None or not services().settings.access_password:
        return _gone()
    return _form(invited["name"])


@bp.post("/join/<token>")
def join(token: str) -> Response:
    """Use the invitation up: name and password are set, and this browser is logged in."""
    digest, now, name = secret_digest(token), time.time(), request.form.get("name", "")
    if not services().settings.access_password or not sql.find_invited(connection(), digest, now=now):
        return _gone()  # nothing is hashed for it
    try:
        wanted, password = read_name(request.form), read_password(request.form.get("password"))
        account = sql.accept(connection(), digest, wanted, hash_password(password), now=now)
    except InvalidRequest as problem:
        return _form(name[:MAX_NAME], problem.message, problem.field)
    answer = redirect("/", 303)
    if account is None or not open_session(answer, account):
        return _gone()
    return answer


def _form(name: str, problem: Message | str = "", field: str = "") -> Response:
    shown = render_template("people/join.html", name=name, problem=problem, field=field, least=LEAST_PASSWORD)
    return _private(make_response(shown, 400 if problem else 200))


def _gone() -> Response:
    return _private(make_response(render_template("people/join.html", gone=message(_GONE)), 404))


def _private(answer: Response) -> Response:
    """The address is a secret until it is used: nothing keeps it."""
    answer.headers["Cache-Control"] = "private, no-store"
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    return answer
