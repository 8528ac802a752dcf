"""Who makes a request: from where, what may still be spent for them, and the log of what they change."""

from collections.abc import Mapping
from contextlib import suppress

from flask import request

import database
from app import log
from app.domain import Budget, BudgetScope
from app.errors import DatabaseError, Message, message
from app.setting import is_loopback
from app.web.middleware.login import current_person, is_logged_in, is_trusted_proxy
from app.web.services import connection, services
from app.web.urls import safe_urlsplit

_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via")


def access_problem() -> Message | None:
    """Why this request may not see what only the owner may; None from this machine, or with a login."""
    if is_logged_in() if services().settings.access_password else is_of_this_machine():
        return None
    return message("只有在运行程序的电脑上，或设置访问密码并登录后，才能改设置")


def is_of_this_machine() -> bool:
    """Whether a call is made here: a proxy adds headers, is trusted, passes its host on, or uses HTTP/1.0."""
    address, host = request.remote_addr or "", safe_urlsplit(f"//{request.host}").hostname or ""
    was_passed_on = any(name in request.headers for name in _FORWARDED) or is_trusted_proxy(address)
    is_browsers = request.environ.get("SERVER_PROTOCOL") != "HTTP/1.0"
    return is_loopback(address) and is_loopback(host) and is_browsers and not was_passed_on


def list_budgets(db: database.Connection, batch_id: str | None = None) -> dict[BudgetScope, Budget]:
    """The budgets, BUDGET included, and what is spent of them."""
    return database.list_budgets(db, default=services().settings.budget, batch_id=batch_id)


def limit_of_me() -> Budget | None:
    """The monthly limit of who makes this request."""
    return next(iter(database.person_budget(connection(), current_person().id)), None)


def budgets_of_me(budgets: Mapping[BudgetScope, Budget]) -> list[Budget]:
    """What may refuse the next order of who makes this request, but that of a batch; the least left first."""
    shown = (budgets[BudgetScope.TOTAL], budgets[BudgetScope.MONTH], limit_of_me())
    return sorted((each for each in shown if each and each.left is not None), key=lambda each: each.left or 0)


def note_change(event: str, what: Message, **facts: object) -> None:
    """Log what was changed, without values of secrets, and store the sentence; a lost database only logs."""
    me = current_person()
    log.event("web", event, person=me.id, **facts)
    with suppress(DatabaseError, database.Error):
        database.add_setting_change(connection(), what, me.id)
