"""Login and logout, for servers opened to other machines with ACCESS_PASSWORD."""

import hashlib
import hmac
import ipaddress
import math
import secrets
import threading
import time
from collections.abc import Callable

from flask import Blueprint, Flask, current_app, make_response, redirect, render_template, request, session
from werkzeug.wrappers import Response

from app.errors import Message, TryLater, message
from app.web.services import services
from app.web.urls import safe_redirect_target

COOKIE = "ai_image_generator"  # cookies ignore ports: another local program may use the name "session"
_SESSION_SECONDS = 7 * 24 * 3600
_MAX_DELAY = 60.0
_FORGET_AFTER_SECONDS = 3600.0
_MAX_REMEMBERED = 4096
_KEY = "ai_image_generator_guesses"
_SESSIONS = "ai_image_generator_sessions"  # session id -> expiry time
bp = Blueprint("login", __name__)


class LoginThrottle:
    """Rate limit of login attempts: the delay of a client grows with each wrong password."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # client key -> (failed attempts, time of the next allowed attempt)
        self._wrong: dict[str, tuple[int, float]] = {}
        self._salt = secrets.token_bytes(16)

    def check(self, attempt: str, password: str, address: str) -> tuple[bool, float]:
        """(whether the password is right, seconds to wait when it was not checked).

        Raises TryLater while another attempt is hashed: a waiting thread could not serve other requests.
        """
        if not self._lock.acquire(blocking=False):
            raise TryLater("有别人正在登录，请 1 秒后再试", retry_after=1)
        try:
            return self._verify(attempt, password, client_key(address))
        finally:
            self._lock.release()

    def _verify(self, attempt: str, password: str, client: str) -> tuple[bool, float]:
        times, next_at = self._wrong.pop(client, (0, 0.0))
        wait = next_at - self._clock()
        if wait > 0:
            self._wrong[client] = times, next_at
            return False, wait
        if hmac.compare_digest(self._hash(attempt), self._hash(password)):
            return True, 0.0
        times = times + 1 if wait > -_FORGET_AFTER_SECONDS else 1
        self._wrong[client] = times, self._clock() + min(2.0 ** (times - 1), _MAX_DELAY)
        if len(self._wrong) > _MAX_REMEMBERED:
            del self._wrong[next(iter(self._wrong))]
        return False, 0.0

    def _hash(self, text: str) -> bytes:
        return hashlib.scrypt(text.encode(), salt=self._salt, n=2**14, r=8, p=1)


def client_key(address: str) -> str:
    """Key of a client: its IPv4 address, or the /64 of its IPv6 address, all of which one machine owns."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else address


def init_login(app: Flask, *, password: str) -> None:
    """Set up signed sessions with a new key, so they end with the process; none without a password."""
    if password:
        app.secret_key = secrets.token_bytes(32)
    app.config.update(
        SESSION_COOKIE_NAME=COOKIE, SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_SAMESITE="Strict"
    )
    app.extensions[_KEY] = LoginThrottle()
    app.extensions[_SESSIONS] = {}
    app.jinja_env.globals["has_password"] = bool(password)


def is_logged_in() -> bool:
    """Whether this browser has logged in and its session has not expired."""
    return _sessions().get(session.get("id", ""), 0.0) > time.time()


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
        is_right, wait = throttle.check(attempt, password, request.remote_addr or "")
    except TryLater as busy:
        return _later(busy.message, busy.retry_after)
    if wait > 0:
        seconds = math.ceil(wait)
        return _later(message("密码错误次数过多，请 {seconds} 秒后再试", seconds=seconds), seconds)
    if not is_right:
        return render_template("login.html", problem="密码不对，请再试一次"), 403
    _open_session()
    return redirect(safe_redirect_target(target))


@bp.post("/logout")
def log_out() -> Response:
    """Log out: the session ends, also for copies of its cookie."""
    if services().settings.access_password:
        _sessions().pop(session.pop("id", ""), None)
    return redirect("/", 303)


def _later(problem: Message, seconds: int) -> Response:
    answer = make_response(render_template("login.html", problem=problem), 429)
    answer.headers["Retry-After"] = str(seconds)
    return answer


def _open_session() -> None:
    now, sessions = time.time(), _sessions()
    for name in [name for name, until in list(sessions.items()) if until <= now]:
        sessions.pop(name, None)
    session["id"] = secrets.token_urlsafe(24)
    sessions[session["id"]] = now + _SESSION_SECONDS


def _sessions() -> dict[str, float]:
    sessions: dict[str, float] = current_app.extensions[_SESSIONS]
    return sessions
