"""Who makes a request: from where, what may still be spent for them, and the log of what they change."""

import ipaddress
import re
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

from flask import request

import database
from app import log
from app.domain import Budget, BudgetScope
from app.domain.people import Person
from app.errors import DatabaseError, LoginRequired, Message, message
from app.setting import is_address, is_loopback
from app.web.services import connection, services

COOKIE = "ai_image_generator"  # cookies ignore ports: another local program may use the name "session"
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via")
_OWN_PATH = re.compile(r"/(?![/\\])[^\x00-\x20\x7f\\]*")


def is_logged_in() -> bool:
    """Whether this request has a login or a token that is valid.

    Raises TokenRefused, or StoreLost when the database cannot be read; the sentence is fit for anybody.
    """
    return services().find_person() is not None


def current_person() -> Person:
    """Who makes this request, where a login is required; without a password the owner at the machine.

    Raises LoginRequired.
    """
    if not services().settings.access_password:
        return Person()
    if (person := services().find_person()) is None:
        raise LoginRequired("没有登录，或登录过期了，请重新登录")
    return person


def bearer() -> str:
    """The token of this request; empty without one, or where no password is set."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" and services().settings.access_password else ""


def client_address() -> str:
    """The address of the browser, as the proxies of TRUSTED_PROXIES pass it on."""
    passed_on = request.headers.get("X-Forwarded-For", "").split(",")
    hops = [hop for hop in map(_without_port, (*passed_on, request.remote_addr or "")) if hop]
    while len(hops) > 1 and is_trusted_proxy(hops[-1]):
        hops.pop()
    return hops[-1] if hops else ""


def came_by_https() -> bool:
    """Whether the browser came by HTTPS, as the nearest proxy says if it is one of TRUSTED_PROXIES."""
    said = request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2]
    return said.strip().lower() == "https" and is_trusted_proxy(request.remote_addr or "")


def is_trusted_proxy(address: str) -> bool:
    """Whether the address is in TRUSTED_PROXIES."""
    proxies = services().settings.trusted_proxies
    return is_address(address) and any(ipaddress.ip_address(address) in network for network in proxies)


def _without_port(hop: str) -> str:
    """The address in a hop; some proxies add the port, another one for each connection."""
    found = re.fullmatch(r"\s*(?:\[(.*)\](?::\d+)?|([^:]*):\d+)\s*", hop)
    return (found[1] or found[2] or "") if found else hop.strip()


def client_key(address: str) -> str:
    """Key of a client: its IPv4 address, or the /64 of its IPv6 address, all of which one machine owns."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else address


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
    person_id = current_person().id
    return next(iter(database.person_budget(connection(), person_id)), None) if person_id else None


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


def safe_urlsplit(address: str) -> SplitResult:
    """``urlsplit`` that returns empty parts for an invalid URL instead of raising."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def safe_redirect_target(target: str) -> str:
    """The target if it is a path of this site, else ``/``: prevents open redirects such as ``//host``."""
    return target if _OWN_PATH.fullmatch(target) else "/"


def referring_path() -> str:
    """The path of the referring page when it is on this host, else ``/``."""
    before = safe_urlsplit(request.referrer or "")
    if before.netloc.lower() != request.host.lower():
        return "/"
    return safe_redirect_target(f"{before.path}?{before.query}" if before.query else before.path)
