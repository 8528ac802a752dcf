"""Login and logout, for servers opened to other machines with ACCESS_PASSWORD.

Logins and wrong passwords are in the database: they are shared by all web processes and outlive a restart.
"""

import hashlib
import hmac
import ipaddress
import math
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flask import Blueprint, Flask, current_app, g, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

import database
from app.config import is_address
from app.errors import DatabaseError, Message, StoreLost, TryLater, WriteRefused, message
from app.web.services import connection, services
from app.web.urls import safe_redirect_target

COOKIE = "ai_image_generator"  # cookies ignore ports: another local program may use the name "session"
_COOKIE_BYTES = 32
_COOKIE_CHARS = 43  # in base64
_SESSION_SECONDS = 7 * 24 * 3600
_KEY = "ai_image_generator_guesses"
bp = Blueprint("login", __name__)


class LoginThrottle:
    """Rate limit of login attempts: the delay of a client grows with each wrong password.

    One password at a time is hashed by a process.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._salt = secrets.token_bytes(16)

    def check(self, db: database.Connection, attempt: str, password: str, address: str) -> tuple[bool, float]:
        """(whether the password is right, seconds to wait when it was not checked).

        Raises TryLater while another attempt is hashed: a waiting thread could not serve other requests.
        A client that has to wait is refused first, so that its attempts do not delay other clients.
        """
        client = client_key(address)
        if (wait := database.seconds_to_wait(db, client, now=self._clock())) > 0:
            return False, wait
        if not self._lock.acquire(blocking=False):
            raise TryLater("有别人正在登录，请 1 秒后再试", retry_after=1)
        try:
            return self._verify(db, attempt, password, client)
        finally:
            self._lock.release()

    def _verify(
        self, db: database.Connection, attempt: str, password: str, client: str
    ) -> tuple[bool, float]:
        wait = database.start_attempt(db, client, now=self._clock())
        if wait > 0:
            return False, wait
        is_right = hmac.compare_digest(self._hash(attempt), self._hash(password))
        if is_right:
            database.forget_attempts(db, client)
        return is_right, 0.0

    def _hash(self, text: str) -> bytes:
        return hashlib.scrypt(text.encode(), salt=self._salt, n=2**14, r=8, p=1)


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


def init_login(app: Flask, *, password: str) -> None:
    """Set up the rate limit of logins."""
    app.extensions[_KEY] = LoginThrottle()
    app.jinja_env.globals["has_password"] = bool(password)


def is_logged_in() -> bool:
    """Whether this browser has logged in and its session has not expired.

    Raises StoreLost when the database cannot be read; the sentence is fit for anybody.
    """
    if "is_logged_in" not in g:
        cookie = request.cookies.get(COOKIE, "")
        g.is_logged_in = len(cookie) == _COOKIE_CHARS and _has_session(cookie)
    found: bool = g.is_logged_in
    return found


def _has_session(cookie: str) -> bool:
    with _database() as db:
        return database.has_session(db, _digest(cookie), now=time.time())


@bp.get("/login")
def login_page() -> str:
    """The login form."""
    return render_template("login.html", problem="")


@bp.post("/login")
def log_in() -> tuple[str, int] | Response:
    """Check the password: log in, or show the form again with an error."""
    password, target = services().settings.access_password, request.args.get("next", "/")
    if not password:
        return redirect(safe_redirect_target(target))
    throttle: LoginThrottle = current_app.extensions[_KEY]
    attempt = request.form.get("password", "")[:1000]
    try:
        with _database() as db:
            is_right, wait = throttle.check(db, attempt, password, client_address())
            cookie = _open_session(db) if is_right else ""
    except TryLater as busy:
        return _later(busy.message, busy.retry_after)
    except DatabaseError as error:
        return unavailable(error.message)
    if wait > 0:
        seconds = math.ceil(wait)
        return _later(message("密码错误次数过多，请 {seconds} 秒后再试", seconds=seconds), seconds)
    if not is_right:
        return render_template("login.html", problem="密码不对，请再试一次"), 403
    answer = redirect(safe_redirect_target(target))
    answer.set_cookie(COOKIE, cookie, secure=came_by_https(), httponly=True, samesite="Strict")
    return answer


@bp.post("/logout")
def log_out() -> Response:
    """Log out: the session ends, also for copies of its cookie."""
    answer = redirect("/", 303)
    if cookie := request.cookies.get(COOKIE):
        try:
            if is_logged_in():  # a stranger writes nothing
                with _database() as db:
                    database.delete_session(db, _digest(cookie))
        except DatabaseError as error:
            return unavailable(error.message)
        answer.delete_cookie(COOKIE, secure=came_by_https(), httponly=True, samesite="Strict")
    return answer


def unavailable(problem: Message) -> Response:
    """The login page while the database cannot say who has logged in."""
    return make_response(render_template("login.html", problem=problem), 503)


def _later(problem: Message, seconds: int) -> Response:
    answer = make_response(render_template("login.html", problem=problem), 429)
    answer.headers["Retry-After"] = str(seconds)
    return answer


def _open_session(db: database.Connection) -> str:
    """Store a login -> its cookie."""
    now, cookie = time.time(), secrets.token_urlsafe(_COOKIE_BYTES)
    database.add_session(db, _digest(cookie), now=now, expires_at=now + _SESSION_SECONDS)
    return cookie


def _digest(cookie: str) -> str:
    """What is stored of a session: it opens nothing without the cookie, or with another password."""
    password = services().settings.access_password
    return hmac.digest(cookie.encode(), password.encode(), "sha256").hex()


@contextmanager
def _database() -> Iterator[database.Connection]:
    """The connection of this request. Raises WriteRefused, or StoreLost without a path."""
    lost = StoreLost("数据库现在用不了，请在运行程序的电脑上看日志")
    if services().runtime.store_guard.away():  # no connection may be opened
        raise lost
    try:
        yield connection()
    except WriteRefused:
        raise
    except (DatabaseError, database.Error) as error:
        raise lost from error
